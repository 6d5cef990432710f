"""Faults on demand: the fields of X-Lk-Mock, regions, and the HTTP server."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

DIAL = "/twirp/livekit.Connector/DialWhatsAppCall"
JSON = {"Content-Type": "application/json"}
REQUEST = json.dumps({"room_name": "sales", "ringing_timeout": "5s"}).encode()


@pytest.fixture(scope="module")
def emulator() -> Iterator[ConnectorEmulator]:
    with ConnectorEmulator(regions=3) as running:
        yield running


def send(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()


def dial(
    emulator: ConnectorEmulator, mock: Any, region: int = 0, **more: str
) -> tuple[int, dict[str, str], Any]:
    headers = {**JSON, "X-Lk-Mock": mock if isinstance(mock, str) else json.dumps(mock), **more}
    url = emulator.region_urls[region]
    status, response_headers, body = send(url, "POST", DIAL, headers, REQUEST)
    is_json = response_headers.get("content-type") == "application/json"
    return status, response_headers, json.loads(body) if is_json else body


def bearer(emulator: ConnectorEmulator, **grants: bool) -> dict[str, str]:
    token = lk.AccessToken(emulator.api_key, emulator.api_secret)
    return {"Authorization": f"Bearer {token.with_grants(lk.VideoGrants(**grants)).to_jwt()}"}


SKIP = {"skipAuth": True}


def test_a_mock_message(emulator: ConnectorEmulator) -> None:
    status, headers, body = dial(emulator, SKIP, region=2)
    assert (status, headers["x-lk-mock-region"]) == (200, "2")
    assert body == {"whatsapp_call_id": "MOCK_WHATSAPP_CALL_ID", "room_name": "sales"}
    assert emulator.calls == []


def test_the_response_in_the_header(emulator: ConnectorEmulator) -> None:
    asked = {**SKIP, "response": {"whatsappCallId": "wacid.1", "unknown": 1}}
    assert dial(emulator, asked)[2] == {"whatsapp_call_id": "wacid.1", "room_name": ""}
    wrong = {**SKIP, "response": {"whatsappCallId": 7}}
    assert dial(emulator, wrong)[2]["whatsapp_call_id"] == "MOCK_WHATSAPP_CALL_ID"


def test_tokens_are_checked_unless_skipped(emulator: ConnectorEmulator) -> None:
    assert dial(emulator, {})[::2] == (
        401,
        {"code": "unauthenticated", "msg": "mock: unauthenticated"},
    )
    assert dial(emulator, {}, **bearer(emulator, room_list=True))[0] == 403
    assert dial(emulator, {}, **bearer(emulator, room_create=True))[0] == 200


@pytest.mark.parametrize(
    ("mock", "status", "code"),
    [
        ({"failRegions": [0]}, 503, "unavailable"),
        ({"failRegions": [0], "failStatus": 404}, 404, "not_found"),
        ({"failRegions": [0], "failStatus": 418}, 418, "internal"),
        ({"failRegions": [0], "failStatus": 99}, 503, "unavailable"),
        ({"failRegions": [0], "failTwirpCode": "aborted", "failMode": "STATUS"}, 503, "aborted"),
    ],
)
def test_failures(emulator: ConnectorEmulator, mock: Any, status: int, code: str) -> None:
    received, headers, body = dial(emulator, {**SKIP, **mock})
    assert (received, body["code"]) == (status, code)
    assert headers["x-lk-mock-region"] == ""
    assert dial(emulator, {**SKIP, **mock}, region=1)[0] == 200


def test_a_dropped_connection(emulator: ConnectorEmulator) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        dial(emulator, {**SKIP, "failRegions": [0], "failMode": "drop"})
    assert emulator.requests[-1].outcome == "dropped"


def test_a_delay(emulator: ConnectorEmulator) -> None:
    started = time.monotonic()
    assert dial(emulator, {**SKIP, "delayMs": 80})[0] == 200
    assert time.monotonic() - started >= 0.08
    in_region_0 = {**SKIP, "failRegions": [0], "failMode": "delay"}  # for 30 s
    assert dial(emulator, in_region_0, region=1)[0] == 200


def test_pinned_regions(emulator: ConnectorEmulator) -> None:
    mock = {**SKIP, "pinnedRegions": ["region-1"]}
    status, headers, body = dial(emulator, mock)
    assert status == 451
    assert headers["content-type"].startswith("text/plain")
    assert body == b"project not allowed in this region."
    assert dial(emulator, mock, region=1)[0] == 200
    _, _, listed = send(emulator.url, "GET", "/settings/regions", {"X-Lk-Mock": json.dumps(mock)})
    assert [region["region"] for region in json.loads(listed)["regions"]] == ["region-1"]


def test_the_older_headers(emulator: ConnectorEmulator) -> None:
    old = {
        "X-Lk-Mock-Skip-Auth": "TRUE",
        "X-Lk-Mock-Fail-Regions": "0, 1",
        "X-Lk-Mock-Fail-Status": "429",
        "X-Lk-Mock-Fail-Mode": "delay",
        "X-Lk-Mock-Delay-Ms": "30",
    }
    started = time.monotonic()
    status, _, body = send(emulator.url, "POST", DIAL, {**JSON, **old}, REQUEST)
    assert (status, json.loads(body)["code"]) == (429, "resource_exhausted")
    assert time.monotonic() - started >= 0.03
    # A field of the new header overrides its older header; the others stay.
    assert dial(emulator, {"failStatus": 400}, **old)[0] == 400
    assert dial(emulator, {"failRegions": [2]}, **old)[0] == 200
    assert dial(emulator, "not json", **old)[0] == 429


def test_settings_regions(emulator: ConnectorEmulator) -> None:
    status, headers, body = send(emulator.url, "GET", "/settings/regions", {})
    assert status == 200
    assert headers["cache-control"] == "max-age=0"
    assert json.loads(body)["regions"] == [
        {"region": f"region-{index}", "url": url, "distance": str(index)}
        for index, url in enumerate(emulator.region_urls)
    ]
    mock = {"X-Lk-Mock": json.dumps({**SKIP, "regionsStatus": 500})}
    assert send(emulator.url, "GET", "/settings/regions", mock)[0] == 500


def test_a_region_that_is_down() -> None:
    with ConnectorEmulator(regions=2) as emulator:
        emulator.drop_region(0)
        for method, path in (("POST", DIAL), ("GET", "/settings/regions")):
            with pytest.raises(http.client.RemoteDisconnected):
                send(emulator.url, method, path, JSON, b"{}")
        assert send(emulator.region_urls[1], "POST", DIAL, JSON, b"{}")[0] == 401
        emulator.restore_region(0)
        assert send(emulator.url, "POST", DIAL, JSON, b"{}")[0] == 401
        with pytest.raises(ValueError, match="no region 2"):
            emulator.drop_region(2)


def raw(emulator: ConnectorEmulator, data: bytes) -> bytes:
    parts = urlsplit(emulator.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_keep_alive_and_chunks(emulator: ConnectorEmulator) -> None:
    head = (
        f"POST {DIAL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        'X-Lk-Mock: {"skipAuth": true}\r\n'
    ).encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    chunked += b"%x;ext=1\r\n%b\r\n0\r\nTrailer: 1\r\n\r\n" % (len(REQUEST), REQUEST)
    sized = head + b"Content-Length: %d\r\n\r\n%b" % (len(REQUEST), REQUEST)
    responses = raw(emulator, chunked + sized + chunked)
    assert responses.count(b"HTTP/1.1 200 OK") == 3
    assert responses.count(b'"room_name":"sales"') + responses.count(b'"room_name": "sales"') == 3


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 99999999\r\n\r\n", b"413"),
        (b"Content-Length: x\r\n\r\n", b"400"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", b"400"),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (b"Content-Length: 3\r\n\r\n{}", b"400"),
        (b"Content-Length : 2\r\n\r\n{}", b"400"),
        (b"Content-Length: +2\r\n\r\n{}", b"400"),
        (b"Content-Length: -2\r\n\r\n{}", b"400"),
        (b"Content-Length: 0x2\r\n\r\n{}", b"400"),
        (b"Content-Length: 2, 2\r\n\r\n{}", b"400"),
        (b"Content-Length:\r\n\r\n{}", b"400"),
        (b"Content-Length:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"300000\r\n%b\r\n300000\r\n" % (b" " * 0x300000), b"413"),
        (CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2;a\rb\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2;" + b"a" * 300 + b"\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2\r\n{}\n0\r\n\r\n", b"400"),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", b"400"),
        (CHUNKED + b"0\r\n" + b"Trailer: 1\r\n" * 6000 + b"\r\n", b"431"),
        (b"Host: localhost\r\n\r\n", b"400"),
        (b"X-Folded: 1\r\n 2\r\n\r\n", b"400"),
        (b"X-Bare: 1\nX-Line: 2\r\n\r\n", b"400"),
        (b"X-Bare: 1\rX-Return: 2\r\n\r\n", b"400"),
        (b"X-Nul: \x00\r\n\r\n", b"400"),
        (b": no name\r\n\r\n", b"400"),
        (b"no colon\r\n\r\n", b"400"),
        (b"\n", b"400"),
        (b"X-Long: " + b"9" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_malformed_headers_and_bodies_are_rejected(
    emulator: ConnectorEmulator, headers: bytes, status: bytes
) -> None:
    response = raw(emulator, b"POST " + DIAL.encode() + b" HTTP/1.1\r\nHost: [::1]:7\r\n" + headers)
    assert response.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in response


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: Close\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ],
)
def test_a_connection_is_kept_as_its_client_expects(
    emulator: ConnectorEmulator, version: bytes, connection: bytes, closes: bool
) -> None:
    request = b"HEAD /_test/health HTTP/" + version + b"\r\nHost: localhost\r\n" + connection
    response = raw(emulator, request + b"\r\n")
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert response.endswith(b"\r\n\r\n")  # HEAD has no body
    assert (b"Connection: close" in response) == closes


def test_a_client_that_waits_for_100_continue(emulator: ConnectorEmulator) -> None:
    parts = urlsplit(emulator.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        head = f"POST {DIAL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        connection.sendall(f"{head}Expect: 100-Continue\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(12) == b"HTTP/1.1 404"


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "BREW"])
def test_other_http_methods_get_a_twirp_error(emulator: ConnectorEmulator, method: str) -> None:
    status, _, body = send(emulator.url, method, DIAL, JSON)
    assert (status, json.loads(body)["code"]) == (404, "bad_route")


@pytest.mark.parametrize(
    "mock",
    [
        '{"delayMs": 1e400}',
        '{"failRegions": ["0", null, 0.0], "failStatus": "x", "pinnedRegions": 7}',
        '{"response": []}',
        "[" * 50_000,
        "\xb2",
    ],
)
def test_nonsense_in_the_header_is_ignored(emulator: ConnectorEmulator, mock: str) -> None:
    old = {"X-Lk-Mock-Skip-Auth": "true", "X-Lk-Mock-Fail-Status": "\xb2"}
    status, _, body = dial(emulator, mock, **old)
    assert (status, body["room_name"]) == (200, "sales")


@pytest.mark.parametrize("target", [b"//[", b"*", b"http://x:y/", b"/%00?\xff"])
def test_unusual_targets_are_not_found(emulator: ConnectorEmulator, target: bytes) -> None:
    response = raw(emulator, b"POST " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\n\n", b"HTTP/1.1 400"),
        (b"\nGET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET  / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"HTTP/1.1 505"),
        (b"\xff\r\n\r\n", b"HTTP/1.1 400"),
    ],
)
def test_a_malformed_request_line_is_rejected(
    emulator: ConnectorEmulator, sent: bytes, status: bytes
) -> None:
    response = raw(emulator, sent)
    assert response.startswith(status)
    assert b"<" not in response  # no HTML


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body(emulator: ConnectorEmulator, status: int) -> None:
    mock = {**SKIP, "failRegions": [0], "failStatus": status}
    sent = (
        f"POST {DIAL} HTTP/1.1\r\nHost: localhost\r\nX-Lk-Mock: {json.dumps(mock)}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    ).encode()
    assert raw(emulator, sent + sent).count(b"\r\n\r\nHTTP/1.1 ") == 1


def test_ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        return  # this machine has no IPv6
    with ConnectorEmulator(host="::1") as emulator:
        assert emulator.url.startswith("http://[::1]:")
        assert send(emulator.url, "GET", "/_test/health", {})[2] == b"ok"


def test_other_paths(emulator: ConnectorEmulator) -> None:
    assert send(emulator.url, "GET", "/nowhere", {})[0] == 404
    assert send(emulator.url, "POST", "/twirp/livekit.Egress/ListEgress", JSON)[0] == 404


def test_closing_breaks_open_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    emulator = ConnectorEmulator()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    emulator.start()
    parts = urlsplit(emulator.url)
    idle = [socket.create_connection((parts.hostname, parts.port)) for _ in range(5)]
    assert send(emulator.url, "GET", "/_test/health", {})[2] == b"ok"
    started = time.monotonic()
    emulator.close()
    assert time.monotonic() - started < 1
    assert all(connection.recv(1) == b"" for connection in idle)
    for connection in idle:
        connection.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port))


def test_the_pages_actions_are_for_the_page_only(emulator: ConnectorEmulator) -> None:
    action = json.dumps({"action": "inbound"}).encode()
    path, header = "/emulator/action", {"X-Emulator-Action": "1"}
    assert send(emulator.url, "POST", path, {}, action)[0] == 403
    assert emulator.calls == []
    assert send(emulator.url, "POST", path, header, b'{"action": "explode"}')[0] == 400
    gone = json.dumps({"action": "hang_up", "target": "wacid.GONE"}).encode()
    assert send(emulator.url, "POST", path, header, gone)[0] == 404
    assert send(emulator.url, "POST", path, header, action)[0] == 200
    pick_up = json.dumps({"action": "answer", "target": emulator.calls[0].id}).encode()
    assert send(emulator.url, "POST", path, header, pick_up)[0] == 409


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:80"}, 200),
        ({"Host": "[::1]:7890"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1"}, 200),
        ({"Host": "127.0.0.1", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://["}, 403),
        ({"Host": "["}, 403),
    ],
)
def test_dns_rebinding_and_other_origins_are_rejected(
    emulator: ConnectorEmulator, headers: dict[str, str], status: int
) -> None:
    action = json.dumps({"action": "inbound"}).encode()
    headers = {"X-Emulator-Action": "1", **headers}
    calls, requests = len(emulator.calls), len(emulator.requests)
    assert send(emulator.url, "POST", "/emulator/action", headers, action)[0] == status
    assert send(emulator.url, "GET", "/", headers)[0] == status
    assert send(emulator.url, "GET", "/settings/regions", headers)[0] == status
    headers.update({**bearer(emulator, room_create=True), **JSON, "X-Lk-Mock": "{}"})
    assert send(emulator.url, "POST", DIAL, headers, REQUEST)[0] == status
    assert len(emulator.calls) - calls == len(emulator.requests) - requests == (status == 200)


def test_the_name_that_the_emulator_listens_on_is_its_own() -> None:
    own = socket.gethostname()
    try:
        emulator = ConnectorEmulator(host=own)
        emulator.start()
    except OSError:
        return  # this machine cannot resolve its own name
    with contextlib.closing(emulator):
        assert send(emulator.url, "GET", "/_test/health", {})[0] == 200
        assert send(emulator.url, "GET", "/_test/health", {"Host": f"not-{own}"})[0] == 403


def test_connections_beyond_the_bound_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livekit_connector_sync.emulator.http_server.MAX_CONNECTIONS", 3)
    with ConnectorEmulator() as emulator, contextlib.ExitStack() as stack:
        parts = urlsplit(emulator.url)
        before = threading.active_count()
        connections = [
            stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=0.3))
            for _ in range(5)
        ]
        for connection in connections:
            connection.sendall(b"GET /_test/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in connections[:3]:
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        with pytest.raises(socket.timeout):
            connections[3].recv(15)
        assert threading.active_count() - before == 3
        for connection in connections[:2]:
            connection.close()
        for connection in connections[3:]:
            connection.settimeout(5)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_the_pages_events(emulator: ConnectorEmulator) -> None:
    parts = urlsplit(emulator.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(b"GET /emulator/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with connection.makefile("rb") as stream:
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            while b"data: " not in (line := stream.readline()):
                pass
            assert json.loads(line[6:])["url"] == emulator.url
            call = emulator.inbound_call(from_phone_number="4930001122")
            while call.id.encode() not in (line := stream.readline()):
                pass
    newest = json.loads(line[6:])["live"][0]
    assert (newest["state"], newest["user"]) == ("ringing", "...1122")
    assert newest["actions"] == ["reject", "hang_up"]
