"""Verify and parse webhooks from Meta, Twilio, and LiveKit, without a web framework.

    from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio

    for event in meta.receive(body, headers.get("X-Hub-Signature-256"), app_secret):
        if isinstance(event, meta.CallConnect): ...

Each module's `receive` verifies the signature over the unchanged body, then parses it. Every event
keeps its payload as `raw`, so fields that a provider adds later are not lost.
"""

from __future__ import annotations

from . import livekit, meta, twilio, twiml
from .errors import Reason, WebhookError

__all__ = ["Reason", "WebhookError", "livekit", "meta", "twilio", "twiml"]
