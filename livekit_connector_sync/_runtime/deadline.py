"""Timeouts and deadlines: how long a call may take, and when it must end."""

from __future__ import annotations

import enum
import time
from typing import TYPE_CHECKING, Any, Optional, Union

from google.protobuf.message import Message

from .method import MethodInfo

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

_DEFAULT_TIMEOUT = 10.0  # seconds
_DEFAULT_RINGING_TIMEOUT = 30.0  # seconds; the official SDKs' default
_RINGING_MARGIN = 2.0  # seconds for the response to arrive after the ringing ends
_MAX_WAIT = 1_000_000.0  # seconds; some systems overflow on a longer socket timeout


class Unset(enum.Enum):
    """The type of UNSET, which means "not given"; None means "no limit"."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.value


UNSET = Unset.UNSET
"""The value of an option that was not given."""

Timeout: TypeAlias = Union[float, Unset, None]


class Deadline:
    """A point in time, `timeout` seconds from now; None for no limit."""

    __slots__ = ("_end",)

    def __init__(self, timeout: Optional[float]) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> Optional[float]:
        """Return the seconds that are left, 0 after the deadline; None for no limit."""
        if self._end is None:
            return None
        return min(max(self._end - time.monotonic(), 0.0), _MAX_WAIT)

    def at_most(self, seconds: Optional[float]) -> Deadline:
        """Return the earlier of this deadline and one `seconds` from now."""
        other = Deadline(seconds)
        if other._end is None or (self._end is not None and self._end < other._end):
            return self
        return other

    def half(self) -> Deadline:
        """Return a deadline after half of the remaining time."""
        left = self.remaining()
        return self.at_most(None if left is None else left / 2)


def check_timeout(timeout: object) -> Optional[float]:
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


def waits_for_pickup(method: MethodInfo[Any, Any], request: Message) -> bool:
    """Return whether the service responds to this request only after somebody picks up."""
    return method.wait_field is not None and bool(getattr(request, method.wait_field))


def choose_timeout(
    method: MethodInfo[Any, Any], request: Message, call: Timeout, channel: Timeout
) -> Optional[float]:
    """Return the seconds that a call may take, None for no limit.

    The call's timeout overrides the channel's. If neither is given, the default applies, which is
    longer for a call that waits until somebody picks up.

    Raises:
        ValueError: the caller's timeout is not positive.
    """
    for given in (call, channel):
        if not isinstance(given, Unset):
            return check_timeout(given)
    if not waits_for_pickup(method, request):
        return _DEFAULT_TIMEOUT
    ringing = 0.0
    if method.wait_timeout_field is not None:
        duration = getattr(request, method.wait_timeout_field)
        ringing = duration.seconds + duration.nanos / 1e9
    return max(_DEFAULT_TIMEOUT, (ringing or _DEFAULT_RINGING_TIMEOUT) + _RINGING_MARGIN)
