"""Connections that obey one deadline, notice truncation, and know whether anything was sent.

They take the place of urllib3's in the pools of a session. urllib3 and http.client time each read
by itself, and take a connection that closes within the headers for the end of an empty answer.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import http.client
import io
import re
import socket
from typing import TYPE_CHECKING, Any, Optional, cast

import urllib3.connection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util import SKIP_HEADER
from urllib3.util.connection import allowed_gai_family

from ..deadline import Deadline

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
else:
    # While vcrpy records, a stub has the class's name, with the class below it.
    HTTPConnection = next(
        base
        for base in urllib3.connection.HTTPConnection.__mro__
        if base.__module__ == "urllib3.connection"
    )

__all__ = [
    "ADAPTER",
    "BODY",
    "CONNECTING",
    "HEADERS",
    "SENDING",
    "Exchange",
    "NotSent",
    "RepeatedRequest",
    "current",
    "track_pool",
]

ADAPTER = "waiting for the session's adapter"
CONNECTING = "connecting"
SENDING = "sending the request"
HEADERS = "waiting for the response headers"
BODY = "reading the response body"

_MOST_INTERIM = 8  # 1xx answers before the real one
_MOST_HEADERS = 128
_LONGEST_LINE = 65536  # bytes
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
# RFC 9112, section 5; names as in RFC 9110, section 5.6.2.
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\0]*)\r?\n")
_FOLDED_LINE = re.compile(rb"[ \t]([^\r\n\0]*)\r?\n")  # section 5.2


class Exchange:
    """One request and its answer, as the connection below sees it."""

    __slots__ = ("abandoned", "connect_deadline", "deadline", "line", "phase", "sent", "tracked")

    def __init__(self, deadline: Deadline, connect_deadline: Deadline) -> None:
        self.deadline = deadline
        self.connect_deadline = connect_deadline
        self.phase = CONNECTING
        self.line: tuple[str, ...] = ()  # host, method and target of the request
        self.sent = False  # a byte of the request may have left
        self.tracked = False  # a connection of ours carries it, so that the two above are known
        self.abandoned = False  # the caller has gone on, and knows what was sent up to then

    def time_left(self) -> Optional[float]:
        """Return the seconds left of the current phase.

        Raises:
            TimeoutError: none is left.
        """
        deadline = self.connect_deadline if self.phase is CONNECTING else self.deadline
        left = deadline.remaining()
        if left is not None and left <= 0:
            raise socket.timeout("timed out")
        return left


current: contextvars.ContextVar[Optional[Exchange]] = contextvars.ContextVar(
    "livekit_connector_sync.exchange", default=None
)


class NotSent(OSError):
    """There was no connection to send a request on."""


class RepeatedRequest(Exception):
    """Something below or beside us was about to send the request of an exchange once more."""


def track_pool(pool: Any, foreign: bool) -> None:
    """Make the connections that a pool gives out ours.

    Args:
        pool: the pool.
        foreign: whether its adapter is of a class of the caller's, which may read answers.
    """
    if not isinstance(pool, _Pool):
        stock: Any = type(pool)
        pool.__class__ = _pool_class(stock, _ForeignPool if foreign else _Pool)


@functools.lru_cache(maxsize=64)
def _pool_class(stock: type, ours: type) -> type:
    if not issubclass(stock, HTTPConnectionPool):
        return stock
    return type(stock.__name__, (ours, stock), {"__module__": __name__})


class _Pool(HTTPConnectionPool):
    """Makes a connection ours whenever an exchange takes it.

    Not when it is made: the pool of a caller's session holds and gets back connections that were
    made before it was ours, and tools such as vcrpy replace their class while they record.
    """

    def _get_conn(self, timeout: Any = None) -> Any:
        exchange = current.get()
        if exchange is None:
            return super()._get_conn(timeout)
        exchange.tracked = True
        # A pool that blocks would wait for a free connection without limit.
        conn: Any = super()._get_conn(exchange.time_left() if timeout is None else timeout)
        stock: Any = type(conn)
        ours = connection_class(stock)
        if stock is not ours:
            conn.__class__ = ours
        exchange.tracked = isinstance(conn, _Connection)
        return conn


class _ForeignPool(_Pool):
    """A pool under an adapter of the caller's own class, which may read an answer before we do."""

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        response: Any = super().urlopen(*args, **kwargs)
        if current.get() is not None:
            # urllib3 would take chunks apart by itself, and not by the letter as _Response does.
            response.chunked = False
        return response


@functools.lru_cache(maxsize=64)
def connection_class(stock: type) -> type:
    """Return a class of connections that obey the current exchange's deadline."""
    if not issubclass(stock, HTTPConnection) or issubclass(stock, _Connection):
        return stock
    if stock.send is not HTTPConnection.send:
        return stock  # a stub, such as vcrpy's, which answers in a server's place
    dials = stock._new_conn is HTTPConnection._new_conn
    bases = (_Dialling, _Connection, stock) if dials else (_Connection, stock)
    return type(stock.__name__, bases, {"__module__": __name__})


class _Connection(HTTPConnection):
    """Notes what is sent, and gives every read and write what is left of the deadline."""

    _tunnelling = False
    _unsent: Optional[list[bytes]] = None
    _fields: list[tuple[Any, Any]]

    def connect(self) -> None:
        exchange = current.get()
        if exchange is not None:
            self.timeout = exchange.time_left()
        super().connect()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._limit(sock)
        return sock

    def _limit(self, sock: Any) -> None:
        """Give the TLS handshake that may follow what is left."""
        exchange = current.get()
        if exchange is not None:
            sock.settimeout(exchange.time_left())

    def _tunnel(self) -> None:
        # What CONNECT sends goes to the proxy, and holds nothing of the request.
        self._tunnelling = True
        try:
            super()._tunnel()
            self._limit(self.sock)
        finally:
            self._tunnelling = False

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        # An adapter's retries or a response hook may send a request again, which could place a
        # call twice. A request of its own that a hook makes is none of our business.
        exchange = current.get()
        if exchange is not None:
            line = (self.host, method, url)
            if exchange.sent and exchange.line == line:
                raise RepeatedRequest("the session was about to send the request again")
            exchange.line = exchange.line or line
        super().putrequest(method, url, *args, **kwargs)

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = current.get()
        if exchange is None:
            super().request(*args, **kwargs)
            return
        # Headers and body leave in one write: one system call and one packet instead of two.
        self._unsent, self._fields = [], []
        try:
            super().request(*args, **kwargs)
            request_line, *body = self._unsent
            head = _head(request_line, self._fields)
        finally:
            self._unsent = None
        self._write(b"".join((head, *body)), exchange)

    def putheader(self, header: Any, *values: Any) -> None:
        if self._unsent is None or self._tunnelling:
            super().putheader(header, *values)
        elif values[0] != SKIP_HEADER:
            self._fields.append((header, values[0]))

    def send(self, data: Any) -> None:
        exchange = current.get()
        if exchange is None:
            super().send(data)
        elif self._unsent is not None and not self._tunnelling and isinstance(data, bytes):
            self._unsent.append(data)
        else:
            self._write(data, exchange)

    def _write(self, data: Any, exchange: Exchange) -> None:
        if self.sock is None:
            self.connect()
        if not self._tunnelling:
            exchange.phase = SENDING
        sock: Any = self.sock
        sock.settimeout(exchange.time_left())
        if not self._tunnelling:
            exchange.sent = True
            if exchange.abandoned:
                raise socket.timeout("timed out")
        super().send(data)

    def response_class(self, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        exchange = current.get()
        if exchange is None:
            return http.client.HTTPResponse(*args, **kwargs)
        if not self._tunnelling:
            exchange.phase = HEADERS
        return _Response(exchange, *args, **kwargs)


def _head(request_line: bytes, fields: list[tuple[Any, Any]]) -> bytes:
    """Return a request's head, checked as a whole: http.client checks and encodes each header.

    Raises:
        ValueError: a header holds a line break or a null.
    """
    lines = [
        f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}\r\n"
        for name, value in fields
    ]
    head = "".join(lines).encode("latin-1")
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise ValueError("a header of the session holds a line break or a null")
    return request_line.removesuffix(b"\r\n") + head + b"\r\n"


class _Dialling(HTTPConnection):
    """Opens its socket within the deadline: all addresses of a host share it."""

    def _new_conn(self) -> socket.socket:
        exchange = current.get()
        if exchange is None:
            return super()._new_conn()
        host = self._dns_host.strip("[]")
        addresses = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        error: Optional[OSError] = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            left = exchange.time_left()
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as exc:  # a machine without IPv6, say
                error = exc
                continue
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                if self.source_address:
                    sock.bind(self.source_address)
                # An address that does not answer must leave time for the next one.
                last = index == len(addresses) - 1
                sock.settimeout(left if left is None or last else left / 2)
                sock.connect(address)
                sock.settimeout(exchange.time_left())
                return sock
            except OSError as exc:
                error = exc
                sock.close()
        raise error or OSError(f"{host} has no address")


class _ResponseHeaders(http.client.HTTPMessage):
    """Checked headers, which the base would check again each time that they are written or read.

    Args:
        fields: names and values.
    """

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__()
        self._fields = fields
        for name, value in fields:
            self.set_raw(name, value)

    def items(self) -> list[tuple[str, str]]:
        """Return the names and values."""
        return self._fields


class _Response(http.client.HTTPResponse):
    """An answer read by the letter of RFC 9112.

    What breaks it is not quoted in errors: a part of it may be a part of a secret.

    http.client takes the end of the connection for the end of the headers, and hands what is no
    header to its mail parser, which also takes a fifth of the time of a small call.
    """

    def __init__(self, exchange: Exchange, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast(socket.socket, _DeadlineSocket(sock, exchange)), *args, **kwargs)

    def begin(self) -> None:
        """Read the status line and the headers of the final answer."""
        for _ in range(_MOST_INTERIM):
            version, status, reason = self._read_status()
            fields = self._read_fields()
            if not 100 <= status <= 199 or status == 101:
                break
        else:
            raise http.client.HTTPException("too many interim answers")
        self.version = 10 if version == b"HTTP/1.0" else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = self.msg = _ResponseHeaders(fields)
        known = {name.lower(): value for name, value in fields}
        self.chunked = known.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = known.get("content-length", "")
        if "," in length or (self.chunked and self.version == 10):
            raise http.client.HTTPException("ambiguous framing")
        self.length = int(length) if not self.chunked and length.isdecimal() else None
        if status in (204, 304):
            self.length = 0
        connection = known.get("connection", "").lower()
        stays = "close" not in connection if self.version == 11 else "keep-alive" in connection
        self.will_close = not stays or (not self.chunked and self.length is None)
        if self.will_close:  # http.client closes the connection now, before the body is read
            cast(_Reader, self.fp.raw).hold()

    def _read_status(self) -> tuple[bytes, int, str]:
        line = self.fp.readline(_LONGEST_LINE)
        if not line:
            raise http.client.RemoteDisconnected("the connection closed without an answer")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise http.client.HTTPException("malformed status line")
        version, status, reason = found.groups(b"")
        return version, int(status), reason.decode("latin-1")

    def _read_fields(self) -> list[tuple[str, str]]:
        fields: list[tuple[str, str]] = []
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if line in (b"\r\n", b"\n"):
                return fields
            found = _FIELD_LINE.fullmatch(line)
            if found is not None:
                name, value = found.groups()
                fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))
                continue
            found = _FOLDED_LINE.fullmatch(line)
            if found is None or not fields:
                raise http.client.HTTPException("malformed header line")
            folded, begun = fields.pop()
            more = found[1].strip(b" \t").decode("latin-1")
            fields.append((folded, f"{begun} {more}"))
        raise http.client.HTTPException(f"more than {_MOST_HEADERS} header lines")

    def _get_chunk_left(self) -> Optional[int]:
        """Read as far as the next chunk's data (section 7.1)."""
        if self.chunk_left:
            return self.chunk_left
        if self.chunk_left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]
            raise http.client.HTTPException("a chunk is longer than announced")
        line = self._line()
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise http.client.HTTPException("malformed chunk size")
        self.chunk_left = int(found[1], 16)
        if self.chunk_left == 0:
            self._read_fields()  # the trailers
            self._close_conn()
            self.chunk_left = None
        return self.chunk_left

    def _close_conn(self) -> None:
        """End the answer; a connection on which more than that has come serves no other call."""
        cast(_Reader, self.fp.raw).end(self.fp)
        super()._close_conn()  # type: ignore[misc]

    def _line(self) -> bytes:
        line: bytes = self.fp.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise http.client.HTTPException("the connection closed, or a line is too long")
        return line


class _DeadlineSocket:
    """What http.client makes its file from."""

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._exchange))


class _Reader(io.RawIOBase):
    """Reads a socket, each time for no longer than the deadline allows."""

    _ended = False

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        self._held: Optional[io.RawIOBase] = None

    def readable(self) -> bool:
        return True

    def hold(self) -> None:
        """Keep the socket open until this is closed, although its connection gets closed."""
        self._held = self._sock.makefile("rb", buffering=0)

    def end(self, buffered: io.BufferedReader) -> None:
        """End the connection too if a buffer holds more, which the next answer would follow."""
        self._ended = True
        if self._exchange.phase is CONNECTING:
            return  # a proxy's answer to CONNECT, which TLS follows
        pending = getattr(self._sock, "pending", None)  # a TLS socket has a buffer of its own
        if buffered.peek(1) or (pending is not None and pending()):
            # urllib3's TLS within TLS has no shutdown of its own.
            sock = getattr(self._sock, "socket", self._sock)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def readinto(self, buffer: Any) -> int:
        if self._ended:
            return 0
        self._sock.settimeout(self._exchange.time_left())
        count: int = self._sock.recv_into(buffer)
        return count

    def close(self) -> None:
        if self._held is not None:
            self._held.close()
        super().close()
