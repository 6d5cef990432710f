"""Imports slow libraries at the first call that needs them, safe from signals and forks.

If a signal handler raises an exception during an import, the library stays half imported. If the
process forks during an import, the child inherits a lock that is never released. Therefore, the
import runs in a helper thread, which signals don't interrupt, and a fork waits until it has ended.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging  # noqa: F401 - must register its fork hooks first, so that ours run before them
import os
import sys
import threading
from typing import Any

from .threads import NoThread, call_in_thread

_importing = threading.RLock()
_imported: dict[str, Any] = {}


def import_lazily(name: str) -> Any:
    """Return a module by its full name; import it if necessary.

    Raises:
        ImportError, OSError: the import failed, for example because no file descriptors are left.
            The next call tries again.
    """
    if name not in _imported:
        try:
            call_in_thread(functools.partial(_import, name))
        except NoThread:
            _import(name)
    return _imported[name]


class LazyModule:
    """Stands for a module that only annotations use; imports it when an attribute is read.

    Annotations are text until `typing.get_type_hints` evaluates them. Therefore, importing this
    package doesn't import the modules of its annotations.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # tools that inspect every global of a module read these
            raise AttributeError(name)
        return getattr(import_lazily(self._name), name)


def _import(name: str) -> None:
    with _importing:
        before = set(sys.modules)
        try:
            _imported[name] = importlib.import_module(name)
        except BaseException:
            # If a package fails to import, Python keeps its submodules that succeeded. A later
            # import would find them, but not set them as attributes of the package.
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
