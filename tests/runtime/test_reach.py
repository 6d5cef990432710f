"""How a call reaches a region, and what it never retries."""

from __future__ import annotations

import json
import logging
import time

import pytest
from helpers.requests_of import ACCEPT, DIAL, DISCONNECT, REQUESTS, TWILIO
from helpers.scripted import STALL, ScriptedServer, http, ok, twirp_error

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

LOOPBACK = lk.FailoverPolicy(hosts=("127.0.0.1", "localhost"), allow_http=True)
SILENT = (("X-Lk-Mock", json.dumps({"failRegions": [0], "failMode": "delay"})),)
KEY = lk.ApiKeyCredentials("key", "a-secret-of-at-least-32-characters")


def test_guarantee_2_an_unresponsive_region_leaves_half_of_the_time_to_the_next_one() -> None:
    with ConnectorEmulator(regions=3) as emulator:
        credentials = lk.ApiKeyCredentials(emulator.api_key, emulator.api_secret)
        with lk.Channel(emulator.url, credentials, failover=LOOPBACK, timeout=5.0) as channel:
            started = time.monotonic()
            _, call = lk.ConnectorStub(channel).DisconnectWhatsAppCall.with_call(
                DISCONNECT, metadata=SILENT
            )
    assert call.attempts == 2
    assert 2.4 < time.monotonic() - started < 4.5


@pytest.mark.parametrize(
    "request_message",
    [
        DIAL,
        TWILIO,
        lk.AcceptWhatsAppCallRequest.FromString(
            ACCEPT.SerializeToString()
            + lk.AcceptWhatsAppCallRequest(wait_until_answered=True).SerializeToString()
        ),
    ],
    ids=["Dial", "ConnectTwilioCall", "a wait until answered"],
)
def test_guarantee_2_a_call_that_cannot_be_retried_gets_the_whole_timeout(request_message) -> None:
    name = type(request_message).__name__.replace("Request", "")

    # Longer than half of the timeout, with time to spare on a busy machine.
    slow = [lambda _: time.sleep(1.1), ok(lk.ConnectWhatsAppCallResponse())]
    with (
        ScriptedServer(slow) as server,
        lk.Channel(server.url, KEY, failover=LOOPBACK) as channel,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("livekit_connector_sync._runtime.regions._MIN_TIMEOUT", 0.1)
        _, call = getattr(lk.ConnectorStub(channel), name).with_call(request_message, timeout=2.0)
    assert call.attempts == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("rpc", ["DialWhatsAppCall", "DisconnectWhatsAppCall"])
def test_guarantee_2_connecting_leaves_half_of_the_time_to_the_next_attempt(rpc, deaf_port) -> None:
    policy = lk.RetryPolicy(max_attempts=3, initial_backoff=0)
    with (
        lk.Channel(f"http://127.0.0.1:{deaf_port}", KEY, retry=policy) as channel,
        pytest.raises(lk.DeadlineExceeded, match="while connecting, in attempt 3") as caught,
    ):
        getattr(lk.ConnectorStub(channel), rpc)(REQUESTS[rpc], timeout=0.4)
    assert not caught.value.maybe_sent


@pytest.mark.parametrize("rpc", REQUESTS)
@pytest.mark.parametrize(("status", "code"), [(429, "resource_exhausted"), (503, "unavailable")])
def test_guarantee_1_a_call_with_a_sip_status_is_never_retried(rpc, status, code) -> None:
    body = {"code": code, "msg": "busy", "meta": {"sip_status_code": "486"}}
    busy = http(json.dumps(body).encode(), status, "application/json")
    with (
        ScriptedServer(busy) as server,
        lk.Channel(server.url, KEY) as channel,
        pytest.raises(lk.TwirpError) as caught,
    ):
        getattr(lk.ConnectorStub(channel), rpc)(REQUESTS[rpc])
    assert len(server.requests) == 1
    assert not caught.value.safe_to_retry
    assert caught.value.metadata["sip_status_code"] == "486"


def test_an_error_names_the_url_of_its_last_attempt() -> None:
    with (
        ScriptedServer(STALL) as server,
        lk.Channel(f"{server.url}/base", KEY) as channel,
        pytest.raises(lk.DeadlineExceeded) as caught,
    ):
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL, timeout=0.1)
    assert caught.value.url == f"{server.url}/base"
    assert lk.TwirpError("not sent").url == ""


def test_maybe_sent_and_safe_to_retry_consider_every_attempt() -> None:
    """`maybe_sent` and `safe_to_retry` look at every attempt, not at the last one."""
    ambiguous, refused = http(b"from a proxy", 503), twirp_error(503, "unavailable")
    with (
        ScriptedServer(ambiguous, refused) as server,
        lk.Channel(
            server.url, KEY, retry=lk.RetryPolicy(2, initial_backoff=0, retry_ambiguous=True)
        ) as channel,
        pytest.raises(lk.Unavailable) as caught,
    ):
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL)
    assert caught.value.attempts == 2
    assert caught.value.maybe_sent
    assert not caught.value.safe_to_retry


FORGED = "no\r\nERROR root: all is lost\x1b[2J\u2028\u2029\x00\x85"


def test_guarantee_4_a_servers_text_cannot_forge_a_log_line(caplog) -> None:
    with (
        ScriptedServer(twirp_error(503, "unavailable", FORGED)) as server,
        lk.Channel(server.url, KEY, retry=lk.RetryPolicy(2, initial_backoff=0)) as channel,
        caplog.at_level(logging.DEBUG, "livekit_connector_sync"),
        pytest.raises(lk.Unavailable) as caught,
    ):
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL)
    for text in (str(caught.value), repr(caught.value), *caplog.messages):
        assert text.isprintable()
    assert "no\\r\\nERROR root" in str(caught.value)
    assert caught.value.message == FORGED


def test_guarantee_4_a_servers_long_text_is_truncated_in_logs_and_str() -> None:
    with (
        ScriptedServer(twirp_error(400, "invalid_argument", "m" * 900_000)) as server,
        lk.Channel(server.url, KEY) as channel,
        pytest.raises(lk.InvalidArgument) as caught,
    ):
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL)
    assert len(str(caught.value)) < 1_200
    assert len(caught.value.message) <= 20_000


@pytest.mark.parametrize("status", [200, 404, 502])
def test_an_html_page_is_reported_with_its_url_and_first_words(status) -> None:
    page = b"<html><head><title>Acme &amp; Co</title><style>a{}</style></head>Log in</html>"
    with (
        ScriptedServer(http(page, status, "text/html")) as server,
        lk.Channel(server.url, KEY) as channel,
        pytest.raises(lk.TwirpError) as caught,
    ):
        lk.ConnectorStub(channel).DialWhatsAppCall(DIAL)
    assert f'{server.url} sent a page: "Acme & Co Log in"' in str(caught.value)
    assert caught.value.status == status
