"""The timeout limits the whole call, with any server and any session."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any, Callable, Optional

import pytest
import requests
from helpers.scripted import CLOSE, RESET, STALL, Drip, ScriptedServer, chunked, http
from requests.adapters import HTTPAdapter

import livekit_connector_sync as lk

from .calls import BODY, DIAL, DIALLED, GRACE, OK, Foreign, refused, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]

SHORT = 0.3  # seconds
ENDLESS = http(bytes(1000))


class Subclassed(HTTPAdapter):
    """An adapter as users write them: it adds a header and its own timeout."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        request.headers["X-Subclassed"] = "1"
        return super().send(request, *args, **kwargs)


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        pytest.param([STALL], "waiting for the response headers", id="silence"),
        pytest.param([Drip(ENDLESS)], "waiting for the response headers", id="dripping-headers"),
        pytest.param(
            [ENDLESS[:-900], Drip(bytes(900))], "reading the response body", id="dripping-body"
        ),
        pytest.param(
            [chunked(b"x")[:-5], Drip(b"1\r\nx\r\n" * 100, size=6)],
            "reading the response body",
            id="dripping-chunks",
        ),
        pytest.param(
            [chunked(b"x")[:-5], Drip(b"1;" + b"e" * 1000)],
            "reading the response body",
            id="dripping-chunk-extension",
        ),
        pytest.param(
            [http(status="500 X", framed=False), Drip(b"x" * 1000)],
            "reading the response body",
            id="dripping-error",
        ),
        pytest.param(
            [Drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, size=25)],
            "waiting for the response headers",
            id="dripping-interim-responses",
        ),
    ],
)
def test_guarantee_2_slow_responses(
    serve: Serve, dial: Dial, session: Optional[requests.Session], steps: Any, phase: str
) -> None:
    server = serve(steps)
    error = refused(dial(server.url, session=session), timeout=SHORT)
    if "100 Continue" in repr(steps) and not isinstance(error, lk.DeadlineExceeded):
        assert isinstance(error, lk.Unavailable)  # more interim responses than anybody sends
    else:
        assert isinstance(error, lk.DeadlineExceeded)
        assert isinstance(error, TimeoutError)
        if session is None or not isinstance(session.get_adapter(server.url), Foreign):
            assert phase in str(error)
    assert error.maybe_sent
    assert error.attempts == 1
    assert len(server.requests) == 1


def test_guarantee_2_slow_headers_with_a_users_adapter(serve: Serve, dial: Dial) -> None:
    server = serve([Drip(ENDLESS)])
    with requests.Session() as session:
        session.mount("http://", Subclassed())
        error = refused(dial(server.url, session=session), timeout=SHORT)
    assert isinstance(error, lk.DeadlineExceeded)
    assert "waiting for the response headers" in str(error)
    assert server.requests[0].header("X-Subclassed") == "1"


def test_guarantee_2_connecting(
    dial: Dial, session: Optional[requests.Session], deaf_port: int
) -> None:
    error = refused(dial(f"http://127.0.0.1:{deaf_port}", session=session), timeout=SHORT)
    assert isinstance(error, lk.DeadlineExceeded)
    if session is None or not isinstance(session.get_adapter("http://"), Foreign):
        assert "while connecting" in str(error)
        assert not error.maybe_sent
        assert error.safe_to_retry


@pytest.mark.parametrize("last", ["deaf", "listening"])
def test_guarantee_2_addresses_share_the_deadline(
    serve: Serve, dial: Dial, deaf_port: int, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    server = serve(OK)
    ports = [deaf_port, deaf_port, deaf_port if last == "deaf" else server.port]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in ports],
    )
    stub = dial("http://many.example")
    if last == "listening":
        works(stub, timeout=0.6)
        return
    error = refused(stub, timeout=SHORT)
    assert isinstance(error, lk.DeadlineExceeded)
    assert not error.maybe_sent


@pytest.mark.parametrize("greeting", [[STALL], [Drip(b"\x16\x03\x03\x40\x00" + bytes(16384))]])
def test_guarantee_2_tls_handshake(
    serve: Serve, dial: Dial, session: Optional[requests.Session], greeting: Any
) -> None:
    server = serve(OK, greeting=greeting)
    stub = dial(server.url.replace("http", "https"), session=session)
    error = refused(stub, timeout=SHORT)
    assert isinstance(error, lk.DeadlineExceeded)
    if session is None or not isinstance(session.get_adapter("https://"), Foreign):
        assert "while connecting" in str(error)
        assert not error.maybe_sent


@pytest.mark.parametrize("tls", [False, True])
def test_guarantee_2_upload(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    tls: bool,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
) -> None:
    server = serve(OK, reads=False, tls=server_tls if tls else None)
    large = lk.DialWhatsAppCallRequest(participant_metadata="x" * 20_000_000)
    options = {"verify": ca_bundle} if tls else {}
    # Long enough that sending begins, however busy the machine is.
    error = refused(dial(server.url, session=session, **options), large, timeout=0.6)
    assert isinstance(error, lk.DeadlineExceeded)
    assert error.maybe_sent
    if session is None or not isinstance(session.get_adapter(server.url), Foreign):
        assert "sending the request" in str(error)


def test_reads_that_trickle_do_not_stretch_an_upload(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, ca_bundle: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        over = threading.Event()

        def trickle() -> None:
            plain, _ = listener.accept()
            with server_tls.wrap_socket(plain, server_side=True) as sock:
                try:
                    while not over.wait(0.02):
                        sock.recv(16384)
                except OSError:
                    pass

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            stub = dial(f"https://localhost:{listener.getsockname()[1]}", verify=ca_bundle)
            large = lk.DialWhatsAppCallRequest(participant_metadata="x" * 20_000_000)
            error = refused(stub, large, timeout=SHORT)
        finally:
            over.set()
            thread.join()
    assert isinstance(error, lk.DeadlineExceeded)


def test_guarantee_2_discovery(serve: Serve, dial: Dial) -> None:
    down = http(status="503 X", content_type="text/plain")
    server = serve(lambda request: [STALL] if request.method == "GET" else down)
    stub = dial(
        server.url,
        failover=lk.FailoverPolicy(hosts=["127.0.0.1"], allow_http=True),
        retry=lk.RetryPolicy(max_attempts=2, initial_backoff=0),
    )
    request = lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1")
    started = time.monotonic()
    with pytest.raises(lk.TwirpError) as caught:
        stub.DisconnectWhatsAppCall(request)
    assert time.monotonic() - started < 2.0 + GRACE  # what a discovery may take
    assert isinstance(caught.value, lk.Unavailable)
    assert [request.method for request in server.requests] == ["POST", "GET", "POST"]


def test_guarantee_2_discovery_counts_as_backoff(
    serve: Serve, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = http(status="503 X", headers=["Retry-After: 60"])
    no_regions: Any = [lambda _: threading.Event().wait(0.3), http(status="404 X")]
    server = serve(lambda request: no_regions if request.method == "GET" else busy)
    stub = dial(
        server.url,
        failover=lk.FailoverPolicy(hosts=["127.0.0.1"], allow_http=True),
        retry=lk.RetryPolicy(max_attempts=2, initial_backoff=0),
    )
    waits: list[float] = []
    monkeypatch.setattr("livekit_connector_sync._runtime.execution.time.sleep", waits.append)
    with pytest.raises(lk.Unavailable):
        stub.DisconnectWhatsAppCall(
            lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1"), timeout=100.0
        )
    assert len(waits) == 1
    assert 50 < waits[0] < 59.8


def test_guarantee_2_discovery_ends_with_the_call(
    serve: Serve, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livekit_connector_sync._runtime.regions._MIN_TIMEOUT", 0.1)
    down = http(status="503 X", content_type="text/plain")
    server = serve(lambda request: [STALL] if request.method == "GET" else down)
    stub = dial(
        server.url,
        failover=lk.FailoverPolicy(hosts=["127.0.0.1"], allow_http=True),
        retry=lk.RetryPolicy(initial_backoff=0),
    )
    request = lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1")
    started = time.monotonic()
    with pytest.raises(lk.Unavailable) as caught:  # the failure that the call ends with
        stub.DisconnectWhatsAppCall(request, timeout=SHORT)
    assert time.monotonic() - started < SHORT + GRACE
    assert caught.value.status == 503
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_guarantee_2_backoff(serve: Serve, dial: Dial) -> None:
    server = serve(http(status="503 X"))
    policy = lk.RetryPolicy(max_attempts=100, initial_backoff=0.1, jitter=False)
    stub = dial(server.url, retry=policy)
    started = time.monotonic()
    with pytest.raises(lk.Unavailable) as caught:
        stub.DisconnectWhatsAppCall(
            lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1"), timeout=SHORT
        )
    assert time.monotonic() - started < SHORT + GRACE
    assert caught.value.attempts == len(server.requests) > 1


def test_guarantee_2_attempts_share_the_deadline(serve: Serve, dial: Dial) -> None:
    server = serve([CLOSE], [RESET], [STALL])
    stub = dial(server.url, retry=lk.RetryPolicy(initial_backoff=0))
    started = time.monotonic()
    with pytest.raises(lk.DeadlineExceeded, match="in attempt 3"):
        stub.DisconnectWhatsAppCall(
            lk.DisconnectWhatsAppCallRequest(whatsapp_call_id="1"), timeout=SHORT
        )
    assert time.monotonic() - started < SHORT + GRACE
    assert len(server.requests) == 3


def test_guarantee_2_a_busy_pool_of_a_users_session(serve: Serve, dial: Dial) -> None:
    server = serve([STALL])
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        stub = dial(server.url, session=session)
        holder = threading.Thread(target=lambda: refused(stub, timeout=0.7))
        holder.start()
        while not server.requests:
            time.sleep(0.01)
        error = refused(stub, timeout=SHORT)
        holder.join()
    assert isinstance(error, lk.DeadlineExceeded)
    assert not error.maybe_sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "5"])
def test_wrong_timeouts(dial: Dial, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        dial("http://127.0.0.1:1").DialWhatsAppCall(DIAL, timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        dial("http://127.0.0.1:1", timeout=timeout)


def test_no_limit(serve: Serve, dial: Dial, session: Optional[requests.Session]) -> None:
    server = serve([Drip(http(BODY), interval=0.002)])
    stub = dial(server.url, session=session, timeout=0.05)
    assert stub.DialWhatsAppCall(DIAL, timeout=None) == DIALLED
    assert stub.DialWhatsAppCall(DIAL, timeout=float("inf")) == DIALLED
