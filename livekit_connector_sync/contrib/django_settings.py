"""A Django project's settings, and the clients that the Django app and Celery create from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from .. import ConnectorClient
from .._runtime.redaction import hide_locals
from ..whatsapp import CallingClient
from .clients import Clients
from .settings import DEFAULT_ALIAS, Settings, load

__all__ = ["clients", "get_calling_client", "get_client", "get_settings", "load_settings"]

_NAME = "LIVEKIT_CONNECTOR"
_PREFIX = f"{_NAME}_"


@hide_locals
def load_settings() -> dict[str, Settings]:
    """Return the settings of every alias.

    For the alias "default", Django settings such as LIVEKIT_CONNECTOR_URL supply the options that
    the dict LIVEKIT_CONNECTOR lacks, and the environment supplies the rest.

    Raises:
        ImproperlyConfigured: an option is unknown or has the wrong type.
    """
    options = getattr(django_settings, _NAME, {})
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"{_NAME} must be a dict, not {type(options).__name__}")
    flat = {
        name[len(_PREFIX) :]: getattr(django_settings, name)
        for name in dir(django_settings)
        if name.startswith(_PREFIX)
    }
    try:
        return load(options, flat, os.environ)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{_NAME}: {exc}") from exc


clients = Clients(load_settings)
"""The clients of this process, by alias."""


def get_client(alias: str = DEFAULT_ALIAS) -> ConnectorClient:
    """Return this process's shared client of an alias. Don't close it.

    Args:
        alias: a key of LIVEKIT_CONNECTOR, if that holds several projects or numbers.

    Raises:
        ImproperlyConfigured: the alias is unknown, or its settings are wrong.
    """
    try:
        return clients.get(alias)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{_NAME}: {exc}") from exc


def get_calling_client(alias: str = DEFAULT_ALIAS) -> CallingClient:
    """Return this process's shared client of Meta's API, for call permissions. Don't close it.

    It uses the alias's WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_API_KEY, WHATSAPP_CLOUD_API_VERSION,
    TIMEOUT, and RETRY. Takes and raises the same as `get_client`.
    """
    try:
        return clients.get_calling_client(alias)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{_NAME}: {exc}") from exc


def get_settings(alias: str = DEFAULT_ALIAS) -> Settings:
    """Return the settings of an alias; takes and raises the same as `get_client`."""
    try:
        return clients.settings(alias)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{_NAME}: {exc}") from exc


def _reload(*, setting: str, **_: Any) -> None:
    """Drop the clients and settings when a test overrides a setting."""
    if setting.startswith(_NAME):
        clients.close()


setting_changed.connect(_reload, dispatch_uid=__name__)
