"""The helpers for users' tests: FakeChannel, signed requests, and the pytest plugin."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from livekit import api

import livekit_connector_sync as lk
from livekit_connector_sync.emulator.twilio import signature
from livekit_connector_sync.testing import (
    FakeChannel,
    livekit_webhook,
    meta_webhook,
    twilio_webhook,
)
from livekit_connector_sync.webhooks import meta

SECRET = "s3cret-of-the-project-with-32-characters"
DISCONNECT = {"whatsapp_call_id": "wacid.1", "whatsapp_api_key": "graph-secret"}


def test_fake_channel_responds_from_its_table() -> None:
    channel = FakeChannel(
        {
            "DisconnectWhatsAppCall": [lk.DisconnectWhatsAppCallResponse(), lk.NotFound("gone")],
            "ConnectTwilioCall": lambda request: lk.ConnectTwilioCallResponse(
                connect_url=f"ws://{request.room_name}"
            ),
        }
    )
    client = lk.ConnectorClient.from_channel(channel)
    client.disconnect_whatsapp_call(**DISCONNECT, timeout=3.0)
    with pytest.raises(lk.NotFound, match="gone"):
        client.disconnect_whatsapp_call(**DISCONNECT)
    with pytest.raises(AssertionError, match="no further answer"):
        client.disconnect_whatsapp_call(**DISCONNECT)
    twilio = client.connect_twilio_call(twilio_call_direction=0, room_name="desk")
    assert twilio.connect_url == "ws://desk"
    first = channel.requests[0]
    assert first.method == "livekit.Connector/DisconnectWhatsAppCall"
    assert first.request.whatsapp_call_id == "wacid.1"
    assert first.details.timeout == 3.0


@pytest.mark.parametrize("name", ["DialWhatsAppCall", "DialWhatsappCall", "dial_whatsapp_call"])
def test_fake_channel_accepts_either_spelling(name: str) -> None:
    channel = FakeChannel({name: lk.DialWhatsAppCallResponse(room_name="sales")})
    client = lk.ConnectorClient.from_channel(channel, validate=False)
    assert client.dial_whatsapp_call(room_name="x").room_name == "sales"


def test_fake_channel_responds_empty_by_default_and_rejects_wrong_responses() -> None:
    client = lk.ConnectorClient.from_channel(FakeChannel({"DisconnectWhatsAppCall": "yes"}))
    assert client.connect_twilio_call(twilio_call_direction=0, room_name="desk").connect_url == ""
    with pytest.raises(TypeError, match="DisconnectWhatsAppCallResponse"):
        client.disconnect_whatsapp_call(**DISCONNECT)
    with pytest.raises(ValueError, match="no RPC 'DialWhatsApp': there are DialWhatsAppCall"):
        FakeChannel({"DialWhatsApp": lk.NotFound()})


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: FakeChannel([lk.DialWhatsAppCallResponse()]), "answers must be a mapping by RPC"),
        (lambda: FakeChannel({"dial_whatsapp_call": lk.NotFound}), "not the class NotFound"),
        (lambda: FakeChannel(servicer=lk.ConnectorStub), "servicer must be a class such as"),
        (lambda: meta_webhook(SECRET, "connect"), "event is not a calls webhook"),
        (lambda: meta_webhook("connect", None), "app_secret must be a str"),
        (lambda: meta_webhook("connect", SECRET, direction="in"), "direction must be inbound or"),
        (lambda: meta_webhook("connect", SECRET, sdp="v=0"), "sdp must be a SessionDescription"),
        (lambda: meta_webhook("connect", SECRET, timestamp="now"), "timestamp must be seconds"),
        (lambda: twilio_webhook(SECRET, form="a=b"), "form must be a mapping of parameters"),
        (lambda: twilio_webhook(""), "auth_token must not be empty"),
        (lambda: livekit_webhook("room_started", "key", ""), "api_secret must not be empty"),
        (
            lambda: livekit_webhook("room_started", "key", SECRET, room="desk"),
            "room must be a mapping",
        ),
    ],
)
def test_a_wrong_argument_of_a_helper_is_named(make: Callable[[], object], remedy: str) -> None:
    with pytest.raises((TypeError, ValueError), match=remedy) as caught:
        make()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timeout": -5}, "timeout"),
        ({"retry": 3}, "retry"),
        ({"extra_headers": {"Authorization": "x"}}, "Authorization"),
    ],
)
def test_fake_channel_checks_options_as_a_channel_does(options: dict, named: str) -> None:
    channel = FakeChannel()
    client = lk.ConnectorClient.from_channel(channel)
    with pytest.raises(ValueError, match=named):
        client.disconnect_whatsapp_call(**DISCONNECT, **options)
    assert not channel.requests


@pytest.mark.parametrize("event", ["connect", "terminate", "ringing", "accepted", "rejected"])
def test_meta_webhook(event: str) -> None:
    request = meta_webhook(event, "shh", whatsapp_call_id="wacid.7", direction="outbound")
    digest = hmac.new(b"shh", request.body, hashlib.sha256).hexdigest()
    assert request.wsgi_environ == {"HTTP_X_HUB_SIGNATURE_256": f"sha256={digest}"}
    assert request.content_type == "application/json"
    value = json.loads(request.body)["entry"][0]["changes"][0]["value"]
    (update,) = value.get("calls") or value["statuses"]
    assert update["id"] == "wacid.7"
    assert update.get("event", update.get("status", "").lower()) == event


@pytest.mark.parametrize("event", ["connect", "terminate", "ringing", "accepted", "rejected"])
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_meta_webhook_about_a_user_without_a_number(event: str, direction: str) -> None:
    user = {"user_id": "US.111", "parent_user_id": "US.ENT.7", "username": "ada.l"}
    webhook = meta_webhook(event, "shh", direction=direction, user_number="", **user)
    signature = webhook.headers[meta.SIGNATURE_HEADER]
    (received,) = meta.receive(webhook.body, signature, "shh")
    assert {name: getattr(received, name) for name in user} == user
    business = {"15550783881", ""}
    if isinstance(received, meta.CallStatus):
        assert received.recipient == ""
    else:
        assert isinstance(received, (meta.CallConnect, meta.CallTerminate))
        assert {received.from_number, received.to_number} == business


def test_a_terminate_of_a_call_that_nobody_picked_up() -> None:
    request = meta_webhook("terminate", "shh", picked_up=False)
    (update,) = json.loads(request.body)["entry"][0]["changes"][0]["value"]["calls"]
    assert (update["status"], update.get("start_time")) == ("FAILED", None)


def test_meta_webhook_rejects_unknown_events() -> None:
    with pytest.raises(ValueError, match="terminate"):
        meta_webhook("hold", "shh")


def test_twilio_webhook() -> None:
    request = twilio_webhook("tok", url="https://app/voice", form={"CallSid": "CA7"})
    form = dict(parse_qsl(request.body.decode()))
    assert form["CallSid"] == "CA7"
    assert request.headers["X-Twilio-Signature"] == signature("https://app/voice", form, "tok")


def test_livekit_webhook() -> None:
    request = livekit_webhook(
        "participant_joined",
        "key",
        "a secret that is long enough for PyJWT",
        room={"name": "desk"},
        participant={"identity": "caller", "kind": "CONNECTOR"},
    )
    verifier = api.TokenVerifier("key", "a secret that is long enough for PyJWT")
    event = api.WebhookReceiver(verifier).receive(
        request.body.decode(), request.headers["Authorization"]
    )
    assert (event.event, event.room.name) == ("participant_joined", "desk")
    assert event.participant.identity == "caller"


@pytest.mark.parametrize("workers", ["0", "3"], ids=["one process", "xdist"])
def test_the_plugins_fixtures(tmp_path: Path, workers: str) -> None:
    """Every test has an emulator of its own, on its own ports, in any worker of pytest-xdist."""
    (tmp_path / "test_app.py").write_text(
        "import pytest, time\n"
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_dial(connector_emulator, connector_client, number):\n"
        "    connector_client.dial_whatsapp_call(whatsapp_phone_number_id='1',\n"
        "        whatsapp_to_phone_number='15551230000', whatsapp_api_key='graph-secret',\n"
        "        whatsapp_cloud_api_version='23.0')\n"
        "    time.sleep(0.1)  # others dial meanwhile\n"
        "    assert [call.state for call in connector_emulator.calls] == ['ringing']\n"
        "    assert len(connector_emulator.region_urls) == 2\n"
    )
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def connector_emulator_options():\n"
        "    return {'regions': 2}\n"
    )
    plugins = ["-p", "livekit_connector_sync.pytest_plugin", "-p", "xdist.plugin"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-n", workers, "-W", "error", str(tmp_path)],
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HTTP_PROXY": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stdout
    assert "6 passed" in run.stdout
    assert ("3 workers" in run.stdout) is (workers == "3")
