"""One moment by which a whole call must be over."""

from __future__ import annotations

import time
from typing import Optional

__all__ = ["Deadline", "checked_timeout"]

# A longer wait than this overflows what some systems take as a socket's timeout.
_LONGEST_WAIT = 1_000_000.0


class Deadline:
    """A point on the monotonic clock, or none at all.

    Args:
        timeout: seconds from now; None for no limit.
    """

    __slots__ = ("_end",)

    def __init__(self, timeout: Optional[float]) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> Optional[float]:
        """Return the seconds that are left, 0 once it has passed; None for no limit."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            return 0.0
        return left if left < _LONGEST_WAIT else _LONGEST_WAIT

    @property
    def passed(self) -> bool:
        """True once no time is left."""
        return self._end is not None and time.monotonic() >= self._end

    def at_most(self, seconds: Optional[float]) -> Deadline:
        """Return the earlier of this deadline and one in so many seconds."""
        other = Deadline(seconds)
        if other._end is None or (self._end is not None and self._end < other._end):
            return self
        return other


def checked_timeout(timeout: object) -> Optional[float]:
    """Return a timeout in seconds, or None for no limit.

    Raises:
        ValueError: it is not a positive number.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError(
            f"timeout must be a positive number of seconds, or None for no limit, not {timeout!r}"
        )
    try:
        seconds = float(timeout)
    except OverflowError:
        raise ValueError("timeout is too large a number: pass None for no limit") from None
    return None if seconds == float("inf") else seconds
