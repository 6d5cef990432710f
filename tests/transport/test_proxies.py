"""Proxies of the environment, of a session, and of the channel."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
import requests
from helpers.scripted import CLOSE, STALL, Drip, ScriptedServer, http

import livekit_connector_sync as lk

from .calls import DIAL, OK, refused, works
from .proxy import Proxy

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        yield proxy


@pytest.fixture(params=["own", "users"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
    else:
        with requests.Session() as session:
            yield session


def test_a_plain_proxy_of_the_environment(
    serve: Serve,
    dial: Dial,
    proxy: Proxy,
    session: Optional[requests.Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(OK)
    stub = dial(server.url, session=session)
    works(stub)
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pa55@"))
    works(stub)
    works(stub)
    assert [request.target for request in proxy.requests] == [
        f"{server.url}/twirp/livekit.Connector/DialWhatsAppCall"
    ] * 2
    assert proxy.connections == 1
    basic = "Basic " + base64.b64encode(b"me:pa55").decode()
    assert proxy.requests[0].header("Proxy-Authorization") == basic
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    works(stub)
    assert len(proxy.requests) == 2
    assert len(server.requests) == 4


def test_a_tunnel_of_the_environment(
    serve: Serve,
    dial: Dial,
    proxy: Proxy,
    session: Optional[requests.Session],
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
) -> None:
    server = serve(OK, tls=server_tls)
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:pa55@"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_bundle)
    stub = dial(server.url, session=session)
    works(stub)
    works(stub)
    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", f"localhost:{server.port}")
    assert request.header("Authorization") is None
    assert (request.header("Proxy-Authorization") or "").startswith("Basic ")
    assert server.connections == 1
    assert server.requests[0].header("Proxy-Authorization") is None


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("::1", True),
        ("[::1]", True),
        ("example.com, ::/64", True),
        ("[::]/64", True),
        ("::2,fe80::/10,10.0.0.0/8,*.x,[", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY", "the session's"])
def test_no_proxy_with_an_address_of_ipv6(
    dial: Dial,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    no_proxy: str,
    exempt: bool,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
    with requests.Session() as session:
        if name.isidentifier():
            monkeypatch.setenv(name, no_proxy)
        else:
            session.proxies["no_proxy"] = no_proxy
        error = refused(dial("http://[::1]:1", session=session))
    assert ("[::1]:1: " in str(error), "proxy 127" in str(error)) == (exempt, not exempt)


@pytest.mark.parametrize("url", ["http://[fe80::1%25lo]:7880", "http://[fe80::1%lo]:7880"])
def test_an_address_of_ipv6_with_a_zone(
    dial: Dial,
    session: Optional[requests.Session],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    asked = []

    def getaddrinfo(host: str, *_: object) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no address")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    refused(dial(url, session=session))
    assert asked == ["fe80::1%lo"]


def test_a_tunnel_to_an_address_of_ipv6_has_brackets(
    dial: Dial, session: Optional[requests.Session]
) -> None:
    with Proxy(http(b"no", "502 X")) as proxy:
        error = refused(dial("https://[::1]:8443", session=session, proxies={"https": proxy.url}))
    assert proxy.requests[0].target == "[::1]:8443"
    assert f"proxy 127.0.0.1:{proxy.port}" in str(error)


def test_a_proxy_over_tls(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, ca_bundle: str
) -> None:
    server = serve(OK, tls=server_tls)
    with Proxy(tls=server_tls) as proxy:
        stub = dial(server.url, verify=ca_bundle, proxies={"https": proxy.url})
        works(stub)
        works(stub)
    assert [request.method for request in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (http(b"moved", "302 X", headers=["Location: /x"]), lk.Internal),
        (http(b"zip", "503 X", headers=["Content-Encoding: gzip"]), lk.Unavailable),
        (http(bytes(1_000_000), "502 X"), lk.Unavailable),
        ([Drip(http(bytes(1_000)), 0.01)], lk.DeadlineExceeded),
    ],
)
def test_malformed_responses_in_tls_over_a_proxys_tls(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    reply: Any,
    error_class: Any,
) -> None:
    server = serve(reply, tls=server_tls)
    with Proxy(tls=server_tls) as proxy:
        stub = dial(server.url, verify=ca_bundle, proxies={"https": proxy.url})
        error = refused(stub, timeout=0.7)
    assert type(error) is error_class
    assert error.maybe_sent


def test_the_precedence_of_proxies(
    serve: Serve, dial: Dial, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    server = serve(OK)
    dead = f"http://127.0.0.1:{free_port}"
    with requests.Session() as session:
        monkeypatch.setenv("http_proxy", dead)
        session.proxies = {"http": proxy.url}
        works(dial(server.url, session=session))
        assert len(proxy.requests) == 1
        works(dial(server.url, session=session, proxies={}))
        assert len(proxy.requests) == 1
        session.proxies = {"http": dead}
        works(dial(server.url, session=session, proxies={"http": proxy.url}))
        assert len(proxy.requests) == 2
        session.trust_env = False
        session.proxies = {}
        works(dial(server.url, session=session))
        assert len(proxy.requests) == 2


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 X", "200 OK extra"])
def test_a_refused_tunnel(
    serve: Serve, dial: Dial, session: Optional[requests.Session], status: str
) -> None:
    server = serve(OK, greeting=[CLOSE])
    with Proxy(http(b"no", status, "text/html")) as proxy:
        url = server.url.replace("http", "https")
        error = refused(dial(url, session=session, proxies={"https": proxy.url}))
    assert type(error) is lk.Unavailable
    assert error.maybe_sent is False
    assert error.safe_to_retry
    assert not server.requests
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 X"])
def test_a_proxy_that_responds_itself(
    serve: Serve, dial: Dial, session: Optional[requests.Session], status: str
) -> None:
    server = serve(OK)
    with Proxy(http(b"no", status, "text/html")) as proxy:
        error = refused(dial(server.url, session=session, proxies={"http": proxy.url}))
    assert error.status == int(status[:3])
    assert error.metadata["http_error_from_intermediary"] == "true"
    assert error.maybe_sent  # nobody knows what the proxy did before


def test_a_proxy_that_is_down(
    dial: Dial, session: Optional[requests.Session], free_port: int
) -> None:
    dead = f"http://127.0.0.1:{free_port}"
    stub = dial("https://x.example", session=session, proxies={"https": dead, "http": dead})
    error = refused(stub)
    assert type(error) is lk.Unavailable
    assert error.maybe_sent is False


@pytest.mark.parametrize("proxy", ["nonsense://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_with_an_impossible_url(
    dial: Dial, session: Optional[requests.Session], proxy: str
) -> None:
    error = refused(dial("http://x.example", session=session, proxies={"http": proxy}))
    assert type(error) is lk.Unavailable
    assert error.maybe_sent is False


@pytest.mark.parametrize(
    "proxy",
    ["http://", "user:hunter2@", "http://user:hunter2@[::1", "http://user:hunter2@127.0.0.1:x", 7],
)
def test_a_malformed_proxy_url(dial: Dial, monkeypatch: pytest.MonkeyPatch, proxy: Any) -> None:
    with pytest.raises(ValueError, match=r"proxies\['http'\]") as caught:
        dial("http://x.example", proxies={"http": proxy})
    assert "hunter2" not in str(caught.value)
    if isinstance(proxy, str):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        error = refused(dial("http://x.example"))
        assert type(error) is lk.Unavailable
        assert error.maybe_sent is False
        assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "key",
    [
        "http",
        "https",
        "all",
        "http://x.example",
        "all://x.example",
        "https://10.0.0.1",
        "http://::1",
    ],
)
def test_what_requests_takes_for_the_key_of_a_proxy(dial: Dial, key: str) -> None:
    dial("http://x.example", proxies={key: "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    "key",
    [
        *("HTTP_PROXY", "https_proxy", "HTTPS", "https:", "https://", "all://", "no_proxy", "", 7),
        *("socks5", "wss", "x.example", "http://X.example", "http://x.example:80", "http://[::1]"),
        *(
            "http://x.example/",
            "https://me:hunter2@proxy:3128",
            "me:hunter2@proxy:3128",
            "ftp://x.example",
        ),
    ],
)
def test_what_requests_ignores_is_not_the_key_of_a_proxy(dial: Dial, key: Any) -> None:
    with pytest.raises(ValueError, match=r'write "http", "https", "all", or') as caught:
        dial("http://x.example", proxies={key: "http://127.0.0.1:1"})
    assert "hunter2" not in str(caught.value)


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([STALL], id="no reply"),
        pytest.param([Drip(http(bytes(100)))], id="dripping reply"),
        pytest.param([Drip(ESTABLISHED, interval=0.006), STALL], id="no handshake"),
    ],
)
def test_a_slow_tunnel(
    serve: Serve, dial: Dial, session: Optional[requests.Session], steps: Any
) -> None:
    proxy = serve(steps)
    stub = dial("https://x.example", session=session, proxies={"https": proxy.url})
    error = refused(stub, timeout=0.35)
    assert isinstance(error, lk.DeadlineExceeded)
    assert "while connecting" in str(error)
    assert error.maybe_sent is False
    assert DIAL.whatsapp_api_key.encode() not in proxy.requests[0].body


def test_guarantee_2_a_socks_proxy_that_drips(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    """PySocks times each read by itself."""
    proxy = serve(OK, greeting=[Drip(b"\x05\x00\x05\x00\x00\x03\xff" + b"a" * 257)])
    socks = proxy.url.replace("http", "socks5h")
    error = refused(
        dial("http://127.0.0.1:1", session=session, proxies={"http": socks}), timeout=0.3
    )
    assert type(error) is lk.DeadlineExceeded
    assert not error.maybe_sent
