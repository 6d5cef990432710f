"""What the emulator saw and did: the RPCs it received and a line per event."""

from __future__ import annotations

import itertools
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

    def newest(self, limit: Optional[int] = None) -> list[RecordedRequest]:
        """Return the last requests, the newest first; by default all that are kept."""
        with self._changed:
            return list(itertools.islice(reversed(self._requests.values()), limit))

    @property
    def received_count(self) -> int:
        """How many requests there have been."""
        return self._received

    def received(self, request: RecordedRequest) -> int:
        """Note a request; return its number."""
        with self._changed:
            self._received += 1
            self._requests[self._received] = request
            if len(self._requests) > self._history:
                del self._requests[next(iter(self._requests))]
            self._changed.changed()
            return self._received

    def finished(self, number: int, at: float, outcome: str, message: str = "") -> None:
        """Note how a request ended, and when."""
        with self._changed:
            request = self._requests.get(number)
            if request is not None:
                self._requests[number] = replace(request, outcome=outcome, message=message)
                name = request.method.rpartition("/")[2]
                self.note(at, f"{name}: {outcome}{': ' + message if message else ''}")

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
