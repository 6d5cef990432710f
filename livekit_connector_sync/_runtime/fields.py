"""Reads JSON from providers leniently: a missing or mistyped field reads as an empty value.

A path names a field, or a field of nested objects: `text(value, "metadata", "phone_number_id")`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Any, Optional

_MAX_TIMESTAMP = 253_402_300_799  # the end of the year 9999, where datetime ends


def text(document: object, *path: str) -> str:
    """Return text, a whole number as text, or the first text of a list."""
    return _to_text(_get(document, path))


def texts(document: object, *path: str) -> tuple[str, ...]:
    """Return the items of a list as texts."""
    return tuple(map(_to_text, _get_list(document, path)))


def text_mapping(document: object, *path: str) -> dict[str, str]:
    """Return an object with its values as texts."""
    return {_to_text(key): _to_text(value) for key, value in mapping(document, *path).items()}


def mapping(document: object, *path: str) -> dict[str, Any]:
    """Return an object."""
    value = _get(document, path)
    return value if isinstance(value, dict) else {}


def mappings(document: object, *path: str) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [item for item in _get_list(document, path) if isinstance(item, dict)]


def number(document: object, *path: str) -> Optional[int]:
    """Return a 64-bit whole number."""
    return _to_number(_get(document, path))


def time(document: object, *path: str) -> Optional[datetime]:
    """Return seconds since 1970 as a time in UTC."""
    seconds = number(document, *path) or 0  # protobuf's JSON mapping writes an unset time as 0
    return datetime.fromtimestamp(seconds, timezone.utc) if 0 < seconds <= _MAX_TIMESTAMP else None


def write_text(value: object) -> str:
    """Return text unchanged, None as an empty text, and other values as JSON."""
    return "" if value is None else _to_text(value) if isinstance(value, str) else json.dumps(value)


def digest(document: object) -> str:
    """Return a hash of a JSON document, the same for every order of its names."""
    content = json.dumps(document, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _get(value: object, path: tuple[str, ...]) -> object:
    """Return the field at a path; protobuf's JSON mapping also allows snake_case names."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value[name] if name in value else value.get(_snake_case(name))
    return value


def _get_list(document: object, path: tuple[str, ...]) -> list[Any]:
    value = _get(document, path)
    return value if isinstance(value, list) else []


@functools.cache
def _snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _to_text(value: object) -> str:
    if isinstance(value, str):
        # JSON can hold lone surrogates, which neither protobuf nor a database accepts.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return _to_text(value[0]) if value and not isinstance(value[0], list) else ""
    if isinstance(value, int):
        whole = _to_number(value)
        return "" if whole is None else str(whole)
    return ""


def _to_number(value: object) -> Optional[int]:
    # protobuf's JSON mapping writes int64 as text.
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]+)?", value):
        value = int(value.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if -(2**63) <= value < 2**63 else None  # not NaN and infinity either
