"""Tools that record or replay requests see every call, also on a channel that is already in use."""

from __future__ import annotations

import gc
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import requests
import requests_mock
import responses
import vcr
from helpers.scripted import CLOSE, OCTETS, ScriptedServer
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter
from requests_toolbelt.adapters.source import SourceAddressAdapter
from vcr.errors import CannotOverwriteExistingCassetteException

import livekit_connector_sync as lk

from .calls import BODY, META_KEY, OK, refused, run, works

Serve = Callable[..., ScriptedServer]
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
    """A stub whose server is closed; a used one has a connection to it in its pool."""
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


def test_sentry(serve: Serve) -> None:
    """Runs in a separate process, because Sentry patches http.client permanently."""
    server = serve(OK, OK, [OK[:-1], CLOSE])
    program = f"""
import sentry_sdk
from sentry_sdk.transport import Transport
import livekit_connector_sync as lk
class Collector(Transport):
    items = []
    def capture_envelope(self, envelope):
        self.items += [item.payload.json for item in envelope.items]
channel = lk.Channel({server.url!r}, lk.ApiKeyCredentials("key", "s" * 32), retry=None)
stub = lk.ConnectorStub(channel)
stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
sentry_sdk.init("http://public@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Collector)
with sentry_sdk.start_transaction(name="test"):
    stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest(whatsapp_api_key="EAAG-a-secret"))
    try:
        stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
    except lk.Unavailable:
        pass
channel.close()
(transaction,) = Collector.items
for span in transaction["spans"]:
    status = span["data"].get("http.response.status_code")
    print(span["description"], status, bool(span["timestamp"]))
assert "EAAG" not in repr(transaction) and "Bearer" not in repr(transaction)
"""
    calls = run(program).splitlines()
    assert calls == [f"POST {server.url}{PATH} 200 True", f"POST {server.url}{PATH} None True"]
    assert server.requests[0].header("sentry-trace") is None
    assert server.requests[1].header("sentry-trace")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="truststore needs Python 3.10")
def test_truststore(serve: Serve, server_tls: ssl.SSLContext, ca_bundle: str) -> None:
    """It adds the system's store, which OpenSSL finds by SSL_CERT_FILE, to every TLS context."""
    server = serve(OK, tls=server_tls)
    program = f"""
import os
os.environ["SSL_CERT_FILE"] = {ca_bundle!r}
os.environ["REQUESTS_CA_BUNDLE"] = {requests.certs.where()!r}  # which does not know the server
import livekit_connector_sync as lk
import truststore
def call():
    with lk.Channel({server.url!r}, lk.ApiKeyCredentials("key", "s" * 32), retry=None) as channel:
        return lk.ConnectorStub(channel).DialWhatsAppCall(lk.DialWhatsAppCallRequest()).room_name
try:
    call()
except lk.Unavailable as error:
    assert "certificate verify failed" in str(error)
    truststore.inject_into_ssl()
    print(call())
"""
    assert run(program) == "support-17"


def test_requests_toolbelt(serve: Serve, dial: Dial) -> None:
    clients = []
    note = [lambda sock: clients.append(sock.getpeername()[0]), OK]
    server = serve(note, note, [OK[:-1], CLOSE])
    with requests.Session() as session:
        stub = dial(server.url, session=session)
        session.mount("http://", SourceAddressAdapter(("127.0.0.2", 0)))
        works(stub)
        assert clients == ["127.0.0.2"]
        session.mount("http://", TCPKeepAliveAdapter())
        works(stub)
        error = refused(stub)
    assert type(error) is lk.Unavailable
    assert error.maybe_sent
