"""`maybe_sent` of a failed request: whether any byte of it might have reached a server."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
import requests
import trustme
from helpers.scripted import CLOSE, RESET, ScriptedServer, http
from requests.adapters import HTTPAdapter

import livekit_connector_sync as lk

from .calls import DIAL, OK, refused, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


@pytest.fixture(params=["own", "users"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
    else:
        with requests.Session() as session:
            yield session


def never_sent(stub: lk.ConnectorStub) -> lk.TwirpError:
    error = refused(stub)
    assert type(error) is lk.Unavailable
    assert error.maybe_sent is False
    assert error.safe_to_retry
    return error


def test_refused_connections(
    dial: Dial, session: Optional[requests.Session], free_port: int
) -> None:
    error = never_sent(dial(f"http://127.0.0.1:{free_port}", session=session))
    assert "Connection refused (while connecting)" in str(error)


def test_names_that_do_not_resolve(
    dial: Dial, session: Optional[requests.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "Name or service not known" in str(
        never_sent(dial("http://no.invalid", session=session))
    )


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "x..example", "\xad.example"])
def test_impossible_host_names(dial: Dial, session: Optional[requests.Session], host: str) -> None:
    never_sent(dial(f"http://{host}", session=session))


@pytest.mark.parametrize("greeting", [[CLOSE], [b"HTTP/1.1 400 Bad Request\r\n\r\n"]])
def test_a_server_without_tls(
    serve: Serve, dial: Dial, session: Optional[requests.Session], greeting: Any
) -> None:
    server = serve(OK, greeting=greeting)
    never_sent(dial(server.url.replace("http", "https"), session=session))


def test_certificates_of_an_unknown_issuer(
    serve: Serve, dial: Dial, session: Optional[requests.Session], server_tls: ssl.SSLContext
) -> None:
    server = serve(OK, tls=server_tls)
    error = never_sent(dial(server.url, session=session))
    assert "certificate verify failed" in str(error)
    assert not server.requests


def test_certificates_of_another_host(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    authority: trustme.CA,
    ca_bundle: str,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    server = serve(OK, tls=context)
    never_sent(dial(server.url, session=session, verify=ca_bundle))
    assert not server.requests


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_connection_that_dies_after_the_request(
    serve: Serve, dial: Dial, session: Optional[requests.Session], end: Any
) -> None:
    server = serve([end])
    error = refused(dial(server.url, session=session))
    assert type(error) is lk.Unavailable
    assert error.maybe_sent
    assert not error.safe_to_retry
    assert len(server.requests) == 1


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_reused_connection_that_dies_after_the_request(
    serve: Serve, dial: Dial, session: Optional[requests.Session], end: Any
) -> None:
    server = serve(OK, [end], OK)
    stub = dial(server.url, session=session)
    works(stub)
    error = refused(stub)
    assert error.maybe_sent
    assert [request.connection for request in server.requests] == [0, 0]
    works(stub)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([CLOSE], id="closed"),
        pytest.param([RESET], id="reset"),
        pytest.param([http(b"", "408 Request Timeout"), CLOSE], id="408"),
        pytest.param([http(b"\x0a\x05wrong")], id="a reply to nothing"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_ended_while_idle_is_not_used(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    tls: bool,
    end: Any,
) -> None:
    pause = [lambda _: time.sleep(0.05)]
    server = serve([OK, *pause, *end], OK, tls=server_tls if tls else None)
    stub = dial(server.url, session=session, verify=ca_bundle if tls else None)
    works(stub)
    time.sleep(0.1)
    works(stub)
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("reply", [OK, http(b"x" * 10, "500 X"), http(b"", "204 X", framed=False)])
def test_connections_are_reused(
    serve: Serve, dial: Dial, session: Optional[requests.Session], reply: bytes
) -> None:
    server = serve(reply, reply, OK)
    stub = dial(server.url, session=session)
    for _ in range(2):
        if reply is OK:
            works(stub)
        else:
            refused(stub)
    works(stub)
    assert server.connections == 1 or b"204" in reply


def test_a_connection_with_connection_close_is_not_reused(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    server = serve(http(b"\x0a\x01x", headers=["Connection: close"]), OK)
    stub = dial(server.url, session=session)
    stub.DialWhatsAppCall(DIAL)
    works(stub)
    assert [request.connection for request in server.requests] == [0, 1]


def test_an_early_response_to_a_large_request(serve: Serve, dial: Dial) -> None:
    greeting = [http(b"too large", "413 Payload Too Large", "text/plain"), CLOSE]
    large = lk.DialWhatsAppCallRequest(participant_metadata="x" * 20_000_000)
    error = refused(dial(serve(OK, greeting=greeting).url), large)
    # The response may be lost: the system drops it if the other end resets the connection.
    assert type(error) in (lk.Unknown, lk.Unavailable)
    assert error.maybe_sent


def test_a_session_cannot_resend_a_request(serve: Serve, dial: Dial) -> None:
    class Stubborn(HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().send(*args, **kwargs)
            except requests.ConnectionError:
                return super().send(*args, **kwargs)

    server = serve([CLOSE], OK)
    with requests.Session() as session:
        session.mount("http://", Stubborn())
        error = refused(dial(server.url, session=session))
    assert type(error) is lk.Unavailable
    assert error.maybe_sent
    assert len(server.requests) == 1


def test_a_hook_cannot_resend_a_request(serve: Serve, dial: Dial) -> None:
    def again(response: requests.Response, **options: Any) -> requests.Response:
        response.content  # noqa: B018 - as requests' own digest authentication does
        response.close()
        return response.connection.send(response.request, **options)  # type: ignore[attr-defined]

    server = serve(http(b"", "401 X"), OK)
    with requests.Session() as session:
        session.hooks["response"].append(again)
        error = refused(dial(server.url, session=session))
    assert error.maybe_sent
    assert len(server.requests) == 1


def test_an_error_does_not_chain_to_one_that_the_caller_handles(
    dial: Dial, session: Optional[requests.Session], free_port: int
) -> None:
    try:
        raise TimeoutError("unrelated")
    except TimeoutError:
        with pytest.raises(lk.Unavailable) as caught:
            dial(f"http://127.0.0.1:{free_port}", session=session).DialWhatsAppCall(DIAL)
    assert "Connection refused" in str(caught.value)
    assert f"127.0.0.1:{free_port}" in str(caught.value)
    assert "unrelated" not in str(caught.value)
