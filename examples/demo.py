"""Place, accept, and end calls without an account, against the emulator on this machine.

A small server in this process receives the emulator's webhooks, as an app would. The demo prints a
line only after it has checked that the step happened. Otherwise, it ends with an error.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar, Union
from xml.etree import ElementTree

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import (
    Call,
    ConnectorEmulator,
    MetaWebhooks,
    State,
    TwilioWebhooks,
)
from livekit_connector_sync.webhooks import meta, twilio, twiml

BUSINESS = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_api_key": "an-access-token-of-meta",
    "whatsapp_cloud_api_version": "23.0",
}
APP_SECRET, AUTH_TOKEN = "the secret of the Meta app", "the auth token at Twilio"
START = time.monotonic()
Event = TypeVar("Event", bound=Union[meta.CallConnect, meta.CallStatus, meta.CallTerminate])


def report(text: str) -> None:
    print(f"{time.monotonic() - START:6.3f} s  {text}", flush=True)


def expect(call: Call, state: State) -> None:
    if call.state is not state:
        sys.exit(f"demo: {call!r} should be {state}")


class App:
    """A minimal web app that verifies webhooks and responds to them."""

    def __init__(self) -> None:
        self.url = ""
        self.client: lk.ConnectorClient
        self.events: queue.Queue[meta.Event] = queue.Queue()

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Handle a webhook and return the body of the response."""
        if path == "/meta":
            for event in meta.receive(body, headers.get(meta.SIGNATURE_HEADER), APP_SECRET):
                self.events.put(event)
            return b""
        signature = headers.get(twilio.SIGNATURE_HEADER)
        call = twilio.receive(f"{self.url}{path}", body, signature, AUTH_TOKEN)
        stream = self.client.connect_twilio_call(
            twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND",
            room_name="reception",
            participant_identity=call.call_sid,
        )
        return twiml.connect_stream(stream.connect_url).encode()

    def next_event(self, call: Call, expected: type[Event]) -> Event:
        """Wait for the next event of a call."""
        event = self.events.get(timeout=10)
        if not isinstance(event, expected) or event.whatsapp_call_id != call.whatsapp_call_id:
            sys.exit(f"demo: received {event} instead of a {expected.__name__} of {call!r}")
        return event


@contextlib.contextmanager
def listening(app: App) -> Iterator[None]:
    """Serve an app on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            response = app.handle(self.path, dict(self.headers.items()), body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        app.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def outbound(emulator: ConnectorEmulator, client: lk.ConnectorClient, app: App) -> None:
    """Dial a person on WhatsApp, connect the call while it rings, and end it."""
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
    report(f"dialled {call.user_number}: the phone rings; call {dialled.whatsapp_call_id}")

    answered = app.next_event(call, meta.CallConnect)
    report(f"Meta sent a webhook with an SDP {answered.sdp.type}, before anybody picked up")

    client.connect_whatsapp_call(whatsapp_call_id=answered.whatsapp_call_id, sdp=answered.sdp)
    report(f"connected to room {dialled.room_name!r} as {call.participant_identity!r}")
    status = app.next_event(call, meta.CallStatus).status
    expect(call, State.RINGING)
    report(f"Meta sent the status {status}: the agent waits with its greeting")

    emulator.answer(call)
    status = app.next_event(call, meta.CallStatus).status
    expect(call, State.ACTIVE)
    report(f"the person picked up: Meta sent the status {status}, and the agent may greet")

    client.disconnect_whatsapp_call(
        whatsapp_call_id=dialled.whatsapp_call_id, whatsapp_api_key=BUSINESS["whatsapp_api_key"]
    )
    expect(call, State.ENDED)
    app.next_event(call, meta.CallTerminate)
    report("hung up: the call ended, and Meta sent a webhook about it")


def inbound(emulator: ConnectorEmulator, client: lk.ConnectorClient, app: App) -> None:
    """Accept a WhatsApp call from a person, who then hangs up."""
    call = emulator.inbound_call(from_name="Alex Doe")
    offered = app.next_event(call, meta.CallConnect)
    expect(call, State.RINGING)
    report(f"{offered.contact_name} calls: Meta sent a webhook with an SDP {offered.sdp.type}")

    accepted = client.accept_whatsapp_call(
        **BUSINESS,
        whatsapp_call_id=offered.whatsapp_call_id,
        sdp=offered.sdp,
        room_name="support",
    )
    expect(call, State.ACTIVE)
    report(f"accepted into room {accepted.room_name!r}")

    emulator.hang_up(call)
    ended = app.next_event(call, meta.CallTerminate)
    client.disconnect_whatsapp_call(
        whatsapp_call_id=ended.whatsapp_call_id, disconnect_reason="USER_INITIATED"
    )
    expect(call, State.ENDED)
    report(f"{offered.contact_name} hung up: the call ended, and LiveKit disconnected it")


def phone(emulator: ConnectorEmulator) -> None:
    """Connect a call to the business's Twilio number, as the app's TwiML tells Twilio to."""
    reply = emulator.twilio_call(from_phone_number="+15557654321")
    stream = ElementTree.fromstring(reply.body).find("./Connect/Stream")
    call = emulator.calls[-1]
    if stream is None or stream.get("url") != call.connect_url:
        sys.exit(f"demo: the app responded to Twilio with {reply.body}")
    report(
        f"a call arrives at Twilio: the app's TwiML connects its audio to room {call.room_name!r}"
    )

    emulator.answer(call)
    expect(call, State.ACTIVE)
    report("Twilio opened the stream: the caller is in the room")

    emulator.hang_up(call)
    expect(call, State.ENDED)
    report("the caller hung up: the call ended")


def main() -> None:
    app = App()
    with contextlib.ExitStack() as stack:
        stack.enter_context(listening(app))
        emulator = stack.enter_context(
            ConnectorEmulator(
                meta=MetaWebhooks(f"{app.url}/meta", APP_SECRET),
                twilio=TwilioWebhooks(f"{app.url}/twilio", AUTH_TOKEN),
            )
        )
        app.client = client = stack.enter_context(
            # A proxy from the environment can't reach this machine.
            lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret, proxies={})
        )
        report(f"LiveKit's Connector, Meta, and Twilio are emulated at {emulator.url}")
        outbound(emulator, client, app)
        inbound(emulator, client, app)
        phone(emulator)
        report(f"{len(emulator.requests)} requests, {len(emulator.calls)} calls, all ended")


if __name__ == "__main__":
    main()
