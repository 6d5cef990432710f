"""Calls from start to end, without an account: the client against the emulator on this machine.

Each line is printed after what it tells was seen to have happened; otherwise the demo ends with
an error.
"""

from __future__ import annotations

import sys
import time

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import Call, ConnectorEmulator, State

BUSINESS = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_api_key": "an-access-token-of-meta",
    "whatsapp_cloud_api_version": "23.0",
}
START = time.monotonic()


def tell(text: str) -> None:
    print(f"{time.monotonic() - START:6.3f} s  {text}", flush=True)


def expect(call: Call, state: State) -> None:
    if call.state is not state:
        sys.exit(f"demo: {call!r} should be {state}")


def outbound(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    """Dial a person on WhatsApp, connect the call when they answer, and end it."""
    dialled = client.dial_whatsapp_call(
        **BUSINESS,
        whatsapp_to_phone_number="15551234567",
        room_name="support",
        participant_identity="customer",
        agents=[lk.RoomAgentDispatch(agent_name="receptionist")],
        ringing_timeout=30,
    )
    (call,) = emulator.calls
    expect(call, State.RINGING)
    tell(f"dialled {call.user_number}: it rings; call {dialled.whatsapp_call_id}")

    emulator.answer(call)
    tell(f"the person picked up; Meta's webhook brings an SDP {call.sdp.type}")

    client.connect_whatsapp_call(whatsapp_call_id=dialled.whatsapp_call_id, sdp=call.sdp)
    expect(call, State.ACTIVE)
    tell(f"connected to room {dialled.room_name!r} as {call.participant_identity!r}")

    client.disconnect_whatsapp_call(
        whatsapp_call_id=dialled.whatsapp_call_id, whatsapp_api_key=BUSINESS["whatsapp_api_key"]
    )
    expect(call, State.ENDED)
    tell("hung up: the call has ended")


def inbound(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    """Accept the call of a person who rings the business on WhatsApp, who then hangs up."""
    call = emulator.inbound_call(from_name="Alex Doe")
    expect(call, State.RINGING)
    tell(f"{call.user_name} calls; Meta's webhook brings an SDP {call.sdp.type}")

    accepted = client.accept_whatsapp_call(
        **BUSINESS, whatsapp_call_id=call.whatsapp_call_id, sdp=call.sdp, room_name="support"
    )
    expect(call, State.ACTIVE)
    tell(f"accepted into room {accepted.room_name!r}")

    emulator.hang_up(call)
    expect(call, State.ENDED)
    tell(f"{call.user_name} hung up: the call has ended")


def twilio(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> None:
    """Make a room ready for a call that Twilio places, and follow the call to its end."""
    stream = client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_OUTBOUND",
        room_name="callback",
        participant_identity="customer",
    )
    call = emulator.calls[-1]
    scheme = stream.connect_url.partition("://")[0]
    tell(f"room 'callback' waits for Twilio; its media stream goes to a {scheme} URL of ours")

    emulator.answer(call)
    expect(call, State.ACTIVE)
    tell("Twilio's callee picked up: the participant is in the room")

    emulator.hang_up(call)
    expect(call, State.ENDED)
    tell("the callee hung up: the call has ended")


def main() -> None:
    with (
        ConnectorEmulator() as emulator,
        lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client,
    ):
        tell(f"a Connector service of our own runs at {emulator.url}")
        outbound(emulator, client)
        inbound(emulator, client)
        twilio(emulator, client)
        tell(f"{len(emulator.requests)} requests, {len(emulator.calls)} calls, none left open")


if __name__ == "__main__":
    main()
