"""A small HTTP/1.1 server: keep-alive, one thread for each connection, one handler function.

The handler returns a `Response`, a `Takeover` of the connection, or None to close the connection
without a response. Malformed framing gets a 400, and a request for another name than this
machine's a 403: a web site in the developer's browser can point its own name at this machine (DNS
rebinding), and the emulator's default secret is public. Source: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from http.client import responses as PHRASES
from typing import Any, BinaryIO, Callable, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..server import BodyTooLarge, Response, read_body

__all__ = ["HTTPListener", "HTTPRequest", "Reply", "Takeover", "json_response", "text_response"]

logger = logging.getLogger("livekit_connector_sync.emulator")

MAX_CONNECTIONS = 500  # of a listener, at a time; more wait until one is free
_MAX_HEAD = 64 * 1024  # bytes of a request line and headers
_MAX_BODY = 4 * 1024 * 1024  # bytes
_MAX_IDLE = 75.0  # seconds between two reads of a connection
_POLL = 0.05  # seconds until the accepting thread notices that the listener closes
_MAX_CHUNK_LINE = 256  # bytes of a chunk's size and extensions
_TOKEN = r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_REQUEST_LINE = re.compile(rf"{_TOKEN} ([!-~\x80-\xff]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(rf"{_TOKEN}:([\t -~\x80-\xff]*)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[\t -~\x80-\xff]*)?\r\n")


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


def json_response(status: int, document: Mapping[str, Any], **headers: str) -> Response:
    """Return a response in JSON."""
    body = json.dumps(document).encode()
    return Response(status, {"Content-Type": "application/json", **headers}, body)


def text_response(status: int, text: str) -> Response:
    """Return a response in plain text."""
    return Response(status, {"Content-Type": "text/plain"}, text.encode())


class HTTPListener:
    """A listening socket; once started, it passes requests to a handler.

    Port 0 is any free port. Raises OSError if the address is not available.
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
        self._host = host.lower()
        self._tls = tls
        self._closing = False
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._thread: Optional[threading.Thread] = None

    def start(self, handler: Handler) -> None:
        """Serve the connections, those that already wait included, a thread each."""
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
            if len(self._connections) >= MAX_CONNECTIONS:
                time.sleep(_POLL)
                continue
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
                self._connections[thread] = connection
                thread.start()

    def _serve(self, connection: socket.socket, handler: Handler) -> None:
        thread = threading.current_thread()
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
                    self._connections[thread] = connection
                connection.do_handshake()
            with connection.makefile("rb") as stream:
                while self._serve_request(connection, stream, handler):
                    pass
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client has gone, or close() broke the connection
        finally:
            connection.close()
            with self._lock:
                del self._connections[thread]

    def _serve_request(self, connection: socket.socket, stream: BinaryIO, handler: Handler) -> bool:
        """Serve one request; return whether the connection stays open for the next."""
        try:
            head = _read_head(stream)
            if head is None:
                return False
            method, target, headers, keep_alive = _parse_head(head)
            _check_host(headers, self._host)
            if headers.get("expect", "").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = _read_body(stream, headers)
        except _Rejected as exc:
            connection.sendall(_encode_response(text_response(*exc.args), "", keep_alive=False))
            return False
        request = HTTPRequest(method, target.partition("?")[0], headers, body, head)
        try:
            reply = handler(request)
        except Exception:
            logger.exception("%s %s failed: a bug in the emulator", method, request.path)
            reply = text_response(500, "the emulator has a bug: see its log")
        if isinstance(reply, Response):
            # One write, since Nagle's algorithm is off: two writes would be two packets.
            connection.sendall(_encode_response(reply, method, keep_alive))
            return keep_alive
        if reply is not None:
            connection.settimeout(None)
            reply(connection)
        return False


class _Rejected(Exception):
    """The request is rejected; args are the HTTP status and the text of the response."""


def _read_head(stream: BinaryIO) -> Optional[bytes]:
    """Return the request line and the headers; None at the end of the connection."""
    line = b"\r\n"
    while line == b"\r\n":  # RFC 9112, section 2.2: ignore empty lines before the request
        line = stream.readline(_MAX_HEAD)
    return _read_lines(stream, line) if line else None


def _read_lines(stream: BinaryIO, lines: bytes = b"") -> bytes:
    """Return the lines of a head or a trailer, up to and with the empty one."""
    line = lines
    while line != b"\r\n":
        if len(lines) >= _MAX_HEAD:
            raise _Rejected(431, f"the headers have more than {_MAX_HEAD} bytes")
        if line and not line.endswith(b"\r\n"):
            raise _Rejected(400, "a line does not end with CR LF")
        line = stream.readline(_MAX_HEAD)
        if not line:
            raise _Rejected(400, "the request ends before its headers do")
        lines += line
    return lines


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str], bool]:
    """Return the method, the target, the headers, and whether the connection stays open."""
    request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise _Rejected(400, "the request line is malformed")
    method, target, major, minor = match.groups()
    if major != "1":
        raise _Rejected(505, f"HTTP/{major} is not supported: use HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _Rejected(400, "a header is malformed")
        name, value = match[1].lower(), match[2].strip(" \t")
        if name in headers and name in ("host", "content-length", "transfer-encoding"):
            raise _Rejected(400, f"{name} is repeated")
        headers[name] = value
    connection = headers.get("connection", "").lower()
    if minor != "0":
        return method, target, headers, "close" not in connection
    if "transfer-encoding" in headers:
        raise _Rejected(400, "HTTP/1.0 has no Transfer-Encoding")
    return method, target, headers, "keep-alive" in connection


def _check_host(headers: Mapping[str, str], own: str) -> None:
    """Reject a request for a name that others own, or that another site's page sends."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is None:
        raise _Rejected(400, "the Host header is missing")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name not in (own, "localhost"):
            ipaddress.ip_address(name)
        allowed = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        allowed = False
    if not allowed:
        raise _Rejected(
            403,
            "the Host or Origin header names another server: use an IP address or localhost, or "
            "start the emulator with this name as its host",
        )


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length", "0")
    try:
        if encoding is None:
            return read_body(stream, length, _MAX_BODY)
        if encoding.lower() != "chunked" or "content-length" in headers:
            raise _Rejected(400, "send Content-Length, or Transfer-Encoding: chunked")
        return _read_chunks(stream)
    except BodyTooLarge as exc:
        raise _Rejected(413, str(exc)) from None
    except ValueError as exc:
        raise _Rejected(400, str(exc)) from None


def _read_chunks(stream: BinaryIO) -> bytes:
    """Return a chunked body (RFC 9112, section 7.1); extensions and trailers are ignored."""
    body = b""
    while True:
        match = _CHUNK_SIZE.fullmatch(stream.readline(_MAX_CHUNK_LINE))
        if match is None:
            raise _Rejected(400, "a chunk has a malformed size")
        size = int(match[1], 16)
        if size == 0:
            _read_lines(stream)
            return body
        if len(body) + size > _MAX_BODY:
            raise BodyTooLarge(_MAX_BODY)
        body += read_body(stream, str(size), _MAX_BODY)
        if stream.readline(3) != b"\r\n":
            raise _Rejected(400, "a chunk is longer than its size")


def _encode_response(response: Response, method: str, keep_alive: bool) -> bytes:
    status, headers, body = response
    lines = [
        f"HTTP/1.1 {status} {PHRASES.get(status, '')}",
        "Server: livekit-connector-emulator",
        f"Date: {formatdate(usegmt=True)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if status < 200 or status in (204, 304):  # RFC 9110, section 6.4.1: these have no body
        body = b""
    else:
        lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if method == "HEAD" else head + body
