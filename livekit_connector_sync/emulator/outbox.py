"""Delivers webhooks to the developer's app: in order within a lane, several lanes at once."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, ClassVar, NamedTuple, Optional

from .arguments import check_type, check_types
from .http_client import HTTPClient, check_url
from .hub import Hub

__all__ = ["Delivery", "DeliveryRules", "Outbox", "Sender", "Webhook"]

_MAX_THREADS = 24  # deliveries at a time
_EXCERPT = 500  # characters of an app's response


class DeliveryRules:
    """How a sender delivers its webhooks; the base of its configuration."""

    user_agent: ClassVar[str] = ""
    retry_delays: ClassVar[Sequence[float]] = ()  # seconds before each retry
    in_order: ClassVar[bool] = False  # a webhook that waits for its retry holds up its lane

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_types(type(self), vars(self), f"{name}.")
        for field_name, value in vars(self).items():
            if field_name.endswith("url"):
                check_url(f"{name}.{field_name}", value)
            elif field_name == "duplicates" and value < 0:
                raise ValueError(f"{name}.duplicates must be 0 or more, not {value}")

    def is_accepted(self, result: str) -> bool:
        """Return whether a result means that the app accepted the webhook: a 2xx."""
        return len(result) == 3 and result.startswith("2")

    def is_final(self, result: str) -> bool:
        """Return whether a result rules out a retry."""
        return False


class Sender(NamedTuple):
    """Where and how a sender's webhooks go."""

    url: str  # "" to send nothing
    rules: DeliveryRules
    make_headers: Callable[[str, bytes], Mapping[str, str]]  # for URL and body, at each attempt


class Webhook(NamedTuple):
    """A webhook to send: what it is about, in a few words, and its body."""

    title: str
    body: bytes
    url: str = ""  # if it goes elsewhere than its sender's other webhooks


@dataclass(eq=False)
class Delivery:
    """One webhook; its attributes always show the current state of its delivery.

    Args:
        number: counts the deliveries.
        sender: "meta", "livekit", or "twilio".
        url: where it goes.
        title: what it is about, in a few words.
        body: its body.
        created: when it was created, in seconds since 1970 by the emulator's clock.
        call_id: the call that it is about.
        results: the result of each attempt: the HTTP status, or the name of the exception.
        answer: the beginning of the app's last response.
        taken: True once the app accepted it with a 2xx; Meta accepts only a 200.
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
    """A delivery in the outbox."""

    lane: str = ""
    duplicates: int = 0  # how many more times to send it once it is accepted
    queued: bool = True  # an attempt is due or running


@dataclass(eq=False)
class Outbox:
    """Sends webhooks on its own threads, and keeps `history` of them, and those that are queued.

    It calls `on_result` under the lock with every delivery that has a new result.
    """

    senders: Mapping[str, Sender]
    hub: Hub
    on_result: Callable[[Delivery], None]
    history: int

    def __post_init__(self) -> None:
        self.http = HTTPClient()
        self.count = 0
        """How many deliveries there have been."""
        self._items: dict[int, _Item] = {}
        # A lane is here while an attempt of its first item is due or running, or, if the order
        # counts, waits for a retry.
        self._lanes: dict[str, deque[_Item]] = {}
        self._attempts = 0  # due or running
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "emulator-webhooks")

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries, newest first; by default all."""
        with self.hub:
            return list(itertools.islice(reversed(self._items.values()), limit))

    def put(
        self, sender: str, webhook: Webhook, call_id: str, lane: str, duplicates: int = 0
    ) -> None:
        """Queue a webhook, if there is a URL to send it to.

        A sender's webhooks of a lane are sent in order, and `duplicates` more times each.
        """
        with self.hub:
            if not (webhook.url or self.senders[sender].url) or self.hub.closing:
                return
            item = self._add(sender, webhook, call_id)
            item.lane, item.duplicates, item.due = f"{sender} {lane}", duplicates, item.created
            self._enqueue(item)
            self.hub.changed()

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a delivery once more, in a lane of its own."""
        check_type("webhook", delivery, Delivery)
        webhook = Webhook(delivery.title, delivery.body, delivery.url)
        self.put(delivery.sender, webhook, delivery.call_id, f"again {self.count}")

    def deliver(self, sender: str, webhook: Webhook, call_id: str) -> tuple[str, bytes]:
        """Send a webhook now, once; return the result and the body of the app's response."""
        with self.hub:
            item = self._add(sender, webhook, call_id)
        result, response = self._send(item)
        with self.hub:
            self._record(item, result, response, due=None)
        return result, response

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no attempt is due or running; return False if that takes too long."""
        with self.hub:
            return self.hub.wait_for(lambda: not self._attempts, timeout)

    def close(self) -> None:
        """Abort what is running and wait for the threads; the hub must be closed before."""
        self.http.close()
        while not self.wait_until_idle(0.1):
            self.http.close()
        self._threads.shutdown()

    def _add(self, sender: str, webhook: Webhook, call_id: str) -> _Item:
        self.count += 1
        url, created = webhook.url or self.senders[sender].url, self.hub.now()
        item = _Item(self.count, sender, url, webhook.title, webhook.body, created, call_id)
        self._items[item.number] = item
        self._forget_oldest()
        return item

    def _forget_oldest(self) -> None:
        """Drop the oldest deliveries beyond the history, and their retries."""
        while len(self._items) > self.history:
            item = next((item for item in self._items.values() if not item.queued), None)
            if item is None:
                return
            del self._items[item.number]
            if item.due is not None and self.senders[item.sender].rules.in_order:
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
        if not self.hub.closing:
            self._attempts += 1
            self._threads.submit(self._attempt, lane)

    def _attempt(self, lane: str) -> None:
        """Send the first item of a lane."""
        with self.hub:
            item = self._lanes[lane][0]
            rules = self.senders[item.sender].rules
        result, response = self._send(item)
        with self.hub:
            delay = _next_delay(item, rules, result)
            due = None if delay is None else self.hub.now() + delay
            if due is None or not rules.in_order:
                self._leave(lane)
            self._record(item, result, response, due)
            if delay == 0:
                self._retry(item)
            elif due is not None:
                self.hub.call_at(due, functools.partial(self._retry, item))
            self._attempts -= 1
            self.hub.changed()

    def _retry(self, item: _Item) -> None:
        if item.number not in self._items:
            return  # dropped by _forget_oldest
        item.queued = True
        if self.senders[item.sender].rules.in_order:
            self._make_ready(item.lane)
        else:
            self._enqueue(item)

    def _record(self, item: _Item, result: str, response: bytes, due: Optional[float]) -> None:
        item.queued = False
        item.results += (result,)
        item.answer = response[:_EXCERPT].decode("utf-8", "replace")
        item.taken = self.senders[item.sender].rules.is_accepted(result)
        item.due = due
        self.on_result(item)
        self._forget_oldest()
        self.hub.changed()

    def _send(self, item: _Item) -> tuple[str, bytes]:
        _, rules, make_headers = self.senders[item.sender]
        headers = {**make_headers(item.url, item.body), "User-Agent": rules.user_agent}
        return self.http.send("POST", item.url, headers, item.body)


def _next_delay(item: _Item, rules: DeliveryRules, result: str) -> Optional[float]:
    """Return the seconds until a webhook is sent again after a result; None for never."""
    attempts = len(item.results)
    if rules.is_accepted(result):
        item.duplicates -= 1
        return 0.0 if item.duplicates >= 0 else None
    if rules.is_final(result) or attempts >= len(rules.retry_delays):
        return None
    return rules.retry_delays[attempts]
