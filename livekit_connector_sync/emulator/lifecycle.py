"""The life of a call, as a pure state machine.

    outbound WhatsApp   ringing --ANSWER--> answered --CONNECT--> active --> ended
                        ringing --CONNECT--> ringing --ANSWER--> active --> ended
    inbound WhatsApp    ringing --ACCEPT--> active --> ended
    Twilio              ringing --STREAM--> active --> ended

A call can end in every state. LiveKit's part of a call (the room and the participant) lasts until
it is `released`: by Disconnect, or some time after the user hung up. This module has no clocks,
threads, webhooks, or messages.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Optional

from ..errors import AlreadyExists, FailedPrecondition, NotFound
from .arguments import check_types

__all__ = [
    "Direction",
    "Event",
    "Progress",
    "Provider",
    "State",
    "Timeouts",
    "next_timeout",
    "transition",
]


class _Text(str, enum.Enum):
    def __str__(self) -> str:
        return str(self.value)


class Provider(_Text):
    """Which connector a call uses; members equal their text."""

    WHATSAPP = "whatsapp"
    TWILIO = "twilio"


class Direction(_Text):
    """Who placed a call: the user (inbound) or the business; members equal their text."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class State(_Text):
    """Where a call is in its life; members equal their text ("ringing")."""

    RINGING = "ringing"
    """The other side has not picked up yet."""
    ANSWERED = "answered"
    """The user picked up an outbound WhatsApp call, which waits for ConnectWhatsAppCall."""
    ACTIVE = "active"
    """Both sides are in the call."""
    ENDED = "ended"
    """The call is over."""


class Event(_Text):
    """What can happen to a call."""

    DIAL = "dial"
    """DialWhatsAppCall; a call's first event."""
    OFFER = "offer"
    """A user calls the business; a call's first event."""
    SESSION = "session"
    """ConnectTwilioCall; a call's first event."""
    CREATE = "create"
    """Twilio's Calls API rings a phone, to connect it to a session."""
    ANSWER = "answer"
    """The user picks up an outbound call."""
    ACCEPT = "accept"
    """AcceptWhatsAppCall."""
    CONNECT = "connect"
    """ConnectWhatsAppCall."""
    STREAM = "stream"
    """Twilio opens the media stream."""
    JOIN = "join"
    """The agent, or whoever the call is for, is in the room."""
    REJECT = "reject"
    """The user declines a ringing call."""
    BUSY = "busy"
    """The user is in another call."""
    HANG_UP = "hang_up"
    """The user, or Twilio, ends the call."""
    DISCONNECT = "disconnect"
    """DisconnectWhatsAppCall."""
    LEAVE = "leave"
    """DisconnectWhatsAppCall with USER_INITIATED, although the user did not end the call.

    LiveKit leaves without telling Meta, so the user's phone stays in the call."""
    NO_ANSWER = "no_answer"
    """The ringing timed out."""
    NOT_CONNECTED = "not_connected"
    """The user picked up, but nobody sent the SDP in time."""
    NOT_JOINED = "not_joined"
    """The agent did not join in time."""
    RELEASE = "release"
    """LiveKit releases an ended call that nobody disconnected."""


@dataclass(frozen=True)
class Progress:
    """Where a call is in its life.

    Args:
        provider: WhatsApp or Twilio.
        direction: inbound or outbound.
        state: the state.
        bridged: True once LiveKit takes part: dialled, accepted, or a Twilio session.
        connected: True once LiveKit has the user's audio: accepted, connected, or streaming.
        picked_up: True once both sides have been in the call.
        joined: True once the agent is in the room.
        released: True once LiveKit's part is over.
        ended_by: the event that ended it.
    """

    provider: Provider
    direction: Direction
    state: State = State.RINGING
    bridged: bool = True
    connected: bool = False
    picked_up: bool = False
    joined: bool = False
    released: bool = False
    ended_by: Optional[Event] = None

    def __str__(self) -> str:
        return f"an {self.direction} {self.provider} call that is {self.state}"


@dataclass(frozen=True)
class Timeouts:
    """How long a call stays in a state, in seconds.

    Args:
        ring: how long a dialled WhatsApp call rings, unless the request sets ringing_timeout.
        offer: how long an inbound WhatsApp call rings (Meta gives the business up to a minute).
        connect: how long a call that the user picked up waits for its SDP.
        stream: how long a Twilio session waits for its stream.
        release: how long LiveKit keeps an ended call that nobody disconnects.
        join: how long Accept or Connect waits, unless the request sets ringing_timeout.

    Raises:
        TypeError: one is not a number.
        ValueError: one is negative.
    """

    ring: float = 30.0
    offer: float = 60.0
    connect: float = 30.0
    stream: float = 60.0
    release: float = 30.0
    join: float = 30.0

    def __post_init__(self) -> None:
        check_types(Timeouts, vars(self), "Timeouts.")
        for name, seconds in vars(self).items():
            if not seconds >= 0:
                raise ValueError(f"Timeouts.{name} must be 0 or more seconds, not {seconds!r}")


_LIVE = (State.RINGING, State.ANSWERED, State.ACTIVE)
_ENDINGS = {
    Event.REJECT: (State.RINGING,),
    Event.BUSY: (State.RINGING,),
    Event.NO_ANSWER: (State.RINGING,),
    Event.NOT_CONNECTED: (State.ANSWERED,),
    Event.NOT_JOINED: _LIVE,
    Event.HANG_UP: _LIVE,
    Event.DISCONNECT: _LIVE,
    Event.LEAVE: _LIVE,
}
_BY_USER = (Event.HANG_UP, Event.REJECT, Event.BUSY, Event.NO_ANSWER)


def transition(progress: Progress, event: Event) -> Progress:
    """Return the progress of a call after an event.

    Raises:
        AlreadyExists: Accept or Connect of a call that is already accepted or connected.
        FailedPrecondition: Accept or Connect of a call that has ended.
        NotFound: Accept, Connect, or Disconnect of a call that LiveKit does not take part in.
        ValueError: the event cannot happen in this state.
    """
    if event in (Event.ACCEPT, Event.CONNECT):
        return _bridge(progress, event)
    is_twilio = progress.provider is Provider.TWILIO
    if event in (Event.DISCONNECT, Event.LEAVE):
        if is_twilio:
            raise NotFound("call not found: end a Twilio call through Twilio's API")
        if not progress.bridged or progress.released:
            raise NotFound("call not found: it is not accepted yet, or already disconnected")
        if progress.state is State.ENDED:
            return replace(progress, released=True)
    if event is Event.RELEASE and progress.state is State.ENDED and not progress.released:
        return replace(progress, released=True)
    if progress.state in _ENDINGS.get(event, ()):
        # If the WhatsApp user ends a call or does not pick up, Meta tells the app and not LiveKit.
        # LiveKit knows of every other ending: it caused it, or saw the end of Twilio's stream.
        unknown = event in _BY_USER and not is_twilio and progress.bridged
        return replace(progress, state=State.ENDED, ended_by=event, released=not unknown)
    is_over = progress.joined or progress.state is State.ENDED
    if event is Event.JOIN and progress.connected and not is_over:
        return replace(progress, joined=True)
    is_outbound = progress.direction is Direction.OUTBOUND
    if progress.state is State.RINGING:
        if event is Event.STREAM and is_twilio:
            return replace(progress, state=State.ACTIVE, connected=True, picked_up=True)
        if event is Event.CREATE and is_twilio and is_outbound:
            return progress
        if event is Event.ANSWER and not is_twilio and is_outbound:
            if not progress.connected:
                return replace(progress, state=State.ANSWERED)
            return replace(progress, state=State.ACTIVE, picked_up=True)
    raise ValueError(f"{event} cannot happen to {progress}")


def next_timeout(
    progress: Progress, timeouts: Timeouts, ringing_timeout: float = 0.0
) -> Optional[tuple[float, Event]]:
    """Return how many seconds a call stays as it is, and the event that then happens.

    The request's `ringing_timeout` wins over the timeouts; 0 if it has none.
    """
    if progress.state is State.RINGING:
        if progress.provider is Provider.TWILIO:
            return timeouts.stream, Event.NO_ANSWER
        if progress.direction is Direction.INBOUND:
            return timeouts.offer, Event.NO_ANSWER
        return ringing_timeout or timeouts.ring, Event.NO_ANSWER
    if progress.state is State.ANSWERED:
        return timeouts.connect, Event.NOT_CONNECTED
    if progress.state is State.ENDED and not progress.released:
        return timeouts.release, Event.RELEASE
    return None


def _bridge(progress: Progress, event: Event) -> Progress:
    wanted = Direction.INBOUND if event is Event.ACCEPT else Direction.OUTBOUND
    if progress.provider is not Provider.WHATSAPP or progress.direction is not wanted:
        raise NotFound(f"call not found: {event} is not for {progress}")
    if progress.state is State.ENDED:
        raise FailedPrecondition("connection is closed: the call has ended")
    if progress.connected:
        raise AlreadyExists(f"the call is already {event}ed")
    progress = replace(progress, bridged=True, connected=True)
    if event is Event.CONNECT and progress.state is State.RINGING:
        return progress  # the user has not picked up yet
    return replace(progress, state=State.ACTIVE, picked_up=True)
