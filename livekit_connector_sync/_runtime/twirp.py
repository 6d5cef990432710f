"""Twirp over HTTP, as pure functions: requests to paths and headers, answers to messages or errors.

Source: https://twitchtv.github.io/twirp/docs/spec_v7.html; where that is silent, what Twirp's Go
client does.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from google.protobuf.message import DecodeError

from ..errors import StatusCode
from .method import MethodInfo, Response

__all__ = [
    "REQUEST_ID",
    "ErrorAnswer",
    "checked_metadata",
    "error_answer",
    "parse_response",
    "path",
    "request_headers",
    "retry_after",
]

CONTENT_TYPE = "application/protobuf"
REQUEST_ID = "X-Livekit-Request-Id"

_LONGEST_QUOTE = 60  # characters
_EXCERPT = 256  # characters of a foreign body that an error keeps

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, section 5.5
_OWN_HEADERS = {
    "authorization": "give the channel other credentials",
    **dict.fromkeys(
        (
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
            "transfer-encoding",
        ),
        "it is the transport's own",
    ),
}

_FROM_INTERMEDIARY = {
    400: StatusCode.INTERNAL,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.BAD_ROUTE,
    429: StatusCode.RESOURCE_EXHAUSTED,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.UNAVAILABLE,
}
_HINTS = {
    401: "check the API key and its secret",
    404: "only LiveKit Cloud runs the Connector, at the project's own URL",
    407: "check the proxy's user name and password",
    451: "the project is not allowed in this region",
}


@dataclass(frozen=True)
class ErrorAnswer:
    """What an answer says that is not a success.

    Args:
        code: the Twirp code.
        message: what went wrong.
        metadata: the error's details.
        from_service: True if a Twirp server wrote it, False if something in between did.
    """

    code: StatusCode
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    from_service: bool = False


def path(method: MethodInfo[Any, Any]) -> str:
    """Return the path of an RPC below the server's URL."""
    return f"/twirp/{method.service}/{method.name}"


def request_headers(token: str, metadata: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of a call: what Twirp needs, and the caller's."""
    return {
        "Accept": CONTENT_TYPE,
        "Content-Type": CONTENT_TYPE,
        **dict(metadata),
        "Authorization": f"Bearer {token}",
    }


def checked_metadata(metadata: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return a caller's headers if they can be sent, those of one name joined (RFC 9110, 5.2).

    Raises:
        ValueError: a name or value is not of RFC 9110's form, or the header is the client's own.
        TypeError: it is not made of pairs of strings.
    """
    pairs = tuple(metadata)
    joined: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError("metadata must be (name, value) pairs")
        name, value = pair
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: names and values must be str")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"header {name} cannot be set: {_OWN_HEADERS[name.lower()]}")
        if not _VALUE.fullmatch(value) or value != value.strip():
            raise ValueError(
                f"the value of header {name} cannot be sent: it holds line breaks, "
                "outer spaces or characters beyond latin-1"
            )
        earlier = joined.get(name.lower())
        if earlier is not None and name.lower() == REQUEST_ID.lower():
            raise ValueError(f"a call has one {REQUEST_ID}, not two")
        joined[name.lower()] = pair if earlier is None else (earlier[0], f"{earlier[1]}, {value}")
    return tuple(joined.values())


def parse_response(method: MethodInfo[Any, Response], content_type: str, body: bytes) -> Response:
    """Return the message of a complete answer with status 200.

    Raises:
        ValueError: it is no such message; the text says why.
    """
    if content_type.split(";")[0].strip().lower() != CONTENT_TYPE:
        raise ValueError(
            f"the answer's Content-Type is {_quoted(content_type)}, not {CONTENT_TYPE}"
        )
    try:
        return method.response_type.FromString(body)
    except DecodeError:
        raise ValueError(
            f"the answer is no {method.response_type.DESCRIPTOR.name} message"
        ) from None


def error_answer(status: int, headers: Mapping[str, str], body: bytes) -> ErrorAnswer:
    """Return what an answer with another status than 200 means.

    Args:
        status: the HTTP status.
        headers: the answer's headers, looked up by lower-case name.
        body: as much of the body as was read.
    """
    if 300 <= status <= 399:
        location = headers.get("location", "")
        return _intermediary(
            status,
            f"{_status_text(status)} redirects: use the server's own URL",
            "location",
            location,
        )
    error = _twirp_error(body)
    if error is None:
        return _intermediary(
            status,
            f"{_status_text(status)}, not written by the service"
            + (f": {_HINTS[status]}" if status in _HINTS else ""),
            "body",
            body.decode("utf-8", "replace"),
        )
    code, message, metadata = error
    try:
        return ErrorAnswer(StatusCode(code), message, metadata, from_service=True)
    except ValueError:
        return ErrorAnswer(
            StatusCode.INTERNAL,
            f"the service answered with a code that Twirp does not have: {_quoted(code)}",
            {"body": body.decode("utf-8", "replace")},
        )


def excerpt(text: str) -> str:
    """Return the beginning of a text that may be long."""
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."


def retry_after(value: Optional[str], now: datetime) -> Optional[float]:
    """Return the seconds that a Retry-After header asks to wait, None if it says nothing.

    Source: RFC 9110, section 10.2.3 (seconds, or a date).
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - now).total_seconds(), 0.0)


def _intermediary(status: int, message: str, detail: str, text: str) -> ErrorAnswer:
    if 300 <= status <= 399:
        code = StatusCode.INTERNAL
    else:
        code = _FROM_INTERMEDIARY.get(status, StatusCode.UNKNOWN)
    metadata = {
        "http_error_from_intermediary": "true",
        "status_code": str(status),
        detail: text,
    }
    return ErrorAnswer(code, message, metadata)


def _twirp_error(body: bytes) -> Optional[tuple[str, str, dict[str, str]]]:
    """Return code, message and metadata of a Twirp error object, None if the body is none.

    As in Go, null stands for no text, a lone surrogate becomes U+FFFD, and of a name that stands
    twice the last value counts.
    """
    try:
        # Pairs, so that no name is lost; a JSON array is a list, and no tuple.
        error = json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    if not isinstance(error, tuple):
        return None
    texts = {"code": "", "msg": ""}
    meta: dict[str, str] = {}
    for name, value in error:
        if name in texts and isinstance(value, str):
            texts[name] = _whole(value)
        elif name == "meta" and isinstance(value, tuple) and all(map(_is_pair_of_texts, value)):
            meta.update((_whole(key), _whole(text or "")) for key, text in value)
        elif name == "meta" and value is None:
            meta = {}
        elif name not in texts or value is not None:
            return None
    return (texts["code"], texts["msg"], meta) if texts["code"] else None


def _is_pair_of_texts(pair: tuple[str, Any]) -> bool:
    return isinstance(pair[1], (str, type(None)))


def _whole(text: str) -> str:
    """Return a text without lone surrogates, which cannot be written anywhere."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _quoted(text: str) -> str:
    """Return a text in quotes; a long one is left out, as its part may be a part of a secret."""
    return repr(text) if len(text) <= _LONGEST_QUOTE else "a long text"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")  # RFC 8259 has no NaN and no Infinity


def _status_text(status: int) -> str:
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"
