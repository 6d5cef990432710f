"""HTTP over `requests`: the only package that knows it.

A transport sends one request and returns one complete response, or raises TransportError with what
is known: in which phase it failed, and whether the server may have seen the request. It never
repeats anything, follows no redirect, keeps no cookie and obeys one deadline throughout.

requests promises none of this, so requests go through pools of our own (`pool`), below an adapter
of ours or views of the caller's session and adapters (`adapter`). What can wait by itself, such as
a foreign adapter, runs in a thread, left behind at the deadline (`sending`). Only the first request
imports requests, which is slow, and which gevent must be able to patch before.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
from dataclasses import dataclass
from typing import Any

from ..lazy_import import import_lazily
from .exchange import CONNECTING, Exchange, HttpResponse, State, TransportError

__all__ = ["Exchange", "HttpResponse", "Transport", "TransportError"]


@dataclass(eq=False, repr=False)
class Transport(State):
    """Sends requests. Takes a channel's options, and raises ValueError if one is wrong."""

    def __post_init__(self) -> None:
        if _has_foreign_urllib3():
            raise ValueError(
                "urllib3-future, which niquests installs, has replaced urllib3, and does not work "
                "with this client: uninstall urllib3-future, then reinstall urllib3"
            )
        if (self.session, self.verify, self.cert, self.proxies) != (None, None, None, None):
            _load_client().check_options(self)  # reject a wrong option now

    def check_session(self) -> None:
        """Raise ValueError if an adapter that the caller has mounted since would repeat a POST."""
        if self.session is not None:
            _load_client().check_session(self.session)

    def reset_after_fork(self) -> None:
        """Start with fresh connections in a forked child; the parent's stay as they are."""
        self.lock, self.own = threading.Lock(), None

    def close(self) -> None:
        """Close the transport's own connections. A session that the caller gave stays open."""
        with self.lock:
            self.closed = True
            session, self.own = self.own, None
        if session is not None:
            session.close()

    def send(self, exchange: Exchange) -> HttpResponse:
        """Send a request and return its complete response; raise TransportError."""
        try:
            send = _load_client().send
        except (ImportError, OSError) as exc:  # no file descriptors left, for example
            failure = TransportError(f"requests cannot be imported: {exc}", CONNECTING, False)
        else:
            response: HttpResponse = send(self, exchange)
            return response
        raise failure


_load_client = functools.partial(import_lazily, f"{__name__}.client")


@functools.cache
def _has_foreign_urllib3() -> bool:
    """Return whether urllib3's name belongs to urllib3-future, without importing it."""
    spec: Any = importlib.util.find_spec("urllib3")
    folders = spec.submodule_search_locations if spec is not None else None
    return any(os.path.isdir(os.path.join(folder, "backend")) for folder in folders or ())
