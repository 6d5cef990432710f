"""Runs an exchange through a session, in this thread or in one of its own."""

from __future__ import annotations

import contextvars
import functools
import http.client
import io
import sys
from collections.abc import Mapping
from typing import Any, Callable, cast

import requests
from urllib3.exceptions import HTTPError

from ..framing import RawSource, read_body
from ..threads import NoThread, StillRunning, call_in_thread
from .exchange import BODY, CONNECTING, Exchange, HttpResponse, TransportError, current
from .failures import ADAPTER, failure_of, not_sent

# What may end an exchange without being a mistake in a program.
FAILURES = (HTTPError, http.client.HTTPException, OSError, ValueError)


def run(
    session: requests.Session,
    request: requests.PreparedRequest,
    settings: Mapping[str, Any],
    exchange: Exchange,
) -> HttpResponse:
    """Send a request and read its whole response, in this thread; raise TransportError."""
    outer = sys.exc_info()[1]  # what the caller is handling has nothing to do with us
    connect, left = exchange.connect_deadline.remaining(), exchange.deadline.remaining()
    if connect == 0 or left == 0:
        raise TransportError("timed out", CONNECTING, maybe_sent=False, timed_out=True)
    # Our connections keep the deadline; the timeout serves the connections that are not ours.
    options = {**settings, "stream": True, "allow_redirects": False, "timeout": (connect, left)}
    token = current.set(exchange)
    try:
        try:
            response = session.send(request, **options)
        except requests.HTTPError as exc:  # of a hook that calls raise_for_status()
            if exc.response is None:
                raise
            response = exc.response
        if response.raw is exchange.raw and exchange.response is not None:
            return exchange.response
        with response:
            return _read_foreign(response, exchange)
    except FAILURES as exc:
        failure = failure_of(exc, exchange, outer)
        if request.hooks["response"] and not exchange.tracked:
            failure.maybe_sent = True  # it may be the failure of a hook's own request
    finally:
        current.reset(token)
    # Outside the handlers, so that no exception of requests, which holds the token, is its context.
    raise failure


def _read_foreign(response: requests.Response, exchange: Exchange) -> HttpResponse:
    """Read a response that came through a foreign adapter, or that a tool made up."""
    exchange.phase = BODY
    raw = response.raw
    read: Any = functools.partial(getattr(raw, "read", int), decode_content=False)
    if raw is None or raw.closed:  # an adapter or a hook has read it before
        read = io.BytesIO(response.content).read

    def receive(size: int) -> bytes:
        exchange.time_left()
        return cast(bytes, read(size))

    headers = {name.lower(): value for name, value in response.headers.items()}
    # Made-up responses have no HTTP version, and need not say where they end.
    framed = getattr(raw, "version", None) in (10, 11)
    source = io.BufferedReader(RawSource(receive))
    body, _ = read_body(source, response.status_code, headers, framed=framed, in_chunks=False)
    return HttpResponse(response.status_code, headers, body)


def run_in_thread(call: Callable[[], HttpResponse], exchange: Exchange) -> HttpResponse:
    """Run an exchange in a thread, which is left behind at the deadline; raise TransportError."""
    in_context = functools.partial(contextvars.copy_context().run, call)
    try:
        return cast(HttpResponse, call_in_thread(in_context, exchange.deadline.remaining()))
    except StillRunning:
        exchange.abandoned = True  # before the look at `sent`
        maybe_sent = exchange.sent or not exchange.tracked
        phase = exchange.phase if exchange.tracked else ADAPTER
        failure = TransportError("timed out", phase, maybe_sent, timed_out=True)
    except NoThread as exc:
        failure = not_sent(exc)
    finally:
        exchange.abandoned = True  # also after an exception from a signal
    raise failure
