"""The webhooks that the emulator sends to the app: Meta's, LiveKit's, and Twilio's."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from typing import Any, Callable
from urllib.parse import parse_qsl

import pytest
from livekit import api

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import (
    Call,
    Clock,
    ConnectorEmulator,
    LiveKitWebhooks,
    MetaWebhooks,
    TwilioWebhooks,
)
from livekit_connector_sync.emulator.twilio import signature
from livekit_connector_sync.webhooks import meta

NOBODY = "http://127.0.0.1:9/"
DIAL = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_to_phone_number": "15551230000",
    "whatsapp_api_key": "graph-secret",
    "whatsapp_cloud_api_version": "23.0",
    "whatsapp_biz_opaque_callback_data": "order-7",
}
ACCEPT = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_api_key": "graph-secret",
    "whatsapp_cloud_api_version": "23.0",
}


def outbound_call(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> Call:
    dialled = client.dial_whatsapp_call(**DIAL)
    (call,) = emulator.calls
    client.connect_whatsapp_call(whatsapp_call_id=dialled.whatsapp_call_id, sdp=call.sdp)
    emulator.advance(20)
    return emulator.answer(call)


def updates(app: Any) -> list[dict[str, Any]]:
    """Return the values of Meta's webhooks, in order of arrival."""
    return [json.loads(body)["entry"][0]["changes"][0]["value"] for _, body in app.received]


def kinds(app: Any) -> list[str]:
    return [
        value["calls"][0]["event"] if "calls" in value else value["statuses"][0]["status"]
        for value in updates(app)
    ]


def test_metas_webhooks_about_an_outbound_call(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    still = Clock(lambda: 0.0)
    with ConnectorEmulator(meta=MetaWebhooks(app.url, app_secret="shh"), clock=still) as emulator:
        call = outbound_call(emulator, client_of(emulator))
        emulator.advance(65)
        emulator.hang_up(call)
        assert emulator.wait_for_webhooks()
        assert {webhook.results for webhook in emulator.webhooks} == {("200",)}
    for headers, body in app.received:
        digest = hmac.new(b"shh", body, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature-256"] == f"sha256={digest}"
    assert kinds(app) == ["connect", "RINGING", "ACCEPTED", "terminate"]
    first = json.loads(app.received[0][1])
    assert first["object"] == "whatsapp_business_account"
    assert first["entry"][0]["changes"][0]["field"] == "calls"
    connect, ringing, accepted, terminate = updates(app)
    assert ringing["messaging_product"] == "whatsapp"
    assert ringing["metadata"]["phone_number_id"] == DIAL["whatsapp_phone_number_id"]
    assert ringing["statuses"][0] == {
        "id": call.id,
        "timestamp": ringing["statuses"][0]["timestamp"],
        "type": "call",
        "status": "RINGING",
        "recipient_id": "15551230000",
        "recipient_user_id": call.user_id,
        "biz_opaque_callback_data": "order-7",
    }
    (update,) = connect["calls"]
    assert update["direction"] == "BUSINESS_INITIATED"
    assert update["session"] == {"sdp_type": "answer", "sdp": call.sdp.sdp}
    assert update["connection"]["webrtc"]["sdp"] == call.sdp.sdp
    assert (update["to"], update["from"]) == ("15551230000", "15550783881")
    (update,) = terminate["calls"]
    assert (update["status"], update["duration"]) == ("COMPLETED", 65)
    assert int(update["end_time"]) - int(update["start_time"]) == 65
    assert update["start_time"] == accepted["statuses"][0]["timestamp"]
    assert int(update["start_time"]) - int(connect["calls"][0]["timestamp"]) == 20


def test_metas_webhooks_about_an_outbound_call_that_is_connected_at_the_pickup(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    late = MetaWebhooks(app.url, connect_at_pickup=True)
    with ConnectorEmulator(meta=late) as emulator:
        client_of(emulator).dial_whatsapp_call(**DIAL)
        (call,) = emulator.calls
        assert emulator.wait_for_webhooks()
        assert kinds(app) == ["RINGING"]
        emulator.answer(call)
        client_of(emulator).connect_whatsapp_call(whatsapp_call_id=call.id, sdp=call.sdp)
        emulator.hang_up(call)
        assert emulator.wait_for_webhooks()
    assert kinds(app) == ["RINGING", "connect", "ACCEPTED", "terminate"]
    assert updates(app)[1]["calls"][0]["session"]["sdp"] == call.sdp.sdp


def test_metas_webhooks_about_an_inbound_call_that_nobody_accepts(app: Any) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        call = emulator.inbound_call(from_phone_number="4930123", from_name="Ada")
        emulator.advance(61)
        assert emulator.wait_for_webhooks()
    connect, terminate = updates(app)
    contact = {"profile": {"name": "Ada"}, "wa_id": "4930123", "user_id": call.user_id}
    assert connect["contacts"] == [contact]
    (update,) = connect["calls"]
    assert update["direction"] == "USER_INITIATED"
    assert update["session"] == {"sdp_type": "offer", "sdp": call.sdp.sdp}
    assert "connection" not in update
    assert terminate["calls"][0]["status"] == "FAILED"
    assert "duration" not in terminate["calls"][0]


def test_metas_webhooks_about_a_user_without_a_number(app: Any) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        call = emulator.inbound_call(
            user_id="US.111", parent_user_id="US.ENT.7", username="ada.l", from_name="Ada"
        )
        emulator.hang_up(call)
        assert emulator.wait_for_webhooks()
    connect, terminate = updates(app)
    contact = {
        "profile": {"name": "Ada", "username": "ada.l"},
        "user_id": "US.111",
        "parent_user_id": "US.ENT.7",
    }
    assert connect["contacts"] == terminate["contacts"] == [contact]
    for value in (connect, terminate):
        (update,) = value["calls"]
        assert "from" not in update
        assert update["from_user_id"] == "US.111"
        assert update["from_parent_user_id"] == "US.ENT.7"
    for _, body in app.received:
        (event,) = meta.parse(body)
        assert isinstance(event, (meta.CallConnect, meta.CallTerminate))
        assert (event.from_number, event.user_id, event.username) == ("", "US.111", "ada.l")


def test_a_user_has_the_same_id_in_both_directions(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        inbound = emulator.inbound_call(from_phone_number=DIAL["whatsapp_to_phone_number"])
        client_of(emulator).dial_whatsapp_call(**DIAL)
        outbound, hidden = emulator.calls[-1], emulator.inbound_call(username="ada.l")
        assert emulator.wait_for_webhooks()
    assert inbound.user_id == outbound.user_id != ""
    assert (hidden.user_number, hidden.user_id) != ("", inbound.user_id)
    assert hidden.user_id.startswith("US.")
    events = [event for _, body in app.received for event in meta.parse(body)]
    dialled = [event for event in events if event.raw["id"] == outbound.id]
    assert len(dialled) == 2
    assert {getattr(event, "user_id", "") for event in dialled} == {inbound.user_id}


def test_the_variations_of_metas_webhooks(app: Any) -> None:
    varied = MetaWebhooks(app.url, status_as_list=True, omit_direction=True, duplicates=1)
    with ConnectorEmulator(meta=varied) as emulator:
        emulator.hang_up(emulator.inbound_call())
        assert emulator.wait_for_webhooks()
    assert sorted(kinds(app)) == ["connect", "connect", "terminate", "terminate"]
    assert len({body for _, body in app.received}) == 2
    by_kind = dict(zip(kinds(app), updates(app)))
    assert "direction" not in by_kind["connect"]["calls"][0]
    assert by_kind["terminate"]["calls"][0]["status"] == ["FAILED"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("reject", ["connect", "RINGING", "REJECTED", "terminate"]),
        ("late", ["connect", "RINGING", "ACCEPTED", "terminate"]),
    ],
)
def test_metas_webhooks_about_the_end_of_a_call(
    app: Any, client_of: Callable[..., lk.ConnectorClient], event: str, expected: list[str]
) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        call_id = client_of(emulator).dial_whatsapp_call(**DIAL).whatsapp_call_id
        if event == "reject":
            emulator.reject(call_id)
        else:
            emulator.answer(call_id)
            emulator.advance(31)
        assert emulator.wait_for_webhooks()
    assert kinds(app) == expected
    terminate = updates(app)[-1]
    assert terminate["calls"][0]["status"] == "FAILED"
    assert "start_time" not in terminate["calls"][0]
    if event == "late":
        assert (
            terminate["errors"][0]["code"] == terminate["calls"][0]["errors"][0]["code"] == 138007
        )


def test_meta_retries(app: Any) -> None:
    app.statuses = [500, 404]
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        emulator.inbound_call()
        assert emulator.wait_for_webhooks()
        assert emulator.webhooks[0].results == (
            "500",
            "404",
        )  # the retry at once; the next is due later
        assert not emulator.webhooks[0].taken
        emulator.advance(10)
        assert emulator.wait_for_webhooks()
        assert emulator.webhooks[0].results == ("500", "404", "200")
        assert emulator.webhooks[0].taken
    assert len({body for _, body in app.received}) == 1


def test_a_webhook_is_redelivered(app: Any) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        emulator.inbound_call()
        assert emulator.wait_for_webhooks()
        emulator.redeliver(emulator.webhooks[0])
        assert emulator.wait_for_webhooks()
    (_, first), (_, again) = app.received
    assert first == again


def test_an_app_that_refuses_connections() -> None:
    with ConnectorEmulator(meta=MetaWebhooks("http://127.0.0.1:9/caf\u00e9")) as emulator:
        call = emulator.inbound_call()
        assert emulator.wait_for_webhooks()
        (webhook,) = emulator.webhooks
        assert webhook.results[0] == "ConnectionRefusedError"
        assert "refused" in webhook.answer
        assert webhook.call_id == call.id
        lines = [line for _, line in emulator.events_after(0, 1)[0]]
        assert any("meta calls connect to http" in line and "refused" in line for line in lines)


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000/x", "ftp://localhost/", "http://", "http://h:99999/x", "http://h:0/"),
        *("/x", "http://app..local/x", f"http://{'a' * 64}.local/x"),
    ],
)
def test_an_invalid_url_is_named(url: str) -> None:
    for make in (MetaWebhooks, LiveKitWebhooks, TwilioWebhooks):
        with pytest.raises(ValueError, match=rf"{make.__name__}\.(voice_)?url"):
            make(url)


def test_the_webhooks_of_a_call_arrive_in_order_and_do_not_delay_other_calls(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    app.held_back.clear()
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        slow = emulator.inbound_call()
        others = [emulator.inbound_call() for _ in range(3)]
        emulator.hang_up(slow)
        app.wait_for(4)  # all four connects at once; the terminate waits for its connect
        assert sorted(kinds(app)) == ["connect"] * 4
        app.held_back.set()
        assert emulator.wait_for_webhooks()
        assert kinds(app)[-1] == "terminate"
    ids = {update["calls"][0]["id"] for update in updates(app)}
    assert ids == {slow.id, *(call.id for call in others)}


def test_webhooks_that_are_due_together_are_sent_in_parallel(app: Any) -> None:
    app.statuses = [500, 500] * 3
    with ConnectorEmulator(meta=MetaWebhooks(app.url)) as emulator:
        for _ in range(3):
            emulator.inbound_call()
        assert emulator.wait_for_webhooks()  # each had its first attempt and its first retry
        app.held_back.clear()
        emulator.advance(10)
        app.wait_for(9)  # the second retries of all three are running
        app.held_back.set()


def test_livekits_webhooks_about_a_room_arrive_in_order_despite_retries(app: Any) -> None:
    app.statuses = [503]
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url, duplicates=1)) as emulator:
        with lk.ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, proxies={}
        ) as client:
            for _ in range(2):
                client.connect_twilio_call(
                    twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
                )
        first, second = emulator.calls
        for call in (second, first):
            emulator.answer(call)
        emulator.hang_up(second)
        emulator.hang_up(first)
        assert emulator.wait_for_webhooks()
        assert len(app.received) == 1  # the webhooks behind it wait
        emulator.advance(10)
        assert emulator.wait_for_webhooks()
        assert all(webhook.taken for webhook in emulator.webhooks)
    events = [json.loads(body) for _, body in app.received[1:]]
    names = [event["event"] for event in events]
    assert names[::2] == names[1::2]  # each twice
    assert names[::2] == [
        *("room_started", "participant_joined", "participant_joined"),
        *("participant_left", "participant_left", "room_finished"),
    ]
    assert events[2]["participant"]["identity"] != events[4]["participant"]["identity"]
    assert events[2]["participant"] == {
        **events[6]["participant"],
        "state": "ACTIVE",
    }


def test_queued_webhooks_are_kept_beyond_the_history(app: Any) -> None:
    app.held_back.clear()
    with ConnectorEmulator(meta=MetaWebhooks(app.url), history=2) as emulator:
        for _ in range(20):
            emulator.inbound_call()
        app.held_back.set()
        assert emulator.wait_for_webhooks()
        assert len(emulator.webhooks) < 20
    assert len({update["calls"][0]["id"] for update in updates(app)}) == 20


def test_webhooks_that_nobody_accepts_are_dropped() -> None:
    for options in ({"meta": MetaWebhooks(NOBODY)}, {"livekit": LiveKitWebhooks(NOBODY)}):
        with ConnectorEmulator(history=2, **options) as emulator:
            for number in range(20):
                call = emulator.inbound_call(from_phone_number=f"1555{number}")
                with lk.ConnectorClient(
                    emulator.url, emulator.api_key, emulator.api_secret, proxies={}
                ) as client:
                    client.accept_whatsapp_call(
                        **ACCEPT, whatsapp_call_id=call.whatsapp_call_id, sdp=call.sdp
                    )
                assert emulator.wait_for_webhooks()
            assert len(emulator.webhooks) <= 4


@pytest.mark.parametrize("make", [MetaWebhooks, LiveKitWebhooks])
def test_negative_duplicates_are_rejected(make: Any) -> None:
    with pytest.raises(ValueError, match=rf"{make.__name__}\.duplicates must be 0 or more"):
        make(NOBODY, duplicates=-1)


@pytest.mark.parametrize("waits_for", ["webhook", "connection", "voice webhook", "handshake"])
def test_closing_does_not_wait_for_an_app(app: Any, deaf_port: int, waits_for: str) -> None:
    app.held_back.clear()
    url = f"http://127.0.0.1:{deaf_port}/" if waits_for == "connection" else app.url
    emulator = ConnectorEmulator(meta=MetaWebhooks(url), twilio=TwilioWebhooks(url))
    emulator.start()
    if waits_for in ("webhook", "connection"):
        emulator.inbound_call()
    else:
        act = emulator.twilio_call if "voice" in waits_for else emulator.verify_meta_webhook
        waiting = threading.Thread(target=act)
        waiting.start()
    if waits_for != "connection":
        app.wait_for(1)
    started = time.monotonic()
    emulator.close()
    assert time.monotonic() - started < 3
    app.held_back.set()
    assert "emulator" not in " ".join(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("statuses", "results"),
    [
        ([204], ("204",)),
        ([401], ("401",)),
        ([501], ("501",)),
        ([503, 429], ("503", "429", "200")),
        ([503] * 9, ("503",) * 5),
    ],
)
def test_livekit_retries(app: Any, statuses: list[int], results: tuple[str, ...]) -> None:
    app.statuses = statuses
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        with lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client:
            client.connect_twilio_call(
                twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
            )
        for _ in results:
            assert emulator.wait_for_webhooks()
            emulator.advance(10)
        assert emulator.wait_for_webhooks()
        (webhook,) = emulator.webhooks
        assert webhook.results == results
        assert webhook.taken is (results[-1] in ("200", "204"))


def test_metas_handshake(app: Any) -> None:
    app.verify_token = "open sesame"
    with ConnectorEmulator(meta=MetaWebhooks(app.url, verify_token="open sesame")) as emulator:
        assert emulator.verify_meta_webhook()
    with ConnectorEmulator(meta=MetaWebhooks(f"{app.url}?a=1", verify_token="wrong")) as emulator:
        assert not emulator.verify_meta_webhook()
    with ConnectorEmulator() as emulator, pytest.raises(ValueError, match="MetaWebhooks"):
        emulator.verify_meta_webhook()


def test_livekits_webhooks_about_room_and_participant(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        client = client_of(emulator)
        emulator.advance(3600)  # does not move the app's clock
        call = emulator.inbound_call()
        client.accept_whatsapp_call(
            **ACCEPT,
            whatsapp_call_id=call.whatsapp_call_id,
            sdp=call.sdp,
            room_name="desk",
            participant_identity="caller",
            participant_metadata="a customer",
            participant_attributes={"ticket": "4711"},
        )
        emulator.hang_up(call)
        emulator.advance(31)
        assert emulator.wait_for_webhooks()
        receiver = api.WebhookReceiver(api.TokenVerifier(emulator.api_key, emulator.api_secret))
        events = [
            receiver.receive(body.decode(), headers["authorization"])
            for headers, body in app.received
        ]
    assert [event.event for event in events] == [
        "room_started",
        "participant_joined",
        "participant_left",
        "room_finished",
    ]
    assert {event.room.name for event in events} == {"desk"}
    assert len({event.id for event in events}) == 4
    joined = events[1].participant
    assert (joined.identity, joined.kind) == ("caller", 7)
    assert (joined.metadata, dict(joined.attributes)) == ("a customer", {"ticket": "4711"})
    assert list(joined.kind_details) == [2]
    assert app.received[0][0]["content-type"] == "application/webhook+json"


def test_livekits_webhooks_about_an_outbound_call_that_nobody_picks_up(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        client_of(emulator).dial_whatsapp_call(**DIAL)
        (call,) = emulator.calls
        assert emulator.wait_for_webhooks()
        assert [json.loads(body)["event"] for _, body in app.received] == ["room_started"]
        client_of(emulator).connect_whatsapp_call(whatsapp_call_id=call.id, sdp=call.sdp)
        emulator.advance(31)  # no answer
        emulator.advance(31)  # nobody disconnects
        assert emulator.wait_for_webhooks()
    names = [json.loads(body)["event"] for _, body in app.received]
    assert names == ["room_started", "participant_joined", "participant_left", "room_finished"]


def test_livekits_webhooks_about_a_twilio_session(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        client_of(emulator).connect_twilio_call(
            twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
        )
        emulator.hang_up(emulator.answer(emulator.calls[0]))
        assert emulator.wait_for_webhooks()
    names = [json.loads(body)["event"] for _, body in app.received]
    assert names == ["room_started", "participant_joined", "participant_left", "room_finished"]


def test_a_room_exists_until_its_last_call_ends(
    app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        client = client_of(emulator)

        def accept(**fields: Any) -> Call:
            call = emulator.inbound_call()
            client.accept_whatsapp_call(
                **ACCEPT,
                whatsapp_call_id=call.whatsapp_call_id,
                sdp=call.sdp,
                room_name="desk",
                **fields,
            )
            assert emulator.wait_for_webhooks()
            return call

        def end(call: Call) -> None:
            client.disconnect_whatsapp_call(
                whatsapp_call_id=call.whatsapp_call_id, whatsapp_api_key="graph-secret"
            )
            assert emulator.wait_for_webhooks()

        first, second = accept(), accept(agents=[{"agent_name": "bot"}])
        end(first)
        end(second)
        accept()
    events = [json.loads(body) for _, body in app.received]
    assert [event["event"] for event in events] == [
        *("room_started", "participant_joined"),
        *("participant_joined", "participant_joined", "participant_left"),
        *("participant_left", "participant_left", "room_finished"),
        *("room_started", "participant_joined"),
    ]
    assert events[3]["participant"]["kind"] == "AGENT"
    sids = [event["room"]["sid"] for event in events]
    assert len(set(sids[:8])) == 1
    assert sids[8] not in sids[:8]


def test_twilios_signature_matches_its_documentation() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature(url, form, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_twilio_calls_the_app(app: Any) -> None:
    app.reply = b"<Response/>"
    with ConnectorEmulator(twilio=TwilioWebhooks(app.url, "tok", account_sid="AC7")) as emulator:
        reply = emulator.twilio_call(from_phone_number="+4930123")
        (webhook,) = emulator.webhooks
    assert (reply.status, reply.body) == (200, "<Response/>")
    assert (webhook.sender, webhook.call_id, webhook.taken) == ("twilio", reply.call_sid, True)
    assert webhook.answer == "<Response/>"
    ((headers, body),) = app.received
    form = dict(parse_qsl(body.decode()))
    assert (form["From"], form["CallSid"]) == ("+4930123", reply.call_sid)
    assert form["AccountSid"] == "AC7"
    assert headers["x-twilio-signature"] == signature(app.url, form, "tok")
