"""LiveKit's webhooks about rooms and participants.

    event = livekit.receive(body, request.headers.get("Authorization"), {api_key: api_secret})

LiveKit drops webhooks that it can't deliver, so an event may never arrive. An event may also arrive
twice with the same `id`: use `key` to deduplicate.

Source: https://docs.livekit.io/home/server/webhooks/, livekit_webhook.proto, livekit_models.proto
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional

import jwt

from .._runtime import fields
from .._runtime.redaction import hide_locals
from ..access_token import Claims, TokenVerifier
from .arguments import Body, check_text, read_body, read_secrets
from .errors import Reason, WebhookError, require_header, require_match
from .fields import parse_object

__all__ = ["SIGNATURE_HEADER", "Participant", "Room", "WebhookEvent", "parse", "receive", "verify"]

SIGNATURE_HEADER = "Authorization"


def _number_names(names: str) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names.split())}


# protobuf's JSON mapping allows the number of an enum instead of its name.
_STATES = _number_names("JOINING JOINED ACTIVE DISCONNECTED")
_KINDS = _number_names("STANDARD INGRESS EGRESS SIP AGENT 5 6 CONNECTOR BRIDGE")
_KIND_DETAILS = _number_names(
    "CLOUD_AGENT FORWARDED CONNECTOR_WHATSAPP CONNECTOR_TWILIO BRIDGE_RTSP SIMULATION"
)
_DISCONNECT_REASONS = _number_names(
    """
    UNKNOWN_REASON CLIENT_INITIATED DUPLICATE_IDENTITY SERVER_SHUTDOWN PARTICIPANT_REMOVED
    ROOM_DELETED STATE_MISMATCH JOIN_FAILURE MIGRATION SIGNAL_CLOSE ROOM_CLOSED USER_UNAVAILABLE
    USER_REJECTED SIP_TRUNK_FAILURE CONNECTION_TIMEOUT MEDIA_FAILURE AGENT_ERROR
    """
)


@dataclass(frozen=True)
class Room:
    """A room, as described by an event."""

    sid: str
    """LiveKit's id of this session of the room, "RM_..."."""
    name: str
    """The room's name."""
    metadata: str = field(repr=False)
    """The room's metadata."""
    num_participants: int
    """How many participants were in the room."""
    creation_time: Optional[datetime]
    """When the room was created, in UTC."""
    raw: Mapping[str, Any] = field(repr=False)
    """The room's payload."""


@dataclass(frozen=True)
class Participant:
    """A participant, as described by an event."""

    sid: str
    """LiveKit's id of this participant, "PA_..."."""
    identity: str
    """The participant's identity in the room."""
    name: str = field(repr=False)
    """The participant's display name."""
    state: str
    """JOINING, JOINED, ACTIVE, or DISCONNECTED."""
    kind: str
    """STANDARD, AGENT, SIP, CONNECTOR, ..."""
    kind_details: tuple[str, ...]
    """CONNECTOR_WHATSAPP, CONNECTOR_TWILIO, ..."""
    metadata: str = field(repr=False)
    """The participant's metadata."""
    attributes: Mapping[str, str] = field(repr=False)
    """The participant's attributes."""
    joined_at: Optional[datetime]
    """When the participant joined, in UTC."""
    disconnect_reason: str
    """Why the participant left: CLIENT_INITIATED, ROOM_DELETED, ...; empty before that."""
    raw: Mapping[str, Any] = field(repr=False)
    """The participant's payload."""

    @property
    def is_connector(self) -> bool:
        """Whether the participant is a WhatsApp or Twilio call."""
        return self.kind == "CONNECTOR"


@dataclass(frozen=True)
class WebhookEvent:
    """An event in a project."""

    id: str
    """The event's unique id, "EV_..."."""
    event: str
    """room_started, room_finished, participant_joined, participant_left, track_published, ..."""
    created_at: Optional[datetime]
    """When the event happened, in UTC."""
    room: Optional[Room]
    """The room, if the event is about one."""
    participant: Optional[Participant]
    """The participant, if the event is about one."""
    raw: Mapping[str, Any] = field(repr=False)
    """The event's payload, with `track`, `egressInfo`, and everything else that LiveKit sends."""

    @property
    def key(self) -> str:
        """The key to deduplicate by: every delivery of an event has the same key."""
        return self.id or f"{self.event}:{fields.digest(self.raw)}"


@hide_locals
def receive(body: Body, authorization: Optional[str], keys: Mapping[str, str]) -> WebhookEvent:
    """Verify a webhook and return its event.

    Args:
        body: the request's unchanged body.
        authorization: the request's Authorization header: the token, with or without "Bearer".
        keys: the API secrets that may sign, by API key.

    Raises:
        WebhookError: the token is missing or wrong, or the body is not an event.
        ValueError: keys is empty, or holds a secret that is empty or has white space around it.
        TypeError: an argument has the wrong type.
    """
    verify(body, authorization, keys)
    return parse(body)


@hide_locals
def verify(body: Body, authorization: Optional[str], keys: Mapping[str, str]) -> str:
    """Verify a webhook's token, and return the API key whose secret signed it.

    Takes and raises the same as `receive`.
    """
    if not isinstance(keys, Mapping):
        raise TypeError(f"keys must be {{api_key: api_secret}}, not {type(keys).__name__}")
    read_secrets("keys' secrets" if keys else "keys", keys.values())
    content = read_body(body)
    check_text(f"the {SIGNATURE_HEADER} header", authorization, optional=True)
    token = re.sub(r"^bearer(\s+|$)", "", (authorization or "").strip(), flags=re.IGNORECASE)
    token = require_header(SIGNATURE_HEADER, token)
    api_key = _read_issuer(token)
    if api_key not in keys:
        raise WebhookError(Reason.UNKNOWN_KEY, "the token has an unknown API key")
    digest = _verify_token(token, api_key, keys[api_key]).sha256
    expected = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
    require_match([expected], str(digest), "the token's sha256 does not match the body")
    return api_key


@hide_locals
def parse(body: Body) -> WebhookEvent:
    """Return the event of a webhook without verifying it.

    Raises:
        WebhookError: the body is not an event.
    """
    document = parse_object(body)
    event = fields.text(document, "event")
    if not event:
        raise WebhookError(Reason.MALFORMED_BODY, 'the body has no "event"')
    room = fields.mapping(document, "room")
    participant = fields.mapping(document, "participant")
    return WebhookEvent(
        id=fields.text(document, "id"),
        event=event,
        created_at=fields.time(document, "createdAt"),
        room=_read_room(room) if room else None,
        participant=_read_participant(participant) if participant else None,
        raw=document,
    )


def _read_issuer(token: str) -> str:
    """Return the API key that a token claims; verify the token before you trust it."""
    try:
        if not token.isascii():
            raise jwt.DecodeError
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE, f"{SIGNATURE_HEADER} does not hold a JWT"
        ) from None
    return fields.text(claims, "iss")


def _verify_token(token: str, api_key: str, api_secret: str) -> Claims:
    try:
        return TokenVerifier(api_key, api_secret).verify(token)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        raise WebhookError(
            Reason.EXPIRED, "the token has expired or is not valid yet: check this machine's clock"
        ) from None
    except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError):
        raise WebhookError(
            Reason.WRONG_SIGNATURE, "the token is not signed with the API key's secret"
        ) from None


def _read_room(room: dict[str, Any]) -> Room:
    return Room(
        sid=fields.text(room, "sid"),
        name=fields.text(room, "name"),
        metadata=fields.text(room, "metadata"),
        num_participants=fields.number(room, "numParticipants") or 0,
        creation_time=fields.time(room, "creationTime"),
        raw=room,
    )


def _read_participant(participant: dict[str, Any]) -> Participant:
    # protobuf's JSON mapping leaves out an enum's first value.
    state = fields.text(participant, "state") or "0"
    kind = fields.text(participant, "kind") or "0"
    reason = fields.text(participant, "disconnectReason")
    details = fields.texts(participant, "kindDetails")
    return Participant(
        sid=fields.text(participant, "sid"),
        identity=fields.text(participant, "identity"),
        name=fields.text(participant, "name"),
        state=_STATES.get(state, state),
        kind=_KINDS.get(kind, kind),
        kind_details=tuple(_KIND_DETAILS.get(each, each) for each in details),
        metadata=fields.text(participant, "metadata"),
        attributes=fields.text_mapping(participant, "attributes"),
        joined_at=fields.time(participant, "joinedAt"),
        disconnect_reason=_DISCONNECT_REASONS.get(reason, reason),
        raw=participant,
    )
