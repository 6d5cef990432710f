"""The life of a call, as a pure state machine.

    outbound WhatsApp   ringing --ANSWER--> answered --CONNECT--> active --> ended
    inbound WhatsApp    ringing --ACCEPT--> active --> ended
    Twilio              ringing --STREAM--> active --> ended

Every live state has its ways to `ended`; LiveKit's side of a call (the room and the participant)
goes on until it is `released`: by Disconnect, or by the clean-up some time after the other side
hung up. Nothing here knows of clocks, threads, webhooks or messages.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Optional

from ..errors import AlreadyExists, FailedPrecondition, NotFound

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
    """Who placed a call, as seen from the business; members equal their text."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class State(_Text):
    """Where a call is in its life; members equal their text ("ringing")."""

    RINGING = "ringing"
    """Offered, and not picked up by the other side yet."""
    ANSWERED = "answered"
    """An outbound WhatsApp call that the user picked up; it waits for ConnectWhatsAppCall."""
    ACTIVE = "active"
    """Both sides are in the call."""
    ENDED = "ended"
    """Over, by whoever."""


class Event(_Text):
    """What can happen to a call."""

    DIAL = "dial"
    """DialWhatsAppCall; a call's first event."""
    OFFER = "offer"
    """A user calls the business; a call's first event."""
    SESSION = "session"
    """ConnectTwilioCall; a call's first event."""
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
    """DisconnectWhatsAppCall with USER_INITIATED of a call that the user did not end.

    LiveKit leaves it and does not tell Meta, so that the user's phone stays in the call."""
    NO_ANSWER = "no_answer"
    """It rang for as long as it may."""
    NOT_CONNECTED = "not_connected"
    """The user picked up, and nobody sent the SDP."""
    NOT_JOINED = "not_joined"
    """The wait for the other party in the room was in vain."""
    RELEASE = "release"
    """LiveKit gives up a call that ended and was not disconnected."""


@dataclass(frozen=True)
class Progress:
    """How far a call has come.

    Args:
        provider: WhatsApp or Twilio.
        direction: inbound or outbound.
        state: where it is.
        bridged: True once LiveKit has a part in it: dialled, accepted, or a Twilio session.
        picked_up: True once both sides were in the call.
        joined: True once the agent is in the room too.
        released: True once LiveKit's part is over.
        ended_by: the event that ended it.
    """

    provider: Provider
    direction: Direction
    state: State = State.RINGING
    bridged: bool = True
    picked_up: bool = False
    joined: bool = False
    released: bool = False
    ended_by: Optional[Event] = None


@dataclass(frozen=True)
class Timeouts:
    """How long a call may stay where it is, in seconds.

    Args:
        ring: a dialled WhatsApp call rings, where the request sets no ringing_timeout.
        offer: an inbound WhatsApp call rings (Meta gives the business up to a minute).
        connect: an answered call waits for its SDP.
        stream: a Twilio session waits for its stream.
        release: LiveKit keeps a call after the user hung up without a Disconnect.
        join: a waiting Accept or Connect waits, where the request sets no ringing_timeout.

    Raises:
        ValueError: one is negative.
    """

    ring: float = 30.0
    offer: float = 60.0
    connect: float = 30.0
    stream: float = 60.0
    release: float = 30.0
    join: float = 30.0

    def __post_init__(self) -> None:
        for name, seconds in vars(self).items():
            if not seconds >= 0:
                raise ValueError(f"Timeouts.{name} must be 0 or more seconds, not {seconds!r}")


_ENDINGS = {
    Event.REJECT: (State.RINGING,),
    Event.BUSY: (State.RINGING,),
    Event.NO_ANSWER: (State.RINGING,),
    Event.NOT_CONNECTED: (State.ANSWERED,),
    Event.NOT_JOINED: (State.RINGING, State.ANSWERED, State.ACTIVE),
    Event.HANG_UP: (State.RINGING, State.ANSWERED, State.ACTIVE),
    Event.DISCONNECT: (State.RINGING, State.ANSWERED, State.ACTIVE),
    Event.LEAVE: (State.RINGING, State.ANSWERED, State.ACTIVE),
}
_BY_USER = (Event.HANG_UP, Event.REJECT, Event.BUSY, Event.NO_ANSWER)


def transition(progress: Progress, event: Event) -> Progress:
    """Return how far a call is after an event.

    Raises:
        AlreadyExists: Accept or Connect of a call that is accepted or connected.
        FailedPrecondition: Accept or Connect of a call that has ended.
        NotFound: Accept, Connect or Disconnect of a call that LiveKit does not have (any more).
        ValueError: the event cannot happen to a call in this state.
    """
    if event in (Event.ACCEPT, Event.CONNECT):
        return _bridge(progress, event)
    if event in (Event.DISCONNECT, Event.LEAVE):
        if _is_twilio(progress):
            raise NotFound("call not found: a Twilio call is ended at Twilio")
        if not progress.bridged or progress.released:
            raise NotFound("call not found: it is not accepted, or disconnected already")
        if progress.state is State.ENDED:
            return replace(progress, released=True)
    if event is Event.RELEASE and progress.state is State.ENDED and not progress.released:
        return replace(progress, released=True)
    if progress.state in _ENDINGS.get(event, ()):
        # Meta tells the app, not LiveKit, that the user ended a call or did not answer; everything
        # else LiveKit did itself or, with Twilio, saw as the end of its own stream.
        theirs = event in _BY_USER and progress.provider is Provider.WHATSAPP
        return replace(
            progress,
            state=State.ENDED,
            ended_by=event,
            released=not (theirs and progress.bridged),
        )
    if event is Event.ANSWER and progress.state is State.RINGING and _is_dialled(progress):
        return replace(progress, state=State.ANSWERED)
    if event is Event.STREAM and progress.state is State.RINGING and _is_twilio(progress):
        return replace(progress, state=State.ACTIVE, picked_up=True)
    if event is Event.JOIN and progress.state is State.ACTIVE and not progress.joined:
        return replace(progress, joined=True)
    raise ValueError(f"{event} cannot happen to {_described(progress)}")


def next_timeout(
    progress: Progress, timeouts: Timeouts, ringing_timeout: float = 0.0
) -> Optional[tuple[float, Event]]:
    """Return how long a call may stay as it is, and the event that then happens.

    Args:
        progress: how far the call is.
        timeouts: the limits.
        ringing_timeout: the request's own limit to the ringing, in seconds; 0 if it set none.
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
        raise NotFound(f"call not found: {event} is not for {_described(progress)}")
    if progress.state is State.ENDED:
        raise FailedPrecondition("connection is closed: the call has ended")
    if progress.state is State.ACTIVE:
        raise AlreadyExists(f"the call is {event}ed already")
    # A dialled call may be connected while it still rings: the caller has an SDP, so the user is
    # taken to have picked up.
    return replace(progress, state=State.ACTIVE, bridged=True, picked_up=True)


def _is_dialled(progress: Progress) -> bool:
    return progress.provider is Provider.WHATSAPP and progress.direction is Direction.OUTBOUND


def _is_twilio(progress: Progress) -> bool:
    return progress.provider is Provider.TWILIO


def _described(progress: Progress) -> str:
    return f"an {progress.direction} {progress.provider} call that is {progress.state}"
