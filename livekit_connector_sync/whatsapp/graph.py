"""Requests to Meta's Graph API: one deadline, retries where they are safe, errors without secrets.

Other modules decide, as pure functions: `meta_errors` what an error means, `_runtime.retry` whether
to retry. This one holds the state of a request and does the I/O.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Callable, Generic, Optional, TypeVar, Union

from .._gen import DialWhatsAppCallRequest
from .._runtime import fields, twirp
from .._runtime.deadline import Deadline
from .._runtime.redaction import HoldsSecret, Scrubber
from .._runtime.retry import Failure, RetryPolicy, may_retry, retry_delay
from .._runtime.transport import Exchange, HttpResponse, Transport, TransportError
from ..errors import StatusCode, TwirpError, printable
from .meta_errors import GRAPH_ERROR, parse_document, status_code_of

__all__ = ["Graph", "GraphCall"]

logger = logging.getLogger("livekit_connector_sync")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Graph(HoldsSecret):
    """What the calls about one business number share.

    Args:
        url: the URL of the number.
        access_token: Meta's access token.
        timeout: seconds for a whole call, retries included; None for no limit.
        retry: when to retry what may be repeated.
    """

    url: str
    access_token: str = field(repr=False)
    timeout: Optional[float]
    retry: RetryPolicy
    transport: Transport = field(default_factory=Transport)


class GraphCall(Generic[Result]):
    """One call.

    Args:
        graph: where to send it.
        name: the method of CallingClient, for errors and logs.
        path: below the URL of the business's number.
        parse: reads the response; raises ValueError if it is not what Graph documents.
        user: the person that it is about; redacted in logs.
        query: the query, encoded; "" for none.
        document: what to POST as JSON; None for a GET.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        path: str,
        parse: Callable[[object], Result],
        user: str = "",
        query: str = "",
        document: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self._graph = graph
        self._name = f"whatsapp.{name}"
        self._url = f"{graph.url}/{path}"
        self._query = f"?{query}" if query else ""
        self._body = None if document is None else json.dumps(document).encode()
        self._parse = parse
        self._deadline = Deadline(graph.timeout)
        self._failures: list[Failure] = []
        # In this request of LiveKit's, a token and a user are marked as sensitive.
        sensitive = DialWhatsAppCallRequest(
            whatsapp_api_key=graph.access_token, whatsapp_to_phone_number=user
        )
        self._scrub = Scrubber(sensitive).scrub

    def run(self) -> Result:
        """Send the request until it succeeds, or a retry would be wrong, useless, or too late.

        Raises:
            TwirpError: the call failed.
        """
        while True:
            result = self._attempt()
            if not isinstance(result, Failure):
                return result
            self._failures.append(result)
            delay = self._retry_delay(result)
            if delay is None:
                raise self._error(result)
            reason = self._scrub(f"{result.code}: {result.message}", personal=True)
            logger.warning(
                "%s failed (%s); attempt %d of %d follows in %.2f s",
                self._name,
                printable(twirp.excerpt(reason)),
                len(self._failures) + 1,
                self._graph.retry.max_attempts,
                delay,
            )
            time.sleep(delay)

    def _attempt(self) -> Union[Result, Failure]:
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self._graph.access_token}",
        }
        if self._body is not None:
            headers["Content-Type"] = "application/json"
        # A server that does not accept the connection must leave time for the next attempt.
        last = len(self._failures) + 1 >= self._graph.retry.max_attempts
        connect_deadline = self._deadline if last else self._deadline.half()
        started = time.monotonic()
        exchange = Exchange(
            "GET" if self._body is None else "POST",
            self._url + self._query,
            headers,
            self._body,
            self._deadline,
            connect_deadline,
        )
        try:
            response = self._graph.transport.send(exchange)
        except TransportError as exc:
            self._log_attempt(exc.reason, started)
            return self._transport_failure(exc)
        self._log_attempt(str(response.status), started)
        return _result_of(response, self._parse)

    def _transport_failure(self, error: TransportError) -> Failure:
        if error.timed_out:
            code, message = (
                StatusCode.DEADLINE_EXCEEDED,
                f"timed out after {self._graph.timeout:g} s",
            )
        else:
            code = StatusCode.INTERNAL if error.broken else StatusCode.UNAVAILABLE
            message = self._scrub(error.reason, personal=True)  # it may quote the URL
        return Failure(code, error.maybe_sent, message=f"{message} (while {error.phase})")

    def _retry_delay(self, failure: Failure) -> Optional[float]:
        """Return the seconds to wait before the next attempt, None to give up."""
        # Meta's limits last for hours: a retry is useless unless Meta says when.
        limited = failure.code is StatusCode.RESOURCE_EXHAUSTED and failure.retry_after is None
        return retry_delay(
            self._graph.retry,
            failure,
            attempt=len(self._failures),
            repeatable=not limited and (self._body is None or not failure.maybe_sent),
            remaining=self._deadline.remaining(),
            throttled=False,
            random=random.random(),
        )

    def _error(self, last: Failure) -> TwirpError:
        metadata = {
            name: twirp.excerpt(self._scrub(text), twirp.MAX_TEXT)
            if name == GRAPH_ERROR
            else twirp.excerpt(self._scrub(text, personal=True))
            for name, text in last.metadata.items()
        }
        return TwirpError.from_code(
            last.code,
            twirp.excerpt(self._scrub(last.message), twirp.MAX_TEXT),
            metadata=metadata,
            status=last.status,
            method=self._name,
            attempts=len(self._failures),
            maybe_sent=any(each.maybe_sent for each in self._failures),
            safe_to_retry=all(
                may_retry(each, safe_to_repeat=self._body is None, waits=False)
                for each in self._failures
            ),
            url=self._url,
        )

    def _log_attempt(self, outcome: str, started: float) -> None:
        logger.debug(
            "%s %s: %s in %.3f s, attempt %d",
            self._name,
            self._url,
            printable(self._scrub(outcome, personal=True)),
            time.monotonic() - started,
            len(self._failures) + 1,
        )


def _result_of(response: HttpResponse, parse: Callable[[object], Result]) -> Union[Result, Failure]:
    """Return what a response means."""
    try:
        document = json.loads(response.body.decode("utf-8"))
        # Without escapes, which could hide the token, and without lone surrogates.
        graph_error = {GRAPH_ERROR: fields.text(json.dumps(document, ensure_ascii=False))}
    except (ValueError, RecursionError):
        document, graph_error = None, {}
    error, status = parse_document(document), response.status
    body = {"body": twirp.decode(response.body)}
    if status == 200 and error is None:
        try:
            return parse(document)
        except ValueError as exc:
            text = f"HTTP 200, but {exc}"
        return Failure(StatusCode.INTERNAL, message=text, metadata=body, status=status)
    failure = twirp.parse_failure(
        status, response.headers, response.body, datetime.now(timezone.utc)
    )
    if 300 <= status <= 399:
        return failure
    if error is None:
        text = f"HTTP {status}, not written by Meta's Graph API: check the url option and proxies"
        return replace(failure, message=text, metadata=body)
    code = status_code_of(error, status)
    words = ": ".join(text for text in (error.message, error.details) if text)
    return replace(
        failure,
        code=code,
        did_nothing=code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAUTHENTICATED),
        final=False,
        message=f"(#{error.code}) {words}"
        + (f" (fbtrace_id {error.trace_id})" if error.trace_id else ""),
        metadata=graph_error,
    )
