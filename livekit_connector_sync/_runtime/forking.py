"""Resets objects in a forked child, which must not use its parent's locks and sockets."""

from __future__ import annotations

import os
import weakref
from typing import Any, Callable, Protocol, TypeVar

Function = TypeVar("Function", bound=Callable[[], Any])


class _Resettable(Protocol):
    def reset_after_fork(self) -> None: ...


_objects: weakref.WeakSet[_Resettable] = weakref.WeakSet()


def reset_after_fork(thing: _Resettable) -> None:
    """Call the object's `reset_after_fork` in every forked child, as long as the object exists."""
    _objects.add(thing)


def call_after_fork(function: Function) -> Function:
    """Call a function in every forked child; usable as a decorator."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=function)
    return function


@call_after_fork
def _reset_objects() -> None:
    for thing in list(_objects):
        thing.reset_after_fork()
