"""The clients and the store of claims of a worker process, which exist until it ends."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.app import app_or_default
from celery.signals import worker_process_shutdown, worker_ready, worker_shutdown

from ... import ConnectorClient
from ..clients import Clients
from ..settings import DEFAULT_ALIAS, load
from .claims import Store
from .stores import DjangoCacheStore, RedisStore

__all__ = ["get_client", "get_clients", "get_store"]

logger = logging.getLogger(__name__)

_REDIS = ("redis://", "rediss://", "unix://")
_DJANGO = "django-cache:"

# If two threads create one of these at the same time, the second replaces the unused first one.
_clients: weakref.WeakKeyDictionary[Celery, Clients] = weakref.WeakKeyDictionary()
_stores: dict[str, Store] = {}  # by location


def get_client(alias: str = DEFAULT_ALIAS) -> ConnectorClient:
    """Return this process's shared client of an alias, for your own tasks. Don't close it.

    Args:
        alias: selects the settings.

    Raises:
        ValueError: the alias is unknown, or its settings are wrong.
    """
    app: Any = app_or_default()
    return get_clients(app).get(alias)


def get_clients(app: Celery) -> Clients:
    """Return this process's clients of an app.

    Their settings come from the app's `livekit_connector`, else from Django's LIVEKIT_CONNECTOR,
    else from the environment.
    """
    if app not in _clients:
        _clients[app] = _make_clients(app)
    return _clients[app]


def get_store(app: Celery) -> Store:
    """Return the store of claims that an app's workers share.

    Its location is the app's `livekit_connector_claims`: a Redis URL, or "django-cache:" and the
    name of a cache. By default it is the Redis of the app's result backend or broker, else
    Django's default cache.

    Raises:
        ValueError: the workers have no shared store.
    """
    location = _locate_store(app.conf, django=_is_django_project())
    store = _stores.get(location)
    if store is None:
        if location.startswith(_DJANGO):
            store = DjangoCacheStore(location[len(_DJANGO) :])
        else:
            store = RedisStore(location)
        _stores[location] = store
    return store


def _locate_store(conf: Mapping[str, Any], *, django: bool) -> str:
    explicit = conf.get("livekit_connector_claims")
    if explicit:
        if not str(explicit).startswith((*_REDIS, _DJANGO)):
            raise ValueError(
                f'livekit_connector_claims must be a Redis URL, or "{_DJANGO}NAME" with the name '
                "of a cache in CACHES"
            )
        return str(explicit)
    for url in (conf.get("result_backend"), conf.get("broker_url")):
        if str(url).startswith(_REDIS):
            return str(url)
    if django:
        return f"{_DJANGO}default"
    raise ValueError(
        "a task that places a call needs a store of claims that all workers share, and neither the "
        "broker nor the result backend is a Redis: set livekit_connector_claims to a Redis URL"
    )


def _is_django_project() -> bool:
    """Return whether Django has settings, without importing Django."""
    conf = sys.modules.get("django.conf")
    return "DJANGO_SETTINGS_MODULE" in os.environ or (
        conf is not None and bool(conf.settings.configured)
    )


def _make_clients(app: Celery) -> Clients:
    options = app.conf.get("livekit_connector")
    if options is None and _is_django_project():
        from ..django_settings import clients

        return clients
    return Clients(lambda: load(options or {}, {}, os.environ))


def _close_clients(**_: Any) -> None:
    for clients in list(_clients.values()):
        clients.close()


def _log_risks(sender: Any, **_: Any) -> None:
    """Log why the store might lose claims, once a worker has started."""
    try:
        store = get_store(sender.app)
        risks = store.find_risks() if isinstance(store, RedisStore) else []
    except Exception as exc:  # a dial reports a missing store
        logger.debug("cannot check the store of claims: %s", exc)
        return
    for risk in risks:
        logger.warning("claims may be lost: the Redis that keeps them %s", risk)


worker_ready.connect(_log_risks)
worker_process_shutdown.connect(_close_clients)  # a child of a prefork pool
worker_shutdown.connect(_close_clients)  # any other pool
