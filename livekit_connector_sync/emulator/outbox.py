"""Delivers webhooks to the developer's app, in order, and again when they are not taken."""

from __future__ import annotations

import heapq
import http.client
import itertools
import ssl
import threading
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
        self._waiting: list[tuple[float, int, int]] = []  # due, order, number; a heap
        self._order = itertools.count()
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
            delivery = Delivery(self._count, self._sender, self.url, body, self._clock.now())
            self._schedule(delivery, delivery.created)
            if len(self._deliveries) > self._history:
                del self._deliveries[next(iter(self._deliveries))]
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(
                    target=self._run, name=f"emulator-{self._sender}-webhooks", daemon=True
                )
                self._thread.start()
            self._changed.changed()

    def idle(self) -> bool:
        """Return whether nothing is due to be sent now; hold the lock."""
        pause = self._pause()
        return not self._busy and (pause is None or pause > 0)

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
                while not self._closing and self._pause() != 0:
                    self._changed.wait(self._pause())
                if self._closing:
                    return
                delivery = self._deliveries[heapq.heappop(self._waiting)[2]]
                self._busy = True
            result, _ = send("POST", delivery.url, self._headers(delivery.body), delivery.body)
            with self._changed:
                self._busy = False
                self._note(delivery, result)
                self._changed.changed()

    def _pause(self) -> Optional[float]:
        """Return the seconds until the next sending; None if nothing is queued."""
        while self._waiting and self._waiting[0][2] not in self._deliveries:
            heapq.heappop(self._waiting)  # forgotten meanwhile
        return max(self._waiting[0][0] - self._clock.now(), 0.0) if self._waiting else None

    def _note(self, delivery: Delivery, result: str) -> None:
        if delivery.number not in self._deliveries:
            return
        results = (*delivery.results, result)
        delivery = replace(delivery, results=results, due=None)
        delays = (0.0,) * self._duplicates if result == "200" else self._retry_delays
        if len(results) <= len(delays):
            self._schedule(delivery, self._clock.now() + delays[len(results) - 1])
        else:
            self._deliveries[delivery.number] = delivery

    def _schedule(self, delivery: Delivery, due: float) -> None:
        self._deliveries[delivery.number] = replace(delivery, due=due)
        heapq.heappush(self._waiting, (due, next(self._order), delivery.number))


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
