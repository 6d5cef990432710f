"""TwirpApplication: Twirp's rules for servers, and WSGI."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import threading
import time
from typing import Any, Optional
from wsgiref.simple_server import WSGIRequestHandler, make_server

import jwt
import pytest

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.method import Grant
from livekit_connector_sync.server import TokenAuthorizer, TwirpApplication, status_for

DIAL = "/twirp/livekit.Connector/DialWhatsAppCall"
PROTOBUF = {"Content-Type": "application/protobuf"}
JSON = {"Content-Type": "application/json; charset=utf-8"}


class Fake(lk.ConnectorServicer):
    """Implements Dial; raises the error that the number names."""

    def DialWhatsAppCall(
        self, request: lk.DialWhatsAppCallRequest, context: lk.ServicerContext
    ) -> lk.DialWhatsAppCallResponse:
        number = request.whatsapp_to_phone_number
        if number == "bug":
            raise RuntimeError("the secret is hunter2")
        if number == "type":
            return request  # type: ignore[return-value]
        if number:
            raise lk.TwirpError.from_code(number, "no", metadata={"why": "because"})
        return lk.DialWhatsAppCallResponse(room_name=request.room_name)


application = TwirpApplication(Fake())


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("GET", DIAL, PROTOBUF, b"", 404, "bad_route"),
        ("POST", DIAL + "/", PROTOBUF, b"", 404, "bad_route"),
        ("POST", "/twirp/livekit.Connector/Nope", PROTOBUF, b"", 404, "bad_route"),
        ("POST", DIAL, {"Content-Type": "text/plain"}, b"", 404, "bad_route"),
        ("POST", DIAL, {}, b"", 404, "bad_route"),
        ("POST", DIAL, PROTOBUF, b"\xff", 400, "malformed"),
        ("POST", DIAL, JSON, b"{", 400, "malformed"),
        ("POST", DIAL, JSON, b"\xff", 400, "malformed"),
        ("POST", DIAL, JSON, b"[" * 100_000, 400, "malformed"),
        ("POST", DIAL, JSON, b'{"room_name": 1}', 400, "malformed"),
        ("POST", DIAL, JSON, b"[]", 400, "malformed"),
        ("POST", DIAL, JSON, b'"x"', 400, "malformed"),
        ("POST", DIAL, JSON, b"", 400, "malformed"),
        ("POST", DIAL.replace("Dial", "Accept"), JSON, b"{}", 501, "unimplemented"),
    ],
)
def test_invalid_requests_are_rejected(
    method: str, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    response = application.respond(method, path, headers, body)
    assert (response.status, json.loads(response.body)["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/json"


def test_malformed_json_is_not_quoted() -> None:
    response = application.respond("POST", DIAL, JSON, b'{"whatsapp_api_key": "hunter2", "a')
    assert response.status == 400
    assert b"hunter2" not in response.body


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("canceled", 408),
        ("unknown", 500),
        ("invalid_argument", 400),
        ("malformed", 400),
        ("deadline_exceeded", 408),
        ("not_found", 404),
        ("bad_route", 404),
        ("already_exists", 409),
        ("permission_denied", 403),
        ("unauthenticated", 401),
        ("resource_exhausted", 429),
        ("failed_precondition", 412),
        ("aborted", 409),
        ("out_of_range", 400),
        ("unimplemented", 501),
        ("internal", 500),
        ("unavailable", 503),
        ("data_loss", 500),
    ],
)
def test_errors_of_a_servicer(code: str, status: int) -> None:
    body = lk.DialWhatsAppCallRequest(whatsapp_to_phone_number=code).SerializeToString()
    response = application.respond("POST", DIAL, PROTOBUF, body)
    assert response.status == status == status_for(code)
    assert json.loads(response.body) == {"code": code, "msg": "no", "meta": {"why": "because"}}


def test_metadata_is_text_on_the_wire() -> None:
    class Odd(lk.ConnectorServicer):
        def DialWhatsAppCall(self, request: Any, context: Any) -> Any:
            raise lk.NotFound("no", {"count": 3, "what": object})  # type: ignore[dict-item]

    response = TwirpApplication(Odd()).respond("POST", DIAL, PROTOBUF, b"")
    assert json.loads(response.body)["meta"] == {"count": "3", "what": str(object)}


@pytest.mark.parametrize("number", ["bug", "type"])
def test_a_servicers_bug_is_internal_and_its_text_is_hidden(
    number: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = lk.DialWhatsAppCallRequest(whatsapp_to_phone_number=number).SerializeToString()
    response = application.respond("POST", DIAL, PROTOBUF, body)
    assert response.status == 500
    assert json.loads(response.body)["code"] == "internal"
    assert b"hunter2" not in response.body
    assert DIAL in caplog.text


@pytest.mark.parametrize("name", ["room_name", "roomName"])
def test_json_accepts_both_spellings_and_responds_in_snake_case(name: str) -> None:
    body = json.dumps({name: "sales", "unknown": 1}).encode()
    response = application.respond("POST", DIAL, JSON, body)
    assert response.status == 200
    assert json.loads(response.body) == {"whatsapp_call_id": "", "room_name": "sales"}


BODY = lk.DialWhatsAppCallRequest(room_name="sales").SerializeToString()


@pytest.mark.parametrize(
    ("environ", "status", "room"),
    [
        ({"CONTENT_LENGTH": str(len(BODY))}, 200, "sales"),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 200, "sales"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 400, None),
        ({"CONTENT_LENGTH": str(len(BODY) + 1)}, 400, None),
        ({"CONTENT_LENGTH": "-1"}, 400, None),
        ({"CONTENT_LENGTH": "9" * 5000}, 400, None),
        ({"CONTENT_LENGTH": "\u00b2"}, 400, None),
        ({}, 200, ""),
    ],
)
def test_reading_a_body_under_wsgi(
    environ: dict[str, Any], status: int, room: Optional[str]
) -> None:
    seen: list[str] = []
    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": DIAL,
        "CONTENT_TYPE": PROTOBUF["Content-Type"],
        "wsgi.input": io.BytesIO(BODY),
    }
    (body,) = application({**request, **environ}, lambda line, _: seen.append(line))
    assert seen[0].startswith(str(status))
    if room is not None:
        assert lk.DialWhatsAppCallResponse.FromString(body).room_name == room


def test_a_chunked_body_under_wsgi_is_bounded() -> None:
    seen: list[str] = []
    for max_body in (len(BODY), len(BODY) - 1):
        request = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": DIAL,
            "CONTENT_TYPE": PROTOBUF["Content-Type"],
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": io.BytesIO(BODY),
        }
        TwirpApplication(Fake(), max_body=max_body)(request, lambda line, _: seen.append(line))
    assert seen == ["200 OK", "400 Bad Request"]


def test_only_bearer_tokens_are_accepted() -> None:
    token = lk.AccessToken("key", "secret").to_jwt()
    for header in (f"Basic {token}", token, "Bearer", "Bearer ", ""):
        with pytest.raises(lk.Unauthenticated, match="no token"):
            TokenAuthorizer("key", "secret").verify({"authorization": header})


def test_the_cache_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livekit_connector_sync.server._MAX_CACHED_TOKENS", 2)
    authorizer = TokenAuthorizer("key", "secret")
    for identity in "abcde":
        token = lk.AccessToken("key", "secret").with_identity(identity).to_jwt()
        assert authorizer.verify({"authorization": f"Bearer {token}"})["sub"] == identity
        assert len(authorizer._verified) <= 2


def test_a_valid_token_is_verified_again_only_when_it_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[str] = []
    verify = lk.TokenVerifier.verify

    def count(self: lk.TokenVerifier, token: str) -> Any:
        verified.append(token)
        return verify(self, token)

    monkeypatch.setattr(lk.TokenVerifier, "verify", count)
    authorizer = TokenAuthorizer("key", "secret")
    valid, forged = (lk.AccessToken("key", name).to_jwt() for name in ("secret", "another"))
    for token, error in ((valid, None), (forged, lk.Unauthenticated)):
        for _ in range(2):
            with pytest.raises(error) if error else contextlib.nullcontext():
                authorizer.verify({"authorization": f"Bearer {token}"})
    assert verified == [valid, forged, forged]
    after_the_ttl = time.time() + 6 * 3600 + 1
    monkeypatch.setattr(time, "time", lambda: after_the_ttl)
    authorizer.verify({"authorization": f"Bearer {valid}"})
    assert verified[3:] == [valid]


def test_claims_are_not_shared_between_requests() -> None:
    authorizer = TokenAuthorizer("key", "secret")
    headers = {"authorization": f"Bearer {lk.AccessToken('key', 'secret').to_jwt()}"}
    claims = authorizer.verify(headers)
    claims.clear()  # type: ignore[attr-defined]
    assert authorizer.verify(headers)["iss"] == "key"


def test_under_a_wsgi_server_with_tokens() -> None:
    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    secured = TwirpApplication(Fake(), authorize=TokenAuthorizer("key", "secret"), max_body=1000)
    with make_server("127.0.0.1", 0, secured, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with lk.ConnectorClient(url, "key", "secret", validate=False) as client:
                assert client.dial_whatsapp_call(room_name="sales").room_name == "sales"
                with pytest.raises(lk.Malformed, match="1000 bytes"):
                    client.dial_whatsapp_call(room_name="s" * 2000)
            with lk.ConnectorClient(url, "key", "wrong", validate=False) as client:
                with pytest.raises(lk.Unauthenticated):
                    client.dial_whatsapp_call(room_name="sales")
        finally:
            server.shutdown()
            thread.join()


SECRET = "a secret that is long enough for PyJWT"
OF_A_ROOM = (Grant("roomAdmin", "video"), Grant("room", "video", "room_name"))


@pytest.mark.parametrize(
    ("grants", "video", "allowed"),
    [
        (None, {"roomCreate": True}, True),
        (None, {"roomCreate": False}, False),
        (None, {"roomCreate": None}, False),
        (None, {"roomCreate": "true"}, False),
        (None, {"roomAdmin": True}, False),
        (None, ["roomCreate"], False),
        (None, None, False),
        (OF_A_ROOM, {"roomAdmin": True, "room": "sales"}, True),
        (OF_A_ROOM, {"roomAdmin": True, "room": "other"}, False),
        (OF_A_ROOM, {"roomAdmin": True}, False),
        (OF_A_ROOM, {"roomAdmin": False, "room": "sales"}, False),
    ],
)
def test_a_token_needs_every_grant_of_the_rpc(grants: Any, video: Any, allowed: bool) -> None:
    (method,) = (m for m in lk.ConnectorServicer.METHODS if m.name == "DialWhatsAppCall")
    if grants is not None:
        method = dataclasses.replace(method, grants=grants)
    claims = {"iss": "key", "exp": int(time.time()) + 60, "video": video}
    headers = {"authorization": f"bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    request = lk.DialWhatsAppCallRequest(room_name="sales")
    expected = contextlib.nullcontext() if allowed else pytest.raises(lk.PermissionDenied)
    with expected:
        TokenAuthorizer("key", SECRET)(method, request, headers)
