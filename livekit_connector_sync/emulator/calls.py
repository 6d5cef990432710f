"""All calls, one lock, and the events that move them on.

Everything that happens to a call goes through `CallRegistry.apply`, which asks the state machine,
stamps the timeline, sets the next timeout and announces the event, in that order and under the
lock. Nothing is sent and nobody waits while the lock is held: an announcement only queues.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, Optional, Union

from .._gen import RoomAgentDispatch, SessionDescription
from ..errors import AlreadyExists, DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from .changes import Changes
from .clock import Clock
from .lifecycle import (
    Direction,
    Event,
    Progress,
    Provider,
    State,
    Timeouts,
    next_timeout,
    transition,
)

__all__ = ["LONGEST_WAIT", "Call", "CallRegistry"]

LONGEST_WAIT = 3600.0  # seconds of one wait on a lock, which overflows at 292 years


@dataclass(eq=False)
class Call:
    """One call; its attributes follow the call as it goes on.

    Args:
        id: the WhatsApp call id, or the name of a Twilio session.
        progress: how far the call is.
        sdp: the user's session description: the offer of an inbound call, the answer of an
            outbound one once the user has picked up, and empty until then.
        phone_number_id: Meta's id of the business's number.
        business_number: the business's number, in digits.
        user_number: the user's number, in digits.
        user_name: the name in the user's profile.
        room_name: the room of the call, empty until LiveKit has a part in it.
        participant_identity: the identity of the call's participant.
        participant_name: the name of the call's participant.
        participant_metadata: the metadata of the call's participant.
        participant_attributes: the attributes of the call's participant.
        agents: the agents that the request dispatched.
        callback_data: whatsapp_biz_opaque_callback_data of the request.
        ringing_timeout: seconds, as the request set it; 0 if it did not.
        connect_url: where Twilio opens the media stream.
        timeline: what happened, as (time since 1970 in seconds, event).
        connecting: True while a ConnectWhatsAppCall waits for the user to pick up.
    """

    id: str
    progress: Progress
    sdp: SessionDescription = field(default_factory=SessionDescription)
    phone_number_id: str = ""
    business_number: str = ""
    user_number: str = ""
    user_name: str = ""
    room_name: str = ""
    participant_identity: str = ""
    participant_name: str = ""
    participant_metadata: str = ""
    participant_attributes: Mapping[str, str] = field(default_factory=dict)
    agents: tuple[RoomAgentDispatch, ...] = ()
    callback_data: str = ""
    ringing_timeout: float = 0.0
    connect_url: str = ""
    timeline: tuple[tuple[float, Event], ...] = ()
    connecting: bool = False

    @property
    def whatsapp_call_id(self) -> str:
        """The id that Meta gave the call; empty for a Twilio call."""
        return self.id if self.provider is Provider.WHATSAPP else ""

    @property
    def provider(self) -> Provider:
        """WhatsApp or Twilio."""
        return self.progress.provider

    @property
    def direction(self) -> Direction:
        """Inbound or outbound."""
        return self.progress.direction

    @property
    def state(self) -> State:
        """Where the call is now: "ringing", "answered", "active" or "ended"."""
        return self.progress.state

    @property
    def ended_by(self) -> Optional[Event]:
        """The event that ended the call, None while it lives."""
        return self.progress.ended_by

    def time_of(self, *events: Event) -> Optional[float]:
        """Return when the first of these events happened, None if none did."""
        return next((at for at, event in self.timeline if event in events), None)

    def __repr__(self) -> str:
        return f"<Call {self.id} {self.direction} {self.provider} {self.state}>"


class CallRegistry:
    """Holds the calls and moves them on.

    Args:
        changed: the emulator's one lock; notified after every change.
        clock: tells the time.
        timeouts: how long calls may stay as they are.
        announce: told of every event under the lock, with the call and the event's time.
        agent_joins: True if whoever a call is for joins its room at once.
        history: how many calls to remember; the oldest that are over are forgotten.
    """

    def __init__(
        self,
        changed: Changes,
        clock: Clock,
        timeouts: Timeouts,
        announce: Callable[[Call, Event, float], None],
        agent_joins: bool,
        history: int,
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._timeouts = timeouts
        self._announce = announce
        self._agent_joins = agent_joins
        self._history = history
        self._calls: dict[str, Call] = {}
        self._live_per_number: dict[str, set[str]] = {}
        self._due: list[tuple[float, int, Call, Progress, Event]] = []
        self._serial = itertools.count()
        self._closing = False

    def calls(self) -> list[Call]:
        """Return the calls, the newest last."""
        with self._changed:
            return list(self._calls.values())

    def get(self, call: Union[Call, str]) -> Call:
        """Return a call, given itself or its id.

        Raises:
            NotFound: there is no such call.
        """
        call_id = call if isinstance(call, str) else call.id
        with self._changed:
            known = self._calls.get(call_id)
        if known is None:
            raise NotFound(f"call not found: no call has the id {call_id!r}")
        return known

    def live(self, phone_number_id: str) -> list[Call]:
        """Return the calls of a business number that have not ended."""
        with self._changed:
            return [self._calls[key] for key in self._live_per_number.get(phone_number_id, ())]

    def newest(self, limit: int) -> tuple[list[Call], int]:
        """Return all live calls and some of those that have ended, and how many calls there are.

        Args:
            limit: how many ended calls to return.

        Returns:
            The calls, the newest first.
        """
        with self._changed:
            live = {key for keys in self._live_per_number.values() for key in keys}
            found: list[Call] = []
            for call in reversed(self._calls.values()):
                if call.id in live:
                    live.discard(call.id)
                    found.append(call)
                elif limit > 0:
                    limit -= 1
                    found.append(call)
                elif not live:
                    break
            return found, len(self._calls)

    def place(self, call: Call, event: Event) -> Call:
        """Add a call, which rings.

        Raises:
            ValueError: there is a call of this id.
        """
        with self._changed:
            if call.id in self._calls:
                raise ValueError(f"there is a call {call.id!r} already")
            self._forget_oldest()
            self._calls[call.id] = call
            self._live_per_number.setdefault(call.phone_number_id, set()).add(call.id)
            self._note(call, event, self._clock.now())
        return call

    def apply(self, call: Union[Call, str], event: Event, **changes: object) -> Call:
        """Let an event happen to a call, and set attributes of it together with that.

        Raises:
            TwirpError: the event is an RPC, and this is its answer.
            ValueError: the event cannot happen to the call now.
        """
        with self._changed:
            known = self.get(call)
            if event in (Event.ACCEPT, Event.CONNECT) and known.connecting:
                raise AlreadyExists("the call is being connected already")
            self._move(known, event, self._clock.now(), changes)
        return known

    def connect_when_answered(self, call: Call, timeout: float) -> None:
        """Connect a dialled call as soon as the user picks up.

        Raises:
            DeadlineExceeded: the user did not pick up in time; the call has ended.
            TwirpError: the call is connected already, or has ended.
        """
        with self._changed:
            if call.connecting:
                raise AlreadyExists("the call is being connected already")
            call.connecting = True
            try:
                self._wait(call, timeout, lambda: call.state is not State.RINGING)
            finally:
                call.connecting = False
            if call.ended_by is Event.NO_ANSWER:
                raise DeadlineExceeded("the user did not pick up in time: the call has ended")
            self.apply(call, Event.CONNECT)

    def wait_joined(self, call: Call, timeout: float) -> None:
        """Wait until the agent is in the room.

        Raises:
            DeadlineExceeded: it did not join in time; the call has ended.
            FailedPrecondition: the call ended meanwhile.
        """
        with self._changed:
            self._wait(call, timeout, lambda: call.progress.joined or call.state is State.ENDED)
            if call.state is State.ENDED:
                raise FailedPrecondition("connection is closed: the call ended while it waited")

    def run_due(self) -> Optional[float]:
        """Let every timeout happen that is due; return the seconds until the next, if any."""
        with self._changed:
            while self._due:
                due, _, call, progress, event = self._due[0]
                now = self._clock.now()
                if call.progress is progress and due > now:
                    return due - now
                heapq.heappop(self._due)
                if call.progress is progress:
                    self._move(call, event, due, {})
            return None

    def close(self) -> None:
        """Wake everybody who waits; from now on no wait begins."""
        with self._changed:
            self._closing = True
            self._changed.changed()

    def _wait(self, call: Call, timeout: float, done: Callable[[], bool]) -> None:
        deadline = self._clock.now() + timeout
        while not done():
            remaining = deadline - self._clock.now()
            if self._closing:
                raise Unavailable("the emulator is shutting down")
            if remaining <= 0:
                self._move(call, Event.NOT_JOINED, self._clock.now(), {})
                raise DeadlineExceeded(f"nobody answered within {timeout:g} s: the call has ended")
            self._changed.wait(min(remaining, LONGEST_WAIT))

    def _move(self, call: Call, event: Event, at: float, changes: dict[str, object]) -> None:
        call.progress = transition(call.progress, event)
        for name, value in changes.items():
            setattr(call, name, value)
        self._note(call, event, at)
        if self._agent_joins and event in (Event.ACCEPT, Event.CONNECT, Event.STREAM):
            self._move(call, Event.JOIN, at, {})

    def _note(self, call: Call, event: Event, at: float) -> None:
        call.timeline += ((at, event),)
        if call.state is State.ENDED:
            live = self._live_per_number.get(call.phone_number_id, set())
            live.discard(call.id)
            if not live:
                self._live_per_number.pop(call.phone_number_id, None)
        limit = next_timeout(call.progress, self._timeouts, call.ringing_timeout)
        if limit is not None:
            seconds, timeout_event = limit
            entry = (at + seconds, next(self._serial), call, call.progress, timeout_event)
            heapq.heappush(self._due, entry)
        self._announce(call, event, at)
        self._changed.changed()

    def _forget_oldest(self) -> None:
        while len(self._calls) >= self._history:
            over = (call for call in self._calls.values() if call.progress.released)
            oldest = next(over, None)
            if oldest is None:
                return
            del self._calls[oldest.id]
