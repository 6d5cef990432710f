"""Connections that obey one deadline, notice truncation, and know whether anything was sent.

They take the place of urllib3's in the pools of a session. urllib3 and http.client time each read
by itself, and take a connection that closes within the headers for the end of an empty answer.
"""

from __future__ import annotations

import contextvars
import functools
import http.client
import io
import re
import socket
from typing import Any, Optional, cast

from urllib3.connection import HTTPConnection
from urllib3.util.connection import allowed_gai_family

from ..deadline import Deadline

__all__ = ["BODY", "CONNECTING", "HEADERS", "SENDING", "Exchange", "current", "track_pool"]

CONNECTING = "connecting"
SENDING = "sending the request"
HEADERS = "waiting for the response headers"
BODY = "reading the response body"

_MOST_INTERIM = 8  # 1xx answers before the real one


class Exchange:
    """One request and its answer, as the connection below sees it."""

    __slots__ = ("connect_deadline", "deadline", "phase", "sent", "tracked")

    def __init__(self, deadline: Deadline, connect_deadline: Deadline) -> None:
        self.deadline = deadline
        self.connect_deadline = connect_deadline
        self.phase = CONNECTING
        self.sent = False  # a byte of the request may have left
        self.tracked = False  # a connection of ours carries it, so that the two above are known

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


def track_pool(pool: Any) -> None:
    """Make the pool's connections ours.

    Looks at the class each time: tools such as vcrpy replace it while they record.
    """
    stock = type(pool).ConnectionCls
    ours = connection_class(stock)
    if pool.ConnectionCls is ours:
        return
    pool.ConnectionCls = ours
    if ours is not stock and pool.num_connections:
        # Connections made before would know neither the deadline nor what was sent.
        for idle in [pool.pool.get_nowait() for _ in range(pool.pool.qsize())]:
            if idle is not None:
                idle.close()
            pool.pool.put_nowait(None)


@functools.lru_cache(maxsize=64)
def connection_class(stock: type) -> type:
    """Return a class of connections that obey the current exchange's deadline."""
    if not issubclass(stock, HTTPConnection) or issubclass(stock, _Connection):
        return stock
    dials = stock._new_conn is HTTPConnection._new_conn
    bases = (_Dialling, _Connection, stock) if dials else (_Connection, stock)
    return type(stock.__name__, bases, {"__module__": __name__})


class _Connection(HTTPConnection):
    """Notes what is sent, and gives every read and write what is left of the deadline."""

    _tunnelling = False
    _unsent: Optional[list[bytes]] = None

    def connect(self) -> None:
        exchange = current.get()
        if exchange is not None:
            exchange.tracked = True
            self.timeout = exchange.time_left()
        super().connect()

    def _tunnel(self) -> None:
        # What CONNECT sends goes to the proxy, and holds nothing of the request.
        self._tunnelling = True
        try:
            super()._tunnel()
        finally:
            self._tunnelling = False

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = current.get()
        if exchange is None:
            super().request(*args, **kwargs)
            return
        # Headers and body leave in one write: one system call and one packet instead of two.
        self._unsent = []
        try:
            super().request(*args, **kwargs)
            unsent = b"".join(self._unsent)
        finally:
            self._unsent = None
        self._write(unsent, exchange)

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
        exchange.tracked = True
        if not self._tunnelling:
            exchange.phase = SENDING
        self.sock.settimeout(exchange.time_left())
        if not self._tunnelling:
            exchange.sent = True
        super().send(data)

    def response_class(self, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        exchange = current.get()
        if exchange is None:
            return http.client.HTTPResponse(*args, **kwargs)
        if not self._tunnelling:
            exchange.phase = HEADERS
        return _Response(exchange, *args, **kwargs)


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
            sock = socket.socket(family, kind, protocol)
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


class _Response(http.client.HTTPResponse):
    """An answer that must be whole: it notices where http.client takes an end for a full stop."""

    def __init__(self, exchange: Exchange, sock: Any, *args: Any, **kwargs: Any) -> None:
        self._exchange = exchange
        super().__init__(cast(socket.socket, _DeadlineSocket(sock, exchange)), *args, **kwargs)

    def begin(self) -> None:
        for _ in range(_MOST_INTERIM):
            super().begin()
            if getattr(self.fp, "cut", False):
                raise http.client.HTTPException("the connection closed within the headers")
            if self.headers.defects:
                raise http.client.HTTPException("malformed headers")
            if not 100 <= self.status <= 199 or self.status == 101:
                return
            self.headers = self.msg = None  # type: ignore[assignment]
        raise http.client.HTTPException("too many interim answers")

    def _get_chunk_left(self) -> Optional[int]:
        """Read as far as the next chunk's data, strictly (RFC 9112, section 7.1)."""
        if self.chunk_left:
            return self.chunk_left
        if self.chunk_left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]
            raise http.client.HTTPException("a chunk is longer than announced")
        size = self._line().split(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", size):
            raise http.client.HTTPException(f"bad chunk size {size[:20]!r}")
        self.chunk_left = int(size, 16)
        if self.chunk_left == 0:
            while self._line().strip(b"\r\n"):
                pass
            self._close_conn()  # type: ignore[attr-defined]
            self.chunk_left = None
        return self.chunk_left

    def _line(self) -> bytes:
        line: bytes = self.fp.readline(65537)
        if not line.endswith(b"\n"):
            raise http.client.HTTPException("the connection closed within a chunked answer")
        return line


class _DeadlineSocket:
    """What http.client makes its file from."""

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def makefile(self, mode: str) -> io.BufferedReader:
        return _Reader(_RawReader(self._sock, self._exchange))


class _Reader(io.BufferedReader):
    """Notes whether the last line that was read had no end."""

    cut = False

    def readline(self, size: Optional[int] = -1) -> bytes:
        line = super().readline(size)
        self.cut = not line.endswith(b"\n")
        return line


class _RawReader(io.RawIOBase):
    """Reads a socket, each time for no longer than the deadline allows."""

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        # Its reference keeps the socket open until the answer is read, as http.client wants it.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(self._exchange.time_left())
        count: Optional[int] = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
