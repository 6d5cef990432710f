"""The published livekit-server-sdk (npm) against the emulator, in a Node process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from livekit_connector_sync.emulator import Callee, ConnectorEmulator

pytestmark = pytest.mark.node

HERE = Path(__file__).parent / "node"

MOCKED = {"whatsapp_call_id": "MOCK_WHATSAPP_CALL_ID", "room_name": "sales"}
DOWN = {"code": "unavailable", "status": 503}

# The X-Lk-Mock header, the client's options, the outcome, and the regions that it tries. Without a
# list of regions, this client gives up at once, while the Python client retries the same host.
SCENARIOS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[int]]] = [
    ({}, {}, MOCKED, [0]),
    ({"failRegions": [0]}, {}, MOCKED, [0, 1]),
    ({"failRegions": [0, 1]}, {}, MOCKED, [0, 1, 2]),
    ({"failRegions": [0, 1, 2, 3]}, {}, DOWN, [0, 1, 2]),
    (
        {"failRegions": [0], "failStatus": 400},
        {},
        {"code": "invalid_argument", "status": 400},
        [0],
    ),
    ({"failRegions": [0], "failMode": "drop"}, {}, MOCKED, [0, 1]),
    ({"failRegions": [0], "regionsStatus": 500}, {}, DOWN, [0]),
    ({"failRegions": [0]}, {"failoverForce": False}, DOWN, [0]),
    ({"failRegions": [0]}, {"failover": False}, DOWN, [0]),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node") / "project"
    shutil.copytree(HERE, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def test_five_rpcs_and_nine_failover_scenarios(project: Path) -> None:
    with (
        ConnectorEmulator(numbers={"15551230000": Callee.ANSWER}) as emulator,
        ConnectorEmulator(regions=4) as regions,
    ):
        inbound = emulator.inbound_call()
        task = {
            "url": emulator.url,
            "key": emulator.api_key,
            "secret": emulator.api_secret,
            "inbound": {"id": inbound.id, "sdp": inbound.sdp.sdp},
            "regionsUrl": regions.url,
            "scenarios": [{"mock": mock, "options": options} for mock, options, _, _ in SCENARIOS],
        }
        run = subprocess.run(
            ["node", "drive.mjs"],
            cwd=project,
            env={**os.environ, "EMULATOR": json.dumps(task)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        seen = json.loads(run.stdout)
        dialled, accepted, twilio = emulator.calls[1], emulator.calls[0], emulator.calls[2]
        assert seen["calls"] == {
            "dialled": dialled.id,
            "room": "sales",
            "again": {"code": "already_exists", "status": 409},
            "accepted": accepted.room_name,
            "connectUrl": twilio.connect_url,
        }
        assert (dialled.state, accepted.state) == ("ended", "active")
        assert seen["failover"] == [outcome for _, _, outcome, _ in SCENARIOS]
        tried = [region for _, _, _, attempts in SCENARIOS for region in attempts]
        assert [request.region for request in regions.requests] == tried
