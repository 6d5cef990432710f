"""Imports slow libraries at the first call that needs them, safe from signals and forks.

An exception that a signal raises within an import leaves a library half imported for good, and a
child that is forked during an import inherits the import's lock, which nobody there releases. So
the import runs in a helper thread, which no signal interrupts, and a fork waits until it is over.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging  # noqa: F401 - registers its fork hooks before ours, which so run before it locks
import os
import sys
import threading
from typing import Any

from .threads import NoThread, call_in_thread

__all__ = ["LazyModule", "import_lazily"]

_importing = threading.RLock()
_imported: dict[str, Any] = {}


def import_lazily(name: str) -> Any:
    """Return a module, imported if it is not yet.

    Args:
        name: the module's full name.

    Raises:
        ImportError, OSError: it cannot be imported now, for want of file descriptors for example.
            The next call tries again.
    """
    if name not in _imported:
        try:
            call_in_thread(functools.partial(_import, name))
        except NoThread:
            _import(name)
    return _imported[name]


class LazyModule:
    """Stands for a module that only annotations name, until something looks them up.

    Annotations are text until `typing.get_type_hints` reads their names, so that importing this
    package doesn't import what they name.

    Args:
        name: the module's full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # tools that look at every global of a module ask for these
            raise AttributeError(name)
        return getattr(import_lazily(self._name), name)


def _import(name: str) -> None:
    with _importing:
        before = set(sys.modules)
        try:
            _imported[name] = importlib.import_module(name)
        except BaseException:
            # Of a package that failed, Python keeps the modules that did not. A later import
            # would find them without the attributes that lead to them.
            for left in set(sys.modules) - before:
                if left.partition(".")[0] not in sys.modules:
                    del sys.modules[left]
            raise


def _release() -> None:
    with contextlib.suppress(RuntimeError):  # a signal interrupted the wait before the fork
        _importing.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_release, after_in_child=_release
    )
