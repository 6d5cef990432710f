"""The parts that the providers' signature checks share."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from typing import Optional

from .errors import Reason, WebhookError


def require_secrets(name: str, secrets: Collection[str]) -> None:
    """Raise ValueError if the argument `name` holds no secret or an empty one."""
    if not secrets or not all(secrets):
        raise ValueError(f"{name} must not be empty: anybody could sign with an empty secret")


def require_header(name: str, value: Optional[str]) -> str:
    """Return a header; raise WebhookError if it is missing or empty."""
    if not value:
        raise WebhookError(Reason.MISSING_SIGNATURE, f"the {name} header is missing or empty")
    return value


def require_match(expected: Iterable[str], signature: str, message: str) -> None:
    """Raise WebhookError with the message if no expected signature is the one that came."""
    if not any(is_equal(each, signature) for each in expected):
        raise WebhookError(Reason.WRONG_SIGNATURE, message)


def is_equal(expected: str, received: str) -> bool:
    """Compare texts in constant time, so that the time tells nothing about the expected one."""
    return hmac.compare_digest(expected.encode(), received.encode("utf-8", "replace"))
