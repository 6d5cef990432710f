"""The error that a rejected webhook raises."""

from __future__ import annotations

import enum

__all__ = ["Reason", "WebhookError"]


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
