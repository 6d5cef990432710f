"""LiveKit's webhooks about rooms and participants.

    event = livekit.receive(body, request.headers.get("Authorization"), {api_key: api_secret})

LiveKit drops what it cannot deliver, so an event may never come; it may also come twice, with the
same `id`.

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

from ..access_token import Claims, TokenVerifier
from . import fields
from .errors import Reason, WebhookError

__all__ = ["SIGNATURE_HEADER", "Participant", "Room", "WebhookEvent", "parse", "receive", "verify"]

SIGNATURE_HEADER = "Authorization"


@dataclass(frozen=True)
class Room:
    """A room, as an event has it."""

    sid: str
    """LiveKit's id of this session of the room, "RM_..."."""
    name: str
    """The room's name."""
    metadata: str = field(repr=False)
    """The room's metadata."""
    num_participants: int
    """How many were in it."""
    creation_time: Optional[datetime]
    """When it was made, in UTC."""
    raw: Mapping[str, Any] = field(repr=False)
    """The room as it came."""


@dataclass(frozen=True)
class Participant:
    """A participant, as an event has it."""

    sid: str
    """LiveKit's id of this participant, "PA_..."."""
    identity: str
    """The identity in the room."""
    name: str = field(repr=False)
    """The name that others see."""
    state: str
    """JOINING, JOINED, ACTIVE or DISCONNECTED."""
    kind: str
    """STANDARD, AGENT, SIP, CONNECTOR, ..."""
    kind_details: tuple[str, ...]
    """CONNECTOR_WHATSAPP, CONNECTOR_TWILIO, ..."""
    metadata: str = field(repr=False)
    """The participant's metadata."""
    attributes: Mapping[str, str] = field(repr=False)
    """The participant's attributes."""
    joined_at: Optional[datetime]
    """When it joined, in UTC."""
    disconnect_reason: str
    """Why it left: CLIENT_INITIATED, ROOM_DELETED, ...; empty while it is there."""
    raw: Mapping[str, Any] = field(repr=False)
    """The participant as it came."""

    @property
    def is_connector(self) -> bool:
        """Whether it is a WhatsApp or Twilio call."""
        return self.kind == "CONNECTOR"


@dataclass(frozen=True)
class WebhookEvent:
    """Something happened in a project."""

    id: str
    """Unique for the event, "EV_..."."""
    event: str
    """room_started, room_finished, participant_joined, participant_left, track_published, ..."""
    created_at: Optional[datetime]
    """When it happened, in UTC."""
    room: Optional[Room]
    """The room, where it is about one."""
    participant: Optional[Participant]
    """The participant, where it is about one."""
    raw: Mapping[str, Any] = field(repr=False)
    """The event as it came: `track`, `egressInfo` and what else LiveKit sends."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        room = self.room.sid if self.room else ""
        participant = self.participant.sid if self.participant else ""
        return self.id or f"{self.event}:{room}:{participant}:{self.created_at}"


def receive(body: bytes, authorization: Optional[str], keys: Mapping[str, str]) -> WebhookEvent:
    """Verify a webhook and return its event.

    Args:
        body: the request's body, as it came.
        authorization: its Authorization header.
        keys: the API secrets that may sign, by API key.

    Raises:
        WebhookError: the token is missing or wrong, or the body is not an event.
        ValueError: keys is empty, or holds an empty secret.
    """
    verify(body, authorization, keys)
    return parse(body)


def verify(body: bytes, authorization: Optional[str], keys: Mapping[str, str]) -> str:
    """Check that a webhook's token is one of ours and vouches for its body.

    Args:
        body: the request's body, as it came.
        authorization: its Authorization header: the token, without or with "Bearer".
        keys: the API secrets that may sign, by API key.

    Returns:
        The API key that signed.

    Raises:
        WebhookError: the token is missing or wrong.
        ValueError: keys is empty, or holds an empty secret.
    """
    if not keys or not all(keys.values()):
        raise ValueError("keys is empty or holds an empty secret: anybody could sign with it")
    token = re.sub(r"^bearer(\s+|$)", "", (authorization or "").strip(), flags=re.IGNORECASE)
    if not token:
        raise WebhookError(Reason.MISSING_SIGNATURE, f"there is no {SIGNATURE_HEADER} header")
    issuer = _issuer(token)
    if issuer not in keys:
        raise WebhookError(Reason.UNKNOWN_KEY, "the token is of an API key that is not ours")
    digest = _claims(token, issuer, keys[issuer]).sha256
    expected = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    if not isinstance(digest, str) or not fields.equal_in_constant_time(expected, digest):
        raise WebhookError(Reason.WRONG_SIGNATURE, "the token vouches for another body")
    return issuer


def parse(body: bytes) -> WebhookEvent:
    """Return the event in a webhook's body, without verifying it.

    Args:
        body: the request's body, as it came.

    Raises:
        WebhookError: the body is not an event.
    """
    document = fields.json_object(body)
    event = fields.text(document.get("event"))
    if not event:
        raise WebhookError(Reason.MALFORMED_BODY, "the body has no event")
    room = fields.mapping(document.get("room"))
    participant = fields.mapping(document.get("participant"))
    return WebhookEvent(
        id=fields.text(document.get("id")),
        event=event,
        created_at=fields.time(_field(document, "createdAt")),
        room=_room(room) if room else None,
        participant=_participant(participant) if participant else None,
        raw=document,
    )


def _issuer(token: str) -> str:
    """Return who a token says that it is of, to be believed once the signature is checked."""
    try:
        if not token.isascii():
            raise jwt.DecodeError
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE, f"{SIGNATURE_HEADER} does not hold a JWT"
        ) from None
    return fields.text(claims.get("iss"))


def _claims(token: str, api_key: str, api_secret: str) -> Claims:
    try:
        return TokenVerifier(api_key, api_secret).verify(token)
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        raise WebhookError(
            Reason.EXPIRED, "the token has expired or is not valid yet: is the clock right?"
        ) from None
    except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError):
        raise WebhookError(
            Reason.WRONG_SIGNATURE, "the token is not signed with the API key's secret"
        ) from None


def _room(room: dict[str, Any]) -> Room:
    return Room(
        sid=fields.text(room.get("sid")),
        name=fields.text(room.get("name")),
        metadata=fields.text(room.get("metadata")),
        num_participants=fields.number(_field(room, "numParticipants")) or 0,
        creation_time=fields.time(_field(room, "creationTime")),
        raw=room,
    )


def _participant(participant: dict[str, Any]) -> Participant:
    details = _field(participant, "kindDetails")
    return Participant(
        sid=fields.text(participant.get("sid")),
        identity=fields.text(participant.get("identity")),
        name=fields.text(participant.get("name")),
        # protojson leaves an enum's first value out.
        state=fields.text(participant.get("state")) or "JOINING",
        kind=fields.text(participant.get("kind")) or "STANDARD",
        kind_details=tuple(map(fields.text, details)) if isinstance(details, list) else (),
        metadata=fields.text(participant.get("metadata")),
        attributes=fields.texts(participant.get("attributes")),
        joined_at=fields.time(_field(participant, "joinedAt")),
        disconnect_reason=fields.text(_field(participant, "disconnectReason")),
        raw=participant,
    )


def _field(document: dict[str, Any], name: str) -> object:
    """Return a field by its JSON name or by its name in the proto: protojson reads both."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return document.get(name, document.get(snake))
