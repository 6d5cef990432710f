"""LiveKit's side: the webhooks about rooms and participants.

Source: https://docs.livekit.io/home/server/webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..access_token import sign
from .lifecycle import Event, Provider

if TYPE_CHECKING:
    from .exchange import Call

__all__ = ["LiveKitWebhooks", "authorization", "bodies"]

RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between deliveries of an event that was not taken; after the last it is dropped."""

_TOKEN_LIFETIME = 300  # seconds


@dataclass(frozen=True)
class LiveKitWebhooks:
    """Where LiveKit's webhooks are sent.

    Args:
        url: the developer's webhook; empty to send nothing.
        duplicates: how many more times to deliver each event.
    """

    url: str = ""
    duplicates: int = 0


def authorization(body: bytes, api_key: str, api_secret: str, now: float) -> str:
    """Return the Authorization header of a body: a bare JWT that vouches for its SHA-256."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    claims = {
        "iss": api_key,
        "nbf": int(now) - 5,
        "exp": int(now) + _TOKEN_LIFETIME,
        "sha256": digest,
    }
    return sign(claims, api_secret)


def bodies(call: Call, event: Event, at: float, dice: random.Random) -> Iterable[bytes]:
    """Return the webhook bodies that an event of a call brings, in order.

    A room begins with LiveKit's part in a call and ends with it; the call's participant is there
    from the moment both sides are connected.

    Args:
        call: the call, as it is after the event.
        event: what happened.
        at: when, in seconds since 1970.
        dice: makes ids.
    """
    names: list[str] = []
    if event in (Event.DIAL, Event.SESSION, Event.ACCEPT):
        names.append("room_started")
    if event in (Event.ACCEPT, Event.CONNECT, Event.STREAM):
        names.append("participant_joined")
    if call.progress.released and call.room_name and _just_released(call, event):
        if call.progress.picked_up:
            names.append("participant_left")
        names.append("room_finished")
    for name in names:
        document: dict[str, Any] = {"event": name, "room": _room(call)}
        if name.startswith("participant"):
            document["participant"] = _participant(call, name)
        document["id"] = f"EV_{dice.getrandbits(64):016x}"
        document["createdAt"] = str(int(at))
        yield json.dumps(document, separators=(",", ":")).encode("utf-8")


def _just_released(call: Call, event: Event) -> bool:
    return event in (call.ended_by, Event.DISCONNECT, Event.RELEASE)


def _room(call: Call) -> dict[str, Any]:
    return {
        "sid": _sid("RM", call.room_name),
        "name": call.room_name,
        "creationTime": str(int(call.timeline[0][0])),
    }


def _participant(call: Call, event_name: str) -> dict[str, Any]:
    kind = "CONNECTOR_WHATSAPP" if call.provider is Provider.WHATSAPP else "CONNECTOR_TWILIO"
    joined = call.time_of(Event.ACCEPT, Event.CONNECT, Event.STREAM) or 0.0
    return {
        "sid": _sid("PA", call.id),
        "identity": call.participant_identity,
        "name": call.participant_name,
        "state": "ACTIVE" if event_name == "participant_joined" else "DISCONNECTED",
        "joinedAt": str(int(joined)),
        "kind": "CONNECTOR",
        "kindDetails": [kind],
    }


def _sid(prefix: str, name: str) -> str:
    return f"{prefix}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
