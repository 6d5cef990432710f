"""One request and its answer: sent, read to the end, and judged whole or failed."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import http.client
import io
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

import requests
import urllib3

from .connection import ADAPTER, BODY, CONNECTING, Exchange, NotSent, RepeatedRequest, current
from .session import LOCATION

__all__ = ["Answer", "TransportError", "exchange_in_thread", "not_sent", "run_exchange"]

_LARGEST_BODY = 4 * 1024 * 1024  # bytes; gRPC's own default
_LARGEST_ERROR = 1024 * 1024  # bytes of a body that is read for its error
_READ_SIZE = 64 * 1024
_NO_ALARM = contextlib.nullcontext()
_ANSWER = "_livekit_connector_sync_answer"


class TransportError(Exception):
    """A request got no complete answer.

    Args:
        reason: what went wrong, without any secret.
        phase: what was going on.
        maybe_sent: False only if no byte of the request can have reached a server.
        timed_out: True if the deadline has passed.
        broken: True if the answer broke HTTP's rules or our limits, False if the connection failed.
    """

    def __init__(
        self,
        reason: str,
        phase: str,
        maybe_sent: bool,
        timed_out: bool = False,
        broken: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.phase = phase
        self.maybe_sent = maybe_sent
        self.timed_out = timed_out
        self.broken = broken


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer, or the beginning of a body that is too long (errors only)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def not_sent(exc: Exception) -> TransportError:
    """Return what an exception means that came before anything was sent."""
    return TransportError(_reason(exc), CONNECTING, maybe_sent=False)


def run_exchange(
    session: requests.Session,
    request: requests.PreparedRequest,
    settings: Mapping[str, Any],
    exchange: Exchange,
) -> Answer:
    """Send a request and read its whole answer, in this thread.

    Args:
        session: whose adapter sends it.
        request: the request.
        settings: verify, cert and proxies, as requests' adapters take them.
        exchange: its deadlines, and what is known of it so far.

    Raises:
        TransportError: there is no complete answer.
    """
    failure: TransportError
    hooks: list[Any] = request.hooks["response"]
    if len(hooks) > 1:  # the last is ours
        # Before the hooks of the caller's session: what they read is not read by our rules.
        hooks.insert(0, functools.partial(_read_first, exchange))
    token = current.set(exchange)
    try:
        with _alarm(exchange):
            response = _send(session, request, settings, exchange)
            try:
                answer: Optional[Answer] = getattr(response, _ANSWER, None)
                return _read(response, exchange) if answer is None else answer
            finally:
                response.close()
    except TransportError as exc:
        failure = exc
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
        ValueError,
        RepeatedRequest,
    ) as exc:
        failure = _failure(exc, exchange)
    finally:
        current.reset(token)
    # Raised here, outside the handlers, so that no exception of requests, which holds the request
    # and its token, can be reached from it.
    raise failure


def _alarm(exchange: Exchange) -> contextlib.AbstractContextManager[object]:
    """Return what ends an exchange of gevent's at the deadline.

    gevent gives a TLS socket its whole timeout again whenever a byte arrives.
    """
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("socket"):
        return _NO_ALARM
    left = exchange.deadline.remaining()
    alarm: contextlib.AbstractContextManager[object]
    alarm = sys.modules["gevent"].Timeout(left, socket.timeout("timed out"))
    return alarm


def _send(
    session: requests.Session,
    request: requests.PreparedRequest,
    settings: Mapping[str, Any],
    exchange: Exchange,
) -> requests.Response:
    deadline = exchange.deadline.remaining()
    connect = exchange.connect_deadline.remaining()
    if deadline == 0 or connect == 0:
        raise TransportError("timed out", CONNECTING, maybe_sent=False, timed_out=True)
    try:
        return session.send(
            request,
            stream=True,
            allow_redirects=False,
            # The connection keeps the deadline; these serve the connections that are not ours.
            timeout=(connect, deadline),
            **settings,
        )
    except requests.HTTPError as exc:
        # A response hook of the caller's session that calls raise_for_status().
        if exc.response is None:
            raise
        return exc.response


def _read_first(exchange: Exchange, response: requests.Response, **_: object) -> None:
    """Read an answer, and leave the result with the response; a hook of requests."""
    try:
        setattr(response, _ANSWER, _read(response, exchange))
    except BaseException:
        response.close()
        raise


def _read(response: requests.Response, exchange: Exchange) -> Answer:
    """Read an answer to its end and make sure that it is whole."""
    exchange.phase = BODY
    headers = {name.lower(): value for name, value in response.headers.items()}
    location = getattr(response, LOCATION, None)
    if location is not None:
        headers["location"] = location
    status = response.status_code
    if status < 200 or status == 204 or 300 <= status <= 399:
        return Answer(status, headers, b"")
    length = _framing(headers, exchange, must_be_framed=status == 200 and _from_wire(response))
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        if status != 200:
            return Answer(status, headers, b"")
        raise _broken("the answer is compressed, though identity was asked for", exchange)
    if length is not None and length > _LARGEST_BODY and status == 200:
        raise _broken(f"the answer is larger than {_LARGEST_BODY} bytes", exchange)
    body = bytearray()
    read = _reader(response)
    while True:
        if exchange.deadline.passed:
            raise socket.timeout("timed out")
        piece = read(_READ_SIZE)
        body += piece
        if status != 200 and len(body) > _LARGEST_ERROR:
            return _kept(response, Answer(status, headers, bytes(body[:_LARGEST_ERROR])))
        if len(body) > _LARGEST_BODY:
            raise _broken(f"the answer is larger than {_LARGEST_BODY} bytes", exchange)
        if not piece or len(body) == length:
            break
    if length is not None and len(body) != length:
        raise TransportError(
            f"the connection closed after {len(body)} of {length} bytes of the answer",
            BODY,
            maybe_sent=True,
        )
    return _kept(response, Answer(status, headers, bytes(body)))


def _kept(response: requests.Response, answer: Answer) -> Answer:
    """Leave the body to the hooks of the caller's session."""
    setattr(response, "_content", answer.body)  # noqa: B010 - requests declares it to be False
    setattr(response, "_content_consumed", True)  # noqa: B010
    return answer


def _reader(response: requests.Response) -> Callable[[int], bytes]:
    """Return what reads the body as it came."""
    if response.raw is None or response.raw.closed:
        # An adapter of the caller's, which logs answers for example, has read it before.
        return io.BytesIO(response.content).read
    return functools.partial(response.raw.read, decode_content=False)


def _framing(headers: Mapping[str, str], exchange: Exchange, must_be_framed: bool) -> Optional[int]:
    """Return the length that the headers announce, None if the body is chunked.

    Source: RFC 9112, section 6.3.
    """
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if encoding.lower() != "chunked":
            raise _unframed("unknown Transfer-Encoding", exchange)
        return None
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) <= 15:
        return int(length)
    lengths = {part.strip() for part in length.split(",")} - {""}
    if len(lengths) > 1 or not all(re.fullmatch("[0-9]{1,15}", text) for text in lengths):
        raise _unframed("bad Content-Length", exchange)
    if lengths:
        return int(lengths.pop())
    if must_be_framed or "content-length" in headers:
        raise _unframed("the answer does not say where it ends", exchange)
    return None


def _unframed(reason: str, exchange: Exchange) -> TransportError:
    return TransportError(reason, exchange.phase, maybe_sent=True)


def _broken(reason: str, exchange: Exchange) -> TransportError:
    return TransportError(reason, exchange.phase, maybe_sent=True, broken=True)


def _from_wire(response: requests.Response) -> bool:
    """Tell a response that came over a connection from one that a tool such as responses made."""
    original = getattr(response.raw, "_original_response", None)
    return isinstance(original, http.client.HTTPResponse)


def _failure(exc: Exception, exchange: Exchange) -> TransportError:
    """Return what an exception of requests, urllib3, http.client or the system means for a call."""
    maybe_sent = exchange.sent if exchange.tracked else not _never_sent(exc)
    left = exchange.deadline.remaining()
    # Timers may go off a little early: those of gevent do.
    timed_out = left is not None and (
        left == 0 or (left < 0.05 and any(isinstance(c, socket.timeout) for c in _causes(exc)))
    )
    known = exchange.tracked or exchange.phase is BODY or not maybe_sent
    phase = exchange.phase if known else ADAPTER
    return TransportError(_reason(exc), phase, maybe_sent, timed_out)


def _never_sent(exc: Exception) -> bool:
    """Tell from an exception alone, for exchanges that no connection of ours carried."""
    if isinstance(
        exc,
        (
            NotSent,
            requests.ConnectTimeout,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
        ),
    ):
        return True
    return any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in _causes(exc))


def _reason(exc: Exception) -> str:
    """Return the innermost cause's own words; the outer ones repeat it with object addresses."""
    causes = [cause for cause in _causes(exc) if str(cause)]
    innermost = causes[-1] if causes else exc
    words = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    words = re.sub(r"//[^/\s]*@", "//", words)  # a proxy's URL may hold a password
    name = type(innermost).__name__
    return words if isinstance(innermost, OSError) else f"{name}: {words}"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps, outermost first, in requests' and urllib3's ways."""
    seen: list[BaseException] = []
    todo: list[Any] = [exc]
    while todo and len(seen) < 20:
        cause = todo.pop(0)
        if isinstance(cause, BaseException) and not any(cause is other for other in seen):
            seen.append(cause)
            yield cause
            todo += [
                *cause.args,
                getattr(cause, "reason", None),
                cause.__cause__,
                None if cause.__suppress_context__ else cause.__context__,
            ]


def exchange_in_thread(call: Any, exchange: Exchange) -> Answer:
    """Run an exchange in a thread, and leave it there if the deadline passes first."""
    outcome: list[Any] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.append(context.run(call))
        except BaseException as exc:
            outcome.append(exc)

    thread = threading.Thread(target=run, name="livekit-connector-sync-exchange", daemon=True)
    thread.start()
    thread.join(exchange.deadline.remaining())
    if not outcome:
        exchange.abandoned = True  # before the look at `sent`: nothing is written from now on
        maybe_sent = exchange.sent or not exchange.tracked
        phase = exchange.phase if exchange.tracked else ADAPTER
        raise TransportError("timed out", phase, maybe_sent, timed_out=True)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    answer: Answer = outcome[0]
    return answer
