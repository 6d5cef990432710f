"""The formats of fields, which are checked before anything is sent."""

from __future__ import annotations

import pytest
from helpers.requests_of import DIAL
from helpers.scripted import ScriptedServer, ok

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

NUMBER = "whatsapp_to_phone_number"


def fields_with(**changes):
    return {**{field.name: value for field, value in DIAL.ListFields()}, **changes}


@pytest.mark.parametrize(
    ("changes", "argument", "remedy"),
    [
        ({NUMBER: "1"}, NUMBER, "7 to 15 digits"),
        ({NUMBER: "1" * 40}, NUMBER, "7 to 15 digits"),
        ({NUMBER: "01551234567"}, NUMBER, "without a leading 0"),
        ({NUMBER: "+15551234567"}, NUMBER, 'without the leading "\\+"'),
        ({NUMBER: "1 555 123 4567"}, NUMBER, "digits only"),
        ({NUMBER: "\u0661" * 9}, NUMBER, "digits only"),
        ({NUMBER: "US.13491208655302741918"}, NUMBER, "business-scoped user id"),
        ({NUMBER: "US.ENT.11815799212886844830"}, NUMBER, "business-scoped user id"),
        ({"whatsapp_phone_number_id": "+1 555"}, "whatsapp_phone_number_id", "Meta's id of the"),
        ({"whatsapp_api_key": "Bearer k"}, "whatsapp_api_key", 'without "Bearer "'),
        ({"whatsapp_api_key": "k "}, "whatsapp_api_key", "white space"),
        ({"ringing_timeout": 30_000}, "ringing_timeout", "30000 seconds is too long, at most 300"),
        (
            {"whatsapp_biz_opaque_callback_data": "x" * 513},
            "whatsapp_biz_opaque_callback_data",
            "513 characters, at most 512",
        ),
        ({"room_name": "r" * 257}, "room_name", "at most 256"),
        ({"participant_identity": "i" * 257}, "participant_identity", "at most 256"),
        ({"destination_country": "usa"}, "destination_country", 'such as "US"'),
        ({"agents": [{"agent_name": "a"}, {"metadata": "m"}]}, "agents", "needs its agent_name"),
    ],
)
def test_a_malformed_field_is_rejected_before_sending(changes, argument, remedy) -> None:
    with (
        ScriptedServer(ok(lk.DialWhatsAppCallResponse())) as server,
        lk.ConnectorClient(server.url, "key", "secret") as client,
    ):
        with pytest.raises(lk.InvalidArgument, match=remedy) as caught:
            client.dial_whatsapp_call(**fields_with(**changes))
        assert server.requests == []
        assert caught.value.metadata == {"argument": argument}
        with lk.ConnectorClient(server.url, "key", "secret", validate=False) as unchecked:
            unchecked.dial_whatsapp_call(**fields_with(**changes))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {NUMBER: "1234567"},
        {NUMBER: "123456789012345"},
        {"ringing_timeout": 300},
        {"whatsapp_biz_opaque_callback_data": "x" * 512},
        {"room_name": "r" * 256, "participant_identity": "i" * 256},
        {"destination_country": "DE", "agents": [{"agent_name": "a"}]},
    ],
)
def test_values_at_the_bounds_are_sent(changes) -> None:
    with (
        ScriptedServer(ok(lk.DialWhatsAppCallResponse())) as server,
        lk.ConnectorClient(server.url, "key", "secret") as client,
    ):
        client.dial_whatsapp_call(**fields_with(**changes))
        assert len(server.requests) == 1


def test_the_emulator_rejects_an_impossible_number() -> None:
    with (
        ConnectorEmulator() as emulator,
        lk.ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, validate=False
        ) as client,
    ):
        with pytest.raises(lk.InvalidArgument, match="7 to 15 digits"):
            client.dial_whatsapp_call(**fields_with(**{NUMBER: "1"}))
        assert emulator.calls == []
