"""The Connector service: the five RPCs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Callable, Union

from google.protobuf.duration_pb2 import Duration

from .. import _gen as gen
from .._runtime.validation import check_request
from ..errors import InvalidArgument
from ..service import ServicerContext
from .calls import Call, CallRegistry
from .hub import Hub
from .lifecycle import Direction, Event, Progress, Provider, State, Timeouts
from .meta import make_sdp, make_user_id
from .refusals import META_ERRORS, Callee, MetaError

__all__ = ["Connector", "make_call_id"]

_METHODS = {method.full_name: method for method in gen.ConnectorServicer.METHODS}


@dataclass(eq=False)
class Connector(gen.ConnectorServicer):
    """Runs the Connector's RPCs as LiveKit Cloud does, as far as that is known."""

    registry: CallRegistry
    hub: Hub
    timeouts: Timeouts  # how long a waiting RPC waits
    callee_of: Callable[[gen.DialWhatsAppCallRequest], Union[Callee, MetaError]]
    max_calls: int  # of a business number, at a time
    stream_url: Callable[[str], str]  # returns the URL of a Twilio session's media stream

    def DialWhatsAppCall(
        self, request: gen.DialWhatsAppCallRequest, context: ServicerContext
    ) -> gen.DialWhatsAppCallResponse:
        """Ring a user's phone."""
        check_request(_METHODS[context.method], request)
        ringing_timeout = _seconds(request.ringing_timeout)
        callee = self.callee_of(request)
        if isinstance(callee, MetaError):
            raise callee.as_twirp()
        business, user = request.whatsapp_phone_number_id, request.whatsapp_to_phone_number
        call_id = make_call_id()
        with self.hub:
            if self.registry.is_dialled(business, user):
                raise META_ERRORS[138003].as_twirp()
            if self.registry.live_count(business) >= self.max_calls:
                raise META_ERRORS[138002].as_twirp()
            call = Call(
                call_id,
                Progress(Provider.WHATSAPP, Direction.OUTBOUND),
                sdp=make_sdp("answer"),
                phone_number_id=business,
                user_number=user,
                user_id=make_user_id(user),
                room_name=request.room_name or f"whatsapp-{call_id}",
                callback_data=request.whatsapp_biz_opaque_callback_data,
                ringing_timeout=ringing_timeout,
                **_participant(request, f"whatsapp-{call_id}"),
            )
            self.registry.place(call, Event.DIAL)
            if callee is not Callee.RING:
                self.registry.apply(call, Event(callee.value))
        return gen.DialWhatsAppCallResponse(whatsapp_call_id=call.id, room_name=call.room_name)

    def AcceptWhatsAppCall(
        self, request: gen.AcceptWhatsAppCallRequest, context: ServicerContext
    ) -> gen.AcceptWhatsAppCallResponse:
        """Bridge an inbound call into a room."""
        _check_sdp(request.sdp, "offer")  # LiveKit checks it first, and asks Meta last
        check_request(_METHODS[context.method], request)
        limit = _seconds(request.ringing_timeout) or self.timeouts.join
        call = self.registry.get(request.whatsapp_call_id)
        self.registry.apply(
            call,
            Event.ACCEPT,
            room_name=request.room_name or f"whatsapp-{call.id}",
            callback_data=request.whatsapp_biz_opaque_callback_data,
            **_participant(request, f"whatsapp-{call.id}"),
        )
        if request.wait_until_answered:
            self.registry.wait_joined(call, limit)
        return gen.AcceptWhatsAppCallResponse(room_name=call.room_name)

    def ConnectWhatsAppCall(
        self, request: gen.ConnectWhatsAppCallRequest, context: ServicerContext
    ) -> gen.ConnectWhatsAppCallResponse:
        """Connect a dialled call with the user's SDP."""
        _check_sdp(request.sdp, "answer")
        check_request(_METHODS[context.method], request)
        call = self.registry.apply(request.whatsapp_call_id, Event.CONNECT)
        if request.wait_until_answered:
            self.registry.wait_joined(call, call.ringing_timeout or self.timeouts.join)
        return gen.ConnectWhatsAppCallResponse()

    def DisconnectWhatsAppCall(
        self, request: gen.DisconnectWhatsAppCallRequest, context: ServicerContext
    ) -> gen.DisconnectWhatsAppCallResponse:
        """End a call, or release one that the user ended."""
        check_request(_METHODS[context.method], request)
        user_initiated = (
            request.disconnect_reason
            == gen.DisconnectWhatsAppCallRequest.DisconnectReason.USER_INITIATED
        )
        with self.hub:
            call = self.registry.get(request.whatsapp_call_id)
            leaves = user_initiated and call.state is not State.ENDED
            self.registry.apply(call, Event.LEAVE if leaves else Event.DISCONNECT)
        return gen.DisconnectWhatsAppCallResponse()

    def ConnectTwilioCall(
        self, request: gen.ConnectTwilioCallRequest, context: ServicerContext
    ) -> gen.ConnectTwilioCallResponse:
        """Create a session, to whose URL Twilio connects."""
        check_request(_METHODS[context.method], request)
        if request.twilio_call_direction not in gen.TwilioCallDirection.__members__.values():
            raise InvalidArgument(
                f"twilio_call_direction {request.twilio_call_direction} is unknown",
                {"argument": "twilio_call_direction"},
            )
        inbound = (
            request.twilio_call_direction == gen.TwilioCallDirection.TWILIO_CALL_DIRECTION_INBOUND
        )
        session = f"TW_{secrets.token_hex(8).upper()}"
        call = Call(
            session,
            Progress(Provider.TWILIO, Direction.INBOUND if inbound else Direction.OUTBOUND),
            room_name=request.room_name,
            connect_url=self.stream_url(session),
            **_participant(request, session),
        )
        self.registry.place(call, Event.SESSION)
        return gen.ConnectTwilioCallResponse(connect_url=call.connect_url)


def make_call_id() -> str:
    """Return a new id in the form of Meta's ids for WhatsApp calls."""
    return f"wacid.{secrets.token_hex(16).upper()}"


def _participant(
    request: Union[
        gen.DialWhatsAppCallRequest, gen.AcceptWhatsAppCallRequest, gen.ConnectTwilioCallRequest
    ],
    default_identity: str,
) -> dict[str, Any]:
    """Return the attributes of a call that describe its participant and agents."""
    return {
        "participant_identity": request.participant_identity or default_identity,
        "participant_name": request.participant_name,
        "participant_metadata": request.participant_metadata,
        "participant_attributes": dict(request.participant_attributes),
        "agents": tuple(request.agents),
    }


def _seconds(duration: Duration) -> float:
    seconds = duration.seconds + duration.nanos / 1e9
    if seconds < 0:
        raise InvalidArgument(
            "ringing_timeout must not be negative", {"argument": "ringing_timeout"}
        )
    return seconds


def _check_sdp(description: gen.SessionDescription, wanted: str) -> None:
    if description.type != wanted:
        raise InvalidArgument(
            f"incorrect sdp type: sdp.type must be {wanted!r}, not {description.type!r}",
            {"argument": "sdp"},
        )
    if not description.sdp:
        raise InvalidArgument("sdp.sdp is empty", {"argument": "sdp"})
