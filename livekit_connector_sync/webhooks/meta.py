"""Meta's webhooks about WhatsApp calls.

    events = meta.receive(body, request.headers.get("X-Hub-Signature-256"), app_secret)

An inbound call starts with a `CallConnect` whose `sdp` you pass to AcceptWhatsAppCall. When a user
picks up an outbound call, Meta sends a `CallConnect` whose `sdp` you pass to ConnectWhatsAppCall. A
`CallTerminate` ends both. Meta resends a webhook until it gets a 200: use `key` to deduplicate.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/calling,
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Optional, Union

from .. import _gen as gen
from .._runtime.redaction import hide_locals
from . import fields
from .arguments import Body, Secrets, check_text, read_body, read_secrets
from .errors import Reason, WebhookError
from .signatures import require_header, require_match

__all__ = [
    "SIGNATURE_HEADER",
    "CallConnect",
    "CallError",
    "CallStatus",
    "CallTerminate",
    "Direction",
    "Event",
    "OtherUpdate",
    "handshake",
    "parse",
    "receive",
    "verify",
]

SIGNATURE_HEADER = "X-Hub-Signature-256"


class Direction(str, enum.Enum):
    """Who called."""

    INBOUND = "inbound"
    """The user called the business (Meta: USER_INITIATED)."""
    OUTBOUND = "outbound"
    """The business called the user (Meta: BUSINESS_INITIATED)."""

    def __str__(self) -> str:
        return self.value


_DIRECTIONS = {"USER_INITIATED": Direction.INBOUND, "BUSINESS_INITIATED": Direction.OUTBOUND}
_DIRECTION_OF_SDP = {"offer": Direction.INBOUND, "answer": Direction.OUTBOUND}
_SDP_OF_DIRECTION = {direction: sdp for sdp, direction in _DIRECTION_OF_SDP.items()}


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
    """What every update holds."""

    phone_number_id: str
    """Meta's id of the business phone number."""
    account_id: str
    """Meta's id of the WhatsApp Business account."""
    raw: Mapping[str, Any] = field(repr=False)
    """The update's payload: an object of `calls` or `statuses`, or the whole change."""
    value: Mapping[str, Any] = field(repr=False)
    """The whole value of the change, with `metadata` and `contacts`."""


@dataclass(frozen=True)
class _CallUpdate(_Update):
    """What every update of a call holds."""

    _EVENT: ClassVar[str] = ""

    whatsapp_call_id: str
    """Meta's id of the call, "wacid...."."""
    timestamp: Optional[datetime]
    """When it happened, in UTC, to the second."""
    callback_data: str = field(repr=False)
    """The `whatsapp_biz_opaque_callback_data` of the dial; empty if the dial had none."""

    @property
    def key(self) -> str:
        """The event's key to deduplicate by: every delivery of an event has the same key."""
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
class CallConnect(_CallUpdate):
    """A user calls, or picked up; the event holds the session description."""

    _EVENT = "connect"

    direction: Direction
    """INBOUND: accept the call. OUTBOUND: connect it."""
    sdp: gen.SessionDescription
    """The offer for AcceptWhatsAppCall, or the answer for ConnectWhatsAppCall."""
    from_number: str = field(repr=False)
    """The caller's number in digits."""
    to_number: str = field(repr=False)
    """The callee's number in digits."""
    contact_name: str = field(repr=False)
    """The user's name in WhatsApp; empty if Meta doesn't send it."""


@dataclass(frozen=True)
class CallTerminate(_CallUpdate):
    """A call ended."""

    _EVENT = "terminate"

    direction: Optional[Direction]
    """Who called; None if Meta doesn't say."""
    status: str
    """COMPLETED or FAILED; empty if Meta doesn't say."""
    from_number: str = field(repr=False)
    """The caller's number in digits."""
    to_number: str = field(repr=False)
    """The callee's number in digits."""
    start_time: Optional[datetime]
    """When the callee picked up; None if nobody did."""
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
    """RINGING, ACCEPTED, or REJECTED."""
    recipient: str = field(repr=False)
    """The user's number in digits."""

    @property
    def key(self) -> str:
        """The event's key to deduplicate by: every delivery of an event has the same key."""
        return f"{self.whatsapp_call_id}:status:{self.status}"


@dataclass(frozen=True)
class OtherUpdate(_Update):
    """Any other update: another field, an unknown event, an error, or an incomplete call."""

    field_name: str
    """The field that the app is subscribed to: "calls", "messages", ..."""
    errors: tuple[CallError, ...]
    """What Meta reports as wrong."""

    @property
    def key(self) -> str:
        """The event's key to deduplicate by: every delivery of an event has the same key."""
        content = json.dumps([self.field_name, self.account_id, self.raw], sort_keys=True)
        return f"other:{hashlib.sha256(content.encode()).hexdigest()}"


Event = Union[CallConnect, CallTerminate, CallStatus, OtherUpdate]


@hide_locals
def receive(body: Body, signature: Optional[str], app_secret: Secrets) -> list[Event]:
    """Verify a webhook and return its events.

    Args:
        body: the request's unchanged body.
        signature: the request's X-Hub-Signature-256 header.
        app_secret: the Meta app's secret: neither the verify token nor the access token. Pass
            several texts to accept an old and a new secret.

    Raises:
        WebhookError: the signature is missing or wrong, or the body is not a JSON object.
        ValueError: app_secret is empty or has white space around it.
        TypeError: an argument has the wrong type.
    """
    verify(body, signature, app_secret)
    return parse(body)


@hide_locals
def verify(body: Body, signature: Optional[str], app_secret: Secrets) -> None:
    """Verify the signature of a webhook.

    Args:
        body: the request's unchanged body.
        signature: the request's X-Hub-Signature-256 header.
        app_secret: the Meta app's secret, or several.

    Raises:
        WebhookError: the signature is missing or wrong.
        ValueError: app_secret is empty or has white space around it.
        TypeError: an argument has the wrong type.
    """
    secrets = read_secrets("app_secret", app_secret)
    content = read_body(body)
    signature = require_header(SIGNATURE_HEADER, signature)
    if not re.fullmatch("sha256=[0-9a-fA-F]{64}", signature):
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE, f"{SIGNATURE_HEADER} is not sha256= and 64 hex digits"
        )
    digests = (hmac.new(each.encode(), content, hashlib.sha256) for each in secrets)
    require_match(
        [f"sha256={digest.hexdigest()}" for digest in digests],
        signature.lower(),
        f"{SIGNATURE_HEADER} does not match the body and the app secret",
    )


@hide_locals
def handshake(query: Mapping[str, str], verify_token: Secrets) -> str:
    """Return the challenge of the GET request with which Meta checks a webhook's URL.

    Args:
        query: the query parameters: "hub.mode", "hub.verify_token", and "hub.challenge".
        verify_token: the token that you entered at Meta beside the URL, or several.

    Returns:
        The challenge. Respond with 200, Content-Type text/plain, and the challenge as the body.

    Raises:
        WebhookError: the request is not a handshake, or its verify token does not match.
        ValueError: verify_token is empty or has white space around it.
        TypeError: an argument has the wrong type.
    """
    tokens = read_secrets("verify_token", verify_token)
    if not isinstance(query, Mapping):
        raise TypeError(
            "query must be a mapping of the query parameters, such as dict(parse_qsl(text)), "
            f"not {type(query).__name__}"
        )
    names = ("hub.mode", "hub.challenge", "hub.verify_token")
    mode, challenge, received = values = [query.get(name, "") for name in names]
    for name, value in zip(names, values):
        check_text(name, value)
    if mode != "subscribe" or not challenge:
        raise WebhookError(
            Reason.MALFORMED_BODY, "the query needs hub.mode=subscribe and hub.challenge"
        )
    require_match(tokens, received, "hub.verify_token does not match", Reason.WRONG_TOKEN)
    return challenge


@hide_locals
def parse(body: Body) -> list[Event]:
    """Return the events of a webhook without verifying it.

    Args:
        body: the request's unchanged body.

    Raises:
        WebhookError: the body is not a JSON object.
    """
    return [
        event
        for entry in fields.mappings(fields.parse_object(body), "entry")
        for change in fields.mappings(entry, "changes")
        for event in _read_change(change, fields.text(entry, "id"))
    ]


def _read_change(change: dict[str, Any], account_id: str) -> Iterator[Event]:
    value = fields.mapping(change, "value")
    field_name = fields.text(change, "field")
    common: dict[str, Any] = {
        "phone_number_id": fields.text(value, "metadata", "phone_number_id"),
        "account_id": account_id,
        "value": value,
    }
    updates = [
        (update, read(update, common))
        for name, read in _READERS.get(field_name, {}).items()
        for update in fields.mappings(value, name)
    ]
    for update, event in updates:
        errors = _read_errors(update)
        yield event or OtherUpdate(**common, raw=update, field_name=field_name, errors=errors)
    if not updates:
        errors = _read_errors(value)
        yield OtherUpdate(**common, raw=change, field_name=field_name, errors=errors)


def _read_call(
    call: dict[str, Any], common: dict[str, Any]
) -> Union[CallConnect, CallTerminate, None]:
    """Return the event of an object in `calls`, None if it is unknown or incomplete."""
    update = {
        **_read_call_update(call, common),
        "from_number": fields.text(call, "from"),
        "to_number": fields.text(call, "to"),
    }
    event = fields.text(call, "event").lower()
    direction = _DIRECTIONS.get(fields.text(call, "direction").upper())
    if not update["whatsapp_call_id"]:
        return None
    if event == "terminate":
        return CallTerminate(
            **update,
            direction=direction,
            status=fields.text(call, "status").upper(),
            start_time=fields.time(call, "start_time"),
            end_time=fields.time(call, "end_time"),
            duration=fields.number(call, "duration"),
            errors=_read_errors(call) or _read_errors(common["value"]),
        )
    sdp = _read_sdp(call, direction)
    direction = direction or _DIRECTION_OF_SDP.get(sdp.type)
    if event != "connect" or not sdp.sdp or direction is None:
        return None
    user = update["from_number" if direction is Direction.INBOUND else "to_number"]
    contact_name = _read_contact_name(common["value"], user)
    return CallConnect(**update, direction=direction, sdp=sdp, contact_name=contact_name)


def _read_status(status: dict[str, Any], common: dict[str, Any]) -> Optional[CallStatus]:
    """Return the event of an object in `statuses`, None if it is incomplete."""
    event = CallStatus(
        **_read_call_update(status, common),
        status=fields.text(status, "status").upper(),
        recipient=fields.text(status, "recipient_id"),
    )
    return event if event.status and event.whatsapp_call_id else None


# By the field that the app is subscribed to, then by the list in the value.
_READERS: dict[str, dict[str, Callable[..., Optional[Event]]]] = {
    "calls": {"calls": _read_call, "statuses": _read_status}
}


def _read_call_update(update: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that every event of a call has."""
    return {
        **common,
        "raw": update,
        "whatsapp_call_id": fields.text(update, "id"),
        "timestamp": fields.time(update, "timestamp"),
        "callback_data": fields.text(update, "biz_opaque_callback_data"),
    }


def _read_sdp(call: dict[str, Any], direction: Optional[Direction]) -> gen.SessionDescription:
    """Return a call's session description; Meta repeats outbound ones under `connection`."""
    kind = fields.text(call, "session", "sdp_type").lower()
    if kind not in _DIRECTION_OF_SDP:
        kind = _SDP_OF_DIRECTION[direction] if direction else ""
    sdp = fields.text(call, "session", "sdp") or fields.text(call, "connection", "webrtc", "sdp")
    return gen.SessionDescription(type=kind, sdp=sdp)


def _read_contact_name(value: dict[str, Any], number: str) -> str:
    """Return the user's name; `contacts` holds the users of all calls in the value."""
    contacts = fields.mappings(value, "contacts")
    if len(contacts) > 1:
        contacts = [contact for contact in contacts if fields.text(contact, "wa_id") == number]
    return fields.text(contacts[0], "profile", "name") if contacts else ""


def _read_errors(parent: dict[str, Any]) -> tuple[CallError, ...]:
    return tuple(
        CallError(
            code=fields.number(error, "code"),
            title=fields.text(error, "title"),
            message=fields.text(error, "message"),
            details=fields.text(error, "error_data", "details"),
            raw=error,
        )
        for error in fields.mappings(parent, "errors")
    )
