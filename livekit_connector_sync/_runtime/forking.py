"""Lets objects start afresh in a forked child, where their locks and sockets are not theirs."""

from __future__ import annotations

import os
import weakref
from typing import Any, Callable, Protocol, TypeVar

__all__ = ["call_after_fork", "reset_after_fork"]

Function = TypeVar("Function", bound=Callable[[], Any])


class _Resettable(Protocol):
    def reset_after_fork(self) -> None: ...


_objects: weakref.WeakSet[_Resettable] = weakref.WeakSet()


def reset_after_fork(thing: _Resettable) -> None:
    """Have an object's `reset_after_fork` called in every child that is forked while it lives."""
    _objects.add(thing)


def call_after_fork(function: Function) -> Function:
    """Have a function called in every forked child; usable as a decorator."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=function)
    return function


@call_after_fork
def _reset_objects() -> None:
    for thing in list(_objects):
        thing.reset_after_fork()
