"""The client as users see it: construction, environment, validation, calls, interceptors."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import requests
from helpers.requests_of import ACCEPT, CONNECT, DIAL, RESPONSES
from helpers.scripted import STALL, ScriptedServer, ok, twirp_error

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.deadline import choose_timeout
from livekit_connector_sync.service import UnaryUnaryMultiCallable

DIALLED = RESPONSES["DialWhatsAppCall"]
SECRET = "a-secret-of-at-least-32-characters"

FIELDS = {
    "whatsapp_phone_number_id": "1234567890",
    "whatsapp_to_phone_number": "15551234567",
    "whatsapp_api_key": "EAAG-the-key",
    "whatsapp_cloud_api_version": "23.0",
}


@pytest.fixture
def server():
    with ScriptedServer(ok(DIALLED)) as server:
        yield server


@pytest.fixture
def client(server):
    with lk.ConnectorClient(server.url, "key", SECRET) as client:
        yield client


@pytest.fixture(autouse=True)
def no_environment(monkeypatch) -> None:
    for name in ("URL", "API_KEY", "API_SECRET", "TOKEN"):
        monkeypatch.delenv(f"LIVEKIT_{name}", raising=False)


def test_keywords_and_a_request_send_the_same(client, server) -> None:
    fields = {**FIELDS, "agents": [{"agent_name": "a"}], "ringing_timeout": 30}
    assert client.dial_whatsapp_call(**fields) == DIALLED
    request = lk.DialWhatsAppCallRequest(**FIELDS, agents=[lk.RoomAgentDispatch(agent_name="a")])
    request.ringing_timeout.FromSeconds(30)
    assert client.dial_whatsapp_call(request) == DIALLED
    assert server.requests[0].body == server.requests[1].body == request.SerializeToString()


def test_the_official_names_and_shape_work_without_await(server, monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", server.url.replace("http", "ws"))
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    with lk.LiveKitAPI() as api:
        assert api.connector.dial_whatsapp_call(DIAL) == DIALLED


def test_passing_a_request_and_keywords_raises_type_error(client, server) -> None:
    with pytest.raises(TypeError, match="room_name"):
        client.dial_whatsapp_call(DIAL, room_name="r")
    assert not server.requests


@pytest.mark.parametrize("missing", FIELDS)
def test_a_missing_field_is_rejected_before_sending(client, server, missing) -> None:
    with pytest.raises(lk.InvalidArgument, match=missing) as caught:
        client.dial_whatsapp_call(**{**FIELDS, missing: ""})
    error = caught.value
    assert error.metadata == {"argument": missing}
    assert (error.status, error.attempts, error.maybe_sent) == (None, 0, False)
    assert not server.requests


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("whatsapp_cloud_api_version", "v23.0", 'write "23.0"'),
        ("whatsapp_cloud_api_version", "23", '"23.0"'),
        ("whatsapp_cloud_api_version", "latest", '"23.0"'),
        ("whatsapp_to_phone_number", "+15551234567", r'without the leading "\+"'),
        ("whatsapp_to_phone_number", "1-555-123", "digits only"),
    ],
)
def test_a_malformed_field_is_rejected_with_a_remedy(client, server, field, value, remedy) -> None:
    with pytest.raises(lk.InvalidArgument, match=remedy) as caught:
        client.dial_whatsapp_call(**{**FIELDS, field: value})
    assert caught.value.metadata == {"argument": field}
    assert value not in str(caught.value) or field.endswith("version")
    assert not server.requests


def test_disconnect_needs_the_key_only_if_the_business_hangs_up(server) -> None:
    server.script[-1] = ok(lk.DisconnectWhatsAppCallResponse())
    with lk.ConnectorClient(server.url, "key", SECRET) as client:
        with pytest.raises(lk.InvalidArgument, match="whatsapp_api_key"):
            client.disconnect_whatsapp_call(whatsapp_call_id="wacid.1")
        client.disconnect_whatsapp_call(
            whatsapp_call_id="wacid.1", disconnect_reason="USER_INITIATED"
        )


def test_an_empty_sdp_counts_as_missing(client) -> None:
    with pytest.raises(lk.InvalidArgument, match="sdp"):
        client.connect_whatsapp_call(whatsapp_call_id="wacid.1", sdp={})


def test_validation_can_be_turned_off(server) -> None:
    with lk.ConnectorClient(server.url, "key", SECRET, validate=False) as client:
        client.dial_whatsapp_call(room_name="r")
    assert len(server.requests) == 1


def test_the_direction_of_a_twilio_call_has_no_default(client, server) -> None:
    with pytest.raises(TypeError, match="twilio_call_direction"):
        client.connect_twilio_call(room_name="r")
    assert not server.requests


def test_a_wrong_type_raises_type_error(client, server) -> None:
    with pytest.raises(TypeError, match="room_name"):
        client.dial_whatsapp_call(**{**FIELDS, "room_name": 7})
    with pytest.raises(TypeError, match="DialWhatsAppCallRequest"):
        client.dial_whatsapp_call(CONNECT)
    assert not server.requests


class Noting(lk.UnaryUnaryClientInterceptor):
    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    def intercept_unary_unary(self, continuation, client_call_details, request):
        self.notes.append(f"{self.name} {client_call_details.method}")
        details = dataclasses.replace(
            client_call_details, metadata=(*client_call_details.metadata, (f"x-{self.name}", "1"))
        )
        response, call = continuation(details, request)
        self.notes.append(f"{self.name} done after {call.attempts}")
        return response, call


# --- construction -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((), {}, "LIVEKIT_URL"),
        (("https://x",), {}, "LIVEKIT_API_KEY"),
        (("https://x", "key"), {}, "api_secret is missing"),
        (("https://x", None, "secret"), {}, "api_key is missing"),
        (("https://x", "key", "secret"), {"token": "t"}, "not both"),
        (("x.livekit.cloud", "key", "secret"), {}, "https://"),
        (("ftp://x", "key", "secret"), {}, "https://"),
        (("https://", "key", "secret"), {}, "https://"),
        (("https://user:pass@x", "key", "secret"), {}, "user name"),
        (("https://x:99999", "key", "secret"), {}, "https://"),
        (("https://x", "key", "secret"), {"timeout": 0}, "timeout"),
        (("https://x", "key", "secret"), {"timeout": -1}, "timeout"),
        (("https://x", "key", "secret"), {"timeout": float("nan")}, "timeout"),
        (("https://x", "key", "secret"), {"timeout": "5"}, "timeout"),
        ((7, "key", "secret"), {}, "url must be a str"),
        (("https://x", b"key", "secret"), {}, "api_key must be a str"),
        (("https://x", "key ", "secret"), {}, "api_key begins or ends with white space"),
        (("https://x", "key", "secret\n"), {}, "api_secret begins or ends with white space"),
        (("https://x",), {"token": b"x"}, "token is not a JWT"),
        (("https://x", "key", "secret"), {"retry": 3}, "retry must be a RetryPolicy"),
        (("https://x", "key", "secret"), {"failover": "no"}, "failover must be True"),
        (("https://x", "key", "secret"), {"session": requests.Session}, "session must be a"),
        (("https://x", "key", "secret"), {"proxies": "http://p"}, "proxies must be a mapping"),
        (("https://x", "key", "secret"), {"verify": 5}, "verify must be a path"),
        (("https://x", "key", "secret"), {"interceptors": [Noting]}, "the class Noting"),
        (("https://x", "key", "secret"), {"interceptors": Noting("a", [])}, "a list or tuple"),
        (("https://x", "key", "secret"), {"interceptors": None}, "a list or tuple"),
        (("https://x", "key", "secret"), {"verify": "/no/such/file"}, "verify"),
        (("https://x", "key", "secret"), {"cert": "/no/such/file"}, "cert"),
    ],
)
def test_a_wrong_option_raises_value_error_that_names_it(arguments, options, named) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        lk.ConnectorClient(*arguments, **options)
    assert "pass@" not in str(caught.value)


def test_incomplete_credentials_are_named_by_environment_variable(monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    with pytest.raises(ValueError, match=r"^LIVEKIT_API_SECRET is missing: LIVEKIT_API_KEY is set"):
        lk.ConnectorClient("https://x")


@pytest.mark.parametrize("credentials", [None, ("key", "secret"), lk.ApiKeyCredentials])
def test_wrong_credentials_raise_value_error(credentials) -> None:
    with pytest.raises(ValueError, match="credentials must be"):
        lk.Channel("https://x", credentials)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("wss://x.livekit.cloud", "https://x.livekit.cloud"),
        ("ws://127.0.0.1:7880/", "http://127.0.0.1:7880"),
        ("https://x/base/path//?a=b#c", "https://x/base/path"),
        ("  https://x ", "https://x"),
    ],
)
def test_urls_are_normalized(given, url) -> None:
    assert lk.Channel(given, lk.TokenCredentials("t")).url == url


def test_explicit_credentials_override_the_environment(server, monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_TOKEN", "from-the-environment")
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    with lk.ConnectorClient(server.url, "key", SECRET) as client:
        client.dial_whatsapp_call(DIAL)
    assert server.requests[0].header("Authorization") != "Bearer from-the-environment"
    with pytest.raises(ValueError, match="api_secret is missing"):
        lk.ConnectorClient(server.url, "key")
    with lk.ConnectorClient(server.url) as client:
        client.dial_whatsapp_call(DIAL)
    assert server.requests[1].header("Authorization") == "Bearer from-the-environment"


def test_a_token_is_sent_unchanged(server) -> None:
    with lk.LiveKitAPI.with_token("abc", server.url) as api:
        api.connector.dial_whatsapp_call(DIAL)
    assert server.requests[0].header("Authorization") == "Bearer abc"


def test_calling_a_closed_client_raises_value_error(server) -> None:
    client = lk.ConnectorClient(server.url, "key", SECRET)
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.dial_whatsapp_call(DIAL)


def test_closing_a_client_closes_its_connections(server) -> None:
    client = lk.ConnectorClient(server.url, "key", SECRET)
    client.dial_whatsapp_call(DIAL)
    client.close()
    assert server.hung_up_within(2)
    assert client.channel  # still held: the connections do not wait for the collector


def test_closing_a_client_leaves_the_callers_channel_open(server) -> None:
    with lk.Channel(server.url, lk.ApiKeyCredentials("key", SECRET)) as channel:
        with lk.ConnectorClient.from_channel(channel) as client:
            client.dial_whatsapp_call(DIAL)
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL)


# --- calls ------------------------------------------------------------------------------------


def test_with_call_returns_details_of_the_call(server) -> None:
    server.script[0] = ok(DIALLED)
    with lk.Channel(server.url, lk.TokenCredentials("t")) as channel:
        response, call = lk.ConnectorStub(channel).DialWhatsAppCall.with_call(
            DIAL, timeout=5.0, metadata=(("x-trace", "1"),)
        )
    assert response == DIALLED
    assert (call.code, call.attempts, call.url) == (None, 1, server.url)
    assert dict(call.trailing_metadata)["content-type"] == "application/protobuf"
    received = server.requests[0]
    assert received.header("x-trace") == "1"
    assert received.header("X-Livekit-Request-Id") == call.request_id
    target = "/twirp/livekit.Connector/DialWhatsAppCall"
    assert (received.method, received.target) == ("POST", target)
    assert received.header("Content-Type") == received.header("Accept") == "application/protobuf"


def test_a_client_tells_how_a_call_went(client, server) -> None:
    server.script[0] = ok(DIALLED)
    response, call = client.with_call.dial_whatsapp_call(**FIELDS, timeout=5.0)
    assert response == DIALLED
    assert (call.attempts, call.url) == (1, server.url)
    assert dict(call.trailing_metadata)["content-type"] == "application/protobuf"
    assert server.requests[0].header("X-Livekit-Request-Id") == call.request_id
    response, call = client.with_call.dial_whatsapp_call(DIAL)
    assert server.requests[1].header("X-Livekit-Request-Id") == call.request_id
    assert client.dial_whatsapp_call(DIAL) == response


def test_every_method_of_a_client_is_in_with_call(client) -> None:
    own = vars(lk.ConnectorClient).items()
    assert set(vars(client.with_call)) == {name for name, v in own if inspect.isfunction(v)}


class Seen(lk.UnaryUnaryClientInterceptor):
    def __init__(self) -> None:
        self.options = []

    def intercept_unary_unary(self, continuation, details, request):
        self.options.append((details.timeout, details.retry))
        return continuation(details, request)


def test_a_client_with_other_options_is_over_the_same_channel(server) -> None:
    seen = Seen()
    policy = lk.RetryPolicy(max_attempts=2)
    with lk.ConnectorClient(server.url, "key", SECRET, interceptors=[seen]) as client:
        hasty = client.with_options(timeout=3, retry=None)
        patient = hasty.with_options(retry=policy)
        with patient.with_options(timeout=None) as unlimited:
            for each in (client, hasty, patient, unlimited):
                assert each.channel is client.channel
                each.dial_whatsapp_call(DIAL)
        patient.with_call.dial_whatsapp_call(DIAL)
        patient.dial_whatsapp_call(DIAL, timeout=4, retry=None)
    options = [(lk.UNSET, lk.UNSET), (3, None), (3, policy), (None, policy), (3, policy), (4, None)]
    assert seen.options == options


def test_an_api_with_other_options_passes_them_on(server) -> None:
    seen = Seen()
    with lk.LiveKitAPI(server.url, "key", SECRET, interceptors=[seen], validate=False) as api:
        assert api.connector is api.connector
        hasty = api.with_options(timeout=3)
        for each in (api, hasty):
            each.connector.dial_whatsapp_call(DIAL)
        hasty.connector.dial_whatsapp_call(lk.DialWhatsAppCallRequest())
    assert [timeout for timeout, _ in seen.options] == [lk.UNSET, 3, 3]


def test_a_subclass_keeps_its_attributes_and_methods_with_other_options(server) -> None:
    class Own(lk.ConnectorClient):
        room = "own"

        def connect_twilio_call(self, **fields):
            return super().connect_twilio_call(room_name=self.room, **fields)

    client = Own(server.url, "key", SECRET)
    client.room = "mine"
    options = client.with_options(timeout=3)
    _, call = options.with_call.connect_twilio_call(twilio_call_direction=0)
    assert call.attempts == 1
    assert b"mine" in server.requests[0].body
    client.close()


@pytest.mark.parametrize(
    ("options", "fault"), [({"timeout": 0}, "timeout"), ({"retry": 3}, "RetryPolicy")]
)
def test_wrong_options_of_a_client_are_refused_at_once(client, options, fault) -> None:
    with pytest.raises(ValueError, match=fault):
        client.with_options(**options)


@pytest.mark.parametrize("kind", [lk.ConnectorStub, lk.ConnectorClient.from_channel])
@pytest.mark.parametrize("wrong", ["https://key:secret@x", None, lk.Channel, object()])
def test_what_is_no_channel_is_refused(kind, wrong) -> None:
    with pytest.raises(TypeError, match=r"pass Channel\(url, credentials\)") as caught:
        kind(wrong)
    assert "secret" not in str(caught.value)


def test_stub_calls_take_arguments_in_grpc_order(server) -> None:
    parameters = list(inspect.signature(UnaryUnaryMultiCallable.__call__).parameters)
    assert parameters == ["self", "request", "timeout", "metadata", "retry"]
    with lk.Channel(server.url, lk.TokenCredentials("t")) as channel:
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL, 5.0, (("x-trace", "2"),))
    assert server.requests[0].header("x-trace") == "2"


def test_extra_headers_are_sent_and_can_set_the_request_id(client, server) -> None:
    client.dial_whatsapp_call(DIAL, extra_headers={"x-livekit-request-id": "mine", "X-A": "b"})
    assert server.requests[0].header("X-Livekit-Request-Id") == "mine"
    assert server.requests[0].header("X-A") == "b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer x"),
        ("content-length", "0"),
        ("Host", "evil.com"),
        ("X A", "b"),
        ("", "b"),
        ("X-A", "b\r\nX-B: c"),
        ("X-A", "b\x00"),
        ("X-A", "\u20ac"),
        ("X-A\n", "b"),
    ],
)
def test_an_invalid_header_raises_value_error(client, server, name, value) -> None:
    with pytest.raises(ValueError, match=r"header|X-A"):
        client.dial_whatsapp_call(DIAL, extra_headers={name: value})
    assert not server.requests


def test_headers_of_the_wrong_type_raise_type_error(client, server) -> None:
    with pytest.raises(TypeError, match="extra_headers must be a mapping"):
        client.dial_whatsapp_call(DIAL, extra_headers=[("a", "b")])
    dial = lk.ConnectorStub(client.channel).DialWhatsAppCall
    for metadata in ({"x-a": "b"}, ["ab"], [("a", "b", "c")]):
        with pytest.raises(TypeError, match="pairs"):
            dial(DIAL, metadata=metadata)
    with pytest.raises(ValueError, match="retry must be a RetryPolicy"):
        dial(DIAL, retry=3)
    assert not server.requests


def test_repeated_metadata_is_joined_and_two_request_ids_are_rejected(server) -> None:
    with lk.Channel(server.url, lk.TokenCredentials("t")) as channel:
        dial = lk.ConnectorStub(channel).DialWhatsAppCall
        dial(DIAL, metadata=(("x-tag", "1"), ("X-Tag", "2")))
        assert server.requests[0].header("x-tag") == "1, 2"
        with pytest.raises(ValueError, match="not two"):
            dial(DIAL, metadata=[(name, "1") for name in ("X-Livekit-Request-Id",) * 2])


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "5", 10**400])
def test_a_timeout_that_is_not_positive_raises_value_error(client, timeout) -> None:
    with pytest.raises(ValueError, match="timeout"):
        client.dial_whatsapp_call(DIAL, timeout=timeout)


def test_an_unset_timeout_defaults_to_the_channels(server) -> None:
    server.script[-1] = STALL
    slow = lk.ConnectorClient(server.url, "key", SECRET, timeout=0.2)
    with slow, pytest.raises(lk.DeadlineExceeded, match=r"0\.2 s.*response headers"):
        slow.dial_whatsapp_call(DIAL)


def waiting(request, ringing: float = 0):
    copy = type(request)()
    copy.CopyFrom(request)
    copy.wait_until_answered = True
    if ringing:
        copy.ringing_timeout.FromMilliseconds(int(ringing * 1000))
    return copy


@pytest.mark.parametrize(
    ("rpc", "request_message", "call", "channel", "seconds"),
    [
        ("DialWhatsAppCall", DIAL, lk.UNSET, lk.UNSET, 10),
        ("AcceptWhatsAppCall", ACCEPT, lk.UNSET, lk.UNSET, 10),
        ("AcceptWhatsAppCall", waiting(ACCEPT), lk.UNSET, lk.UNSET, 32),
        ("AcceptWhatsAppCall", waiting(ACCEPT, 60.5), lk.UNSET, lk.UNSET, 62.5),
        ("AcceptWhatsAppCall", waiting(ACCEPT, 3), lk.UNSET, lk.UNSET, 10),
        ("ConnectWhatsAppCall", waiting(CONNECT), lk.UNSET, lk.UNSET, 32),
        ("AcceptWhatsAppCall", waiting(ACCEPT), 5.0, lk.UNSET, 5),
        ("AcceptWhatsAppCall", waiting(ACCEPT), lk.UNSET, 7.0, 7),
        ("AcceptWhatsAppCall", waiting(ACCEPT), None, 7.0, None),
        ("DialWhatsAppCall", DIAL, lk.UNSET, None, None),
    ],
)
def test_guarantee_2_the_default_timeout_depends_on_the_call(
    rpc, request_message, call, channel, seconds
) -> None:
    method = next(m for m in lk.ConnectorServicer.METHODS if m.name == rpc)
    assert choose_timeout(method, request_message, call, channel) == seconds


# --- interceptors -----------------------------------------------------------------------------


def test_interceptors_run_in_order_for_each_call(server) -> None:
    notes: list[str] = []
    interceptors = [Noting("a", notes), Noting("b", notes)]
    with lk.ConnectorClient(server.url, "key", SECRET, interceptors=interceptors) as client:
        client.dial_whatsapp_call(DIAL)
    rpc = "livekit.Connector/DialWhatsAppCall"
    assert notes == [f"a {rpc}", f"b {rpc}", "b done after 1", "a done after 1"]
    assert server.requests[0].header("x-a") == server.requests[0].header("x-b") == "1"


def test_an_interceptor_can_replace_an_error_with_a_response(server) -> None:
    server.script[-1] = twirp_error(404, "not_found")

    class Fallback(lk.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation, client_call_details, request):
            try:
                return continuation(client_call_details, request)
            except lk.NotFound:
                return lk.DialWhatsAppCallResponse(room_name="fallback"), lk.Call()

    with lk.ConnectorClient(server.url, "key", SECRET, interceptors=[Fallback()]) as client:
        assert client.dial_whatsapp_call(DIAL).room_name == "fallback"


@pytest.mark.parametrize("result", [None, DIALLED])
def test_an_interceptor_that_does_not_return_a_pair_is_named(server, result) -> None:
    class Forgetful(lk.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation, client_call_details, request):
            continuation(client_call_details, request)
            return result

    with lk.ConnectorClient(server.url, "key", SECRET, interceptors=[Forgetful()]) as client:
        with pytest.raises(TypeError, match=r"Forgetful\.intercept_unary_unary must return"):
            client.dial_whatsapp_call(DIAL)
