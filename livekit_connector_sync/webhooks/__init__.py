"""Webhooks of Meta, Twilio and LiveKit: bytes in, typed events out, no framework.

    from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio

    for event in meta.receive(body, headers.get("X-Hub-Signature-256"), app_secret):
        if isinstance(event, meta.CallConnect): ...

Each module's `receive` verifies the signature over the bytes as they came, then reads them. An
event keeps the payload that it was read from as `raw`, so nothing a provider adds is lost.
"""

from __future__ import annotations

from . import livekit, meta, twilio, twiml
from .errors import Reason, WebhookError

__all__ = ["Reason", "WebhookError", "livekit", "meta", "twilio", "twiml"]
