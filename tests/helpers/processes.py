"""Finds the processes that a test leaves behind. On Linux; elsewhere it finds none."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from pathlib import Path

GRACE = 2.0  # seconds that a process has to end after its test
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, so that `children()` shows them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Return the pids of this process's children, zombies included."""
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found.update(map(int, path.read_text().split()))
    return found


def end_processes_left(before: set[int]) -> list[str]:
    """End the children that have come since `before`; return the commands of those that ran on."""
    deadline = time.monotonic() + GRACE
    left = children() - before
    if left:
        gc.collect()  # some objects end their process when they are collected
    while left := {pid for pid in left if not _has_ended(pid)}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    commands = []
    for pid in sorted(left):
        commands.append(_command(pid))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return commands


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    return " ".join(word.decode("utf-8", "replace") for word in words if word)
