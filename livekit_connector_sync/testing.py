"""Helpers for your own tests: a channel without a socket, and signed webhook requests.

    channel = FakeChannel({"DialWhatsAppCall": DialWhatsAppCallResponse(room_name="sales")})
    client = ConnectorClient.from_channel(channel)

For tests over HTTP, use `livekit_connector_sync.emulator`, which emulates the whole service.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import urlencode

from ._gen import ConnectorServicer, SessionDescription
from ._runtime.call import Call, ClientCallDetails, UnaryUnaryMultiCallable
from ._runtime.channel import check_retry
from ._runtime.deadline import Unset, check_timeout
from ._runtime.messages import as_message, name_type
from ._runtime.method import MethodInfo, Request, Response
from ._runtime.redaction import hide_locals
from ._runtime.twirp import join_metadata
from .emulator import Call as EmulatedCall
from .emulator import livekit, meta, twilio
from .emulator.lifecycle import Direction, Event, Progress, Provider
from .service import Servicer
from .webhooks.arguments import check_text, read_secrets

__all__ = [
    "FakeChannel",
    "FakeRequest",
    "SignedRequest",
    "livekit_webhook",
    "meta_webhook",
    "twilio_webhook",
]


@dataclass(frozen=True)
class FakeRequest:
    """One call that a FakeChannel received.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        request: the request message.
        details: its timeout, headers and retry policy.
    """

    method: str
    request: Any
    details: ClientCallDetails


class FakeChannel:
    """A channel that sends nothing: it records every call and responds from a table.

    It checks a call's options as a Channel does. `requests` lists the calls so far. A call raises
    AssertionError if the sequence of its responses is used up.

    Args:
        answers: the responses by RPC ("DialWhatsAppCall" or "dial_whatsapp_call"). Each is a
            response message, an exception to raise, a function from request to response, or a
            sequence of these, one for each call. The default is an empty response.
        servicer: the generated servicer class of the service; by default the Connector's.

    Raises:
        ValueError: `answers` names an unknown RPC.
        TypeError: `answers` is not a mapping, or holds a class.
    """

    def __init__(
        self,
        answers: Optional[Mapping[str, Any]] = None,
        *,
        servicer: type[Servicer] = ConnectorServicer,
    ) -> None:
        if not isinstance(answers, (Mapping, type(None))):
            raise TypeError(f"answers must be a mapping by RPC, not {name_type(answers)}")
        if not (isinstance(servicer, type) and issubclass(servicer, Servicer)):
            raise TypeError(
                f"servicer must be a class such as ConnectorServicer, not {name_type(servicer)}"
            )
        self.requests: list[FakeRequest] = []
        names = [method.name for method in servicer.METHODS]
        self._answers: dict[str, Any] = {}
        for name, answer in (answers or {}).items():
            if _plain(name) not in map(_plain, names):
                raise ValueError(f"answers names no RPC {name!r}: there are {', '.join(names)}")
            each = list(answer) if isinstance(answer, Sequence) else answer
            for one in each if isinstance(each, list) else [each]:
                if isinstance(one, type):
                    raise TypeError(f"answers[{name!r}] must be an instance, not {name_type(one)}")
            self._answers[_plain(name)] = each

    def unary_unary(
        self, method: MethodInfo[Request, Response]
    ) -> UnaryUnaryMultiCallable[Request, Response]:
        """Return the callable of an RPC."""
        return UnaryUnaryMultiCallable(method, self._invoke)

    def _invoke(
        self,
        method: MethodInfo[Request, Response],
        request: Request,
        details: ClientCallDetails,
    ) -> tuple[Response, Call]:
        join_metadata(details.metadata)
        if not isinstance(details.timeout, Unset):
            check_timeout(details.timeout)
        if not isinstance(details.retry, Unset):
            check_retry(details.retry)
        self.requests.append(FakeRequest(method.full_name, request, details))
        answer = self._answers.get(_plain(method.name))
        if isinstance(answer, list):
            if not answer:
                raise AssertionError(f"FakeChannel has no further answer for {method.name}")
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer) and not isinstance(answer, method.response_type):
            answer = answer(request)
        response = method.response_type() if answer is None else answer
        if not isinstance(response, method.response_type):
            raise TypeError(
                f"FakeChannel's answer for {method.name} must be a "
                f"{method.response_type.__name__}, not {type(response).__name__}"
            )
        return response, Call()


def _plain(rpc: str) -> str:
    """Return an RPC's name in a form that the stub's and the client's spelling share."""
    return str(rpc).replace("_", "").lower()


@dataclass(frozen=True)
class SignedRequest:
    """A webhook request, to send to an app or to pass to a framework's test client.

    Args:
        url: the app's webhook.
        headers: the headers, with the signature.
        body: the body.
        method: the HTTP method.
    """

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"

    @property
    def wsgi_environ(self) -> dict[str, str]:
        """The headers as WSGI and Django's test client name them, without Content-Type."""
        return {
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in self.headers.items()
            if name != "Content-Type"
        }

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return self.headers["Content-Type"]


_STATUSES = {"ringing": Event.DIAL, "accepted": Event.ANSWER, "rejected": Event.REJECT}


@hide_locals
def meta_webhook(
    event: str,
    app_secret: str,
    *,
    url: str = "http://testserver/webhooks/meta",
    whatsapp_call_id: str = "wacid.TEST",
    direction: str = "inbound",
    sdp: Optional[SessionDescription] = None,
    phone_number_id: str = "106540352242922",
    user_number: str = "15551234567",
    user_name: str = "Alex Doe",
    user_id: str = "",
    parent_user_id: str = "",
    username: str = "",
    callback_data: str = "",
    picked_up: bool = True,
    timestamp: Optional[float] = None,
    status_as_list: bool = False,
    omit_direction: bool = False,
) -> SignedRequest:
    """Return a signed webhook of Meta about a WhatsApp call.

    Args:
        event: "connect", "terminate", or the status of an outbound call: "ringing", "accepted"
            (the user picked up), or "rejected".
        app_secret: the secret of the Meta app, which signs the body.
        url: the app's webhook.
        whatsapp_call_id: the call's id.
        direction: "inbound" (the user calls) or "outbound" (the business calls), for "connect"
            and "terminate"; the other events are for outbound calls only.
        sdp: the user's session description for "connect"; by default one like Meta's.
        phone_number_id: Meta's id of the business's number.
        user_number: the user's number in digits; "" for a user who hides it.
        user_name: the name in the user's profile.
        user_id: the user's business-scoped id; "" to leave it out, as Meta did before April 2026.
        parent_user_id: the same for a group of businesses; "" for none.
        username: the user's name in WhatsApp; "" for none.
        callback_data: biz_opaque_callback_data.
        picked_up: for "terminate": whether the user, or the business, picked up.
        timestamp: seconds since 1970; by default now.
        status_as_list: write the status of "terminate" as a list, as Meta's documentation has it.
        omit_direction: leave the direction out of "connect", as in Meta's first sample.

    Raises:
        ValueError: the event or the direction is unknown, or the secret is empty.
        TypeError: an argument has the wrong type.
    """
    read_secrets("app_secret", app_secret)
    if direction not in tuple(Direction):
        raise ValueError(f"direction must be inbound or outbound, not {direction!r}")
    side = Direction.OUTBOUND if event in _STATUSES else Direction(direction)
    inbound = side is Direction.INBOUND
    events = {
        "connect": Event.OFFER if inbound else Event.DIAL,
        "terminate": Event.HANG_UP,
        **_STATUSES,
    }
    if event not in events:
        raise ValueError(f"event is not a calls webhook of Meta: use one of {', '.join(events)}")
    happened = events[event]
    at = _read_time(timestamp)
    ended_by = happened if happened in (Event.HANG_UP, Event.REJECT) else None
    call = EmulatedCall(
        whatsapp_call_id,
        Progress(Provider.WHATSAPP, side, picked_up=picked_up, ended_by=ended_by),
        sdp=as_message(SessionDescription, sdp, "sdp")
        if sdp
        else meta.make_sdp("offer" if inbound else "answer"),
        phone_number_id=phone_number_id,
        user_number=user_number,
        user_name=user_name,
        user_id=user_id,
        parent_user_id=parent_user_id,
        username=username,
        callback_data=callback_data,
        timeline=((at - 60, Event.ANSWER),) if picked_up else (),
    )
    config = meta.MetaWebhooks(
        app_secret=app_secret, status_as_list=status_as_list, omit_direction=omit_direction
    )
    title = f"status {event.upper()}" if event in _STATUSES else f"calls {event}"
    sent = config.webhooks(call, happened, at)
    body = next(webhook.body for webhook in sent if webhook.title == title)
    return SignedRequest(url, config.make_headers(body), body)


def _read_time(timestamp: Optional[float]) -> float:
    if timestamp is not None and not isinstance(timestamp, (int, float)):
        raise TypeError(f"timestamp must be seconds since 1970, not {name_type(timestamp)}")
    return time.time() if timestamp is None else timestamp


@hide_locals
def twilio_webhook(
    auth_token: str,
    *,
    url: str = "http://testserver/webhooks/twilio/voice",
    call_sid: str = "CA00000000000000000000000000000001",
    from_phone_number: str = "+15551234567",
    to_phone_number: str = "+15550783881",
    form: Optional[Mapping[str, str]] = None,
) -> SignedRequest:
    """Return a signed voice webhook of Twilio about an incoming call.

    Args:
        auth_token: the account's auth token, which signs the request.
        url: the app's webhook, exactly as Twilio has it: the signature covers it.
        call_sid: the call's SID.
        from_phone_number: the caller, with a leading "+".
        to_phone_number: the number called, with a leading "+".
        form: more parameters, or other values for the usual ones.

    Raises:
        ValueError: the auth token is empty.
        TypeError: an argument has the wrong type.
    """
    read_secrets("auth_token", auth_token)
    check_text("url", url)
    if not isinstance(form, (Mapping, type(None))):
        raise TypeError(f"form must be a mapping of parameters, not {name_type(form)}")
    fields = twilio.voice_form(call_sid, from_phone_number, to_phone_number)
    fields.update(form or {})
    body = urlencode(fields).encode("ascii")
    return SignedRequest(url, twilio.TwilioWebhooks(url, auth_token).make_headers(url, body), body)


@hide_locals
def livekit_webhook(
    event: str,
    api_key: str,
    api_secret: str,
    *,
    url: str = "http://testserver/webhooks/livekit",
    room: Optional[Mapping[str, Any]] = None,
    participant: Optional[Mapping[str, Any]] = None,
    fields: Optional[Mapping[str, Any]] = None,
    event_id: str = "EV_TEST",
    timestamp: Optional[float] = None,
) -> SignedRequest:
    """Return a signed webhook of LiveKit.

    Args:
        event: "participant_joined", "room_finished", ...
        api_key: the project's API key, which issues the token.
        api_secret: the project's API secret, which signs the token.
        url: the app's webhook.
        room: the event's room, with JSON names such as "name" and "sid".
        participant: the event's participant, with JSON names such as "identity" and "kind".
        fields: more fields of the event, such as "track".
        event_id: the event's id, with which apps deduplicate webhooks.
        timestamp: seconds since 1970; by default now.

    Raises:
        ValueError: the key or the secret is empty.
        TypeError: an argument has the wrong type.
    """
    read_secrets("api_key", api_key)
    read_secrets("api_secret", api_secret)
    for name, given in (("room", room), ("participant", participant), ("fields", fields)):
        if not isinstance(given, (Mapping, type(None))):
            raise TypeError(f"{name} must be a mapping of JSON names, not {name_type(given)}")
    at = _read_time(timestamp)
    document = {"event": event, "id": event_id, "createdAt": str(int(at))}
    objects = {"room": room, "participant": participant}
    present = {name: dict(value) for name, value in objects.items() if value is not None}
    body = json.dumps({**document, **present, **(fields or {})}).encode("utf-8")
    headers = livekit.LiveKitWebhooks().make_headers(body, api_key, api_secret)
    return SignedRequest(url, headers, body)
