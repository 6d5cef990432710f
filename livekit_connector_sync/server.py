"""A Twirp server for servicers, which runs under any WSGI server.

    app = TwirpApplication(MyConnector(), authorize=TokenAuthorizer("devkey", "secret"))
    wsgiref.simple_server.make_server("127.0.0.1", 8080, app).serve_forever()

`TwirpApplication.respond` implements the whole protocol without I/O; the WSGI side reads the body
and sends the response. Source: https://twitchtv.github.io/twirp/docs/spec_v7.html
"""

from __future__ import annotations

import http
import json
import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, NamedTuple, Optional

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from ._runtime.credentials import check_key
from ._runtime.messages import name_type
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
    "BodyTooLarge",
    "Response",
    "TokenAuthorizer",
    "TwirpApplication",
    "decode_request",
    "encode_response",
    "error_response",
    "read_body",
    "status_for",
]

logger = logging.getLogger("livekit_connector_sync.server")

PROTOBUF = "application/protobuf"
JSON = "application/json"
MAX_BODY = 4 * 1024 * 1024  # bytes
_MAX_CACHED_TOKENS = 1000

Authorize: TypeAlias = Callable[
    [MethodInfo[Any, Any], Message, Mapping[str, str]], Optional[Mapping[str, Any]]
]
"""Authorizes a request: takes the method, the request, and the headers with names in lower case.

It returns the caller's claims, or raises a TwirpError, such as Unauthenticated, to reject the
request."""

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
    """An HTTP response: the status, the headers, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


def status_for(code: str) -> int:
    """Return the HTTP status of a StatusCode or its value; ValueError if Twirp has no such code."""
    return _STATUS[StatusCode(code)]


class BodyTooLarge(ValueError):
    """A request's body is larger than the server accepts."""

    def __init__(self, max_body: int) -> None:
        super().__init__(f"the body has more than {max_body} bytes")


def read_body(source: BinaryIO, content_length: str, max_body: int) -> bytes:
    """Read the body of a request that declares its length.

    Raises:
        BodyTooLarge: the declared length is over `max_body` bytes; nothing was read.
        ValueError: the length is malformed, or the body is incomplete.
    """
    if not (content_length.isascii() and content_length.isdigit()):
        raise ValueError("Content-Length is not a number")
    if len(content_length) > 18 or int(content_length) > max_body:  # int() refuses 5,000 digits
        raise BodyTooLarge(max_body)
    body = source.read(int(content_length))
    if len(body) < int(content_length):
        raise ValueError("the body ends before its declared length")
    return body


def decode_request(method: MethodInfo[Any, Any], content_type: str, body: bytes) -> Message:
    """Decode a body in protobuf or JSON into the RPC's request message.

    JSON names can be in snake_case or camelCase.

    Raises:
        BadRoute: the content type is unsupported.
        Malformed: the body cannot be decoded.
    """
    media_type = _media_type(content_type)
    request: Message = method.request_type()
    name = request.DESCRIPTOR.name
    if media_type == PROTOBUF:
        try:
            request.ParseFromString(body)
        except DecodeError:
            raise Malformed(f"the body is not a {name} in protobuf") from None
    elif media_type == JSON:
        try:
            if body.lstrip(b" \t\r\n")[:1] != b"{":  # json_format accepts "[]" as {}
                raise ValueError("not an object")
            json_format.Parse(body.decode("utf-8"), request, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, RecursionError):
            # Omit protobuf's message: it quotes the body, which may contain a secret.
            raise Malformed(f"the body is not a {name} in JSON") from None
    else:
        raise BadRoute(f"unexpected Content-Type {content_type!r}: send {PROTOBUF} or {JSON}")
    return request


def encode_response(content_type: str, message: Message) -> Response:
    """Return the response for a message: JSON if the request was in JSON, else protobuf."""
    if _media_type(content_type) == JSON:
        text = json_format.MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            indent=None,
        )
        return Response(200, {"Content-Type": JSON}, text.encode("utf-8"))
    return Response(200, {"Content-Type": PROTOBUF}, message.SerializeToString())


def error_response(error: TwirpError) -> Response:
    """Return the response for an error: its code, message, and metadata as JSON."""
    document: dict[str, Any] = {"code": str(error.code), "msg": error.message}
    if error.metadata:
        document["meta"] = {str(name): str(text) for name, text in error.metadata.items()}
    body = json.dumps(document).encode("utf-8")
    return Response(status_for(error.code), {"Content-Type": JSON}, body)


class TokenAuthorizer:
    """Accepts requests with a valid bearer token that has the RPC's grants.

    Args:
        api_key: the only accepted issuer.
        api_secret: the secret that signs the tokens.

    Raises:
        ValueError: the key or the secret is missing.
    """

    def __init__(self, api_key: str, api_secret: str) -> None:
        check_key("api_key", api_key)  # TokenVerifier would read the environment instead
        check_key("api_secret", api_secret)
        self._verifier = TokenVerifier(api_key, api_secret)
        # Clients reuse a token for many calls. A cached token is valid until it expires.
        self._verified: dict[str, tuple[Mapping[str, Any], int]] = {}

    def verify(self, headers: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the claims of a request's bearer token.

        Args:
            headers: the request's headers, with names in lower case.

        Raises:
            Unauthenticated: the token is missing or not valid.
        """
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("no token: send the header Authorization: Bearer <access token>")
        claims, expires_at = self._verified.get(token, ({}, 0))
        if time.time() >= expires_at:
            import jwt  # slow to import, and only servers need it

            try:
                claims = self._verifier.verify(token).raw
            except jwt.InvalidTokenError as exc:
                raise Unauthenticated(f"the token is not valid: {exc}") from None
            if len(self._verified) >= _MAX_CACHED_TOKENS:
                self._verified.clear()
            self._verified[token] = claims, int(claims["exp"])
        return dict(claims)

    def __call__(
        self, method: MethodInfo[Any, Any], request: Message, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Return the claims of a request's token.

        Raises:
            Unauthenticated: the token is missing or not valid.
            PermissionDenied: the token lacks a grant that the RPC needs.
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
    """A WSGI application that serves servicers over Twirp.

    Args:
        *servicers: instances of generated Servicer classes.
        authorize: authorizes each request before its RPC runs; None to accept every request.
        max_body: the maximum size of a request's body in bytes.

    Raises:
        TypeError: a servicer is not an instance of one, or `authorize` is not a function.
        ValueError: `max_body` is not a positive number.
    """

    def __init__(
        self,
        *servicers: Servicer,
        authorize: Optional[Authorize] = None,
        max_body: int = MAX_BODY,
    ) -> None:
        for servicer in servicers:
            if not isinstance(servicer, Servicer):
                raise TypeError(
                    "servicers must be instances of generated servicers, such as a subclass of "
                    f"ConnectorServicer, not {name_type(servicer)}"
                )
        if authorize is not None and (isinstance(authorize, type) or not callable(authorize)):
            raise TypeError(
                "authorize must be a function, such as TokenAuthorizer(api_key, api_secret), not "
                f"{name_type(authorize)}"
            )
        if not isinstance(max_body, int) or max_body < 1:
            raise ValueError(f"max_body must be a number of bytes from 1, not {max_body!r}")
        self._routes = {
            f"/twirp/{method.full_name}": (servicer, method)
            for servicer in servicers
            for method in servicer.METHODS
        }
        self._authorize = authorize
        self._max_body = max_body

    def method(self, path: str) -> Optional[MethodInfo[Any, Any]]:
        """Return the RPC at a path, or None."""
        return self._routes[path][1] if path in self._routes else None

    def respond(
        self, http_method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        """Run the RPC of a request and return the response; never raises.

        Args:
            http_method: the HTTP method; if it isn't "POST", the response is bad_route.
            path: the path, without the query.
            headers: the request's headers, with names in any case.
            body: the whole body.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        content_type = lower.get("content-type", "")
        try:
            return encode_response(content_type, self._call(http_method, path, lower, body))
        except TwirpError as error:
            return error_response(error)
        except Exception as exc:
            # Send the class only: the text of an unknown exception may contain a secret.
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
        except ValueError as exc:
            response = error_response(Malformed(str(exc)))
        else:
            method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
            response = self.respond(method, path, headers, body)
        phrase = http.HTTPStatus(response.status).phrase
        length = ("Content-Length", str(len(response.body)))
        start_response(f"{response.status} {phrase}", [*response.headers.items(), length])
        return [response.body]

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        """Read a body; raise ValueError if it is too large, incomplete, or has no length."""
        length, source = environ.get("CONTENT_LENGTH") or "", environ["wsgi.input"]
        if not length and environ.get("wsgi.input_terminated"):  # the server decodes chunks
            body: bytes = source.read(self._max_body + 1)
            if len(body) > self._max_body:
                raise BodyTooLarge(self._max_body)
            return body
        if not length and "HTTP_TRANSFER_ENCODING" in environ:
            raise ValueError("send a Content-Length: this server does not read chunked bodies")
        return read_body(source, length or "0", self._max_body)

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
        claims = self._authorize(method, request, headers) if self._authorize else None
        context = ServicerContext(method.full_name, headers, claims)
        response = getattr(servicer, method.name)(request, context)
        if type(response) is not method.response_type:
            wanted = method.response_type.__name__
            raise TypeError(f"{method.name} must return a {wanted}, not {name_type(response)}")
        message: Message = response
        return message


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
