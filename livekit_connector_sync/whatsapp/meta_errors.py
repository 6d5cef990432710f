"""Meta's errors, read from Graph's JSON and from the text that LiveKit puts around them.

Source: https://developers.facebook.com/docs/graph-api/guides/error-handling,
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .._runtime import fields
from ..errors import StatusCode

__all__ = ["GRAPH_ERROR", "MetaError", "meta_error", "parse_document", "status_code_of"]

GRAPH_ERROR = "graph_error"
"""The entry of an error's metadata in which CallingClient keeps Graph's response."""

_MAX_TEXT = 16_384  # characters of a message that are searched
_MAX_OBJECTS = 50  # places in a message where a JSON object may begin
_MAX_CODE = 10**9

_STATUS_CODES: Mapping[int, StatusCode] = {
    **dict.fromkeys((0, 102, 190), StatusCode.UNAUTHENTICATED),
    **dict.fromkeys((3, 10, *range(200, 300)), StatusCode.PERMISSION_DENIED),
    **dict.fromkeys(
        (4, 17, 341, 613, 80007, 80008, 130429, 131048, 131056, 138002, 138005, 138009, 138012),
        StatusCode.RESOURCE_EXHAUSTED,
    ),
    **dict.fromkeys((1, 2, 131000, 131016, 138004), StatusCode.UNAVAILABLE),
    **dict.fromkeys((100, 131009), StatusCode.INVALID_ARGUMENT),
    138017: StatusCode.ALREADY_EXISTS,
}
_LASTING = (131048, 138009, 138012)  # limits that a retry does not outlast

_GAP = r"[\s\"'\\:=#(]{1,6}"  # between a name and its value
_NUMBERED = re.compile(r"\(#([0-9]{1,9})\)")
_NAMED = re.compile(rf"(?<!status )(?<!http )\bcode{_GAP}([0-9]{{1,9}})(?![\w.])", re.IGNORECASE)
# The codes of WhatsApp's own.
_BARE = re.compile(r"(?<![\w.+#-])(?:code[ :=]+)?(13[018][0-9]{3})(?![\w-])", re.IGNORECASE)
_TRACE = re.compile(rf"(?:fb)?trace[_ ]?id{_GAP}([\w-]{{1,64}})", re.IGNORECASE | re.ASCII)
_SUBCODE = re.compile(rf"sub_?code{_GAP}([0-9]{{1,9}})(?!\w)", re.IGNORECASE)
_MESSAGE = re.compile(r"""["']message\\?["']\s*:\s*\\?(["'])((?:(?!\1).)*)""", re.DOTALL)
_META = re.compile(r"fbtrace|whatsapp|facebook|OAuthException|\bmeta\b|\bgraph\b", re.IGNORECASE)
_META_FIELDS = ("fbtrace_id", "error_data", "error_subcode", "title")


@dataclass(frozen=True)
class MetaError:
    """An error of Meta's Graph API.

    Args:
        code: Meta's code, such as 138006; the documentation advises to decide by it alone.
        subcode: Meta's subcode; None if there is none.
        message: Meta's text, without the code.
        details: what exactly is wrong; "" if Meta does not say.
        trace_id: Meta's fbtrace_id, for its support; "" if it is unknown.
        retryable: a hint: True if the same request can succeed later, False if Meta marks the error
            as permanent, None if it is unknown.
    """

    code: int
    subcode: Optional[int] = None
    message: str = ""
    details: str = ""
    trace_id: str = ""
    retryable: Optional[bool] = None


def meta_error(error: object) -> Optional[MetaError]:
    """Return Meta's error in a failed call; None if Meta did not cause the failure.

    Reads the errors of CallingClient, and those in whose message LiveKit forwards Meta's text,
    whatever is around it: the text with its code, "(#138006) ...", or Graph's JSON, whole or cut.
    Never raises.

    Args:
        error: what a call raised; of other objects the result is None.
    """
    if not isinstance(error, BaseException):
        return None
    metadata = getattr(error, "metadata", None)
    kept = metadata.get(GRAPH_ERROR) if isinstance(metadata, dict) else None
    for text in (kept, getattr(error, "message", None)):
        found = _parse_text(text[:_MAX_TEXT]) if isinstance(text, str) else None
        if found is not None:
            return found
    return None


def parse_document(document: object) -> Optional[MetaError]:
    """Return the error in a JSON document that Meta wrote, None if it has none."""
    for error in (fields.mapping(document, "error"), *fields.mappings(document, "errors")):
        found = _parse_object(error)
        if found is not None:
            return found
    # Other services write objects with a code too.
    if isinstance(document, dict) and not document.keys().isdisjoint(_META_FIELDS):
        return _parse_object(document)
    return None


def status_code_of(error: MetaError, status: int) -> StatusCode:
    """Return the Twirp code of an error that came with an HTTP status."""
    known = _STATUS_CODES.get(error.code)
    if known is not None:
        return known
    if 138_000 <= error.code < 139_000:
        return StatusCode.FAILED_PRECONDITION
    if error.retryable or status >= 500:
        return StatusCode.UNAVAILABLE
    return {
        401: StatusCode.UNAUTHENTICATED,
        403: StatusCode.PERMISSION_DENIED,
        404: StatusCode.NOT_FOUND,
        429: StatusCode.RESOURCE_EXHAUSTED,
    }.get(status, StatusCode.INVALID_ARGUMENT)


def _parse_object(error: Mapping[str, Any]) -> Optional[MetaError]:
    code = fields.number(error, "code")
    if code is None or not 0 <= code < _MAX_CODE:
        return None
    message = fields.text(error, "message") or fields.text(error, "title")
    details = fields.text(error, "error_data", "details") or fields.text(error, "error_data")
    transient = error.get("is_transient")
    return MetaError(
        code,
        fields.number(error, "error_subcode"),
        _NUMBERED.sub("", message, 1).strip(),
        details,
        fields.text(error, "fbtrace_id"),
        transient if isinstance(transient, bool) else _retryable(code),
    )


def _parse_text(text: str) -> Optional[MetaError]:
    trace = _TRACE.search(text)
    for document in _documents(text):
        found = parse_document(document)
        if found is not None:
            return found
    named = _NAMED.search(text) if _META.search(text) else None
    match = _NUMBERED.search(text) or named or _BARE.search(text)
    if match is None:
        return None
    code = int(match[1])
    subcode = _SUBCODE.search(text)
    return MetaError(
        code,
        int(subcode[1]) if subcode else None,
        _message_in(text, match, trace.start() if trace else len(text)),
        trace_id=trace[1] if trace else "",
        retryable=_retryable(code),
    )


def _message_in(text: str, code: re.Match[str], end: int) -> str:
    """Return Meta's words in a text: those named so, those after the code, or those before it."""
    named = _MESSAGE.search(text)
    if named is not None:
        return _NUMBERED.sub("", named[2], 1).strip(" \\")
    after = re.sub(r"^\W*(?:message\b)?\W*", "", text[code.end() : max(end, code.end())])
    return (after or text[: code.start()]).strip().rstrip(" ,;:-([{\"'\\")


def _documents(text: str) -> Iterator[object]:
    """Yield the JSON objects in a text, those inside others too."""
    decoder = json.JSONDecoder()
    unquoted = re.sub(r"\\([\\\"])", r"\1", text)  # from Go's %q, or from JSON in JSON
    for form in (text,) if unquoted == text else (text, unquoted):
        for brace in itertools.islice(re.finditer("{", form), _MAX_OBJECTS):
            with contextlib.suppress(ValueError, RecursionError):
                yield decoder.raw_decode(form, brace.start())[0]


def _retryable(code: int) -> Optional[bool]:
    # For 138002, 138004, and 138005 this is our reading of Meta's descriptions.
    passing = (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE)
    retryable = _STATUS_CODES.get(code) in passing and code not in _LASTING
    return True if retryable else None
