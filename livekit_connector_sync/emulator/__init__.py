"""An emulator of LiveKit's Connector API with Meta's and Twilio's side, on loopback.

    with ConnectorEmulator() as emulator:
        client = ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret)

In a terminal: `python -m livekit_connector_sync.emulator`.
"""

from __future__ import annotations

from .calls import Call
from .clock import Clock
from .emulator import DEFAULT_API_SECRET, ConnectorEmulator
from .journal import RecordedRequest
from .lifecycle import Direction, Event, Provider, State, Timeouts
from .livekit import LiveKitWebhooks
from .meta import MetaWebhooks
from .outbox import Delivery
from .refusals import META_ERRORS, Callee, MetaError
from .twilio import TwilioReply, TwilioWebhooks

__all__ = [
    "DEFAULT_API_SECRET",
    "META_ERRORS",
    "Call",
    "Callee",
    "Clock",
    "ConnectorEmulator",
    "Delivery",
    "Direction",
    "Event",
    "LiveKitWebhooks",
    "MetaError",
    "MetaWebhooks",
    "Provider",
    "RecordedRequest",
    "State",
    "Timeouts",
    "TwilioReply",
    "TwilioWebhooks",
]
