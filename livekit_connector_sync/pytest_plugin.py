"""A pytest plugin with two fixtures: a running emulator, and a client that is connected to it.

    def test_dial(connector_emulator, connector_client):
        connector_client.dial_whatsapp_call(...)
        assert connector_emulator.calls[-1].state == "ringing"

Override `connector_emulator_options` to change the emulator's options.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    # Only the fixtures import these: pytest loads this plugin in every run.
    from livekit_connector_sync import ConnectorClient
    from livekit_connector_sync.emulator import ConnectorEmulator

__all__ = ["connector_client", "connector_emulator", "connector_emulator_options"]


@pytest.fixture
def connector_emulator_options() -> dict[str, Any]:
    """The keyword arguments of ConnectorEmulator."""
    return {}


@pytest.fixture
def connector_emulator(
    connector_emulator_options: dict[str, Any],
) -> Iterator[ConnectorEmulator]:
    """A running emulator of the Connector API, for one test."""
    from livekit_connector_sync.emulator import ConnectorEmulator

    with ConnectorEmulator(**connector_emulator_options) as emulator:
        yield emulator


@pytest.fixture
def connector_client(connector_emulator: ConnectorEmulator) -> Iterator[ConnectorClient]:
    """A client of the test's emulator."""
    from livekit_connector_sync import ConnectorClient

    emulator = connector_emulator
    # A proxy in the developer's environment cannot reach this machine.
    with ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret, proxies={}) as client:
        yield client
