"""One client per process and alias, made when it is first asked for."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from .. import ConnectorClient, UnaryUnaryClientInterceptor
from .._runtime.forking import reset_after_fork
from .settings import DEFAULT_ALIAS, Settings

if TYPE_CHECKING:
    import requests

__all__ = ["Clients", "make_client"]


class Clients:
    """The clients of a process, by alias; for any number of threads and forked children.

    Args:
        load: returns the settings of every alias; called when something is first asked for, and
            again after `close`.
    """

    def __init__(self, load: Callable[[], Mapping[str, Settings]]) -> None:
        self._load = load
        self._settings: Mapping[str, Settings] = {}
        self._clients: dict[str, ConnectorClient] = {}
        self._lock = threading.RLock()
        reset_after_fork(self)

    def get(self, alias: str = DEFAULT_ALIAS) -> ConnectorClient:
        """Return the client of an alias. It is shared: do not close it.

        Raises:
            ValueError: there is no such alias, or its URL or credentials are missing or wrong.
        """
        with self._lock:
            client = self._clients.get(alias)
            if client is None:
                client = self._clients[alias] = make_client(self.settings(alias))
            return client

    def settings(self, alias: str = DEFAULT_ALIAS) -> Settings:
        """Return the settings of an alias.

        Raises:
            ValueError: there is no such alias, or the settings are wrong.
        """
        found = self.all_settings()
        if alias not in found:
            known = ", ".join(repr(name) for name in found) or "none"
            raise ValueError(f"no alias {alias!r} in the settings, which have {known}")
        return found[alias]

    def all_settings(self) -> Mapping[str, Settings]:
        """Return the settings of every alias.

        Raises:
            ValueError: the settings are wrong.
        """
        with self._lock:
            if not self._settings:
                self._settings = self._load()
            return self._settings

    def close(self) -> None:
        """Close every client and forget the settings; what is asked for next is made afresh."""
        with self._lock:
            clients, self._clients, self._settings = self._clients, {}, {}
        for client in clients.values():
            client.close()

    def reset_after_fork(self) -> None:
        """Take a fresh lock in a forked child, where another thread may have held the old one."""
        self._lock = threading.RLock()


def make_client(settings: Settings) -> ConnectorClient:
    """Return a client of its own for an alias. The environment is not looked at.

    Raises:
        ValueError: the URL or the credentials are missing or wrong; the text names the alias.
    """
    # Without them the client would look in the environment, which is for "default" only and was
    # read with the settings.
    if not settings.url:
        raise ValueError(f"URL of alias {settings.alias!r} is missing")
    if not (settings.token or settings.api_key or settings.api_secret):
        raise ValueError(
            f"API_KEY and API_SECRET, or TOKEN, of alias {settings.alias!r} are missing"
        )
    try:
        return ConnectorClient(
            settings.url,
            settings.api_key,
            settings.api_secret,
            token=settings.token,
            timeout=settings.timeout,
            retry=settings.retry,
            failover=settings.failover,
            session=_session(settings.session),
            interceptors=[_interceptor(each) for each in settings.interceptors],
            verify=settings.verify,
            cert=settings.cert,
            proxies=settings.proxies,
            validate=settings.validate,
        )
    except ValueError as exc:
        raise ValueError(f"alias {settings.alias!r}: {exc}") from exc


def _session(
    given: Union[str, Callable[[], requests.Session], None],
) -> Optional[requests.Session]:
    if given is None:
        return None
    make: Any = _imported("SESSION", given) if isinstance(given, str) else given
    if not callable(make):
        raise ValueError(f"SESSION must be a function that returns a Session, not {make!r}")
    try:
        made: Any = make()
    except Exception as exc:  # whatever a function of the user's raises
        raise ValueError(f"SESSION failed: {type(exc).__name__}: {exc}") from exc
    session: requests.Session = made  # the client looks whether it is one
    return session


def _interceptor(given: Union[str, UnaryUnaryClientInterceptor]) -> UnaryUnaryClientInterceptor:
    found: Any = _imported("INTERCEPTORS", given) if isinstance(given, str) else given
    try:
        interceptor: UnaryUnaryClientInterceptor = found() if isinstance(found, type) else found
    except Exception as exc:
        raise ValueError(f"INTERCEPTORS: {given!r} failed: {type(exc).__name__}: {exc}") from exc
    if not hasattr(interceptor, "intercept_unary_unary"):
        raise ValueError(f"INTERCEPTORS: {given!r} is no interceptor")
    return interceptor


def _imported(option: str, path: str) -> Any:
    """Return what a dotted path names.

    Raises:
        ValueError: nothing.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ValueError(f"{option} names {path!r}, which cannot be imported: {exc}") from exc
