"""The examples for Flask and FastAPI, in a real server, with the emulator and signed requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from helpers.servers import Server, free_port, run_server

from livekit_connector_sync import ConnectorClient
from livekit_connector_sync.emulator import (
    ConnectorEmulator,
    MetaWebhooks,
    State,
    TwilioWebhooks,
)
from livekit_connector_sync.testing import meta_webhook, twilio_webhook
from livekit_connector_sync.webhooks import twiml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COMMANDS = {
    "flask": ["-m", "gunicorn", "flask_app:app", "--bind", "127.0.0.1:{}"],
    "fastapi": ["-m", "uvicorn", "fastapi_app:app", "--port", "{}"],
}
SECRETS = {
    "META_APP_SECRET": "emulated-app-secret",
    "META_VERIFY_TOKEN": "emulated-verify-token",
    "TWILIO_AUTH_TOKEN": "emulated-auth-token",
}


@pytest.fixture(scope="module", params=COMMANDS)
def running(
    request: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, ConnectorEmulator]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [word.format(port) for word in COMMANDS[request.param]]
    with ConnectorEmulator(
        meta=MetaWebhooks(f"{url}/webhooks/meta"),
        twilio=TwilioWebhooks(f"{url}/webhooks/twilio/voice"),
    ) as emulator:
        livekit = {
            "LIVEKIT_URL": emulator.url,
            "LIVEKIT_API_KEY": emulator.api_key,
            "LIVEKIT_API_SECRET": emulator.api_secret,
        }
        folder = tmp_path_factory.mktemp(request.param)
        environment = {**SECRETS, **livekit, "WEBHOOK_URL": url}
        with run_server(request.param, words, EXAMPLES, folder, port, **environment) as server:
            yield server, emulator


def test_an_outbound_call(running: tuple[Server, ConnectorEmulator]) -> None:
    server, emulator = running
    assert emulator.verify_meta_webhook()
    with ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client:
        client.dial_whatsapp_call(
            whatsapp_phone_number_id="1",
            whatsapp_to_phone_number="15551234567",
            whatsapp_api_key="graph-token",
            whatsapp_cloud_api_version="23.0",
        )
    call = emulator.answer(emulator.calls[-1])
    assert emulator.wait_for_webhooks()
    assert call.state is State.ACTIVE, server.log
    assert {webhook.results for webhook in emulator.webhooks} == {("200",)}


def test_a_twilio_call(running: tuple[Server, ConnectorEmulator]) -> None:
    server, emulator = running
    reply = emulator.twilio_call()
    assert reply.body == twiml.connect_stream(emulator.calls[-1].connect_url), server.log


def test_signatures(running: tuple[Server, ConnectorEmulator]) -> None:
    server, _ = running
    for secret, status in ((SECRETS["META_APP_SECRET"], 200), ("another", 403)):
        webhook = meta_webhook("terminate", secret)
        for pieces in (0, 3):  # with a Content-Length, and chunked
            assert server.post("/webhooks/meta", webhook.headers, webhook.body, pieces) == status
    target = "/webhooks/twilio/voice?a=b|c"
    for secret, status in ((SECRETS["TWILIO_AUTH_TOKEN"], 200), ("another", 403)):
        webhook = twilio_webhook(secret, url=f"{server.url}{target}")
        assert server.post(target, webhook.headers, webhook.body) == status
    query = {"hub.mode": "subscribe", "hub.challenge": "<b>", "hub.verify_token": "wrong"}
    url = f"{server.url}/webhooks/meta"
    assert requests.get(url, query, timeout=10).status_code == 403
    query["hub.verify_token"] = SECRETS["META_VERIFY_TOKEN"]
    response = requests.get(url, query, timeout=10)
    assert (response.text, response.headers["Content-Type"][:10]) == ("<b>", "text/plain")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_document_shows_the_example(name: str) -> None:
    source = (EXAMPLES / f"{name}_app.py").read_text("utf-8")
    assert len(source.splitlines()) < 40
    document = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert f"```py {name}_app.py\n{source}```\n" in document
