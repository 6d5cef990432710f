"""Run by test_coexistence.py in a process of its own: one order of import, one implementation.

Argument: "ours-first" or "theirs-first". Exits with a traceback if the two packages conflict.
"""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

if sys.argv[1] == "theirs-first":
    import livekit.protocol.agent_dispatch

import livekit_connector_sync as lk

if sys.argv[1] == "ours-first":
    import livekit.protocol.agent_dispatch

try:
    from livekit.protocol import connector_twilio, connector_whatsapp, rtc
except ImportError:  # releases before the Connector
    connector_twilio = connector_whatsapp = rtc = None

received: list[bytes] = []


class Recorder(BaseHTTPRequestHandler):
    """Keeps the body of every request, and answers with an empty message."""

    def do_POST(self) -> None:
        received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def check_sent(client: lk.ConnectorClient) -> None:
    """Call with messages of both packages; the same bytes must arrive."""
    fields: dict[str, Any] = {
        "whatsapp_phone_number_id": "1",
        "whatsapp_to_phone_number": "15550100",
        "whatsapp_api_key": "k",
        "whatsapp_cloud_api_version": "23.0",
    }
    theirs = livekit.protocol.agent_dispatch.RoomAgentDispatch(agent_name="a", metadata="m")
    ours = lk.RoomAgentDispatch(agent_name="a", metadata="m")
    expected = lk.DialWhatsAppCallRequest(agents=[ours], **fields).SerializeToString()
    client.dial_whatsapp_call(agents=[theirs], **fields)
    client.dial_whatsapp_call(lk.DialWhatsAppCallRequest(agents=[ours], **fields))
    assert received == [expected, expected], received
    received.clear()
    if connector_whatsapp is None:
        return

    dial = connector_whatsapp.DialWhatsAppCallRequest(agents=[theirs], **fields)
    dial.ringing_timeout.FromSeconds(30)
    client.dial_whatsapp_call(dial)
    client.dial_whatsapp_call(agents=[theirs], ringing_timeout=dial.ringing_timeout, **fields)
    assert received == [dial.SerializeToString()] * 2, received
    received.clear()

    sdp = rtc.SessionDescription(type="answer", sdp="v=0")
    connect = connector_whatsapp.ConnectWhatsAppCallRequest(whatsapp_call_id="c", sdp=sdp)
    client.connect_whatsapp_call(connect)
    client.connect_whatsapp_call(whatsapp_call_id="c", sdp=sdp)
    assert received == [connect.SerializeToString()] * 2, received
    received.clear()

    twilio = connector_twilio.ConnectTwilioCallRequest(
        room_name="r",
        twilio_call_direction=(
            connector_twilio.ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_OUTBOUND
        ),
    )
    client.connect_twilio_call(twilio)
    client.connect_twilio_call(room_name="r", twilio_call_direction=twilio.twilio_call_direction)
    assert received == [twilio.SerializeToString()] * 2, received


def check_copies() -> None:
    """Pickle and deepcopy must keep the class and the fields of our messages."""
    messages: list[Any] = [
        lk.DialWhatsAppCallRequest(room_name="r", agents=[lk.RoomAgentDispatch(agent_name="a")]),
        lk.AcceptWhatsAppCallRequest(sdp=lk.SessionDescription(type="offer", sdp="v=0")),
    ]
    for message in messages:
        for again in (pickle.loads(pickle.dumps(message)), copy.deepcopy(message)):
            assert type(again) is type(message), type(again)
            assert again == message, again


server = HTTPServer(("127.0.0.1", 0), Recorder)
thread = threading.Thread(target=server.serve_forever)
thread.start()
try:
    with lk.ConnectorClient(f"http://127.0.0.1:{server.server_port}", "key", "s" * 32) as client:
        check_sent(client)
    check_copies()
finally:
    server.shutdown()
    thread.join()
    server.server_close()
