"""Users' code in every supported form: checked by mypy and pyright, never run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Callable, Optional

import requests
from google.protobuf.duration_pb2 import Duration

import livekit_connector_sync as lk
from livekit_connector_sync import errors
from livekit_connector_sync.emulator import ConnectorEmulator


def official_names() -> str:
    with lk.LiveKitAPI() as api:
        response: lk.DialWhatsAppCallResponse = api.connector.dial_whatsapp_call(
            lk.DialWhatsAppCallRequest(
                whatsapp_phone_number_id="1",
                whatsapp_to_phone_number="15550100",
                whatsapp_api_key="k",
                whatsapp_cloud_api_version="23.0",
                agents=[lk.RoomAgentDispatch(agent_name="a")],
                participant_attributes={"language": "en"},
                ringing_timeout=Duration(seconds=30),
            )
        )
        return response.whatsapp_call_id


def keywords(client: lk.ConnectorClient) -> tuple[str, str]:
    dialled = client.dial_whatsapp_call(
        whatsapp_phone_number_id="1",
        whatsapp_to_phone_number="15550100",
        whatsapp_api_key="k",
        whatsapp_cloud_api_version="23.0",
        agents=[lk.RoomAgentDispatch(agent_name="a"), {"agent_name": "b"}],
        participant_attributes={"language": "en"},
        ringing_timeout=30,
        timeout=5.0,
        retry=None,
        extra_headers={"x-trace": "1"},
    )
    accepted = client.accept_whatsapp_call(
        whatsapp_phone_number_id="1",
        whatsapp_api_key="k",
        whatsapp_cloud_api_version="23.0",
        whatsapp_call_id="wacid",
        sdp=lk.SessionDescription(type="offer", sdp="v=0"),
        ringing_timeout=timedelta(seconds=30),
        wait_until_answered=True,
        timeout=None,
    )
    client.connect_whatsapp_call(
        whatsapp_call_id=dialled.whatsapp_call_id, sdp={"type": "answer", "sdp": "v=0"}
    )
    client.disconnect_whatsapp_call(
        whatsapp_call_id=dialled.whatsapp_call_id,
        whatsapp_api_key="k",
        disconnect_reason="USER_INITIATED",
        retry=lk.RetryPolicy(max_attempts=1),
    )
    return dialled.room_name, accepted.room_name


def agents_in_a_variable(client: lk.ConnectorClient) -> None:
    agent: lk.RoomAgentDispatchDict = {"agent_name": "a", "restart_policy": "JRP_NEVER"}
    sdp: lk.SessionDescriptionDict = {"type": "offer", "sdp": "v=0"}
    fields: dict[str, Any] = {"whatsapp_call_id": "c"}
    client.connect_twilio_call(
        room_name="r",
        twilio_call_direction=lk.ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_OUTBOUND,
        agents=[agent],
    )
    client.connect_whatsapp_call(**fields, sdp=sdp)
    client.disconnect_whatsapp_call(**fields)


def calls(client: lk.ConnectorClient, api: lk.LiveKitAPI) -> str:
    response, call = client.with_call.disconnect_whatsapp_call(whatsapp_call_id="c", timeout=1)
    gone: lk.DisconnectWhatsAppCallResponse = response
    how: lk.Call = call
    pair: tuple[lk.ConnectTwilioCallResponse, lk.Call] = client.with_call.connect_twilio_call(
        lk.ConnectTwilioCallRequest()
    )
    patient: lk.ConnectorClient = client.with_options(timeout=None, retry=lk.RetryPolicy())
    other: lk.LiveKitAPI = api.with_options(retry=None)
    patient.disconnect_whatsapp_call(whatsapp_call_id="c")
    other.connector.with_call.disconnect_whatsapp_call(whatsapp_call_id="c")
    return f"{gone} {how.request_id} {pair}"


def twilio(client: lk.ConnectorClient) -> list[str]:
    outbound = lk.TwilioCallDirection.TWILIO_CALL_DIRECTION_OUTBOUND
    return [
        client.connect_twilio_call(room_name="r", twilio_call_direction=outbound).connect_url,
        client.connect_twilio_call(
            room_name="r", twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND"
        ).connect_url,
        client.connect_twilio_call(
            lk.ConnectTwilioCallRequest(
                twilio_call_direction=lk.ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_OUTBOUND,
                room_name="r",
            )
        ).connect_url,
    ]


def stub(request: lk.DialWhatsAppCallRequest) -> tuple[str, int, Optional[str]]:
    credentials = lk.ApiKeyCredentials("key", "secret")
    with lk.Channel("https://x", credentials, retry=lk.RetryPolicy(max_attempts=4)) as channel:
        stub = lk.ConnectorStub(channel)
        dial: lk.UnaryUnaryMultiCallable[
            lk.DialWhatsAppCallRequest, lk.DialWhatsAppCallResponse
        ] = stub.DialWhatsAppCall
        plain: lk.DialWhatsAppCallResponse = dial(request)
        response, call = stub.DialWhatsAppCall.with_call(
            request, timeout=5.0, metadata=(("x-trace", "1"),), retry=None
        )
        headers: tuple[tuple[str, str], ...] = call.trailing_metadata
        for _name, _value in headers:
            pass
        return plain.room_name + response.room_name + call.url, call.attempts, call.request_id


def every_option(session: requests.Session) -> lk.ConnectorClient:
    return lk.ConnectorClient(
        "wss://x.livekit.cloud",
        "key",
        "secret",
        timeout=10.0,
        retry=lk.RetryPolicy(
            max_attempts=3,
            initial_backoff=0.2,
            max_backoff=5.0,
            backoff_multiplier=2.0,
            jitter=True,
            retryable_status_codes={lk.StatusCode.UNAVAILABLE},
            retry_ambiguous=False,
        ),
        failover=lk.FailoverPolicy(hosts=["127.0.0.1"], allow_http=True),
        session=session,
        interceptors=[Log()],
        verify="/etc/ssl/ca.pem",
        cert=("/client.pem", "/client.key"),
        proxies={"https": "http://proxy:3128"},
        validate=False,
    )


def messages(client: lk.ConnectorClient) -> str:
    accept = lk.AcceptWhatsAppCallRequest(whatsapp_call_id="c", wait_until_answered=True)
    accept.sdp.CopyFrom(lk.SessionDescription(type="offer", sdp="v=0"))
    accepted: lk.AcceptWhatsAppCallResponse = client.accept_whatsapp_call(accept)
    connected: lk.ConnectWhatsAppCallResponse = client.connect_whatsapp_call(
        lk.ConnectWhatsAppCallRequest(whatsapp_call_id="c", sdp=accept.sdp)
    )
    disconnected: lk.DisconnectWhatsAppCallResponse = client.disconnect_whatsapp_call(
        lk.DisconnectWhatsAppCallRequest(
            whatsapp_call_id="c",
            disconnect_reason=lk.DisconnectWhatsAppCallRequest.DisconnectReason.USER_INITIATED,
        ),
        timeout=lk.UNSET,
    )
    client.disconnect_whatsapp_call(
        whatsapp_call_id="c", disconnect_reason=lk.DisconnectReason.USER_INITIATED
    )
    url: lk.ConnectTwilioCallResponse = client.connect_twilio_call(lk.ConnectTwilioCallRequest())
    agent = lk.RoomAgentDispatch(
        agent_name="a", restart_policy=lk.JobRestartPolicy.JRP_NEVER, deployment="blue"
    )
    agent.restart_policy = lk.JobRestartPolicy.JRP_ON_FAILURE
    never: bool = agent.restart_policy == lk.JobRestartPolicy.JRP_NEVER
    twilio = lk.ConnectTwilioCallRequest(
        twilio_call_direction=lk.TwilioCallDirection.TWILIO_CALL_DIRECTION_OUTBOUND
    )
    policy = lk.JobRestartPolicy(agent.restart_policy)
    restarted: bool = policy is lk.JobRestartPolicy.JRP_ON_FAILURE
    call = lk.WhatsAppCall(whatsapp_call_id="c")
    direction = lk.WhatsAppCallDirection(call.direction)
    inbound: bool = direction is lk.WhatsAppCallDirection.WHATSAPP_CALL_DIRECTION_INBOUND
    kind: int = lk.ConnectorType.Value("WhatsApp")
    said = f"{accepted} {connected} {disconnected} {url} {inbound} {restarted} {never} {twilio}"
    return f"{said} {kind} {lk.__version__}"


def other_credentials() -> list[lk.Channel]:
    return [
        lk.Channel("https://x", lk.TokenCredentials("token"), timeout=None, failover=False),
        lk.Channel("https://x", lk.ApiKeyCredentials("key", "secret"), retry=None),
    ]


def tokens() -> Optional[str]:
    grants = lk.VideoGrants(room_create=True, room="r", room_join=True)
    token: str = (
        lk.AccessToken("key", "secret")
        .with_identity("i")
        .with_grants(grants)
        .with_sip_grants(lk.SIPGrants(call=True))
        .with_agent_grants(lk.AgentGrants(admin=True))
        .to_jwt()
    )
    claims: lk.Claims = lk.TokenVerifier("key", "secret").verify(token)
    return claims.identity


class Log(lk.UnaryUnaryClientInterceptor):
    def intercept_unary_unary(
        self,
        continuation: Callable[[lk.ClientCallDetails, Any], tuple[Any, lk.Call]],
        client_call_details: lk.ClientCallDetails,
        request: Any,
    ) -> tuple[Any, lk.Call]:
        response, call = continuation(client_call_details, request)
        print(client_call_details.method, call.attempts)
        return response, call


REMEDIES: dict[type[lk.TwirpError], str] = {
    lk.Aborted: "again",
    lk.AlreadyExists: "done",
    lk.BadRoute: "check the URL",
    lk.Canceled: "again",
    lk.DataLoss: "report it",
    lk.DeadlineExceeded: "look whether the call was placed",
    lk.FailedPrecondition: "look at the state of the call",
    lk.Internal: "report it",
    lk.InvalidArgument: "mend the request",
    lk.Malformed: "mend the request",
    lk.NotFound: "gone",
    lk.OutOfRange: "mend the request",
    lk.PermissionDenied: "grant roomCreate",
    lk.ResourceExhausted: "later",
    lk.Unauthenticated: "check key and secret",
    lk.Unavailable: "later",
    lk.Unimplemented: "check the service's version",
    lk.Unknown: "look whether the call was placed",
}


def failures(client: lk.ConnectorClient) -> str:
    try:
        client.disconnect_whatsapp_call(whatsapp_call_id="c", whatsapp_api_key="k")
    except lk.NotFound as error:
        status: Optional[int] = error.status
        return f"{status} {error.metadata.get('argument')}"
    except (lk.DeadlineExceeded, TimeoutError):
        return "late"
    except errors.TwirpError as error:
        code: lk.StatusCode = error.code
        may_repeat: bool = error.safe_to_retry and not error.maybe_sent
        return f"{code} {error.message} {error.request_id} {error.attempts} {may_repeat}"
    return ""


class Fake(lk.ConnectorServicer):
    def DialWhatsAppCall(
        self, request: lk.DialWhatsAppCallRequest, context: lk.ServicerContext
    ) -> lk.DialWhatsAppCallResponse:
        if not request.room_name:
            raise lk.InvalidArgument("no room", {"argument": "room_name"})
        return lk.DialWhatsAppCallResponse(room_name=context.headers["x-room"])


def emulated() -> list[str]:
    with ConnectorEmulator() as emulator:
        client = lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret)
        inbound = emulator.inbound_call()
        client.accept_whatsapp_call(
            whatsapp_phone_number_id="1",
            whatsapp_api_key="k",
            whatsapp_cloud_api_version="23.0",
            whatsapp_call_id=inbound.whatsapp_call_id,
            sdp=inbound.sdp,
        )
        emulator.hang_up(inbound)
        return [call.whatsapp_call_id for call in emulator.calls]
