"""Delivers webhooks to the developer's app: a call's own in order, several calls' side by side."""

from __future__ import annotations

import contextlib
import heapq
import http.client
import itertools
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Optional
from urllib.parse import quote, urlsplit

from .changes import Changes
from .clock import Clock

__all__ = ["Delivery", "Outbox", "Rules", "checked_url", "send"]

_TIMEOUT = 10.0  # seconds that the developer's app has for its answer
_MOST_SENDERS = 8  # deliveries at a time
_EXCERPT = 500  # characters of an app's answer


@dataclass(frozen=True)
class Delivery:
    """One webhook, and what became of it.

    Args:
        number: counts the deliveries of a sender.
        sender: "meta", "livekit" or "twilio".
        url: where it goes.
        body: the bytes.
        created: when it was made, in seconds since 1970 by the emulator's clock.
        call_id: the call that it is about.
        results: the answers so far: an HTTP status each, or why there was none.
        answer: how the app's last answer begins.
        taken: True once the app took it; Meta wants a 200, the others any 2xx.
        due: when it is sent next; None once it is taken, or given up.
    """

    number: int
    sender: str
    url: str
    body: bytes = field(repr=False)
    created: float
    call_id: str = ""
    results: tuple[str, ...] = ()
    answer: str = field(default="", repr=False)
    taken: bool = False
    due: Optional[float] = None

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        if self.sender == "twilio":
            return "voice webhook"
        document = json.loads(self.body)
        if self.sender == "livekit":
            return str(document["event"])
        value = document["entry"][0]["changes"][0]["value"]
        if "calls" in value:
            return f"calls {value['calls'][0]['event']}"
        return f"status {value['statuses'][0]['status']}"


@dataclass(frozen=True)
class Rules:
    """How a sender delivers.

    Args:
        headers: returns the headers for a body, signature included; called before each sending.
        is_taken: says whether a result means that the app took the webhook.
        is_final: says whether a result ends the deliveries, taken or not.
        retry_delays: seconds to wait before each further sending of what was not taken.
        duplicates: how many more times to send what was taken.
    """

    headers: Callable[[bytes], Mapping[str, str]]
    is_taken: Callable[[str], bool]
    is_final: Callable[[str], bool] = lambda result: False
    retry_delays: Sequence[float] = ()
    duplicates: int = 0


class Outbox:
    """Sends the webhooks of one sender, on threads of its own.

    Args:
        sender: "meta", "livekit" or "twilio".
        url: where they go; empty to make none.
        rules: how they are delivered.
        changed: the emulator's one lock; notified after every change.
        clock: tells the time.
        noted: told of every result under the lock.
        history: how many deliveries to remember.
    """

    def __init__(
        self,
        sender: str,
        url: str,
        rules: Rules,
        changed: Changes,
        clock: Clock,
        noted: Callable[[Delivery], None],
        history: int,
    ) -> None:
        self._sender = sender
        self._url = url
        self._rules = rules
        self._changed = changed
        self._clock = clock
        self._noted = noted
        self._history = history
        self._deliveries: dict[int, Delivery] = {}
        self._repeats: dict[int, int] = {}  # sendings of what was taken that are still to come
        self._waiting: list[tuple[float, int, int]] = []  # due, order, number; a heap
        self._due: dict[str, deque[int]] = {}  # numbers to send now, by call; one at a time
        self._ready: deque[str] = deque()  # calls of which nothing is being sent
        self._order = itertools.count()
        self._count = 0
        self._sending = 0
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._connections: set[http.client.HTTPConnection] = set()

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries, the newest first; by default all."""
        with self._changed:
            return list(itertools.islice(reversed(self._deliveries.values()), limit))

    @property
    def count(self) -> int:
        """How many deliveries there have been."""
        return self._count

    def put(self, body: bytes, call_id: str, duplicates: Optional[int] = None) -> None:
        """Queue a webhook; does nothing without a URL.

        Args:
            body: its body.
            call_id: the call that it is about, whose webhooks go out in order.
            duplicates: how many more times to send it, by default as the rules say.
        """
        if not self._url:
            return
        with self._changed:
            delivery = self._add(body, call_id)
            repeats = self._rules.duplicates if duplicates is None else duplicates
            self._repeats[delivery.number] = repeats
            self._schedule(delivery, delivery.created)
            self._changed.changed()

    def deliver(self, body: bytes, call_id: str) -> tuple[str, bytes]:
        """Send a webhook now, once; return the result and the body of the app's answer."""
        with self._changed:
            delivery = self._add(body, call_id)
        result, answer = self._send(delivery)
        with self._changed:
            self._finish(delivery, result, answer, due=None)
        return result, answer

    def idle(self) -> bool:
        """Return whether nothing is due to be sent now; hold the lock."""
        self._collect_due()
        return not self._sending and not self._ready

    def close(self) -> None:
        """Stop sending; what is queued is dropped, what is under way broken off."""
        with self._changed:
            self._closing = True
            self._changed.changed()
            for connection in list(self._connections):
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=_TIMEOUT + 1)

    def _add(self, body: bytes, call_id: str) -> Delivery:
        self._count += 1
        now = self._clock.now()
        delivery = Delivery(self._count, self._sender, self._url, body, now, call_id)
        self._deliveries[delivery.number] = delivery
        if len(self._deliveries) > self._history:
            del self._deliveries[next(iter(self._deliveries))]
        return delivery

    def _schedule(self, delivery: Delivery, due: float) -> None:
        self._deliveries[delivery.number] = replace(delivery, due=due)
        heapq.heappush(self._waiting, (due, next(self._order), delivery.number))
        self._collect_due()
        wanted = min(self._sending + len(self._ready), _MOST_SENDERS)
        if len(self._threads) < wanted and not self._closing:
            thread = threading.Thread(
                target=self._run, name=f"emulator-{self._sender}-webhooks", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _collect_due(self) -> None:
        """Move what is due by now from the heap to the queue of its call."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            number = heapq.heappop(self._waiting)[2]
            if number not in self._deliveries:
                continue  # forgotten meanwhile
            call_id = self._deliveries[number].call_id
            if call_id not in self._due:
                self._due[call_id] = deque()
                self._ready.append(call_id)
            self._due[call_id].append(number)

    def _run(self) -> None:
        while True:
            with self._changed:
                call_id = self._next_call()
                if call_id is None:
                    return
                number = self._due[call_id].popleft()
                self._sending += 1
            delivery = self._deliveries.get(number)
            outcome = self._send(delivery) if delivery is not None else None
            with self._changed:
                self._sending -= 1
                if self._due[call_id]:
                    self._ready.append(call_id)
                else:
                    del self._due[call_id]
                if delivery is not None and outcome is not None:
                    self._note(delivery, *outcome)
                self._changed.changed()

    def _next_call(self) -> Optional[str]:
        """Wait for a call that has something due and nothing under way; None at the end."""
        while not self._closing:
            self._collect_due()
            if self._ready:
                return self._ready.popleft()
            pause = self._waiting[0][0] - self._clock.now() if self._waiting else None
            self._changed.wait(pause)
        return None

    def _note(self, delivery: Delivery, result: str, answer: bytes) -> None:
        if delivery.number not in self._deliveries:
            return
        taken = self._rules.is_taken(result)
        delay: Optional[float] = None
        if taken:
            repeats = self._repeats.pop(delivery.number, 0)
            if repeats:
                self._repeats[delivery.number] = repeats - 1
                delay = 0.0
        elif not self._rules.is_final(result) and len(delivery.results) < len(
            self._rules.retry_delays
        ):
            delay = self._rules.retry_delays[len(delivery.results)]
        due = None if delay is None else self._clock.now() + delay
        self._finish(delivery, result, answer, due)

    def _finish(self, delivery: Delivery, result: str, answer: bytes, due: Optional[float]) -> None:
        if delivery.number not in self._deliveries:
            return
        delivery = replace(
            delivery,
            results=(*delivery.results, result),
            answer=answer[:_EXCERPT].decode("utf-8", "replace"),
            taken=self._rules.is_taken(result),
            due=due,
        )
        self._deliveries[delivery.number] = delivery
        self._noted(delivery)
        if due is not None:
            self._schedule(delivery, due)
        self._changed.changed()

    def _send(self, delivery: Delivery) -> tuple[str, bytes]:
        headers = self._rules.headers(delivery.body)
        return send("POST", delivery.url, headers, delivery.body, self._connections)


def checked_url(name: str, url: str) -> None:
    """Check the URL of an app's webhook.

    Args:
        name: what to call it in the error.
        url: the URL; an empty one stands for none.

    Raises:
        ValueError: it is no http or https URL.
    """
    if not url:
        return
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character <= " " for character in url):
        raise ValueError(f'{name} is {url!r}: write it as "http://127.0.0.1:8000/webhooks"')


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    connections: Optional[set[http.client.HTTPConnection]] = None,
) -> tuple[str, bytes]:
    """Send one HTTP request.

    Args:
        method: "GET" or "POST".
        url: a checked URL; certificates of local apps are not checked.
        headers: its headers.
        body: its body.
        connections: holds the connection while it is in use.

    Returns:
        The HTTP status as text and the answer's body; without an answer, the name of the exception
        and its text.
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
    under_way = set() if connections is None else connections
    under_way.add(connection)
    try:
        connection.request(method, quote(target, safe=_URL_CHARACTERS), body, dict(headers))
        answer = connection.getresponse()
        return str(answer.status), answer.read(1_000_000)
    except (OSError, http.client.HTTPException) as exc:
        return type(exc).__name__, str(exc).encode()
    finally:
        under_way.discard(connection)
        connection.close()


# What stands in a target as it is (RFC 3986, section 2); everything else is percent-encoded.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=-._~"
