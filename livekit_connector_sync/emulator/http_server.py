"""A small HTTP/1.1 server: keep-alive, one thread for each connection, one handler function.

The handler returns a `Response`, a `Takeover` of the connection, or None to close the connection
without a response. Source: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from http.client import responses as PHRASES
from typing import BinaryIO, Callable, NamedTuple, Optional, Union

from ..server import BodyTooLarge, Response, read_body

__all__ = ["HTTPListener", "HTTPRequest", "Reply", "Takeover", "text_response"]

logger = logging.getLogger("livekit_connector_sync.emulator")

_MAX_HEAD = 64 * 1024  # bytes of a request line and headers
_MAX_BODY = 4 * 1024 * 1024  # bytes
_MAX_IDLE = 75.0  # seconds between two reads of a connection
_POLL = 0.05  # seconds until the accepting thread notices that the listener closes
_REQUEST_LINE = re.compile(r"(\S+) (\S+) HTTP/(\d)\.\d", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class HTTPRequest(NamedTuple):
    """An HTTP request."""

    method: str
    path: str  # without the query
    headers: Mapping[str, str]  # names in lower case; the last one wins if a name is repeated
    body: bytes
    head: bytes  # the request line and the headers as they arrived


Takeover = Callable[[socket.socket], None]
"""Takes over the connection, such as for a WebSocket, and returns when it is done with it."""
Reply = Union[Response, Takeover, None]
Handler = Callable[[HTTPRequest], Reply]


def text_response(status: int, text: str) -> Response:
    """Return a response in plain text."""
    return Response(status, {"Content-Type": "text/plain"}, text.encode())


class HTTPListener:
    """A listening socket; once started, it passes requests to a handler.

    Args:
        host: the address to listen on.
        port: the port; 0 for any free port.
        tls: the TLS context for https; None for http.

    Raises:
        OSError: the address is not available.
    """

    def __init__(self, host: str, port: int, tls: Optional[ssl.SSLContext] = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=256)
        except OSError as exc:
            raise OSError(exc.errno, f"{exc.strerror or exc}: {host} port {port}") from exc
        self._socket.settimeout(_POLL)
        port = self._socket.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.origin = f"{'https' if tls else 'http'}://{name}:{port}"
        self._tls = tls
        self._closing = False
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._thread: Optional[threading.Thread] = None

    def start(self, handler: Handler) -> None:
        """Serve the connections, those that already wait included.

        Args:
            handler: handles a request; several threads call it at once.
        """
        self._thread = threading.Thread(
            target=self._accept, args=(handler,), name="emulator-accept", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, break the open connections, and wait for their threads."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
        with self._lock:
            threads = list(self._connections)
            for connection in self._connections.values():
                with contextlib.suppress(OSError):  # closed already
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)

    def _accept(self, handler: Handler) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except socket.timeout:
                continue
            except OSError:  # the client has gone, or the process has no file descriptors left
                time.sleep(_POLL)
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection, handler), name="emulator-http", daemon=True
            )
            with self._lock:
                for ended in [known for known in self._connections if not known.is_alive()]:
                    del self._connections[ended]
                thread.start()
                self._connections[thread] = connection

    def _serve(self, connection: socket.socket, handler: Handler) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_MAX_IDLE)
            if self._tls is not None:
                # Wrapping detaches the plain socket, so close() must know the wrapped one before
                # the handshake waits for the client.
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                with self._lock:
                    self._connections[threading.current_thread()] = connection
                connection.do_handshake()
            with connection.makefile("rb") as stream:
                while _serve_request(connection, stream, handler):
                    pass
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client has gone, or close() broke the connection
        finally:
            connection.close()


def _serve_request(connection: socket.socket, stream: BinaryIO, handler: Handler) -> bool:
    """Serve one request; return whether the connection stays open for the next."""
    try:
        head = _read_head(stream)
        if head is None:
            return False
        method, target, headers = _parse_head(head)
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _read_body(stream, headers)
    except _BadRequest as exc:
        connection.sendall(_encode_response(text_response(*exc.args), "", keep_alive=False))
        return False
    request = HTTPRequest(method, target.partition("?")[0], headers, body, head)
    try:
        reply = handler(request)
    except Exception:
        logger.exception("%s %s failed: a bug in the emulator", method, request.path)
        reply = text_response(500, "the emulator has a bug: see its log")
    if isinstance(reply, Response):
        keep_alive = _keeps_alive(head, headers)
        # One write, since Nagle's algorithm is off: two writes would be two packets.
        connection.sendall(_encode_response(reply, method, keep_alive))
        return keep_alive
    if reply is not None:
        connection.settimeout(None)
        reply(connection)
    return False


class _BadRequest(Exception):
    """The request is malformed; args are the HTTP status and the text of the response."""


def _read_head(stream: BinaryIO) -> Optional[bytes]:
    """Return a request's head up to the empty line; None at the end of the connection."""
    head = b""
    while True:
        line = stream.readline(_MAX_HEAD)
        if line in (b"\r\n", b"\n"):
            if head:
                return head + line
            continue  # RFC 9112, section 2.2: ignore empty lines before the request
        head += line
        if len(head) >= _MAX_HEAD:
            raise _BadRequest(431, f"the headers have more than {_MAX_HEAD} bytes")
        if not line.endswith(b"\n"):
            if not head:
                return None
            raise _BadRequest(400, "the request ends before its headers do")


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Return the method, the target, and the headers."""
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\n")
    match = _REQUEST_LINE.fullmatch(request_line.rstrip("\r"))
    if match is None:
        raise _BadRequest(400, "the request line is malformed")
    method, target, version = match.groups()
    if version != "1":
        raise _BadRequest(505, f"HTTP/{version} is not supported: use HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise _BadRequest(400, "a header is malformed")
        name = name.lower()
        if name in headers and name in ("content-length", "transfer-encoding"):
            raise _BadRequest(400, f"{name} is repeated")
        headers[name] = value.strip(" \t\r")
    return method, target, headers


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length", "")
    try:
        if encoding is None:
            return read_body(stream, length, _MAX_BODY)
        if encoding.lower() != "chunked" or length:
            raise _BadRequest(400, "send Content-Length, or Transfer-Encoding: chunked")
        return _read_chunks(stream)
    except BodyTooLarge as exc:
        raise _BadRequest(413, str(exc)) from None
    except ValueError as exc:
        raise _BadRequest(400, str(exc)) from None


def _read_chunks(stream: BinaryIO) -> bytes:
    """Return a chunked body (RFC 9112, section 7.1); extensions and trailers are ignored."""
    body = b""
    while True:
        size = stream.readline(256).partition(b";")[0].strip(b" \t\r\n")
        if not _CHUNK_SIZE.fullmatch(size):
            raise _BadRequest(400, "a chunk has a malformed size")
        if int(size, 16) == 0:
            break
        if len(body) + int(size, 16) > _MAX_BODY:
            raise BodyTooLarge(_MAX_BODY)
        body += read_body(stream, str(int(size, 16)), _MAX_BODY)
        if stream.readline(3) not in (b"\r\n", b"\n"):
            raise _BadRequest(400, "a chunk is longer than its size")
    while stream.readline(_MAX_HEAD) not in (b"\r\n", b"\n", b""):
        pass
    return body


def _keeps_alive(head: bytes, headers: Mapping[str, str]) -> bool:
    connection = headers.get("connection", "").lower()
    if b" HTTP/1.0" in head.partition(b"\n")[0]:
        return "keep-alive" in connection
    return "close" not in connection


def _encode_response(response: Response, method: str, keep_alive: bool) -> bytes:
    status, headers, body = response
    lines = [
        f"HTTP/1.1 {status} {PHRASES.get(status, '')}",
        "Server: livekit-connector-emulator",
        f"Date: {formatdate(usegmt=True)}",
    ]
    for name, value in headers.items():
        if name != "Content-Length":
            lines.append(f"{name}: {value}")
    if status < 200 or status in (204, 304):  # RFC 9110, section 6.4.1: these have no body
        body = b""
    else:
        lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if method == "HEAD" else head + body
