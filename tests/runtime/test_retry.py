"""Which calls are retried, counted by the server; and the retry rules as functions."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests
from helpers.requests_of import (
    ACCEPT,
    CONNECT,
    DIAL,
    DISCONNECT,
    PLACING,
    REPEATABLE,
    REQUESTS,
    RESPONSES,
)
from helpers.scripted import CLOSE, RESET, STALL, ScriptedServer, http, ok, twirp_error
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.retry import Failure, RetryThrottle, may_retry, retry_delay
from livekit_connector_sync._runtime.twirp import retry_after

FAST = lk.RetryPolicy(initial_backoff=0.001)


def channel_to(server: ScriptedServer, **options) -> lk.Channel:
    credentials = lk.ApiKeyCredentials("key", "a-secret-of-at-least-32-characters")
    return lk.Channel(server.url, credentials, **{"retry": FAST, **options})


def call(server: ScriptedServer, rpc: str, request=None, **options):
    with channel_to(server, **options) as channel:
        method = getattr(lk.ConnectorStub(channel), rpc)
        return method.with_call(REQUESTS[rpc] if request is None else request)


# Each fault, and whether the service itself said that it did nothing.
AMBIGUOUS = {
    "closed without a response": CLOSE,
    "reset without a response": RESET,
    "cut in the status line": [b"HTTP/1.1 2", CLOSE],
    "cut in the headers": [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", CLOSE],
    "cut in the body": [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\nContent-Length: 9\r\n\r\nabc",
        CLOSE,
    ],
    "502 of an intermediary": http(b"bad gateway", 502),
    "503 of an intermediary": http(b"try later", 503),
    "503 with Retry-After": http(b"try later", 503, headers=["Retry-After: 0"]),
    "504 of an intermediary": http(b"too slow", 504),
}
REFUSED = {
    "unavailable by the service": twirp_error(503, "unavailable"),
    "resource_exhausted by the service": twirp_error(429, "resource_exhausted"),
    "429 of an intermediary": http(b"slow down", 429),
}
FINAL = {
    "invalid_argument": twirp_error(400, "invalid_argument"),
    "internal": twirp_error(500, "internal"),
    "unknown": twirp_error(500, "unknown"),
    "unimplemented": twirp_error(501, "unimplemented"),
    "deadline_exceeded by the service": twirp_error(408, "deadline_exceeded"),
    "aborted": twirp_error(409, "aborted"),
    "500 of an intermediary": http(b"oops", 500),
    "501 of an intermediary": http(b"what", 501),
    "400 of an intermediary": http(b"what", 400),
    "401 with a fresh token": twirp_error(401, "unauthenticated"),
    "451 without other regions": http(b"not here", 451),
    "redirect": http(b"", 307, headers=["Location: http://127.0.0.1:1/"]),
    "another type": http(b"<html>", 200, "text/html"),
    "no protobuf": http(b"\xff", 200, "application/protobuf"),
}


def table(faults, rpcs):
    return [
        pytest.param(rpc, fault, id=f"{rpc}-{name}")
        for rpc in rpcs
        for name, fault in faults.items()
    ]


@pytest.mark.parametrize(("rpc", "fault"), table(AMBIGUOUS, PLACING))
def test_guarantee_1_no_call_is_placed_twice(rpc, fault) -> None:
    with ScriptedServer(fault) as server, pytest.raises(lk.Unavailable) as caught:
        call(server, rpc)
    assert len(server.requests) == 1
    error = caught.value
    assert (error.attempts, error.maybe_sent, error.safe_to_retry) == (1, True, False)


@pytest.mark.parametrize(("rpc", "fault"), table(AMBIGUOUS, REPEATABLE))
def test_guarantee_1_idempotent_rpcs_are_retried_after_ambiguous_failures(rpc, fault) -> None:
    with ScriptedServer(fault, fault, ok(RESPONSES[rpc])) as server:
        response, done = call(server, rpc)
    assert response == RESPONSES[rpc]
    assert len(server.requests) == done.attempts == 3
    assert len({request.header("X-Livekit-Request-Id") for request in server.requests}) == 1


@pytest.mark.parametrize(("rpc", "fault"), table(REFUSED, REQUESTS))
def test_guarantee_1_a_call_that_the_service_rejected_is_retried(rpc, fault) -> None:
    with ScriptedServer(fault, ok(RESPONSES[rpc])) as server:
        assert call(server, rpc)[0] == RESPONSES[rpc]
    assert len(server.requests) == 2


@pytest.mark.parametrize(("rpc", "fault"), table(FINAL, (PLACING[0], REPEATABLE[0])))
def test_other_failures_are_not_retried(rpc, fault) -> None:
    with ScriptedServer(fault) as server, pytest.raises(lk.TwirpError) as caught:
        call(server, rpc)
    assert len(server.requests) == caught.value.attempts == 1
    assert caught.value.maybe_sent


@pytest.mark.parametrize("rpc", REQUESTS)
def test_guarantee_1_a_timeout_after_sending_is_not_retried(rpc) -> None:
    with ScriptedServer(STALL) as server, pytest.raises(lk.DeadlineExceeded) as caught:
        call(server, rpc, timeout=0.2)
    assert len(server.requests) == 1
    assert caught.value.maybe_sent
    assert caught.value.safe_to_retry is (rpc in REPEATABLE)


@pytest.mark.parametrize("rpc", REQUESTS)
def test_guarantee_1_a_refused_connection_is_retried_and_safe_to_retry(rpc) -> None:
    with ScriptedServer(CLOSE) as server:
        pass
    with pytest.raises(lk.Unavailable, match="refused") as caught:
        call(server, rpc)
    error = caught.value
    assert (error.attempts, error.maybe_sent, error.safe_to_retry) == (3, False, True)


@pytest.mark.parametrize("rpc", REQUESTS)
def test_guarantee_1_a_timeout_that_expires_immediately_sends_nothing(rpc) -> None:
    with ScriptedServer(STALL) as server, pytest.raises(lk.DeadlineExceeded) as caught:
        call(server, rpc, timeout=1e-9)
    error = caught.value
    assert (error.maybe_sent, error.safe_to_retry, len(server.requests)) == (False, True, 0)
    assert "while connecting" in str(error)


@pytest.mark.parametrize("rpc", PLACING)
def test_guarantee_1_retry_ambiguous_allows_a_risky_retry(rpc) -> None:
    risky = lk.RetryPolicy(initial_backoff=0.001, retry_ambiguous=True)
    with ScriptedServer(CLOSE, ok(RESPONSES[rpc])) as server:
        assert call(server, rpc, retry=risky)[0] == RESPONSES[rpc]
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [CLOSE, twirp_error(503, "unavailable")])
@pytest.mark.parametrize(
    ("rpc", "request_message"), [("AcceptWhatsAppCall", ACCEPT), ("ConnectWhatsAppCall", CONNECT)]
)
def test_guarantee_1_a_call_that_waits_for_the_pickup_is_not_retried_after_sending(
    rpc, request_message, fault
) -> None:
    waiting = type(request_message)()
    waiting.CopyFrom(request_message)
    waiting.wait_until_answered = True
    with ScriptedServer(fault) as server, pytest.raises(lk.Unavailable):
        call(server, rpc, waiting)
    assert len(server.requests) == 1


ALREADY = twirp_error(409, "already_exists")
GONE = twirp_error(404, "not_found")
OVER = twirp_error(412, "failed_precondition")


LATE = [
    ("AcceptWhatsAppCall", ALREADY),
    ("ConnectWhatsAppCall", ALREADY),
    ("DisconnectWhatsAppCall", GONE),
    ("DisconnectWhatsAppCall", OVER),
]


@pytest.mark.parametrize(("rpc", "reply"), LATE)
@pytest.mark.parametrize("fault", [CLOSE, REFUSED["unavailable by the service"]])
def test_guarantee_1_already_done_is_a_success_for_a_retry(rpc, reply, fault) -> None:
    with ScriptedServer(fault, reply) as server:
        assert call(server, rpc)[0] == RESPONSES[rpc]
    with ScriptedServer(reply) as server, pytest.raises(lk.TwirpError):
        call(server, rpc)
    assert len(server.requests) == 1


class FailingOnce(HTTPAdapter):
    """Cannot connect the first time."""

    fails = True

    def send(self, *args, **kwargs):
        if self.fails:
            self.fails = False
            raise requests.ConnectTimeout
        return super().send(*args, **kwargs)


@pytest.mark.parametrize(("rpc", "reply"), LATE)
def test_guarantee_3_already_done_is_an_error_if_no_earlier_attempt_was_sent(rpc, reply) -> None:
    with requests.Session() as session, ScriptedServer(reply) as server:
        session.mount("http://", FailingOnce())
        with pytest.raises(lk.TwirpError) as caught:
            call(server, rpc, session=session)
    assert caught.value.attempts == 2
    assert caught.value.status in (404, 409, 412)


@pytest.mark.parametrize("rpc", ["AcceptWhatsAppCall", "ConnectWhatsAppCall"])
def test_guarantee_1_already_done_is_an_error_after_a_rejected_token(rpc) -> None:
    script = ok(RESPONSES[rpc]), twirp_error(401, "unauthenticated"), ALREADY
    with ScriptedServer(*script) as server, channel_to(server) as channel:
        method = getattr(lk.ConnectorStub(channel), rpc)
        method(REQUESTS[rpc])
        with pytest.raises(lk.AlreadyExists) as caught:
            method(REQUESTS[rpc])
    assert caught.value.attempts == 2


def test_already_done_is_an_error_for_an_accept_without_a_room_name() -> None:
    request = lk.AcceptWhatsAppCallRequest()
    request.CopyFrom(ACCEPT)
    request.room_name = ""
    with ScriptedServer(CLOSE, ALREADY) as server, pytest.raises(lk.AlreadyExists):
        call(server, "AcceptWhatsAppCall", request)


@pytest.mark.parametrize(
    ("rpc", "reply"), [("ConnectWhatsAppCall", GONE), ("AcceptWhatsAppCall", OVER)]
)
def test_other_errors_of_a_retry_are_raised(rpc, reply) -> None:
    with ScriptedServer(CLOSE, reply) as server, pytest.raises(lk.TwirpError) as caught:
        call(server, rpc)
    assert caught.value.attempts == 2


@pytest.mark.parametrize("rpc", REQUESTS)
@pytest.mark.parametrize("reply", [twirp_error(401, "unauthenticated"), http(b"expired", 401)])
def test_guarantee_1_a_stale_token_is_renewed_once(rpc, reply) -> None:
    with ScriptedServer(ok(RESPONSES[rpc]), reply, ok(RESPONSES[rpc])) as server:
        now = [time.time() - 60]
        credentials = lk.ApiKeyCredentials("key", "s" * 32, clock=lambda: now[0])
        with lk.Channel(server.url, credentials, retry=FAST) as channel:
            method = getattr(lk.ConnectorStub(channel), rpc)
            method(REQUESTS[rpc])
            now[0] += 60
            assert method.with_call(REQUESTS[rpc])[1].attempts == 2
    first, second, third = (request.header("Authorization") for request in server.requests)
    assert first == second != third


def test_a_token_that_is_rejected_twice_raises() -> None:
    refused = twirp_error(401, "unauthenticated")
    script = (ok(RESPONSES["DialWhatsAppCall"]), refused)
    with ScriptedServer(*script) as server, channel_to(server) as channel:
        stub = lk.ConnectorStub(channel)
        stub.DialWhatsAppCall(DIAL)
        with pytest.raises(lk.Unauthenticated):
            stub.DialWhatsAppCall(DIAL)
    assert len(server.requests) == 3


def test_retry_none_makes_a_single_attempt() -> None:
    unavailable = twirp_error(503, "unavailable")
    with ScriptedServer(unavailable) as server, pytest.raises(lk.Unavailable):
        call(server, "DisconnectWhatsAppCall", DISCONNECT, retry=None)
    assert len(server.requests) == 1
    with ScriptedServer(unavailable) as server, channel_to(server) as channel:
        stub = lk.ConnectorStub(channel)
        with pytest.raises(lk.Unavailable):
            stub.DialWhatsAppCall(DIAL, retry=None)
    assert len(server.requests) == 1


def test_the_client_waits_for_retry_after() -> None:
    busy = twirp_error(503, "unavailable", headers=["Retry-After: 1"])
    with ScriptedServer(busy, ok(RESPONSES["DialWhatsAppCall"])) as server:
        started = time.monotonic()
        call(server, "DialWhatsAppCall")
    assert time.monotonic() - started >= 1


def test_a_retry_after_beyond_the_timeout_fails_immediately() -> None:
    busy = twirp_error(503, "unavailable", headers=["Retry-After: 60"])
    started = time.monotonic()
    with ScriptedServer(busy) as server, pytest.raises(lk.Unavailable):
        call(server, "DialWhatsAppCall", timeout=5)
    assert time.monotonic() - started < 1
    assert len(server.requests) == 1


def test_safe_to_retry_considers_all_attempts() -> None:
    refused = twirp_error(503, "unavailable")
    with ScriptedServer(refused, refused, CLOSE) as server, pytest.raises(lk.Unavailable) as caught:
        call(server, "DialWhatsAppCall")
    assert (caught.value.attempts, caught.value.safe_to_retry) == (3, False)
    with ScriptedServer(refused) as server, pytest.raises(lk.Unavailable) as caught:
        call(server, "DialWhatsAppCall")
    assert (caught.value.attempts, caught.value.safe_to_retry) == (3, True)


def test_failing_calls_stop_a_channels_retries_until_calls_succeed() -> None:
    unavailable, good = twirp_error(503, "unavailable"), ok(RESPONSES["DialWhatsAppCall"])
    with ScriptedServer(unavailable) as server, channel_to(server) as channel:
        stub = lk.ConnectorStub(channel)
        attempts = []
        for _ in range(40):
            with pytest.raises(lk.Unavailable) as caught:
                stub.DialWhatsAppCall(DIAL)
            attempts.append(caught.value.attempts)
        assert attempts[0] == 3
        assert attempts[-1] == 1
        server.script[-1] = good
        for _ in range(500):
            stub.DialWhatsAppCall(DIAL)
        server.script[-1] = unavailable
        with pytest.raises(lk.Unavailable) as caught:
            stub.DialWhatsAppCall(DIAL)
        assert caught.value.attempts == 3


# --- the decisions ----------------------------------------------------------------------------


def test_retries_stop_while_the_bucket_is_half_full_or_less() -> None:
    throttle = RetryThrottle()
    for _ in range(49):
        throttle.record_failure()
    assert not throttle.throttled
    throttle.record_failure()
    assert throttle.throttled
    throttle.record_success(0)
    assert not throttle.throttled


def test_a_failing_region_does_not_stop_retries_if_another_one_serves() -> None:
    throttle = RetryThrottle()
    for _ in range(1_000):
        throttle.record_failure()
        throttle.record_success(1)
    assert not throttle.throttled


@given(
    attempt=st.integers(1, 5_000),
    random=st.floats(0, 1),
    initial=st.floats(0, 10),
    most=st.floats(0, 100),
    multiplier=st.floats(1, 10),
)
def test_the_backoff_stays_within_its_bounds(attempt, random, initial, most, multiplier) -> None:
    policy = lk.RetryPolicy(
        initial_backoff=initial, max_backoff=most, backoff_multiplier=multiplier
    )
    assert 0 <= policy.backoff(attempt, random) <= most


def test_the_backoff_grows_and_jitter_takes_a_part_of_it() -> None:
    steady = lk.RetryPolicy(jitter=False)
    assert [steady.backoff(n, 0.5) for n in (1, 2, 3, 9)] == [0.2, 0.4, 0.8, 5.0]
    assert lk.RetryPolicy().backoff(2, 0.5) == 0.2


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"initial_backoff": -1},
        {"max_backoff": float("nan")},
        {"backoff_multiplier": 0.5},
        {"retryable_status_codes": "unavailable"},
        {"retryable_status_codes": {"teapot"}},
    ],
)
def test_a_policy_out_of_range_raises_value_error(options) -> None:
    with pytest.raises(ValueError, match=r"max_attempts|backoff|codes|teapot"):
        lk.RetryPolicy(**options)


def test_codes_can_be_given_as_text() -> None:
    policy = lk.RetryPolicy(retryable_status_codes={"internal"})
    assert policy.retryable_status_codes == {lk.StatusCode.INTERNAL}


@given(
    maybe_sent=st.booleans(),
    did_nothing=st.booleans(),
    rejected_early=st.booleans(),
    safe=st.booleans(),
    waits=st.booleans(),
    risky=st.booleans(),
)
def test_guarantee_1_a_retry_never_places_a_call_twice(
    maybe_sent, did_nothing, rejected_early, safe, waits, risky
) -> None:
    failure = Failure(lk.StatusCode.UNAVAILABLE, maybe_sent, did_nothing, rejected_early)
    repeat = may_retry(failure, safe_to_repeat=safe, waits=waits, retry_ambiguous=risky)
    if repeat and maybe_sent and not rejected_early:
        assert not waits
        assert did_nothing or safe or risky
    if not maybe_sent:
        assert repeat


@given(remaining=st.floats(0, 10), asked=st.floats(0, 20), random=st.floats(0, 1))
def test_a_delay_never_exceeds_the_remaining_time(remaining, asked, random) -> None:
    failure = Failure(lk.StatusCode.UNAVAILABLE, maybe_sent=False, retry_after=asked)
    delay = retry_delay(
        lk.RetryPolicy(),
        failure,
        attempt=1,
        repeatable=True,
        remaining=remaining,
        throttled=False,
        random=random,
    )
    assert delay is None or asked <= delay < remaining


@pytest.mark.parametrize(("asked", "delay"), [(300, 300), (301, None), (999_999_999, None)])
def test_a_call_without_a_timeout_waits_at_most_five_minutes(asked, delay) -> None:
    failure = Failure(lk.StatusCode.UNAVAILABLE, maybe_sent=False, retry_after=asked)
    options = {"attempt": 1, "repeatable": True, "remaining": None, "throttled": False}
    assert retry_delay(lk.RetryPolicy(), failure, random=0.5, **options) == delay


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("9" * 5_000, 999_999_999),
        ("Mon, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_parsed_or_ignored(value) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0
