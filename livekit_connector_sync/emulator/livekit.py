"""LiveKit's side: the webhooks about rooms and participants.

Source: https://docs.livekit.io/home/server/webhooks/
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from .._runtime.jws import sign
from .lifecycle import Event, Provider
from .sender import checked_url

if TYPE_CHECKING:
    from .calls import Call

__all__ = ["LiveKitWebhooks", "Rooms", "authorization", "is_final", "is_taken"]

RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between deliveries of an event that was not taken; after the last it is dropped."""

_TOKEN_LIFETIME = 300  # seconds


@dataclass(frozen=True)
class LiveKitWebhooks:
    """Where LiveKit's webhooks are sent.

    Args:
        url: the developer's webhook; empty to send nothing.
        duplicates: how many more times to deliver each event.

    Raises:
        ValueError: the url is none, or the number is negative.
    """

    url: str = ""
    duplicates: int = 0

    def __post_init__(self) -> None:
        checked_url("LiveKitWebhooks.url", self.url)
        if self.duplicates < 0:
            raise ValueError(f"LiveKitWebhooks.duplicates must be 0 or more, not {self.duplicates}")


def is_taken(result: str) -> bool:
    """Return whether a delivery's result says that the app took it."""
    return len(result) == 3 and result.startswith("2")


def is_final(result: str) -> bool:
    """Return whether LiveKit does not deliver again after such a result."""
    again = result == "429" or (result.startswith("5") and result != "501")
    return result.isdigit() and not again


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


class Rooms:
    """The rooms that calls are in, and the webhooks about them.

    A room begins with LiveKit's part in the first of its calls and ends with that in the last; a
    call's participant is there from the moment both sides are connected.

    Args:
        rng: makes ids.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._open: dict[str, _Room] = {}

    def bodies(self, call: Call, event: Event, at: float) -> list[bytes]:
        """Return the webhook bodies that an event of a call brings, in order.

        Args:
            call: the call, as it is after the event.
            event: what happened.
            at: when, in seconds since 1970.
        """
        found: list[bytes] = []
        room = self._open.get(call.room_name)
        if event in (Event.DIAL, Event.SESSION, Event.ACCEPT):
            if room is None:
                room = _Room(call.room_name, self._sid("RM"), at)
                self._open[room.name] = room
                found.append(self._body("room_started", room, at))
            room.calls.add(call.id)
        if room is None:
            return found
        if event in (Event.ACCEPT, Event.CONNECT, Event.STREAM):
            found.append(self._body("participant_joined", room, at, _caller(call)))
        if event is Event.JOIN:
            found += [self._body("participant_joined", room, at, who) for who in _agents(call)]
        if call.progress.released and call.id in room.calls:
            room.calls.discard(call.id)
            there = [_caller(call)] if call.progress.picked_up else []
            there += _agents(call) if call.progress.joined else []
            for participant in there:
                gone = {**participant, "state": "DISCONNECTED"}
                found.append(self._body("participant_left", room, at, gone))
            if not room.calls:
                del self._open[room.name]
                found.append(self._body("room_finished", room, at))
        return found

    def _body(
        self, event: str, room: _Room, at: float, participant: Optional[dict[str, Any]] = None
    ) -> bytes:
        document: dict[str, Any] = {
            "event": event,
            "room": {"sid": room.sid, "name": room.name, "creationTime": str(int(room.opened))},
        }
        if participant is not None:
            document["participant"] = participant
        document["id"] = f"EV_{self._rng.getrandbits(64):016x}"
        document["createdAt"] = str(int(at))
        return json.dumps(document, separators=(",", ":")).encode("utf-8")

    def _sid(self, prefix: str) -> str:
        return f"{prefix}_{self._rng.getrandbits(48):012x}"


@dataclass(frozen=True)
class _Room:
    name: str
    sid: str
    opened: float
    calls: set[str] = field(default_factory=set)


def _caller(call: Call) -> dict[str, Any]:
    kind = "CONNECTOR_WHATSAPP" if call.provider is Provider.WHATSAPP else "CONNECTOR_TWILIO"
    joined = call.time_of(Event.ACCEPT, Event.CONNECT, Event.STREAM) or 0.0
    participant: dict[str, Any] = {
        "sid": _participant_sid(call.id),
        "identity": call.participant_identity,
        "name": call.participant_name,
        "state": "ACTIVE",
        "joinedAt": str(int(joined)),
        "kind": "CONNECTOR",
        "kindDetails": [kind],
    }
    if call.participant_metadata:
        participant["metadata"] = call.participant_metadata
    if call.participant_attributes:
        participant["attributes"] = dict(call.participant_attributes)
    return participant


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
