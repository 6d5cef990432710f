"""Region failover: the official SDKs' shared scenarios, and cases that they lack.

The scenarios speak the `X-Lk-Mock` protocol of LiveKit's own test server. They run against it when
LK_TEST_SERVER_URL names it, and against our emulator otherwise.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from helpers.requests_of import ACCEPT, CONNECT, DIAL, DISCONNECT, TWILIO

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.regions import (
    Endpoint,
    RegionCache,
    Route,
    find_untried,
    parse_max_age,
    parse_regions,
)
from livekit_connector_sync.emulator import ConnectorEmulator

LOOPBACK = lk.FailoverPolicy(hosts=("127.0.0.1", "localhost"), allow_http=True)
FAST = lk.RetryPolicy(initial_backoff=0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str, str]]:
    """The URL, key and secret of a server that speaks X-Lk-Mock."""
    official = os.environ.get("LK_TEST_SERVER_URL")
    if official:
        yield official, "devkey", "secret"
        return
    with ConnectorEmulator(regions=4) as emulator:
        yield emulator.url, emulator.api_key, emulator.api_secret


@pytest.fixture
def make_stub(server):
    channels = []

    def make(**options) -> lk.ConnectorStub:
        url, key, secret = server
        options = {"failover": LOOPBACK, "retry": FAST, **options}
        channels.append(lk.Channel(url, lk.ApiKeyCredentials(key, secret), **options))
        return lk.ConnectorStub(channels[-1])

    yield make
    for channel in channels:
        channel.close()


def mock(**directives: object) -> tuple[tuple[str, str], ...]:
    return (("X-Lk-Mock", json.dumps(directives)),)


def region_of(call: lk.Call) -> int:
    return int(dict(call.trailing_metadata)["x-lk-mock-region"])


@pytest.mark.parametrize(
    ("directives", "region"),
    [
        ({}, 0),
        ({"failRegions": [0]}, 1),
        ({"failRegions": [0, 1]}, 2),
    ],
    ids=["healthy", "primary unavailable", "two regions unavailable"],
)
def test_guarantee_5_a_call_fails_over_to_the_next_region(make_stub, directives, region) -> None:
    response, call = make_stub().DialWhatsAppCall.with_call(DIAL, metadata=mock(**directives))
    assert response.room_name == "r"
    assert region_of(call) == region
    assert call.attempts == region + 1


@pytest.mark.parametrize(
    ("directives", "options", "code", "status"),
    [
        ({"failRegions": [0, 1, 2, 3]}, {}, "unavailable", 503),
        ({"failRegions": [0], "failStatus": 400}, {}, "invalid_argument", 400),
        ({"failRegions": [0], "regionsStatus": 500}, {}, "unavailable", 503),
        ({"failRegions": [0]}, {"failover": True}, "unavailable", 503),
        ({"failRegions": [0]}, {"failover": False}, "unavailable", 503),
        ({"failRegions": [0]}, {"timeout": 4.9}, "unavailable", 503),
    ],
    ids=[
        "all unavailable",
        "client error",
        "discovery unreachable",
        "not a cloud host",
        "disabled",
        "short timeout",
    ],
)
def test_guarantee_5_a_failure_is_raised_if_failover_is_not_allowed(
    make_stub, directives, options, code, status
) -> None:
    with pytest.raises(lk.TwirpError) as caught:
        make_stub(**options).DialWhatsAppCall(DIAL, metadata=mock(**directives))
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(
    ("rpc", "request_message"),
    [
        ("AcceptWhatsAppCall", ACCEPT),
        ("ConnectWhatsAppCall", CONNECT),
        ("DisconnectWhatsAppCall", DISCONNECT),
    ],
)
def test_a_dropped_connection_fails_over_if_a_retry_is_safe(
    make_stub, rpc, request_message
) -> None:
    dropped = mock(failRegions=[0], failMode="drop")
    _, call = getattr(make_stub(), rpc).with_call(request_message, metadata=dropped)
    assert region_of(call) == 1


@pytest.mark.parametrize(
    ("rpc", "request_message"), [("DialWhatsAppCall", DIAL), ("ConnectTwilioCall", TWILIO)]
)
def test_guarantee_1_a_dropped_connection_is_not_retried_if_that_could_place_a_call_twice(
    make_stub, rpc, request_message
) -> None:
    dropped = mock(failRegions=[0], failMode="drop")
    with pytest.raises(lk.Unavailable) as caught:
        getattr(make_stub(), rpc)(request_message, metadata=dropped)
    assert (caught.value.attempts, caught.value.maybe_sent) == (1, True)
    assert not caught.value.safe_to_retry


@pytest.mark.parametrize("timeout", [10.0, 2.0])
def test_a_pinned_project_is_served_in_a_region_that_allows_it(server, make_stub, timeout) -> None:
    url, key, secret = server
    token = lk.AccessToken(key, secret).with_grants(lk.VideoGrants(room_create=True)).to_jwt()
    response = requests.get(
        f"{url}/settings/regions", headers={"Authorization": f"Bearer {token}"}, timeout=5
    )
    name = response.json()["regions"][2]["region"]
    stub = make_stub(timeout=timeout)
    _, call = stub.DialWhatsAppCall.with_call(DIAL, metadata=mock(pinnedRegions=[name]))
    assert region_of(call) == 2
    assert call.attempts == 2


def test_without_an_allowed_region_the_call_raises_the_451(make_stub) -> None:
    with pytest.raises(lk.TwirpError, match="not allowed in this region") as caught:
        make_stub().DialWhatsAppCall(DIAL, metadata=mock(pinnedRegions=["elsewhere"]))
    assert (caught.value.status, caught.value.attempts) == (451, 1)
    assert caught.value.safe_to_retry


def test_a_region_serves_the_same_base_path_and_carries_the_same_request_id() -> None:
    with ConnectorEmulator(regions=2) as emulator:
        credentials = lk.ApiKeyCredentials(emulator.api_key, emulator.api_secret)
        with lk.Channel(emulator.url, credentials, failover=LOOPBACK, retry=FAST) as channel:
            metadata = (*mock(failRegions=[0]), ("X-Livekit-Request-Id", "mine"))
            _, call = lk.ConnectorStub(channel).DialWhatsAppCall.with_call(DIAL, metadata=metadata)
        assert call.request_id == "mine"
        assert call.url == emulator.region_urls[1]
        ids = [dict(r.headers)["x-livekit-request-id"] for r in emulator.requests]
        assert ids == ["mine", "mine"]


def test_guarantee_4_a_cached_list_is_used_only_with_the_same_trusted_hosts() -> None:
    with ConnectorEmulator(regions=2) as emulator:
        strict = lk.FailoverPolicy(hosts=("127.0.0.1",))  # not without TLS
        credentials = lk.ApiKeyCredentials(emulator.api_key, emulator.api_secret)
        for failover in (LOOPBACK, strict):
            with lk.Channel(emulator.url, credentials, failover=failover, retry=FAST) as channel:
                dial = lk.ConnectorStub(channel).DialWhatsAppCall
                if failover is LOOPBACK:
                    assert dial.with_call(DIAL, metadata=mock(failRegions=[0]))[1].attempts == 2
                else:
                    with pytest.raises(lk.Unavailable):
                        dial(DIAL, metadata=mock(failRegions=[0]))


# --- the decisions ----------------------------------------------------------------------------

CLOUD = "*.livekit.cloud"
KEY = ("https://a", CLOUD, False)


def regions_json(*urls: object) -> bytes:
    return json.dumps({"regions": [{"region": "r", "url": url} for url in urls]}).encode()


@pytest.mark.parametrize(
    "url",
    [
        "http://a.livekit.cloud",
        "ws://a.livekit.cloud",
        "https://evil.com",
        "https://notlivekit.cloud",
        "https://livekit.cloud.evil.com",
        "https://livekit.cloud",
        "https://user@a.livekit.cloud",
        "https://evil.com\\.a.livekit.cloud",
        "https://evil.com#.livekit.cloud",
        "https://a.livekit.cloud:99999",
        "https://[::1",
        "ftp://a.livekit.cloud",
        "//a.livekit.cloud",
        "",
        7,
        None,
    ],
)
def test_guarantee_4_secrets_are_sent_only_to_https_hosts_under_the_callers_domain(
    url,
) -> None:
    assert parse_regions(regions_json(url), CLOUD) == []


def test_guarantee_4_no_secret_goes_to_a_host_that_only_ends_like_the_callers_domain() -> None:
    body = regions_json("https://notexample.com", "https://a.example.com", "https://example.com")
    assert parse_regions(body, "example.com") == ["https://a.example.com", "https://example.com"]


def test_regions_are_ordered_origins_without_duplicates() -> None:
    body = regions_json(
        "wss://B.livekit.cloud/x?y", "https://a.livekit.cloud", "https://b.livekit.cloud"
    )
    assert parse_regions(body, CLOUD) == ["https://b.livekit.cloud", "https://a.livekit.cloud"]


def test_a_long_list_of_regions_is_cut() -> None:
    body = regions_json(*(f"https://r{number}.livekit.cloud" for number in range(100)))
    assert len(parse_regions(body, CLOUD)) == 32


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"regions": 7}', b'{"regions": [7]}', b"\xff", b"[" * 100_000]
)
def test_a_malformed_region_list_raises_value_error(body) -> None:
    with pytest.raises(ValueError, match="settings/regions"):
        parse_regions(body, CLOUD)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("no-store", 0),
        ("max-age=0", 0),
        ("max-age=60", 60),
        ("public, max-age=300", 300),
        ("MAX-AGE=5, must-revalidate", 5),
        ("max-age=-1", 0),
        ("max-age=abc", 0),
        ("max-age=", 0),
        ("s-maxage=9", 0),
        ("max-age=999999999999", 86_400),
    ],
)
def test_max_age(header, seconds) -> None:
    assert parse_max_age(header) == seconds


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("x.livekit.cloud", "*.livekit.cloud"),
        ("x.region.livekit.cloud", "*.livekit.cloud"),
        ("X.LIVEKIT.CLOUD", "*.livekit.cloud"),
        ("x.livekit.run", "*.livekit.run"),
        ("x.livekit.io", None),
        ("notlivekit.cloud", None),
        ("livekit.cloud", None),
        ("127.0.0.1", None),
        ("calls.example.com", "example.com"),
        ("example.com", "example.com"),
        ("notexample.com", None),
        ("example.com.evil.com", None),
    ],
)
def test_failover_applies_to_cloud_hosts_and_the_policys_hosts(host, domain) -> None:
    assert lk.FailoverPolicy(hosts=("example.com",)).domain_of(host) == domain


def test_hosts_as_a_single_text_raise_value_error() -> None:
    with pytest.raises(ValueError, match="tuple"):
        lk.FailoverPolicy(hosts="example.com")


def test_regions_are_tried_once() -> None:
    assert find_untried(["a", "b", "c"], ["a", "b"]) == "c"
    assert find_untried(["a"], ["a"]) is None


def test_a_region_list_is_cached_for_its_max_age_and_used_stale_if_a_refresh_fails() -> None:
    cache = RegionCache()
    responses = iter([(["b"], 60.0), (["c"], 60.0)])

    def discover() -> tuple[list[str], float]:
        try:
            return next(responses)
        except StopIteration:
            raise ValueError("unreachable") from None

    assert cache.regions(KEY, discover, timeout=1) == ["b"]
    assert cache.regions(KEY, discover, timeout=1) == ["b"]
    assert cache.regions(KEY, discover, timeout=1, refresh=True) == ["c"]
    assert cache.regions(KEY, discover, timeout=1, refresh=True) == ["c"]
    assert cache.regions(("https://b", CLOUD, False), discover, timeout=1) == []


def test_a_region_list_without_max_age_is_not_cached() -> None:
    cache = RegionCache()
    asked = []

    def discover() -> tuple[list[str], float]:
        asked.append(1)
        return ["b"], 0.0

    cache.regions(KEY, discover, timeout=1)
    cache.regions(KEY, discover, timeout=1)
    assert len(asked) == 2


def test_a_list_is_asked_for_again_when_it_has_expired() -> None:
    cache = RegionCache()
    answers = iter([(["b"], 0.02), (["c"], 60.0)])
    assert cache.regions(KEY, lambda: next(answers), timeout=1) == ["b"]
    time.sleep(0.03)
    assert cache.regions(KEY, lambda: next(answers), timeout=1) == ["c"]


def test_a_project_that_may_not_use_a_region_gets_a_new_list() -> None:
    home = "https://pinned.livekit.cloud"
    answers = iter([(["https://b.livekit.cloud"], 60.0), (["https://c.livekit.cloud"], 60.0)])
    first, second = (
        Route(Endpoint(home, CLOUD, False), None, lambda: next(answers)) for _ in range(2)
    )
    assert first.advance(pinned=False, wait=1)
    assert first.url == "https://b.livekit.cloud"
    assert second.advance(pinned=True, wait=1)
    assert second.url == "https://c.livekit.cloud"


def test_a_caller_waits_only_so_long_for_anothers_discovery() -> None:
    cache = RegionCache()
    asked, over = threading.Event(), threading.Event()

    def discover() -> tuple[list[str], float]:
        asked.set()
        over.wait(5)
        return ["b"], 0.0

    thread = threading.Thread(target=cache.regions, args=(KEY, discover), kwargs={"timeout": 5})
    thread.start()
    try:
        assert asked.wait(5)
        started = time.monotonic()
        assert cache.regions(KEY, discover, timeout=0.02) == []
        assert time.monotonic() - started < 2
    finally:
        over.set()
        thread.join()


def test_concurrent_callers_request_a_region_list_once() -> None:
    cache = RegionCache()
    asked, respond = [], threading.Event()

    def discover() -> tuple[list[str], float]:
        asked.append(1)
        respond.wait(5)
        return ["b"], 0.0

    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.regions(KEY, discover, timeout=5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    while len(asked) == 0:
        pass
    # All threads wait for the running request, or will when they start.
    threading.Timer(0.2, respond.set).start()
    for thread in threads:
        thread.join()
    assert found == [["b"]] * 8
    assert len(asked) == 1
