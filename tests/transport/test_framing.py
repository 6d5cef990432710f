"""A call succeeds only with a complete, correctly framed 200."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
import requests
from helpers.scripted import CLOSE, OCTETS, RESET, STALL, ScriptedServer, chunked, http
from requests.adapters import HTTPAdapter

import livekit_connector_sync as lk

from .calls import BODY, OK, refused, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]

LENGTH = f"Content-Length: {len(BODY)}"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\nContent-Length: 0\r\n\r\n"


class Subclassed(HTTPAdapter):
    """An adapter of the caller's own class."""


@pytest.fixture(params=["own", "users", "subclassed"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
        return
    with requests.Session() as session:
        if request.param == "subclassed":
            session.mount("http://", Subclassed())
        yield session


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("reply", [OK, chunked(BODY), EMPTY], ids=["length", "chunked", "empty"])
def test_guarantee_3_a_response_truncated_at_any_byte_is_an_error(
    serve: Serve, dial: Dial, session: Optional[requests.Session], reply: bytes, end: Any
) -> None:
    cuts = range(len(reply))
    server = serve(*([reply[:cut], end] for cut in cuts))
    stub = dial(server.url, session=session)
    for cut in cuts:
        error = refused(stub)
        assert isinstance(error, lk.Unavailable), (cut, error)
        assert error.maybe_sent
        assert error.safe_to_retry is False
    assert len(server.requests) == len(cuts)


def test_guarantee_3_a_truncated_error_response_is_not_parsed(serve: Serve, dial: Dial) -> None:
    server = serve([http(b'{"code":"not_found"}', "404 X")[:-3], CLOSE])
    assert isinstance(refused(dial(server.url)), lk.Unavailable)


def raw(*lines: str, body: bytes = BODY, status: str = "HTTP/1.1 200 OK") -> bytes:
    head = [status, f"Content-Type: {OCTETS}", *lines]
    return "".join(f"{line}\r\n" for line in head).encode("latin-1") + b"\r\n" + body


TE = "Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SIZE = b"%x" % len(BODY)

BADLY_FRAMED = {
    "negative length": raw("Content-Length: -1"),
    "signed length": raw(f"Content-Length: +{len(BODY)}"),
    "word for length": raw("Content-Length: all"),
    "hexadecimal length": raw(f"Content-Length: {len(BODY):#x}"),
    "length with underscore": raw("Content-Length: 2_2"),
    "fraction for length": raw(f"Content-Length: {len(BODY)}.0"),
    "empty length": raw("Content-Length:"),
    "huge length": raw("Content-Length: 99999999999999999999"),
    "two lengths": raw(LENGTH, "Content-Length: 3"),
    "two lengths in one": raw(f"Content-Length: {len(BODY)}, 3"),
    "other digits": raw("Content-Length: \xb2\xb2"),
    "unknown coding": raw("Transfer-Encoding: x-own", LENGTH),
    "identity coding": raw("Transfer-Encoding: identity", LENGTH),
    "coding twice": raw(TE, TE, body=CHUNK),
    "gzip before chunked": raw("Transfer-Encoding: gzip, chunked", body=CHUNK),
    "chunked before gzip": raw("Transfer-Encoding: chunked, gzip", body=CHUNK),
    "chunked in HTTP/1.0": raw(TE, body=CHUNK, status="HTTP/1.0 200 OK"),
    "ended by closing": raw(),
    "negative chunk": raw(TE, body=b"-5\r\n" + CHUNK),
    "chunk with 0x": raw(TE, body=b"0x" + CHUNK),
    "chunk with plus": raw(TE, body=b"+" + CHUNK),
    "chunk with underscore": raw(TE, body=b"0_" + CHUNK),
    "chunk with space before": raw(TE, body=b" " + CHUNK),
    "chunk with vertical tab": raw(TE, body=CHUNK.replace(b"\r\n", b"\x0b\r\n", 1)),
    "chunk size too large": raw(TE, body=b"ffffffffffffffffff\r\n" + BODY),
    "chunk without size": raw(TE, body=b"\r\n" + CHUNK),
    "chunk longer than said": raw(TE, body=b"%x\r\n%sxx\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "chunk without its end": raw(TE, body=SIZE + b"\r\n" + BODY + b"0\r\n\r\n"),
    "chunk size ended by LF": raw(TE, body=CHUNK.replace(b"\r\n", b"\n", 1)),
    "chunk ended by LF": raw(TE, body=SIZE + b"\r\n" + BODY + b"\n0\r\n\r\n"),
    "no last chunk": raw(TE, body=CHUNK[:-5]),
    "no end of trailers": raw(TE, body=CHUNK[:-2]),
    "endless trailers": raw(TE, body=CHUNK[:-2] + b"X: y\r\n" * 5000),
    "not HTTP": b"hello\r\n\r\n",
    "HTTP/0.9": BODY,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "HTTP/2 preface": bytes.fromhex("000012040000000000"),
    "HTTP/2 status line": raw(LENGTH, status="HTTP/2.0 200 OK"),
    "no status": raw(LENGTH, status="HTTP/1.1"),
    "status of 2 digits": raw(LENGTH, status="HTTP/1.1 20 OK"),
    "status of 4 digits": raw(LENGTH, status="HTTP/1.1 2000 OK"),
    "status with leading 0": raw(LENGTH, status="HTTP/1.1 0200 OK"),
    "signed status": raw(LENGTH, status="HTTP/1.1 +200 OK"),
    "status with underscore": raw(LENGTH, status="HTTP/1.1 2_00 OK"),
    "status below 100": raw(LENGTH, status="HTTP/1.1 099 OK"),
    "other protocol": raw(LENGTH, status="ICY 200 OK"),
    "header without colon": raw(LENGTH, "Broken"),
    "header with space before colon": raw("Content-Length : 5", LENGTH),
    "header without name": raw(LENGTH, ": x"),
    "header begins with a space": raw(status="HTTP/1.1 200 OK\r\n X: y") + BODY,
    "CR within a header": raw(f"X: y\r{LENGTH}"),
    "NUL within a header": raw(LENGTH, "X: \0y"),
    "too many headers": raw(LENGTH, *(f"X-{n}: y" for n in range(200))),
    "too long a header": raw(LENGTH, "X: " + "y" * 70_000),
    "endless interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    "endless early hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
    "only an interim response": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("reply", BADLY_FRAMED.values(), ids=BADLY_FRAMED.keys())
def test_guarantee_3_broken_framing(
    serve: Serve, dial: Dial, session: Optional[requests.Session], reply: bytes
) -> None:
    server = serve([reply, CLOSE])
    error = refused(dial(server.url, session=session))
    assert isinstance(error, lk.Unavailable)
    assert error.maybe_sent
    assert error.status is None
    assert len(server.requests) == 1
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "reply",
    [
        raw("Content-Length: -1"),
        raw("Content-Length: all"),
        raw(f"Content-Length: {len(BODY)}, 3"),
        raw(TE, "Content-Encoding: x", body=b"zz\r\n"),
        raw(status="HTTP/1.1 +200 OK"),
        raw(),
        raw(LENGTH, "Broken"),
    ],
)
def test_broken_framing_is_reported_immediately(serve: Serve, dial: Dial, reply: bytes) -> None:
    error = refused(dial(serve([reply, STALL]).url), timeout=0.6)
    assert not isinstance(error, lk.DeadlineExceeded)


WELL_FRAMED = {
    "chunked": chunked(BODY),
    "one chunk": chunked(BODY, size=1000),
    "byte chunks": chunked(BODY, size=1),
    "chunk extension": raw(TE, body=CHUNK.replace(b"\r\n", b";a=b\r\n", 1)),
    "chunk size with zeros": raw(TE, body=b"000" + CHUNK),
    "trailers": raw(TE, body=CHUNK[:-2] + b"X: y\r\n\r\n"),
    "chunked in capitals": raw("transfer-encoding: Chunked", body=CHUNK),
    "same length twice": raw(LENGTH, LENGTH),
    "HTTP/1.0": raw(LENGTH, status="HTTP/1.0 200 OK"),
    "no reason": raw(LENGTH, status="HTTP/1.1 200"),
    "empty reason": raw(LENGTH, status="HTTP/1.1 200 "),
    "latin-1 in a header": raw(LENGTH, "X: \xe9"),
    "long header": raw(LENGTH, "X: " + "y" * 30_000),
    "identity": raw(LENGTH, "Content-Encoding: identity"),
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "after 103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n" + OK,
    "after 100 and 103": b"HTTP/1.1 100\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + chunked(BODY),
}


@pytest.mark.parametrize("reply", WELL_FRAMED.values(), ids=WELL_FRAMED.keys())
def test_complete_responses(
    serve: Serve, dial: Dial, session: Optional[requests.Session], reply: bytes
) -> None:
    server = serve(reply)
    stub = dial(server.url, session=session)
    works(stub)
    works(stub)
    assert len(server.requests) == 2
    assert server.connections == (2 if b"HTTP/1.0" in reply else 1)


@pytest.mark.parametrize(("interim", "taken"), [(7, True), (8, False)])
def test_few_interim_responses_are_skipped(
    serve: Serve, dial: Dial, session: Optional[requests.Session], interim: int, taken: bool
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * interim
    stub = dial(serve(hints + OK).url, session=session)
    if taken:
        works(stub)
    else:
        assert type(refused(stub)) is lk.Unavailable


def test_a_response_with_two_lengths_ends_its_connection(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    """A proxy may have read the other length, and may send more bytes than we expect."""
    server = serve(raw(TE, LENGTH, body=CHUNK), OK)
    stub = dial(server.url, session=session)
    works(stub)
    works(stub)
    assert server.connections == 2


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"x", id="a byte"),
        pytest.param(http(b"\x0a\x05wrong"), id="a reply"),
        pytest.param(http(b"\x0a\x05wrong")[:20], id="a part of a reply"),
        pytest.param(b"x" * 20_000, id="more than a buffer"),
    ],
)
def test_guarantee_3_bytes_after_a_response_are_not_read_as_the_next_one(
    serve: Serve, dial: Dial, session: Optional[requests.Session], more: bytes
) -> None:
    server = serve(OK + more, OK)
    stub = dial(server.url, session=session)
    works(stub)
    works(stub)
    assert server.connections == 2
