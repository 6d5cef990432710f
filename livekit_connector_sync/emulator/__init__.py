"""An emulator of LiveKit's Connector API, Meta, and Twilio on this machine.

    with ConnectorEmulator() as emulator:
        client = ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret)

In a terminal, run `python -m livekit_connector_sync.emulator`.

Where to add something:

- an RPC of the Connector: `connector`
- an HTTP endpoint: a module with a `respond` method, listed in the routes of `emulator`
- a webhook: the `webhooks` method of `meta` or `livekit`, or `status_webhooks` of `twilio`
- an event or a state of a call: `lifecycle`
- a strict check of HTTP: `http_server`
"""

from __future__ import annotations

from .calls import Call
from .emulator import DEFAULT_API_SECRET, ConnectorEmulator
from .hub import Clock
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
