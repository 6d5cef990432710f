"""A Twirp server for servicers, to be mounted under any WSGI server.

    app = TwirpApplication(MyConnector(), authorize=TokenAuthorizer("devkey", "secret"))
    wsgiref.simple_server.make_server("127.0.0.1", 8080, app).serve_forever()

`TwirpApplication.respond` is the whole protocol as one function from request to answer; the WSGI
side only carries it. Source: https://twitchtv.github.io/twirp/docs/spec_v7.html
"""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from ._runtime.method import MethodInfo
from .access_token import TokenVerifier
from .errors import (
    BadRoute,
    Internal,
    Malformed,
    PermissionDenied,
    StatusCode,
    TwirpError,
    Unauthenticated,
)
from .service import Servicer, ServicerContext

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

__all__ = [
    "Authorize",
    "Response",
    "TokenAuthorizer",
    "TwirpApplication",
    "decode_request",
    "encode_response",
    "error_response",
    "status_for",
]

logger = logging.getLogger("livekit_connector_sync.server")

PROTOBUF = "application/protobuf"
JSON = "application/json"
MAX_BODY = 4 * 1024 * 1024  # bytes

Authorize: TypeAlias = Callable[
    [MethodInfo[Any, Any], Message, Mapping[str, str]], Optional[Mapping[str, Any]]
]
"""Decides about a request: (method, request, headers in lower case) to the caller's claims.

It raises a TwirpError, such as Unauthenticated, to turn the request down."""

_STATUS = {
    StatusCode.CANCELED: 408,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.MALFORMED: 400,
    StatusCode.DEADLINE_EXCEEDED: 408,
    StatusCode.NOT_FOUND: 404,
    StatusCode.BAD_ROUTE: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 412,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
}


class Response(NamedTuple):
    """An HTTP answer: its status, its headers and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def status_for(code: str) -> int:
    """Return the HTTP status that Twirp's servers send with an error code.

    Args:
        code: a StatusCode, or its spelling on the wire.

    Raises:
        ValueError: Twirp has no such code.
    """
    return _STATUS[StatusCode(code)]


def decode_request(method: MethodInfo[Any, Any], content_type: str, body: bytes) -> Message:
    """Return the request message in a body.

    Args:
        method: the RPC.
        content_type: the Content-Type header; its parameters are ignored.
        body: protobuf, or JSON with field names in either spelling.

    Raises:
        BadRoute: the content type is neither of Twirp's.
        Malformed: the body is no such message.
    """
    media_type = _media_type(content_type)
    request: Message = method.request_type()
    name = request.DESCRIPTOR.name
    if media_type == PROTOBUF:
        try:
            request.ParseFromString(body)
        except DecodeError:
            raise Malformed(f"the body is no {name} in protobuf") from None
    elif media_type == JSON:
        try:
            if body.lstrip(b" \t\r\n")[:1] != b"{":  # json_format takes a list for an empty object
                raise ValueError("not an object")
            json_format.Parse(body.decode("utf-8"), request, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, RecursionError):
            # protobuf's own text is left out: it quotes the body, which may hold a secret.
            raise Malformed(f"the body is no {name} in JSON") from None
    else:
        raise BadRoute(f"unexpected Content-Type {content_type!r}: send {PROTOBUF} or {JSON}")
    return request


def encode_response(content_type: str, message: Message) -> Response:
    """Return the answer that carries a message.

    Args:
        content_type: that of the request; an answer to JSON is JSON, any other is protobuf.
        message: the response message.
    """
    if _media_type(content_type) == JSON:
        text = json_format.MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            indent=None,
        )
        return _response(200, JSON, text.encode("utf-8"))
    return _response(200, PROTOBUF, message.SerializeToString())


def error_response(error: TwirpError) -> Response:
    """Return the answer that carries an error: its code, message and metadata as JSON.

    Args:
        error: what a servicer raised.
    """
    document: dict[str, Any] = {"code": str(error.code), "msg": error.message}
    if error.metadata:
        document["meta"] = {str(name): str(text) for name, text in error.metadata.items()}
    return _response(status_for(error.code), JSON, json.dumps(document).encode("utf-8"))


class TokenAuthorizer:
    """Lets requests pass whose bearer token is the project's and has the RPC's grants.

    Args:
        api_key: the only issuer accepted.
        api_secret: the secret that signed the tokens.

    Raises:
        ValueError: the key or the secret is missing.
    """

    def __init__(self, api_key: str, api_secret: str) -> None:
        self._verifier = TokenVerifier(api_key, api_secret)

    def verify(self, headers: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the claims of a request's bearer token.

        Args:
            headers: the request's headers, names in lower case.

        Raises:
            Unauthenticated: there is no token, or it is not valid.
        """
        import jwt  # slow to import, and only servers need it

        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("no token: send the header Authorization: Bearer <access token>")
        try:
            return self._verifier.verify(token.strip()).raw
        except jwt.InvalidTokenError as exc:
            raise Unauthenticated(f"the token is not valid: {exc}") from None

    def __call__(
        self, method: MethodInfo[Any, Any], request: Message, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Return the claims of a request's token.

        Raises:
            Unauthenticated: there is no token, or it is not valid.
            PermissionDenied: the token lacks a grant of the RPC.
        """
        claims = self.verify(headers)
        for grant in method.grants:
            section = claims.get(grant.section)
            held = section.get(grant.name) if isinstance(section, Mapping) else None
            needed = getattr(request, grant.field) if grant.field else True
            if held != needed:
                raise PermissionDenied(
                    f"{method.name} needs the grant {grant.section}.{grant.name} in the token"
                )
        return claims


class TwirpApplication:
    """Serves the RPCs of servicers over Twirp; a WSGI application.

    Args:
        *servicers: objects of generated Servicer classes; the RPCs in their METHODS are served.
        authorize: decides about each request before its RPC runs; None to let everyone in.
        max_body: bytes that a request's body may have, under WSGI.
    """

    def __init__(
        self,
        *servicers: Servicer,
        authorize: Optional[Authorize] = None,
        max_body: int = MAX_BODY,
    ) -> None:
        self._routes = {
            f"/twirp/{method.full_name}": (servicer, method)
            for servicer in servicers
            for method in servicer.METHODS
        }
        self._authorize = authorize
        self._max_body = max_body

    def method(self, path: str) -> Optional[MethodInfo[Any, Any]]:
        """Return the RPC that is served at a path, None if there is none."""
        route = self._routes.get(path)
        return route[1] if route is not None else None

    def respond(
        self, http_method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        """Return the answer to a request; never raises.

        Args:
            http_method: "POST", or the answer is bad_route.
            path: the path, without a query.
            headers: the request's headers; names in any case.
            body: the whole body.

        Returns:
            The triple of status, headers and body.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        content_type = lower.get("content-type", "")
        try:
            return encode_response(content_type, self._call(http_method, path, lower, body))
        except TwirpError as error:
            return error_response(error)
        except Exception as exc:
            # The text of a foreign exception may hold anything, so the wire gets its class only.
            logger.exception("%s failed", path)
            return error_response(Internal(f"the servicer raised {type(exc).__name__}"))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Iterable[bytes]:
        """Serve one request under a WSGI server (PEP 3333)."""
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        try:
            body = self._read_body(environ)
        except Malformed as error:
            answer = error_response(error)
        else:
            method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
            answer = self.respond(method, path, headers, body)
        phrase = http.HTTPStatus(answer.status).phrase
        start_response(f"{answer.status} {phrase}", list(answer.headers.items()))
        return [answer.body]

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        """Return a request's body.

        Raises:
            Malformed: it is too large or cut short, or nobody says where it ends.
        """
        length, source = environ.get("CONTENT_LENGTH") or "", environ["wsgi.input"]
        too_large = Malformed(f"the body is over {self._max_body} bytes")
        if length:
            if not (length.isascii() and length.isdigit()):
                raise Malformed("Content-Length is not a number")
            if len(length) > 18 or int(length) > self._max_body:
                raise too_large
            declared: bytes = source.read(int(length))
            if len(declared) < int(length):
                raise Malformed("the body ended before its Content-Length")
            return declared
        if environ.get("wsgi.input_terminated"):  # the server takes chunked bodies apart
            body: bytes = source.read(self._max_body + 1)
            if len(body) > self._max_body:
                raise too_large
            return body
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise Malformed("send a Content-Length: this server does not read chunked bodies")
        return b""

    def _call(
        self, http_method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Message:
        invalid_route = {"twirp_invalid_route": f"{http_method} {path}"}
        if path not in self._routes:
            raise BadRoute(f"no RPC at {path!r}", invalid_route)
        if http_method != "POST":
            raise BadRoute(f"unsupported method {http_method!r}: use POST", invalid_route)
        servicer, method = self._routes[path]
        request = decode_request(method, headers.get("content-type", ""), body)
        context = ServicerContext(method.full_name, headers)
        if self._authorize is not None:
            context = replace(context, claims=self._authorize(method, request, headers))
        response = getattr(servicer, method.name)(request, context)
        if type(response) is not method.response_type:
            raise TypeError(f"{method.name} returned {type(response).__name__}")
        message: Message = response
        return message


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _response(status: int, content_type: str, body: bytes) -> Response:
    return Response(status, {"Content-Type": content_type, "Content-Length": str(len(body))}, body)
