"""Outbound Twilio calls: the recipe of the documents, with Twilio's own client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import (
    Call,
    ConnectorEmulator,
    LiveKitWebhooks,
    TwilioWebhooks,
)
from livekit_connector_sync.webhooks import twiml

TO, CALLER, OWN = "+15551234567", "+4930123456", "+15550783881"
DOCUMENT = Path(__file__).parents[2] / "docs" / "twilio.md"


@pytest.fixture(scope="module")
def recipe() -> Any:
    """Return the functions of the document's first snippet."""
    found = re.search(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], str(DOCUMENT), "exec"), names)
    return SimpleNamespace(**names)


@pytest.fixture
def emulator(app: Any) -> Iterator[ConnectorEmulator]:
    twilio = TwilioWebhooks(app.url, "tok", phone_numbers=(OWN,))
    with ConnectorEmulator(twilio=twilio) as running:
        yield running


@pytest.fixture
def twilio(emulator: ConnectorEmulator) -> Client:
    return client_of_twilio(emulator)


def client_of_twilio(emulator: ConnectorEmulator, auth_token: str = "") -> Client:
    account = emulator.twilio
    client = Client(account.account_sid, auth_token or account.auth_token)
    client.api.base_url = emulator.url
    return client


@pytest.fixture
def place(
    recipe: Any, emulator: ConnectorEmulator, client: lk.ConnectorClient, twilio: Client, app: Any
) -> Callable[..., Call]:
    def place_call(*caller_ids: str, **options: Any) -> Call:
        callers = list(caller_ids or [OWN])
        sid = recipe.place_call(client, twilio, "support", TO, callers, app.url, **options)
        call = emulator.calls[-1]
        assert call.call_sid == sid
        return call

    return place_call


def test_a_call_from_dial_to_end(
    recipe: Any, emulator: ConnectorEmulator, twilio: Client, app: Any, place: Callable[..., Call]
) -> None:
    call = place()
    phone = twilio.calls(call.call_sid)
    assert (phone.fetch().status, call.state) == ("ringing", "ringing")
    emulator.answer(call)
    emulator.advance(65)
    assert phone.fetch().status == "in-progress"
    recipe.end_call(twilio, call.call_sid)
    ended = phone.fetch()
    assert (ended.status, ended.duration, ended.to, ended._from) == ("completed", "65", TO, OWN)
    assert (ended.end_time - ended.start_time).total_seconds() == 65
    assert call.state == "ended"
    recipe.end_call(twilio, call.call_sid)  # has ended already

    assert emulator.wait_for_webhooks()
    validator = RequestValidator("tok")
    forms = [dict(parse_qsl(body.decode())) for _, body in app.received]
    for (headers, _), form in zip(app.received, forms):
        assert validator.validate(app.url, form, headers["x-twilio-signature"])
        assert (form["CallSid"], form["To"]) == (call.call_sid, TO)
    statuses = [form["CallStatus"] for form in forms]
    assert statuses == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in forms] == ["0", "1", "2", "3"]
    assert forms[-1]["CallDuration"] == "65"


def test_the_participant_appears_when_the_callee_picks_up(
    recipe: Any, app: Any, client_of: Callable[..., lk.ConnectorClient]
) -> None:
    with ConnectorEmulator(livekit=LiveKitWebhooks(app.url)) as emulator:
        twilio = client_of_twilio(emulator)
        recipe.place_call(client_of(emulator), twilio, "support", TO, [OWN], "")
        assert emulator.wait_for_webhooks()
        assert [json.loads(body)["event"] for _, body in app.received] == ["room_started"]
        emulator.answer(emulator.calls[0])
        assert emulator.wait_for_webhooks()
    joined = json.loads(app.received[1][1])
    assert (joined["event"], joined["participant"]["identity"]) == ("participant_joined", "callee")


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda emulator, call: emulator.reject(call), "busy"),
        (lambda emulator, call: emulator.advance(61), "no-answer"),
        (lambda emulator, call: emulator.hang_up(call), "canceled"),
    ],
)
def test_a_call_that_nobody_picks_up(
    emulator: ConnectorEmulator,
    twilio: Client,
    app: Any,
    place: Callable[..., Call],
    end: Callable[[ConnectorEmulator, Call], object],
    status: str,
) -> None:
    call = place()
    end(emulator, call)
    assert twilio.calls(call.call_sid).fetch().status == status
    assert emulator.wait_for_webhooks()
    form = dict(parse_qsl(app.received[-1][1].decode()))
    assert (form["CallStatus"], form["SequenceNumber"]) == (status, "2")


def test_a_ringing_call_is_canceled(
    recipe: Any, emulator: ConnectorEmulator, twilio: Client, place: Callable[..., Call]
) -> None:
    call = place()
    recipe.end_call(twilio, call.call_sid)
    assert twilio.calls(call.call_sid).fetch().status == "canceled"
    answered = emulator.answer(place())
    with pytest.raises(TwilioRestException) as caught:
        twilio.calls(answered.call_sid).update(status="canceled")
    assert (caught.value.code, caught.value.status) == (21220, 400)
    assert answered.state == "active"


def test_the_caller_id_of_a_transfer(
    emulator: ConnectorEmulator, app: Any, place: Callable[..., Call]
) -> None:
    emulator.twilio_call(from_phone_number=CALLER)
    token = dict(parse_qsl(app.received[-1][1].decode()))["CallToken"]
    assert place(CALLER, OWN, call_token=token).business_number == CALLER[1:]
    assert place(CALLER, OWN).business_number == OWN[1:]  # 21210 without the token
    assert place("+15005550001", OWN).business_number == OWN[1:]  # 21212
    with pytest.raises(TwilioRestException) as caught:
        place(CALLER)
    assert caught.value.code == 21210


def test_an_ambiguous_failure_is_not_repeated(
    emulator: ConnectorEmulator,
    twilio: Client,
    place: Callable[..., Call],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = TwilioHttpClient.request

    def lose_the_response(self: TwilioHttpClient, *args: Any, **options: Any) -> Any:
        request(self, *args, **options)
        raise TimeoutError

    monkeypatch.setattr(TwilioHttpClient, "request", lose_the_response)
    with pytest.raises(TimeoutError):
        place(OWN, OWN)
    (call,) = emulator.calls
    assert [str(event) for _, event in call.timeline] == ["session", "create"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "15551234567"}, 21211),
        ({"from_": "anonymous"}, 21212),
        ({"status_callback": "app/status"}, 21609),
        ({"twiml": lk.UNSET}, 21205),
        ({"twiml": "<Response>"}, 12100),
        ({"twiml": "<Response><Say>Hello</Say></Response>"}, 12100),
        ({"twiml": twiml.connect_stream("wss://elsewhere/twilio/TW_1")}, 31920),
        ({"twiml": f"<Response><Say>{'x' * 4000}</Say></Response>"}, 32018),
    ],
)
def test_a_wrong_call_is_refused(
    emulator: ConnectorEmulator,
    client: lk.ConnectorClient,
    twilio: Client,
    fields: dict[str, Any],
    code: int,
) -> None:
    session = client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_OUTBOUND", room_name="support"
    )
    right = {"to": TO, "from_": OWN, "twiml": twiml.connect_stream(session.connect_url)}
    wanted = {name: each for name, each in {**right, **fields}.items() if each is not lk.UNSET}
    with pytest.raises(TwilioRestException) as caught:
        twilio.calls.create(**wanted)
    assert caught.value.code == code
    assert emulator.calls[0].call_sid == ""
    url = session.connect_url.replace("ws:", "http:", 1)
    twilio.calls.create(to=TO, from_=OWN, url=url)  # the session's URL serves the TwiML
    with pytest.raises(TwilioRestException) as caught:
        twilio.calls.create(**right)
    assert caught.value.code == 31920  # a session serves one call
    inbound = client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="support"
    )
    with pytest.raises(TwilioRestException, match="an inbound twilio call"):
        twilio.calls.create(**{**right, "twiml": twiml.connect_stream(inbound.connect_url)})


def test_wrong_requests_of_twilios_api(
    emulator: ConnectorEmulator, twilio: Client, place: Callable[..., Call]
) -> None:
    call = place()
    for attempt, code, status in (
        (client_of_twilio(emulator, "wrong").calls(call.call_sid).fetch, 20003, 401),
        (twilio.calls("CA0").fetch, 20404, 404),
        (twilio.messages("SM0").fetch, 20404, 404),
        (lambda: twilio.calls(call.call_sid).update(twiml="<Response/>"), 20001, 400),
    ):
        with pytest.raises(TwilioRestException) as caught:
            attempt()
        assert (caught.value.code, caught.value.status) == (code, status)
    assert call.state == "ringing"
