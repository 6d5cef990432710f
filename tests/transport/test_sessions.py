"""A caller's session is used, but neither it nor the environment changes a call's guarantees."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
import requests.auth
import urllib3
from helpers.scripted import CLOSE, STALL, Drip, ScriptedServer, http
from requests.adapters import BaseAdapter, HTTPAdapter

import livekit_connector_sync as lk

from .calls import BODY, DIAL, OK, locals_of_ours, refused, works
from .conftest import SECRET

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


@pytest.fixture
def session() -> Any:
    with requests.Session() as session:
        yield session


def bearer(server: ScriptedServer) -> bool:
    return all((r.header("Authorization") or "").startswith("Bearer ey") for r in server.requests)


@pytest.mark.parametrize("users", [False, True])
def test_netrc_is_not_read(
    serve: Serve,
    dial: Dial,
    session: requests.Session,
    users: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(OK)
    works(dial(server.url, session=session if users else None))
    assert bearer(server)


@pytest.mark.parametrize(
    "auth", [("user", "password"), requests.auth.HTTPDigestAuth("user", "password")]
)
def test_credentials_override_the_sessions(
    serve: Serve, dial: Dial, session: requests.Session, auth: Any
) -> None:
    session.auth = auth
    session.headers["authorization"] = "Basic eDp5"
    server = serve(OK)
    works(dial(server.url, session=session))
    assert bearer(server)


def test_headers_of_a_session(serve: Serve, dial: Dial, session: requests.Session) -> None:
    session.headers.update(
        {
            "X-Tenant": "7",
            "user-agent": "shop/1.0",
            "accept-encoding": "gzip",
            "Content-Type": "text/plain",
            "Accept": "text/html",
        }
    )
    server = serve(OK)
    works(dial(server.url, session=session))
    request = server.requests[0]
    assert request.header("X-Tenant") == "7"
    assert request.header("User-Agent") == "shop/1.0"
    assert request.header("Accept-Encoding") == "identity"
    assert request.header("Content-Type") == "application/protobuf"
    assert request.header("Content-Length") == str(len(request.body))


@pytest.mark.parametrize("users", [False, True])
def test_our_headers(serve: Serve, dial: Dial, session: requests.Session, users: bool) -> None:
    server = serve(OK)
    stub = dial(server.url + "/base", session=session if users else None)
    works(stub, metadata=(("x-trace", "caf\xe9"),))
    request = server.requests[0]
    assert (request.method, request.target) == (
        "POST",
        "/base/twirp/livekit.Connector/DialWhatsAppCall",
    )
    assert lk.DialWhatsAppCallRequest.FromString(request.body) == DIAL
    assert request.header("x-trace") == "caf\xe9"
    assert request.header("Content-Type") == "application/protobuf"
    assert request.header("Accept-Encoding") == "identity"
    assert (request.header("User-Agent") or "").startswith("livekit-connector-sync/")
    assert request.header("Cookie") is None


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b"])
def test_guarantee_4_a_header_of_a_session_forges_no_other(
    serve: Serve, dial: Dial, session: requests.Session, value: str
) -> None:
    session.headers["X-Team"] = value
    server = serve(OK)
    error = refused(dial(server.url, session=session, retry=lk.RetryPolicy()))
    assert error.attempts == 1
    assert not server.requests


def test_our_session_keeps_no_cookie(serve: Serve, dial: Dial) -> None:
    server = serve(http(BODY, headers=["Set-Cookie: a=b; Path=/"]))
    stub = dial(server.url)
    works(stub)
    works(stub)
    assert server.requests[1].header("Cookie") is None


def test_a_users_session_keeps_its_cookies(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    session.cookies.set("mine", "1")
    server = serve(http(BODY, headers=["Set-Cookie: a=b; Path=/"]))
    stub = dial(server.url, session=session)
    works(stub)
    works(stub)
    assert server.requests[0].header("Cookie") == "mine=1"
    assert set((server.requests[1].header("Cookie") or "").split("; ")) == {"mine=1", "a=b"}


@pytest.mark.parametrize("shape", ["one", "list", "replaced"])
def test_hooks_that_raise_for_status(
    serve: Serve, dial: Dial, session: requests.Session, shape: str
) -> None:
    def hook(response: requests.Response, *_: Any, **__: Any) -> None:
        response.raise_for_status()

    if shape == "one":
        session.hooks["response"] = hook
    elif shape == "list":
        session.hooks["response"].append(hook)
    else:
        session.hooks = {"response": hook}
    server = serve(
        http(b'{"code":"not_found","msg":"x"}', "404 X", "application/json"),
        http(b"", "302 X", headers=["Location: http://["]),
        OK,
    )
    stub = dial(server.url, session=session)
    assert type(refused(stub)) is lk.NotFound
    assert type(refused(stub)) is lk.Internal
    works(stub)


@pytest.mark.parametrize("reply", [OK, OK.replace(b"200", b"503")])
def test_hooks_that_read_the_response(
    serve: Serve, dial: Dial, session: requests.Session, reply: bytes
) -> None:
    seen = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.content))
    stub = dial(serve(reply).url, session=session)
    if reply is OK:
        works(stub)
    else:
        assert type(refused(stub)) is lk.Unavailable
    assert seen == [BODY]


def test_hooks_that_read_a_truncated_response(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    session.hooks["response"].append(lambda response, **_: response.content and None)
    error = refused(dial(serve([OK[:-1], CLOSE]).url, session=session))
    assert type(error) is lk.Unavailable
    assert error.maybe_sent


CHUNKED = "Transfer-Encoding: chunked"
BROKEN_CHUNKS = {
    "cut in the last size": b"%x\r\n%b\r\n0" % (len(BODY), BODY),
    "cut in a size, which leaves a 0": b"2\r\n\x0a\x00\r\n0",
    "cut in a trailer": b"%x\r\n%b\r\n0\r\nX: a" % (len(BODY), BODY),
    "a chunk longer than announced": b"2\r\n\x0a\x00X0\r\n\r\n",
    "a size with a sign": b"-0\r\n\r\n",
    "a size with an underscore": b"0_2\r\n\x0a\x00\r\n0\r\n\r\n",
}


class Reading(HTTPAdapter):
    """Reads responses in its `send`, for example to log them."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        assert response.content is not None
        return response


@pytest.mark.parametrize("reader", ["content", "close", "iter_content", "adapter"])
@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_guarantee_3_hooks_and_adapters_read_responses_by_the_same_rules(
    serve: Serve, dial: Dial, session: requests.Session, reader: str, body: bytes
) -> None:
    if reader == "adapter":
        session.mount("http://", Reading())
    else:
        read: Any = {
            "content": lambda response: response.content,
            "close": lambda response: response.close(),
            "iter_content": lambda response: list(response.iter_content(3)),
        }[reader]
        session.hooks["response"].append(lambda response, **_: read(response) and None)
    server = serve([http(body, headers=[CHUNKED], framed=False), CLOSE], OK)
    stub = dial(server.url, session=session)
    error = refused(stub)
    assert type(error) is lk.Unavailable
    assert error.maybe_sent
    works(stub)


def test_hooks_may_make_requests_of_their_own(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    server = serve(OK, http(b"counted"))
    busy = []

    def count(response: requests.Response, **_: Any) -> None:
        if not busy:
            busy.append(True)
            assert session.get(f"{server.url}/count").content == b"counted"

    session.hooks["response"].append(count)
    works(dial(server.url, session=session))
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_a_session_still_works_for_its_owner(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    redirect = http(b"", "302 X", headers=["Location: /b"])
    server = serve(http(b"a"), OK, redirect, http(b"b"), OK, http(b"", framed=False), CLOSE)
    get = f"{server.url}/a"
    assert session.get(get).content == b"a"
    with lk.Channel(server.url, lk.ApiKeyCredentials("k", SECRET), session=session) as channel:
        stub = lk.ConnectorStub(channel)
        works(stub)
        assert session.get(get).content == b"b"  # its redirects are followed as ever
        works(stub)
    assert server.connections == 2  # the owner's, and ours
    assert session.get_adapter(get) is session.adapters["http://"]
    server.script[:] = [http(b"c")]
    assert session.get(get, timeout=1).content == b"c"
    assert server.connections == 2


def test_a_connection_taken_before_the_first_call(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    """The connection returns to a pool that we have replaced, and must then use our class."""
    server = serve(http(b"streamed"), OK, [OK[:20], CLOSE])
    streamed = session.get(server.url, stream=True)
    stub = dial(server.url, session=session)
    works(stub)
    assert streamed.content == b"streamed"
    for _ in range(2):
        assert type(refused(stub)) is lk.Unavailable


REPEATING = urllib3.Retry(total=3, allowed_methods=None, status_forcelist=[503])


@pytest.mark.parametrize(
    "retries",
    [
        REPEATING,
        urllib3.Retry(total=3, allowed_methods={"post"}),
        urllib3.Retry(total=None, read=2, allowed_methods=False),
    ],
)
def test_adapters_that_resend_posts_are_rejected(
    dial: Dial, session: requests.Session, retries: urllib3.Retry
) -> None:
    session.mount("http://127.0.0.1", HTTPAdapter(max_retries=retries))
    with pytest.raises(ValueError, match="max_retries"):
        dial("http://127.0.0.1:1", session=session)


def test_adapters_that_resend_posts_are_rejected_later_too(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    server = serve(OK)
    stub = dial(server.url, session=session)
    works(stub)
    session.mount("http://", HTTPAdapter(max_retries=REPEATING))
    with pytest.raises(ValueError, match="max_retries") as caught:
        stub.DialWhatsAppCall(DIAL)
    assert len(server.requests) == 1
    assert not any("Bearer" in text for text in locals_of_ours(caught.value))


@pytest.mark.parametrize("retries", [0, 3, urllib3.Retry(total=3, status_forcelist=[503])])
def test_adapters_that_do_not_resend_posts_are_accepted(
    serve: Serve, dial: Dial, session: requests.Session, retries: Any
) -> None:
    session.mount("http://", HTTPAdapter(max_retries=retries))
    server = serve(http(b"", "503 X"), [CLOSE], OK)
    stub = dial(server.url, session=session)
    refused(stub)
    refused(stub)
    works(stub)
    assert len(server.requests) == 3


class Forwarding(HTTPAdapter):
    """Passes every request to another adapter, as instrumentation does."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = HTTPAdapter()

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        return self.inner.send(*args, **kwargs)


def test_an_adapter_with_a_send_of_its_own_keeps_to_the_deadline(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    server = serve([Drip(OK)], OK)
    session.mount("http://", Forwarding())
    stub = dial(server.url, session=session)
    error = refused(stub, timeout=0.3)
    assert type(error) is lk.DeadlineExceeded
    assert "while waiting for the session's adapter" in str(error)
    assert error.maybe_sent
    works(stub)


def test_guarantee_3_an_adapter_with_a_send_of_its_own_brings_whole_responses(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    server = serve([http(BODY, framed=False), CLOSE])
    session.mount("http://", Forwarding())
    error = refused(dial(server.url, session=session))
    assert type(error) is lk.Unavailable
    assert "does not say where it ends" in error.message


def test_an_adapter_that_cannot_connect_keeps_to_the_deadline(
    dial: Dial, session: requests.Session, free_port: int
) -> None:
    session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(50, backoff_factor=0.1)))
    error = refused(dial(f"http://127.0.0.1:{free_port}", session=session), timeout=0.5)
    assert not error.maybe_sent


def test_guarantee_2_urllib3s_retry_waits_keep_to_the_deadline(
    dial: Dial, session: requests.Session, free_port: int
) -> None:
    retries = urllib3.Retry(3, backoff_factor=1)  # of connections only, as it is not for POST
    session.mount("http://", HTTPAdapter(max_retries=retries))
    session.proxies["http"] = f"http://127.0.0.1:{free_port}"
    error = refused(dial("http://127.0.0.1:1", session=session), timeout=0.3)
    assert not error.maybe_sent


def test_a_users_adapter_that_sent_nothing_is_noticed(
    serve: Serve, dial: Dial, session: requests.Session
) -> None:
    session.mount("https://", Reading())
    server = serve(OK, greeting=[STALL])
    error = refused(dial(server.url.replace("http", "https"), session=session), timeout=0.3)
    assert type(error) is lk.DeadlineExceeded
    assert not error.maybe_sent
    assert error.safe_to_retry


class Counting(requests.Session):
    """A session that records its requests, as users' subclasses do."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.last: Any = None

    def send(self, request: Any, **options: Any) -> requests.Response:
        self.calls += 1
        self.last = super().send(request, **options)
        return self.last


class CountingAdapter(HTTPAdapter):
    calls = 0

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        self.calls += 1
        self.last_url = request.url
        return super().send(request, *args, **options)


def test_attributes_that_a_session_and_an_adapter_set_stay_theirs(serve: Serve, dial: Dial) -> None:
    server = serve(OK)
    adapter = CountingAdapter()
    with Counting() as session:
        session.mount("http://", adapter)
        stub = dial(server.url, session=session)
        works(stub)
        works(stub)
        assert session.calls == 2
        assert session.last.status_code == 200
    assert adapter.calls == 2
    assert adapter.last_url.startswith(server.url)
    assert server.connections == 1


def test_a_session_is_not_changed(serve: Serve, dial: Dial, session: requests.Session) -> None:
    adapter = session.get_adapter("http://")
    before = [dict(vars(each)) for each in (session, adapter, adapter.poolmanager)]  # type: ignore[attr-defined]
    jar = session.cookies
    works(dial(serve(OK).url, session=session))
    after = [dict(vars(each)) for each in (session, adapter, adapter.poolmanager)]  # type: ignore[attr-defined]
    assert before == after
    assert session.cookies is jar
    assert type(session) is requests.Session
    assert type(adapter) is HTTPAdapter


def test_guarantee_2_a_session_that_chooses_its_adapter(serve: Serve, dial: Dial) -> None:
    class Choosing(requests.Session):
        chosen: Any = None
        wait = 0.0

        def get_adapter(self, url: Any) -> Any:
            time.sleep(self.wait)
            self.chosen = super().get_adapter(url)
            return self.chosen

    lenient = http(b"-0\r\n\r\n", headers=[CHUNKED], framed=False)  # which urllib3 takes
    server = serve([Drip(OK)], lenient, OK)
    with Choosing() as session:
        stub = dial(server.url, session=session)
        assert type(refused(stub, timeout=0.3)) is lk.DeadlineExceeded
        assert type(refused(stub)) is lk.Unavailable
        works(stub)
        assert type(session.chosen) is HTTPAdapter
        session.wait = 1.0
        error = refused(stub, timeout=0.2)
    assert type(error) is lk.DeadlineExceeded
    assert len(server.requests) == 3


@pytest.mark.parametrize("first", [[CLOSE], [OK[:-1], CLOSE], http(b"", "503 X"), [STALL]])
def test_guarantee_1_an_adapter_cannot_place_a_call_twice(
    serve: Serve, dial: Dial, session: requests.Session, first: Any
) -> None:
    class Resending(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            for _ in range(3):
                try:
                    response = super().send(*args, **{**options, "timeout": 0.2})
                    if response.status_code == 200:
                        return response
                except Exception:
                    pass
            return super().send(*args, **options)

    server = serve(first, OK)
    session.mount("http://", Resending())
    error = refused(dial(server.url, session=session), timeout=0.6)
    assert error.maybe_sent
    assert not error.safe_to_retry
    assert len(server.requests) == 1


def test_an_adapters_own_retries_to_connect(
    serve: Serve, dial: Dial, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    connect, refusals = socket.socket.connect, [ConnectionRefusedError()] * 2

    def refuse_twice(self: socket.socket, address: Any) -> None:
        if refusals and address[1] == server.port:
            raise refusals.pop()
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse_twice)
    session.mount("http://", HTTPAdapter(max_retries=2))
    works(dial(server.url, session=session))
    assert not refusals


@pytest.mark.parametrize("adapter", [HTTPAdapter, CountingAdapter])
def test_guarantee_1_an_exception_of_a_hook_does_not_change_maybe_sent(
    serve: Serve, dial: Dial, session: requests.Session, adapter: type[HTTPAdapter]
) -> None:
    def fail(response: requests.Response, **_: Any) -> None:
        raise RuntimeError("of the hook")

    server = serve(OK)
    session.mount("http://", adapter())
    session.hooks["response"].append(fail)
    stub = dial(server.url, session=session, retry=lk.RetryPolicy())
    with pytest.raises(RuntimeError, match="of the hook"):
        stub.DialWhatsAppCall(DIAL)
    assert len(server.requests) == 1


def test_guarantee_1_a_hooks_own_request_does_not_change_maybe_sent(
    serve: Serve, dial: Dial, session: requests.Session, free_port: int
) -> None:
    class Foreign(BaseAdapter):
        inner = HTTPAdapter()

        def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
            return self.inner.send(request, **options)

        def close(self) -> None:
            self.inner.close()

    server = serve(OK)
    session.mount(server.url, Foreign())

    def count(response: requests.Response, **_: Any) -> None:
        assert response.content
        requests.get(f"http://127.0.0.1:{free_port}", timeout=1)

    session.hooks["response"].append(count)
    error = refused(dial(server.url, session=session, retry=lk.RetryPolicy()))
    assert error.maybe_sent
    assert len(server.requests) == 1
