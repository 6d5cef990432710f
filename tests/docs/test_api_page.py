"""The calls of LiveKit's API page, with the import lines changed and `await` removed.

Source: https://docs.livekit.io/reference/telephony/connectors-api.md
"""

from __future__ import annotations

import os
from typing import Any

from livekit_connector_sync.emulator import ConnectorEmulator, State

CREATE = """
import livekit_connector_sync as api

lkapi = api.LiveKitAPI()
"""

DIAL = """
import livekit_connector_sync as api
from livekit_connector_sync import RoomAgentDispatch

dial_res = lkapi.connector.dial_whatsapp_call(
    api.DialWhatsAppCallRequest(
        whatsapp_phone_number_id=os.environ["WHATSAPP_PHONE_NUMBER_ID"],
        whatsapp_to_phone_number=os.environ["WHATSAPP_TO_PHONE_NUMBER"],
        whatsapp_cloud_api_version="23.0",
        whatsapp_api_key=os.environ["WHATSAPP_API_KEY"],
        destination_country="US",
        room_name="whatsapp-connector-test",
        participant_identity="test-identity",
        participant_name="test-user",
        agents=[RoomAgentDispatch(agent_name="my-agent")],
    )
)
"""

ACCEPT = """
import livekit_connector_sync as api
from livekit_connector_sync import SessionDescription

res = lkapi.connector.accept_whatsapp_call(
    api.AcceptWhatsAppCallRequest(
        whatsapp_phone_number_id=os.environ["WHATSAPP_PHONE_NUMBER_ID"],
        whatsapp_api_key=os.environ["WHATSAPP_API_KEY"],
        whatsapp_cloud_api_version="23.0",
        whatsapp_call_id=call_id,
        sdp=SessionDescription(
            type="offer",
            sdp=sdp_from_webhook,
        ),
        room_name="my-room",
        agents=[api.RoomAgentDispatch(agent_name="my-agent")],
    )
)
"""

CONNECT = """
import livekit_connector_sync as api
from livekit_connector_sync import SessionDescription

lkapi.connector.connect_whatsapp_call(
    api.ConnectWhatsAppCallRequest(
        whatsapp_call_id=call_id,
        sdp=SessionDescription(
            type="answer",
            sdp=sdp_from_webhook,
        ),
    )
)
"""

DISCONNECT = """
import livekit_connector_sync as api

lkapi.connector.disconnect_whatsapp_call(
    api.DisconnectWhatsAppCallRequest(
        whatsapp_call_id=dial_res.whatsapp_call_id,
        whatsapp_api_key=os.environ["WHATSAPP_API_KEY"],
    )
)
"""

TWILIO = """
import livekit_connector_sync as api
from livekit_connector_sync import RoomAgentDispatch

res = lkapi.connector.connect_twilio_call(
    api.ConnectTwilioCallRequest(
        twilio_call_direction=api.ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_OUTBOUND,
        destination_country="US",
        room_name="twilio-connector-test",
        participant_identity="test",
        participant_name="test",
        agents=[RoomAgentDispatch(agent_name="my-agent")],
    )
)
"""


def test_the_calls_of_the_api_page(environment: ConnectorEmulator) -> None:
    names: dict[str, Any] = {"os": os}
    exec(CREATE, names)
    try:
        exec(DIAL, names)
        (dialled,) = environment.calls
        assert names["dial_res"].whatsapp_call_id == dialled.whatsapp_call_id
        assert names["dial_res"].room_name == "whatsapp-connector-test"
        environment.answer(dialled)
        names |= {"call_id": dialled.whatsapp_call_id, "sdp_from_webhook": dialled.sdp.sdp}
        exec(CONNECT, names)
        assert dialled.state is State.ACTIVE
        exec(DISCONNECT, names)
        assert dialled.state is State.ENDED

        inbound = environment.inbound_call()
        names |= {"call_id": inbound.whatsapp_call_id, "sdp_from_webhook": inbound.sdp.sdp}
        exec(ACCEPT, names)
        assert names["res"].room_name == "my-room"
        assert inbound.state is State.ACTIVE

        exec(TWILIO, names)
        assert names["res"].connect_url.startswith("ws")
    finally:
        names["lkapi"].close()
