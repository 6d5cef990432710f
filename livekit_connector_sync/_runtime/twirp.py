"""Twirp over HTTP as pure functions: builds paths and headers, and parses responses.

Source: https://twitchtv.github.io/twirp/docs/spec_v7.html, and Twirp's Go client for what the
specification leaves open.
"""

from __future__ import annotations

import html
import http
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from google.protobuf.message import DecodeError

from ..errors import StatusCode
from .method import MethodInfo, Response
from .retry import Failure

CONTENT_TYPE = "application/protobuf"
REQUEST_ID = "X-Livekit-Request-Id"

_MAX_QUOTE = 60  # characters
_MAX_EXCERPT = 256  # characters of an intermediary's body that an error keeps
_MAX_PAGE = 20_000  # characters of a page that are searched for its first words
MAX_TEXT = 16_384  # characters of the service's message, and of each detail, that an error keeps
MAX_DETAILS = 64  # entries of an error's metadata

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, section 5.5
# The headers that a caller cannot set, and what to do instead.
_OWN_HEADERS = {
    "authorization": "give the channel other credentials",
    "proxy-.*": "use the proxies option",
    "accept-encoding|connection|content-(encoding|length|type)|expect|host|keep-alive|te|trailer"
    "|transfer-encoding|upgrade": "the transport sets it",
}

SIP_STATUS = "sip_status_code"
REGION_NOT_ALLOWED = 451  # the project is pinned to other regions
# With these HTTP statuses and Twirp codes, the service reports that it did nothing.
_NOTHING_DONE = (429, REGION_NOT_ALLOWED)
_NOTHING_DONE_CODES = ("unavailable", "resource_exhausted", "unauthenticated")
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
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}
_HINTS = {
    401: "check the API key and its secret",
    404: "only LiveKit Cloud runs the Connector, at the project's own URL",
    407: "check the proxy's user name and password",
    451: "the project is not allowed in this region",
}


def request_headers(token: str, metadata: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of a call: those of Twirp and those of the caller."""
    return {
        "Accept": CONTENT_TYPE,
        "Content-Type": CONTENT_TYPE,
        **dict(metadata),
        "Authorization": f"Bearer {token}",
    }


def join_metadata(metadata: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Check a caller's headers; join the values of repeated names (RFC 9110, section 5.2).

    Raises:
        ValueError: a name or value is malformed, or the client sets the header itself.
        TypeError: the headers are not pairs of strings.
    """
    joined: dict[str, tuple[str, str]] = {}
    for pair in metadata:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError("metadata must be (name, value) pairs")
        name, value = pair
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: names and values must be str")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        for own, remedy in _OWN_HEADERS.items():
            if re.fullmatch(own, name, re.IGNORECASE):
                raise ValueError(f"header {name} cannot be set: {remedy}")
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
    """Return the message of a complete response with status 200.

    Raises:
        ValueError: the body is not the RPC's response message; the text says why.
    """
    if content_type.split(";")[0].strip().lower() != CONTENT_TYPE:
        raise ValueError(
            f"the response's Content-Type is {_quote(content_type)}, not {CONTENT_TYPE}"
        )
    try:
        return method.response_type.FromString(body)
    except DecodeError:
        raise ValueError(
            f"the response is not a {method.response_type.DESCRIPTOR.name} message"
        ) from None


def parse_failure(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Failure:
    """Return the failure that a response with a status other than 200 means.

    The headers have names in lower case; `now` serves a Retry-After header that holds a date.
    """
    wait = retry_after(headers.get("retry-after"), now)
    error = None if 300 <= status <= 399 else _twirp_error(body)
    if error is None:
        return replace(_intermediary(status, headers, body), status=status, retry_after=wait)
    code, message, metadata = error
    try:
        known = StatusCode(code)
    except ValueError:
        known = StatusCode.INTERNAL
        message = f"the service returned an error code that Twirp does not have: {_quote(code)}"
        metadata = {"body": decode(body)}
        code = ""
    # A SIP status comes from the far end: a busy phone did ring, so that a retry rings it again.
    final = SIP_STATUS in metadata
    did_nothing = status in _NOTHING_DONE or code in _NOTHING_DONE_CODES
    return Failure(
        known,
        did_nothing=did_nothing and not final,
        retry_after=wait,
        final=final,
        message=message,
        metadata=metadata,
        status=status,
    )


def decode(body: bytes) -> str:
    """Return a body as text; replace bytes that are not UTF-8."""
    return body.decode("utf-8", "replace")


def excerpt(text: str, limit: int = _MAX_EXCERPT) -> str:
    """Return a text, or the beginning of a longer one."""
    return text if len(text) <= limit else f"{text[:limit]}..."


def page_words(page: str) -> str:
    """Return the first words of the text in an HTML page."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", page[:_MAX_PAGE])
    return excerpt(" ".join(html.unescape(text).split()), _MAX_QUOTE)


def retry_after(value: Optional[str], now: datetime) -> Optional[float]:
    """Return the seconds that a Retry-After header asks to wait; None if it is malformed.

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


def _intermediary(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return the failure for a response that a proxy or another intermediary sent."""
    text = f"HTTP {status} {_PHRASES.get(status, '')}".rstrip()
    if 300 <= status <= 399:
        code, detail = StatusCode.INTERNAL, {"location": headers.get("location", "")}
        text += (
            " redirects: use the URL of the server itself" if status != 304 else " is unexpected"
        )
    else:
        code = _FROM_INTERMEDIARY.get(status, StatusCode.UNKNOWN)
        detail = {"body": decode(body)}
        text += ", not written by the service"
        text += f": {_HINTS[status]}" if status in _HINTS else ""
    metadata = {"http_error_from_intermediary": "true", "status_code": str(status), **detail}
    return Failure(code, did_nothing=status in _NOTHING_DONE, message=text, metadata=metadata)


def _twirp_error(body: bytes) -> Optional[tuple[str, str, dict[str, str]]]:
    """Return code, message, and metadata of a Twirp error; None if the body is not one.

    As in Go, null means an empty text, a lone surrogate becomes U+FFFD, and the last value of a
    repeated name wins.
    """
    try:
        # Objects become tuples of pairs, which keep repeated names; arrays stay lists.
        error = json.loads(
            body.decode("utf-8"), parse_constant=_reject_constant, object_pairs_hook=tuple
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(error, tuple):
        return None
    texts = {"code": "", "msg": ""}
    meta: dict[str, str] = {}
    for name, value in error:
        if name in texts and isinstance(value, str):
            texts[name] = _replace_surrogates(value)
        elif name == "meta" and isinstance(value, tuple) and all(map(_is_pair_of_texts, value)):
            meta.update(
                (_replace_surrogates(key), _replace_surrogates(text or "")) for key, text in value
            )
        elif name == "meta" and value is None:
            meta = {}
        elif name not in texts or value is not None:
            return None
    return (texts["code"], texts["msg"], meta) if texts["code"] else None


def _is_pair_of_texts(pair: tuple[str, Any]) -> bool:
    return isinstance(pair[1], (str, type(None)))


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded, with U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _quote(text: str) -> str:
    """Quote a text, or return a placeholder: a shortened text might hold part of a secret."""
    return repr(text) if len(text) <= _MAX_QUOTE else "a long text"


def _reject_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")  # RFC 8259 has no NaN and no Infinity
