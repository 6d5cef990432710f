"""Celery tasks for the Connector's RPCs; each dial runs at most once, even if it is redelivered.

    app.conf.imports = ["livekit_connector_sync.contrib.celery"]

    from livekit_connector_sync.contrib.celery import dial_whatsapp_call

    dial_whatsapp_call.delay(whatsapp_to_phone_number="15551234567", room_name="sales-17")

Arguments are the request's fields as JSON, and `alias`, which selects the settings with the keys.
Needs the extra "celery".
"""

from __future__ import annotations

try:
    import celery as _celery  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "livekit_connector_sync.contrib.celery needs Celery: "
        'pip install "livekit-connector-sync[celery]"'
    ) from exc

from .errors import UnknownOutcome
from .task import ConnectorTask
from .tasks import (
    accept_whatsapp_call,
    connect_twilio_call,
    connect_whatsapp_call,
    dial_whatsapp_call,
    disconnect_whatsapp_call,
)
from .worker import get_client

__all__ = [
    "ConnectorTask",
    "UnknownOutcome",
    "accept_whatsapp_call",
    "connect_twilio_call",
    "connect_whatsapp_call",
    "dial_whatsapp_call",
    "disconnect_whatsapp_call",
    "get_client",
]
