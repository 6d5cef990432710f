"""Runs functions in separate threads, without the Python-level locks of threading.Thread.

If a signal handler raises in Thread.start() or Thread.join(), such a lock can stay locked.
"""

from __future__ import annotations

import _thread
import threading
from typing import Any, Callable, Optional


class StillRunning(Exception):
    """The function did not return in time."""


class NoThread(Exception):
    """No thread can start, as at the interpreter's exit; the function was not called."""


def call_in_thread(function: Callable[[], Any], timeout: Optional[float] = None) -> Any:
    """Call a function in a separate thread; return its result or raise its exception.

    Raises:
        StillRunning: it did not return within `timeout` seconds. Its thread continues.
        NoThread: no thread can start.
    """
    outcome: list[Any] = []
    done = threading.Lock()
    done.acquire()

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as exc:
            outcome.append(exc)
        finally:
            done.release()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError as exc:
        raise NoThread(str(exc)) from None
    done.acquire(timeout=-1 if timeout is None else timeout)
    if not outcome:
        raise StillRunning
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
