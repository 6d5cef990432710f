"""Resets objects in a forked child, which must not use its parent's locks and sockets."""

from __future__ import annotations

import os
import weakref
from typing import Any, Callable, Protocol


class _Resettable(Protocol):
    def reset_after_fork(self) -> None: ...


_objects: weakref.WeakSet[_Resettable] = weakref.WeakSet()


def reset_after_fork(thing: _Resettable) -> None:
    """Call the object's `reset_after_fork` in every forked child, as long as the object exists."""
    _objects.add(thing)


def call_after_fork(function: Callable[[], Any]) -> None:
    """Call a function in every forked child."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=function)


def _reset_objects() -> None:
    for thing in list(_objects):
        thing.reset_after_fork()


call_after_fork(_reset_objects)
