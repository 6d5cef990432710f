"""The published livekit-api client against the emulator: five RPCs, nine failover scenarios.

The scenarios are those of the official SDKs' shared suite, selected by the X-Lk-Mock header.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from typing import Any, Callable, Optional

import pytest
from livekit import api
from livekit.api.twirp_client import TwirpClient
from livekit.protocol.connector_twilio import ConnectTwilioCallRequest
from livekit.protocol.connector_whatsapp import (
    AcceptWhatsAppCallRequest,
    ConnectWhatsAppCallRequest,
    DialWhatsAppCallRequest,
    DialWhatsAppCallResponse,
    DisconnectWhatsAppCallRequest,
)
from livekit.protocol.rtc import SessionDescription

from livekit_connector_sync.emulator import ConnectorEmulator

META = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_api_key": "graph-secret",
    "whatsapp_cloud_api_version": "23.0",
}


def run(emulator: ConnectorEmulator, use: Callable[[api.LiveKitAPI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with api.LiveKitAPI(emulator.url, emulator.api_key, emulator.api_secret) as client:
            return await use(client)

    return asyncio.run(main())


def test_all_five_rpcs(emulator: ConnectorEmulator) -> None:
    async def use(client: api.LiveKitAPI) -> None:
        connector = client.connector
        dial = DialWhatsAppCallRequest(
            **META, whatsapp_to_phone_number="15551230000", room_name="sales"
        )
        dialled = await connector.dial_whatsapp_call(dial)
        assert dialled.room_name == "sales"
        call = emulator.answer(dialled.whatsapp_call_id)
        sdp = SessionDescription(type=call.sdp.type, sdp=call.sdp.sdp)
        connect = ConnectWhatsAppCallRequest(whatsapp_call_id=call.id, sdp=sdp)
        await connector.connect_whatsapp_call(connect)
        assert call.state == "active"
        with pytest.raises(api.TwirpError) as caught:
            await connector.connect_whatsapp_call(connect)
        assert (caught.value.code, caught.value.status) == ("already_exists", 409)
        disconnect = DisconnectWhatsAppCallRequest(
            whatsapp_call_id=call.id, whatsapp_api_key="graph-secret"
        )
        await connector.disconnect_whatsapp_call(disconnect)
        assert call.state == "ended"

        inbound = emulator.inbound_call()
        accept = AcceptWhatsAppCallRequest(
            **META,
            whatsapp_call_id=inbound.id,
            sdp=SessionDescription(type=inbound.sdp.type, sdp=inbound.sdp.sdp),
            wait_until_answered=True,
        )
        assert (await connector.accept_whatsapp_call(accept)).room_name == inbound.room_name
        twilio = await connector.connect_twilio_call(ConnectTwilioCallRequest(room_name="desk"))
        assert twilio.connect_url == emulator.calls[-1].connect_url
        assert emulator.requests[0].body == dial.SerializeToString()

    run(emulator, use)


@pytest.fixture(scope="module")
def regions() -> Iterator[ConnectorEmulator]:
    with ConnectorEmulator(regions=4) as emulator:
        yield emulator


@pytest.mark.parametrize(
    ("mock", "options", "outcome", "attempts"),
    [
        ({}, {}, None, [0]),
        ({"failRegions": [0]}, {}, None, [0, 1]),
        ({"failRegions": [0, 1]}, {}, None, [0, 1, 2]),
        ({"failRegions": [0, 1, 2, 3]}, {}, ("unavailable", 503), [0, 1, 2]),
        ({"failRegions": [0], "failStatus": 400}, {}, ("invalid_argument", 400), [0]),
        ({"failRegions": [0], "failMode": "drop"}, {}, None, [0, 1]),
        ({"failRegions": [0], "regionsStatus": 500}, {}, ("unavailable", 503), [0, 0, 0]),
        ({"failRegions": [0]}, {"_failover_force": False}, ("unavailable", 503), [0]),
        ({"failRegions": [0]}, {"failover": False}, ("unavailable", 503), [0]),
    ],
    ids=[
        "healthy",
        "primary unavailable",
        "two regions unavailable",
        "all unavailable",
        "client error",
        "transport error",
        "discovery unreachable",
        "not a cloud host",
        "disabled",
    ],
)
def test_failover(
    regions: ConnectorEmulator,
    mock: dict[str, Any],
    options: dict[str, Any],
    outcome: Optional[tuple[str, int]],
    attempts: list[int],
) -> None:
    before = len(regions.requests)
    options = {"_failover_force": True, "_failover_backoff": 0.001, **options}
    headers = {
        "X-Lk-Mock": json.dumps({**mock, "skipAuth": True}),
        "authorization": "Bearer placeholder",
    }

    async def use(client: api.LiveKitAPI) -> DialWhatsAppCallResponse:
        twirp = TwirpClient(client._session, regions.url, "livekit", **options)
        request = DialWhatsAppCallRequest(room_name="sales")
        return await twirp.request(
            "Connector", "DialWhatsAppCall", request, headers, DialWhatsAppCallResponse
        )

    if outcome is None:
        response = run(regions, use)
        assert response.room_name == "sales"
        assert response.whatsapp_call_id == "MOCK_WHATSAPP_CALL_ID"
    else:
        with pytest.raises(api.TwirpError) as caught:
            run(regions, use)
        assert (caught.value.code, caught.value.status) == outcome
    assert [request.region for request in regions.requests[before:]] == attempts
