"""What a response means: a message, a Twirp error, or an error from something in between."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
from collections.abc import Iterator
from typing import Any, Callable, Optional

import pytest
import requests
from helpers.scripted import CLOSE, OCTETS, Request, ScriptedServer, http

import livekit_connector_sync as lk

from .calls import BODY, META_KEY, OK, locals_of_ours, refused, works
from .conftest import SECRET

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]

MEGABYTE = 1 << 20


@pytest.fixture(params=["own", "users"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
    else:
        with requests.Session() as session:
            yield session


STATUSES = [
    (101, lk.Unknown),
    (201, lk.Unknown),
    (202, lk.Unknown),
    (204, lk.Unknown),
    (206, lk.Unknown),
    (299, lk.Unknown),
    (400, lk.Internal),
    (401, lk.Unauthenticated),
    (402, lk.Unknown),
    (403, lk.PermissionDenied),
    (404, lk.BadRoute),
    (405, lk.Unknown),
    (407, lk.Unknown),
    (408, lk.Unknown),
    (409, lk.Unknown),
    (413, lk.Unknown),
    (418, lk.Unknown),
    (429, lk.ResourceExhausted),
    (451, lk.Unknown),
    (500, lk.Unknown),
    (501, lk.Unknown),
    (502, lk.Unavailable),
    (503, lk.Unavailable),
    (504, lk.Unavailable),
    (505, lk.Unknown),
    (520, lk.Unknown),
    (600, lk.Unknown),
    (999, lk.Unknown),
]


@pytest.mark.parametrize(("status", "error_class"), STATUSES)
def test_guarantee_3_statuses_of_intermediaries(
    serve: Serve, dial: Dial, session: Optional[requests.Session], status: int, error_class: Any
) -> None:
    body = b"" if status in (101, 204) else b"<html>no</html>"
    server = serve(http(body, f"{status} X", "text/html", framed=status not in (101, 204)))
    error = refused(dial(server.url, session=session))
    assert type(error) is error_class
    assert error.status == status
    assert error.metadata == {
        "http_error_from_intermediary": "true",
        "status_code": str(status),
        "body": body.decode(),
    }
    assert error.maybe_sent
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "location"),
    [
        *((status, "elsewhere") for status in (300, 301, 302, 303, 304, 307, 308, 399)),
        (302, "//["),
        (307, "http://user:\xff@:99999999/"),
        (308, "javascript:alert(1)"),
        (301, None),
    ],
)
def test_guarantee_3_redirects_are_not_followed(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    status: int,
    location: Optional[str],
) -> None:
    elsewhere = serve(OK)
    if location == "elsewhere":
        location = f"{elsewhere.url}/twirp/livekit.Connector/DialWhatsAppCall"
    headers = [] if location is None else [f"Location: {location}"]
    server = serve(http(b"" if status == 304 else b"moved", f"{status} X", headers=headers))
    error = refused(dial(server.url, session=session))
    assert type(error) is lk.Internal
    assert error.status == status
    assert error.metadata == {
        "http_error_from_intermediary": "true",
        "status_code": str(status),
        "location": location or "",
    }
    assert len(server.requests) == 1
    assert elsewhere.connections == 0


@pytest.mark.parametrize("code", list(lk.StatusCode))
def test_guarantee_3_errors_of_the_service(serve: Serve, dial: Dial, code: lk.StatusCode) -> None:
    body = json.dumps({"code": code.value, "msg": "no \u2603", "meta": {"argument": "x"}}).encode()
    error = refused(dial(serve(http(body, "500 X", "application/json")).url))
    assert type(error) is type(lk.TwirpError.from_code(code))
    assert error.code == code.value
    assert error.message == "no \u2603"
    assert error.metadata == {"argument": "x"}
    assert error.status == 500


def test_the_older_spelling_of_data_loss(serve: Serve, dial: Dial) -> None:
    server = serve(http(b'{"code":"dataloss"}', "500 X", "application/json"))
    assert type(refused(dial(server.url))) is lk.DataLoss


DEEP = 100_000
NO_ERRORS = {
    "empty": b"",
    "list": b"[]",
    "list of errors": b'[{"code":"not_found"}]',
    "number": b"3",
    "huge number": b"9" * 100_000,
    "text": b'"not_found"',
    "null": b"null",
    "NaN": b"NaN",
    "no code": b'{"msg":"x"}',
    "empty code": b'{"code":"","msg":"x"}',
    "number for code": b'{"code":404,"msg":"x"}',
    "list for code": b'{"code":["not_found"]}',
    "object for code": b'{"code":{"not_found":1}}',
    "null for code": b'{"code":null}',
    "number for msg": b'{"code":"not_found","msg":3}',
    "list for meta": b'{"code":"not_found","meta":[]}',
    "text for meta": b'{"code":"not_found","meta":"x"}',
    "number in meta": b'{"code":"not_found","meta":{"a":1}}',
    "object in meta": b'{"code":"not_found","meta":{"a":{}}}',
    "another key": b'{"code":"not_found","msg":"x","more":1}',
    "text after it": b'{"code":"not_found"} x',
    "two objects": b'{"code":"not_found"}{"code":"not_found"}',
    "cut": b'{"code":"not_found","msg":"x',
    "byte order mark": b'\xef\xbb\xbf{"code":"not_found"}',
    "UTF-16": '{"code":"not_found"}'.encode("utf-16"),
    "invalid UTF-8": b'{"code":"not_found","msg":"\xff\xfe"}',
    "invalid UTF-8 alone": b"\xff\xfe\x00",
    "NUL": b"\0" * 100,
    "deep list": b"[" * DEEP,
    "deep object": b'{"a":' * DEEP,
    "deep in meta": b'{"code":"not_found","meta":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "wide": b"[" + b"[]," * 500_000 + b"[]]",
    "huge": b"x" * (20 * MEGABYTE),
}


@pytest.mark.parametrize("body", NO_ERRORS.values(), ids=NO_ERRORS.keys())
def test_guarantee_3_bodies_that_are_not_twirp_errors(
    serve: Serve, dial: Dial, body: bytes
) -> None:
    error = refused(dial(serve(http(body, "503 X", "application/json")).url))
    assert type(error) is lk.Unavailable
    assert error.metadata["http_error_from_intermediary"] == "true"
    assert error.metadata["status_code"] == "503"
    assert len(error.metadata["body"]) < 300
    str(error).encode("utf-8")
    assert len(str(error)) < 400
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("body", "message", "metadata"),
    [
        (b'{"code":"not_found","msg":null,"meta":null}', "", {}),
        (b'{"code":"not_found","meta":{"a":null}}', "", {"a": ""}),
        (b' {"code" : "not_found"}\n', "", {}),
        (b'{"code":"internal","code":"not_found","msg":"m","msg":null}', "m", {}),
        (
            b'{"code":"not_found","code":null,"meta":{"a":"1"},"meta":{"b":"2"}}',
            "",
            {"a": "1", "b": "2"},
        ),
        (b'{"code":"not_found","meta":{"a":"1","a":null},"meta":{}}', "", {"a": ""}),
        (b'{"code":"not_found","meta":{"a":"1"},"meta":null}', "", {}),
        (b'{"code":"not_found","msg":"\\ud800x"}', "\ufffdx", {}),
        (b'{"code":"not_found","meta":{"\\udfff":"\\ud800"}}', "", {"\ufffd": "\ufffd"}),
    ],
)
def test_guarantee_3_odd_errors_of_the_service(
    serve: Serve, dial: Dial, body: bytes, message: str, metadata: Any
) -> None:
    # With any content type: Twirp's Go client does not look at it.
    error = refused(dial(serve(http(body, "404 X", "text/plain")).url))
    assert type(error) is lk.NotFound
    assert (error.message, error.metadata) == (message, metadata)
    (str(error) + str(error.metadata)).encode("utf-8")


@pytest.mark.parametrize("code", ["no_such_code", "NOT_FOUND", "ok", "\\ud800"])
def test_unknown_codes(serve: Serve, dial: Dial, code: str) -> None:
    error = refused(dial(serve(http(f'{{"code":"{code}"}}'.encode(), "404 X")).url))
    assert type(error) is lk.Internal
    assert error.status == 404
    assert code[:4] in error.metadata["body"]
    str(error).encode("utf-8")


NO_MESSAGES = {
    "JSON": http(b"{}", content_type="application/json"),
    "HTML": http(BODY, content_type="text/html"),
    "no type": http(BODY, content_type=None),
    "another protobuf type": http(BODY, content_type="application/x-protobuf+json"),
    "garbage": http(b"\xff\xff\xff\xff"),
    "cut message": http(BODY[:-1]),
    "invalid UTF-8": http(b"\x0a\x02\xff\xfe"),
    "deep groups": http(b"\x0b" * 100_000),
    "gzip": http(BODY, headers=["Content-Encoding: gzip"]),
    "deflate": http(BODY, headers=["Content-Encoding: deflate"]),
    "brotli": http(BODY, headers=["Content-Encoding: br"]),
    "twice encoded": http(BODY, headers=["Content-Encoding: gzip, gzip"]),
    "encoded, then not": http(
        BODY, headers=["Content-Encoding: gzip", "Content-Encoding: identity"]
    ),
}


@pytest.mark.parametrize("reply", NO_MESSAGES.values(), ids=NO_MESSAGES.keys())
def test_guarantee_3_a_200_without_a_valid_message(
    serve: Serve, dial: Dial, session: Optional[requests.Session], reply: bytes
) -> None:
    error = refused(dial(serve(reply).url, session=session))
    assert type(error) is lk.Internal
    assert error.maybe_sent


@pytest.mark.parametrize(
    "content_type", [OCTETS, "Application/Protobuf", "application/protobuf; charset=utf-8"]
)
def test_content_types(serve: Serve, dial: Dial, content_type: str) -> None:
    works(dial(serve(http(BODY, content_type=content_type)).url))


def test_unknown_fields_are_ignored(serve: Serve, dial: Dial) -> None:
    response = dial(serve(http(BODY + b"\xfa\x3e\x03new")).url).DialWhatsAppCall(
        lk.DialWhatsAppCallRequest()
    )
    assert response.whatsapp_call_id == "wacid.1"


def test_an_encoded_error_is_mapped_by_its_status(serve: Serve, dial: Dial) -> None:
    server = serve(http(b"\x1f\x8b\x08", "503 X", headers=["Content-Encoding: gzip"]))
    error = refused(dial(server.url))
    assert type(error) is lk.Unavailable
    assert error.metadata["http_error_from_intermediary"] == "true"


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("status", "error_class"), [("200 OK", lk.Internal), ("502 X", None)])
def test_an_endless_body_is_not_read(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    announced: bool,
    status: str,
    error_class: Any,
) -> None:
    sent = []
    framing = f"Content-Length: {100 * MEGABYTE}" if announced else "Transfer-Encoding: chunked"
    head = http(status=status, headers=[framing], framed=False)
    piece = bytes(MEGABYTE) if announced else b"%x\r\n%s\r\n" % (MEGABYTE, bytes(MEGABYTE))
    step = (piece, lambda _: sent.append(MEGABYTE))
    server = serve([head, *(part for _ in range(100) for part in step), CLOSE])
    error = refused(dial(server.url, session=session))
    assert type(error) is (error_class or lk.Unavailable)
    assert sum(sent) < 20 * MEGABYTE  # the cap and what buffers hold


def test_a_large_response_below_the_limit(serve: Serve, dial: Dial) -> None:
    message = lk.DialWhatsAppCallResponse(room_name="r" * (3 * MEGABYTE))
    stub = dial(serve(http(message.SerializeToString())).url)
    assert stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest()) == message


def echo(request: Request) -> list[str]:
    """Return the secrets of a request, as a hostile server would send them back."""
    token = request.header("Authorization")
    assert token
    assert META_KEY.encode() in request.body
    return [META_KEY, token.partition(" ")[2], token]


ECHOES: dict[str, Callable[[str], bytes]] = {
    "status line": lambda secret: f"HTTP/1.1 {secret}\r\n\r\n".encode(),
    "reason": lambda secret: http(b"", f"500 {secret}"),
    "not HTTP": lambda secret: f"{secret}\r\n\r\n".encode(),
    "header": lambda secret: http(headers=[secret]),
    "content type": lambda secret: http(content_type=secret),
    "content length": lambda secret: http(headers=[f"Content-Length: {secret}"], framed=False),
    "coding": lambda secret: http(headers=[f"Transfer-Encoding: {secret}"], framed=False),
    "chunk size": lambda secret: (
        http(headers=["Transfer-Encoding: chunked"], framed=False) + f"{secret}\r\n".encode()
    ),
    "location": lambda secret: http(b"", "302 X", headers=[f"Location: http://x/?q={secret}"]),
    "body": lambda secret: http(f"<p>{secret}</p>".encode(), "500 X", "text/html"),
    "body beyond the excerpt": lambda secret: http(b"x" * 250 + secret.encode(), "500 X"),
    "message": lambda secret: http(f'{{"code":"internal","msg":"{secret}"}}'.encode(), "500 X"),
    "meta": lambda secret: http(
        f'{{"code":"internal","meta":{{"a":"{secret}"}}}}'.encode(), "500 X"
    ),
    "meta key": lambda secret: http(
        f'{{"code":"internal","meta":{{"{secret}":"a"}}}}'.encode(), "500 X"
    ),
    "code": lambda secret: http(f'{{"code":"{secret}"}}'.encode(), "500 X"),
    "escaped": lambda secret: http(
        b'{"code":"internal","msg":"%s"}' % "".join(f"\\u{ord(c):04x}" for c in secret).encode(),
        "500 X",
    ),
}


@pytest.mark.parametrize("which", range(3), ids=["key of Meta", "token", "header"])
@pytest.mark.parametrize("make_reply", ECHOES.values(), ids=ECHOES.keys())
def test_guarantee_4_echoed_secrets_are_not_shown(
    serve: Serve,
    dial: Dial,
    session: Optional[requests.Session],
    caplog: pytest.LogCaptureFixture,
    make_reply: Callable[[str], bytes],
    which: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def reply(request: Request) -> Any:
        seen[:] = echo(request)
        return [make_reply(seen[which]), CLOSE]

    server = serve(reply)
    stub = dial(server.url, session=session, retry=lk.RetryPolicy(max_attempts=2))
    error = refused(stub)
    shown = [str(error), repr(error), repr(error.__dict__), repr(error.args), caplog.text]
    shown += [str(error.metadata), repr(copy.deepcopy(error))]
    shown += list(locals_of_ours(error))
    pickled = pickle.dumps(error)
    # Half a secret is one too; a token's first third says only that it is a token.
    for secret in (META_KEY[:16], seen[1][50:90], SECRET):
        assert not any(secret in text for text in shown)
        assert secret.encode() not in pickled


def test_guarantee_4_errors_do_not_reference_secrets(serve: Serve, dial: Dial) -> None:
    stub = dial(serve([CLOSE]).url)
    error = refused(stub)
    seen: set[int] = set()
    todo: list[Any] = [error]
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        assert not isinstance(current, (requests.PreparedRequest, requests.RequestException))
        if isinstance(current, BaseException):
            todo += [current.__cause__, current.__context__, *current.args, current.__dict__]
        elif isinstance(current, dict):
            todo += current.values()
    assert threading.active_count() < 50
