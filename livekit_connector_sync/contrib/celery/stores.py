"""The stores that hold claims (see claims.Store): a Redis, or one of Django's caches."""

from __future__ import annotations

import re
from typing import Any, Optional

from ..caches import is_shared

__all__ = ["DjangoCacheStore", "RedisStore"]

_MIN_ENTRIES = 100_000  # of a database cache


class RedisStore:
    """Keeps claims in Redis.

    Args:
        url: "redis://...", "rediss://..." or "unix://...", as redis-py and Celery accept it.

    Raises:
        ImportError: redis-py is not installed.
        ValueError: redis-py does not support the URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError as exc:
            raise ImportError(
                'claims in Redis need redis-py: pip install "livekit-connector-sync[celery]"'
            ) from exc
        # In a rediss:// URL, Celery wants CERT_REQUIRED where redis-py wants "required".
        url = re.sub(r"(?<=[?&]ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1].lower(), url)
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True
            )
            self._redis.connection_pool.make_connection()  # checks the URL, and is used later
        except (ValueError, TypeError, redis.RedisError):  # their texts may quote the password
            raise ValueError(
                "the URL of the Redis for claims is not supported: set livekit_connector_claims to "
                "a URL that redis.Redis.from_url accepts"
            ) from None

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        if self._redis.set(key, value, nx=True, ex=ttl):
            return None
        found: Optional[str] = self._redis.get(key)
        if found is None:
            raise ConnectionError("the key expired before it was read")
        return found

    def set(self, key: str, value: str, ttl: int) -> None:
        self._redis.set(key, value, ex=ttl)

    def delete(self, key: str) -> None:
        self._redis.delete(key)

    def find_risks(self) -> list[str]:
        """Return why this Redis might lose claims, as texts for the log.

        Raises:
            redis.RedisError: Redis is down, or denies access to its configuration.
        """
        info = {**self._redis.info("persistence"), **self._redis.info("memory")}
        risks = []
        if not info.get("aof_enabled"):
            risks.append(
                "has no append-only file: after a crash, it forgets calls that were placed (set "
                '"appendonly yes" and "appendfsync always")'
            )
        policy = info.get("maxmemory_policy")
        if info.get("maxmemory") and policy != "noeviction":
            risks.append(
                f"evicts keys when it is full: its maxmemory-policy is {policy} (set "
                '"maxmemory-policy noeviction")'
            )
        return risks


class DjangoCacheStore:
    """Keeps claims in one of Django's caches.

    Args:
        alias: the cache's name in CACHES.

    Raises:
        ValueError: processes don't share the cache, or it is too small to keep claims.
    """

    def __init__(self, alias: str) -> None:
        from django.core.cache import caches

        cache: Any = caches[alias]
        backend = f"{type(cache).__module__}.{type(cache).__name__}"
        remedy = "set livekit_connector_claims to a Redis URL, or to another cache in CACHES"
        if not is_shared(backend):
            raise ValueError(
                f"the cache {alias!r} cannot keep claims: with a {backend}, two processes can add "
                f"the same key; {remedy}"
            )
        if backend.endswith("DatabaseCache") and cache._max_entries < _MIN_ENTRIES:
            raise ValueError(
                f"the cache {alias!r} cannot keep claims: it keeps only {cache._max_entries} "
                "entries, and culls a third when it is full; set its option MAX_ENTRIES to "
                f"{_MIN_ENTRIES} or more, and above the number of calls in a week, or {remedy}"
            )
        self._caches = caches
        self._alias = alias

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        cache = self._caches[self._alias]  # each thread has its own
        if cache.add(key, value, ttl):
            return None
        found: Optional[str] = cache.get(key)
        if found is None:
            raise ConnectionError(f"the cache {self._alias!r} does not keep the key: is it down?")
        return found

    def set(self, key: str, value: str, ttl: int) -> None:
        self._caches[self._alias].set(key, value, ttl)

    def delete(self, key: str) -> None:
        self._caches[self._alias].delete(key)
