"""The webhook views: each verifies a request, parses its events, and sends their signals.

The status codes make providers retry only the events that we have not handled:

- 403: the signature is missing or wrong.
- 200: everything else that the provider sent, including duplicates, events that are too late,
  malformed bodies, and events whose receiver failed. Each of these is logged.
- 411: the body is chunked, and the server does not pass it on.
- 503: a receiver raised RetryLater, so the provider should deliver the event again.
- Twilio's voice webhook always gets TwiML: the caller joins the room or hears an apology.

Subclass a view to change what it does, or pass its attributes to `as_view`.
"""

from __future__ import annotations

from .base import WebhookView
from .livekit import LiveKitWebhookView
from .meta import MetaWebhookView
from .twilio import TwilioCallView, TwilioStatusView, TwilioView, TwilioVoiceView

__all__ = [
    "LiveKitWebhookView",
    "MetaWebhookView",
    "TwilioCallView",
    "TwilioStatusView",
    "TwilioView",
    "TwilioVoiceView",
    "WebhookView",
]
