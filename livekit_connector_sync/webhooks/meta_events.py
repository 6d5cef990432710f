"""The events that `meta.parse` returns."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Optional, Union

from .. import _gen as gen
from .._runtime import fields

__all__ = [
    "CallConnect",
    "CallError",
    "CallPermissionReply",
    "CallStatus",
    "CallTerminate",
    "Direction",
    "Event",
    "OtherUpdate",
]


class Direction(str, enum.Enum):
    """Who called."""

    INBOUND = "inbound"
    """The user called the business (Meta: USER_INITIATED)."""
    OUTBOUND = "outbound"
    """The business called the user (Meta: BUSINESS_INITIATED)."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class CallError:
    """Why a call failed, as reported by Meta."""

    code: Optional[int]
    """Meta's error code, such as 138007."""
    title: str
    """The title of the code."""
    message: str
    """What went wrong."""
    details: str
    """More details (Meta: error_data.details)."""
    raw: Mapping[str, Any] = field(repr=False)
    """The error's payload."""


@dataclass(frozen=True)
class _Update:
    """The attributes of every update."""

    phone_number_id: str
    """Meta's id of the business phone number."""
    account_id: str
    """Meta's id of the WhatsApp Business account."""
    raw: Mapping[str, Any] = field(repr=False)
    """The update's payload: an object of `calls`, `statuses`, or `messages`, or the whole change.
    """
    value: Mapping[str, Any] = field(repr=False)
    """The whole value of the change, with `metadata` and `contacts`."""


@dataclass(frozen=True)
class _UserUpdate(_Update):
    """The attributes of every update about a user."""

    timestamp: Optional[datetime]
    """When it happened, in UTC, to the second."""
    user_id: str = field(repr=False)
    """Meta's id of the user for your business, "US.1349..."; empty if Meta doesn't send it. Unlike
    the number, users can't hide it."""
    parent_user_id: str = field(repr=False)
    """Meta's id of the user for linked businesses, "US.ENT.1181..."; empty for most businesses."""
    username: str = field(repr=False)
    """The username that the user chose, unique in WhatsApp; empty if the user has none."""
    contact_name: str = field(repr=False)
    """The user's profile name in WhatsApp; empty if Meta doesn't send it."""


@dataclass(frozen=True)
class _CallUpdate(_UserUpdate):
    """The attributes of every update about a call."""

    _EVENT: ClassVar[str] = ""

    whatsapp_call_id: str
    """Meta's id of the call, "wacid...."."""
    callback_data: str = field(repr=False)
    """The `whatsapp_biz_opaque_callback_data` of the dial; empty if the dial had none."""

    @property
    def key(self) -> str:
        """The key to deduplicate by: every delivery of an event has the same key."""
        return f"{self.whatsapp_call_id}:{self._EVENT}"

    def age(self, now: Optional[float] = None) -> float:
        """Return how many seconds ago it happened; 0 if Meta doesn't say when.

        Args:
            now: seconds since 1970; the current time by default.
        """
        if self.timestamp is None:
            return 0.0
        return max(0.0, (time.time() if now is None else now) - self.timestamp.timestamp())


@dataclass(frozen=True)
class _CallEvent(_CallUpdate):
    """The attributes of the start and the end of a call."""

    from_number: str = field(repr=False)
    """The caller's number in digits; empty if the user hides it."""
    to_number: str = field(repr=False)
    """The callee's number in digits; empty if the user hides it."""
    cta_payload: str = field(repr=False)
    """The payload of the call button that the user tapped; empty if it had none."""
    deeplink_payload: str = field(repr=False)
    """The payload of the call link that the user opened; empty if it had none."""


@dataclass(frozen=True)
class CallConnect(_CallEvent):
    """A user calls, or Meta sends the SDP answer of an outbound call.

    The SDP answer can arrive long before the user picks up. Pass it to ConnectWhatsAppCall at once;
    the pickup is the CallStatus ACCEPTED.
    """

    _EVENT = "connect"

    direction: Direction
    """INBOUND: accept the call. OUTBOUND: connect it."""
    sdp: gen.SessionDescription
    """The offer for AcceptWhatsAppCall, or the answer for ConnectWhatsAppCall."""


@dataclass(frozen=True)
class CallTerminate(_CallEvent):
    """A call ended. This event can arrive before the CallConnect of the call."""

    _EVENT = "terminate"

    direction: Optional[Direction]
    """Who called; None if Meta doesn't say."""
    status: str
    """COMPLETED or FAILED; empty if Meta doesn't say."""
    start_time: Optional[datetime]
    """When the callee picked up; None if the callee didn't."""
    end_time: Optional[datetime]
    """When the call ended; None if nobody picked up."""
    duration: Optional[int]
    """The call's length in seconds; None if nobody picked up."""
    errors: tuple[CallError, ...]
    """Why the call failed."""


@dataclass(frozen=True)
class CallStatus(_CallUpdate):
    """The progress of an outbound call. Don't wait for ACCEPTED before you connect the call."""

    status: str
    """RINGING, ACCEPTED (the user picked up), or REJECTED."""
    recipient: str = field(repr=False)
    """The user's number in digits; empty if the user hides it."""

    @property
    def key(self) -> str:
        """The key to deduplicate by: every delivery of an event has the same key."""
        return f"{self.whatsapp_call_id}:status:{self.status}"


@dataclass(frozen=True)
class CallPermissionReply(_UserUpdate):
    """A user allows or refuses calls from the business."""

    accepted: bool
    """Whether the business may call the user."""
    is_permanent: bool
    """Whether the permission lasts until the user revokes it."""
    expires_at: Optional[datetime]
    """When the permission ends, in UTC; None if it is permanent, or refused."""
    response_source: str
    """"user_action", or "automatic": for example, because the user called the business."""
    from_number: str = field(repr=False)
    """The user's number in digits; empty if the user hides it."""
    message_id: str
    """Meta's id of the reply, "wamid...."."""
    context_id: str
    """The id of the request that the user replied to, or of the missed call; may be empty."""

    @property
    def key(self) -> str:
        """The key to deduplicate by: every delivery of an event has the same key."""
        return f"permission:{self.message_id or fields.digest([self.account_id, self.raw])}"


@dataclass(frozen=True)
class OtherUpdate(_Update):
    """Any other update: another field, an unknown event, an error, or an incomplete call."""

    field_name: str
    """The field that the app is subscribed to: "calls", "messages", ..."""
    errors: tuple[CallError, ...]
    """The errors that Meta reports."""

    @property
    def key(self) -> str:
        """The key to deduplicate by: every delivery of an event has the same key."""
        return f"other:{fields.digest([self.field_name, self.account_id, self.raw])}"


Event = Union[CallConnect, CallTerminate, CallStatus, CallPermissionReply, OtherUpdate]
