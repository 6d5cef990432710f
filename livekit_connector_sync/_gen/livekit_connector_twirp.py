"""Stubs, servicers and clients of the services in livekit_connector.proto.

Generated from the protos by codegen. DO NOT EDIT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Optional, Union, overload

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
    MessageLike,
    MethodInfo,
    Retry,
    ServiceClient,
    Servicer,
    ServicerContext,
    Timeout,
    UnaryUnaryChannel,
    UnaryUnaryMultiCallable,
)

__all__ = ["ConnectorClient", "ConnectorServicer", "ConnectorStub"]

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
        ("whatsapp_to_phone_number", "phone_number"),
        ("whatsapp_cloud_api_version", "cloud_api_version"),
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
    formats=(("whatsapp_cloud_api_version", "cloud_api_version"),),
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
)


class ConnectorStub:
    """Bridges voice calls of WhatsApp and Twilio into LiveKit rooms.

    LiveKit Cloud only. Every RPC needs a token with the grant `roomCreate`.

    A blocking stub in gRPC's style. Each RPC is an attribute: call it with a request.
    """

    def __init__(self, channel: UnaryUnaryChannel) -> None:
        """Bind the RPCs to a channel.

        Args:
            channel: The channel that sends the calls, such as a livekit_connector_sync.Channel.
        """
        self.DialWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.DialWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.DialWhatsAppCallResponse,
        ] = channel.unary_unary(_DIAL_WHATSAPP_CALL)
        """Call a WhatsApp user from your business number.

        The user's phone rings by the time this returns. Meta then posts a `connect` webhook
        with an SDP answer: give that to ConnectWhatsAppCall at once, or the user hears
        silence and the call drops. Keep the `whatsapp_call_id` where your webhook finds it;
        the webhook can be faster than this response. If the user hangs up, does not answer or
        declines, Meta posts a `terminate` webhook: answer it with DisconnectWhatsAppCall and
        USER_INITIATED.

        Dialing twice rings twice, so a failure that leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field or a refusal by Meta, whose own code
        and text are in the message (138006: the user gave no permission to be called);
        `resource_exhausted` if LiveKit is busy; `permission_denied` without the grant.
        """
        self.DisconnectWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse,
        ] = channel.unary_unary(_DISCONNECT_WHATSAPP_CALL)
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED you hang up: the user's call ends. With USER_INITIATED you
        tell LiveKit what Meta's `terminate` webhook told you, so that the room is cleaned up
        at once and not after 30 seconds, in which agents and recordings are still billed.
        Meta posts `terminate` after your own hang-up as well; the second Disconnect then
        fails and can be ignored.

        Errors: `not_found` or `failed_precondition` if the call is over already;
        `invalid_argument` if Meta refuses.
        """
        self.ConnectWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse,
        ] = channel.unary_unary(_CONNECT_WHATSAPP_CALL)
        """Finish an outbound WhatsApp call with the SDP answer of Meta's webhook.

        Call it as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives; it
        needs no key of Meta's. From then on the two sides can hear each other. Do not wait
        for Meta's ACCEPTED status: it comes after the media.

        Errors: `already_exists` if the call is connected already, as after a webhook that was
        delivered twice: ignore it; `not_found` for an unknown call; `invalid_argument` for an
        SDP that is no answer; `deadline_exceeded` if `wait_until_answered` ran out.
        """
        self.AcceptWhatsAppCall: UnaryUnaryMultiCallable[
            livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
            livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse,
        ] = channel.unary_unary(_ACCEPT_WHATSAPP_CALL)
        """Take an inbound WhatsApp call into a room.

        Call it when Meta's `connect` webhook with direction USER_INITIATED arrives: answer
        the webhook with 200 first, then accept within 30 seconds, while the user hears the
        ringing. LiveKit answers the call at Meta; your app never does. When Meta posts
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is accepted already, as after a webhook that was
        delivered twice: ignore it; `not_found` or `failed_precondition` if the caller hung
        up; `invalid_argument` for a missing field, an SDP that is no offer or a refusal by
        Meta; `deadline_exceeded` if `wait_until_answered` is set and no one joined the room
        in time.
        """
        self.ConnectTwilioCall: UnaryUnaryMultiCallable[
            livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
            livekit_connector_twilio_pb2.ConnectTwilioCallResponse,
        ] = channel.unary_unary(_CONNECT_TWILIO_CALL)
        """Make a room ready for a Twilio call and get the URL that Twilio streams its audio to.

        Inbound: call it inside Twilio's voice webhook and answer with TwiML `<Connect><Stream
        url="..."/></Connect>` holding the `connect_url`; the caller joins the room when the
        stream opens. Outbound: call it first, then create the call at Twilio with that TwiML;
        the participant is hidden until the callee answers. There is no RPC to disconnect: end
        the call at Twilio, or delete the room.

        Each call makes a new session and dispatches the agents again, so a failure that
        leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field; `resource_exhausted` if LiveKit is
        busy; `permission_denied` without the grant.
        """


class ConnectorServicer(Servicer):
    """Bridges voice calls of WhatsApp and Twilio into LiveKit rooms.

    LiveKit Cloud only. Every RPC needs a token with the grant `roomCreate`.

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

        The user's phone rings by the time this returns. Meta then posts a `connect` webhook
        with an SDP answer: give that to ConnectWhatsAppCall at once, or the user hears
        silence and the call drops. Keep the `whatsapp_call_id` where your webhook finds it;
        the webhook can be faster than this response. If the user hangs up, does not answer or
        declines, Meta posts a `terminate` webhook: answer it with DisconnectWhatsAppCall and
        USER_INITIATED.

        Dialing twice rings twice, so a failure that leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field or a refusal by Meta, whose own code
        and text are in the message (138006: the user gave no permission to be called);
        `resource_exhausted` if LiveKit is busy; `permission_denied` without the grant.
        """
        raise self.unimplemented(_DIAL_WHATSAPP_CALL)

    def DisconnectWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse:
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED you hang up: the user's call ends. With USER_INITIATED you
        tell LiveKit what Meta's `terminate` webhook told you, so that the room is cleaned up
        at once and not after 30 seconds, in which agents and recordings are still billed.
        Meta posts `terminate` after your own hang-up as well; the second Disconnect then
        fails and can be ignored.

        Errors: `not_found` or `failed_precondition` if the call is over already;
        `invalid_argument` if Meta refuses.
        """
        raise self.unimplemented(_DISCONNECT_WHATSAPP_CALL)

    def ConnectWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse:
        """Finish an outbound WhatsApp call with the SDP answer of Meta's webhook.

        Call it as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives; it
        needs no key of Meta's. From then on the two sides can hear each other. Do not wait
        for Meta's ACCEPTED status: it comes after the media.

        Errors: `already_exists` if the call is connected already, as after a webhook that was
        delivered twice: ignore it; `not_found` for an unknown call; `invalid_argument` for an
        SDP that is no answer; `deadline_exceeded` if `wait_until_answered` ran out.
        """
        raise self.unimplemented(_CONNECT_WHATSAPP_CALL)

    def AcceptWhatsAppCall(
        self,
        request: livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_whatsapp_pb2.AcceptWhatsAppCallResponse:
        """Take an inbound WhatsApp call into a room.

        Call it when Meta's `connect` webhook with direction USER_INITIATED arrives: answer
        the webhook with 200 first, then accept within 30 seconds, while the user hears the
        ringing. LiveKit answers the call at Meta; your app never does. When Meta posts
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is accepted already, as after a webhook that was
        delivered twice: ignore it; `not_found` or `failed_precondition` if the caller hung
        up; `invalid_argument` for a missing field, an SDP that is no offer or a refusal by
        Meta; `deadline_exceeded` if `wait_until_answered` is set and no one joined the room
        in time.
        """
        raise self.unimplemented(_ACCEPT_WHATSAPP_CALL)

    def ConnectTwilioCall(
        self,
        request: livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
        context: ServicerContext,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse:
        """Make a room ready for a Twilio call and get the URL that Twilio streams its audio to.

        Inbound: call it inside Twilio's voice webhook and answer with TwiML `<Connect><Stream
        url="..."/></Connect>` holding the `connect_url`; the caller joins the room when the
        stream opens. Outbound: call it first, then create the call at Twilio with that TwiML;
        the participant is hidden until the callee answers. There is no RPC to disconnect: end
        the call at Twilio, or delete the room.

        Each call makes a new session and dispatches the agents again, so a failure that
        leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field; `resource_exhausted` if LiveKit is
        busy; `permission_denied` without the grant.
        """
        raise self.unimplemented(_CONNECT_TWILIO_CALL)


class ConnectorClient(ServiceClient):
    """Bridges voice calls of WhatsApp and Twilio into LiveKit rooms.

    LiveKit Cloud only. Every RPC needs a token with the grant `roomCreate`.
    """

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
            Iterable[Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, MessageLike]]
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

        The user's phone rings by the time this returns. Meta then posts a `connect` webhook
        with an SDP answer: give that to ConnectWhatsAppCall at once, or the user hears
        silence and the call drops. Keep the `whatsapp_call_id` where your webhook finds it;
        the webhook can be faster than this response. If the user hangs up, does not answer or
        declines, Meta posts a `terminate` webhook: answer it with DisconnectWhatsAppCall and
        USER_INITIATED.

        Dialing twice rings twice, so a failure that leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field or a refusal by Meta, whose own code
        and text are in the message (138006: the user gave no permission to be called);
        `resource_exhausted` if LiveKit is busy; `permission_denied` without the grant.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_phone_number_id: Required. Meta's id of the business number that calls,
                such as "106540352242922". An id, not the phone number itself.
            whatsapp_to_phone_number: Required. The phone number to call: country code and
                number, digits only and no "+", such as "15551234567". Personal: not logged.
            whatsapp_api_key: Required. Meta's access token of the business that calls.
                Secret: never logged.
            whatsapp_cloud_api_version: Required. Version of Meta's Cloud API, without a
                leading "v", such as "23.0".
            whatsapp_biz_opaque_callback_data: Text of your own, at most 512 characters, which
                Meta repeats in its webhooks of this call: a good place for your own id of it.
                Every app that is subscribed to the webhooks sees it.
            room_name: The room to put the call into, such as "support-17"; it is created if
                need be. Default: LiveKit makes a name, which the response holds.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: Identity of the user's participant in the room. It is
                logged, so take a random one rather than the phone number. Default: LiveKit
                makes one.
            participant_name: Name of the participant as others in the room see it, such as
                "Ada Lovelace". Personal: not logged.
            participant_metadata: Text of your own attached to the participant, often JSON.
                Personal: not logged.
            participant_attributes: Attributes of your own attached to the participant, text
                to text, such as `{"ticket": "4711"}`. Personal: not logged.
            destination_country: Country in which the user is, as two letters of ISO 3166-1,
                such as "US". LiveKit routes the call through a region near it. Default: near
                where this request arrives.
            ringing_timeout: How long the user's phone may ring, such as 30 seconds. Default:
                LiveKit's. Takes seconds, a timedelta, or a Duration.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            DialWhatsAppCallResponse: A call that rings at the user's phone.

                whatsapp_call_id: Meta's id of the call, such as "wacid.HBgL...".
                    ConnectWhatsAppCall and DisconnectWhatsAppCall ask for it, and Meta's
                    webhooks carry it.

                room_name: The room of the call.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        _arguments = {
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
        }
        # Tracebacks can show local variables: keep no secret in this frame.
        del request, whatsapp_api_key
        return self._call(_DIAL_WHATSAPP_CALL, _arguments, timeout, retry, extra_headers)

    def disconnect_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest] = None,
        *,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_api_key: Optional[str] = None,
        disconnect_reason: Optional[
            Union[
                livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallRequest.DisconnectReason.ValueType,
                enums.DisconnectReason,
                Literal["BUSINESS_INITIATED", "USER_INITIATED"],
            ]
        ] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.DisconnectWhatsAppCallResponse:
        """End a WhatsApp call, or release it after the user ended it.

        With BUSINESS_INITIATED you hang up: the user's call ends. With USER_INITIATED you
        tell LiveKit what Meta's `terminate` webhook told you, so that the room is cleaned up
        at once and not after 30 seconds, in which agents and recordings are still billed.
        Meta posts `terminate` after your own hang-up as well; the second Disconnect then
        fails and can be ignored.

        Errors: `not_found` or `failed_precondition` if the call is over already;
        `invalid_argument` if Meta refuses.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_call_id: Required. Meta's id of the call: from the Dial response or a
                webhook.
            whatsapp_api_key: Meta's access token of the business. Required unless
                `disconnect_reason` is USER_INITIATED. Secret: never logged.
            disconnect_reason: Who ended the call. Default: BUSINESS_INITIATED.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            DisconnectWhatsAppCallResponse: The call is over. Empty.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        _arguments = {
            "request": request,
            "whatsapp_call_id": whatsapp_call_id,
            "whatsapp_api_key": whatsapp_api_key,
            "disconnect_reason": disconnect_reason,
        }
        # Tracebacks can show local variables: keep no secret in this frame.
        del request, whatsapp_api_key
        return self._call(_DISCONNECT_WHATSAPP_CALL, _arguments, timeout, retry, extra_headers)

    def connect_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.ConnectWhatsAppCallRequest] = None,
        *,
        whatsapp_call_id: Optional[str] = None,
        sdp: Optional[Union[livekit_rtc_pb2.SessionDescription, MessageLike]] = None,
        wait_until_answered: Optional[bool] = None,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_whatsapp_pb2.ConnectWhatsAppCallResponse:
        """Finish an outbound WhatsApp call with the SDP answer of Meta's webhook.

        Call it as soon as the `connect` webhook with direction BUSINESS_INITIATED arrives; it
        needs no key of Meta's. From then on the two sides can hear each other. Do not wait
        for Meta's ACCEPTED status: it comes after the media.

        Errors: `already_exists` if the call is connected already, as after a webhook that was
        delivered twice: ignore it; `not_found` for an unknown call; `invalid_argument` for an
        SDP that is no answer; `deadline_exceeded` if `wait_until_answered` ran out.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_call_id: Required. Meta's id of the call: from the Dial response or the
                `connect` webhook.
            sdp: Required. The SDP of the `connect` webhook, of type "answer".
            wait_until_answered: True to return only once audio flows, or with an error. The
                call's timeout then covers the wait. Default: return at once.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            ConnectWhatsAppCallResponse: The call is connected. Empty.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        _arguments = {
            "request": request,
            "whatsapp_call_id": whatsapp_call_id,
            "sdp": sdp,
            "wait_until_answered": wait_until_answered,
        }
        # Tracebacks can show local variables: keep no secret in this frame.
        del request, sdp
        return self._call(_CONNECT_WHATSAPP_CALL, _arguments, timeout, retry, extra_headers)

    def accept_whatsapp_call(
        self,
        request: Optional[livekit_connector_whatsapp_pb2.AcceptWhatsAppCallRequest] = None,
        *,
        whatsapp_phone_number_id: Optional[str] = None,
        whatsapp_api_key: Optional[str] = None,
        whatsapp_cloud_api_version: Optional[str] = None,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_biz_opaque_callback_data: Optional[str] = None,
        sdp: Optional[Union[livekit_rtc_pb2.SessionDescription, MessageLike]] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, MessageLike]]
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
        """Take an inbound WhatsApp call into a room.

        Call it when Meta's `connect` webhook with direction USER_INITIATED arrives: answer
        the webhook with 200 first, then accept within 30 seconds, while the user hears the
        ringing. LiveKit answers the call at Meta; your app never does. When Meta posts
        `terminate`, call DisconnectWhatsAppCall with USER_INITIATED.

        Errors: `already_exists` if the call is accepted already, as after a webhook that was
        delivered twice: ignore it; `not_found` or `failed_precondition` if the caller hung
        up; `invalid_argument` for a missing field, an SDP that is no offer or a refusal by
        Meta; `deadline_exceeded` if `wait_until_answered` is set and no one joined the room
        in time.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            whatsapp_phone_number_id: Required. Meta's id of the business number that was
                called: `metadata.phone_number_id` of the webhook that announced the call.
            whatsapp_api_key: Required. Meta's access token of the business that was called.
                Secret: never logged.
            whatsapp_cloud_api_version: Required. Version of Meta's Cloud API, without a
                leading "v", such as "23.0".
            whatsapp_call_id: Required. Meta's id of the call: `calls[].id` of the webhook,
                such as "wacid.HBgL...".
            whatsapp_biz_opaque_callback_data: Text of your own, at most 512 characters, which
                Meta repeats in its webhooks of this call. Every app that is subscribed to the
                webhooks sees it.
            sdp: Required. The SDP of the `connect` webhook, of type "offer".
            room_name: The room to put the call into, such as "support-17"; it is created if
                need be. Default: LiveKit makes a name, which the response holds.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: Identity of the caller's participant in the room. It is
                logged, so take a random one rather than the phone number. Default: LiveKit
                makes one.
            participant_name: Name of the participant as others in the room see it, such as
                "Ada Lovelace". Personal: not logged.
            participant_metadata: Text of your own attached to the participant, often JSON.
                Personal: not logged.
            participant_attributes: Attributes of your own attached to the participant, text
                to text, such as `{"ticket": "4711"}`. Personal: not logged.
            destination_country: Country in which the call terminates, as two letters of ISO
                3166-1, such as "US". LiveKit routes the call by it. Default: near where this
                request arrives.
            ringing_timeout: How long to wait at most for the call to be answered, such as 30
                seconds; with `wait_until_answered`, for the other side to join the room.
                Default: LiveKit's. Takes seconds, a timedelta, or a Duration.
            wait_until_answered: True to return only once the other side, such as the agent,
                has joined the room, or with an error. The call's timeout then covers the
                wait. Default: return once the call is accepted.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            AcceptWhatsAppCallResponse: The call is in its room.

                room_name: The room of the call.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        _arguments = {
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
        }
        # Tracebacks can show local variables: keep no secret in this frame.
        del request, whatsapp_api_key, sdp
        return self._call(_ACCEPT_WHATSAPP_CALL, _arguments, timeout, retry, extra_headers)

    @overload
    def connect_twilio_call(
        self,
        request: livekit_connector_twilio_pb2.ConnectTwilioCallRequest,
        *,
        timeout: Timeout = UNSET,
        retry: Retry = UNSET,
        extra_headers: Optional[Mapping[str, str]] = None,
    ) -> livekit_connector_twilio_pb2.ConnectTwilioCallResponse: ...
    @overload
    def connect_twilio_call(
        self,
        request: None = None,
        *,
        twilio_call_direction: Union[
            livekit_connector_twilio_pb2.ConnectTwilioCallRequest.TwilioCallDirection.ValueType,
            enums.TwilioCallDirection,
            Literal["TWILIO_CALL_DIRECTION_INBOUND", "TWILIO_CALL_DIRECTION_OUTBOUND"],
        ],
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, MessageLike]]
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
        """Make a room ready for a Twilio call and get the URL that Twilio streams its audio to.

        Inbound: call it inside Twilio's voice webhook and answer with TwiML `<Connect><Stream
        url="..."/></Connect>` holding the `connect_url`; the caller joins the room when the
        stream opens. Outbound: call it first, then create the call at Twilio with that TwiML;
        the participant is hidden until the callee answers. There is no RPC to disconnect: end
        the call at Twilio, or delete the room.

        Each call makes a new session and dispatches the agents again, so a failure that
        leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field; `resource_exhausted` if LiveKit is
        busy; `permission_denied` without the grant.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            twilio_call_direction: Required, since leaving it out would mean inbound. Who
                called whom, such as "TWILIO_CALL_DIRECTION_OUTBOUND".
            room_name: Required. The room to put the call into, such as "call-CA0123"; it is
                created if need be.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: Identity of the phone's participant in the room. It is
                logged, so take a random one rather than the phone number. Default: LiveKit
                makes one.
            participant_name: Name of the participant as others in the room see it, such as
                "Ada Lovelace". Personal: not logged.
            participant_metadata: Text of your own attached to the participant, often JSON.
                Personal: not logged.
            participant_attributes: Attributes of your own attached to the participant, text
                to text, such as `{"ticket": "4711"}`. Personal: not logged.
            destination_country: Country in which the call terminates, as two letters of ISO
                3166-1, such as "US". LiveKit routes the call by it. Default: near where this
                request arrives.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            ConnectTwilioCallResponse: Where Twilio connects to.

                connect_url: The `wss://` URL for TwiML's `<Stream url="...">`. Whoever has it
                    can join the call: treat it as a secret. It serves one call once. Give it
                    to Twilio unchanged, except for XML's escapes: `&` becomes `&amp;`.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """

    def connect_twilio_call(
        self,
        request: Optional[livekit_connector_twilio_pb2.ConnectTwilioCallRequest] = None,
        *,
        twilio_call_direction: Optional[
            Union[
                livekit_connector_twilio_pb2.ConnectTwilioCallRequest.TwilioCallDirection.ValueType,
                enums.TwilioCallDirection,
                Literal["TWILIO_CALL_DIRECTION_INBOUND", "TWILIO_CALL_DIRECTION_OUTBOUND"],
            ]
        ] = None,
        room_name: Optional[str] = None,
        agents: Optional[
            Iterable[Union[livekit_agent_dispatch_pb2.RoomAgentDispatch, MessageLike]]
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
        """Make a room ready for a Twilio call and get the URL that Twilio streams its audio to.

        Inbound: call it inside Twilio's voice webhook and answer with TwiML `<Connect><Stream
        url="..."/></Connect>` holding the `connect_url`; the caller joins the room when the
        stream opens. Outbound: call it first, then create the call at Twilio with that TwiML;
        the participant is hidden until the callee answers. There is no RPC to disconnect: end
        the call at Twilio, or delete the room.

        Each call makes a new session and dispatches the agents again, so a failure that
        leaves the outcome open is not repeated.

        Errors: `invalid_argument` for a missing field; `resource_exhausted` if LiveKit is
        busy; `permission_denied` without the grant.

        Pass either a request message or the message's fields as keyword arguments.

        Args:
            request: The request message, as an alternative to the fields.
            twilio_call_direction: Required, since leaving it out would mean inbound. Who
                called whom, such as "TWILIO_CALL_DIRECTION_OUTBOUND".
            room_name: Required. The room to put the call into, such as "call-CA0123"; it is
                created if need be.
            agents: Agents to dispatch to the room. Default: none.
            participant_identity: Identity of the phone's participant in the room. It is
                logged, so take a random one rather than the phone number. Default: LiveKit
                makes one.
            participant_name: Name of the participant as others in the room see it, such as
                "Ada Lovelace". Personal: not logged.
            participant_metadata: Text of your own attached to the participant, often JSON.
                Personal: not logged.
            participant_attributes: Attributes of your own attached to the participant, text
                to text, such as `{"ticket": "4711"}`. Personal: not logged.
            destination_country: Country in which the call terminates, as two letters of ISO
                3166-1, such as "US". LiveKit routes the call by it. Default: near where this
                request arrives.
            timeout: Seconds for the whole call, including retries. None: no limit. Default:
                the channel's timeout.
            retry: Retry policy for this call. None: a single attempt. Default: the channel's
                policy.
            extra_headers: Additional request headers, text by name. Default: none.

        Returns:
            ConnectTwilioCallResponse: Where Twilio connects to.

                connect_url: The `wss://` URL for TwiML's `<Stream url="...">`. Whoever has it
                    can join the call: treat it as a secret. It serves one call once. Give it
                    to Twilio unchanged, except for XML's escapes: `&` becomes `&amp;`.

        Raises:
            TwirpError: The call failed. If a required field is empty, it is an
                InvalidArgument and nothing is sent.
            TypeError: A field or extra_headers has the wrong type, or both a request and
                fields were passed.
            ValueError: A field is out of range, timeout or retry is invalid, or a header
                cannot be sent.
        """
        _arguments = {
            "request": request,
            "twilio_call_direction": twilio_call_direction,
            "room_name": room_name,
            "agents": agents,
            "participant_identity": participant_identity,
            "participant_name": participant_name,
            "participant_metadata": participant_metadata,
            "participant_attributes": participant_attributes,
            "destination_country": destination_country,
        }
        return self._call(_CONNECT_TWILIO_CALL, _arguments, timeout, retry, extra_headers)
