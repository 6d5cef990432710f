"""Tells the first delivery of an event from its repeats."""

from __future__ import annotations

import hashlib
import logging

from django.core.cache import caches

__all__ = ["RetryLater", "forget", "is_first_delivery"]

logger = logging.getLogger(__name__)

_LIFETIME = 8 * 24 * 3600  # seconds; Meta repeats for a week


class RetryLater(Exception):
    """Raised by a receiver that could do nothing now, such as send a task while the broker is down.

    The provider gets a 503 and delivers the event again, to all receivers. Raise it for what passes
    by itself: Meta would repeat what never succeeds for a week. Of Twilio, which repeats nothing by
    default, a status callback's URL must ask for it (#rc=3&rp=5xx); the voice webhook is answered
    all the same.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """


def is_first_delivery(cache: str, endpoint: str, alias: str, key: str) -> bool:
    """Note an event in a cache of Django's; return whether it was not there yet.

    A cache that cannot be reached counts as "yes": an event twice does less harm than none.

    Args:
        cache: the cache's alias in CACHES.
        endpoint: what received the event: "meta", "twilio-voice", ...
        alias: the alias of the view.
        key: the event's key.
    """
    name, store = _name(endpoint, alias, key), caches[cache]
    try:
        if store.add(name, 1, _LIFETIME):
            return True
        if store.get(name) is not None:
            return False
        # Another process has just forgotten it, or the backend hides its errors.
        store.add(name, 1, _LIFETIME)
        return True
    except Exception:  # every backend has errors of its own
        logger.exception("the cache failed: a repeated webhook would not be noticed")
        return True


def forget(cache: str, endpoint: str, alias: str, key: str) -> None:
    """Let the next delivery of an event count as its first one.

    Args:
        cache: as in `is_first_delivery`.
        endpoint: as in `is_first_delivery`.
        alias: as in `is_first_delivery`.
        key: as in `is_first_delivery`.
    """
    try:
        caches[cache].delete(_name(endpoint, alias, key))
    except Exception:
        logger.exception("the cache failed: the webhook will be taken for a repeat")


def _name(endpoint: str, alias: str, key: str) -> str:
    # Hashed, since a key of Meta's may be longer than memcached takes.
    digest = hashlib.sha256(f"{endpoint}\n{alias}\n{key}".encode()).hexdigest()
    return f"livekit_connector:{digest}"
