"""Meta's webhooks about WhatsApp calls.

    events = meta.receive(body, request.headers.get("X-Hub-Signature-256"), app_secret)

An inbound call starts with a `CallConnect` whose `sdp` you pass to AcceptWhatsAppCall. After you
dial, Meta sends a `CallConnect` whose `sdp` you pass to ConnectWhatsAppCall at once, and the
`CallStatus` ACCEPTED when the user picks up. A `CallTerminate` ends both. Meta promises no order
between webhooks, and resends a webhook until it gets a 200: use `key` to deduplicate.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/calling,
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from .. import _gen as gen
from .._runtime import fields
from .._runtime.redaction import hide_locals
from .arguments import Body, Secrets, check_text, read_body, read_secrets
from .errors import Reason, WebhookError, require_header, require_match
from .fields import parse_object
from .meta_events import (
    CallConnect,
    CallError,
    CallPermissionReply,
    CallStatus,
    CallTerminate,
    Direction,
    Event,
    OtherUpdate,
)
from .meta_people import People

__all__ = [
    "SIGNATURE_HEADER",
    "CallConnect",
    "CallError",
    "CallPermissionReply",
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
_DIRECTIONS = {"USER_INITIATED": Direction.INBOUND, "BUSINESS_INITIATED": Direction.OUTBOUND}
_DIRECTION_OF_SDP = {"offer": Direction.INBOUND, "answer": Direction.OUTBOUND}
_SDP_OF_DIRECTION = {direction: sdp for sdp, direction in _DIRECTION_OF_SDP.items()}


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
    """Verify the signature of a webhook. Takes and raises the same as `receive`."""
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
        verify_token: the token that you entered at Meta together with the URL, or several.

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

    Raises:
        WebhookError: the body is not a JSON object.
    """
    return [
        event
        for entry in fields.mappings(parse_object(body), "entry")
        for change in fields.mappings(entry, "changes")
        for event in _read_change(change, fields.text(entry, "id"))
    ]


@dataclass(frozen=True)
class _Change:
    """A change in a webhook, and the values that its updates share."""

    common: dict[str, Any]
    """The arguments that every event has."""
    people: People
    errors: tuple[CallError, ...]
    """The errors of the whole change, which don't name a call."""
    has_one_call: bool


def _read_change(document: dict[str, Any], account_id: str) -> Iterator[Event]:
    value = fields.mapping(document, "value")
    field_name = fields.text(document, "field")
    common: dict[str, Any] = {
        "phone_number_id": fields.text(value, "metadata", "phone_number_id"),
        "account_id": account_id,
        "value": value,
    }
    has_one_call = len(fields.mappings(value, "calls")) == 1
    change = _Change(common, People(value), _read_errors(value), has_one_call)
    updates = [
        (update, read(update, change))
        for name, read in _READERS.get(field_name, {}).items()
        for update in fields.mappings(value, name)
    ]
    is_complete = bool(updates)
    for update, event in updates:
        if event is not None:
            yield event
        elif field_name == "messages":
            is_complete = False  # one update for all other messages of the change
        else:
            errors = _read_errors(update)
            yield OtherUpdate(**common, raw=update, field_name=field_name, errors=errors)
    if not is_complete:
        yield OtherUpdate(**common, raw=document, field_name=field_name, errors=change.errors)


def _read_call(call: dict[str, Any], change: _Change) -> Union[CallConnect, CallTerminate, None]:
    """Return the event of an object in `calls`, None if it is unknown or incomplete."""
    event = fields.text(call, "event").lower()
    direction = _DIRECTIONS.get(fields.text(call, "direction").upper())
    sdp = _read_sdp(call, direction)
    if event == "connect":
        direction = direction or _DIRECTION_OF_SDP.get(sdp.type)
    from_number, to_number = fields.text(call, "from"), fields.text(call, "to")
    user_numbers = [from_number, to_number]
    if direction is not None:
        user_numbers = [from_number if direction is Direction.INBOUND else to_number]
    update = {
        **_read_call_update(call, change, *user_numbers),
        "direction": direction,
        "from_number": from_number,
        "to_number": to_number,
        "cta_payload": fields.text(call, "cta_payload"),
        "deeplink_payload": fields.text(call, "deeplink_payload"),
    }
    if not update["whatsapp_call_id"]:
        return None
    if event == "connect" and sdp.sdp and direction:
        return CallConnect(**update, sdp=sdp)
    if event != "terminate":
        return None
    status = fields.text(call, "status").upper()
    has_failed = change.has_one_call or status != "COMPLETED"
    return CallTerminate(
        **update,
        status=status,
        start_time=fields.time(call, "start_time"),
        end_time=fields.time(call, "end_time"),
        duration=fields.number(call, "duration"),
        errors=_read_errors(call) or (change.errors if has_failed else ()),
    )


def _read_status(status: dict[str, Any], change: _Change) -> Optional[CallStatus]:
    """Return the event of an object in `statuses`, None if it is incomplete."""
    recipient = fields.text(status, "recipient_id")
    event = CallStatus(
        **_read_call_update(status, change, recipient),
        status=fields.text(status, "status").upper(),
        recipient=recipient,
    )
    return event if event.status and event.whatsapp_call_id else None


def _read_permission_reply(
    message: dict[str, Any], change: _Change
) -> Optional[CallPermissionReply]:
    """Return the event of an object in `messages`, None if it is another message."""
    reply = fields.mapping(message, "interactive", "call_permission_reply")
    response = fields.text(reply, "response").lower()
    if response not in ("accept", "reject"):
        return None
    from_number = fields.text(message, "from")
    return CallPermissionReply(
        **_read_user_update(message, change, from_number),
        accepted=response == "accept",
        is_permanent=reply.get("is_permanent") is True,
        expires_at=fields.time(reply, "expiration_timestamp"),
        response_source=fields.text(reply, "response_source"),
        from_number=from_number,
        message_id=fields.text(message, "id"),
        context_id=fields.text(message, "context", "id"),
    )


# By the field that the app is subscribed to, then by the list in the value.
_READERS: dict[str, dict[str, Callable[[dict[str, Any], _Change], Optional[Event]]]] = {
    "calls": {"calls": _read_call, "statuses": _read_status},
    "messages": {"messages": _read_permission_reply, "statuses": lambda _, __: None},
}


def _read_user_update(update: dict[str, Any], change: _Change, *numbers: str) -> dict[str, Any]:
    """Return the arguments that every event about a user has."""
    return {
        **change.common,
        **change.people.find(update, *numbers)._asdict(),
        "raw": update,
        "timestamp": fields.time(update, "timestamp"),
    }


def _read_call_update(update: dict[str, Any], change: _Change, *numbers: str) -> dict[str, Any]:
    """Return the arguments that every event of a call has."""
    return {
        **_read_user_update(update, change, *numbers),
        "whatsapp_call_id": fields.text(update, "id"),
        "callback_data": fields.text(update, "biz_opaque_callback_data"),
    }


def _read_sdp(call: dict[str, Any], direction: Optional[Direction]) -> gen.SessionDescription:
    """Return a call's session description; Meta repeats outbound ones under `connection`."""
    kind = fields.text(call, "session", "sdp_type").lower()
    if kind not in _DIRECTION_OF_SDP:
        kind = _SDP_OF_DIRECTION[direction] if direction else ""
    sdp = fields.text(call, "session", "sdp") or fields.text(call, "connection", "webrtc", "sdp")
    return gen.SessionDescription(type=kind, sdp=sdp)


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
