"""Fixtures of the Celery tests: a Redis, an emulator, and an app with its workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import workers
from helpers.workers import Site, Switchboard


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis for the tests; yield its URL."""
    with workers.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Return the URL of an empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server) as connection:
        connection.flushall()
    return redis_server


@pytest.fixture
def switchboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Switchboard]:
    """Yield a Switchboard, with the environment variables of its emulator."""
    board = Switchboard()
    with board.emulator as emulator:
        for name, value in {
            "LIVEKIT_URL": emulator.url,
            "LIVEKIT_API_KEY": emulator.api_key,
            "LIVEKIT_API_SECRET": emulator.api_secret,
            "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
            "WHATSAPP_API_KEY": "an-access-token-of-meta",
            "WHATSAPP_CLOUD_API_VERSION": "23.0",
        }.items():
            monkeypatch.setenv(name, value)
        yield board
        board.going_on.set()


@pytest.fixture
def site(redis_url: str, switchboard: Switchboard, tmp_path: Path) -> Iterator[Site]:
    """Yield a Celery app with Redis, whose workers a test can start."""
    running = Site(redis_url, tmp_path)
    running.configure()
    yield running
    switchboard.going_on.set()
    running.close()
