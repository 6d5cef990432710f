"""Delivers webhooks to the developer's app: in order within a lane, several lanes at once."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, ClassVar, NamedTuple, Optional

from .changes import Changes
from .clock import Clock
from .http_client import HTTPClient

__all__ = ["Delivery", "DeliveryRules", "Outbox", "Webhook"]

_MAX_THREADS = 8  # deliveries at a time
_EXCERPT = 500  # characters of an app's response


class DeliveryRules:
    """How a sender delivers its webhooks; the base of its configuration.

    Args:
        user_agent: the User-Agent header.
        retry_delays: seconds to wait before each retry of a webhook that was not accepted.
        in_order: True if a webhook that waits for its retry holds up those behind it in its lane.
    """

    user_agent: ClassVar[str] = ""
    retry_delays: ClassVar[Sequence[float]] = ()
    in_order: ClassVar[bool] = False

    def is_accepted(self, result: str) -> bool:
        """Return whether a result means that the app accepted the webhook."""
        return result == "200"

    def is_final(self, result: str) -> bool:
        """Return whether a result rules out a retry."""
        return False


class Webhook(NamedTuple):
    """A webhook to send: what it is about, in a few words, and its body."""

    title: str
    body: bytes


@dataclass(frozen=True)
class Delivery:
    """One webhook, and how its delivery went.

    Args:
        number: counts the deliveries of a sender.
        sender: "meta", "livekit", or "twilio".
        url: where it goes.
        title: what it is about, in a few words.
        body: its body.
        created: when it was created, in seconds since 1970 by the emulator's clock.
        call_id: the call that it is about.
        results: the result of each attempt: the HTTP status, or the name of the exception.
        answer: the beginning of the app's last response.
        taken: True once the app accepted it: LiveKit accepts any 2xx, the others only a 200.
        due: when the next attempt is due; None if there is none.
    """

    number: int
    sender: str
    url: str
    title: str
    body: bytes = field(repr=False)
    created: float
    call_id: str = ""
    results: tuple[str, ...] = ()
    answer: str = field(default="", repr=False)
    taken: bool = False
    due: Optional[float] = None


@dataclass
class _Item:
    """A delivery in an outbox.

    Args:
        delivery: its public part.
        lane: the lane that it is queued in.
        duplicates: how many more times to send it once it is accepted.
        queued: True while an attempt is due or running.
    """

    delivery: Delivery
    lane: str
    duplicates: int = 0
    queued: bool = True


class Outbox:
    """Sends the webhooks of one sender, on its own threads.

    Args:
        sender: "meta", "livekit", or "twilio".
        url: where they go; "" to send nothing.
        rules: how they are delivered.
        make_headers: returns the headers for a body; called before each attempt.
        http: sends the requests.
        changed: the emulator's one lock; notified after every change.
        clock: the emulator's clock.
        on_result: called under the lock with every delivery that has a new result.
        history: how many deliveries to keep; those that are queued are kept in any case.
    """

    def __init__(
        self,
        sender: str,
        url: str,
        rules: DeliveryRules,
        make_headers: Callable[[bytes], Mapping[str, str]],
        http: HTTPClient,
        changed: Changes,
        clock: Clock,
        on_result: Callable[[Delivery], None],
        history: int,
    ) -> None:
        self.url = url
        self.count = 0
        """How many deliveries there have been."""
        self._sender = sender
        self._rules = rules
        self._make_headers = make_headers
        self._http = http
        self._changed = changed
        self._clock = clock
        self._on_result = on_result
        self._history = history
        self._items: dict[int, _Item] = {}
        self._retries: list[tuple[float, int]] = []  # a heap of (due, number)
        # Numbers by lane. A lane that is here and not in `_ready` is busy: an attempt is running,
        # or, if the order counts, its first delivery waits for a retry.
        self._lanes: dict[str, deque[int]] = {}
        self._ready: deque[str] = deque()
        self._running = 0
        self._closing = False
        self._threads: list[threading.Thread] = []

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries, newest first; by default all."""
        with self._changed:
            newest = itertools.islice(reversed(self._items.values()), limit)
            return [item.delivery for item in newest]

    def put(self, webhook: Webhook, call_id: str, lane: str = "", duplicates: int = 0) -> None:
        """Queue a webhook, if there is a URL to send it to.

        Args:
            webhook: the webhook.
            call_id: the call that it is about.
            lane: the webhooks of a lane are sent in order; by default the call's.
            duplicates: how many more times to send it.
        """
        if not self.url or self._closing:
            return
        with self._changed:
            item = self._add(webhook, call_id, lane or call_id)
            item.duplicates = duplicates
            item.delivery = replace(item.delivery, due=item.delivery.created)
            self._enqueue(item)
            self._start_threads()
            self._changed.changed()

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a delivery once more, in a lane of its own."""
        lane = f"again {self.count}"
        self.put(Webhook(delivery.title, delivery.body), delivery.call_id, lane)

    def deliver(self, webhook: Webhook, call_id: str) -> tuple[str, bytes]:
        """Send a webhook now, once; return the result and the body of the app's response."""
        with self._changed:
            item = self._add(webhook, call_id, call_id)
        result, response = self._send(item.delivery)
        with self._changed:
            self._record(item, result, response, due=None)
        return result, response

    def is_idle(self) -> bool:
        """Return whether no attempt is due or running; call it under the lock."""
        self._queue_retries()
        return not self._running and not self._ready

    def close(self) -> None:
        """Drop what is queued, abort what is running, and wait for the threads."""
        with self._changed:
            self._closing = True
            self._changed.changed()
        for thread in self._threads:
            while thread.is_alive():
                self._http.close()
                thread.join(timeout=0.1)

    def _add(self, webhook: Webhook, call_id: str, lane: str) -> _Item:
        self.count += 1
        delivery = Delivery(
            self.count, self._sender, self.url, *webhook, self._clock.now(), call_id
        )
        item = self._items[delivery.number] = _Item(delivery, lane)
        self._forget_oldest()
        return item

    def _forget_oldest(self) -> None:
        """Drop the oldest deliveries beyond the history, and their retries."""
        while len(self._items) > self._history:
            item = next((item for item in self._items.values() if not item.queued), None)
            if item is None:
                return
            del self._items[item.delivery.number]
            if item.delivery.due is not None and self._rules.in_order:
                self._leave(item.lane)

    def _enqueue(self, item: _Item) -> None:
        if item.lane not in self._lanes:
            self._lanes[item.lane] = deque()
            self._ready.append(item.lane)
        self._lanes[item.lane].append(item.delivery.number)

    def _leave(self, lane: str) -> None:
        """Remove the first delivery of a busy lane."""
        self._lanes[lane].popleft()
        if self._lanes[lane]:
            self._ready.append(lane)
        else:
            del self._lanes[lane]

    def _queue_retries(self) -> None:
        """Queue the retries that are due."""
        now = self._clock.now()
        while self._retries and self._retries[0][0] <= now:
            item = self._items.get(heapq.heappop(self._retries)[1])
            if item is None:
                continue  # dropped by _forget_oldest
            item.queued = True
            if self._rules.in_order:
                self._ready.append(item.lane)
            else:
                self._enqueue(item)
        self._start_threads()

    def _start_threads(self) -> None:
        wanted = min(self._running + len(self._ready), _MAX_THREADS)
        while len(self._threads) < wanted and not self._closing:
            thread = threading.Thread(
                target=self._run, name=f"emulator-{self._sender}-webhooks", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                lane = self._next_lane()
                if lane is None:
                    return
                item = self._items[self._lanes[lane][0]]
                self._running += 1
            result, response = self._send(item.delivery)
            with self._changed:
                self._running -= 1
                due = self._next_attempt(item, result)
                if due is None or not self._rules.in_order:
                    self._leave(lane)
                if due is not None:
                    heapq.heappush(self._retries, (due, item.delivery.number))
                self._record(item, result, response, due)

    def _next_lane(self) -> Optional[str]:
        """Wait for a lane whose first delivery is due; return None when the outbox closes."""
        while not self._closing:
            self._queue_retries()
            if self._ready:
                return self._ready.popleft()
            self._changed.wait(self._retries[0][0] - self._clock.now() if self._retries else None)
        return None

    def _next_attempt(self, item: _Item, result: str) -> Optional[float]:
        """Return when to send a webhook again after a result; None for never."""
        attempts = len(item.delivery.results)
        if self._rules.is_accepted(result):
            if not item.duplicates:
                return None
            item.duplicates -= 1
            return self._clock.now()
        if self._rules.is_final(result) or attempts >= len(self._rules.retry_delays):
            return None
        return self._clock.now() + self._rules.retry_delays[attempts]

    def _record(self, item: _Item, result: str, response: bytes, due: Optional[float]) -> None:
        item.queued = False
        item.delivery = replace(
            item.delivery,
            results=(*item.delivery.results, result),
            answer=response[:_EXCERPT].decode("utf-8", "replace"),
            taken=self._rules.is_accepted(result),
            due=due,
        )
        self._on_result(item.delivery)
        self._forget_oldest()
        self._changed.changed()

    def _send(self, delivery: Delivery) -> tuple[str, bytes]:
        headers = {**self._make_headers(delivery.body), "User-Agent": self._rules.user_agent}
        return self._http.send("POST", delivery.url, headers, delivery.body)
