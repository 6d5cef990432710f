"""Lets objects start afresh in a forked child, where their locks and sockets are not theirs."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["reset_after_fork"]


class _Resettable(Protocol):
    def reset_after_fork(self) -> None: ...


_objects: weakref.WeakSet[_Resettable] = weakref.WeakSet()


def reset_after_fork(thing: _Resettable) -> None:
    """Have an object's `reset_after_fork` called in every child that is forked while it lives."""
    _objects.add(thing)


def _in_child() -> None:
    for thing in list(_objects):
        thing.reset_after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_in_child)
