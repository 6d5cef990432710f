"""LiveKit's side: the webhooks about rooms and participants.

Source: https://docs.livekit.io/home/server/webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from .._runtime.jws import sign
from .calls import Call
from .lifecycle import Event, Provider
from .outbox import DeliveryRules, Webhook

__all__ = ["LiveKitWebhooks", "Rooms"]

_TOKEN_LIFETIME = 300  # seconds


@dataclass(frozen=True)
class LiveKitWebhooks(DeliveryRules):
    """Where LiveKit's webhooks go.

    Args:
        url: your app's webhook; "" to send nothing.
        duplicates: how many more times to send each webhook.

    Raises:
        TypeError: a value has the wrong type.
        ValueError: the URL is not an http or https URL, or `duplicates` is negative.
    """

    url: str = ""
    duplicates: int = 0

    user_agent = "LiveKit"
    retry_delays = (0.5, 1.0, 2.0, 4.0)
    in_order = True

    def is_final(self, result: str) -> bool:
        """Return whether LiveKit gives up after a result."""
        retryable = result == "429" or (result.startswith("5") and result != "501")
        return result.isdigit() and not retryable

    def make_headers(self, body: bytes, api_key: str, api_secret: str) -> dict[str, str]:
        """Return the headers of a webhook, with a JWT that contains the body's SHA-256."""
        now = int(time.time())  # the app's clock, which `advance` does not move
        claims = {
            "iss": api_key,
            "nbf": now - 5,
            "exp": now + _TOKEN_LIFETIME,
            "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode("ascii"),
        }
        return {
            "Content-Type": "application/webhook+json",
            "Authorization": sign(claims, api_secret),
        }


class Rooms:
    """The rooms of the calls, and the webhooks about them.

    A room opens when LiveKit joins the first of its calls and closes when LiveKit has left the
    last. A call's participant is in the room from the moment LiveKit has the user's audio: that
    of an outbound call from ConnectWhatsAppCall on, while the phone may still ring.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Room] = {}

    def webhooks(self, call: Call, event: Event, at: float) -> Iterator[Webhook]:
        """Return the webhooks that an event of a call causes, in order; `call` is after it."""
        room = self._open.get(call.room_name)
        if event in (Event.DIAL, Event.SESSION, Event.ACCEPT):
            if room is None:
                room = _Room(call.room_name, f"RM_{secrets.token_hex(6)}", at)
                self._open[room.name] = room
                yield _webhook("room_started", room, at)
            room.calls.add(call.id)
        if room is None:
            return
        if event in (Event.ACCEPT, Event.CONNECT, Event.STREAM):
            yield _webhook("participant_joined", room, at, _caller(call))
        if event is Event.JOIN:
            for agent in _agents(call):
                yield _webhook("participant_joined", room, at, agent)
        if call.progress.released and call.id in room.calls:
            room.calls.discard(call.id)
            present = [_caller(call)] if call.progress.connected else []
            present += _agents(call) if call.progress.joined else []
            for participant in present:
                left = {**participant, "state": "DISCONNECTED"}
                yield _webhook("participant_left", room, at, left)
            if not room.calls:
                del self._open[room.name]
                yield _webhook("room_finished", room, at)


@dataclass(frozen=True)
class _Room:
    name: str
    sid: str
    opened_at: float
    calls: set[str] = field(default_factory=set)


def _webhook(
    event: str, room: _Room, at: float, participant: Optional[dict[str, Any]] = None
) -> Webhook:
    document = {
        "event": event,
        "room": {"sid": room.sid, "name": room.name, "creationTime": str(int(room.opened_at))},
        **({"participant": participant} if participant is not None else {}),
        "id": f"EV_{secrets.token_hex(8)}",
        "createdAt": str(int(at)),
    }
    return Webhook(event, json.dumps(document, separators=(",", ":")).encode())


def _caller(call: Call) -> dict[str, Any]:
    kind = "CONNECTOR_WHATSAPP" if call.provider is Provider.WHATSAPP else "CONNECTOR_TWILIO"
    joined = call.time_of(Event.ACCEPT, Event.CONNECT, Event.STREAM) or 0.0
    metadata, attributes = call.participant_metadata, dict(call.participant_attributes)
    return {
        "sid": _participant_sid(call.id),
        "identity": call.participant_identity,
        "name": call.participant_name,
        "state": "ACTIVE",
        "joinedAt": str(int(joined)),
        "kind": "CONNECTOR",
        "kindDetails": [kind],
        **({"metadata": metadata} if metadata else {}),
        **({"attributes": attributes} if attributes else {}),
    }


def _agents(call: Call) -> list[dict[str, Any]]:
    joined = call.time_of(Event.JOIN) or 0.0
    return [
        {
            "sid": _participant_sid(f"{call.id} {agent.agent_name}"),
            "identity": f"agent-{agent.agent_name}",
            "state": "ACTIVE",
            "joinedAt": str(int(joined)),
            "kind": "AGENT",
        }
        for agent in call.agents
    ]


def _participant_sid(name: str) -> str:
    return f"PA_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
