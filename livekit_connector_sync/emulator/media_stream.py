"""The WebSocket that Twilio opens for a session; needs the `emulator` extra.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages, RFC 6455
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Callable, Union

from ..server import Response
from .http_server import HTTPRequest, Takeover
from .twilio import stream_event

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

__all__ = ["Stream", "accept_stream", "is_upgrade"]

_MAX_MESSAGE = 1024 * 1024  # bytes


class Stream:
    """A stream under way, that others may end.

    Args:
        connection: its socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.closing = False

    def close(self) -> None:
        """Have the stream's own thread say goodbye: it sees the end of what it reads."""
        self.closing = True
        with contextlib.suppress(OSError):
            # The plain socket's own method: that of a TLS socket would take the TLS layer away.
            socket.socket.shutdown(self._connection, socket.SHUT_RD)


def is_upgrade(request: HTTPRequest) -> bool:
    """Return whether a request asks for a WebSocket."""
    return request.headers.get("upgrade", "").lower() == "websocket"


def accept_stream(
    request: HTTPRequest, started: Callable[[Stream], bool], ended: Callable[[], None]
) -> Union[Response, Takeover]:
    """Return the answer to a request for a WebSocket: the handshake and then the stream.

    Args:
        request: the request.
        started: called once the stream's `start` message is there; False closes the stream.
        ended: called once the stream is over: its `stop` message, or the connection's end.
    """
    try:
        from websockets.frames import Frame, Opcode
        from websockets.http11 import Request
        from websockets.server import ServerProtocol
    except ImportError:
        text = b"WebSockets need the extra: pip install 'livekit-connector-sync[emulator]'\n"
        return Response(501, {"Content-Type": "text/plain"}, text)

    def serve(connection: socket.socket) -> None:
        stream = Stream(connection)
        protocol = ServerProtocol(max_size=_MAX_MESSAGE)
        protocol.receive_data(request.raw_head)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
        running = False
        try:
            while _flush(connection, protocol):
                data = _received(connection, stream)
                if data:
                    protocol.receive_data(data)
                elif stream.closing:
                    running = False
                    protocol.send_close(1000)
                    _flush(connection, protocol)
                    return
                else:
                    protocol.receive_eof()
                for event in protocol.events_received():
                    if not isinstance(event, Frame) or event.opcode is not Opcode.TEXT:
                        continue
                    message = stream_event(bytes(event.data))
                    if message == "start" and not running:
                        running = started(stream)
                        if not running:
                            protocol.send_close(1008)
                    elif message == "stop" and running:
                        running = False
                        ended()
                        protocol.send_close(1000)
        finally:
            if running:
                ended()

    return Takeover(serve)


def _received(connection: socket.socket, stream: Stream) -> bytes:
    """Return what came, nothing at the end."""
    try:
        return connection.recv(65536)
    except OSError:
        if stream.closing:
            return b""
        raise


def _flush(connection: socket.socket, protocol: ServerProtocol) -> bool:
    """Send what the protocol has to say; return False once the connection is over."""
    for data in protocol.data_to_send():
        if data:
            connection.sendall(data)
        else:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
    return protocol.state.name != "CLOSED"
