"""Claims: which run of a task may place its call, noted in a store that all workers share.

A run claims its task before the first byte of the call, and notes how the call ended. A later run
of the same task finds the claim: it gets the first one's result or error, or learns that the
first one did not live to tell.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional, Protocol

from ..caches import is_shared

__all__ = ["Claim", "DjangoCacheStore", "RedisStore", "Store", "TaskClaim"]

_ROUNDS = 3
_FEWEST_ENTRIES = 100_000


class Store(Protocol):
    """A store of texts that every worker reaches."""

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        """Set a key unless it is set, for so many seconds; return what it was set to before."""

    def set(self, key: str, value: str, ttl: int) -> None:
        """Set a key for so many seconds."""

    def delete(self, key: str) -> None:
        """Delete a key."""


@dataclass(frozen=True)
class Claim:
    """What the store holds of a task.

    Args:
        run: names the run that claimed the task.
        until: when that run has ended, whatever became of it, in seconds since 1970.
        result: the result of its call, once there is one.
        error: the details of the error of its call, once there is one.
        made: True once the call was made, if its result is a secret that is not kept here.
    """

    run: str
    until: float
    result: Optional[dict[str, Any]] = None
    error: Optional[dict[str, Any]] = None
    made: bool = False

    def to_json(self) -> str:
        """Return the claim as the store holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Claim:
        """Return the claim that the store holds as this text."""
        return cls(**json.loads(text))


class TaskClaim:
    """One run's view of the claim of its task.

    Args:
        store: where the claims are.
        task_id: the task.
        ttl: seconds that a claim is kept; longer than any broker takes to deliver a task again.
    """

    def __init__(self, store: Store, task_id: str, ttl: int) -> None:
        self._store = store
        self._key = f"livekit_connector:claim:{task_id}"
        self._ttl = ttl
        self._mine = Claim(uuid.uuid4().hex, 0.0)

    def take(self, seconds: float) -> Optional[Claim]:
        """Claim the task; return the claim of an earlier run if there is one in the way.

        Args:
            seconds: how long this run takes at most.
        """
        self._mine = replace(self._mine, until=time.time() + seconds)
        text = self._store.add(self._key, self._mine.to_json(), self._ttl)
        found = None if text is None else Claim.from_json(text)
        # A store that repeats a command after a broken connection finds its own first one.
        return None if found == self._mine else found

    def time_left(self) -> float:
        """Return the seconds after which this run has ended, as another run takes it."""
        return self._mine.until - time.time()

    def succeeded(self, result: Mapping[str, Any]) -> None:
        """Note the result of the call."""
        done = replace(self._mine, result=dict(result))
        self._store.set(self._key, done.to_json(), self._ttl)

    def made(self) -> None:
        """Note that the call was made, without its result."""
        self._store.set(self._key, replace(self._mine, made=True).to_json(), self._ttl)

    def failed(self, error: Mapping[str, Any]) -> None:
        """Note the error of the call, which must not be placed again."""
        done = replace(self._mine, error=dict(error))
        self._store.set(self._key, done.to_json(), self._ttl)

    def release(self) -> None:
        """Give the claim back: the call did nothing, and another run may place it."""
        self._store.delete(self._key)


class RedisStore:
    """Keeps claims in Redis.

    Args:
        url: "redis://...", "rediss://..." or "unix://...", as redis-py and Celery take it.

    Raises:
        ImportError: redis-py is missing.
        ValueError: redis-py cannot use the URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError as exc:
            raise ImportError(
                'claims in Redis need redis-py: pip install "livekit-connector-sync[celery]"'
            ) from exc
        # Celery wants CERT_REQUIRED of a rediss:// URL, where redis-py says "required".
        url = re.sub(r"(?<=[?&]ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1].lower(), url)
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True
            )
            self._redis.connection_pool.make_connection()  # it is used later
        except (ValueError, TypeError, redis.RedisError) as exc:
            raise ValueError(
                f"claims cannot be kept in a Redis of this URL: {exc}; set livekit_connector_claims"
                " to one that redis-py takes"
            ) from None

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        """Set a key unless it is set, for so many seconds; return what it was set to before."""
        for _ in range(_ROUNDS):
            if self._redis.set(key, value, nx=True, ex=ttl):
                return None
            found: Optional[str] = self._redis.get(key)
            if found is not None:  # else it has expired this very moment
                return found
        raise ConnectionError("Redis takes no key")

    def set(self, key: str, value: str, ttl: int) -> None:
        """Set a key for so many seconds."""
        self._redis.set(key, value, ex=ttl)

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._redis.delete(key)

    def doubts(self) -> list[str]:
        """Return what may make this Redis forget claims, as texts for the log.

        Raises:
            redis.RedisError: it does not answer, or does not tell.
        """
        info = {**self._redis.info("persistence"), **self._redis.info("memory")}
        doubts = []
        if not info.get("aof_enabled"):
            doubts.append(
                "has no append-only file: if it crashes, it forgets calls that were placed (set "
                '"appendonly yes" and "appendfsync always")'
            )
        policy = info.get("maxmemory_policy")
        if info.get("maxmemory") and policy != "noeviction":
            doubts.append(f"drops keys when it is full: its maxmemory-policy is {policy}")
        return doubts


class DjangoCacheStore:
    """Keeps claims in one of Django's caches.

    Args:
        alias: the cache's name in CACHES.

    Raises:
        ValueError: the cache is one that processes do not share, or that forgets.
    """

    def __init__(self, alias: str) -> None:
        from django.core.cache import caches

        cache: Any = caches[alias]
        backend = f"{type(cache).__module__}.{type(cache).__name__}"
        remedy = "set livekit_connector_claims to a Redis URL, or to another of CACHES"
        if not is_shared(backend):
            raise ValueError(
                f"claims cannot be kept in the cache {alias!r}: two processes can add the same key "
                f"to a {backend}; {remedy}"
            )
        if backend.endswith("DatabaseCache") and cache._max_entries < _FEWEST_ENTRIES:
            raise ValueError(
                f"claims cannot be kept in the cache {alias!r}: it keeps {cache._max_entries} "
                "entries and then drops any third of them; raise its option MAX_ENTRIES to "
                f"{_FEWEST_ENTRIES} or more, above the calls of a week, or {remedy}"
            )
        self._caches = caches
        self._alias = alias

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        """Set a key unless it is set, for so many seconds; return what it was set to before."""
        cache = self._caches[self._alias]  # of this thread
        for _ in range(_ROUNDS):
            if cache.add(key, value, ttl):
                return None
            found: Optional[str] = cache.get(key)
            if found is not None:  # else it has expired this very moment
                return found
        raise ConnectionError(f"the cache {self._alias!r} takes no key: is it down?")

    def set(self, key: str, value: str, ttl: int) -> None:
        """Set a key for so many seconds."""
        self._caches[self._alias].set(key, value, ttl)

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._caches[self._alias].delete(key)
