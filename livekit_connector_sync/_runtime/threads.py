"""Runs functions in threads of their own, without the Python-level locks of threading.Thread.

An exception that a signal raises within Thread.start() or Thread.join() can leave a lock locked.
"""

from __future__ import annotations

import _thread
import threading
from typing import Any, Callable, Optional

__all__ = ["NoThread", "StillRunning", "call_in_thread"]


class StillRunning(Exception):
    """A function is not done in time."""


class NoThread(Exception):
    """No thread can be started, as at the interpreter's exit; the function was not called."""


def call_in_thread(function: Callable[[], Any], timeout: Optional[float] = None) -> Any:
    """Return what a function returns, or raise what it raises, in a thread of its own.

    Raises:
        StillRunning: it is not done in `timeout` seconds. Its thread goes on.
        NoThread: no thread can be started.
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
