"""Checks a request before anything is sent."""

from __future__ import annotations

import re
from typing import Any, Callable, Optional

from google.protobuf.message import Message

from ..errors import InvalidArgument
from .method import MethodInfo

__all__ = ["FORMATS", "check_request"]


def _cloud_api_version(text: str) -> Optional[str]:
    if re.fullmatch(r"[0-9]+\.[0-9]+", text):
        return None
    bare = text.lstrip("vV")
    if re.fullmatch(r"[0-9]+\.[0-9]+", bare):
        return f'write "{bare}", without the leading "v"'
    return 'write a version such as "23.0"'


def _phone_number(text: str) -> Optional[str]:
    if re.fullmatch(r"[0-9]+", text):
        return None
    if text.startswith("+"):
        return 'write the country code and the number without the leading "+"'
    return "write the country code and the number in digits only"


FORMATS: dict[str, Callable[[str], Optional[str]]] = {
    "cloud_api_version": _cloud_api_version,
    "phone_number": _phone_number,
}
"""The formats that an overlay may name. Each returns what to write instead, or None."""


def check_request(method: MethodInfo[Any, Any], request: Message) -> None:
    """Check that the required fields of a request are set and well formed.

    Raises:
        InvalidArgument: a field is missing or malformed; `metadata["argument"]` names it, and
            nothing was sent.
    """
    for field in method.required:
        if _is_empty(request, field):
            raise _invalid(method, field, f"{field} is required by {method.name}")
    for field, enum_field, constant in method.required_unless:
        exempt = getattr(request, constant)
        if _is_empty(request, field) and getattr(request, enum_field) != exempt:
            unless = f"unless {enum_field} is {constant}"
            raise _invalid(method, field, f"{field} is required by {method.name} {unless}")
    for field, format_name in method.formats:
        text = getattr(request, field)
        remedy = FORMATS[format_name](text) if text else None
        if remedy is not None:
            raise _invalid(method, field, f"{field} is malformed: {remedy}")


def _is_empty(request: Message, field: str) -> bool:
    value = getattr(request, field)
    if isinstance(value, Message):
        return value.ByteSize() == 0
    if isinstance(value, (bool, int, float)):  # only one with presence can be required
        return not request.HasField(field)
    return not value


def _invalid(method: MethodInfo[Any, Any], field: str, message: str) -> InvalidArgument:
    return InvalidArgument(
        message, {"argument": field}, method=method.full_name, safe_to_retry=True
    )
