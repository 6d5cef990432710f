"""What an error says of a connection that failed, and which failures are not retried."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import requests
import trustme
from helpers.scripted import CLOSE, RESET, ScriptedServer, http

import livekit_connector_sync as lk

from .calls import OK
from .proxy import Proxy

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]

RETRY = lk.RetryPolicy(max_attempts=3, initial_backoff=0)
DISCONNECT = lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1")


def failed(dial: Dial, url: str, attempts: int, **options: Any) -> lk.TwirpError:
    """Make a call that may be repeated and fails; return the error."""
    stub = dial(url, retry=RETRY, **options)
    with pytest.raises(lk.Unavailable) as caught:
        stub.DisconnectWhatsAppCall(DISCONNECT)
    assert caught.value.attempts == attempts
    assert caught.value.safe_to_retry
    return caught.value


def test_an_untrusted_certificate(
    serve: Serve, dial: Dial, session: Optional[requests.Session], server_tls: ssl.SSLContext
) -> None:
    server = serve(OK, tls=server_tls)
    error = failed(dial, server.url, 1, session=session)
    assert error.message.startswith(f"localhost:{server.port}: ")
    for way in ("verify=", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        assert way in error.message
    assert not error.maybe_sent


def test_a_certificate_of_another_host(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    authority: trustme.CA,
    ca_bundle: str,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    server = serve(OK, tls=context)
    error = failed(dial, server.url, 1, session=session, verify=ca_bundle)
    assert f"localhost:{server.port}" in error.message
    assert "SSL_CERT_FILE" not in error.message  # another CA would not help
    assert not error.maybe_sent


def test_no_version_of_tls_in_common(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    alert = b"\x15\x03\x01\x00\x02\x02\x46"  # protocol_version, RFC 8446, section 6
    server = serve(OK, greeting=[alert, CLOSE])
    error = failed(dial, server.url.replace("http", "https"), 1, session=session)
    assert f"127.0.0.1:{server.port}: " in error.message
    assert "protocol version" in error.message


def test_https_to_a_server_without_tls(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    server = serve(OK, greeting=[b"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE])
    error = failed(dial, server.url.replace("http", "https"), 1, session=session)
    assert f"127.0.0.1:{server.port} does not speak TLS: use http://" in error.message


def test_https_to_a_proxy_without_tls(serve: Serve, dial: Dial) -> None:
    proxy = serve(OK, greeting=[b"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE])
    url = proxy.url.replace("http", "https")
    error = failed(dial, "https://x.example", 1, proxies={"https": url})
    assert f"proxy 127.0.0.1:{proxy.port} does not speak TLS: use http://" in error.message


@pytest.mark.parametrize(
    "response",
    [
        b"\x15\x03\x03\x00\x02\x02\x50",
        http(b"Client sent an HTTP request to an HTTPS server.\n", 400, "text/plain"),
        http(b"<h1>The plain HTTP request was sent to HTTPS port</h1>", 400, "text/html"),
    ],
    ids=["an alert", "Go", "nginx"],
)
@pytest.mark.parametrize("users", [False, True])
def test_http_to_a_server_with_tls(serve: Serve, dial: Dial, users: bool, response: bytes) -> None:
    server = serve([response, CLOSE])
    with requests.Session() as session:
        error = failed(dial, server.url, 1, session=session if users else None)
    assert f"127.0.0.1:{server.port} speaks TLS: use https://" in error.message
    assert error.maybe_sent


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_silent_server_may_need_tls(serve: Serve, dial: Dial, end: Any) -> None:
    server = serve([end], OK, [end], [OK[:9], CLOSE])
    stub = dial(server.url)
    errors = []
    for _ in range(2):
        with pytest.raises(lk.Unavailable) as caught:
            stub.DisconnectWhatsAppCall(DISCONNECT)
        errors.append(caught.value.message)
        if len(errors) == 1:
            stub.DisconnectWhatsAppCall(DISCONNECT)
    with pytest.raises(lk.Unavailable) as caught:
        stub.DisconnectWhatsAppCall(DISCONNECT)
    errors.append(caught.value.message)
    hint = f"; if 127.0.0.1:{server.port} speaks TLS, use https://"
    # Of the others, one connection served a call before, and one brought a part of a response.
    assert [hint in error for error in errors] == [True, False, False]


def test_http_to_a_real_server_with_tls(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext
) -> None:
    server = serve(OK, tls=server_tls)
    error = failed(dial, server.url.replace("https", "http"), 3)
    assert f"if localhost:{server.port} speaks TLS, use https://" in error.message


@pytest.mark.parametrize(("errno", "attempts"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 3)])
def test_an_unknown_host_and_an_unresponsive_name_server(
    dial: Dial,
    session: Optional[requests.Session],
    monkeypatch: pytest.MonkeyPatch,
    errno: int,
    attempts: int,
) -> None:
    def getaddrinfo(*_: object) -> Any:
        raise socket.gaierror(errno, "no address")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failed(dial, "https://no.invalid", attempts, session=session)
    assert error.message.startswith("no.invalid:443: no address")
    assert not error.maybe_sent


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_connection_is_a_temporary_failure(
    dial: Dial, session: Optional[requests.Session], free_port: int, scheme: str
) -> None:
    error = failed(dial, f"{scheme}://127.0.0.1:{free_port}", 3, session=session)
    assert error.message.startswith(f"127.0.0.1:{free_port}: Connection refused")
    assert not error.maybe_sent


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_refuses_the_connection(
    dial: Dial, session: Optional[requests.Session], free_port: int, scheme: str
) -> None:
    proxy = f"{scheme}://me:hunter2@127.0.0.1:{free_port}"
    error = failed(dial, "https://x.example", 3, session=session, proxies={"https": proxy})
    assert error.message.startswith(f"proxy 127.0.0.1:{free_port}: Connection refused")
    assert "hunter2" not in str(error)


def test_a_certificate_behind_a_proxy_is_the_servers(
    serve: Serve, dial: Dial, session: Optional[requests.Session], server_tls: ssl.SSLContext
) -> None:
    server = serve(OK, tls=server_tls)
    with Proxy() as proxy:
        error = failed(dial, server.url, 1, session=session, proxies={"https": proxy.url})
    servers = f"localhost:{server.port} (through proxy 127.0.0.1:{proxy.port}): "
    assert error.message.startswith(servers)


def test_a_certificate_behind_a_proxy_with_tls_is_the_servers(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, ca_bundle: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = serve(OK, tls=context)
    with Proxy(tls=server_tls) as proxy:
        options = {"verify": ca_bundle, "proxies": {"https": proxy.url}}
        error = failed(dial, server.url, 1, **options)
        assert error.message.startswith(f"localhost:{server.port} (through proxy ")
        options = {"proxies": {"https": proxy.url}}
        error = failed(dial, server.url, 1, **options)
        assert error.message.startswith(f"proxy localhost:{proxy.port}: ")


@pytest.mark.parametrize(("status", "attempts"), [(407, 1), (502, 3)])
def test_a_proxy_that_opens_no_tunnel(
    dial: Dial, session: Optional[requests.Session], status: int, attempts: int
) -> None:
    with Proxy(http(b"no", f"{status} No")) as proxy:
        options = {"session": session, "proxies": {"https": proxy.url}}
        error = failed(dial, "https://x.example", attempts, **options)
    assert f"proxy 127.0.0.1:{proxy.port}: Tunnel connection failed: {status}" in error.message


def test_a_malformed_host_is_not_retried(dial: Dial) -> None:
    error = failed(dial, f"http://{'a' * 64}.example", 1)
    assert "a" * 64 in error.message


@pytest.mark.parametrize(("number", "attempts"), [(errno.ENOENT, 1), (errno.EMFILE, 3)])
def test_a_missing_bundle_and_a_lack_of_file_descriptors(
    dial: Dial,
    session: Optional[requests.Session],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    free_port: int,
    number: int,
    attempts: int,
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    if number == errno.EMFILE:
        bundle.touch()

        def load(*_: object, **__: object) -> None:
            raise OSError(number, "too many open files")

        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    error = failed(dial, f"https://127.0.0.1:{free_port}", attempts, session=session)
    assert not error.maybe_sent


def echo(request: Any) -> bytes:
    """Refuse a request, and quote it in the status line and the body."""
    credentials = request.header("Proxy-Authorization")
    quoted = "\n".join(f"{name}: {value}" for name, value in request.headers)
    page = f"<pre>{quoted}\nhunter2</pre>".encode("latin-1")
    return http(page, f"403 No {credentials} hunter2", "text/html")


@pytest.mark.parametrize("user", ["me:hunter2", "me:pw", "a-token-of-the-user:"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_guarantee_4_a_proxy_that_echoes_its_request(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    scheme: str,
    user: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "livekit_connector_sync")
    proxy = serve(echo)
    url = proxy.url.replace("//", f"//{user}@")
    stub = dial(f"{scheme}://x.example", session=session, proxies={scheme: url}, retry=RETRY)
    with pytest.raises(lk.TwirpError) as caught:
        stub.DisconnectWhatsAppCall(DISCONNECT)
    sent = proxy.requests[0].header("Proxy-Authorization")
    assert sent
    told = [str(caught.value), repr(caught.value.metadata), caplog.text]
    assert "<secret>" in "".join(told)
    for secret in (sent.split()[1], "Bearer ey", *["hunter2"] * ("hunter2" in user)):
        assert secret not in "".join(told)
