"""Sends requests through `requests`: its own session, or the caller's."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else getaddrinfo imports it, within the first call
import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Union

import requests
import urllib3
from requests.structures import CaseInsensitiveDict
from requests.utils import prepend_scheme_if_needed, select_proxy
from urllib3.util import parse_url

from ..._version import __version__
from ..proxies import check_keys, hide_password, is_exempt
from .adapter import Adapter, own_session, session_view
from .exchange import Exchange, HttpResponse, NotSent, State
from .failures import not_sent
from .sending import FAILURES, run, run_in_thread
from .tls import check_files, tls_context

_USER_AGENT = f"livekit-connector-sync/{__version__}"
_DEFAULT_HEADERS = requests.utils.default_headers()
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
# As few as the URL's scheme needs: a variable that is not set takes 1 us to find out.
_NAMES = {
    "http:": ("HTTP_PROXY", "http_proxy", *_PROXIES, "REQUEST_METHOD"),
    "https": ("HTTPS_PROXY", "https_proxy", *_PROXIES, *_BUNDLES),
}
_known: dict[Any, tuple[list[Any], Union[bool, str], dict[str, str]]] = {}


def check_options(state: State) -> None:
    """Raise ValueError if an option is wrong."""
    session, proxies = state.session, state.proxies
    if session is not None and not isinstance(session, requests.Session):
        raise ValueError(f"session must be a requests.Session, not {type(session).__name__}")
    if proxies is not None:
        check_keys(proxies)
        for key, proxy in proxies.items():
            _check_proxy(f"proxies[{key!r}]", proxy)
    if isinstance(state.cert, list):
        state.cert = tuple(state.cert)  # a list cannot key a cache
    if state.verify is not None or state.cert is not None:
        check_files(state.verify, state.cert)
    if session is not None:
        check_session(session)


def check_session(session: requests.Session) -> None:
    """Raise ValueError if an adapter of the caller's would send a POST again by itself."""
    for adapter in session.adapters.values():
        retries = getattr(adapter, "max_retries", None)
        if not isinstance(retries, urllib3.Retry) or retries.total in (0, False):
            continue
        allowed = getattr(retries, "allowed_methods", None)
        if not allowed or "POST" in {str(name).upper() for name in allowed}:
            raise ValueError(
                f"the session's {type(adapter).__name__} repeats POSTs by itself (max_retries="
                f"{retries!r}), which can place a call twice: leave max_retries at 0 and give the "
                "channel a RetryPolicy"
            )


def _check_proxy(what: str, url: Any) -> None:
    """Raise ValueError if `url` is not a proxy's URL; requests takes an empty one for no proxy."""
    with_scheme: Any = prepend_scheme_if_needed
    try:
        if not url or parse_url(with_scheme(url, "http")).host:
            return
    except (ValueError, TypeError, AttributeError, urllib3.exceptions.HTTPError):
        pass
    # The text leaves out the URL, which may hold a user and a password.
    raise ValueError(f'{what} is not the URL of a proxy: write it as "http://proxy.example:3128"')


def send(state: State, exchange: Exchange) -> HttpResponse:
    """Send a request and return its complete response, or raise TransportError."""
    url, given = exchange.url, state.session
    try:
        session = _own_session(state) if given is None else session_view(given)
        settings = _settings(state, session, url)
        request = _prepared_request(session, exchange)
        proxy = select_proxy(url, settings["proxies"]) if settings["proxies"] else None
        _check_proxy(f"the proxy for {url}", proxy)
        exchange.proxy = proxy
        # Of a caller's session, nobody may have replaced a method, of the class or the instance.
        plain = given is None or (type(given) is requests.Session and "send" not in vars(given))
        ours = plain and isinstance(session.get_adapter(url), Adapter)
        if not ours and (settings["cert"] or url.startswith("https:")):
            # The caller's code would look for the files within the exchange.
            tls_context(settings["verify"], settings["cert"])
    except FAILURES as exc:
        failure = not_sent(exc)
    else:
        call = functools.partial(run, session, request, settings, exchange)
        # A caller's code may wait by itself, and so do PySocks, TLS within TLS and gevent, which
        # gives TLS its whole timeout again whenever a byte arrives.
        monkey: Any = sys.modules.get("gevent.monkey")
        alone = not ours or proxy or (monkey is not None and monkey.is_module_patched("socket"))
        response = run_in_thread(call, exchange) if alone else call()
        if proxy and response.status != 200:  # maybe the proxy's own
            body = hide_password(response.body.decode("latin-1"), proxy).encode("latin-1")
            response = replace(response, body=body)
        return response
    raise failure


def _own_session(state: State) -> Any:
    if state.own is not None:  # no lock, for nearly every call
        return state.own
    with state.lock:
        if state.closed:
            raise NotSent("the channel was closed")
        state.own = state.own or own_session()
        return state.own


def _settings(state: State, session: requests.Session, url: str) -> dict[str, Any]:
    """Return what requests takes from arguments, session and environment, in this order."""
    bundle: Any = True
    proxies: Mapping[str, str] = {}
    if session.trust_env:
        bundle, proxies = _environment_settings(url, session.proxies.get("no_proxy"))
    if session.verify not in (True, None):
        bundle = session.verify
    return {
        "verify": bundle if state.verify is None else state.verify,
        "cert": session.cert if state.cert is None else state.cert,
        "proxies": {**proxies, **session.proxies} if state.proxies is None else state.proxies,
    }


def _environment_settings(url: str, no_proxy: Any) -> tuple[Union[bool, str], dict[str, str]]:
    """Return the environment's CA bundle for a URL, or True, and its proxies by scheme.

    requests looks them up for every request, at a cost that grows with the environment; this does
    so only when the environment has changed.
    """
    key = (url[: url.find("/", 8)], no_proxy)  # up to the path
    snapshot = list(map(os.environ.get, _NAMES[url[:5]]))
    if key not in _known or _known[key][0] != snapshot:
        named = [os.environ.get(name) or "" for name in _BUNDLES]
        # OpenSSL, and so urllib and aiohttp, take the last two, and ignore a path without a file.
        bundle = named[0] or named[1] or next(filter(os.path.exists, named[2:]), True)
        exempt = no_proxy or os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        proxies: dict[str, str] = {}
        if not is_exempt(url, exempt):
            proxies = requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
        _known[key] = (snapshot, bundle, proxies)
    return _known[key][1:]


def _prepared_request(session: requests.Session, exchange: Exchange) -> requests.PreparedRequest:
    """Return a request as `Session.prepare_request` does, in a tenth of its time.

    It leaves out session.auth and netrc, which would replace the call's token.
    """
    request = requests.PreparedRequest()
    request.method = exchange.method
    request.url = _prepared_url(exchange.url)
    request.body = exchange.body
    own: dict[str, Any] = {"Accept-Encoding": "identity"}
    if exchange.body is not None:
        own["Content-Length"] = str(len(exchange.body))
    merged: dict[str, Any] = {"User-Agent": _USER_AGENT}
    for name, value in session.headers.items():
        if value is not None and _DEFAULT_HEADERS.get(name) != value:
            merged[name] = value  # set by the caller, and not one of requests' defaults
    # Of names that differ in case only, the last one wins.
    request.headers = CaseInsensitiveDict({**merged, **exchange.headers, **own})
    if len(session.cookies):
        request.prepare_cookies(session.cookies)
    hooks: Any = session.hooks.get("response") or ()  # one hook, or several
    request.hooks = {"response": [hooks] if callable(hooks) else [*hooks]}
    return request


@functools.lru_cache(maxsize=256)
def _prepared_url(url: str) -> Any:
    return requests.Request("GET", url).prepare().url
