"""Meta's errors, and what happens when a number is dialled.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/calling/troubleshooting
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable, Optional, Union

from .._gen import DialWhatsAppCallRequest
from ..errors import InvalidArgument
from .arguments import check_type

__all__ = ["META_ERRORS", "Callee", "DialRule", "MetaError", "callee_of", "check_number"]


@dataclass(frozen=True)
class MetaError:
    """An error of Meta's Graph API, with which it refuses a call.

    Args:
        code: Meta's code.
        text: Meta's text.
        status: the HTTP status that Meta sends with the error.
    """

    code: int
    text: str
    status: int = 400

    def as_twirp(self) -> InvalidArgument:
        """Return the error as LiveKit forwards it: the message has the code and the text."""
        return InvalidArgument(f"whatsapp api call failed: (#{self.code}) {self.text}")


class Callee(str, enum.Enum):
    """What the user does when a number is dialled."""

    RING = "ring"
    """The phone rings until a test picks up, declines, or lets it time out."""
    ANSWER = "answer"
    """The user picks up at once."""
    REJECT = "reject"
    """The user declines at once."""
    BUSY = "busy"
    """The user is in another call."""


DialRule = Callable[[DialWhatsAppCallRequest], Union[Callee, MetaError, None]]
"""Decides what happens when a number is dialled; None leaves the decision to the other rules."""

META_ERRORS: Mapping[int, MetaError] = {
    error.code: error
    for error in (
        MetaError(100, "Invalid parameter"),
        MetaError(190, "Invalid OAuth access token", 401),
        MetaError(613, "Limit of call permission checks reached for this receiver", 429),
        MetaError(131030, "Recipient phone number not in allowed list"),
        MetaError(131044, "Business eligibility: no payment method"),
        MetaError(131055, "Method not allowed: the number is enabled for SIP"),
        MetaError(138000, "Calling is not enabled for this number", 401),
        MetaError(138001, "The receiver cannot be called"),
        MetaError(138002, "Limit of concurrent calls reached", 429),
        MetaError(138003, "A call with this receiver is already in progress"),
        MetaError(138004, "Connection error: the call could not be placed", 500),
        MetaError(138005, "Rate limit of calls reached", 429),
        MetaError(138006, "No approved call permission from the receiver", 401),
        MetaError(138009, "Limit of call permission requests reached", 429),
        MetaError(138012, "Limit of business-initiated calls reached for this receiver", 429),
        MetaError(138013, "Business-initiated calling is not available for this number's country"),
        MetaError(138014, "Calling is disabled for this number because of its quality"),
        MetaError(138015, "The messaging limit of this number is too low for calling"),
        MetaError(138017, "The receiver has granted call permission already"),
        MetaError(138018, "No app is subscribed to the calls webhook"),
    )
}
"""Meta's errors by code."""
_BY_SUFFIX = {str(code): error for code, error in META_ERRORS.items() if code >= 100_000}


def check_number(number: str, callee: Union[Callee, MetaError]) -> None:
    """Raise TypeError or ValueError if an entry of the table of numbers is not valid."""
    check_type("a key of numbers", number, str)
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"numbers must be in digits, without a leading +: {number!r}")
    if not isinstance(callee, MetaError) and callee not in list(Callee):
        remedy = "use one, or a MetaError such as META_ERRORS[138006]"
        raise ValueError(f"numbers[{number!r}]: {callee!r} is not a valid Callee: {remedy}")


def callee_of(
    request: DialWhatsAppCallRequest,
    numbers: Mapping[str, Union[Callee, MetaError]],
    rule: Optional[DialRule],
) -> Union[Callee, MetaError]:
    """Return what happens when a number is dialled.

    The rule decides first, then the table of numbers. Otherwise, Meta refuses a number that ends in
    the six digits of one of its codes: 15550138006 has not given permission (138006).
    """
    number = request.whatsapp_to_phone_number
    decided = (rule and rule(request)) or numbers.get(number) or _BY_SUFFIX.get(number[-6:])
    return decided if isinstance(decided, MetaError) else Callee(decided or Callee.RING)
