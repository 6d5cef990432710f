"""Decides which Django caches can add a key atomically for all processes."""

from __future__ import annotations

__all__ = ["is_shared"]

# FileBasedCache is shared, but two processes can both add the same key.
_NOT_SHARED = ("LocMemCache", "DummyCache", "FileBasedCache")


def is_shared(backend: str) -> bool:
    """Return whether a cache is shared, and only one process succeeds in adding a key to it.

    Args:
        backend: the dotted path of the cache's class.
    """
    return not backend.endswith(_NOT_SHARED)
