"""What the emulator saw and did: the RPCs it received and a line per event."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

from google.protobuf.message import Message

from .changes import Changes

__all__ = ["Journal", "RecordedRequest"]


@dataclass(frozen=True)
class RecordedRequest:
    """One RPC that the emulator received.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall"; the path if there is no such RPC.
        request: the decoded request message, None if the body was none.
        headers: the request's headers, names in lower case.
        body: the body as it came.
        region: the index of the region that received it.
        time: when, in seconds since 1970 by the emulator's clock.
        outcome: "ok", the error's Twirp code, "HTTP 451" or the like, or "dropped"; None while
            the RPC is still being served.
    """

    method: str
    request: Optional[Message]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    region: int
    time: float
    outcome: Optional[str] = None


class Journal:
    """Keeps the last requests and events.

    Args:
        changed: the emulator's one lock; notified after every entry.
        history: how many of each to keep.
    """

    def __init__(self, changed: Changes, history: int) -> None:
        self._changed = changed
        self._requests: dict[int, RecordedRequest] = {}
        self._events: deque[tuple[float, str]] = deque(maxlen=history)
        self._history = history
        self._received = 0
        self._noted = 0

    def requests(self) -> list[RecordedRequest]:
        """Return the requests, the newest last."""
        with self._changed:
            return list(self._requests.values())

    def received(self, request: RecordedRequest) -> int:
        """Note a request; return its number."""
        with self._changed:
            self._received += 1
            self._requests[self._received] = request
            if len(self._requests) > self._history:
                del self._requests[next(iter(self._requests))]
            self._changed.changed()
            return self._received

    def finished(self, number: int, outcome: str) -> None:
        """Note how a request ended."""
        with self._changed:
            request = self._requests.get(number)
            if request is not None:
                self._requests[number] = replace(request, outcome=outcome)
                name = request.method.rpartition("/")[2]
                self.note(request.time, f"{name}: {outcome}")

    def note(self, at: float, line: str) -> None:
        """Note an event."""
        with self._changed:
            self._events.append((at, line))
            self._noted += 1
            self._changed.changed()

    def events_after(self, seen: int) -> tuple[list[tuple[float, str]], int]:
        """Return the events after the first `seen`, and how many there have been."""
        with self._changed:
            new = min(self._noted - seen, len(self._events))
            return list(self._events)[len(self._events) - new :], self._noted
