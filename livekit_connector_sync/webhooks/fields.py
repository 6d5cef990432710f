"""Reads documents that others wrote: what is missing or of a wrong type becomes an empty value."""

from __future__ import annotations

import hmac
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from .errors import Reason, WebhookError

__all__ = [
    "equal_in_constant_time",
    "json_object",
    "mapping",
    "mappings",
    "number",
    "text",
    "texts",
    "time",
]

_LATEST = 253_402_300_799  # the end of the year 9999, where datetime ends


def equal_in_constant_time(ours: str, theirs: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace"))


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        WebhookError: it is not one.
    """
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WebhookError(Reason.MALFORMED_BODY, "the body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise WebhookError(Reason.MALFORMED_BODY, "the body is not a JSON object")
    return document


def mapping(value: object) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text, a whole number as one, the first text of a list; else an empty one."""
    if isinstance(value, list):
        return text(value[0]) if value and not isinstance(value[0], list) else ""
    if isinstance(value, int) and not isinstance(value, bool):
        whole = number(value)
        return "" if whole is None else str(whole)
    # JSON can hold lone surrogates, which neither protobuf nor a database takes.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def number(value: object) -> Optional[int]:
    """Return a whole number, also where it is written as a text, as protojson writes int64."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]+)?", value):
        value = int(value.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if -(2**63) <= value < 2**63 else None


def time(value: object) -> Optional[datetime]:
    """Return the time that seconds since 1970 mean, in UTC."""
    seconds = number(value)
    if not seconds or not 0 < seconds <= _LATEST:  # protojson writes an unset time as 0
        return None
    return datetime.fromtimestamp(seconds, timezone.utc)


def texts(value: object) -> Mapping[str, str]:
    """Return an object of texts."""
    return {text(name): text(item) for name, item in mapping(value).items()}
