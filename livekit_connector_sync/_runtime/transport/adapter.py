"""Sessions and adapters that send through our pools: our own, and views of a caller's.

A view is an instance of a subclass of the original's class: the caller's methods run on it, and
what they assign lands on the original too. Nothing else of the original changes.
"""

from __future__ import annotations

import copy
import functools
import threading
import types
import weakref
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Optional

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from ..forking import call_after_fork
from .pool import MAX_HOSTS, with_our_pools
from .tls import tls_context

_ORIGINAL = "_livekit_connector_sync_original"


class OurProxies(HTTPAdapter):
    """An adapter whose pools carry exchanges through proxies."""

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)  # type: ignore[no-untyped-call]
        self.proxy_manager[proxy] = with_our_pools(manager)
        return self.proxy_manager[proxy]


class Adapter(OurProxies):
    """requests' adapter over pools that carry exchanges, found in less time than requests takes."""

    def __init__(self) -> None:
        super().__init__(pool_connections=MAX_HOSTS)
        self.poolmanager = with_our_pools(self.poolmanager)
        # Weak, so that the pools of a closed adapter, and their connections, go with it.
        self._pools: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool for a request."""
        url: str = request.url
        proxy = select_proxy(url, proxies) if proxies else None
        key = (url[: url.find("/", 8)], verify, str(cert), proxy)  # the URL up to its path
        pool = self._pools.get(key)
        if pool is None or pool.pool is None:  # not found before, or closed
            with self._lock:  # so that threads which begin at once read the CA bundle once
                if proxy is not None and proxy.lower().startswith("https:"):
                    self.proxy_manager_for(proxy, proxy_ssl_context=tls_context(verify, None))
                pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
                self._pools[key] = pool
        return pool

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return where a pool connects to, and its options: one TLS context for each setting."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": tls_context(verify, cert)} if host["scheme"] == "https" else {}

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return the target of a request; requests looks for a proxy first, even if none is set."""
        adapter: Any = super()
        return str(adapter.request_url(request, proxies) if proxies else request.path_url)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS context holds it all."""


class NoRedirects(requests.Session):
    """A session that does not look at the target of a redirect, which may be malformed."""

    def get_redirect_target(self, resp: requests.Response) -> Optional[str]:
        return None


def own_session() -> requests.Session:
    """Return a session without headers, cookies or retries of its own."""
    session = NoRedirects()
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # keep none
    session.mount("https://", Adapter())
    session.mount("http://", session.adapters["https://"])
    return session


# By a caller's PoolManager: an Adapter to use in place of its adapter, or managers for views of it,
# which keep the connections from call to call.
_ours: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
call_after_fork(_ours.clear)  # another thread may have held a lock within


class _View:
    def __init_subclass__(cls, **options: Any) -> None:
        """Do nothing: the caller's class may keep a list of its subclasses."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        replaced = getattr(type(self), name, None)
        # requests-mock replaces methods for the time of a call: those are this view's only.
        if not callable(replaced) and not isinstance(replaced, property):
            setattr(vars(self)[_ORIGINAL], name, value)


class _SessionView(_View, NoRedirects):
    def get_adapter(self, url: Any) -> Any:
        """Return an adapter that sends through our pools, if the caller's can."""
        return _adapter_view(vars(self)[_ORIGINAL].get_adapter(url))


class _AdapterView(_View, OurProxies):
    pass


_view_class = functools.lru_cache(maxsize=64)(types.new_class)


def _view(kind: type, original: Any, **replaced: Any) -> Any:
    bases: Any = (kind, type(original))
    view: Any = object.__new__(_view_class(type(original).__name__, bases))
    vars(view).update(vars(original), **replaced, **{_ORIGINAL: original})
    return view


def session_view(session: requests.Session) -> requests.Session:
    """Return a view of a caller's session, for one call."""
    # A copied jar shares the cookies, but not the lock, which a signal or a fork may leave locked.
    view: requests.Session = _view(_SessionView, session, cookies=copy.copy(session.cookies))
    vars(view).pop("get_adapter", None)  # an instance's own: ours asks it
    return view


def _adapter_view(adapter: Any) -> Any:
    """Return an Adapter for requests' own, a view of a subclass, or the foreign adapter itself."""
    if isinstance(adapter, Adapter) or not isinstance(adapter, HTTPAdapter):
        return adapter
    manager = adapter.poolmanager
    stock = (
        type(adapter) is HTTPAdapter
        and not adapter.max_retries.total  # else it may retry to connect, and wait meanwhile
        and not manager.connection_pool_kw.get("block")
        and manager.connection_pool_kw.keys() <= {"maxsize", "block"}
    )
    ours: Any = _ours.get(manager)
    if ours is None or isinstance(ours, Adapter) is not stock:
        proxies = {key: with_our_pools(each) for key, each in adapter.proxy_manager.items()}
        managers = {"poolmanager": with_our_pools(manager), "proxy_manager": proxies}
        ours = _ours[manager] = Adapter() if stock else managers
    return ours if stock else _view(_AdapterView, adapter, **ours)
