"""What the emulator received and did: the RPCs, and a line for each event."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from google.protobuf.message import Message

from .hub import Hub

__all__ = ["Journal", "RecordedRequest"]


@dataclass(eq=False)
class RecordedRequest:
    """One RPC that the emulator received.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall"; the path if no RPC has it.
        request: the decoded request message; None if the body cannot be decoded.
        headers: the request's headers, with names in lower case.
        body: the body as it arrived.
        region: the index of the region that received it.
        time: when it arrived, in seconds since 1970 by the emulator's clock.
        outcome: "ok", the error's Twirp code, "HTTP 451" or similar, or "dropped"; None while the
            RPC runs.
        message: the error's text; empty without an error.
    """

    method: str
    request: Optional[Message]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    region: int
    time: float
    outcome: Optional[str] = None
    message: str = ""


class Journal:
    """Keeps the last requests and events: `history` of each."""

    def __init__(self, hub: Hub, history: int) -> None:
        self._hub = hub
        self._requests: deque[RecordedRequest] = deque(maxlen=history)
        self._events: deque[tuple[float, str]] = deque(maxlen=history)
        self._event_count = 0
        self.request_count = 0
        """How many requests there have been."""

    def newest(self, limit: Optional[int] = None) -> list[RecordedRequest]:
        """Return the last requests, newest first; by default all that are kept."""
        with self._hub:
            return list(itertools.islice(reversed(self._requests), limit))

    def start(self, request: RecordedRequest) -> None:
        """Record a request that has arrived."""
        with self._hub:
            self.request_count += 1
            self._requests.append(request)
            self._hub.changed()

    def finish(self, request: RecordedRequest, outcome: str, message: str) -> None:
        """Record how a request ended."""
        with self._hub:
            request.outcome, request.message = outcome, message
            name = request.method.rpartition("/")[2]
            self.note(f"{name}: {outcome}{': ' + message if message else ''}")

    def note(self, line: str, at: Optional[float] = None) -> None:
        """Record an event, which happened now or at the given time."""
        with self._hub:
            self._events.append((self._hub.now() if at is None else at, line))
            self._event_count += 1
            self._hub.changed()

    def events_after(self, seen: int, timeout: float) -> tuple[list[tuple[float, str]], int]:
        """Wait for events after the first `seen`; return them and how many there are in all."""
        with self._hub:
            self._hub.wait_for(lambda: self._event_count > seen or self._hub.closing, timeout)
            first = max(len(self._events) - (self._event_count - seen), 0)
            return list(itertools.islice(self._events, first, None)), self._event_count
