"""Django: a client from the settings, webhook views, signals, system checks, and a command.

INSTALLED_APPS = [..., "livekit_connector_sync.contrib.django"]
LIVEKIT_CONNECTOR = {"URL": "wss://my-project.livekit.cloud", "API_KEY": ..., ...}

from livekit_connector_sync.contrib.django import get_client

get_client().dial_whatsapp_call(...)
"""

from __future__ import annotations

try:
    import django  # noqa: F401
except ModuleNotFoundError as exc:
    raise ImportError(
        "livekit_connector_sync.contrib.django needs Django: "
        "pip install 'livekit-connector-sync[django]'"
    ) from exc

from ..django_settings import clients, get_calling_client, get_client, get_settings
from .delivery import RetryLater

__all__ = ["RetryLater", "clients", "get_calling_client", "get_client", "get_settings"]
