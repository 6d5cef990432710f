"""Meta's webhooks about WhatsApp calls.

    received = meta.receive(body, request.headers.get("X-Hub-Signature-256"), app_secret)

An inbound call begins with a CallConnect whose `sdp` goes to AcceptWhatsAppCall, an outbound one
that the user picked up with a CallConnect whose `sdp` goes to ConnectWhatsAppCall. A CallTerminate
ends both. Meta repeats what is not answered with 200, so the same event may come again: `key`
tells.

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional, Union

from .. import _gen as gen
from . import fields
from .errors import Reason, WebhookError

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
    """What went wrong with a call, as Meta says it."""

    code: Optional[int]
    """Meta's code, such as 138007."""
    title: str
    """The code in words."""
    message: str
    """More words."""
    details: str
    """The details (error_data.details)."""
    raw: Mapping[str, Any] = field(repr=False)
    """The error as it came."""


@dataclass(frozen=True)
class _Update:
    """What every update holds."""

    phone_number_id: str
    """Meta's id of the business's number."""
    account_id: str
    """The WhatsApp Business account."""
    raw: Mapping[str, Any] = field(repr=False)
    """The update as it came: the object in `calls` or `statuses`, or the whole change."""
    value: Mapping[str, Any] = field(repr=False)
    """The whole value of the change, with `metadata` and `contacts`."""


@dataclass(frozen=True)
class _CallUpdate(_Update):
    """What every update of a call holds."""

    whatsapp_call_id: str
    """Meta's id of the call, "wacid...."."""
    timestamp: Optional[datetime]
    """When it happened, in UTC, to the second."""
    callback_data: str = field(repr=False)
    """The biz_opaque_callback_data of the dial; empty if there was none."""

    def age(self, now: Optional[float] = None) -> float:
        """Return how many seconds ago it happened; 0 if Meta does not say when.

        Args:
            now: seconds since 1970; by default now.
        """
        if self.timestamp is None:
            return 0.0
        return max(0.0, (time.time() if now is None else now) - self.timestamp.timestamp())


@dataclass(frozen=True)
class CallConnect(_CallUpdate):
    """A user calls, or has picked up: a session description is there."""

    direction: Direction
    """INBOUND: accept the call. OUTBOUND: connect it."""
    sdp: gen.SessionDescription
    """The offer for AcceptWhatsAppCall, or the answer for ConnectWhatsAppCall."""
    from_number: str = field(repr=False)
    """The caller's number in digits."""
    to_number: str = field(repr=False)
    """The callee's number in digits."""
    contact_name: str = field(repr=False)
    """The user's name in WhatsApp; empty if Meta does not say."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        return f"{self.whatsapp_call_id}:connect"


@dataclass(frozen=True)
class CallTerminate(_CallUpdate):
    """A call is over, whoever ended it."""

    direction: Optional[Direction]
    """Who called; None if Meta does not say."""
    status: str
    """COMPLETED or FAILED; empty if Meta does not say."""
    from_number: str = field(repr=False)
    """The caller's number in digits."""
    to_number: str = field(repr=False)
    """The callee's number in digits."""
    start_time: Optional[datetime]
    """When it was picked up; None if it never was."""
    end_time: Optional[datetime]
    """When it ended; None if it was never picked up."""
    duration: Optional[int]
    """Seconds; None if it was never picked up."""
    errors: tuple[CallError, ...]
    """Why it failed."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        return f"{self.whatsapp_call_id}:terminate"


@dataclass(frozen=True)
class CallStatus(_CallUpdate):
    """How an outbound call goes. For the record: never wait for ACCEPTED before you connect."""

    status: str
    """RINGING, ACCEPTED or REJECTED."""
    recipient: str = field(repr=False)
    """The user's number in digits."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        return f"{self.whatsapp_call_id}:status:{self.status}"


@dataclass(frozen=True)
class OtherUpdate(_Update):
    """An update that is none of the others: another field, a new event, an error, half a call."""

    field_name: str
    """The field that the app is subscribed to: "calls", "messages", ..."""
    errors: tuple[CallError, ...]
    """What Meta says went wrong."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        content = json.dumps([self.field_name, self.account_id, self.raw], sort_keys=True)
        return f"other:{hashlib.sha256(content.encode()).hexdigest()}"


Event = Union[CallConnect, CallTerminate, CallStatus, OtherUpdate]


def receive(body: bytes, signature: Optional[str], app_secret: str) -> list[Event]:
    """Verify a webhook and return its events.

    Args:
        body: the request's body, as it came.
        signature: its X-Hub-Signature-256 header.
        app_secret: the Meta app's secret: neither the verify token nor the access token.

    Raises:
        WebhookError: the signature is missing or wrong, or the body is not JSON.
        ValueError: app_secret is empty.
    """
    verify(body, signature, app_secret)
    return parse(body)


def verify(body: bytes, signature: Optional[str], app_secret: str) -> None:
    """Check the signature of a webhook.

    Args:
        body: the request's body, as it came.
        signature: its X-Hub-Signature-256 header.
        app_secret: the Meta app's secret.

    Raises:
        WebhookError: the signature is missing or wrong.
        ValueError: app_secret is empty.
    """
    if not app_secret:
        raise ValueError("app_secret is empty: anybody could sign with it")
    if not signature:
        raise WebhookError(Reason.MISSING_SIGNATURE, f"there is no {SIGNATURE_HEADER} header")
    if not re.fullmatch("sha256=[0-9a-fA-F]{64}", signature):
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE, f"{SIGNATURE_HEADER} is not sha256=HEXADECIMAL"
        )
    expected = hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    if not fields.equal_in_constant_time(f"sha256={expected}", signature.lower()):
        raise WebhookError(
            Reason.WRONG_SIGNATURE,
            f"{SIGNATURE_HEADER} is not of this body and app secret",
        )


def handshake(query: Mapping[str, str], verify_token: str) -> str:
    """Return what to answer to the GET that Meta checks a webhook's URL with.

    Args:
        query: the parameters: "hub.mode", "hub.verify_token" and "hub.challenge".
        verify_token: the text that you gave Meta with the URL.

    Returns:
        The challenge: the whole body of a 200 with Content-Type text/plain.

    Raises:
        WebhookError: it is not such a request, or its token is another.
        ValueError: verify_token is empty.
    """
    if not verify_token:
        raise ValueError("verify_token is empty: anybody could subscribe with it")
    challenge = query.get("hub.challenge", "")
    if query.get("hub.mode") != "subscribe" or not challenge:
        raise WebhookError(Reason.MALFORMED_BODY, "the query is not hub.mode=subscribe")
    if not fields.equal_in_constant_time(verify_token, query.get("hub.verify_token", "")):
        raise WebhookError(Reason.WRONG_TOKEN, "hub.verify_token is another")
    return challenge


def parse(body: bytes) -> list[Event]:
    """Return the events in a webhook's body, without verifying it.

    Args:
        body: the request's body, as it came.

    Raises:
        WebhookError: the body is not a JSON object.
    """
    document = fields.json_object(body)
    return [
        event
        for entry in fields.mappings(document.get("entry"))
        for change in fields.mappings(entry.get("changes"))
        for event in _events(change, fields.text(entry.get("id")))
    ]


def _events(change: dict[str, Any], account_id: str) -> Iterator[Event]:
    value = fields.mapping(change.get("value"))
    name = fields.text(change.get("field"))
    base: dict[str, Any] = {
        "phone_number_id": fields.text(
            fields.mapping(value.get("metadata")).get("phone_number_id")
        ),
        "account_id": account_id,
        "value": value,
    }

    def other(raw: dict[str, Any], errors: object) -> OtherUpdate:
        return OtherUpdate(**base, raw=raw, field_name=name, errors=_errors(errors))

    calls = fields.mappings(value.get("calls")) if name == "calls" else []
    statuses = fields.mappings(value.get("statuses")) if name == "calls" else []
    for call in calls:
        yield _call_event(call, base) or other(call, call.get("errors"))
    for status in statuses:
        yield _status_event(status, base) or other(status, status.get("errors"))
    if not calls and not statuses:
        yield other(change, value.get("errors"))


def _call_event(
    call: dict[str, Any], base: dict[str, Any]
) -> Union[CallConnect, CallTerminate, None]:
    """Return the event of an object in `calls`, None if it is not a whole one that we know."""
    update = _call_update(call, base)
    direction = _DIRECTIONS.get(fields.text(call.get("direction")).upper())
    caller, callee = fields.text(call.get("from")), fields.text(call.get("to"))
    event = fields.text(call.get("event")).lower()
    if not update["whatsapp_call_id"]:
        return None
    if event == "terminate":
        errors = _errors(call.get("errors")) or _errors(base["value"].get("errors"))
        return CallTerminate(
            **update,
            direction=direction,
            status=fields.text(call.get("status")).upper(),
            from_number=caller,
            to_number=callee,
            start_time=fields.time(call.get("start_time")),
            end_time=fields.time(call.get("end_time")),
            duration=fields.number(call.get("duration")),
            errors=errors,
        )
    sdp = _session(call, direction)
    direction = direction or _DIRECTION_OF_SDP.get(sdp.type)
    if event != "connect" or not sdp.sdp or direction is None:
        return None
    user = caller if direction is Direction.INBOUND else callee
    return CallConnect(
        **update,
        direction=direction,
        sdp=sdp,
        from_number=caller,
        to_number=callee,
        contact_name=_contact_name(base["value"], user),
    )


def _status_event(status: dict[str, Any], base: dict[str, Any]) -> Optional[CallStatus]:
    """Return the event of an object in `statuses`, None if it lacks the call or the status."""
    update = _call_update(status, base)
    word = fields.text(status.get("status")).upper()
    if not word or not update["whatsapp_call_id"]:
        return None
    return CallStatus(**update, status=word, recipient=fields.text(status.get("recipient_id")))


def _call_update(raw: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    return {
        **base,
        "raw": raw,
        "whatsapp_call_id": fields.text(raw.get("id")),
        "timestamp": fields.time(raw.get("timestamp")),
        "callback_data": fields.text(raw.get("biz_opaque_callback_data")),
    }


def _session(call: dict[str, Any], direction: Optional[Direction]) -> gen.SessionDescription:
    """Return a call's session description; outbound ones repeat it under `connection`."""
    session = fields.mapping(call.get("session"))
    webrtc = fields.mapping(fields.mapping(call.get("connection")).get("webrtc"))
    kind = fields.text(session.get("sdp_type")).lower()
    if kind not in _DIRECTION_OF_SDP:
        kind = _SDP_OF_DIRECTION.get(direction, "") if direction else ""
    sdp = fields.text(session.get("sdp")) or fields.text(webrtc.get("sdp"))
    return gen.SessionDescription(type=kind, sdp=sdp)


def _contact_name(value: dict[str, Any], number: str) -> str:
    """Return the user's name; contacts are those of all calls in the value."""
    contacts = fields.mappings(value.get("contacts"))
    own = [contact for contact in contacts if fields.text(contact.get("wa_id")) == number]
    found = own or (contacts if len(contacts) == 1 else [])
    return fields.text(fields.mapping(found[0].get("profile")).get("name")) if found else ""


def _errors(value: object) -> tuple[CallError, ...]:
    return tuple(
        CallError(
            code=fields.number(error.get("code")),
            title=fields.text(error.get("title")),
            message=fields.text(error.get("message")),
            details=fields.text(fields.mapping(error.get("error_data")).get("details")),
            raw=error,
        )
        for error in fields.mappings(value)
    )
