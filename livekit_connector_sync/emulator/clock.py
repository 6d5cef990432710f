"""The emulator's clock: it runs with the real one, and tests can move it ahead."""

from __future__ import annotations

import time
from typing import Callable, Optional

__all__ = ["Clock"]


class Clock:
    """Time since 1970 in seconds, as the real clock has it plus what `advance` added.

    It reads the real clock once and then counts monotonic time, so it never runs backwards.

    Args:
        monotonic: counts seconds from any start; a function that a test controls freezes time.
        start: the time at which the clock starts, by default now.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        start: Optional[float] = None,
    ) -> None:
        self._monotonic = monotonic
        self._base = (time.time() if start is None else start) - monotonic()

    def now(self) -> float:
        """Return the time."""
        return self._base + self._monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock ahead.

        Raises:
            ValueError: the number is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds!r}: time goes ahead only")
        self._base += seconds
