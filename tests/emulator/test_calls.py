"""WhatsApp and Twilio calls from start to end, through the client and the emulator."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import (
    META_ERRORS,
    Call,
    Callee,
    ConnectorEmulator,
    Event,
    MetaError,
    MetaWebhooks,
    Timeouts,
)

DIAL = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_to_phone_number": "15551230000",
    "whatsapp_api_key": "graph-secret",
    "whatsapp_cloud_api_version": "23.0",
}
ACCEPT = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_api_key": "graph-secret",
    "whatsapp_cloud_api_version": "23.0",
}


USER_INITIATED = "USER_INITIATED"


def dial(client: lk.ConnectorClient, emulator: ConnectorEmulator, **fields: Any) -> Call:
    response = client.dial_whatsapp_call(**{**DIAL, **fields})
    return next(call for call in emulator.calls if call.id == response.whatsapp_call_id)


def accept(client: lk.ConnectorClient, call: Call, **fields: Any) -> str:
    fields = {**ACCEPT, "whatsapp_call_id": call.whatsapp_call_id, "sdp": call.sdp, **fields}
    return client.accept_whatsapp_call(**fields).room_name


def connect(client: lk.ConnectorClient, call: Call, **fields: Any) -> None:
    client.connect_whatsapp_call(whatsapp_call_id=call.whatsapp_call_id, sdp=call.sdp, **fields)


def disconnect(client: lk.ConnectorClient, call: Call, **fields: Any) -> None:
    fields = fields or {"whatsapp_api_key": "graph-secret"}
    client.disconnect_whatsapp_call(whatsapp_call_id=call.whatsapp_call_id, **fields)


def events(call: Call) -> list[str]:
    return [str(event) for _, event in call.timeline]


def test_outbound_call(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    call = dial(client, emulator, room_name="sales", agents=[{"agent_name": "bot"}])
    assert (call.state, call.direction, call.room_name) == ("ringing", "outbound", "sales")
    assert call.sdp.type == "answer"
    assert call.sdp.sdp.startswith("v=0\r\n")
    connect(client, call)
    assert call.state == "ringing"
    emulator.answer(call)
    assert call.state == "active"
    disconnect(client, call)
    assert events(call) == ["dial", "connect", "join", "answer", "disconnect"]
    assert call.state == "ended"


def test_outbound_call_that_is_connected_after_the_pickup(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    call = emulator.answer(dial(client, emulator))
    assert call.state == "answered"
    connect(client, call)
    assert call.state == "active"
    assert events(call) == ["dial", "answer", "connect", "join"]


def test_inbound_call(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    call = emulator.inbound_call(from_phone_number="15557654321")
    assert (call.state, call.direction, call.sdp.type) == ("ringing", "inbound", "offer")
    assert accept(client, call, room_name="support") == "support"
    assert call.state == "active"
    emulator.hang_up(call.whatsapp_call_id)
    assert call.state == "ended"
    disconnect(client, call, disconnect_reason=USER_INITIATED)
    assert events(call) == ["offer", "accept", "join", "hang_up", "disconnect"]


def test_a_room_is_named_after_the_call_by_default(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    call = emulator.inbound_call(whatsapp_call_id="wacid.A")
    assert accept(client, call) == call.room_name == "whatsapp-wacid.A"


def test_twilio_session(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    response = client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_OUTBOUND", room_name="support"
    )
    (call,) = emulator.calls
    assert response.connect_url == call.connect_url
    assert response.connect_url.startswith("ws://127.0.0.1:")
    assert (call.provider, call.direction, call.state) == ("twilio", "outbound", "ringing")
    assert emulator.answer(call).state == "active"
    assert emulator.hang_up(call).ended_by is Event.HANG_UP


def test_a_repeated_rpc_fails(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    inbound = emulator.inbound_call()
    accept(client, inbound)
    with pytest.raises(lk.AlreadyExists):
        accept(client, inbound)
    outbound = emulator.answer(dial(client, emulator))
    connect(client, outbound)
    with pytest.raises(lk.AlreadyExists):
        connect(client, outbound)
    disconnect(client, outbound)
    with pytest.raises(lk.NotFound):
        disconnect(client, outbound)
    with pytest.raises(lk.FailedPrecondition):
        connect(client, outbound)


def test_unknown_calls(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    offered = emulator.inbound_call()
    unknown = Call("wacid.UNKNOWN", offered.progress, sdp=offered.sdp)
    with pytest.raises(lk.NotFound):
        accept(client, unknown)
    with pytest.raises(lk.NotFound):
        disconnect(client, unknown)
    with pytest.raises(lk.NotFound):  # Meta has the call, LiveKit does not yet
        disconnect(client, offered)
    client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
    )
    session = emulator.calls[-1]
    with pytest.raises(lk.NotFound):
        client.disconnect_whatsapp_call(
            whatsapp_call_id=session.id, whatsapp_api_key="graph-secret"
        )
    assert session.state == "ringing"


def test_disconnect_needs_the_key_unless_the_user_ended_the_call(
    emulator: ConnectorEmulator, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    client = client_of(emulator, validate=False)
    call = emulator.inbound_call()
    accept(client, call)
    with pytest.raises(lk.InvalidArgument, match="whatsapp_api_key"):
        disconnect(client, call, disconnect_reason="BUSINESS_INITIATED")
    assert call.state == "active"
    disconnect(client, call, disconnect_reason="USER_INITIATED")  # who is still in the call
    assert call.state == "ended"
    assert call.ended_by is Event.LEAVE
    with pytest.raises(lk.NotFound):
        disconnect(client, call, disconnect_reason="USER_INITIATED")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"numbers": {"+15551230001": Callee.BUSY}}, "numbers must be in digits"),
        ({"numbers": {"15551230001": "away"}}, "'away' is not a valid Callee"),
        ({"numbers": {"1": 138006}}, r"numbers\['1'\]: 138006 is not .* such as META_ERRORS"),
        ({"max_calls": 0}, "max_calls and history"),
        ({"history": 0}, "max_calls and history"),
        ({"regions": 0}, "regions must be"),
    ],
)
def test_invalid_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ConnectorEmulator(**options)
    with pytest.raises(ValueError, match=r"Timeouts\.ring"):
        Timeouts(ring=-1)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"meta": "http://x"}, "meta must be MetaWebhooks or None, not str"),
        ({"meta": MetaWebhooks}, "meta must be MetaWebhooks or None, not the class MetaWebhooks"),
        ({"twilio": "http://x"}, "twilio must be TwilioWebhooks or None, not str"),
        ({"livekit": MetaWebhooks()}, "livekit must be LiveKitWebhooks or None, not MetaWebhooks"),
        ({"clock": 5}, "clock must be Clock or None, not int"),
        ({"numbers": {15551230001: Callee.BUSY}}, "a key of numbers must be str, not int"),
        ({"regions": "2"}, "regions must be int, not str"),
        ({"port": True}, "port must be int, not bool"),
        ({"max_calls": None}, "max_calls must be int, not None"),
        ({"certificate": "x.pem"}, "certificate must be tuple or None, not str"),
        ({"host": 5}, "host must be str, not int"),
        ({"dial_rule": "x"}, "dial_rule must be Callable or None, not str"),
        ({"timeouts": 5}, "timeouts must be Timeouts or None, not int"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(option: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}"):
        ConnectorEmulator(**option)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda _: MetaWebhooks(url=5), "MetaWebhooks.url must be str, not int"),
        (lambda _: MetaWebhooks(app_secret=None), "MetaWebhooks.app_secret must be str, not None"),
        (lambda _: Timeouts(ring="5"), "Timeouts.ring must be float, not str"),
        (lambda emulator: emulator.answer(None), "call must be Call or str, not None"),
        (lambda emulator: emulator.redeliver(None), "webhook must be Delivery, not None"),
        (lambda emulator: emulator.advance("5"), "seconds must be float, not str"),
        (lambda emulator: emulator.drop_region("0"), "index must be int, not str"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(
    emulator: ConnectorEmulator, use: Callable[[ConnectorEmulator], object], sentence: str
) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}"):
        use(emulator)


def test_an_inbound_call_accepts_an_sdp_as_the_client_does(emulator: ConnectorEmulator) -> None:
    call = emulator.inbound_call(sdp={"type": "offer", "sdp": "v=0"})
    assert (call.sdp.type, call.sdp.sdp) == ("offer", "v=0")
    with pytest.raises(TypeError, match="sdp"):
        emulator.inbound_call(sdp="v=0")  # type: ignore[arg-type]
    assert len(emulator.calls) == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"whatsapp_api_key": ""}, "whatsapp_api_key"),
        ({"whatsapp_cloud_api_version": "v23.0"}, 'write "23.0"'),
        ({"whatsapp_to_phone_number": "+15551230000"}, "leading"),
    ],
)
def test_the_service_checks_requests_too(
    emulator: ConnectorEmulator,
    client_of: Callable[..., lk.ConnectorClient],
    changes: dict[str, str],
    text: str,
) -> None:
    client = client_of(emulator, validate=False)
    with pytest.raises(lk.InvalidArgument, match=text) as caught:
        client.dial_whatsapp_call(**{**DIAL, **changes})
    assert caught.value.status == 400
    assert emulator.requests[-1].outcome == "invalid_argument"


@pytest.mark.parametrize(
    ("sdp", "text"),
    [
        ({"type": "answer", "sdp": "v=0"}, "'offer'"),
        ({"sdp": "v=0"}, "'offer'"),
        ({"type": "offer"}, "empty"),
    ],
)
def test_the_sdp_must_be_an_offer(
    emulator: ConnectorEmulator, client: lk.ConnectorClient, sdp: dict[str, str], text: str
) -> None:
    call = emulator.inbound_call()
    with pytest.raises(lk.InvalidArgument, match=text):
        accept(client, call, sdp=sdp)
    assert call.state == "ringing"


def test_the_sdp_is_checked_before_the_version_and_the_call(
    emulator: ConnectorEmulator, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    client = client_of(emulator, validate=False)
    unknown = Call("wacid.UNKNOWN", emulator.inbound_call().progress)
    offer, answer = ({"type": kind, "sdp": "v=0"} for kind in ("offer", "answer"))
    with pytest.raises(lk.InvalidArgument, match="sdp type"):
        accept(client, unknown, sdp=answer, whatsapp_cloud_api_version="v23.0")
    with pytest.raises(lk.InvalidArgument, match=r'write "23\.0"'):
        accept(client, unknown, sdp=offer, whatsapp_cloud_api_version="v23.0")
    with pytest.raises(lk.NotFound):
        accept(client, unknown, sdp=offer)
    with pytest.raises(lk.InvalidArgument, match="sdp type"):
        client.connect_whatsapp_call(whatsapp_call_id=unknown.id, sdp=offer)
    with pytest.raises(lk.NotFound):
        client.connect_whatsapp_call(whatsapp_call_id=unknown.id, sdp=answer)
    with pytest.raises(lk.NotFound):
        disconnect(client, unknown, disconnect_reason=USER_INITIATED)


def test_the_service_rejects_invalid_values(
    emulator: ConnectorEmulator, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    client = client_of(emulator)
    past = lk.DialWhatsAppCallRequest(**DIAL)
    past.ringing_timeout.seconds = -5
    with pytest.raises(lk.InvalidArgument, match="ringing_timeout"):
        client.dial_whatsapp_call(past)
    with pytest.raises(lk.InvalidArgument, match="at most 512"):
        client.dial_whatsapp_call(**DIAL, whatsapp_biz_opaque_callback_data="x" * 513)
    unknown = lk.ConnectTwilioCallRequest(room_name="desk", twilio_call_direction=7)
    with pytest.raises(lk.InvalidArgument, match="twilio_call_direction"):
        client.connect_twilio_call(unknown)
    assert emulator.calls == []
    # The longest possible Duration must not stop the timeouts of other calls.
    forever = dial(client, emulator, ringing_timeout=300)
    emulator.reject(dial(client, emulator, whatsapp_to_phone_number="49301234"))
    brief = dial(client, emulator, whatsapp_to_phone_number="49311234", ringing_timeout=0.02)
    deadline = time.monotonic() + 5
    while brief.state != "ended" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (brief.ended_by, forever.state) == (Event.NO_ANSWER, "ringing")


def test_tokens(emulator: ConnectorEmulator) -> None:
    def token(video: lk.VideoGrants, secret: str = emulator.api_secret, key: str = "devkey") -> str:
        return lk.AccessToken(key, secret).with_grants(video).to_jwt()

    allowed = lk.VideoGrants(room_create=True)
    for text, error in (
        (token(lk.VideoGrants(room_list=True)), lk.PermissionDenied),
        (token(allowed, secret="another secret"), lk.Unauthenticated),
        (token(allowed, key="another key"), lk.Unauthenticated),
        ("not.a.token", lk.Unauthenticated),
    ):
        with lk.ConnectorClient(emulator.url, token=text) as client, pytest.raises(error):
            client.dial_whatsapp_call(**DIAL)
    assert [request.outcome for request in emulator.requests] == [
        "permission_denied",
        *["unauthenticated"] * 3,
    ]
    assert emulator.calls == []
    with lk.ConnectorClient(emulator.url, token=token(allowed)) as client:
        client.dial_whatsapp_call(**DIAL)


def test_meta_refuses_calls(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    dial(client, emulator)
    with pytest.raises(lk.InvalidArgument, match="138003"):
        dial(client, emulator)
    with pytest.raises(lk.InvalidArgument, match=r"138006.*permission"):
        dial(client, emulator, whatsapp_to_phone_number="15550138006")
    dial(
        client, emulator, whatsapp_to_phone_number="15550000100"
    )  # not Meta's code 100: only six digits count
    emulator.numbers["4930111"] = META_ERRORS[138005]
    with pytest.raises(lk.InvalidArgument, match="138005"):
        dial(client, emulator, whatsapp_to_phone_number="4930111")
    emulator.dial_rule = lambda request: MetaError(1, "no") if request.room_name == "x" else None
    with pytest.raises(lk.InvalidArgument, match=r"\(#1\) no"):
        dial(client, emulator, whatsapp_to_phone_number="4930222", room_name="x")
    emulator.dial_rule = lambda request: "busy"  # type: ignore[assignment,return-value]
    assert dial(client, emulator, whatsapp_to_phone_number="4930333").ended_by is Event.BUSY
    assert len(emulator.calls) == 3


def test_a_user_is_dialled_once_at_a_time(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    outbound = dial(client, emulator)
    inbound = emulator.inbound_call(from_phone_number=outbound.user_number)
    emulator.hang_up(inbound)
    with pytest.raises(lk.InvalidArgument, match="138003"):
        dial(client, emulator)
    dial(client, emulator, whatsapp_phone_number_id="another number of the business")
    emulator.reject(outbound)
    dial(client, emulator)


def test_capacity(client_of: Callable[..., lk.ConnectorClient]) -> None:
    with ConnectorEmulator(max_calls=2) as emulator:
        client = client_of(emulator)
        first = dial(client, emulator, whatsapp_to_phone_number="15550000001")
        dial(client, emulator, whatsapp_to_phone_number="15550000002")
        with pytest.raises(lk.InvalidArgument, match="138002"):
            dial(client, emulator, whatsapp_to_phone_number="15550000003")
        disconnect(client, first)
        dial(client, emulator, whatsapp_to_phone_number="15550000003")


@pytest.mark.parametrize(
    ("callee", "state", "ended_by"),
    [
        (Callee.ANSWER, "answered", None),
        (Callee.REJECT, "ended", "reject"),
        (Callee.BUSY, "ended", "busy"),
    ],
)
def test_the_user_reacts_as_configured(
    emulator: ConnectorEmulator,
    client: lk.ConnectorClient,
    callee: Callee,
    state: str,
    ended_by: str,
) -> None:
    emulator.numbers[DIAL["whatsapp_to_phone_number"]] = callee
    call = dial(client, emulator)
    assert (call.state, call.ended_by) == (state, ended_by)


def test_timeouts(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    unanswered = dial(client, emulator, ringing_timeout=12)
    offered = emulator.inbound_call()
    emulator.advance(13)
    assert unanswered.ended_by is Event.NO_ANSWER
    disconnect(client, unanswered, disconnect_reason=USER_INITIATED)  # as Meta's terminate asks
    assert offered.state == "ringing"
    emulator.advance(60)
    assert offered.ended_by is Event.NO_ANSWER

    unconnected = emulator.answer(dial(client, emulator))
    emulator.advance(31)
    assert unconnected.ended_by is Event.NOT_CONNECTED

    abandoned = emulator.inbound_call()
    accept(client, abandoned)
    emulator.hang_up(abandoned)
    emulator.advance(31)
    assert events(abandoned)[-1] == "release"
    with pytest.raises(lk.NotFound):
        disconnect(client, abandoned, disconnect_reason=USER_INITIATED)


def test_history_is_bounded(client_of: Callable[..., lk.ConnectorClient]) -> None:
    with ConnectorEmulator(history=3) as emulator:
        live = emulator.inbound_call()
        for _ in range(5):
            emulator.reject(emulator.inbound_call())
        assert len(emulator.calls) == 3
        assert emulator.calls[0] is live
        client = client_of(emulator, retry=None)
        for _ in range(5):
            with pytest.raises(lk.NotFound):
                disconnect(client, Call("wacid.UNKNOWN", live.progress))
        assert len(emulator.requests) == 3


def test_a_timeout_happens_without_advance(client_of: Callable[..., lk.ConnectorClient]) -> None:
    with ConnectorEmulator(timeouts=Timeouts(ring=0.05)) as emulator:
        call = dial(client_of(emulator), emulator)
        deadline = time.monotonic() + 5
        while call.state != "ended" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert call.ended_by is Event.NO_ANSWER


def test_handles_reject_impossible_events(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    call = emulator.inbound_call()
    with pytest.raises(ValueError, match="answer cannot happen to an inbound"):
        emulator.answer(call)
    emulator.reject(call)
    with pytest.raises(ValueError, match="hang_up cannot happen"):
        emulator.hang_up(call)
    with pytest.raises(ValueError, match="already"):
        emulator.inbound_call(whatsapp_call_id=call.whatsapp_call_id)
    with pytest.raises(lk.NotFound):
        emulator.answer("wacid.UNKNOWN")


def in_background(function: Callable[[], object], until: Callable[[], bool]) -> Any:
    """Start an RPC that waits; return its future once it waits."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function)
    deadline = time.monotonic() + 5
    while not until() and time.monotonic() < deadline:
        time.sleep(0.005)
    pool.shutdown(wait=False)
    assert until()
    assert not future.done()
    return future


def test_accept_waits_for_the_agent(client_of: Callable[..., lk.ConnectorClient]) -> None:
    with ConnectorEmulator(agent_joins=False) as emulator:
        client = client_of(emulator)
        call = emulator.inbound_call()
        waiting = in_background(
            lambda: accept(client, call, wait_until_answered=True), lambda: call.state == "active"
        )
        emulator.join(call)
        assert waiting.result(5) == call.room_name

        late = emulator.inbound_call()
        waiting = in_background(
            lambda: accept(client, late, wait_until_answered=True, ringing_timeout=20),
            lambda: late.state == "active",
        )
        emulator.advance(21)
        with pytest.raises(lk.DeadlineExceeded) as caught:
            waiting.result(5)
        assert caught.value.status == 408
        assert late.ended_by is Event.NOT_JOINED

        gone = emulator.inbound_call()
        waiting = in_background(
            lambda: accept(client, gone, wait_until_answered=True), lambda: gone.state == "active"
        )
        emulator.hang_up(gone)
        with pytest.raises(lk.FailedPrecondition):
            waiting.result(5)


def test_connect_waits_for_the_user(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    call = dial(client, emulator)
    waiting = in_background(
        lambda: connect(client, call, wait_until_answered=True), lambda: call.progress.joined
    )
    with pytest.raises(lk.AlreadyExists):
        connect(client, call, wait_until_answered=True)
    with pytest.raises(lk.AlreadyExists):
        connect(client, call)
    emulator.answer(call)
    waiting.result(5)
    assert call.state == "active"

    emulator.hang_up(call)
    ignored = dial(client, emulator, ringing_timeout=20)
    emulator.advance(15)
    waiting = in_background(
        lambda: connect(client, ignored, wait_until_answered=True),
        lambda: ignored.progress.joined,
    )
    emulator.advance(6)  # the phone stops ringing 20 s after the dial, not after the connect
    with pytest.raises(lk.DeadlineExceeded, match="pick up"):
        waiting.result(5)
    assert ignored.ended_by is Event.NO_ANSWER


def test_connect_waits_for_the_agent(client_of: Callable[..., lk.ConnectorClient]) -> None:
    with ConnectorEmulator(agent_joins=False) as emulator:
        client = client_of(emulator)
        call = emulator.answer(dial(client, emulator))
        waiting = in_background(
            lambda: connect(client, call, wait_until_answered=True), lambda: call.state == "active"
        )
        emulator.join(call)
        waiting.result(5)


def test_closing_ends_a_waiting_rpc(client_of: Callable[..., lk.ConnectorClient]) -> None:
    emulator = ConnectorEmulator(agent_joins=False)
    emulator.start()
    client = client_of(emulator)
    call = emulator.inbound_call()
    waiting = in_background(
        lambda: accept(client, call, wait_until_answered=True), lambda: call.state == "active"
    )
    started = time.monotonic()
    emulator.close()
    with pytest.raises(lk.TwirpError):
        waiting.result(5)
    assert time.monotonic() - started < 2


def test_requests_are_recorded_unchanged(
    emulator: ConnectorEmulator, client: lk.ConnectorClient
) -> None:
    client.dial_whatsapp_call(**DIAL, extra_headers={"X-Trace": "7"})
    (record,) = emulator.requests
    assert record.method == "livekit.Connector/DialWhatsAppCall"
    assert record.request == lk.DialWhatsAppCallRequest(**DIAL)
    assert record.headers["x-trace"] == "7"
    assert record.body == lk.DialWhatsAppCallRequest(**DIAL).SerializeToString()
    assert (record.region, record.outcome, record.message) == (0, "ok", "")
    with pytest.raises(lk.InvalidArgument):
        client.dial_whatsapp_call(**DIAL)
    assert emulator.requests[-1].outcome == "invalid_argument"
    assert "138003" in emulator.requests[-1].message
    assert "graph-secret" not in repr(record)
    assert "Bearer" not in repr(record)


def test_64_clients_and_no_thread_left(client_of: Callable[..., lk.ConnectorClient]) -> None:
    before = set(threading.enumerate())
    with ConnectorEmulator() as emulator:
        client = client_of(emulator)

        def whole_call(number: int) -> None:
            call = dial(client, emulator, whatsapp_to_phone_number=f"4930{number:04}")
            connect(client, emulator.answer(call))
            disconnect(client, call)

        with ThreadPoolExecutor(64) as pool:
            list(pool.map(whole_call, range(192)))
        assert len(emulator.calls) == 192
        assert {call.state for call in emulator.calls} == {"ended"}
        assert {request.outcome for request in emulator.requests} == {"ok"}
    assert set(threading.enumerate()) <= before
