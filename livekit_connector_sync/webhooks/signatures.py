"""Helpers for the signature checks of all providers."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Optional

from .arguments import check_text
from .errors import Reason, WebhookError


def require_header(name: str, value: Optional[str]) -> str:
    """Return a header; raise WebhookError if it is missing or empty."""
    check_text(f"the {name} header", value, optional=True)
    if not value:
        raise WebhookError(Reason.MISSING_SIGNATURE, f"the {name} header is missing or empty")
    return value


def require_match(
    expected: Iterable[str], signature: str, message: str, reason: Reason = Reason.WRONG_SIGNATURE
) -> None:
    """Raise WebhookError with the message if no expected text is the one that came."""
    if not any(is_equal(each, signature) for each in expected):
        raise WebhookError(reason, message)


def is_equal(expected: str, received: str) -> bool:
    """Compare texts in constant time, so that the duration doesn't reveal the expected one."""
    return hmac.compare_digest(expected.encode(), received.encode("utf-8", "replace"))
