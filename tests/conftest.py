"""Fixtures that several folders of tests share."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Optional

import pytest
from helpers import processes

from livekit_connector_sync.emulator import ConnectorEmulator


def pytest_make_parametrize_id(val: object, argname: str) -> Optional[str]:
    """Name long values after their argument: a token differs in each process of pytest-xdist."""
    return argname if isinstance(val, (str, bytes)) and len(val) > 100 else None


@pytest.fixture(scope="session", autouse=True)
def _adopt_orphans() -> None:
    processes.adopt_orphans()


@pytest.fixture(autouse=True)
def _no_process_left_behind(_adopt_orphans: None) -> Iterator[None]:
    """Fail a test that leaves a process running."""
    before = processes.children()
    yield
    left = processes.end_processes_left(before)
    assert not left, f"left running: {left}"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own LIVEKIT_* settings out of the tests."""
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def environment(
    connector_emulator: ConnectorEmulator, monkeypatch: pytest.MonkeyPatch
) -> ConnectorEmulator:
    """Point the environment of a program that uses the package at an emulator; return it."""
    for name, value in {
        "LIVEKIT_URL": connector_emulator.url,
        "LIVEKIT_API_KEY": connector_emulator.api_key,
        "LIVEKIT_API_SECRET": connector_emulator.api_secret,
        "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
        "WHATSAPP_TO_PHONE_NUMBER": "15551234567",
        "WHATSAPP_API_KEY": "an-access-token-of-meta",
        "GRAPH_URL": connector_emulator.url,
    }.items():
        monkeypatch.setenv(name, value)
    return connector_emulator


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Yield a port whose connections are never completed: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
