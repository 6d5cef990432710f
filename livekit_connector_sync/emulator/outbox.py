"""Delivers webhooks to the developer's app, in order, and again when they are not taken."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Optional
from urllib.parse import urlsplit

from .changes import Changes
from .clock import Clock

__all__ = ["Delivery", "Outbox", "send"]

_TIMEOUT = 10.0  # seconds that the developer's app has for its answer


@dataclass(frozen=True)
class Delivery:
    """One webhook, and what became of it.

    Args:
        number: counts the deliveries of an emulator.
        sender: "meta", "livekit" or "twilio".
        url: where it goes.
        body: the bytes.
        created: when it was made, in seconds since 1970 by the emulator's clock.
        results: the answers so far: an HTTP status each, or why there was none.
        due: when it is sent next; None once it is taken, or given up.
    """

    number: int
    sender: str
    url: str
    body: bytes = field(repr=False)
    created: float
    results: tuple[str, ...] = ()
    due: Optional[float] = None

    @property
    def taken(self) -> bool:
        """True if the app answered with 200."""
        return self.results[-1:] == ("200",)


class Outbox:
    """Sends the webhooks of one sender, one after the other, on a thread of its own.

    Args:
        sender: "meta" or "livekit".
        url: where they go; empty to make none.
        headers: returns the headers for a body, signature included; called before each sending.
        retry_delays: seconds to wait before each further sending of what was not taken.
        duplicates: how many more times to send what was taken.
        changed: the emulator's one lock; notified after every change.
        clock: tells the time.
        history: how many deliveries to remember.
    """

    def __init__(
        self,
        sender: str,
        url: str,
        headers: Callable[[bytes], Mapping[str, str]],
        retry_delays: Sequence[float],
        duplicates: int,
        changed: Changes,
        clock: Clock,
        history: int,
    ) -> None:
        self.url = url
        self._sender = sender
        self._headers = headers
        self._retry_delays = retry_delays
        self._duplicates = duplicates
        self._changed = changed
        self._clock = clock
        self._history = history
        self._deliveries: dict[int, Delivery] = {}
        self._waiting: deque[int] = deque()
        self._count = 0
        self._busy = False
        self._closing = False
        self._thread: Optional[threading.Thread] = None

    def deliveries(self) -> list[Delivery]:
        """Return the deliveries, the newest last."""
        with self._changed:
            return list(self._deliveries.values())

    def put(self, body: bytes) -> None:
        """Queue a webhook; does nothing without a URL."""
        if not self.url:
            return
        with self._changed:
            self._count += 1
            now = self._clock.now()
            delivery = Delivery(self._count, self._sender, self.url, body, now, due=now)
            self._deliveries[delivery.number] = delivery
            self._waiting.append(delivery.number)
            self._forget_oldest()
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(
                    target=self._run, name=f"emulator-{self._sender}-webhooks", daemon=True
                )
                self._thread.start()
            self._changed.changed()

    def idle(self) -> bool:
        """Return whether nothing is due to be sent now; hold the lock."""
        return not self._busy and self._next_due() is None

    def close(self) -> None:
        """Stop sending; what is queued is dropped."""
        with self._changed:
            self._closing = True
            self._changed.changed()
        if self._thread is not None:
            self._thread.join(timeout=_TIMEOUT + 1)

    def _run(self) -> None:
        while True:
            with self._changed:
                number = self._next_due()
                while number is None and not self._closing:
                    self._changed.wait(self._pause())
                    number = self._next_due()
                if number is None or self._closing:
                    return
                delivery = self._deliveries[number]
                self._waiting.remove(number)
                self._busy = True
            result, _ = send("POST", delivery.url, self._headers(delivery.body), delivery.body)
            with self._changed:
                self._busy = False
                self._note(delivery, result)
                self._changed.changed()

    def _next_due(self) -> Optional[int]:
        now = self._clock.now()
        for number in self._waiting:
            due = self._deliveries[number].due
            if due is not None and due <= now:
                return number
        return None

    def _pause(self) -> Optional[float]:
        """Return the seconds until the next sending; None if nothing is queued."""
        dues = [self._deliveries[number].due or 0.0 for number in self._waiting]
        return max(min(dues) - self._clock.now(), 0.0) if dues else None

    def _note(self, delivery: Delivery, result: str) -> None:
        results = (*delivery.results, result)
        delays = (0.0,) * self._duplicates if result == "200" else self._retry_delays
        again = len(results) <= len(delays)
        due = self._clock.now() + delays[len(results) - 1] if again else None
        self._deliveries[delivery.number] = replace(delivery, results=results, due=due)
        if again:
            self._waiting.append(delivery.number)

    def _forget_oldest(self) -> None:
        while len(self._deliveries) > self._history:
            oldest = next(iter(self._deliveries.values()))
            if oldest.due is not None:
                return
            del self._deliveries[oldest.number]


def send(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[str, bytes]:
    """Send one HTTP request.

    Args:
        method: "GET" or "POST".
        url: an http or https URL; certificates of local apps are not checked.
        headers: its headers.
        body: its body.

    Returns:
        The HTTP status as text, or why there was no answer; and the answer's body.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        # A developer's app on this machine has a certificate of its own making, if any.
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=_TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return str(answer.status), answer.read(1_000_000)
    except (OSError, http.client.HTTPException) as exc:
        return type(exc).__name__, b""
    finally:
        connection.close()
