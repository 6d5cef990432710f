"""All calls, and the events that change them.

Every event goes through `CallRegistry.apply`, which asks the state machine, extends the timeline,
sets the next timeout, and announces the event, in that order and under the emulator's one lock.
Announcing an event only queues webhooks: no thread does I/O while it holds the lock.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, Optional, Union

from .._gen import RoomAgentDispatch, SessionDescription
from ..errors import DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from .arguments import check_type
from .hub import MAX_WAIT, Hub
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

__all__ = ["BUSINESS_NUMBER", "Call", "CallRegistry"]

BUSINESS_NUMBER = "15550783881"


@dataclass(eq=False)
class Call:
    """One call; its attributes always show the current state.

    Args:
        id: the WhatsApp call id, or the name of a Twilio session.
        progress: where the call is in its life.
        sdp: the user's session description: the offer of an inbound call, or the answer of an
            outbound call.
        phone_number_id: Meta's id of the business's number.
        business_number: the business's number, in digits.
        user_number: the user's number, in digits; empty if the user hides it.
        user_name: the name in the user's profile.
        user_id: the user's business-scoped id at Meta.
        parent_user_id: the same for a group of businesses; most have none.
        username: the user's name in WhatsApp, if the user took one.
        room_name: the room of the call; empty until LiveKit joins the call.
        participant_identity: the identity of the call's participant.
        participant_name: the name of the call's participant.
        participant_metadata: the metadata of the call's participant.
        participant_attributes: the attributes of the call's participant.
        agents: the agents that the request dispatched.
        callback_data: whatsapp_biz_opaque_callback_data of the request.
        ringing_timeout: seconds, from the request; 0 if it has none.
        connect_url: where Twilio opens the media stream.
        call_sid: the phone call that Twilio's Calls API created for a session.
        status_callback: where Twilio sends the status of that phone call; "" for nowhere.
        status_events: which events it sends there.
        timeline: the events so far, as (seconds since 1970, event).
    """

    id: str
    progress: Progress
    sdp: SessionDescription = field(default_factory=SessionDescription)
    phone_number_id: str = ""
    business_number: str = BUSINESS_NUMBER
    user_number: str = ""
    user_name: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    username: str = ""
    room_name: str = ""
    participant_identity: str = ""
    participant_name: str = ""
    participant_metadata: str = ""
    participant_attributes: Mapping[str, str] = field(default_factory=dict)
    agents: tuple[RoomAgentDispatch, ...] = ()
    callback_data: str = ""
    ringing_timeout: float = 0.0
    connect_url: str = ""
    call_sid: str = ""
    status_callback: str = ""
    status_events: tuple[str, ...] = ()
    timeline: tuple[tuple[float, Event], ...] = ()

    @property
    def whatsapp_call_id(self) -> str:
        """The WhatsApp call id; empty for a Twilio call."""
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
        """The current state: "ringing", "answered", "active", or "ended"."""
        return self.progress.state

    @property
    def ended_by(self) -> Optional[Event]:
        """The event that ended the call; None until then."""
        return self.progress.ended_by

    def time_of(self, *events: Event) -> Optional[float]:
        """Return when the first of these events happened; None if none did."""
        return next((at for at, event in self.timeline if event in events), None)

    def __repr__(self) -> str:
        return f"<Call {self.id} {self.direction} {self.provider} {self.state}>"


@dataclass(eq=False)
class CallRegistry:
    """Holds the calls and applies events to them.

    It calls `announce` under the lock with every call, event, and time. It keeps `history` calls;
    those that LiveKit released first are dropped first.
    """

    hub: Hub
    timeouts: Timeouts
    announce: Callable[[Call, Event, float], None]
    agent_joins: bool
    history: int

    def __post_init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._live: Counter[str] = Counter()  # calls that have not ended, by phone_number_id
        self._dialled: set[tuple[str, str]] = set()  # (phone_number_id, user_number) of live calls
        self._released: deque[str] = deque()

    def calls(self) -> list[Call]:
        """Return the calls, newest last."""
        with self.hub:
            return list(self._calls.values())

    def get(self, call: Union[Call, str]) -> Call:
        """Return a call by itself or its id; raise NotFound if there is no such call."""
        check_type("call", call, Union[Call, str])
        call_id = call if isinstance(call, str) else call.id
        with self.hub:
            known = self._calls.get(call_id)
        if known is None:
            raise NotFound(f"call not found: no call has the id {call_id!r}")
        return known

    def live_count(self, phone_number_id: str) -> int:
        """Return how many calls of a business number have not ended."""
        return self._live[phone_number_id]

    def is_dialled(self, phone_number_id: str, user_number: str) -> bool:
        """Return whether a business number has a live outbound call to a user."""
        return (phone_number_id, user_number) in self._dialled

    def newest(self, limit: int) -> tuple[list[Call], list[Call], int]:
        """Return all live calls, up to `limit` ended ones, newest first, and how many are left."""
        with self.hub:
            live = [call for call in reversed(self._calls.values()) if call.state != State.ENDED]
            ended = (call for call in reversed(self._calls.values()) if call.state == State.ENDED)
            shown = list(itertools.islice(ended, limit))
            return live, shown, len(self._calls) - len(live) - len(shown)

    def place(self, call: Call, event: Event) -> Call:
        """Add a ringing call; raise ValueError if its id is in use."""
        with self.hub:
            if call.id in self._calls:
                raise ValueError(f"the call {call.id!r} exists already")
            self._forget_oldest()
            self._calls[call.id] = call
            self._live[call.phone_number_id] += 1
            if event is Event.DIAL:
                self._dialled.add((call.phone_number_id, call.user_number))
            self._note(call, event, self.hub.now())
        return call

    def apply(self, call: Union[Call, str], event: Event, **changes: object) -> Call:
        """Apply an event to a call, and set attributes of the call in the same step.

        Raises:
            TwirpError: the event is an RPC that fails.
            ValueError: the event cannot happen in the call's state.
        """
        with self.hub:
            known = self.get(call)
            self._apply(known, event, self.hub.now(), changes)
        return known

    def wait_joined(self, call: Call, timeout: float) -> None:
        """Wait until both the user and the agent are in the call; end it if they are not in time.

        Raises:
            TwirpError: the call ended first, or the emulator closes.
        """
        with self.hub:
            deadline = self.hub.now() + timeout
            while call.state is not State.ACTIVE or not call.progress.joined:
                remaining = deadline - self.hub.now()
                if call.ended_by is Event.NO_ANSWER:
                    raise DeadlineExceeded("the user did not pick up in time: the call has ended")
                if call.state is State.ENDED:
                    raise FailedPrecondition("connection is closed: the call ended before a join")
                if self.hub.closing:
                    raise Unavailable("the emulator is shutting down")
                if remaining <= 0:
                    self._apply(call, Event.NOT_JOINED, self.hub.now(), {})
                    raise DeadlineExceeded(f"nobody joined in {timeout:g} s: the call has ended")
                self.hub.wait(min(remaining, MAX_WAIT))

    def _apply(self, call: Call, event: Event, at: float, changes: dict[str, object]) -> None:
        call.progress = transition(call.progress, event)
        for name, value in changes.items():
            setattr(call, name, value)
        self._note(call, event, at)
        if self.agent_joins and event in (Event.ACCEPT, Event.CONNECT, Event.STREAM):
            self._apply(call, Event.JOIN, at, {})

    def _note(self, call: Call, event: Event, at: float) -> None:
        call.timeline += ((at, event),)
        if call.ended_by is event:
            self._live[call.phone_number_id] -= 1
            if call.direction is Direction.OUTBOUND:
                self._dialled.discard((call.phone_number_id, call.user_number))
        if call.progress.released:
            self._released.append(call.id)
        limit = next_timeout(call.progress, self.timeouts, call.ringing_timeout)
        if limit is not None:
            seconds, timeout_event = limit
            # Connecting a call does not prolong its ringing.
            due = seconds + (call.timeline[0][0] if call.state is State.RINGING else at)
            time_out = functools.partial(self._time_out, call, call.progress, timeout_event, due)
            self.hub.call_at(due, time_out)
        self.announce(call, event, at)
        self.hub.changed()

    def _time_out(self, call: Call, progress: Progress, event: Event, at: float) -> None:
        if call.progress is progress:
            self._apply(call, event, at, {})

    def _forget_oldest(self) -> None:
        while len(self._calls) >= self.history and self._released:
            del self._calls[self._released.popleft()]
