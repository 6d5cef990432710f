"""Guarantee 4: no secrets in logs, errors, pickles, or tracebacks."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import pickle
import signal
import socket
import time
import traceback

import pytest
import vcr
from helpers.requests_of import ACCEPT, DIAL
from helpers.scripted import ScriptedServer, http, ok, twirp_error
from livekit.protocol import connector_whatsapp as official

import livekit_connector_sync as lk

SECRET = "a-secret-of-at-least-32-characters"
DIALLED = lk.DialWhatsAppCallResponse(whatsapp_call_id="wacid.1", room_name="r")


def everything_of(error: BaseException) -> str:
    """Return all text about an error that a log, a crash report, or a pickle could contain."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in frames.stack if "livekit_connector_sync" in frame.filename]
    shown = [str(error), repr(error), repr(error.args), repr(error.__dict__)]
    shown += [f"{frame.line} {frame.locals}" for frame in ours]
    shown += [
        pickle.dumps(error).decode("latin-1"),
        "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    ]
    return "\n".join(shown)


@pytest.mark.parametrize(
    "reply",
    [
        lambda body, token: http(b"you sent " + body + token, 502),
        lambda body, token: http(json.dumps({"body": body.decode("latin-1")}).encode(), 400),
        lambda body, token: twirp_error(
            400, "invalid_argument", f"refused {body.decode('latin-1')} {token.decode()}"
        ),
        lambda body, token: twirp_error(400, f"odd {token.decode()}"),
        lambda body, token: http(
            b"", 302, headers=[f"Location: http://x/?{token.decode()}&key=EAAG-the-key"]
        ),
        lambda body, token: http(body + token, content_type=f"text/{token.decode()}"),
        lambda body, token: http(b'{"code":"aborted","meta":{"k":"' + token + b'"}}', 400),
    ],
)
@pytest.mark.parametrize("request_message", [DIAL, ACCEPT])
def test_guarantee_4_secrets_that_a_server_echoes_are_redacted(
    caplog, reply, request_message
) -> None:
    caplog.set_level(logging.DEBUG, "livekit_connector_sync")
    rpc = type(request_message).__name__.replace("Request", "")
    with (
        ScriptedServer(http(b"", 500)) as server,
        lk.Channel(server.url, lk.ApiKeyCredentials("key", SECRET)) as channel,
    ):
        method = getattr(lk.ConnectorStub(channel), rpc)
        with pytest.raises(lk.TwirpError):
            method(request_message)
        token = server.requests[0].header("Authorization").split()[1].encode()
        server.script[-1] = reply(server.requests[0].body, token)
        with pytest.raises(lk.TwirpError) as caught:
            method(request_message)
    shown = everything_of(caught.value) + caplog.text
    for secret in ("EAAG-the-key", SECRET, token.decode(), "v=0 the-sdp"):
        assert secret not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


class TimeLimit(Exception):
    """Like the exception that Celery raises, from a signal, in a task that takes too long."""


def fields_of(message) -> dict[str, object]:
    return {field.name: value for field, value in message.ListFields()}


@pytest.mark.parametrize(
    ("reply", "fields"),
    [
        (twirp_error(400, "invalid_argument"), {}),
        (None, {"whatsapp_cloud_api_version": ""}),
        (None, {"room_name": 7}),
        (None, {"whatsapp_api_key": b"EAAG-the-key"}),
    ],
    ids=["refused by the server", "refused by us", "wrong type", "wrong type of a secret"],
)
def test_guarantee_4_our_frames_do_not_show_a_keywords_secret(reply, fields) -> None:
    sdp = {"type": "offer", "sdp": "v=0 the-sdp"}
    with (
        ScriptedServer(reply or ok(DIALLED)) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
        pytest.raises((lk.InvalidArgument, TypeError)) as caught,
    ):
        client.accept_whatsapp_call(**{**fields_of(ACCEPT), "sdp": sdp, **fields})
    shown = everything_of(caught.value)
    assert "accept_whatsapp_call" in shown
    for secret in ("EAAG-the-key", SECRET, "v=0 the-sdp", "Bearer ey"):
        assert secret not in shown


@pytest.mark.parametrize("through", ["client", "stub"])
@pytest.mark.parametrize(
    "request_message",
    [
        ACCEPT,
        official.AcceptWhatsAppCallRequest.FromString(ACCEPT.SerializeToString()),
        fields_of(ACCEPT),
    ],
    ids=["ours", "livekit-protocol's", "a mapping"],
)
def test_guarantee_4_our_frames_do_not_show_a_requests_secret(through, request_message) -> None:
    with (
        ScriptedServer(twirp_error(400, "invalid_argument")) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
    ):
        stub = lk.ConnectorStub(client.channel)
        call = client.accept_whatsapp_call if through == "client" else stub.AcceptWhatsAppCall
        with pytest.raises(lk.InvalidArgument) as caught:
            call(request_message)
    shown = everything_of(caught.value)
    assert "with_call" in shown or "accept_whatsapp_call" in shown
    for secret in ("EAAG-the-key", "v=0 the-sdp"):
        assert secret not in shown


class Reporting(lk.UnaryUnaryClientInterceptor):
    """Reports an exception before the caller sees it."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def intercept_unary_unary(self, continuation, client_call_details, request):
        try:
            return continuation(client_call_details, request)
        except BaseException as exc:
            self.reports.append(everything_of(exc))
            raise


def test_guarantee_4_our_frames_show_no_secret_when_a_call_is_interrupted() -> None:
    def interrupt(*_: object) -> None:
        raise TimeLimit

    reporting = Reporting()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with (
            ScriptedServer([lambda _: os.kill(os.getpid(), signal.SIGUSR1)]) as server,
            lk.ConnectorClient(server.url, "key", SECRET, interceptors=[reporting]) as client,
            pytest.raises(TimeLimit) as caught,
        ):
            client.dial_whatsapp_call(**fields_of(DIAL))
    finally:
        signal.signal(signal.SIGUSR1, before)
    shown = everything_of(caught.value)
    assert "dial_whatsapp_call" in shown
    (reported,) = reporting.reports
    assert "execution.py" in reported
    for secret in ("EAAG-the-key", SECRET, "Bearer ey"):
        assert secret not in shown
        assert secret not in reported


def test_guarantee_4_a_single_line_of_a_secret_is_redacted() -> None:
    request = lk.AcceptWhatsAppCallRequest()
    request.CopyFrom(ACCEPT)
    request.sdp.sdp = "v=0\r\na=ice-pwd:the-password\r\n"
    reply = twirp_error(400, "invalid_argument", "bad line a=ice-pwd:the-password")
    with (
        ScriptedServer(reply) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
        pytest.raises(lk.InvalidArgument) as caught,
    ):
        client.accept_whatsapp_call(request)
    assert caught.value.message == "bad line <secret>"


def test_guarantee_4_personal_data_is_redacted_in_logs_and_excerpts(caplog) -> None:
    caplog.set_level(logging.DEBUG, "livekit_connector_sync")
    with (
        ScriptedServer(http(b"no way to 15551234567", 503)) as server,
        lk.ConnectorClient(
            server.url, "key", SECRET, retry=lk.RetryPolicy(initial_backoff=0, retry_ambiguous=True)
        ) as client,
        pytest.raises(lk.Unavailable) as caught,
    ):
        client.dial_whatsapp_call(DIAL)
    assert "15551234567" not in caplog.text
    assert caught.value.metadata["body"] == "no way to <personal>"


def test_metas_error_text_is_unchanged() -> None:
    words = "(#138006) No permission to call 15551234567, fbtrace_id AbC"
    with (
        ScriptedServer(twirp_error(400, "invalid_argument", words)) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
        pytest.raises(lk.InvalidArgument) as caught,
    ):
        client.dial_whatsapp_call(DIAL)
    assert caught.value.message == words


def test_the_excerpt_of_a_body_is_short() -> None:
    with (
        ScriptedServer(http(b"x" * 100_000, 500)) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
        pytest.raises(lk.Unknown) as caught,
    ):
        client.dial_whatsapp_call(DIAL)
    assert len(caught.value.metadata["body"]) < 300


def test_a_line_of_the_log_is_short(caplog) -> None:
    script = twirp_error(503, "unavailable", "m" * 100_000), ok(DIALLED)
    with ScriptedServer(*script) as server, lk.ConnectorClient(server.url, "key", SECRET) as client:
        client.dial_whatsapp_call(DIAL)
    assert len(caplog.text) < 1_000


def test_each_attempt_and_each_retry_is_logged(caplog) -> None:
    caplog.set_level(logging.DEBUG, "livekit_connector_sync")
    script = (twirp_error(503, "unavailable", "tired"), ok(DIALLED))
    with ScriptedServer(*script) as server, lk.ConnectorClient(server.url, "key", SECRET) as client:
        client.dial_whatsapp_call(DIAL, extra_headers={"X-Livekit-Request-Id": "id-1"})
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in levels] == ["DEBUG", "WARNING", "DEBUG"]
    attempt, retry, done = (message for _, message in levels)
    rpc = "livekit.Connector/DialWhatsAppCall"
    assert attempt.startswith(f"{rpc} {server.url}/twirp/{rpc}: 503")
    assert "unavailable: tired" in retry
    assert "attempt 2 of 3" in retry
    assert ": 200 in" in done
    assert all("id-1" in message for _, message in levels)


def test_guarantee_4_every_token_of_a_call_is_redacted() -> None:
    # The first token is rejected; the response to the second one quotes both.
    seconds = itertools.count(time.time())
    credentials = lk.ApiKeyCredentials("key", SECRET, clock=lambda: next(seconds))

    def quote(connection: socket.socket) -> None:
        tokens = [request.header("Authorization").split()[1] for request in server.requests]
        connection.sendall(twirp_error(400, "invalid_argument", f"not {' nor '.join(tokens[1:])}"))

    script = ok(DIALLED), twirp_error(401, "unauthenticated"), [quote]
    with ScriptedServer(*script) as server, lk.Channel(server.url, credentials) as channel:
        stub = lk.ConnectorStub(channel)
        stub.DialWhatsAppCall(DIAL)
        with pytest.raises(lk.InvalidArgument) as caught:
            stub.DialWhatsAppCall(DIAL)
        sent = {request.header("Authorization") for request in server.requests[1:]}
    assert len(sent) == 2
    assert caught.value.message == "not <secret> nor <secret>"


def scrubbed(text: str, **fields: object) -> str:
    """Return the message of the error with which a server responds to an Accept."""
    request = lk.AcceptWhatsAppCallRequest()
    request.CopyFrom(ACCEPT)
    request.MergeFrom(lk.AcceptWhatsAppCallRequest(**fields))
    with (
        ScriptedServer(twirp_error(400, "invalid_argument", text)) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
        pytest.raises(lk.InvalidArgument) as caught,
    ):
        client.accept_whatsapp_call(request)
    return caught.value.message


def test_guarantee_4_a_secret_in_json_is_redacted() -> None:
    sdp = lk.SessionDescription(type="offer", sdp='v=0\r\ns="\u00e9"\r\n')
    assert scrubbed(f"bad: {json.dumps(sdp.sdp)}", sdp=sdp) == 'bad: "<secret>"'
    key = 'EAAG"quoted'
    assert scrubbed(f"bad: {json.dumps(key)}", whatsapp_api_key=key) == 'bad: "<secret>"'


def test_guarantee_4_a_secret_that_contains_another_is_redacted_completely() -> None:
    sdp = lk.SessionDescription(type="offer", sdp="EAAG-the-key and more")
    assert scrubbed("bad: EAAG-the-key and more", sdp=sdp) == "bad: <secret>"


def test_a_very_short_secret_does_not_garble_messages() -> None:
    assert scrubbed("an ordinary message", whatsapp_api_key="or") == "an ordinary message"


def test_guarantee_4_personal_data_in_nested_messages_and_maps_is_redacted_in_logs(caplog) -> None:
    caplog.set_level(logging.DEBUG, "livekit_connector_sync")
    request = lk.DialWhatsAppCallRequest()
    request.CopyFrom(DIAL)
    request.participant_attributes["plan"] = "gold-customer"
    request.agents.add(agent_name="a", metadata="likes-tea")
    reply = twirp_error(503, "unavailable", "no gold-customer who likes-tea")
    with (
        ScriptedServer(reply) as server,
        lk.ConnectorClient(
            server.url, "key", SECRET, retry=lk.RetryPolicy(initial_backoff=0)
        ) as it,
        pytest.raises(lk.Unavailable),
    ):
        it.dial_whatsapp_call(request)
    assert "no <personal> who <personal>" in caplog.text
    assert "gold-customer" not in caplog.text
    assert "likes-tea" not in caplog.text


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # vcrpy 7 leaves connections open
def test_a_filtered_cassette_contains_no_secret_and_still_plays(tmp_path) -> None:
    def drop_body(request):
        request.body = b""
        return request

    recorder = vcr.VCR(filter_headers=["Authorization"], before_record_request=drop_body)
    cassette = tmp_path / "dial.yaml"
    with (
        ScriptedServer(ok(DIALLED)) as server,
        lk.ConnectorClient(server.url, "key", SECRET) as client,
    ):
        for _ in range(2):
            with recorder.use_cassette(str(cassette)):
                assert client.dial_whatsapp_call(DIAL) == DIALLED
        (request,) = server.requests
    gc.collect()
    recorded = cassette.read_text("utf-8")
    assert "DialWhatsAppCall" in recorded
    assert b"EAAG-the-key" in request.body  # the server got the whole request
    for secret in ("EAAG-the-key", "Bearer", "15551234567"):
        assert secret not in recorded
