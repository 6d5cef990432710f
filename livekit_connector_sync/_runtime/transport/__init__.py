"""HTTP over `requests`: the only package that knows it.

A transport sends one request and returns one complete answer, or raises TransportError with what
is known: in which phase it failed, and whether the server may have seen the request. It never
repeats anything, follows no redirect, keeps no cookie and obeys one deadline throughout.

`requests` itself promises none of this: its timeout is per read, it takes a truncated answer for
an empty one, and it re-sends bodies to where a redirect points. So the connections below it are
replaced by ones that obey the deadline and notice truncation (`connection`). This works on any
session whose adapters send as requests' own does. Where that is not known, for a foreign adapter or
one with a `send` of its own, and where something below waits by itself (`keeps_time`), the exchange
runs in a thread of its own, which is left behind at the deadline.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, Optional, Union

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from ..deadline import Deadline
from .connection import Exchange, NotSent
from .environment import NO_SETTINGS, Environment
from .exchange import Answer, TransportError, exchange_in_thread, not_sent, run_exchange
from .session import (
    Adapter,
    abandon_connections,
    check_paths,
    check_proxy,
    keeps_time,
    own_session,
    prepared_request,
    refuse_missing_files,
    refuse_repeating,
    track_pools,
)

__all__ = ["Answer", "Transport", "TransportError"]


class Transport:
    """Sends requests through a session of its own, or through the caller's.

    Args:
        session: the caller's session; by default one is made when it is first needed.
        verify: False, or the path of a CA bundle or folder; by default what the session and the
            environment say.
        cert: the path of a client certificate, or a (certificate, key) pair.
        proxies: proxies by scheme, as in requests.

    Raises:
        ValueError: an option is of another type, a path is not there or cannot be used, or an
            adapter of the session would repeat a POST.
    """

    def __init__(
        self,
        session: Optional[requests.Session] = None,
        verify: Union[bool, str, os.PathLike[str], None] = None,
        cert: Union[str, os.PathLike[str], tuple[str, str], None] = None,
        proxies: Optional[Mapping[str, str]] = None,
    ) -> None:
        if session is not None and not isinstance(session, requests.Session):
            raise ValueError(f"session must be a requests.Session, not {session!r}")
        if proxies is not None and not isinstance(proxies, Mapping):
            raise ValueError('proxies must be a mapping, such as {"https": "http://proxy:3128"}')
        given: Any = cert
        cert = tuple(given) if isinstance(given, list) else given  # a list cannot key a cache
        check_paths(verify, cert)
        for scheme, proxy in (proxies or {}).items():
            check_proxy(f"proxies[{scheme!r}]", proxy)
        self._given = session
        self._verify = verify
        self._cert = cert
        self._proxies = dict(proxies) if proxies is not None else None
        self._environment = Environment()
        self._lock = threading.Lock()
        self._own: Optional[requests.Session] = None
        self._closed = False
        self.check_session()

    def check_session(self) -> None:
        """Look at the adapters of the caller's session, who may mount others at any time.

        Raises:
            ValueError: one of them would repeat a POST.
        """
        if self._given is not None:
            for adapter in self._given.adapters.values():
                refuse_repeating(adapter)

    def reset_after_fork(self) -> None:
        """Start with fresh connections in a forked child; the parent's stay as they are."""
        self._lock = threading.Lock()
        for session in (self._own, self._given):
            if session is not None:
                abandon_connections(session)
        self._own = None

    def close(self) -> None:
        """Close the connections of the transport's own session; the caller's is the caller's."""
        with self._lock:
            self._closed = True
            session, self._own = self._own, None
        if session is not None:
            session.close()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Optional[bytes],
        deadline: Deadline,
        connect_deadline: Deadline,
    ) -> Answer:
        """Send a request and return its complete answer.

        Args:
            method: "POST" or "GET".
            url: where to.
            headers: all headers of the request.
            body: the request's body.
            deadline: when the whole exchange must be over.
            connect_deadline: when the connection must stand.

        Raises:
            TransportError: there is no complete answer.
        """
        exchange = Exchange(deadline, connect_deadline)
        try:
            session = self._session()
            settings = self._settings(session, url)
            request = prepared_request(session, method, url, headers, body)
            adapter = session.get_adapter(url)
            proxy = select_proxy(url, settings["proxies"]) if settings["proxies"] else None
            if proxy:
                check_proxy(f"the proxy for {url}", proxy)
            if not isinstance(adapter, Adapter):
                refuse_missing_files(settings["verify"], settings["cert"])
        except (requests.RequestException, NotSent, ValueError) as exc:
            failure = not_sent(exc)
        else:
            if isinstance(adapter, HTTPAdapter):
                track_pools(adapter)
            if keeps_time(adapter, url, proxy):
                return run_exchange(session, request, settings, exchange)
            return exchange_in_thread(
                lambda: run_exchange(session, request, settings, exchange), exchange
            )
        raise failure

    def _session(self) -> requests.Session:
        """Return the session to send with.

        Raises:
            NotSent: the transport was closed meanwhile.
        """
        session = self._given if self._given is not None else self._own
        if session is not None and not self._closed:
            return session
        with self._lock:
            if self._closed:
                raise NotSent("the channel was closed")
            if self._own is None:
                self._own = own_session()
            return self._own

    def _settings(self, session: requests.Session, url: str) -> dict[str, Any]:
        """Return what requests takes from arguments, session and environment, in this order."""
        found = self._environment.settings(url, session) if session.trust_env else NO_SETTINGS
        verify = self._verify
        if verify is None:
            verify = found.verify if session.verify in (True, None) else session.verify
        proxies = self._proxies
        if proxies is None:
            proxies = {**found.proxies, **session.proxies}
        return {
            "verify": verify,
            "cert": self._cert if self._cert is not None else session.cert,
            "proxies": proxies,
        }
