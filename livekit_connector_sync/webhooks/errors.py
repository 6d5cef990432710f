"""The error that a rejected webhook raises, and the checks of all providers that raise it."""

from __future__ import annotations

import enum
import hmac
from collections.abc import Iterable
from typing import Optional

from .arguments import check_text

__all__ = ["Reason", "WebhookError", "is_equal", "require_header", "require_match"]


class Reason(str, enum.Enum):
    """Why a webhook was rejected."""

    MISSING_SIGNATURE = "missing_signature"
    """The webhook is not signed."""
    MALFORMED_SIGNATURE = "malformed_signature"
    """The signature does not have the provider's format."""
    WRONG_SIGNATURE = "wrong_signature"
    """The signature does not match the body, the URL, and the secret."""
    UNKNOWN_KEY = "unknown_key"
    """The webhook is signed with an unknown API key."""
    EXPIRED = "expired"
    """The token has expired or is not valid yet."""
    WRONG_TOKEN = "wrong_token"
    """The verify token of the handshake does not match."""
    MALFORMED_BODY = "malformed_body"
    """The signature is right, but the body is not what the provider documents."""

    def __str__(self) -> str:
        return self.value


class WebhookError(ValueError):
    """A webhook was rejected.

    Args:
        reason: why. Only `Reason.MALFORMED_BODY` means that the provider did send the webhook.
        message: what is wrong, without secrets and without the body.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


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
