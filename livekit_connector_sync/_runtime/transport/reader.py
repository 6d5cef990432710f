"""Reads a response from a socket, within the deadline.

http.client's own timeout bounds single reads.
"""

from __future__ import annotations

import http.client
import io
import re
from typing import Any

from ..framing import BadResponse, RawSource, read_body, read_fields, read_line
from ..proxies import address_of
from .exchange import BODY, HEADERS, Exchange, HttpResponse

_MAX_INTERIM = 8  # 1xx responses before the final one

_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_TLS_ALERT = b"\x15"  # the first byte, RFC 8446, section 5.1
_WANTS_TLS = re.compile(rb"(?i)plain http|http request to an https")  # of nginx, Apache, Go


def _speaks_tls(exchange: Exchange) -> BadResponse:
    return BadResponse(f"{address_of(exchange.url)} speaks TLS: use https://", permanent=True)


class Reader:
    """Reads one response. http.client makes and uses it in place of its own HTTPResponse."""

    # begin() reads the whole response, so that http.client has nothing left to close or to read.
    will_close = False
    chunked = False
    length = 0
    reusable = False  # whether the connection may serve another exchange
    _ended = False

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def begin(self) -> None:
        """Read the response; raise BadResponse or OSError."""
        exchange, source = self._exchange, io.BufferedReader(RawSource(self._receive))
        exchange.phase = HEADERS
        if source.peek(1)[:1] == _TLS_ALERT:
            raise _speaks_tls(exchange)
        self._read_head(source)
        headers: dict[str, str] = {}
        for name, value in self.fields:
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        exchange.phase = BODY
        chunked = "transfer-encoding" in headers
        if chunked and self.version == 10:
            raise BadResponse("chunks in HTTP/1.0")
        body, whole = read_body(source, self.status, headers, framed=True, in_chunks=True)
        if self.status == 400 and _WANTS_TLS.search(body):
            raise _speaks_tls(exchange)
        exchange.response = HttpResponse(self.status, headers, body)
        connection = headers.get("connection", "").lower()
        stays = "close" not in connection if self.version == 11 else "keep-alive" in connection
        # With two lengths, somebody on the way may have read the other one.
        ambiguous = chunked and "content-length" in headers
        # What follows a response would be taken for the next one. TLS has a buffer of its own.
        self._ended = True
        more = source.peek() or getattr(self._sock, "pending", int)()
        self.reusable = whole and stays and not ambiguous and not more

    def _read_head(self, source: io.BufferedReader[Any]) -> None:
        for _ in range(_MAX_INTERIM):
            found = _STATUS_LINE.fullmatch(read_line(source))
            if found is None:
                raise BadResponse("malformed status line")
            self.version = 10 if found[1] == b"HTTP/1.0" else 11
            self.status = int(found[2])
            self.reason = (found[3] or b"").decode("latin-1").strip()
            self.fields = read_fields(source)
            if self.status >= 200 or self.status == 101:
                return
        raise BadResponse("too many interim responses")

    def _receive(self, size: int) -> bytes:
        if self._ended:
            return b""
        self._sock.settimeout(self._exchange.time_left())
        data = bytes(self._sock.recv(size))
        self._exchange.silent = self._exchange.silent and not data
        return data

    @property
    def msg(self) -> http.client.HTTPMessage:
        """The headers as http.cookiejar reads them."""
        message = http.client.HTTPMessage()
        for name, value in self.fields:
            message[name] = value
        return message

    def close(self) -> None:
        """Do nothing: the connection closes its socket."""

    def isclosed(self) -> bool:
        return True
