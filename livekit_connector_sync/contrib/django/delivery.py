"""Tells the first delivery of an event from its repeats."""

from __future__ import annotations

import hashlib
import logging

from django.core.cache import cache

__all__ = ["is_first_delivery"]

logger = logging.getLogger(__name__)

_LIFETIME = 8 * 24 * 3600  # seconds; Meta repeats for a week


def is_first_delivery(endpoint: str, alias: str, key: str) -> bool:
    """Note an event in Django's default cache; return whether it was not there yet.

    A cache that cannot be reached counts as "yes": an event twice does less harm than none.

    Args:
        endpoint: what received it: "meta", "twilio-voice", ...
        alias: the alias of the view.
        key: the event's key.
    """
    # Hashed, since a key of Meta's may be longer than memcached takes.
    digest = hashlib.sha256(f"{endpoint}\n{alias}\n{key}".encode()).hexdigest()
    try:
        return bool(cache.add(f"livekit_connector:{digest}", 1, _LIFETIME))
    except Exception:  # every backend has errors of its own
        logger.exception("the cache failed: a repeated webhook would not be noticed")
        return True
