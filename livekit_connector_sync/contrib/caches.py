"""Decide which of Django's caches can hold a key that only one process may add."""

from __future__ import annotations

__all__ = ["is_shared"]

# FileBasedCache is shared, but two processes can both add the same key.
_NOT_SHARED = ("LocMemCache", "DummyCache", "FileBasedCache")


def is_shared(backend: str) -> bool:
    """Return whether only one of several processes succeeds in adding a key to a cache.

    Args:
        backend: the dotted path of the cache's class.
    """
    return not backend.endswith(_NOT_SHARED)
