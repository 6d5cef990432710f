"""Reads a response by the letter of RFC 9112, within the deadline.

http.client takes the connection's end for the headers' end, and its timeout bounds single reads.
Errors do not quote what is malformed: it may be a part of a secret.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Mapping
from typing import Any, Callable, Optional

from ..proxies import address_of
from .exchange import BODY, HEADERS, Answer, Exchange

_MAX_BODY = 4 * 1024 * 1024  # bytes; gRPC's default
_MAX_ERROR = 1024 * 1024  # bytes of an error's body that are read
_MAX_INTERIM = 8  # 1xx responses before the final one
_MAX_LINES = 128  # of headers or trailers
_MAX_LINE = 64 * 1024  # bytes

_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
# RFC 9112, section 5; names as in RFC 9110, section 5.6.2.
_FIELD_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\0]*)\r?\n")
_TLS_ALERT = b"\x15"  # the first byte, RFC 8446, section 5.1
_WANTS_TLS = re.compile(rb"(?i)plain http|http request to an https")  # of nginx, Apache, Go
_FOLDED_LINE = re.compile(r"[ \t]([^\r\n\0]*)\r?\n")  # section 5.2


class BadResponse(http.client.HTTPException):
    """A response is malformed, incomplete or, if `broken` is set, of no use to us."""

    def __init__(self, reason: str, broken: bool = False, permanent: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken
        self.permanent = permanent


def _speaks_tls(exchange: Exchange) -> BadResponse:
    return BadResponse(f"{address_of(exchange.url)} speaks TLS: use https://", permanent=True)


class RawSource(io.RawIOBase):
    """A file over a function that waits for up to so many bytes, and returns none at the end."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._receive(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


def _read_line(source: io.BufferedReader[Any]) -> bytes:
    line = source.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BadResponse("the connection closed within a response, or a line is too long")
    return line


def _read_fields(source: io.BufferedReader[Any]) -> list[tuple[str, str]]:
    """Read headers or trailers, with the empty line at their end."""
    fields: list[tuple[str, str]] = []
    for _ in range(_MAX_LINES):
        line = _read_line(source).decode("latin-1")
        if line in ("\r\n", "\n"):
            return fields
        found = _FIELD_LINE.fullmatch(line)
        if found is not None:
            fields.append((found[1], found[2].strip(" \t")))
            continue
        found = _FOLDED_LINE.fullmatch(line)
        if found is None or not fields:
            raise BadResponse("malformed header line")
        name, value = fields.pop()
        fields.append((name, f"{value} {found[1].strip()}"))
    raise BadResponse("too many header lines")


def _body_length(headers: Mapping[str, str]) -> Optional[int]:
    """Return the length that headers announce (RFC 9112, section 6.3), None if they do not."""
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise BadResponse("unknown Transfer-Encoding")
    length = headers.get("content-length")
    if length is None or "transfer-encoding" in headers:
        return None
    lengths = {part.strip() for part in length.split(",")}
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,15}", min(lengths)):
        raise BadResponse("bad Content-Length")
    return int(length.partition(",")[0])


def _read_exactly(source: io.BufferedReader[Any], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise BadResponse("the connection closed before the end of the response")
    return data


def _read_chunks(source: io.BufferedReader[Any], limit: int) -> bytes:
    """Return the data of a body in chunks (RFC 9112, section 7.1), or more bytes than `limit`."""
    body = bytearray()
    while len(body) <= limit:
        found = _CHUNK_LINE.fullmatch(_read_line(source))
        if found is None:
            raise BadResponse("malformed chunk size")
        size = int(found[1], 16)
        if size == 0:
            _read_fields(source)  # the trailers
            break
        body += _read_exactly(source, min(size, limit + 1))
        if size <= limit and _read_exactly(source, 2) != b"\r\n":
            raise BadResponse("a chunk is longer than announced")
    return bytes(body)


def read_body(
    source: Any, status: int, headers: Mapping[str, str], *, framed: bool, in_chunks: bool
) -> tuple[bytes, bool]:
    """Return the body of a response, and whether it was read to its end.

    Redirects are not read, and only the beginning of an error. `framed` says whether a success must
    tell where it ends, `in_chunks` whether chunks are still to be taken apart.
    """
    if status < 200 or status == 204 or 300 <= status <= 399:
        return b"", status in (204, 304) or headers.get("content-length") == "0"
    ok = status == 200
    length = _body_length(headers)
    chunked = "transfer-encoding" in headers
    if ok and framed and length is None and not chunked:
        raise BadResponse("the response does not say where it ends")
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        if ok:
            raise BadResponse("the response is compressed, despite Accept-Encoding", broken=True)
        return b"", False
    limit = _MAX_BODY if ok else _MAX_ERROR
    if chunked and in_chunks:
        body = _read_chunks(source, limit)
    elif length is not None:
        body = _read_exactly(source, min(length, limit + 1))
    else:
        body = source.read(limit + 1)
    if len(body) > limit and ok:
        raise BadResponse(f"the response is larger than {limit} bytes", broken=True)
    return body[:limit], len(body) <= limit and (chunked or length is not None)


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
        exchange.answer = Answer(self.status, headers, body)
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
            found = _STATUS_LINE.fullmatch(_read_line(source))
            if found is None:
                raise BadResponse("malformed status line")
            self.version = 10 if found[1] == b"HTTP/1.0" else 11
            self.status = int(found[2])
            self.reason = (found[3] or b"").decode("latin-1").strip()
            self.fields = _read_fields(source)
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
