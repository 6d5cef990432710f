"""Webhooks over sockets, to gunicorn, uvicorn, and Django's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.django_site import OPTIONS
from helpers.servers import Server, run_server
from twilio.request_validator import RequestValidator

from livekit_connector_sync.testing import meta_webhook

HERE = Path(__file__).parent
CASE = json.loads(
    (HERE.parent / "webhooks" / "cases" / "twilio_django_raw_query.json").read_text("utf-8")
)
BASE_URL = "https://calls.example.com"
COMMANDS = {
    "gunicorn": ["-m", "gunicorn", "served_site:wsgi", "--bind", "127.0.0.1:{}"],
    "uvicorn": ["-m", "uvicorn", "served_site:asgi", "--lifespan", "off", "--port", "{}"],
    "runserver": ["served_site.py", "127.0.0.1:{}"],
}
ODD_QUERIES = ["?a=%7c&b=%2B+x%20y&a=&=", "?a=%ff"]
ODD_PATHS = ["/tenants/a|b%7cc%2Fd%20(e)~/status", "/tenants/%C3%a9//{x}/status?a=b|c"]


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    with run_server(request.param, COMMANDS[request.param], HERE, folder) as running:
        yield running


def twilio_headers(target: str, form: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a callback, signed by Twilio's own library."""
    validator = RequestValidator(OPTIONS["TWILIO_AUTH_TOKEN"])
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": validator.compute_signature(f"{BASE_URL}{target}", form),
    }


def test_twilios_signature_covers_the_query_as_it_was_sent(server: Server) -> None:
    body, url = CASE["body"].encode(), "/webhooks/twilio/status"
    form = {"CallSid": "CA1", "CallStatus": "completed", "Empty": ""}
    for vector in CASE["vectors"]:
        headers = twilio_headers(vector["wire_target"], form)
        headers["X-Twilio-Signature"] = vector["X-Twilio-Signature"]
        status = server.post(vector["wire_target"], headers, body)
        assert status == vector["expected_status"], server.log
    for query in ODD_QUERIES:
        headers = twilio_headers(f"{url}{query}", form)
        assert server.post(f"{url}{query}", headers, body) == 200, server.log
    wrong = twilio_headers(f"{url}?a=b%7Cc", form)
    assert server.post(f"{url}?a=b|c", wrong, body) == 403


def test_twilios_signature_covers_the_path_as_it_was_sent(server: Server) -> None:
    if server.name == "runserver":
        pytest.skip("Django's own server only tells the decoded path")
    for target in ODD_PATHS:
        headers = twilio_headers(target, {"CallSid": "CA2"})
        assert server.post(target, headers, b"CallSid=CA2") == 200, (target, server.log)


@pytest.mark.parametrize("pieces", [1, 5])
def test_a_chunked_body(server: Server, pieces: int) -> None:
    call_id = f"wacid.CHUNKED{pieces}"
    webhook = meta_webhook("connect", OPTIONS["META_APP_SECRET"], whatsapp_call_id=call_id)
    form = twilio_headers("/webhooks/twilio/status", {"CallSid": f"CA9{pieces}"})
    statuses = [
        server.post("/webhooks/meta", webhook.headers, webhook.body, pieces),
        server.post("/webhooks/twilio/status", form, b"CallSid=CA9%d" % pieces, pieces),
    ]
    if server.name == "runserver":
        # Django's own server never decodes chunks; the log must not blame the secret.
        assert statuses == [411, 411]
        assert "meta webhook lost: the body is chunked" in server.log
        assert "X-Hub-Signature-256 does not match" not in server.log
        assert call_id not in server.log
    else:
        assert statuses == [200, 200], server.log
        assert f"received {call_id}:connect" in server.log
        assert f"received CA9{pieces}:" in server.log


def test_a_chunked_body_is_verified_and_bounded(server: Server) -> None:
    webhook = meta_webhook("connect", "another secret")
    status = server.post("/webhooks/meta", webhook.headers, webhook.body, 3)
    assert status == (411 if server.name == "runserver" else 403)
    if server.name == "runserver":
        return
    big = {**webhook.headers, "Content-Type": "application/json"}
    assert server.post("/webhooks/meta", big, b"x" * 300_000, 3) == 200  # skipped, and logged
    assert "raise DATA_UPLOAD_MAX_MEMORY_SIZE" in server.log
