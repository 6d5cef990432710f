"""Faults on demand: the X-Lk-Mock header of LiveKit's test server, for the Connector's RPCs.

The header is a JSON object. The response depends only on the header, not on any call. The older
`X-Lk-Mock-*` headers work too.
Source: https://github.com/livekit/livekit/tree/master/cmd/test-server
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from google.protobuf import json_format
from google.protobuf.message import Message

from .._runtime.method import MethodInfo
from ..server import Response

__all__ = [
    "Directives",
    "mock_error",
    "mock_failure",
    "mock_message",
    "pinned_elsewhere",
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

    fail_regions: tuple[int, ...] = ()  # the indexes of the regions that fail the request
    fail_mode: str = "status"  # "status", "drop" (close the connection), or "delay" (older)
    fail_status: int = 503
    fail_twirp_code: str = ""  # "" to derive it from the status
    delay_ms: int = 0  # before any response
    regions_status: int = 200  # of GET /settings/regions
    response: Optional[dict[str, Any]] = None  # as protojson; None for a mock message
    skip_auth: bool = False  # accept any token, or none
    pinned_regions: tuple[str, ...] = ()  # the regions that serve the project; empty for all
    old_delay_ms: int = _DEFAULT_DELAY  # of the fail mode "delay"

    def delay(self, region: int) -> float:
        """Return the seconds to wait before a region responds."""
        old = self.fail_mode == "delay" and region in self.fail_regions
        return (self.delay_ms + (self.old_delay_ms if old else 0)) / 1000

    def is_served_by(self, region_name: str) -> bool:
        """Return whether a region serves the project."""
        return not self.pinned_regions or region_name in self.pinned_regions


def read_directives(headers: Mapping[str, str]) -> Optional[Directives]:
    """Read the mock headers of a request; return None if it has none.

    Args:
        headers: the request's headers, with names in lower case.
    """
    if not any(name.startswith(HEADER) for name in headers):
        return None
    return _overlay(_from_old_headers(headers), headers.get(HEADER, ""))


def mock_failure(directives: Directives) -> Response:
    """Return the response of a region that fails the request."""
    status = directives.fail_status
    default = "unavailable" if status >= 500 else "internal"
    code = directives.fail_twirp_code or _CODES.get(status, default)
    return mock_error(status, code, f"mock failure (status {status})")


def mock_error(status: int, code: str, message: str) -> Response:
    """Return a Twirp error with any status; its region header is empty."""
    body = json.dumps({"code": code, "msg": message}).encode("utf-8")
    return Response(status, {"Content-Type": "application/json", REGION_HEADER: ""}, body)


def pinned_elsewhere() -> Response:
    """Return the response of a region that does not serve the project."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return Response(451, headers, b"project not allowed in this region.")


def mock_message(directives: Directives, method: MethodInfo[Any, Any], request: Message) -> Message:
    """Return the response message: the header's, or else a mock message.

    A mock message copies the request's fields of the same name and type, and has placeholders for
    ids, such as "MOCK_WHATSAPP_CALL_ID".
    """
    if directives.response is not None:
        message: Message = method.response_type()
        try:
            json_format.ParseDict(directives.response, message, ignore_unknown_fields=True)
            return message
        except json_format.ParseError:
            pass
    message = method.response_type()
    given = {field.name: (field, value) for field, value in request.ListFields()}
    for field in message.DESCRIPTOR.fields:
        same, value = given.get(field.name, (None, None))
        if same is not None and same.type == field.type and isinstance(value, (str, int, float)):
            setattr(message, field.name, value)
        elif field.type == field.TYPE_STRING and field.name.split("_")[-1] in ("id", "sid"):
            setattr(message, field.name, f"MOCK_{field.name.upper()}")
    return message


def _from_old_headers(headers: Mapping[str, str]) -> Directives:
    def text(name: str) -> str:
        return headers.get(f"{HEADER}-{name}", "").strip()

    def number(name: str, default: int) -> int:
        digits = text(name)[:9]
        return int(digits) if digits.isdecimal() else default

    regions = text("fail-regions").split(",")
    return Directives(
        fail_regions=tuple(int(part) for part in regions if part.strip().isdecimal()),
        fail_mode=text("fail-mode").lower() or "status",
        fail_status=_status(number("fail-status", 0), 503),
        fail_twirp_code=text("fail-twirp-code"),
        regions_status=_status(number("regions-status", 0), 200),
        response=_json_object(text("response")),
        skip_auth=text("skip-auth").lower() == "true",
        old_delay_ms=number("delay-ms", _DEFAULT_DELAY),
    )


def _overlay(directives: Directives, header: str) -> Directives:
    """Override directives with the fields of the JSON header.

    A field of the wrong type is ignored, as in LiveKit's server.
    """
    given = _json_object(header) or {}
    fields: dict[str, Any] = {}
    for key, name, types in (
        ("failMode", "fail_mode", str),
        ("failTwirpCode", "fail_twirp_code", str),
        ("skipAuth", "skip_auth", bool),
        ("delayMs", "delay_ms", int),
        ("response", "response", dict),
    ):
        if isinstance(given.get(key), types):
            fields[name] = given[key]
    if "fail_mode" in fields:
        fields["fail_mode"] = fields["fail_mode"].lower()
    delay = fields.get("delay_ms", directives.delay_ms)
    fields["delay_ms"] = min(max(delay, 0), _MAX_DELAY)
    for key, name, default in (
        ("failStatus", "fail_status", directives.fail_status),
        ("regionsStatus", "regions_status", directives.regions_status),
    ):
        fields[name] = _status(given.get(key), default)
    for key, name, item in (
        ("failRegions", "fail_regions", int),
        ("pinnedRegions", "pinned_regions", str),
    ):
        if isinstance(given.get(key), list):
            fields[name] = tuple(value for value in given[key] if isinstance(value, item))
    return replace(directives, **fields)


def _status(value: object, default: int) -> int:
    return value if isinstance(value, int) and 100 <= value <= 599 else default


def _json_object(text: str) -> Optional[dict[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
