"""Checks the bodies, headers, and secrets that callers pass. Errors say what to pass instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional, Union

__all__ = ["Body", "Secrets", "check_text", "read_body", "read_secrets"]

Body = Union[bytes, bytearray, memoryview, str]
"""A request's body; text is encoded in UTF-8."""
Secrets = Union[str, Iterable[str]]
"""A secret, or several while you replace an old secret with a new one."""


def read_body(body: Body) -> bytes:
    """Return a request's body as bytes; raise TypeError if it is neither bytes nor text."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    raise TypeError(
        "body must be the request's unchanged body as bytes or str, from before it was parsed, "
        f"not {type(body).__name__}"
    )


def check_text(name: str, value: Optional[str], *, optional: bool = False) -> None:
    """Raise TypeError if an argument is not text."""
    if not (isinstance(value, str) or (optional and value is None)):
        hint = ": decode() it" if isinstance(value, (bytes, bytearray)) else ""
        raise TypeError(f"{name} must be a str, not {type(value).__name__}{hint}")


def read_secrets(name: str, secrets: Secrets) -> list[str]:
    """Return one or several secrets as a list. No error text quotes a secret.

    Raises:
        TypeError: it is neither text nor an iterable of texts.
        ValueError: there is no secret, one is empty, or one has white space around it.
    """
    found: list[str] = [secrets]  # type: ignore[list-item]
    if isinstance(secrets, Iterable) and not isinstance(secrets, (str, bytes, bytearray, Mapping)):
        found = list(secrets)
    for secret in found:
        check_text(name, secret)
    if not all(found) or not found:
        raise ValueError(f"{name} must not be empty: an empty secret protects nothing")
    if any(secret != secret.strip() for secret in found):
        raise ValueError(f"{name} begins or ends with white space: strip() it")
    return found
