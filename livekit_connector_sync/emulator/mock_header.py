"""Faults on demand: the control header of LiveKit's own test server, for Connector's RPCs.

A request that carries `X-Lk-Mock` (a JSON object), or one of the older `X-Lk-Mock-*` headers, is
answered as that server answers: from the header alone, whatever calls there are.
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

__all__ = ["Directives", "directives_of", "failure", "mock_message", "turned_away"]

HEADER = "x-lk-mock"
REGION_HEADER = "X-Lk-Mock-Region"
_DEFAULT_DELAY = 30_000  # milliseconds, of the old "delay" fail mode
_LONGEST_DELAY = 3_600_000  # milliseconds

_CODES = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    429: "resource_exhausted",
}


@dataclass(frozen=True)
class Directives:
    """What the header asks for. `sipStatus` is left out: it concerns the SIP service only.

    Args:
        fail_regions: regions, by index, that fail the request.
        fail_mode: how: "status", "drop" (close the connection) or "delay" (old: wait first).
        fail_status: the HTTP status of a failure.
        fail_twirp_code: the Twirp code of a failure; empty for the one that goes with the status.
        delay_ms: milliseconds to wait before any answer.
        regions_status: the HTTP status of GET /settings/regions.
        response: the response message as protojson, in place of the made-up one.
        skip_auth: True to accept any token, or none.
        pinned_regions: names of the regions that serve the project; empty for all.
        old_delay_ms: milliseconds that the fail mode "delay" waits.
    """

    fail_regions: tuple[int, ...] = ()
    fail_mode: str = "status"
    fail_status: int = 503
    fail_twirp_code: str = ""
    delay_ms: int = 0
    regions_status: int = 200
    response: Optional[dict[str, Any]] = None
    skip_auth: bool = False
    pinned_regions: tuple[str, ...] = ()
    old_delay_ms: int = _DEFAULT_DELAY

    def seconds_to_wait(self, region: int) -> float:
        """Return the seconds to wait before a region answers."""
        old = self.fail_mode == "delay" and region in self.fail_regions
        return (self.delay_ms + (self.old_delay_ms if old else 0)) / 1000

    def serves(self, region_name: str) -> bool:
        """Return whether the project is allowed in a region."""
        return not self.pinned_regions or region_name in self.pinned_regions


def directives_of(headers: Mapping[str, str]) -> Optional[Directives]:
    """Return what a request's control headers ask for, None if it has none.

    Args:
        headers: the request's headers, names in lower case.
    """
    if not any(name.startswith(HEADER) for name in headers):
        return None
    return _overlay(_from_old_headers(headers), headers.get(HEADER, ""))


def failure(directives: Directives, region: int) -> Optional[Response]:
    """Return the answer with which a region fails; None if it does not fail."""
    if region not in directives.fail_regions:
        return None
    status = directives.fail_status
    default = "unavailable" if status >= 500 else "internal"
    code = directives.fail_twirp_code or _CODES.get(status, default)
    return error(status, code, f"mock failure (status {status})")


def error(status: int, code: str, message: str) -> Response:
    """Return a Twirp error with a status of its own; its region header is empty."""
    body = json.dumps({"code": code, "msg": message}).encode("utf-8")
    return Response(status, {"Content-Type": "application/json", REGION_HEADER: ""}, body)


def turned_away() -> Response:
    """Return the answer of a region in which the project is not allowed."""
    return Response(
        451,
        {"Content-Type": "text/plain; charset=utf-8"},
        b"project not allowed in this region.",
    )


def mock_message(directives: Directives, method: MethodInfo[Any, Any], request: Message) -> Message:
    """Return the response message: the header's, or one made up from the request.

    A made-up one repeats the request's fields of the same name and type, and has placeholders
    for ids: "MOCK_WHATSAPP_CALL_ID".
    """
    if directives.response is not None:
        message: Message = method.response_type()
        try:
            json_format.ParseDict(directives.response, message, ignore_unknown_fields=True)
            return message
        except json_format.ParseError:
            pass
    message = method.response_type()
    asked = {field.name: (field, value) for field, value in request.ListFields()}
    for field in message.DESCRIPTOR.fields:
        same, value = asked.get(field.name, (None, None))
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
    """Return directives with the fields of the JSON header put over them.

    A field of the wrong type is left as it was, as in LiveKit's server.
    """
    asked = _json_object(header) or {}
    fields: dict[str, Any] = {}
    for key, name, types in (
        ("failMode", "fail_mode", str),
        ("failTwirpCode", "fail_twirp_code", str),
        ("skipAuth", "skip_auth", bool),
        ("delayMs", "delay_ms", int),
        ("response", "response", dict),
    ):
        if isinstance(asked.get(key), types):
            fields[name] = asked[key]
    if "fail_mode" in fields:
        fields["fail_mode"] = fields["fail_mode"].lower()
    delay = fields.get("delay_ms", directives.delay_ms)
    fields["delay_ms"] = min(max(delay, 0), _LONGEST_DELAY)
    for key, name, default in (
        ("failStatus", "fail_status", directives.fail_status),
        ("regionsStatus", "regions_status", directives.regions_status),
    ):
        fields[name] = _status(asked.get(key), default)
    for key, name, item in (
        ("failRegions", "fail_regions", int),
        ("pinnedRegions", "pinned_regions", str),
    ):
        if isinstance(asked.get(key), list):
            fields[name] = tuple(value for value in asked[key] if isinstance(value, item))
    return replace(directives, **fields)


def _status(value: object, default: int) -> int:
    return value if isinstance(value, int) and 100 <= value <= 599 else default


def _json_object(text: str) -> Optional[dict[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
