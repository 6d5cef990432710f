"""What all parts of the emulator share: one lock, the clock, and one timer."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable, Optional

from .arguments import check_type

__all__ = ["MAX_WAIT", "Clock", "Hub"]

MAX_WAIT = 3600.0  # seconds; a lock cannot wait for more than 292 years


class Clock:
    """Seconds since 1970, plus what `advance` added.

    It reads the real clock once and then counts monotonic time, so it never goes backwards.

    Args:
        monotonic: counts seconds from any start; pass your own function to stop time.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._base = time.time() - monotonic()

    def now(self) -> float:
        """Return the time."""
        return self._base + self._monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock ahead; ValueError if the number is negative."""
        check_type("seconds", seconds, float)
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds!r}")
        self._base += seconds


class Hub(threading.Condition):
    """The emulator's one lock, which is notified after every change.

    `version` grows with every change; `closing` becomes True when the emulator closes. Functions
    can be scheduled for a time of the clock: only an earlier deadline wakes the timer's thread.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(threading.RLock())
        self.version = 0
        self.closing = False
        self.now = clock.now
        self._scheduled: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._serial = itertools.count()
        self._wake = threading.Event()

    def changed(self) -> None:
        """Count a change and wake every waiting thread; call it under the lock."""
        self.version += 1
        self.notify_all()

    def call_at(self, due: float, function: Callable[[], None]) -> None:
        """Have a function run under the lock at a time; call it under the lock."""
        entry = (due, next(self._serial), function)
        heapq.heappush(self._scheduled, entry)
        if self._scheduled[0] is entry:
            self._wake.set()

    def run_due(self) -> Optional[float]:
        """Run every function that is due; return the seconds until the next, if any."""
        with self:
            while self._scheduled:
                remaining = self._scheduled[0][0] - self.now()
                if remaining > 0:
                    return remaining
                heapq.heappop(self._scheduled)[2]()
            return None

    def run_timer(self) -> None:
        """Run the functions as they become due, until the emulator closes."""
        while True:
            self._wake.clear()
            if self.closing:
                return
            remaining = self.run_due()
            self._wake.wait(MAX_WAIT if remaining is None else min(remaining, MAX_WAIT))

    def close(self) -> None:
        """Wake every waiting thread, and end the timer."""
        with self:
            self.closing = True
            self.changed()
        self._wake.set()
