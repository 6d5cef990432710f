"""What is raised when a webhook cannot be taken."""

from __future__ import annotations

import enum

__all__ = ["Reason", "WebhookError"]


class Reason(str, enum.Enum):
    """Why a webhook was refused."""

    MISSING_SIGNATURE = "missing_signature"
    """It is not signed."""
    MALFORMED_SIGNATURE = "malformed_signature"
    """The signature is not in the provider's form."""
    WRONG_SIGNATURE = "wrong_signature"
    """The signature is not of this body, URL and secret."""
    UNKNOWN_KEY = "unknown_key"
    """It is signed with a key that nobody gave the secret of."""
    EXPIRED = "expired"
    """Its token has expired, or is not valid yet."""
    WRONG_TOKEN = "wrong_token"
    """The handshake does not bring the verify token."""
    MALFORMED_BODY = "malformed_body"
    """The signature is right, and the body is not what the provider documents."""

    def __str__(self) -> str:
        return self.value


class WebhookError(ValueError):
    """A webhook cannot be taken.

    Args:
        reason: why; `Reason.MALFORMED_BODY` alone means that the provider did send it.
        message: what is wrong, without secrets and without the body.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message
