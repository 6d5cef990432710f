"""Sessions of requests: ours, and what a caller's must and must not do to a call."""

from __future__ import annotations

import functools
import os
import ssl
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Optional, Union
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from requests.utils import prepend_scheme_if_needed, select_proxy
from urllib3._collections import RecentlyUsedContainer
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context

from ..._version import __version__
from .connection import NotSent, track_pool

__all__ = [
    "LOCATION",
    "Adapter",
    "abandon_connections",
    "check_paths",
    "check_proxy",
    "keeps_time",
    "own_session",
    "prepared_request",
    "refuse_missing_files",
    "refuse_repeating",
    "track_pools",
]

_POOL_SIZE = 256  # connections kept per host; more are opened when needed, and closed after use

USER_AGENT = f"livekit-connector-sync/{__version__}"
_MOST_HOSTS = 256  # whose pools are kept; a region list may name dozens

LOCATION = "_livekit_connector_sync_location"


def own_session() -> requests.Session:
    """Return a session without headers, cookies or retries of its own."""
    session = requests.Session()
    session.headers.clear()
    session.cookies = _NoCookies()
    adapter = Adapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Headers(CaseInsensitiveDict[str]):
    """Headers that urllib3, which copies them for each request, gets as a plain dict."""

    def copy(self) -> Any:
        return dict(self._store.values())  # type: ignore[attr-defined]  # as the base's own copy()


class _NoCookies(RequestsCookieJar):
    """A jar that stays empty: no cookie of one call is sent with another."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


def prepared_request(
    session: requests.Session,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Optional[bytes],
) -> requests.PreparedRequest:
    """Return a request as `Session.prepare_request` does, in a tenth of its time.

    The call's own headers win over the session's; session.auth and netrc, which would replace
    the call's token, are left out.
    """
    request = requests.PreparedRequest()
    request.method = method
    request.url = _prepared_url(url)
    own: dict[str, Any] = {"Accept-Encoding": "identity"}
    if body is not None:
        request.body = body
        own["Content-Length"] = str(len(body))
    # Of names that differ in case only, the last one wins.
    merged: dict[str, Any] = {**_session_headers(session), **headers, **own}
    request.headers = _Headers({"User-Agent": USER_AGENT, **merged})
    if len(session.cookies):
        request.prepare_cookies(session.cookies)
    hooks: Any = session.hooks.get("response") or ()  # one hook, or several
    request.hooks = {"response": [*((hooks,) if callable(hooks) else hooks), _hide_location]}
    return request


@functools.lru_cache(maxsize=256)
def _prepared_url(url: str) -> Optional[str]:
    return requests.Request("GET", url).prepare().url


_DEFAULT_HEADERS = requests.utils.default_headers()


def _session_headers(session: requests.Session) -> dict[str, Union[str, bytes]]:
    """Return what a caller has set on the session, without requests' defaults."""
    if not session.headers:
        return {}
    return {
        name: value
        for name, value in session.headers.items()
        if value is not None and _DEFAULT_HEADERS.get(name) != value
    }


def _hide_location(response: requests.Response, **_: object) -> None:
    """Keep requests from working on a redirect: it would read its body and parse its target."""
    location = response.headers.pop("location", None)
    if location is not None:
        setattr(response, LOCATION, location)


def refuse_repeating(adapter: Any) -> None:
    """Refuse an adapter that would send a POST again by itself, behind the channel's back."""
    retries = getattr(adapter, "max_retries", None)
    if not isinstance(retries, urllib3.Retry) or retries.total in (0, False):
        return
    allowed = getattr(retries, "allowed_methods", None)
    if not allowed or "POST" in {str(name).upper() for name in allowed}:
        raise ValueError(
            f"the session's {type(adapter).__name__} repeats POSTs by itself (max_retries="
            f"{retries!r}), which can place a call twice: leave max_retries at 0 and give the "
            "channel a RetryPolicy"
        )


def check_paths(verify: Any, cert: Any) -> None:
    """Check a channel's `verify` and `cert`.

    Raises:
        ValueError: one is of another type, or what is at its path cannot be used.
    """
    if verify is not None and not isinstance(verify, (bool, str, os.PathLike)):
        raise ValueError(f"verify must be a path, True or False, not {verify!r}")
    if isinstance(verify, (str, os.PathLike)):
        try:
            _tls_context(verify, None)
        except (OSError, ValueError) as exc:
            raise ValueError(f"verify={verify!r} is no usable CA bundle: {exc}") from None
    if cert is not None:
        try:
            _tls_context(True, cert)
        except (OSError, ValueError, TypeError) as exc:
            raise ValueError(f"cert={cert!r} is no usable client certificate: {exc}") from None


def check_proxy(what: str, url: Any) -> None:
    """Check a proxy's URL, which requests and urllib3 do not all of the time.

    Args:
        what: what to call it in the error.
        url: the URL; requests takes an empty one for no proxy.

    Raises:
        ValueError: it is not one; the text holds no user or password of it.
    """
    if not url:
        return
    with_scheme: Any = prepend_scheme_if_needed
    try:
        host = parse_url(with_scheme(url, "http")).host
    except (ValueError, TypeError, AttributeError, urllib3.exceptions.HTTPError):
        host = None
    if not host:
        raise ValueError(f'{what} is no URL of a proxy: write it as "http://proxy.example:3128"')


def keeps_time(adapter: Any, url: str, proxy: Optional[str]) -> bool:
    """Return whether an adapter does nothing that our connections could not limit.

    Args:
        adapter: the adapter.
        url: where it sends to.
        proxy: through which proxy.
    """
    if getattr(adapter.send, "__func__", None) is not HTTPAdapter.send:
        return False
    if adapter.max_retries.backoff_factor and adapter.max_retries.total != 0:
        return False  # urllib3 sleeps
    # PySocks times each read by itself; TLS within TLS is read by urllib3, without a limit.
    socks = proxy is not None and proxy.lower().startswith("socks")
    nested = proxy is not None and is_tls(proxy) and url.startswith("https:")
    return not (socks or nested)


def is_tls(proxy: str) -> bool:
    """Return whether a proxy is spoken to over TLS."""
    return proxy.lower().startswith("https:")


def refuse_missing_files(verify: Union[bool, str, os.PathLike[str]], cert: Any) -> None:
    """Refuse paths where nothing is: an adapter of the caller's opens them after it took a pool.

    Raises:
        NotSent: one is missing.
    """
    if not isinstance(verify, bool) and not os.path.exists(verify):
        raise NotSent(f"the CA bundle {verify!r} does not exist (verify, or REQUESTS_CA_BUNDLE)")
    if not all(map(os.path.exists, _files(cert))):
        raise NotSent(f"the client certificate {cert!r} does not exist (cert)")


def _tls_context(verify: Any, cert: Any) -> ssl.SSLContext:
    """Return the TLS context of a setting; made anew only for other files, in a new pool.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file holds something else.
    """
    paths = _files(cert) if isinstance(verify, bool) else [verify, *_files(cert)]
    return _make_tls_context(verify, cert, tuple(os.stat(path).st_mtime_ns for path in paths))


def _files(cert: Any) -> list[Any]:
    return [cert] if isinstance(cert, (str, os.PathLike)) else list(cert or ())


@functools.lru_cache(maxsize=32)
def _make_tls_context(verify: Any, cert: Any, changed: tuple[int, ...]) -> ssl.SSLContext:
    """Return a TLS context; kept, since reading the CA bundle takes 20 ms."""
    context = create_urllib3_context()
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        bundle = certifi.where() if verify is True else verify
        if os.path.isdir(bundle):
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    if cert is not None:
        certificate, key = (cert, None) if isinstance(cert, (str, os.PathLike)) else cert
        # A password would be asked for at the terminal, which a worker does not have.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


def track_pools(adapter: HTTPAdapter) -> None:
    """Have an adapter use connections of ours, in whichever pool it takes them from.

    requests looks for the pool at each request, for a tenth of a call's time. Where it is requests
    that looks, and no class of the caller's, it gets the open pool that it found before.
    """
    if "get_connection_with_tls_context" in vars(adapter):
        return
    get_pool = adapter.get_connection_with_tls_context
    # Weak, so that a closed session's pools, and the connections in them, go with it.
    found: weakref.WeakValueDictionary[tuple[Any, ...], Any] = weakref.WeakValueDictionary()
    keep = type(adapter) in (HTTPAdapter, Adapter)

    @functools.wraps(get_pool)
    def get_tracked_pool(
        request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        url = str(request.url)
        parts = urlsplit(url)
        proxy = select_proxy(url, proxies) if proxies else None
        key = (parts.scheme, parts.netloc, verify, str(cert), proxy)
        pool = found.get(key) if keep else None
        if pool is None or pool.pool is None:  # not found yet, or closed meanwhile
            pool = found[key] = get_pool(request, verify, proxies=proxies, cert=cert)
            track_pool(pool, foreign=not keep)
        return pool

    setattr(adapter, "get_connection_with_tls_context", get_tracked_pool)  # noqa: B010


# What requests.Response() sets; making its cookie jar takes longer than all the rest.
_BLANK = vars(requests.Response())


class Adapter(HTTPAdapter):
    """requests' adapter with one TLS context and a pool that grows."""

    def __init__(self) -> None:
        super().__init__(pool_connections=_MOST_HOSTS, pool_maxsize=_POOL_SIZE)

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        proxy = select_proxy(request.url, proxies) if proxies else None
        if proxy is not None and is_tls(proxy):
            make_manager: Any = self.proxy_manager_for
            make_manager(proxy, proxy_ssl_context=_tls_context(verify, None))
        return super().get_connection_with_tls_context(request, verify, proxies, cert)

    def request_url(self, request: Any, proxies: Any) -> str:
        adapter: Any = super()
        url: str = adapter.request_url(request, proxies) if proxies else request.path_url
        return url

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return what the transport reads of a response, without looking for cookies."""
        response = requests.Response.__new__(requests.Response)
        response.__dict__.update(_BLANK)
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url
        response.request = req
        response.connection = self
        response.history = []  # _BLANK's own would be shared
        return response

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        parts = urlsplit(request.url)
        host = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        if parts.scheme != "https":
            return host, {}
        try:
            return host, {"ssl_context": _tls_context(verify, cert)}
        except (OSError, ValueError) as exc:
            files = f"the CA bundle {verify!r} (verify, or REQUESTS_CA_BUNDLE)"
            if cert is not None:
                files += f" or the client certificate {cert!r}"
            raise NotSent(f"{files} cannot be used: {exc}") from None

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS context holds it all."""


def abandon_connections(session: requests.Session) -> None:
    """Drop a session's connections without a word to the servers, whom the parent talks to."""
    # Another thread of the parent may have held any of the locks below: they are made anew.
    cookies: Any = session.cookies
    if hasattr(cookies, "_cookies_lock"):
        cookies._cookies_lock = threading.RLock()
    for adapter in session.adapters.values():
        managers = [getattr(adapter, "poolmanager", None)]
        managers += getattr(adapter, "proxy_manager", {}).values()
        for manager in managers:
            pools = getattr(manager, "pools", None)
            if not isinstance(pools, RecentlyUsedContainer):
                continue
            pools.lock = threading.RLock()
            for pool in list(pools._container.values()):
                queue = getattr(pool, "pool", None)
                if queue is None:
                    continue
                idle = [connection for connection in queue.queue if connection is not None]
                queue.__init__(queue.maxsize)
                for _ in range(queue.maxsize):
                    queue.put_nowait(None)
                for connection in idle:
                    connection.close()  # this process's handle only: nothing goes over the wire
