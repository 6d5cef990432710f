"""Delivers webhooks to the developer's app: one at a time of each lane, several lanes at once."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

from .changes import Changes
from .clock import Clock
from .sender import Sender

__all__ = ["Delivery", "Outbox", "Rules"]

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
        taken: True once the app took it; LiveKit wants any 2xx, the others a 200.
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
        in_order: True if a webhook that is to be sent again holds up those behind it in its lane.
    """

    headers: Callable[[bytes], Mapping[str, str]]
    is_taken: Callable[[str], bool]
    is_final: Callable[[str], bool] = lambda result: False
    retry_delays: Sequence[float] = ()
    duplicates: int = 0
    in_order: bool = False


@dataclass
class _Item:
    """A delivery as the outbox holds it.

    Args:
        delivery: what others see of it.
        lane: what it is queued in.
        repeats: sendings that are still to come once it is taken.
        queued: True from the moment that it is to be sent until it has been.
    """

    delivery: Delivery
    lane: str
    repeats: int = 0
    queued: bool = True


class Outbox:
    """Sends the webhooks of one sender, on threads of its own.

    Args:
        sender: "meta", "livekit" or "twilio".
        url: where they go; empty to make none.
        rules: how they are delivered.
        http: sends the requests.
        changed: the emulator's one lock; notified after every change.
        clock: tells the time.
        noted: told of every result under the lock.
        history: how many deliveries to remember; what is queued is never forgotten.
    """

    def __init__(
        self,
        sender: str,
        url: str,
        rules: Rules,
        http: Sender,
        changed: Changes,
        clock: Clock,
        noted: Callable[[Delivery], None],
        history: int,
    ) -> None:
        self._sender = sender
        self._url = url
        self._rules = rules
        self._http = http
        self._changed = changed
        self._clock = clock
        self._noted = noted
        self._history = history
        self._items: dict[int, _Item] = {}
        self._waiting: list[tuple[float, int]] = []  # due, number: to be sent again; a heap
        # Numbers by lane. A lane that is here and not in `_ready` is busy: with a sending, or,
        # where the order counts, with the wait until its first is sent again.
        self._lanes: dict[str, deque[int]] = {}
        self._ready: deque[str] = deque()
        self._count = 0
        self._sending = 0
        self._closing = False
        self._threads: list[threading.Thread] = []

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries, the newest first; by default all."""
        with self._changed:
            newest = itertools.islice(reversed(self._items.values()), limit)
            return [item.delivery for item in newest]

    @property
    def count(self) -> int:
        """How many deliveries there have been."""
        return self._count

    def put(
        self, body: bytes, call_id: str, lane: str = "", duplicates: Optional[int] = None
    ) -> None:
        """Queue a webhook; does nothing without a URL.

        Args:
            body: its body.
            call_id: the call that it is about.
            lane: what its webhooks go out in order of, by default the call.
            duplicates: how many more times to send it, by default as the rules say.
        """
        if not self._url or self._closing:
            return
        with self._changed:
            item = self._add(body, call_id, lane or call_id)
            item.repeats = self._rules.duplicates if duplicates is None else duplicates
            item.delivery = replace(item.delivery, due=item.delivery.created)
            self._enqueue(item)
            self._start_threads()
            self._changed.changed()

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a webhook once more, whatever else is queued."""
        self.put(delivery.body, delivery.call_id, f"again {self._count}", duplicates=0)

    def deliver(self, body: bytes, call_id: str) -> tuple[str, bytes]:
        """Send a webhook now, once; return the result and the body of the app's answer."""
        with self._changed:
            item = self._add(body, call_id, call_id)
        result, answer = self._send(item.delivery)
        with self._changed:
            self._note(item, result, answer, due=None)
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
        for thread in self._threads:
            while thread.is_alive():
                self._http.close()
                thread.join(timeout=0.1)

    def _add(self, body: bytes, call_id: str, lane: str) -> _Item:
        self._count += 1
        now = self._clock.now()
        delivery = Delivery(self._count, self._sender, self._url, body, now, call_id)
        item = self._items[delivery.number] = _Item(delivery, lane)
        self._forget_oldest()
        return item

    def _forget_oldest(self) -> None:
        """Forget the oldest beyond the history; one that was to be sent again is given up."""
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
        """Take the first out of a busy lane."""
        self._lanes[lane].popleft()
        if self._lanes[lane]:
            self._ready.append(lane)
        else:
            del self._lanes[lane]

    def _collect_due(self) -> None:
        """Queue what is to be sent again by now."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            item = self._items.get(heapq.heappop(self._waiting)[1])
            if item is None:
                continue  # given up
            item.queued = True
            if self._rules.in_order:
                self._ready.append(item.lane)
            else:
                self._enqueue(item)
        self._start_threads()

    def _start_threads(self) -> None:
        wanted = min(self._sending + len(self._ready), _MOST_SENDERS)
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
                self._sending += 1
            result, answer = self._send(item.delivery)
            with self._changed:
                self._sending -= 1
                due = self._due_again(item, result)
                if due is None or not self._rules.in_order:
                    self._leave(lane)
                if due is not None:
                    heapq.heappush(self._waiting, (due, item.delivery.number))
                self._note(item, result, answer, due)

    def _next_lane(self) -> Optional[str]:
        """Wait for a lane whose first is to be sent; None at the end."""
        while not self._closing:
            self._collect_due()
            if self._ready:
                return self._ready.popleft()
            pause = self._waiting[0][0] - self._clock.now() if self._waiting else None
            self._changed.wait(pause)
        return None

    def _due_again(self, item: _Item, result: str) -> Optional[float]:
        """Return when to send again, None if that was all."""
        tries = len(item.delivery.results)
        if self._rules.is_taken(result):
            if not item.repeats:
                return None
            item.repeats -= 1
            return self._clock.now()
        if self._rules.is_final(result) or tries >= len(self._rules.retry_delays):
            return None
        return self._clock.now() + self._rules.retry_delays[tries]

    def _note(self, item: _Item, result: str, answer: bytes, due: Optional[float]) -> None:
        item.queued = False
        item.delivery = replace(
            item.delivery,
            results=(*item.delivery.results, result),
            answer=answer[:_EXCERPT].decode("utf-8", "replace"),
            taken=self._rules.is_taken(result),
            due=due,
        )
        self._noted(item.delivery)
        self._forget_oldest()
        self._changed.changed()

    def _send(self, delivery: Delivery) -> tuple[str, bytes]:
        return self._http.send(
            "POST", delivery.url, self._rules.headers(delivery.body), delivery.body
        )
