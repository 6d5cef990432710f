"""CallingClient against a scripted Graph API: what it sends, what it makes of each response."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import threading
import time
import traceback
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from helpers.scripted import CLOSE, STALL, Drip, Request, ScriptedServer, http

import livekit_connector_sync as lk
from livekit_connector_sync.whatsapp import (
    CallingClient,
    CallPermission,
    MetaError,
    PermissionLimit,
    meta_error,
)

TOKEN = "EAAG-access-token-of-meta"
NUMBER = "15551234567"
USER_ID = "US.13491208655302741918"
QUICK = lk.RetryPolicy(initial_backoff=0.01)

TEMPORARY = {
    "messaging_product": "whatsapp",
    "permission": {"status": "temporary", "expiration_time": 1745343479},
    "actions": [
        {
            "action_name": "send_call_permission_request",
            "can_perform_action": True,
            "limits": [
                {"time_period": "PT24H", "max_allowed": 1, "current_usage": 0},
                {"time_period": "P7D", "max_allowed": 2, "current_usage": 1},
            ],
        },
        {
            "action_name": "start_call",
            "can_perform_action": False,
            "limits": [
                {
                    "time_period": "PT24H",
                    "max_allowed": 5,
                    "current_usage": 5,
                    "limit_expiration_time": 1745622600,
                }
            ],
        },
    ],
}


def reply(document: Any, status: int = 200, headers: tuple[str, ...] = ()) -> bytes:
    return http(json.dumps(document).encode(), status, "application/json", headers)


def refusal(code: int, status: int = 400, text: str = "no", **fields: Any) -> bytes:
    error = {"message": f"(#{code}) {text}", "type": "OAuthException", "code": code, **fields}
    return reply({"error": {"fbtrace_id": "AbC", **error}}, status)


SENT = reply({"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]})
REJECTED = reply({"messaging_product": "whatsapp", "success": True})


def client_of(server: ScriptedServer, **options: Any) -> CallingClient:
    options = {"api_version": "23.0", "url": server.url, "retry": QUICK, **options}
    return CallingClient("106540352242922", TOKEN, **options)


def sent_by(call: str, *arguments: str, response: bytes) -> tuple[Request, Any]:
    with ScriptedServer(response) as server, client_of(server) as client:
        result = getattr(client, call)(*arguments)
    (request,) = server.requests
    return request, result


@pytest.mark.parametrize(
    ("user", "query"), [(NUMBER, {"user_wa_id": [NUMBER]}), (USER_ID, {"recipient": [USER_ID]})]
)
def test_the_permission_of_a_number_and_of_a_user_id(user, query) -> None:
    request, permission = sent_by("call_permission", user, response=reply(TEMPORARY))
    parts = urlsplit(request.target)
    assert (request.method, request.body) == ("GET", b"")
    assert parts.path == "/v23.0/106540352242922/call_permissions"
    assert parse_qs(parts.query) == query
    assert request.header("Authorization") == f"Bearer {TOKEN}"
    assert permission == CallPermission(
        "temporary",
        datetime(2025, 4, 22, 17, 37, 59, tzinfo=timezone.utc),
        can_start_call=False,  # its limit of calls is reached
        can_request=True,
        limits=(
            PermissionLimit("send_call_permission_request", "PT24H", 1, 0),
            PermissionLimit("send_call_permission_request", "P7D", 2, 1),
            PermissionLimit(
                "start_call",
                "PT24H",
                5,
                5,
                datetime.fromtimestamp(1745622600, timezone.utc),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("user", "recipient"), [(NUMBER, {"to": NUMBER}), (USER_ID, {"recipient": USER_ID})]
)
def test_a_request_for_the_permission(user, recipient) -> None:
    request, message_id = sent_by("request_call_permission", user, "May we call?", response=SENT)
    assert message_id == "wamid.1"
    assert (request.method, request.target) == ("POST", "/v23.0/106540352242922/messages")
    assert request.header("Content-Type") == "application/json"
    assert json.loads(request.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": "interactive",
        "interactive": {
            "type": "call_permission_request",
            "action": {"name": "call_permission_request"},
            "body": {"text": "May we call?"},
        },
    }


def test_a_rejected_call() -> None:
    request, result = sent_by("reject_call", "wacid.1", response=REJECTED)
    assert result is None
    assert (request.method, request.target) == ("POST", "/v23.0/106540352242922/calls")
    assert json.loads(request.body) == {
        "messaging_product": "whatsapp",
        "call_id": "wacid.1",
        "action": "reject",
    }


@pytest.mark.parametrize(
    ("code", "status", "error_class"),
    [
        (613, 429, lk.ResourceExhausted),
        (190, 401, lk.Unauthenticated),
        (10, 403, lk.PermissionDenied),
        (100, 400, lk.InvalidArgument),
        (131047, 400, lk.InvalidArgument),
        (138000, 401, lk.FailedPrecondition),
        (2, 500, lk.Unavailable),
        (999, 500, lk.Unavailable),
        (999, 404, lk.NotFound),
    ],
)
def test_an_error_of_graph_is_typed_and_keeps_its_attributes_in_pickles(
    code, status, error_class
) -> None:
    response = refusal(code, status, error_subcode=33, error_data={"details": "more of it"})
    with ScriptedServer(response) as server, client_of(server, retry=None) as client:
        with pytest.raises(error_class) as info:
            client.call_permission(NUMBER)
    error = info.value
    assert type(error) is error_class
    assert error.message == f"(#{code}) no: more of it (fbtrace_id AbC)"
    assert (error.status, error.attempts, error.maybe_sent) == (status, 1, True)
    assert error.method == "whatsapp.call_permission"
    assert error.url == f"{server.url}/v23.0/106540352242922/call_permissions"
    expected = MetaError(code, 33, "no", "more of it", "AbC", True if code in (2, 613) else None)
    from_dict = lk.TwirpError.from_code(**error.to_dict())
    for each in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), from_dict):
        assert meta_error(each) == expected


def test_metas_statement_about_a_retry_takes_precedence() -> None:
    response = refusal(2, 500, is_transient=False)
    with ScriptedServer(response) as server, client_of(server, retry=None) as client:
        with pytest.raises(lk.Unavailable) as info:
            client.call_permission(NUMBER)
    found = meta_error(info.value)
    assert found is not None
    assert found.retryable is False


@pytest.mark.parametrize(
    "response",
    [
        http(b"<html>Log in to the network</html>", content_type="text/html"),
        reply({}),
        reply([]),
        reply({"data": []}),
        reply({"permission": None}),
        reply({"permission": {"status": None}}),
        reply({"error": {"code": 4, "message": "(#4) limit"}}),
        http(b"", 204, None),
        http(b"", 302, None, ["Location: http://127.0.0.1:9/"]),
        http(b"oops", 500),
        [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", CLOSE],
        CLOSE,
    ],
)
def test_a_failed_check_raises_and_is_never_no_permission(response) -> None:
    with ScriptedServer(response) as server, client_of(server, retry=None) as client:
        with pytest.raises(lk.TwirpError):
            client.call_permission(NUMBER)


@pytest.mark.parametrize("response", [reply({}), reply({"success": False}), http(b"ok")])
def test_a_post_without_its_success_is_an_error(response) -> None:
    with ScriptedServer(response) as server, client_of(server) as client:
        with pytest.raises(lk.Internal) as info:
            client.reject_call("wacid.1")
        with pytest.raises(lk.Internal):
            client.request_call_permission(NUMBER, "May we call?")
    assert len(server.requests) == 2
    assert info.value.maybe_sent
    assert not info.value.safe_to_retry


def test_a_redirect_is_not_followed() -> None:
    with ScriptedServer(SENT) as other:
        away = http(b"", 307, None, [f"Location: {other.url}/"])
        with ScriptedServer(away) as server, client_of(server) as client:
            with pytest.raises(lk.Internal, match="redirects"):
                client.request_call_permission(NUMBER, "May we call?")
    assert other.requests == []


@pytest.mark.parametrize("failure", [refusal(2, 500), http(b"busy", 503), CLOSE])
def test_guarantee_1_a_request_that_might_have_been_sent_is_not_retried(failure) -> None:
    with ScriptedServer(failure, SENT) as server, client_of(server) as client:
        with pytest.raises(lk.Unavailable) as info:
            client.request_call_permission(NUMBER, "May we call?")
    assert len(server.requests) == 1
    assert info.value.maybe_sent
    assert not info.value.safe_to_retry


def test_guarantee_1_a_rejected_message_is_not_retried() -> None:
    busy = reply({"error": {"code": 130429, "message": "slow"}}, 429, ("Retry-After: 0",))
    with ScriptedServer(busy, SENT) as server, client_of(server) as client:
        with pytest.raises(lk.ResourceExhausted) as info:
            client.request_call_permission(NUMBER, "May we call?")
    assert len(server.requests) == 1
    assert info.value.safe_to_retry


@pytest.mark.parametrize("failure", [refusal(2, 500), http(b"busy", 503), CLOSE])
def test_the_check_is_retried(failure, caplog) -> None:
    with ScriptedServer(failure, failure, reply(TEMPORARY)) as server, client_of(server) as client:
        assert client.call_permission(NUMBER).status == "temporary"
    assert len(server.requests) == 3
    retries = [record.getMessage() for record in caplog.records]
    assert len(retries) == 2
    assert "whatsapp.call_permission failed (unavailable" in retries[0]
    assert not [line for line in retries if NUMBER in line or TOKEN in line]


def test_a_rate_limit_is_retried_only_if_meta_says_when() -> None:
    with ScriptedServer(refusal(613, 429)) as server, client_of(server) as client:
        with pytest.raises(lk.ResourceExhausted) as info:
            client.call_permission(NUMBER)
    assert len(server.requests) == 1
    assert info.value.safe_to_retry
    busy = reply({"error": {"code": 130429, "message": "slow"}}, 429, ("Retry-After: 0",))
    with ScriptedServer(busy, reply(TEMPORARY)) as server, client_of(server) as client:
        assert client.call_permission(NUMBER).status == "temporary"


@pytest.mark.parametrize("stall", [STALL, Drip(reply(TEMPORARY), interval=0.1)])
def test_guarantee_2_one_timeout_is_for_the_whole_call(stall) -> None:
    with ScriptedServer(stall) as server, client_of(server, timeout=0.4) as client:
        started = time.monotonic()
        with pytest.raises(lk.DeadlineExceeded, match=r"timed out after 0\.4 s") as info:
            client.call_permission(NUMBER)
        assert time.monotonic() - started < 2
    assert info.value.maybe_sent


def test_an_unreachable_server() -> None:
    with CallingClient(
        "1", TOKEN, api_version="23.0", url="http://127.0.0.1:1", retry=QUICK
    ) as client:
        with pytest.raises(lk.Unavailable, match=r"127\.0\.0\.1") as info:
            client.request_call_permission(NUMBER, "May we call?")
    error = info.value
    assert (error.attempts, error.maybe_sent, error.safe_to_retry) == (3, False, True)
    assert meta_error(error) is None


@pytest.mark.parametrize(
    "response",
    [
        refusal(190, 401, f"Malformed access token {TOKEN}", error_data={"details": TOKEN}),
        http(f"<html>{TOKEN} for {NUMBER}</html>".encode(), 502, "text/html"),
        reply({"token": TOKEN, "number": NUMBER}),
        CLOSE,
    ],
)
def test_guarantee_4_neither_errors_frames_nor_logs_show_the_token(response, caplog) -> None:
    caplog.set_level(logging.DEBUG, "livekit_connector_sync")
    with ScriptedServer(response) as server, client_of(server) as client:
        with pytest.raises(lk.TwirpError) as info:
            client.call_permission(NUMBER)
        assert TOKEN not in repr(client)
    error = info.value
    assert error.__cause__ is None
    assert error.__context__ is None
    own = error.__traceback__.tb_next if error.__traceback__ else None  # not the test's own frame
    shown = "".join(
        traceback.TracebackException(type(error), error, own, capture_locals=True).format()
    )
    logged = "".join(record.getMessage() for record in caplog.records)
    for text in (shown, repr(error.args), pickle.dumps(error).decode("latin-1"), logged):
        assert TOKEN not in text
        assert NUMBER not in text
    assert "whatsapp.call_permission" in logged


def test_guarantee_4_a_client_is_not_pickled() -> None:
    client = CallingClient("1", TOKEN, api_version="23.0")
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(client)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"phone_number_id": "+15551234567"}, "phone_number_id must be in digits"),
        ({"phone_number_id": 106540352242922}, "phone_number_id must be a str of digits, not int"),
        ({"access_token": f"Bearer {TOKEN}"}, 'begins with "Bearer ": pass the bare token'),
        ({"access_token": f"{TOKEN}\n"}, "access_token has white space"),
        ({"access_token": ""}, "access_token is empty"),
        ({"access_token": None}, "access_token must be a str, not NoneType"),
        ({"api_version": "v23.0"}, 'write "23.0", without the leading "v"'),
        ({"api_version": 23.0}, 'api_version must be a str such as "23.0", not float'),
        ({"url": "http://graph.facebook.com"}, "so use https"),
        ({"url": "https://graph.facebook.com/v23.0"}, "which is api_version"),
        ({"url": "graph.facebook.com"}, "it needs a scheme"),
        ({"url": f"https://me:{TOKEN}@graph.facebook.com"}, "must not contain a user name"),
        ({"url": "https://graph.facebook.com:x"}, "its host or port is malformed"),
        ({"url": "https://graph.face book.com"}, "white space"),
        ({"url": None}, "url must be a str"),
        ({"timeout": 0}, "timeout must be a positive number"),
        ({"retry": 3}, "retry must be a RetryPolicy, or None, not int"),
    ],
)
def test_a_wrong_option_is_explained_and_no_token_shown(options, remedy) -> None:
    good = {"phone_number_id": "1", "access_token": TOKEN, "api_version": "23.0"}
    with pytest.raises(ValueError, match=remedy) as info:
        CallingClient(**{**good, **options})
    assert TOKEN not in str(info.value)


@pytest.mark.parametrize(
    ("call", "arguments", "argument", "remedy"),
    [
        ("call_permission", ("+15551234567",), "user", 'without the leading "\\+"'),
        ("call_permission", (15551234567,), "user", "user must be a str, not int"),
        ("call_permission", ("",), "user", "user is malformed"),
        ("call_permission", ("US.1&x=2",), "user", "user is malformed"),
        ("request_call_permission", ("0155", "May we?"), "user", "user is malformed"),
        ("request_call_permission", (NUMBER, " "), "text", "text must be a text, not an empty"),
        ("reject_call", ("",), "call_id", "call_id must be a text, not an empty one"),
        ("reject_call", (None,), "call_id", "call_id must be a text, not NoneType"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_sent(call, arguments, argument, remedy) -> None:
    with ScriptedServer(SENT) as server, client_of(server) as client:
        with pytest.raises(lk.InvalidArgument, match=remedy) as info:
            getattr(client, call)(*arguments)
    assert server.requests == []
    assert info.value.metadata == {"argument": argument}
    assert (info.value.attempts, info.value.maybe_sent) == (0, False)


def test_calling_a_closed_client_raises_value_error() -> None:
    client = CallingClient("1", TOKEN, api_version="23.0")
    client.close()
    with pytest.raises(ValueError, match="the client is closed: make another one"):
        client.call_permission(NUMBER)


def test_guarantee_6_one_client_serves_many_threads() -> None:
    with ScriptedServer(reply(TEMPORARY)) as server, client_of(server) as client:
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(client.call_permission(NUMBER).status))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert found == ["temporary"] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_guarantee_6_a_forked_child_has_connections_of_its_own() -> None:
    with ScriptedServer(reply(TEMPORARY)) as server, client_of(server) as client:
        client.call_permission(NUMBER)
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            status = 1
            try:
                status = 0 if client.call_permission(NUMBER).status == "temporary" else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        client.call_permission(NUMBER)
    assert [request.connection for request in server.requests] == [0, 1, 0]
