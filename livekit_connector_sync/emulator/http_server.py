"""A small HTTP/1.1 server: keep-alive, a thread a connection, one handler function.

The handler maps a request to an answer: a `Response`, a `Takeover` of the connection, or None to
drop the connection without a word.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Optional, Union, cast

from ..server import Response

__all__ = ["HTTPListener", "HTTPRequest", "Takeover"]

logger = logging.getLogger("livekit_connector_sync.emulator")

_MAX_BODY = 4 * 1024 * 1024  # bytes
_PATIENCE = 75.0  # seconds between two reads of a connection


@dataclass(frozen=True)
class HTTPRequest:
    """A request as it came.

    Args:
        method: "GET", "POST", ...
        path: the path without the query.
        query: what follows the question mark.
        headers: names in lower case; of a repeated header the last.
        body: the whole body.
        raw_head: the request line and headers as sent again to a protocol library.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    raw_head: bytes = field(repr=False, default=b"")


@dataclass(frozen=True)
class Takeover:
    """An answer that keeps the connection for itself, such as a WebSocket.

    Args:
        serve: gets the connected socket, and returns when it is done with it.
    """

    serve: Callable[[socket.socket], None]


Handler = Callable[[HTTPRequest], Union[Response, Takeover, None]]


class HTTPListener:
    """A listening socket whose requests go to a handler, once it is started.

    Args:
        host: the address to listen on.
        port: the port, 0 for any free one.
        handler: answers requests; called from many threads at once.
        tls: the context of an https server, None for http.
    """

    def __init__(
        self, host: str, port: int, handler: Handler, tls: Optional[ssl.SSLContext] = None
    ) -> None:
        self._server = _Server((host, port), handler, tls)
        self.port = int(self._server.server_address[1])
        name = f"[{host}]" if ":" in host else host
        self.origin = f"{'https' if tls else 'http'}://{name}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name=f"emulator-accept-{self.port}",
            daemon=True,
        )

    def start(self) -> None:
        """Begin to take requests; those that came before have waited."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, break open connections and wait until their threads are gone."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.break_connections()


class _Server(HTTPServer):
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], handler: Handler, tls: Optional[ssl.SSLContext]
    ) -> None:
        self.handler = handler
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, Optional[socket.socket]] = {}
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        # HTTPServer would look up the host's name here, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()[:2]
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="emulator-http", daemon=True
        )
        with self._lock:
            for known in [known for known in self._connections if not known.is_alive()]:
                del self._connections[known]
            thread.start()
            self._connections[thread] = request

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        thread = threading.current_thread()
        try:
            if self._tls is not None:
                # Wrapping detaches the plain socket, so close() must know the wrapped one before
                # the handshake waits for the client.
                wrapped = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                connection = wrapped
                with self._lock:
                    self._connections[thread] = wrapped
                wrapped.do_handshake()
            self.finish_request(connection, client_address)
        except OSError:
            pass  # the client went away, or close() broke the connection
        finally:
            # The thread stays in the table, so that close() waits for it to be gone.
            with self._lock:
                self._connections[thread] = None
            self.shutdown_request(connection)

    def break_connections(self) -> None:
        """End every open connection and wait for its thread."""
        with self._lock:
            connections = list(self._connections.items())
            for _, connection in connections:
                with contextlib.suppress(OSError):
                    if connection is not None:
                        connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in connections:
            thread.join(timeout=5)


class _BadRequest(Exception):
    """A request that cannot be read; args are the status and the text."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "livekit-connector-emulator"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = _PATIENCE
    error_content_type = "text/plain"
    error_message_format = "%(message)s\n"

    def _handle(self) -> None:
        try:
            if self.request_version == "HTTP/0.9":
                self.request_version = "HTTP/1.0"
                raise _BadRequest(400, "HTTP/0.9 is not spoken here\n")
            body = self._read_body()
        except _BadRequest as exc:
            status, text = exc.args
            self.close_connection = True
            answer: Union[Response, Takeover, None] = Response(
                status, {"Content-Type": "text/plain"}, text.encode()
            )
        else:
            answer = self._answer(self._request(body))
        if isinstance(answer, Response):
            self._send(answer)
            return
        self.close_connection = True
        if isinstance(answer, Takeover):
            self.connection.settimeout(None)
            answer.serve(self.connection)

    def _answer(self, request: HTTPRequest) -> Union[Response, Takeover, None]:
        try:
            return cast(_Server, self.server).handler(request)
        except Exception:
            logger.exception("%s %s failed: a bug in the emulator", request.method, request.path)
            text = b"a bug in the emulator: its log has the rest\n"
            return Response(500, {"Content-Type": "text/plain"}, text)

    def __getattr__(self, name: str) -> Any:
        # The handler decides about methods too, so that an unknown one gets Twirp's own answer.
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def send_error(self, *args: Any, **kwargs: Any) -> None:
        """Answer what is no request, with a head: the base takes it for HTTP/0.9."""
        self.request_version = "HTTP/1.0"
        super().send_error(*args, **kwargs)

    def _request(self, body: bytes) -> HTTPRequest:
        path, _, query = self.path.partition("?")
        head = f"{self.requestline}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in self.headers.items()
        )
        return HTTPRequest(
            self.command,
            path,
            query,
            {name.lower(): value for name, value in self.headers.items()},
            body,
            f"{head}\r\n".encode("latin-1"),
        )

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            raise _BadRequest(400, "Content-Length is not a number\n")
        if len(length) > 18 or int(length) > _MAX_BODY:
            raise _BadRequest(413, f"the body is over {_MAX_BODY} bytes\n")
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        """Return the body of a chunked request (RFC 9112, section 7.1)."""
        body = bytearray()
        while True:
            size_text = self.rfile.readline(256).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise _BadRequest(400, "a chunk has no size\n") from None
            if size < 0 or len(body) + size > _MAX_BODY:
                raise _BadRequest(413, f"the body is over {_MAX_BODY} bytes\n")
            if size == 0:
                break
            body += self._read_exactly(size)
            self.rfile.readline(256)
        while self.rfile.readline(65536).strip():
            pass  # trailers
        return bytes(body)

    def _read_exactly(self, length: int) -> bytes:
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionError("the client went away within a body")
        return data

    def _send(self, answer: Response) -> None:
        has_body = answer.status >= 200 and answer.status not in (204, 304)  # RFC 9110, 6.4.1
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        # One write for head and body: two would be two packets, since Nagle is off.
        buffer: list[bytes] = self._headers_buffer
        buffer.append(b"\r\n")
        if has_body and self.command != "HEAD":
            buffer.append(answer.body)
        self.flush_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the journal has it all."""
