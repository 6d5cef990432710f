"""Which of Django's caches can hold what only one process may claim."""

from __future__ import annotations

__all__ = ["is_shared"]

# FileBasedCache is shared, but two processes can add the same key to it.
_NOT_SHARED = ("LocMemCache", "DummyCache", "FileBasedCache")


def is_shared(backend: str) -> bool:
    """Return whether of several processes that add a key to a cache only one succeeds.

    Args:
        backend: the dotted path of the cache's class.
    """
    return not backend.endswith(_NOT_SHARED)
