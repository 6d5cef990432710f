"""Reads HTTP/1.1 messages from a file, strictly as in RFC 9112.

http.client is too lenient: it accepts headers that a closed connection truncates, and lengths with
a sign. Errors don't quote malformed text, which may contain part of a secret.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Mapping
from typing import Any, Callable, Optional

_MAX_BODY = 4 * 1024 * 1024  # bytes; gRPC's default
_MAX_ERROR = 1024 * 1024  # bytes of an error's body that are read
_MAX_LINES = 128  # of headers or trailers
_MAX_LINE = 64 * 1024  # bytes

_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
# RFC 9112, section 5; names as in RFC 9110, section 5.6.2.
_FIELD_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\0]*)\r?\n")
_FOLDED_LINE = re.compile(r"[ \t]([^\r\n\0]*)\r?\n")  # section 5.2


class BadResponse(http.client.HTTPException):
    """A response is malformed, incomplete, or unsupported.

    Args:
        reason: what is wrong.
        broken: the response is well-formed, but exceeds a limit or has an unsupported encoding.
        permanent: a retry would get the same response.
    """

    def __init__(self, reason: str, broken: bool = False, permanent: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken
        self.permanent = permanent


class RawSource(io.RawIOBase):
    """A file that reads from a function, which takes a maximum size and returns b"" at the end."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._receive(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


def read_line(source: io.BufferedReader[Any]) -> bytes:
    """Read a line, including its line ending."""
    line = source.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BadResponse("the connection closed within a response, or a line is too long")
    return line


def read_fields(source: io.BufferedReader[Any]) -> list[tuple[str, str]]:
    """Read headers or trailers, including the empty line after them."""
    fields: list[tuple[str, str]] = []
    for _ in range(_MAX_LINES):
        line = read_line(source).decode("latin-1")
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
    """Return the length of a body from its headers, or None (RFC 9112, section 6.3)."""
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
    """Read a chunked body (RFC 9112, section 7.1); stop after more than `limit` bytes."""
    body = bytearray()
    while len(body) <= limit:
        found = _CHUNK_LINE.fullmatch(read_line(source))
        if found is None:
            raise BadResponse("malformed chunk size")
        size = int(found[1], 16)
        if size == 0:
            read_fields(source)  # the trailers
            break
        body += _read_exactly(source, min(size, limit + 1))
        if size <= limit and _read_exactly(source, 2) != b"\r\n":
            raise BadResponse("a chunk is longer than announced")
    return bytes(body)


def read_body(
    source: Any, status: int, headers: Mapping[str, str], *, framed: bool, in_chunks: bool
) -> tuple[bytes, bool]:
    """Return the body of a response, and whether it was read to its end.

    Redirects are not read, and only the beginning of an error is. If `framed`, a 200 must have a
    Content-Length or chunks. If `in_chunks`, the source still contains the chunk headers.
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
