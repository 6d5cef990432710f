"""Connection pools that carry an exchange: within its deadline, once, and read strictly.

Beside documented extension points it uses three private methods, which urllib3 1.26 and 2 share:
`HTTPConnectionPool._get_conn`, which vcrpy replaces to hand out its own connections,
`HTTPConnectionPool._prepare_proxy`, which opens a tunnel as each version wants it, and
`HTTPConnection._new_conn`, so that all addresses of a host share the deadline.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import http.client
import io
import queue
import re
import socket
import time
import types
import warnings
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

import urllib3
import urllib3.connection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, ProtocolError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.proxy import connection_requires_http_tunnel

from ..deadline import Deadline
from .exchange import CONNECTING, SENDING, Exchange, current
from .reader import Reader

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
else:
    # If vcrpy was recording when this was imported, the name is its stub, whose base is the class.
    HTTPConnection = next(
        base
        for base in urllib3.connection.HTTPConnection.__mro__
        if base.__module__ == "urllib3.connection"
    )

# NATs and load balancers forget idle connections without a sign. aiohttp uses the same bound.
_MAX_IDLE = 15.0  # seconds
MAX_HOSTS = 256  # whose pools a manager keeps; a region list may name dozens
_MAX_WRITE = 16 * 1024  # bytes: a TLS record, since each write has a time limit of its own
_CONNECT_LINE = re.compile(rb"^CONNECT ([^\[\s]*:[^\s]*):([0-9]+) ")


class _Stack(deque[Any]):
    """The idle connections of a pool, the newest first, without a Python-level lock.

    A signal's exception within urllib3's queue.Queue can leave its lock locked for good.
    """

    def __init__(self, maxsize: int) -> None:
        super().__init__()

    def put(self, item: Any, block: bool = False, timeout: Optional[float] = None) -> None:
        self.append(item)

    def get(self, block: bool = False, timeout: Optional[float] = None) -> Any:
        end = Deadline(timeout if block else 0)
        while True:
            try:
                return self.pop()
            except IndexError:
                if end.remaining() == 0:
                    raise queue.Empty from None
            time.sleep(0.005)

    def qsize(self) -> int:
        return len(self)

    def empty(self) -> bool:  # vcrpy calls it, where Python is 3.9
        return not self


class Connection(HTTPConnection):
    """A connection that can carry an exchange; without one it is urllib3's own."""

    exchange: Optional[Exchange] = None
    idle_since = 0.0
    dns_name: str  # with the dot that `host` strips
    _dials: bool

    def carry(
        self, exchange: Exchange, method: str, url: str, headers: Mapping[str, Any], body: Any
    ) -> Any:
        """Send a request over the open connection and return the Reader that read its response."""
        exchange.phase = SENDING
        self._collected: list[bytes] = []
        body = body.encode() if isinstance(body, str) else body or b""
        names = {name.lower() for name in headers}
        if body and "content-length" not in names:
            headers = {**headers, "Content-Length": len(body)}
        # By http.client's methods, since Sentry, for one, patches them.
        self.putrequest(method, url, skip_host="host" in names, skip_accept_encoding=True)
        self.endheaders()
        # Headers and body leave in one write: one system call and one packet instead of two.
        message = self._collected[0][:-2] + _header_lines(headers) + b"\r\n" + body
        sock: Any = self.sock
        # A server may respond and close before it has read all.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(message), _MAX_WRITE):
                sock.settimeout(exchange.time_left())
                exchange.start_sending()
                sock.sendall(message[start : start + _MAX_WRITE])
        return http.client.HTTPConnection.getresponse(self)

    def send(self, data: Any) -> None:
        """Collect the head of a request; send what opens a tunnel."""
        if self.exchange is None:
            super().send(data)
        elif self.exchange.phase is CONNECTING:
            self.exchange.tunnelled = True
            # Older versions of http.client leave out the brackets of an IPv6 address.
            super().send(_CONNECT_LINE.sub(rb"CONNECT [\1]:\2 ", data))
        else:
            self._collected.append(data)

    def response_class(self, sock: Any, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """Return what reads a response."""
        if self.exchange is None or self.exchange.phase is CONNECTING:
            return http.client.HTTPResponse(sock, *args, **options)
        return Reader(sock, self.exchange)

    def _new_conn(self) -> socket.socket:
        exchange = self.exchange
        if exchange is None:
            return super()._new_conn()
        if self._dials:
            sock = self._dial(exchange)
        else:  # of a class that connects in its own way, through SOCKS for example
            self.timeout = exchange.time_left()
            sock = super()._new_conn()
        sock.settimeout(exchange.time_left())  # for a TLS handshake or a tunnel, which follow
        return sock

    def _dial(self, exchange: Exchange) -> socket.socket:
        """Connect to one of the host's addresses, which share the time."""
        host = self.dns_name.strip("[]").replace("%25", "%")  # a zone id's
        found = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        error: Optional[OSError] = None
        for number, (family, kind, protocol, _, address) in enumerate(found, 1):
            left, sock = exchange.time_left(), None
            try:
                sock = socket.socket(family, kind, protocol)
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                if self.source_address:
                    sock.bind(self.source_address)
                # An address that does not respond must leave time for the next one.
                sock.settimeout(left / 2 if left and number < len(found) else left)
                sock.connect(address)
                return sock
            except BaseException as exc:
                if sock is not None:
                    sock.close()
                if not isinstance(exc, OSError):
                    raise
                error = exc
        raise error or OSError(f"{host} has no address")


def _header_lines(headers: Mapping[str, Any]) -> bytes:
    """Return headers as they are sent, checked as a whole, which is faster than one by one."""
    lines = [
        f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}\r\n"
        for name, value in headers.items()
    ]
    sent = "".join(lines).encode("latin-1")
    if sent.count(b"\n") != len(lines) or sent.count(b"\r") != len(lines) or b"\0" in sent:
        raise ValueError("a header of the session holds a line break or a null")
    return sent


@functools.lru_cache(maxsize=64)
def _connection_class(stock: Any) -> Any:
    """Return a class of connections that can carry an exchange."""
    # vcrpy's stub responds in a server's place: leave it as it is.
    if not issubclass(stock, HTTPConnection) or stock.send is not HTTPConnection.send:
        return stock
    made: Any = types.new_class(stock.__name__, (Connection, stock))
    made._dials = stock._new_conn is HTTPConnection._new_conn
    return made


class Pool(HTTPConnectionPool):
    """A pool whose connections carry the current exchange; without one it is urllib3's own."""

    QueueCls: Any = _Stack

    def __init__(self, *args: Any, **options: Any) -> None:
        if not options.get("block"):
            options["maxsize"] = 0  # no slots: keep as many connections as are in use at once
        super().__init__(*args, **options)

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]
        """The class of the connections: vcrpy's stub while it records or replays."""
        return _connection_class(super().ConnectionCls)

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> Any:
        """Carry the current exchange: send its request, read its response, once."""
        exchange = current.get()
        line = (self.host, self.port, method, url)
        if (
            exchange is None
            or (exchange.sent and exchange.line != line)  # a request of a hook's own
            or not issubclass(self.ConnectionCls, Connection)
        ):
            return super().urlopen(method, url, body, headers, **options)
        if exchange.sent:
            raise ValueError("the session was about to send the request again")
        exchange.line, exchange.tracked = line, True
        retries = options.get("retries")
        while True:
            try:
                return self._carry(exchange, method, url, body, headers or {})
            except ProtocolError as exc:
                if exchange.sent or not isinstance(retries, urllib3.Retry):
                    raise
                try:  # the caller's adapter may retry to connect
                    error = ConnectTimeoutError(self, str(exc))
                    retries = retries.increment(method, url, error=error)
                except urllib3.exceptions.HTTPError:
                    raise exc from exc.__cause__
            retries.sleep()

    def _carry(self, exchange: Exchange, method: str, url: str, body: Any, headers: Any) -> Any:
        scheme = None if url.startswith("/") else url.partition(":")[0]
        tunnel = connection_requires_http_tunnel(self.proxy, self.proxy_config, scheme)
        if not tunnel:
            headers = {**headers, **self.proxy_headers}
        exchange.phase = CONNECTING
        kept, conn = False, None
        try:
            conn = self._get_conn(exchange.time_left())
            while not isinstance(conn, Connection):  # left here by vcrpy
                conn.close()
                conn = self._get_conn(exchange.time_left())
            conn.exchange = exchange
            conn.dns_name = (self.proxy and self.proxy.host) or self.host
            if time.monotonic() - conn.idle_since > _MAX_IDLE:
                conn.close()
            exchange.silent = conn.sock is None
            if conn.sock is None and tunnel:
                self._prepare_proxy(conn)
            elif conn.sock is None:
                conn.connect()
            if self.scheme == "https" and not conn.is_verified:
                message = f"the certificate of {self.host} is not verified"
                warnings.warn(message, InsecureRequestWarning, stacklevel=2)
            reader = conn.carry(exchange, method, url, headers, body)
            kept = reader.reusable
        except (OSError, http.client.HTTPException) as exc:
            raise ProtocolError("Connection aborted.", exc) from exc
        finally:
            if conn is not None:
                self._give_back(conn, kept)
        response: Any = exchange.response
        exchange.raw = urllib3.HTTPResponse(
            body=io.BytesIO(response.body),
            headers=reader.fields,
            status=reader.status,
            version=reader.version,
            reason=reader.reason,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,  # of an error's body the beginning may do
            # requests reads cookies from here, and nothing else.
            original_response=reader if "set-cookie" in response.headers else None,
            request_method=method,
        )
        return exchange.raw

    def _give_back(self, conn: Any, kept: bool) -> None:
        if not kept:
            conn.close()
        conn.exchange = None
        conn.idle_since = time.monotonic()
        if self.pool is not None and (kept or self.block):
            self.pool.put(conn)
        if self.pool is None:  # closed, maybe meanwhile
            conn.close()


@functools.lru_cache(maxsize=64)
def _pool_class(stock: Any) -> Any:
    """Return a class of pools that carry exchanges, as `stock` is otherwise."""
    if not issubclass(stock, HTTPConnectionPool) or issubclass(stock, Pool):
        return stock
    return types.new_class(stock.__name__, (Pool, stock))


def with_our_pools(manager: Any) -> Any:
    """Return a PoolManager that makes pools which carry exchanges: this one or a copy."""
    stock = manager.pool_classes_by_scheme
    classes = {scheme: _pool_class(pool) for scheme, pool in stock.items()}
    if classes == stock:
        return manager
    ours = copy.copy(manager)
    ours.pools, ours.pool_classes_by_scheme = urllib3.PoolManager(MAX_HOSTS).pools, classes
    return ours
