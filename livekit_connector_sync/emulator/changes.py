"""The emulator's one lock, and its one timer."""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import Callable, Optional

from .clock import Clock

__all__ = ["MAX_WAIT", "Changes", "Schedule"]

MAX_WAIT = 3600.0  # seconds; a lock cannot wait for more than 292 years


class Changes(threading.Condition):
    """A condition whose `version` grows with every change."""

    def __init__(self) -> None:
        super().__init__(threading.RLock())
        self.version = 0

    def changed(self) -> None:
        """Count a change and wake every waiting thread; call it under the lock."""
        self.version += 1
        self.notify_all()


class Schedule:
    """Runs functions under the lock, at times of the emulator's clock.

    Only an earlier deadline wakes the timer's thread, not every change.
    """

    def __init__(self, changed: Changes, clock: Clock) -> None:
        self._changed = changed
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._wake = threading.Event()
        self._closing = False

    def call_at(self, due: float, function: Callable[[], None]) -> None:
        """Run a function at a time; call it under the lock."""
        entry = (due, next(self._serial), function)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._wake.set()

    def run_due(self) -> Optional[float]:
        """Run every function that is due; return the seconds until the next, if any."""
        with self._changed:
            while self._heap:
                remaining = self._heap[0][0] - self._clock.now()
                if remaining > 0:
                    return remaining
                heapq.heappop(self._heap)[2]()
            return None

    def run(self) -> None:
        """Run the functions as they become due, until the schedule is closed."""
        while not self._closing:
            self._wake.clear()
            remaining = self.run_due()
            self._wake.wait(MAX_WAIT if remaining is None else min(remaining, MAX_WAIT))

    def close(self) -> None:
        """End `run`."""
        self._closing = True
        self._wake.set()
