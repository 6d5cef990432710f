"""What lives as long as a worker process: the clients and the store of claims."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from celery import Celery
from celery.app import app_or_default
from celery.signals import worker_process_shutdown, worker_ready, worker_shutdown

from ..clients import Clients
from ..settings import DEFAULT_ALIAS, load
from .claims import DjangoCacheStore, RedisStore, Store

if TYPE_CHECKING:
    from ... import ConnectorClient

__all__ = ["clients_of", "get_client", "store_of"]

logger = logging.getLogger(__name__)

_REDIS = ("redis://", "rediss://", "unix://")
_DJANGO = "django-cache:"

# Two threads that come here at once make one too many of these, without a connection.
_clients: weakref.WeakKeyDictionary[Celery, Clients] = weakref.WeakKeyDictionary()
_stores: dict[str, Store] = {}  # by place


def get_client(alias: str = DEFAULT_ALIAS) -> ConnectorClient:
    """Return this process's client of an alias, for tasks of your own. Do not close it.

    Args:
        alias: names the settings.

    Raises:
        ValueError: there is no such alias, or its settings are wrong.
    """
    app: Any = app_or_default()
    return clients_of(app).get(alias)


def clients_of(app: Celery) -> Clients:
    """Return this process's clients of an app.

    Their settings are the app's `livekit_connector`, else Django's LIVEKIT_CONNECTOR, else the
    environment.
    """
    found = _clients.get(app)
    if found is None:
        found = _clients[app] = _make_clients(app)
    return found


def store_of(app: Celery) -> Store:
    """Return the store of claims that an app's workers share.

    It is what the app's `livekit_connector_claims` says: a Redis URL, or "django-cache:" and the
    name of a cache. By default it is the Redis of the app's result backend or broker, else
    Django's default cache.

    Raises:
        ValueError: there is no store that the workers share.
    """
    place = _place(app.conf, django=_django_settings() is not None)
    store = _stores.get(place)
    if store is None:
        if place.startswith(_DJANGO):
            store = DjangoCacheStore(place[len(_DJANGO) :])
        else:
            store = RedisStore(place)
        _stores[place] = store
    return store


def _place(conf: Mapping[str, Any], *, django: bool) -> str:
    explicit = conf.get("livekit_connector_claims")
    if explicit:
        if not str(explicit).startswith((*_REDIS, _DJANGO)):
            raise ValueError(
                "livekit_connector_claims must be a Redis URL or "
                f'"{_DJANGO}NAME" with the name of one of CACHES'
            )
        return str(explicit)
    for url in (conf.get("result_backend"), conf.get("broker_url")):
        if str(url).startswith(_REDIS):
            return str(url)
    if django:
        return f"{_DJANGO}default"
    raise ValueError(
        "a task that places a call needs a store that all workers share, and neither broker nor "
        "result backend is one Redis: set livekit_connector_claims to a Redis URL"
    )


def _django_settings() -> Optional[Any]:
    """Return Django's settings if this is a Django project, without importing Django first."""
    if "django" not in sys.modules and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return None
    from django.conf import settings

    return settings if settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ else None


def _make_clients(app: Celery) -> Clients:
    options = app.conf.get("livekit_connector")
    if options is None and _django_settings() is not None:
        from ..django import clients

        return clients
    return Clients(lambda: load(options or {}, os.environ))


def _close(**_: Any) -> None:
    for clients in list(_clients.values()):
        clients.close()


def _warn(sender: Any, **_: Any) -> None:
    """Log what may make the store forget claims, once a worker has started."""
    try:
        store = store_of(sender.app)
        doubts = store.doubts() if isinstance(store, RedisStore) else []
    except Exception as exc:  # no store, which a dial will say, or one that does not tell
        logger.debug("nothing is known of the store of claims: %s", exc)
        return
    for doubt in doubts:
        logger.warning("claims: the Redis that they are kept in %s", doubt)


worker_ready.connect(_warn)
worker_process_shutdown.connect(_close)  # a child of a prefork pool
worker_shutdown.connect(_close)  # any other pool
