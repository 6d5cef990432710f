"""Stubs, servicers and clients of the services in livekit_connector.proto.

Generated from the protos by codegen. DO NOT EDIT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, Optional, Union, overload

from livekit_connector_sync._gen import (
    enums,
    livekit_agent_dispatch_pb2,
    livekit_connector_twilio_pb2,
    livekit_connector_whatsapp_pb2,
    livekit_rtc_pb2,
)
from livekit_connector_sync.service import (
    UNSET,
    DurationLike,
    Grant,
    LazyModule,
    MethodInfo,
    Retry,
    ServiceClient,
    Servicer,
    ServicerContext,
    Timeout,
    UnaryUnaryChannel,
    UnaryUnaryMultiCallable,
    check_channel,
    with_call,
)

__all__ = ["ConnectorClient", "ConnectorServicer", "ConnectorStub"]

if TYPE_CHECKING:
    from livekit_connector_sync._gen import dicts
else:
    dicts = LazyModule("livekit_connector_sync._gen.dicts")

_DIAL_WHATSAPP_CALL = MethodInfo(
    service="livekit.Connector",
    name="DialWhatsAppCall",
    request_type=livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest,
    response_type=livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse,
    grants=(Grant("roomCreate"),),
    required=(
        "whatsapp_phone_number_id",
        "whatsapp_to_phone_number",
        "whatsapp_api_key",
        "whatsapp_cloud_api_version",
    ),
    formats=(
        ("whatsapp_phone_number_id", "phone_number_id"),
        ("whatsapp_api_key", "api_key"),
        ("whatsapp_to_phone_number", "phone_number"),
        ("whatsapp_cloud_api_version", "cloud_api_version"),
        ("whatsapp_biz_opaque_callback_data", "callback_data"),
        ("room_name", "name"),
        ("participant_identity", "name"),
        ("agents", "agents"),
        ("destination_country", "country"),
        ("ringing_timeout", "ringing_timeout"),
    ),
)
_DISCONNECT_WHATSAPP_CALL = MethodInfo(
    service="livekit.Connector",
    name="DisconnectWhatsAppCall",
    request_type=livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
    response_type=livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse,
    grants=(Grant("roomCreate"),),
    safe_to_repeat=True,
    repeat_done=("not_found", "failed_precondition"),
    required=("whatsapp_call_id",),
    required_unless=(("whatsapp_api_key", "disconnect_reason", "USER_INITIATED"),),
    formats=(("whatsapp_api_key", "api_key"),),
)
_CONNECT_WHATSAPP_CALL = MethodInfo(
    service="livekit.Connector",
    name="ConnectWhatsAppCall",
    request_type=livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
    response_type=livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse,
    grants=(Grant("roomCreate"),),
    safe_to_repeat=True,
    repeat_done=("already_exists",),
    required=("whatsapp_call_id", "sdp"),
    wait_field="wait_until_answered",
)
_ACCEPT_WHATSAPP_CALL = MethodInfo(
    service="livekit.Connector",
    name="AcceptWhatsAppCall",
    request_type=livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
    response_type=livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse,
    grants=(Grant("roomCreate"),),
    safe_to_repeat=True,
    repeat_done=("already_exists",),
    repeat_echo=("room_name",),
    required=(
        "whatsapp_phone_number_id",
        "whatsapp_api_key",
        "whatsapp_cloud_api_version",
        "whatsapp_call_id",
        "sdp",
    ),
    formats=(
        ("whatsapp_phone_number_id", "phone_number_id"),
        ("whatsapp_api_key", "api_key"),
        ("whatsapp_cloud_api_version", "cloud_api_version"),
        ("whatsapp_biz_opaque_callback_data", "callback_data"),
        ("room_name", "name"),
        ("participant_identity", "name"),
        ("agents", "agents"),
        ("destination_country", "country"),
        ("ringing_timeout", "ringing_timeout"),
    ),
    wait_field="wait_until_answered",
    wait_timeout_field="ringing_timeout",
)
_CONNECT_TWILIO_CALL = MethodInfo(
    service="livekit.Connector",
    name="ConnectTwilioCall",
    request_type=livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
    response_type=livekit_connector_twilio_pb2.ConnectTwilioCallResponse,
    grants=(Grant("roomCreate"),),
    required=("room_name",),
    no_default=("twilio_call_direction",),
    formats=(
        ("room_name", "name"),
        ("participant_identity", "name"),
        ("agents", "agents"),
        ("destination_country", "country"),
    ),
)


class ConnectorStub:
    """Connects WhatsApp and Twilio voice calls to LiveKit rooms.

    Available on LiveKit Cloud only. Every RPC needs a token with the `roomCreate` grant.

    A blocking stub in gRPC's style. Each RPC is an attribute: call it with a request.
    """

    def __init__(self, channel: UnaryUnaryChannel) -> None:
        """Bind the RPCs to a channel.

        Args:
            channel: The channel that sends the calls, such as a livekit_connector_sync.Channel.

        Raises:
            TypeError: channel is not a channel.
        """
        check_channel(channel)
        self.DialWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse,
        ] = channel.unary_unary(_DIAL_WHATSAPP_CALL)
        """Call a WhatsApp user from your business number.

        When this returns, the user's phone is ringing. Meta then sends a `connect` webhook
        with an SDP answer. Pass the answer to ConnectWhatsAppCall immediately; otherwise the
        user hears silence and the call drops. The webhook can arrive before this response, so
        store the `whatsapp_call_id` where your webhook handler can find it. If the user hangs
        up, declines, or doesn't pick up, Meta sends a `terminate` webhook: call
        DisconnectWhatsAppCall with USER_INITIATED.

        Dialing twice makes the phone ring twice, so the client doesn't retry a call that
        might have been placed.

        Errors: `invalid_argument` if a field is missing or Meta rejects the call (the message
        contains Meta's own code and text; 138006 means that the user hasn't given permission
        to be called); `resource_exhausted` if LiveKit is overloaded; `permission_denied` if
        the token lacks the grant.
        """
        self.DisconnectWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse,
        ] = channel.unary_unary(_DISCONNECT_WHATSAPP_CALL)
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED, you hang up and the user's call ends. With USER_INITIATED,
        you report Meta's `terminate` webhook to LiveKit, which then cleans up the room
        immediately. Otherwise it waits 30 seconds, and bills agents and recordings until
        then. Meta also sends `terminate` after you hang up; a second Disconnect fails, and
        you can ignore its error.

        Errors: `not_found` or `failed_precondition` if the call has already ended;
        `invalid_argument` if Meta rejects the request.
        """
        self.ConnectWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse,
        ] = channel.unary_unary(_CONNECT_WHATSAPP_CALL)
        """Connect an outbound WhatsApp call with the SDP answer from Meta's webhook.

        Call this as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives.
        It doesn't need Meta's access token. After it, both sides can hear each other. Don't
        wait for Meta's ACCEPTED status, which comes after the media.

        Errors: `already_exists` if the call is already connected, for example because Meta
        delivered the webhook twice (ignore it); `not_found` if the call is unknown;
        `invalid_argument` if the SDP is not an answer; `deadline_exceeded` if
        `wait_until_answered` timed out.
        """
        self.AcceptWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse,
        ] = channel.unary_unary(_ACCEPT_WHATSAPP_CALL)
        """Accept an inbound WhatsApp call and connect it to a room.

        Call this when Meta's `connect` webhook with direction USER_INITIATED arrives. Respond
        to the webhook with 200 first, then accept within 30 seconds, while the caller hears
        ringing. LiveKit accepts the call at Meta; your app doesn't. When Meta sends
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is already accepted, for example because Meta
        delivered the webhook twice (ignore it); `not_found` or `failed_precondition` if the
        caller hung up; `invalid_argument` if a field is missing, the SDP is not an offer, or
        Meta rejects the request; `deadline_exceeded` if `wait_until_answered` is set and
        nobody joined the room in time.
        """
        self.ConnectTwilioCall: UnaryUnaryMultiCallable[
            livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
            livekit_connector_twilio_pb2.ConnectTwilioCallResponse,
        ] = channel.unary_unary(_CONNECT_TWILIO_CALL)
        """Prepare a room for a Twilio call, and get the URL for Twilio's media stream.

        For an inbound call, call this in your handler of Twilio's voice webhook and respond
        with the TwiML `<Connect><Stream url="..."/></Connect>`, where `url` is the
        `connect_url`. The caller joins the room when the stream opens. For an outbound call,
        call this first, then create the call at Twilio with that TwiML. The participant is
        hidden until the callee picks up. There is no RPC to disconnect: end the call at
        Twilio, or delete the room.

        Each request creates a session and dispatches the agents, so the client doesn't retry
        a request that might have succeeded.

        Errors: `invalid_argument` if a field is missing; `resource_exhausted` if LiveKit is
        overloaded; `permission_denied` if the token lacks the grant.
        """


class ConnectorServicer(Servicer):
    """Connects WhatsApp and Twilio voice calls to LiveKit rooms.

    Available on LiveKit Cloud only. Every RPC needs a token with the `roomCreate` grant.

    The base class for a server. Subclass it and override the RPCs that you serve.
    """

    METHODS = (
        _DIAL_WHATSAPP_CALL,
        _DISCONNECT_WHATSAPP_CALL,
        _CONNECT_WHATSAPP_CALL,
        _ACCEPT_WHATSAPP_CALL,
        _CONNECT_TWILIO_CALL,
    )

    def DialWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse:
        """Call a WhatsApp user from your business number.

        When this returns, the user's phone is ringing. Meta then sends a `connect` webhook
        with an SDP answer. Pass the answer to ConnectWhatsAppCall immediately; otherwise the
        user hears silence and the call drops. The webhook can arrive before this response, so
        store the `whatsapp_call_id` where your webhook handler can find it. If the user hangs
        up, declines, or doesn't pick up, Meta sends a `terminate` webhook: call
        DisconnectWhatsAppCall with USER_INITIATED.

        Dialing twice makes the phone ring twice, so the client doesn't retry a call that
        might have been placed.

        Errors: `invalid_argument` if a field is missing or Meta rejects the call (the message
        contains Meta's own code and text; 138006 means that the user hasn't given permission
        to be called); `resource_exhausted` if LiveKit is overloaded; `permission_denied` if
        the token lacks the grant.
        """
        raise self.unimplemented(_DIAL_WHATSAPP_CALL)

    def DisconnectWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse:
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED, you hang up and the user's call ends. With USER_INITIATED,
        you report Meta's `terminate` webhook to LiveKit, which then cleans up the room
        immediately. Otherwise it waits 30 seconds, and bills agents and recordings until
        then. Meta also sends `terminate` after you hang up; a second Disconnect fails, and
        you can ignore its error.

        Errors: `not_found` or `failed_precondition` if the call has already ended;
        `invalid_argument` if Meta rejects the request.
        """
        raise self.unimplemented(_DISCONNECT_WHATSAPP_CALL)

    def ConnectWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse:
        """Connect an outbound WhatsApp call with the SDP answer from Meta's webhook.

        Call this as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives.
        It doesn't need Meta's access token. After it, both sides can hear each other. Don't
        wait for Meta's ACCEPTED status, which comes after the media.

        Errors: `already_exists` if the call is already connected, for example because Meta
        delivered the webhook twice (ignore it); `not_found` if the call is unknown;
        `invalid_argument` if the SDP is not an answer; `deadline_exceeded` if
        `wait_until_answered` timed out.
        """
        raise self.unimplemented(_CONNECT_WHATSAPP_CALL)

    def AcceptWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse:
        """Accept an inbound WhatsApp call and connect it to a room.

        Call this when Meta's `connect` webhook with direction USER_INITIATED arrives. Respond
        to the webhook with 200 first, then accept within 30 seconds, while the caller hears
        ringing. LiveKit accepts the call at Meta; your app doesn't. When Meta sends
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is already accepted, for example because Meta
        delivered the webhook twice (ignore it); `not_found` or `failed_precondition` if the
        caller hung up; `invalid_argument` if a field is missing, the SDP is not an offer, or
        Meta rejects the request; `deadline_exceeded` if `wait_until_answered` is set and
        nobody joined the room in time.
        """
        raise self.unimplemented(_ACCEPT_WHATSAPP_CALL)

    def ConnectTwilioCall(
        self,
        request: livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse:
        """Prepare a room for a Twilio call, and get the URL for Twilio's media stream.

        For an inbound call, call this in your handler of Twilio's voice webhook and respond
        with the TwiML `<Connect><Stream url="..."/></Connect>`, where `url` is the
        `connect_url`. The caller joins the room when the stream opens. For an outbound call,
        call this first, then create the call at Twilio with that TwiML. The participant is
        hidden until the callee picks up. There is no RPC to disconnect: end the call at
        Twilio, or delete the room.

        Each request creates a session and dispatches the agents, so the client doesn't retry
        a request that might have succeeded.

        Errors: `invalid_argument` if a field is missing; `resource_exhausted` if LiveKit is
        overloaded; `permission_denied` if the token lacks the grant.
        """
        raise self.unimplemented(_CONNECT_TWILIO_CALL)


class _ConnectorClientWithCall:
    """The methods of a ConnectorClient, which return (response, call)."""

    def __init__(self, client: ConnectorClient) -> None:
        self.dial_whatsapp_call = with_call(client.dial_whatsapp_call)
        self.disconnect_whatsapp_call = with_call(client.disconnect_whatsapp_call)
        self.connect_whatsapp_call = with_call(client.connect_whatsapp_call)
        self.accept_whatsapp_call = with_call(client.accept_whatsapp_call)
        self.connect_twilio_call = with_call(client.connect_twilio_call)


class ConnectorClient(ServiceClient):
    """Connects WhatsApp and Twilio voice calls to LiveKit rooms.

    Available on LiveKit Cloud only. Every RPC needs a token with the `roomCreate` grant.
    """

    @property
    def with_call(self) -> _ConnectorClientWithCall:
        """The same methods, but each returns (response, call), as with_call of a stub does."""
        return _ConnectorClientWithCall(self._with_call())

    @overload
    def dial_whatsapp_call(
        self,
        *,
        whatsapp_phone_number_id: str,
        whatsapp_to_phone_number: str,
        whatsapp_api_key: str,
        whatsapp_cloud_api_version: str,
        whatsapp_biz_opaque_callback_data: Optional[str] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        ringing_timeout: Optional[DurationLike] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse: ...
    @overload
    def dial_whatsapp_call(
        self,
        request: livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse: ...

    def dial_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest] = None,
        *,
        whatsapp_phone_number_id: Optional[str] = None,
        whatsapp_to_phone_number: Optional[str] = None,
        whatsapp_api_key: Optional[str] = None,
        whatsapp_cloud_api_version: Optional[str] = None,
        whatsapp_biz_opaque_callback_data: Optional[str] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        ringing_timeout: Optional[DurationLike] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse:
        """Call a WhatsApp user from your business number.

        When this returns, the user's phone is ringing. Meta then sends a `connect` webhook
        with an SDP answer. Pass the answer to ConnectWhatsAppCall immediately; otherwise the
        user hears silence and the call drops. The webhook can arrive before this response, so
        store the `whatsapp_call_id` where your webhook handler can find it. If the user hangs
        up, declines, or doesn't pick up, Meta sends a `terminate` webhook: call
        DisconnectWhatsAppCall with USER_INITIATED.

        Dialing twice makes the phone ring twice, so the client doesn't retry a call that
        might have been placed.

        Errors: `invalid_argument` if a field is missing or Meta rejects the call (the message
        contains Meta's own code and text; 138006 means that the user hasn't given permission
        to be called); `resource_exhausted` if LiveKit is overloaded; `permission_denied` if
        the token lacks the grant.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_phone_number_id: Required. Meta's ID of the business phone number that
                places the call, such as "106540352242922". This is not the phone number
                itself.
            whatsapp_to_phone_number: Required. The phone number to call: country code and
                number, in digits without "+", such as "15551234567". Personal data: not
                logged.
            whatsapp_api_key: Required. The business's access token for Meta's API. Secret:
                never logged.
            whatsapp_cloud_api_version: Required. The version of Meta's Cloud API, without a
                leading "v", such as "23.0".
            whatsapp_biz_opaque_callback_data: Your own text, at most 512 characters, such as
                your ID of the call. Meta includes it in its webhooks about this call. Every
                app that subscribes to the webhooks sees it.
            room_name: The room for the call, such as "support-17". LiveKit creates it if it
                doesn't exist. Default: a name that LiveKit generates and returns in the
                response.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: The user's identity in the room. It is logged, so use a
                random identity instead of a phone number. Default: LiveKit generates one.
            participant_name: The participant's display name in the room, such as "Ada
                Lovelace". Personal data: not logged.
            participant_metadata: Your own text about the participant, often JSON. Personal
                data: not logged.
            participant_attributes: Your own attributes of the participant, such as
                `{"ticket": "4711"}`. Personal data: not logged.
            destination_country: The user's country, as a two-letter ISO 3166-1 code, such as
                "US". LiveKit uses a region near it. Default: a region near where this request
                arrives.
            ringing_timeout: How long the user's phone may ring, such as 30 seconds. Default:
                LiveKit's default. Takes seconds, a timedelta, or a Duration.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            DialWhatsAppCallResponse: A call that is ringing.

                whatsapp_call_id: Meta's ID of the call, such as "wacid.HBgL...".
                    ConnectWhatsAppCall and DisconnectWhatsAppCall take it, and Meta's
                    webhooks contain it.

                room_name: The call's room.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        return self._call(
            _DIAL_WHATSAPP_CALL,
            {
                "request": request,
                "whatsapp_phone_number_id": whatsapp_phone_number_id,
                "whatsapp_to_phone_number": whatsapp_to_phone_number,
                "whatsapp_api_key": whatsapp_api_key,
                "whatsapp_cloud_api_version": whatsapp_cloud_api_version,
                "whatsapp_biz_opaque_callback_data": whatsapp_biz_opaque_callback_data,
                "room_name": room_name,
                "agents": agents,
                "participant_identity": participant_identity,
                "participant_name": participant_name,
                "participant_metadata": participant_metadata,
                "participant_attributes": participant_attributes,
                "destination_country": destination_country,
                "ringing_timeout": ringing_timeout,
            },
            timeout,
            retry,
            extra_headers,
        )

    @overload
    def disconnect_whatsapp_call(
        self,
        *,
        whatsapp_call_id: str,
        whatsapp_api_key: Optional[str] = None,
        disconnect_reason: Optional[
            Union[enums.DisconnectReason, Literal[0, 1, "BUSINESS_INITIATED", "USER_INITIATED"]]
        ] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse: ...
    @overload
    def disconnect_whatsapp_call(
        self,
        request: livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse: ...

    def disconnect_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest] = None,
        *,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_api_key: Optional[str] = None,
        disconnect_reason: Optional[
            Union[enums.DisconnectReason, Literal[0, 1, "BUSINESS_INITIATED", "USER_INITIATED"]]
        ] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse:
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED, you hang up and the user's call ends. With USER_INITIATED,
        you report Meta's `terminate` webhook to LiveKit, which then cleans up the room
        immediately. Otherwise it waits 30 seconds, and bills agents and recordings until
        then. Meta also sends `terminate` after you hang up; a second Disconnect fails, and
        you can ignore its error.

        Errors: `not_found` or `failed_precondition` if the call has already ended;
        `invalid_argument` if Meta rejects the request.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_call_id: Required. Meta's ID of the call, from the Dial response or a
                webhook.
            whatsapp_api_key: The business's access token for Meta's API. Required unless
                `disconnect_reason` is USER_INITIATED. Secret: never logged.
            disconnect_reason: Who ended the call. Default: BUSINESS_INITIATED.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            DisconnectWhatsAppCallResponse: An empty response: the call has ended.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        return self._call(
            _DISCONNECT_WHATSAPP_CALL,
            {
                "request": request,
                "whatsapp_call_id": whatsapp_call_id,
                "whatsapp_api_key": whatsapp_api_key,
                "disconnect_reason": disconnect_reason,
            },
            timeout,
            retry,
            extra_headers,
        )

    @overload
    def connect_whatsapp_call(
        self,
        *,
        whatsapp_call_id: str,
        sdp: Union[livekit_rtc_pb2.SessionDescription, dicts.SessionDescriptionDict],
        wait_until_answered: Optional[bool] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse: ...
    @overload
    def connect_whatsapp_call(
        self,
        request: livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse: ...

    def connect_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest] = None,
        *,
        whatsapp_call_id: Optional[str] = None,
        sdp: Optional[
            Union[livekit_rtc_pb2.SessionDescription, dicts.SessionDescriptionDict]
        ] = None,
        wait_until_answered: Optional[bool] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse:
        """Connect an outbound WhatsApp call with the SDP answer from Meta's webhook.

        Call this as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives.
        It doesn't need Meta's access token. After it, both sides can hear each other. Don't
        wait for Meta's ACCEPTED status, which comes after the media.

        Errors: `already_exists` if the call is already connected, for example because Meta
        delivered the webhook twice (ignore it); `not_found` if the call is unknown;
        `invalid_argument` if the SDP is not an answer; `deadline_exceeded` if
        `wait_until_answered` timed out.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_call_id: Required. Meta's ID of the call, from the Dial response or the
                `connect` webhook.
            sdp: Required. The SDP answer from the `connect` webhook.
            wait_until_answered: Whether to wait until audio flows. The timeout of the request
                then includes the wait. Default: return immediately.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            ConnectWhatsAppCallResponse: An empty response: the call is connected.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        return self._call(
            _CONNECT_WHATSAPP_CALL,
            {
                "request": request,
                "whatsapp_call_id": whatsapp_call_id,
                "sdp": sdp,
                "wait_until_answered": wait_until_answered,
            },
            timeout,
            retry,
            extra_headers,
        )

    @overload
    def accept_whatsapp_call(
        self,
        *,
        whatsapp_phone_number_id: str,
        whatsapp_api_key: str,
        whatsapp_cloud_api_version: str,
        whatsapp_call_id: str,
        whatsapp_biz_opaque_callback_data: Optional[str] = None,
        sdp: Union[livekit_rtc_pb2.SessionDescription, dicts.SessionDescriptionDict],
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        ringing_timeout: Optional[DurationLike] = None,
        wait_until_answered: Optional[bool] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse: ...
    @overload
    def accept_whatsapp_call(
        self,
        request: livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse: ...

    def accept_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest] = None,
        *,
        whatsapp_phone_number_id: Optional[str] = None,
        whatsapp_api_key: Optional[str] = None,
        whatsapp_cloud_api_version: Optional[str] = None,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_biz_opaque_callback_data: Optional[str] = None,
        sdp: Optional[
            Union[livekit_rtc_pb2.SessionDescription, dicts.SessionDescriptionDict]
        ] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        ringing_timeout: Optional[DurationLike] = None,
        wait_until_answered: Optional[bool] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse:
        """Accept an inbound WhatsApp call and connect it to a room.

        Call this when Meta's `connect` webhook with direction USER_INITIATED arrives. Respond
        to the webhook with 200 first, then accept within 30 seconds, while the caller hears
        ringing. LiveKit accepts the call at Meta; your app doesn't. When Meta sends
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is already accepted, for example because Meta
        delivered the webhook twice (ignore it); `not_found` or `failed_precondition` if the
        caller hung up; `invalid_argument` if a field is missing, the SDP is not an offer, or
        Meta rejects the request; `deadline_exceeded` if `wait_until_answered` is set and
        nobody joined the room in time.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_phone_number_id: Required. Meta's ID of the business phone number that
                was called: `metadata.phone_number_id` in the `connect` webhook.
            whatsapp_api_key: Required. The business's access token for Meta's API. Secret:
                never logged.
            whatsapp_cloud_api_version: Required. The version of Meta's Cloud API, without a
                leading "v", such as "23.0".
            whatsapp_call_id: Required. Meta's ID of the call: `calls[].id` in the webhook,
                such as "wacid.HBgL...".
            whatsapp_biz_opaque_callback_data: Your own text, at most 512 characters, such as
                your ID of the call. Meta includes it in its webhooks about this call. Every
                app that subscribes to the webhooks sees it.
            sdp: Required. The SDP offer from the `connect` webhook.
            room_name: The room for the call, such as "support-17". LiveKit creates it if it
                doesn't exist. Default: a name that LiveKit generates and returns in the
                response.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: The caller's identity in the room. It is logged, so use a
                random identity instead of a phone number. Default: LiveKit generates one.
            participant_name: The participant's display name in the room, such as "Ada
                Lovelace". Personal data: not logged.
            participant_metadata: Your own text about the participant, often JSON. Personal
                data: not logged.
            participant_attributes: Your own attributes of the participant, such as
                `{"ticket": "4711"}`. Personal data: not logged.
            destination_country: The country in which the call terminates, as a two-letter ISO
                3166-1 code, such as "US". LiveKit uses a region near it. Default: a region
                near where this request arrives.
            ringing_timeout: The longest time to wait until the call is connected, such as 30
                seconds; with `wait_until_answered`, until the other side joins the room.
                Default: LiveKit's default. Takes seconds, a timedelta, or a Duration.
            wait_until_answered: Whether to wait until the other side, such as an agent, joins
                the room. The timeout of the request then includes the wait. Default: return
                when the call is accepted.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            AcceptWhatsAppCallResponse: A call that is connected to its room.

                room_name: The call's room.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        return self._call(
            _ACCEPT_WHATSAPP_CALL,
            {
                "request": request,
                "whatsapp_phone_number_id": whatsapp_phone_number_id,
                "whatsapp_api_key": whatsapp_api_key,
                "whatsapp_cloud_api_version": whatsapp_cloud_api_version,
                "whatsapp_call_id": whatsapp_call_id,
                "whatsapp_biz_opaque_callback_data": whatsapp_biz_opaque_callback_data,
                "sdp": sdp,
                "room_name": room_name,
                "agents": agents,
                "participant_identity": participant_identity,
                "participant_name": participant_name,
                "participant_metadata": participant_metadata,
                "participant_attributes": participant_attributes,
                "destination_country": destination_country,
                "ringing_timeout": ringing_timeout,
                "wait_until_answered": wait_until_answered,
            },
            timeout,
            retry,
            extra_headers,
        )

    @overload
    def connect_twilio_call(
        self,
        *,
        twilio_call_direction: Union[
            enums.TwilioCallDirection,
            Literal[0, 1, "TWILIO_CALL_DIRECTION_INBOUND", "TWILIO_CALL_DIRECTION_OUTBOUND"],
        ],
        room_name: str,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse: ...
    @overload
    def connect_twilio_call(
        self,
        request: livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse: ...

    def connect_twilio_call(
        self,
        request: Optional[livekit_connector_twilio_pb2.ConnectTwilioCallRequest] = None,
        *,
        twilio_call_direction: Optional[
            Union[
                enums.TwilioCallDirection,
                Literal[0, 1, "TWILIO_CALL_DIRECTION_INBOUND", "TWILIO_CALL_DIRECTION_OUTBOUND"],
            ]
        ] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[
                Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, dicts.RoomAgentDispatchDict]
            ]
        ] = None,
        participant_identity: Optional[str] = None,
        participant_name: Optional[str] = None,
        participant_metadata: Optional[str] = None,
        participant_attributes: Optional[Mapping[str, str]] = None,
        destination_country: Optional[str] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse:
        """Prepare a room for a Twilio call, and get the URL for Twilio's media stream.

        For an inbound call, call this in your handler of Twilio's voice webhook and respond
        with the TwiML `<Connect><Stream url="..."/></Connect>`, where `url` is the
        `connect_url`. The caller joins the room when the stream opens. For an outbound call,
        call this first, then create the call at Twilio with that TwiML. The participant is
        hidden until the callee picks up. There is no RPC to disconnect: end the call at
        Twilio, or delete the room.

        Each request creates a session and dispatches the agents, so the client doesn't retry
        a request that might have succeeded.

        Errors: `invalid_argument` if a field is missing; `resource_exhausted` if LiveKit is
        overloaded; `permission_denied` if the token lacks the grant.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            twilio_call_direction: Required, because an unset direction means inbound. Who
                called whom, such as "TWILIO_CALL_DIRECTION_OUTBOUND".
            room_name: Required. The room for the call, such as "call-CA0123". LiveKit creates
                it if it doesn't exist.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: The participant's identity in the room. It is logged, so use
                a random identity instead of a phone number. Default: LiveKit generates one.
            participant_name: The participant's display name in the room, such as "Ada
                Lovelace". Personal data: not logged.
            participant_metadata: Your own text about the participant, often JSON. Personal
                data: not logged.
            participant_attributes: Your own attributes of the participant, such as
                `{"ticket": "4711"}`. Personal data: not logged.
            destination_country: The country in which the call terminates, as a two-letter ISO
                3166-1 code, such as "US". LiveKit uses a region near it. Default: a region
                near where this request arrives.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            ConnectTwilioCallResponse: The URL for Twilio's media stream.

                connect_url: The `wss://` URL for `<Stream url="...">` in TwiML. It can be
                    used once, for one call. Anyone who has it can join the call, so treat it
                    as a secret. Pass it to Twilio unchanged, except for XML escapes: `&`
                    becomes `&amp;`.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        return self._call(
            _CONNECT_TWILIO_CALL,
            {
                "request": request,
                "twilio_call_direction": twilio_call_direction,
                "room_name": room_name,
                "agents": agents,
                "participant_identity": participant_identity,
                "participant_name": participant_name,
                "participant_metadata": participant_metadata,
                "participant_attributes": participant_attributes,
                "destination_country": destination_country,
            },
            timeout,
            retry,
            extra_headers,
        )
