"""The emulator's clock: it follows the real one, and tests can move it ahead."""

from __future__ import annotations

import time
from typing import Callable

__all__ = ["Clock"]


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
        """Move the clock ahead.

        Raises:
            ValueError: the number is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds!r}")
        self._base += seconds
