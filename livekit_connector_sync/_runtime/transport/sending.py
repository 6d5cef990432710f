"""Runs an exchange through a session, in this thread or in one of its own."""

from __future__ import annotations

import contextvars
import functools
import http.client
import io
import re
import socket
import sys
from collections.abc import Mapping
from typing import Any, Callable, Optional, cast

import requests
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import HTTPError, NewConnectionError

from ..threads import NoThread, StillRunning, call_in_thread
from .exchange import BODY, CONNECTING, Answer, Exchange, NotSent, TransportError, current
from .reader import BadResponse, RawSource, read_body

_ADAPTER = "waiting for the session's adapter"
# What may end an exchange without being a mistake in a program.
FAILURES = (HTTPError, http.client.HTTPException, OSError, ValueError)
_UNSENT = (NotSent, NewConnectionError, ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema)


def run(
    session: requests.Session,
    request: requests.PreparedRequest,
    settings: Mapping[str, Any],
    exchange: Exchange,
) -> Answer:
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
        if response.raw is exchange.raw and exchange.answer is not None:
            return exchange.answer
        with response:
            return _read_foreign(response, exchange)
    except FAILURES as exc:
        failure = _failure(exc, exchange, outer)
        if request.hooks["response"] and not exchange.tracked:
            failure.maybe_sent = True  # it may be the failure of a hook's own request
    finally:
        current.reset(token)
    # Outside the handlers, so that no exception of requests, which holds the token, is its context.
    raise failure


def _read_foreign(response: requests.Response, exchange: Exchange) -> Answer:
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
    return Answer(response.status_code, headers, body)


def run_in_thread(call: Callable[[], Answer], exchange: Exchange) -> Answer:
    """Run an exchange in a thread, which is left behind at the deadline; raise TransportError."""
    in_context = functools.partial(contextvars.copy_context().run, call)
    try:
        return cast(Answer, call_in_thread(in_context, exchange.deadline.remaining()))
    except StillRunning:
        exchange.abandoned = True  # before the look at `sent`
        maybe_sent = exchange.sent or not exchange.tracked
        phase = exchange.phase if exchange.tracked else _ADAPTER
        failure = TransportError("timed out", phase, maybe_sent, timed_out=True)
    except NoThread as exc:
        failure = not_sent(exc)
    finally:
        exchange.abandoned = True  # also after an exception from a signal
    raise failure


def not_sent(exc: BaseException) -> TransportError:
    """Return the failure for an exception that came before anything was sent."""
    return TransportError(_reason([exc]), CONNECTING, maybe_sent=False)


def _failure(exc: Exception, exchange: Exchange, outer: Optional[BaseException]) -> TransportError:
    causes: list[BaseException] = []
    cause: Optional[BaseException] = exc
    while cause is not None and cause is not outer:
        if isinstance(cause, BadResponse):
            return TransportError(str(cause), exchange.phase, True, broken=cause.broken)
        causes.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    never = any(isinstance(cause, _UNSENT) for cause in causes)
    maybe_sent = exchange.sent if exchange.tracked else not never
    left = exchange.deadline.remaining()
    # Timers may go off a little early: those of gevent do.
    timed_out = left is not None and (
        left == 0 or (left < 0.05 and any(isinstance(each, socket.timeout) for each in causes))
    )
    unknown = maybe_sent and not exchange.tracked and exchange.phase is not BODY
    phase = _ADAPTER if unknown else exchange.phase
    peer = f"{exchange.peer}: " if phase is CONNECTING and exchange.peer else ""
    return TransportError(peer + _reason(causes), phase, maybe_sent, timed_out)


def _reason(causes: list[BaseException]) -> str:
    """Return the innermost cause's own words; the outer ones repeat it with object addresses."""
    innermost = next((cause for cause in reversed(causes) if str(cause)), causes[0])
    name = type(innermost).__name__
    words = getattr(innermost, "strerror", None) or str(innermost) or name
    words = re.sub(r"//[^/\s]*@", "//", words)  # a proxy's URL may hold a password
    return words if isinstance(innermost, OSError) else f"{name}: {words}"
