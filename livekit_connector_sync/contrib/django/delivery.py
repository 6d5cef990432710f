"""What receivers get and raise, and the cache of Django's that deduplicates webhooks."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.core.cache import caches

__all__ = ["Payload", "RetryLater", "forget", "is_first_delivery", "is_recorded"]

logger = logging.getLogger(__name__)

_LIFETIME = 8 * 24 * 3600  # seconds; Meta retries for a week


class RetryLater(Exception):
    """Raise it in a receiver to get the event again later, for example while the broker is down.

    The view responds with 503, and the provider delivers the event again, to all receivers. Raise
    it only for temporary failures: Meta retries for a week. Twilio retries a status callback only
    if its URL ends in `#rc=3&rp=5xx`, and never the voice webhook, whose caller hears a response in
    any case.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """


class Payload(dict[str, Any]):
    """The `raw` of a signal: Sentry and repr() see only its keys, as it may hold an SDP."""

    def __repr__(self) -> str:
        return f"Payload({', '.join(map(str, self))})"

    __sentry_repr__ = __repr__


def is_first_delivery(cache: str, endpoint: str, alias: str, key: str) -> bool:
    """Record an event in a cache; return whether it was new.

    If the cache is down, every event counts as new: a duplicate does less harm than a lost event.
    `cache` is its name in CACHES; `endpoint` and `alias` are the view's, `key` is the event's.
    """
    name, store = _cache_key(endpoint, alias, key), caches[cache]
    try:
        if store.add(name, 1, _LIFETIME):
            return True
        if store.get(name) is not None:
            return False
        # Another process has just forgotten the event, or the backend hides its errors.
        store.add(name, 1, _LIFETIME)
        return True
    except Exception:  # each backend has its own errors
        logger.exception("the cache failed: duplicate webhooks are not detected")
        return True


def is_recorded(cache: str, endpoint: str, alias: str, key: str) -> bool:
    """Return whether a cache has a record of an event; False if the cache is down."""
    try:
        return caches[cache].get(_cache_key(endpoint, alias, key)) is not None
    except Exception:
        logger.exception("the cache failed: calls that have ended already may be offered")
        return False


def forget(cache: str, endpoint: str, alias: str, key: str) -> None:
    """Delete an event from a cache, so that its next delivery counts as new."""
    try:
        caches[cache].delete(_cache_key(endpoint, alias, key))
    except Exception:
        logger.exception("the cache failed: the next delivery will be dropped as a duplicate")


def _cache_key(endpoint: str, alias: str, key: str) -> str:
    # Hashed because Meta's keys can be longer than memcached allows.
    digest = hashlib.sha256(f"{endpoint}\n{alias}\n{key}".encode()).hexdigest()
    return f"livekit_connector:{digest}"
