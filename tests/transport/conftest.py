from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import requests
import trustme
from helpers.scripted import ScriptedServer

import livekit_connector_sync as lk

from .calls import Foreign

SECRET = "secret-of-the-project-0123456789abcdef"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's proxies, CA bundle and netrc out of the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE") or "SSL_CERT_" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


@pytest.fixture(params=["own", "users", "foreign"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    """Yield no session, a user's, and one with adapters of another base."""
    if request.param == "own":
        yield None
        return
    with requests.Session() as session:
        if request.param == "foreign":
            session.mount("http://", Foreign())
            session.mount("https://", Foreign())
        yield session


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *script, **options: stack.enter_context(ScriptedServer(*script, **options))


@pytest.fixture
def dial() -> Iterator[Callable[..., lk.ConnectorStub]]:
    """Return stubs over channels of single attempts that are closed with the test."""
    with contextlib.ExitStack() as stack:

        def make(url: str, **options: Any) -> lk.ConnectorStub:
            options = {"timeout": 5.0, "retry": None, **options}
            credentials = lk.ApiKeyCredentials("key", SECRET)
            return lk.ConnectorStub(stack.enter_context(lk.Channel(url, credentials, **options)))

        yield make


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def free_port() -> Iterator[int]:
    """Yield a port that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # held without listening, so that nobody else gets it
        yield int(sock.getsockname()[1])
