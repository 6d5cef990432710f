"""One client per process, alias, and API, created on first use."""

from __future__ import annotations

import inspect
import pkgutil
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union

from .. import ConnectorClient
from .._runtime.deadline import Unset
from .._runtime.forking import reset_after_fork
from .._runtime.redaction import hide_locals
from ..whatsapp import CallingClient
from .settings import CLIENT_OPTIONS, DEFAULT_ALIAS, Settings

__all__ = ["Clients", "make_calling_client", "make_client"]

Client = TypeVar("Client", bound=Union[ConnectorClient, CallingClient])


class Clients:
    """The clients of a process, by alias; safe for threads and forked children.

    Args:
        load: returns the settings of every alias; called on first use, and again after `close`.
    """

    def __init__(self, load: Callable[[], Mapping[str, Settings]]) -> None:
        self._load = load
        self._settings: Mapping[str, Settings] = {}
        self._clients: dict[Any, Any] = {}
        self._lock = threading.RLock()
        reset_after_fork(self)

    def get(self, alias: str = DEFAULT_ALIAS) -> ConnectorClient:
        """Return an alias's shared client; raise ValueError if its settings are wrong."""
        return self._get(alias, make_client)

    def get_calling_client(self, alias: str = DEFAULT_ALIAS) -> CallingClient:
        """Return the shared client of Meta's API; raise ValueError if the settings are wrong."""
        return self._get(alias, make_calling_client)

    def _get(self, alias: str, make: Callable[[Settings], Client]) -> Client:
        with self._lock:
            client: Client
            if (alias, make) not in self._clients:
                self._clients[alias, make] = make(self.settings(alias))
            client = self._clients[alias, make]
            return client

    def settings(self, alias: str = DEFAULT_ALIAS) -> Settings:
        """Return the settings of an alias; raise ValueError if there are none."""
        found = self.all_settings()
        if alias not in found:
            known = ", ".join(repr(name) for name in found) or "none"
            raise ValueError(f"unknown alias {alias!r}; the settings have {known}")
        return found[alias]

    @hide_locals
    def all_settings(self) -> Mapping[str, Settings]:
        """Return the settings of every alias."""
        with self._lock:
            if not self._settings:
                self._settings = self._load()
            return self._settings

    def close(self) -> None:
        """Close every client and drop the settings; both are created again on next use."""
        with self._lock:
            clients, self._clients, self._settings = self._clients, {}, {}
        for client in clients.values():
            client.close()

    def reset_after_fork(self) -> None:
        """Replace the lock in a forked child: another thread of the parent may have held it."""
        self._lock = threading.RLock()


@hide_locals
def make_client(settings: Settings) -> ConnectorClient:
    """Return a new client of an alias. The caller closes it.

    Raises:
        ValueError: the URL, the credentials, or another option is missing or wrong; the message
            names the alias.
    """
    try:
        # The client would read the environment, which is for the alias "default" only and already
        # in the settings.
        if not settings.url:
            raise ValueError("URL is missing")
        if not (settings.token or settings.api_key or settings.api_secret):
            raise ValueError("API_KEY and API_SECRET, or TOKEN, are missing")
        options: dict[str, Any] = {name: getattr(settings, name) for name in CLIENT_OPTIONS}
        if settings.session is not None:
            options["session"] = _make("SESSION", settings.session, lambda _: True)
        options["interceptors"] = [
            _make("INTERCEPTORS", each, inspect.isclass) for each in settings.interceptors
        ]
        return ConnectorClient(**options)
    except (ValueError, TypeError) as exc:
        raise ValueError(f"alias {settings.alias!r}: {exc}") from exc


@hide_locals
def make_calling_client(settings: Settings) -> CallingClient:
    """Return a new client of Meta's API, for the number of an alias. The caller closes it.

    Raises:
        ValueError: an option is missing or wrong; the message names the alias.
    """
    options: dict[str, Any] = {"retry": settings.retry}
    if not isinstance(settings.timeout, Unset):
        options["timeout"] = settings.timeout
    if settings.graph_url:
        options["url"] = settings.graph_url
    try:
        for name in ("phone_number_id", "api_key", "cloud_api_version"):
            if not getattr(settings, f"whatsapp_{name}"):
                raise ValueError(f"WHATSAPP_{name.upper()} is missing")
        return CallingClient(
            settings.whatsapp_phone_number_id,
            settings.whatsapp_api_key,
            api_version=settings.whatsapp_cloud_api_version,
            **options,
        )
    except (ValueError, TypeError) as exc:
        raise ValueError(f"alias {settings.alias!r}: {exc}") from exc


def _make(option: str, given: Any, is_factory: Callable[[Any], bool]) -> Any:
    """Return the object, or import it if it is a dotted path; call it if it is a factory."""
    try:
        found = pkgutil.resolve_name(given) if isinstance(given, str) else given
        return found() if is_factory(found) else found
    except Exception as exc:  # user code may raise anything
        raise ValueError(f"{option} names {given!r}, which cannot be loaded: {exc}") from exc
