"""Tools that watch or replay requests see every call, also of a channel that called before."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import requests
import requests_mock
import responses
import vcr
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from vcr.errors import CannotOverwriteExistingCassetteException

import livekit_connector_sync as lk

from .calls import BODY, META_KEY, OK, refused, run, works
from .hostile import CLOSE, OCTETS, HostileServer

Serve = Callable[..., HostileServer]
Dial = Callable[..., lk.ConnectorStub]

PATH = "/twirp/livekit.Connector/DialWhatsAppCall"
HEADERS = {"Content-Type": OCTETS}


@pytest.fixture(params=["own", "users"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
    else:
        with requests.Session() as session:
            yield session


@pytest.fixture(params=["new", "used"])
def stub(
    request: pytest.FixtureRequest,
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
) -> lk.ConnectorStub:
    """A stub whose server is gone; a used one has a connection to it in its pool."""
    server = serve(OK)
    stub = dial(server.url, session=session)
    if request.param == "used":
        works(stub)
    server.script[:] = [b"not what the tool says"]
    return stub


@pytest.fixture
def url(stub: lk.ConnectorStub) -> str:
    return stub.DialWhatsAppCall._invoke.__self__.url + PATH  # type: ignore[attr-defined]


def test_responses(stub: lk.ConnectorStub, url: str) -> None:
    with responses.RequestsMock() as mock:
        mock.post(url, body=BODY, content_type=OCTETS)
        mock.post(url, body=b'{"code":"not_found"}', status=404)
        mock.post(url, body=requests.ConnectionError("gone"))
        works(stub)
        assert type(refused(stub)) is lk.NotFound
        error = refused(stub)
        assert type(error) is lk.Unavailable
        assert error.maybe_sent
        assert len(mock.calls) == 3
        assert mock.calls[0].request.headers["Authorization"].startswith("Bearer ")


def test_requests_mock(stub: lk.ConnectorStub, url: str) -> None:
    with requests_mock.Mocker() as mock:
        mock.post(
            url,
            [
                {"content": BODY, "headers": HEADERS},
                {"json": {"code": "not_found"}, "status_code": 404},
                {"exc": requests.ConnectTimeout},
            ],
        )
        works(stub)
        assert type(refused(stub)) is lk.NotFound
        error = refused(stub)
        assert type(error) is lk.Unavailable
        assert not error.maybe_sent
        assert mock.call_count == 3


@pytest.fixture
def untidy() -> Iterator[None]:
    """Collect the connections that vcrpy 7, the last for Python 3.9, drops without closing them."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("untidy")
def test_vcr(stub: lk.ConnectorStub, tmp_path: Path) -> None:
    with vcr.use_cassette(str(tmp_path / "none.yaml"), record_mode="none"):
        with pytest.raises(CannotOverwriteExistingCassetteException):
            works(stub)


def test_vcr_around_the_very_first_call(serve: Serve, tmp_path: Path) -> None:
    """`requests` is imported while vcrpy's stubs have the names of urllib3's classes."""
    server = serve(OK, OK, [OK[:-1], CLOSE])
    program = f"""
import vcr
import livekit_connector_sync as lk
channel = lk.Channel({server.url!r}, lk.ApiKeyCredentials("key", "s" * 32), retry=None)
stub = lk.ConnectorStub(channel)
with vcr.use_cassette({str(tmp_path / "first.yaml")!r}):
    stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
try:
    stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
except lk.Unavailable:
    print("noticed")
channel.close()
"""
    assert run(program) == "noticed"
    assert len(server.requests) == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("untidy")
def test_vcr_records_and_plays(
    serve: Serve, dial: Dial, session: Optional[requests.Session], tmp_path: Path
) -> None:
    server = serve(OK)
    stub = dial(server.url, session=session)
    works(stub)
    cassette = tmp_path / "cassette.yaml"
    recorder = vcr.VCR(filter_headers=["authorization"])
    for _ in range(2):
        with recorder.use_cassette(str(cassette)) as tape:
            works(stub)
    assert tape.play_count == 1
    assert len(server.requests) == 2
    works(stub)
    assert len(server.requests) == 3


def test_opentelemetry(serve: Serve, dial: Dial, session: Optional[requests.Session]) -> None:
    server = serve(OK, OK, [b"", b"x"])
    stub = dial(server.url, session=session)
    works(stub)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        works(stub)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
    (span,) = exporter.get_finished_spans()
    attributes: Any = dict(span.attributes or {})
    assert attributes["http.url"] == server.url + PATH
    assert attributes["http.status_code"] == 200
    assert server.requests[1].header("traceparent")
    assert META_KEY not in span.to_json()
    assert "Bearer" not in span.to_json()
