"""Fixtures: a running emulator, a client, and an app that receives webhooks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from livekit_connector_sync import ConnectorClient
from livekit_connector_sync.emulator import ConnectorEmulator


@dataclass
class WebhookApp:
    """A developer's app: records its webhooks and responds with the next status."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    verify_token: str = ""
    reply: bytes = b""
    held_back: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, count: int) -> None:
        """Wait until this many webhooks have arrived."""
        deadline = time.monotonic() + 5
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(self.received) == count


@pytest.fixture
def emulator() -> Iterator[ConnectorEmulator]:
    with ConnectorEmulator() as running:
        yield running


@pytest.fixture
def client_of() -> Iterator[Callable[..., ConnectorClient]]:
    clients: list[ConnectorClient] = []

    def make(emulator: ConnectorEmulator, **options: Any) -> ConnectorClient:
        options = {"proxies": {}, **options}
        client = ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(
    emulator: ConnectorEmulator, client_of: Callable[..., ConnectorClient]
) -> ConnectorClient:
    return client_of(emulator)


@pytest.fixture
def app() -> Iterator[WebhookApp]:
    state = WebhookApp()
    state.held_back.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
            state.held_back.wait(10)
            self.respond(state.statuses.pop(0) if state.statuses else 200, state.reply)

        def do_GET(self) -> None:
            state.received.append(({}, b""))
            state.held_back.wait(10)
            query = parse_qs(urlsplit(self.path).query)
            right = query.get("hub.verify_token") == [state.verify_token]
            self.respond(
                200 if right else 403, query["hub.challenge"][0].encode() if right else b""
            )

        def respond(self, status: int, body: bytes) -> None:
            with contextlib.suppress(OSError):  # the emulator has been closed
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.held_back.set()
    server.shutdown()
    server.server_close()
    thread.join()
