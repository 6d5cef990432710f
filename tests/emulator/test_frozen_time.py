"""The emulator in tests that freeze time: tokens follow the frozen clock, timeouts the real one."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable

import freezegun
import pytest
import time_machine

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator, Event, Timeouts


def travel(moment: str) -> Any:
    return time_machine.travel(moment, tick=False)


# time-machine stops the monotonic clock as well before its version 3, which needs Python 3.10.
FREEZERS = [freezegun.freeze_time, *([travel] if sys.version_info >= (3, 10) else [])]


@pytest.mark.parametrize("freeze", FREEZERS)
@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"])
@pytest.mark.parametrize("starts_frozen", [True, False])
def test_a_call_while_time_is_frozen(
    freeze: Callable[[str], Any], moment: str, starts_frozen: bool
) -> None:
    emulator = ConnectorEmulator(timeouts=Timeouts(ring=0.05))
    frozen = freeze(moment)
    contexts = (frozen, emulator) if starts_frozen else (emulator, frozen)
    with (
        contexts[0],
        contexts[1],
        lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client,
    ):
        client.dial_whatsapp_call(
            whatsapp_phone_number_id="1",
            whatsapp_to_phone_number="15551230000",
            whatsapp_api_key="graph-secret",
            whatsapp_cloud_api_version="23.0",
        )
        assert str(time.gmtime().tm_year) == moment[:4]
        (call,) = emulator.calls
        for _ in range(500):
            if call.state == "ended":
                break
            time.sleep(0.01)
        assert call.ended_by is Event.NO_ANSWER
        assert emulator.requests[0].outcome == "ok"
