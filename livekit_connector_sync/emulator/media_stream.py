"""The WebSocket that Twilio opens for a session; needs the `emulator` extra.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages, RFC 6455
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Callable, Optional, Union

from ..server import Response
from .http_server import HTTPRequest, Takeover
from .twilio import stream_event

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

__all__ = ["Stream", "accept_stream", "is_upgrade"]

_MAX_MESSAGE = 1024 * 1024  # bytes
_GLANCE = 0.05  # seconds
_PATIENCE = 1.0  # seconds


class Stream:
    """A WebSocket that is open, that others may close."""

    def __init__(self) -> None:
        self.closing = False
        self.running = False  # between `start` and `stop`

    def close(self) -> None:
        """Have the stream's own thread say goodbye, in a moment."""
        self.closing = True


def is_upgrade(request: HTTPRequest) -> bool:
    """Return whether a request asks for a WebSocket."""
    return request.headers.get("upgrade", "").lower() == "websocket"


def accept_stream(
    request: HTTPRequest,
    opened: Callable[[Stream], None],
    started: Callable[[Stream], bool],
    ended: Callable[[Stream], None],
) -> Union[Response, Takeover]:
    """Return the answer to a request for a WebSocket: the handshake and then the stream.

    Args:
        request: the request.
        opened: called after the handshake.
        started: called once the stream's `start` message is there; False closes the stream.
        ended: called at the stream's `stop` message, and at the connection's end.
    """
    try:
        from websockets.frames import Frame, Opcode
        from websockets.http11 import Request
        from websockets.server import ServerProtocol
    except ImportError:
        text = b"WebSockets need the extra: pip install 'livekit-connector-sync[emulator]'\n"
        return Response(501, {"Content-Type": "text/plain"}, text)

    def serve(connection: socket.socket) -> None:
        protocol = ServerProtocol(max_size=_MAX_MESSAGE)
        protocol.receive_data(request.raw_head)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
        if protocol.state.name != "OPEN":
            _flush(connection, protocol)
            return
        stream = Stream()
        opened(stream)
        # Whoever closes the stream is seen between two reads.
        connection.settimeout(_GLANCE)
        patience: Optional[float] = None  # until when the client may answer our goodbye
        try:
            while _flush(connection, protocol) and not (patience and time.monotonic() > patience):
                data = _received(connection)
                if data:
                    protocol.receive_data(data)
                elif data is not None:
                    protocol.receive_eof()
                code = 1000 if stream.closing else None
                for event in protocol.events_received():
                    if code is not None or patience is not None:
                        break
                    if not isinstance(event, Frame) or event.opcode is not Opcode.TEXT:
                        continue
                    message = stream_event(bytes(event.data))
                    if message == "start" and not stream.running and not started(stream):
                        code = 1008
                    elif message == "stop" and stream.running:
                        ended(stream)
                        code = 1000
                if code is not None and protocol.state.name == "OPEN":
                    protocol.send_close(code)
                    patience = time.monotonic() + _PATIENCE
        finally:
            ended(stream)

    return Takeover(serve)


def _received(connection: socket.socket) -> Optional[bytes]:
    """Return what came: nothing at the end, None if that takes longer than a glance."""
    try:
        return connection.recv(65536)
    except socket.timeout:
        return None


def _flush(connection: socket.socket, protocol: ServerProtocol) -> bool:
    """Send what the protocol has to say; return False once the connection is over."""
    for data in protocol.data_to_send():
        if data:
            connection.sendall(data)
        else:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
    return protocol.state.name != "CLOSED"
