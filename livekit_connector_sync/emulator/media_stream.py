"""A Twilio session's URL: TwiML over HTTP, and the media stream as a WebSocket.

The WebSocket needs the `emulator` extra.
Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages, RFC 6455
"""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from ..errors import NotFound
from ..server import Response
from .calls import Call, CallRegistry
from .http_server import HTTPRequest, Reply, text_response
from .lifecycle import Event, State
from .regions import Region, Regions
from .twilio import stream_event, twiml

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

__all__ = ["TWILIO_PATH", "MediaStreams"]

TWILIO_PATH = "/twilio/"
_MAX_MESSAGE = 1024 * 1024  # bytes
_POLL = 0.05  # seconds between two looks at the call's state
_MAX_GOODBYE = 1.0  # seconds that the client has to reply to our close frame


@dataclass
class MediaStreams:
    """Responds to Twilio's requests to the URL of a session. A session serves one stream."""

    registry: CallRegistry
    regions: Regions

    def url_of(self, session: str) -> str:
        """Return the URL of a session's stream, "ws://..." or "wss://..."."""
        return f"ws{self.regions.url[4:]}{TWILIO_PATH}{session}"

    def respond(self, region: Region, request: HTTPRequest) -> Reply:
        """Respond with TwiML, or accept the stream."""
        try:
            call = self.registry.get(request.path[len(TWILIO_PATH) :])
        except NotFound as exc:
            return text_response(404, exc.message)
        if call.state is not State.RINGING:
            return text_response(409, "this session is used up: each serves one stream")
        if request.headers.get("upgrade", "").lower() != "websocket":
            return Response(200, {"Content-Type": "text/xml"}, twiml(call.connect_url))
        try:
            import websockets.server  # noqa: F401
        except ImportError:
            return text_response(
                501, "WebSockets need the extra: pip install 'livekit-connector-sync[emulator]'"
            )
        return functools.partial(self._serve, call, request.head)

    def _serve(self, call: Call, head: bytes, connection: socket.socket) -> None:
        from websockets.frames import Frame, Opcode
        from websockets.http11 import Request
        from websockets.server import ServerProtocol

        protocol = ServerProtocol(max_size=_MAX_MESSAGE)
        protocol.receive_data(head)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
        if protocol.state.name != "OPEN":
            _flush(connection, protocol)
            return
        connection.settimeout(_POLL)
        started = False
        closing_until: Optional[float] = None
        try:
            while _flush(connection, protocol):
                if closing_until is not None and time.monotonic() > closing_until:
                    return
                data = _receive(connection)
                if data:
                    protocol.receive_data(data)
                elif data is not None:
                    protocol.receive_eof()
                code = 1000 if call.state is State.ENDED else None
                for event in protocol.events_received():
                    if code is not None or closing_until is not None:
                        break
                    if not isinstance(event, Frame) or event.opcode is not Opcode.TEXT:
                        continue
                    message = stream_event(bytes(event.data))
                    if message == "start" and not started:
                        started = self._apply(call, Event.STREAM)
                        code = None if started else 1008  # another stream was first
                    elif message == "stop" and started:
                        self._apply(call, Event.HANG_UP)
                        code = 1000
                if code is not None and protocol.state.name == "OPEN":
                    protocol.send_close(code)
                    closing_until = time.monotonic() + _MAX_GOODBYE
        finally:
            if started:
                self._apply(call, Event.HANG_UP)

    def _apply(self, call: Call, event: Event) -> bool:
        with contextlib.suppress(ValueError, NotFound):  # ended, or forgotten
            self.registry.apply(call, event)
            return True
        return False


def _receive(connection: socket.socket) -> Optional[bytes]:
    """Return what arrives: b"" at the end, None if nothing arrives for a moment."""
    try:
        return connection.recv(65536)
    except socket.timeout:
        return None


def _flush(connection: socket.socket, protocol: ServerProtocol) -> bool:
    """Send what the protocol has to send; return False once the connection is over."""
    for data in protocol.data_to_send():
        if data:
            connection.sendall(data)
        else:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
    return protocol.state.name != "CLOSED"
