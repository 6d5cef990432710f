"""Faults on demand: the X-Lk-Mock header of LiveKit's test server, for the Connector's RPCs.

The header is a JSON object. The response depends only on the header, not on any call. The older
`X-Lk-Mock-*` headers work too.
Source: https://github.com/livekit/livekit/tree/master/cmd/test-server
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from google.protobuf import json_format
from google.protobuf.message import Message

from .._runtime.method import MethodInfo
from ..server import Response
from .http_server import json_response

__all__ = [
    "Directives",
    "mock_error",
    "mock_failure",
    "mock_message",
    "read_directives",
]

HEADER = "x-lk-mock"
REGION_HEADER = "X-Lk-Mock-Region"
_DEFAULT_DELAY = 30_000  # milliseconds, of the older "delay" fail mode
_MAX_DELAY = 3_600_000  # milliseconds

_CODES = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    429: "resource_exhausted",
}


@dataclass(frozen=True)
class Directives:
    """The fields of the header, without `sipStatus`, which only the SIP service uses."""

    fail_regions: tuple[int, ...]  # the indexes of the regions that fail the request
    fail_mode: str  # "status", "drop" (close the connection), or "delay" (older)
    fail_status: int
    fail_twirp_code: str  # "" to derive it from the status
    delay_ms: int  # before any response
    regions_status: int  # of GET /settings/regions
    response: Optional[dict[str, Any]]  # as protojson; None for a mock message
    skip_auth: bool  # accept any token, or none
    pinned_regions: tuple[str, ...]  # the regions that serve the project; empty for all
    old_delay_ms: int  # of the fail mode "delay"

    def delay(self, region: int) -> float:
        """Return the seconds to wait before a region responds."""
        old = self.fail_mode == "delay" and region in self.fail_regions
        return (self.delay_ms + (self.old_delay_ms if old else 0)) / 1000

    def is_served_by(self, region_name: str) -> bool:
        """Return whether a region serves the project."""
        return not self.pinned_regions or region_name in self.pinned_regions


def read_directives(headers: Mapping[str, str]) -> Optional[Directives]:
    """Read the mock headers of a request; return None if it has none.

    A field of the wrong type is ignored, as in LiveKit's server.
    """
    if not any(name.startswith(HEADER) for name in headers):
        return None
    old = _old_fields(headers)
    sources = _json_object(headers.get(HEADER, "")) or {}, old

    def given(key: str, kind: type, default: Any) -> Any:
        values = (source[key] for source in sources if isinstance(source.get(key), kind))
        return next(values, default)

    def status(key: str, default: int) -> int:
        values = (source.get(key) for source in sources)
        return next((v for v in values if isinstance(v, int) and 100 <= v <= 599), default)

    return Directives(
        fail_regions=tuple(i for i in given("failRegions", list, ()) if isinstance(i, int)),
        fail_mode=given("failMode", str, "status").lower(),
        fail_status=status("failStatus", 503),
        fail_twirp_code=given("failTwirpCode", str, ""),
        delay_ms=min(max(given("delayMs", int, 0), 0), _MAX_DELAY),
        regions_status=status("regionsStatus", 200),
        response=given("response", dict, None),
        skip_auth=given("skipAuth", bool, False),
        pinned_regions=tuple(n for n in given("pinnedRegions", list, ()) if isinstance(n, str)),
        old_delay_ms=old["oldDelayMs"],
    )


def mock_failure(directives: Directives) -> Response:
    """Return the response of a region that fails the request."""
    status = directives.fail_status
    default = "unavailable" if status >= 500 else "internal"
    code = directives.fail_twirp_code or _CODES.get(status, default)
    return mock_error(status, code, f"mock failure (status {status})")


def mock_error(status: int, code: str, message: str) -> Response:
    """Return a Twirp error with any status; its region header is empty."""
    return json_response(status, {"code": code, "msg": message}, **{REGION_HEADER: ""})


def mock_message(directives: Directives, method: MethodInfo[Any, Any], request: Message) -> Message:
    """Return the response message: the header's, or else a mock message.

    A mock message copies the request's fields of the same name and type, and has placeholders for
    ids, such as "MOCK_WHATSAPP_CALL_ID".
    """
    if directives.response is not None:
        with contextlib.suppress(json_format.ParseError):
            message: Message = method.response_type()
            return json_format.ParseDict(directives.response, message, ignore_unknown_fields=True)
    message = method.response_type()
    given = {field.name: (field, value) for field, value in request.ListFields()}
    for field in message.DESCRIPTOR.fields:
        same, value = given.get(field.name, (None, None))
        if same is not None and same.type == field.type and isinstance(value, (str, int, float)):
            setattr(message, field.name, value)
        elif field.type == field.TYPE_STRING and field.name.split("_")[-1] in ("id", "sid"):
            setattr(message, field.name, f"MOCK_{field.name.upper()}")
    return message


def _old_fields(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the older headers, under the keys of the JSON object; None if absent."""

    def text(name: str) -> str:
        return headers.get(f"{HEADER}-{name}", "").strip()

    def number(name: str, default: Optional[int] = None) -> Optional[int]:
        digits = text(name)[:9]
        return int(digits) if digits.isdecimal() else default

    regions = text("fail-regions").split(",")
    return {
        "failRegions": [int(part) for part in regions if part.strip().isdecimal()],
        "failMode": text("fail-mode") or None,
        "failStatus": number("fail-status"),
        "failTwirpCode": text("fail-twirp-code"),
        "regionsStatus": number("regions-status"),
        "response": _json_object(text("response")),
        "skipAuth": text("skip-auth").lower() == "true",
        "oldDelayMs": number("delay-ms", _DEFAULT_DELAY),
    }


def _json_object(text: str) -> Optional[dict[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
