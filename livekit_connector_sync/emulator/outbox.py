"""Delivers webhooks to the developer's app: in order within a lane, several lanes at once."""

from __future__ import annotations

import functools
import itertools
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, ClassVar, NamedTuple, Optional

from .http_client import HTTPClient
from .hub import Hub

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


@dataclass(eq=False)
class Delivery:
    """One webhook; its attributes always show the current state of its delivery.

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


@dataclass(eq=False)
class _Item(Delivery):
    """A delivery in an outbox."""

    lane: str = ""
    duplicates: int = 0  # how many more times to send it once it is accepted
    queued: bool = True  # an attempt is due or running


class Outbox:
    """Sends the webhooks of one sender, on its own threads.

    Args:
        sender: "meta", "livekit", or "twilio".
        url: where they go; "" to send nothing.
        make_headers: returns the headers for a body; called before each attempt.
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
        hub: Hub,
        on_result: Callable[[Delivery], None],
        history: int,
    ) -> None:
        self.count = 0
        """How many deliveries there have been."""
        self._sender = sender
        self._url = url
        self._rules = rules
        self._make_headers = make_headers
        self._http = http
        self._hub = hub
        self._on_result = on_result
        self._history = history
        self._items: dict[int, _Item] = {}
        # Items by lane. A lane that is here and not in `_ready` is busy: an attempt is running,
        # or, if the order counts, its first item waits for a retry.
        self._lanes: dict[str, deque[_Item]] = {}
        self._ready: deque[str] = deque()
        self._running = 0
        self._threads: list[threading.Thread] = []

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries, newest first; by default all."""
        with self._hub:
            return list(itertools.islice(reversed(self._items.values()), limit))

    def put(self, webhook: Webhook, call_id: str, lane: str = "", duplicates: int = 0) -> None:
        """Queue a webhook, if there is a URL to send it to.

        Args:
            webhook: the webhook.
            call_id: the call that it is about.
            lane: the webhooks of a lane are sent in order; by default the call's.
            duplicates: how many more times to send it.
        """
        if not self._url or self._hub.closing:
            return
        with self._hub:
            item = self._add(webhook, call_id)
            item.lane, item.duplicates, item.due = lane or call_id, duplicates, item.created
            self._enqueue(item)
            self._hub.changed()

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a delivery once more, in a lane of its own."""
        lane = f"again {self.count}"
        self.put(Webhook(delivery.title, delivery.body), delivery.call_id, lane)

    def deliver(self, webhook: Webhook, call_id: str) -> tuple[str, bytes]:
        """Send a webhook now, once; return the result and the body of the app's response."""
        with self._hub:
            item = self._add(webhook, call_id)
        result, response = self._send(item)
        with self._hub:
            self._record(item, result, response, due=None)
        return result, response

    def is_idle(self) -> bool:
        """Return whether no attempt is due or running; call it under the lock."""
        return not self._running and not self._ready

    def close(self) -> None:
        """Abort what is running and wait for the threads; the hub must be closed before."""
        for thread in self._threads:
            while thread.is_alive():
                self._http.close()
                thread.join(timeout=0.1)

    def _add(self, webhook: Webhook, call_id: str) -> _Item:
        self.count += 1
        created = self._hub.now()
        item = _Item(self.count, self._sender, self._url, *webhook, created, call_id)
        self._items[item.number] = item
        self._forget_oldest()
        return item

    def _forget_oldest(self) -> None:
        """Drop the oldest deliveries beyond the history, and their retries."""
        while len(self._items) > self._history:
            item = next((item for item in self._items.values() if not item.queued), None)
            if item is None:
                return
            del self._items[item.number]
            if item.due is not None and self._rules.in_order:
                self._leave(item.lane)

    def _enqueue(self, item: _Item) -> None:
        if item.lane in self._lanes:
            self._lanes[item.lane].append(item)
        else:
            self._lanes[item.lane] = deque([item])
            self._make_ready(item.lane)

    def _leave(self, lane: str) -> None:
        """Remove the first item of a busy lane."""
        self._lanes[lane].popleft()
        if self._lanes[lane]:
            self._make_ready(lane)
        else:
            del self._lanes[lane]

    def _make_ready(self, lane: str) -> None:
        """Have a thread send the first item of a lane."""
        self._ready.append(lane)
        if self._running < _MAX_THREADS and not self._hub.closing:
            self._running += 1
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            name = f"emulator-{self._sender}-webhooks"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        """Send the first items of the lanes that are ready, until there are none."""
        while True:
            with self._hub:
                if self._hub.closing or not self._ready:
                    self._running -= 1
                    self._hub.changed()
                    return
                lane = self._ready.popleft()
                item = self._lanes[lane][0]
            result, response = self._send(item)
            with self._hub:
                delay = self._next_delay(item, result)
                due = None if delay is None else self._hub.now() + delay
                if due is None or not self._rules.in_order:
                    self._leave(lane)
                self._record(item, result, response, due)
                if delay == 0:
                    self._retry(item)
                elif due is not None:
                    self._hub.call_at(due, functools.partial(self._retry, item))

    def _retry(self, item: _Item) -> None:
        if item.number not in self._items:
            return  # dropped by _forget_oldest
        item.queued = True
        if self._rules.in_order:
            self._make_ready(item.lane)
        else:
            self._enqueue(item)

    def _next_delay(self, item: _Item, result: str) -> Optional[float]:
        """Return the seconds until a webhook is sent again after a result; None for never."""
        attempts = len(item.results)
        if self._rules.is_accepted(result):
            if not item.duplicates:
                return None
            item.duplicates -= 1
            return 0.0
        if self._rules.is_final(result) or attempts >= len(self._rules.retry_delays):
            return None
        return self._rules.retry_delays[attempts]

    def _record(self, item: _Item, result: str, response: bytes, due: Optional[float]) -> None:
        item.queued = False
        item.results += (result,)
        item.answer = response[:_EXCERPT].decode("utf-8", "replace")
        item.taken = self._rules.is_accepted(result)
        item.due = due
        self._on_result(item)
        self._forget_oldest()
        self._hub.changed()

    def _send(self, delivery: Delivery) -> tuple[str, bytes]:
        headers = {**self._make_headers(delivery.body), "User-Agent": self._rules.user_agent}
        return self._http.send("POST", delivery.url, headers, delivery.body)
