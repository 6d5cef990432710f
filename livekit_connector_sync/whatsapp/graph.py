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
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable, Optional, TypeVar, Union

from google.protobuf.empty_pb2 import Empty

from .._runtime import twirp
from .._runtime.deadline import Deadline
from .._runtime.redaction import PERSONAL, HoldsSecret, Scrubber
from .._runtime.retry import Failure, RetryPolicy, may_retry, retry_delay
from .._runtime.transport import Exchange, HttpResponse, Transport, TransportError
from ..errors import StatusCode, TwirpError, printable
from .meta_errors import GRAPH_ERROR, MetaError, parse_document, status_code_of, to_json

__all__ = ["Graph", "GraphRequest"]

logger = logging.getLogger("livekit_connector_sync")

Result = TypeVar("Result")


@dataclass(frozen=True)
class GraphRequest:
    """A request.

    Args:
        name: the method of CallingClient, for errors and logs.
        path: below the URL of the business's number.
        user: the person that it is about; redacted in logs.
        query: the query, encoded; "" for none.
        document: what to POST as JSON; None for a GET.
    """

    name: str
    path: str
    user: str = ""
    query: str = ""
    document: Optional[Mapping[str, Any]] = None


class Graph(HoldsSecret):
    """Sends requests about one business number.

    Args:
        url: the URL of the number.
        access_token: Meta's access token.
        timeout: seconds for a whole request, retries included; None for no limit.
        retry: when to retry what may be repeated.
    """

    def __init__(
        self, url: str, access_token: str, timeout: Optional[float], retry: RetryPolicy
    ) -> None:
        self._url = url
        self._token = access_token
        self._timeout = timeout
        self._retry = retry
        self._scrubber = Scrubber(Empty())
        self._scrubber.add_token(access_token)
        self.transport = Transport()

    def send(self, request: GraphRequest, parse: Callable[[dict[str, Any]], Result]) -> Result:
        """Send a request until it succeeds, or a retry would be wrong, useless, or too late.

        Args:
            request: the request.
            parse: reads the response; raises ValueError if it is not what Graph documents.

        Raises:
            TwirpError: the request failed.
        """
        deadline = Deadline(self._timeout)
        failures: list[Failure] = []
        while True:
            result = self._attempt(request, parse, deadline, len(failures) + 1)
            if not isinstance(result, Failure):
                return result[0]
            failures.append(result)
            delay = self._retry_delay(request, result, deadline, len(failures))
            if delay is None:
                raise self._error(request, failures)
            self._log_retry(request, result, delay, len(failures) + 1)
            time.sleep(delay)

    def _attempt(
        self,
        request: GraphRequest,
        parse: Callable[[dict[str, Any]], Result],
        deadline: Deadline,
        attempt: int,
    ) -> Union[tuple[Result], Failure]:
        body = None if request.document is None else json.dumps(request.document).encode()
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self._url}/{request.path}"
        # A server that does not accept the connection must leave time for the next attempt.
        connect = deadline if attempt >= self._retry.max_attempts else deadline.half()
        started = time.monotonic()
        exchange = Exchange(
            "GET" if body is None else "POST",
            f"{url}?{request.query}" if request.query else url,
            headers,
            body,
            deadline,
            connect,
        )
        try:
            answer = self.transport.send(exchange)
        except TransportError as exc:
            self._log_attempt(request, exc.reason, started, attempt)
            return self._transport_failure(exc, request)
        self._log_attempt(request, str(answer.status), started, attempt)
        return _result_of(answer, parse)

    def _transport_failure(self, error: TransportError, request: GraphRequest) -> Failure:
        if error.timed_out:
            code, message = StatusCode.DEADLINE_EXCEEDED, f"timed out after {self._timeout:g} s"
        else:
            code = StatusCode.INTERNAL if error.broken else StatusCode.UNAVAILABLE
            message = self._without_user(error.reason, request)  # it may quote the URL
        return Failure(code, error.maybe_sent, message=f"{message} (while {error.phase})")

    def _retry_delay(
        self, request: GraphRequest, failure: Failure, deadline: Deadline, attempts: int
    ) -> Optional[float]:
        """Return the seconds to wait before the next attempt, None to give up."""
        if request.document is not None and failure.maybe_sent:
            return None
        # Meta's limits last for hours: a retry is useless unless Meta says when.
        limited = failure.code is StatusCode.RESOURCE_EXHAUSTED and failure.retry_after is None
        return retry_delay(
            self._retry,
            failure,
            attempt=attempts,
            repeatable=_may_retry(request, failure) and not limited,
            remaining=deadline.remaining(),
            throttled=False,
            random=random.random(),
        )

    def _error(self, request: GraphRequest, failures: list[Failure]) -> TwirpError:
        last, scrub = failures[-1], self._scrubber.scrub
        metadata = {
            name: twirp.excerpt(scrub(text), twirp.MAX_TEXT)
            if name == GRAPH_ERROR
            else twirp.excerpt(self._without_user(scrub(text), request))
            for name, text in last.metadata.items()
        }
        return TwirpError.from_code(
            last.code,
            twirp.excerpt(scrub(last.message), twirp.MAX_TEXT),
            metadata=metadata,
            status=last.status,
            method=f"whatsapp.{request.name}",
            attempts=len(failures),
            maybe_sent=any(each.maybe_sent for each in failures),
            safe_to_retry=all(_may_retry(request, each) for each in failures),
            url=f"{self._url}/{request.path}",
        )

    def _without_user(self, text: str, request: GraphRequest) -> str:
        return text.replace(request.user, PERSONAL) if request.user else text

    def _log_attempt(
        self, request: GraphRequest, outcome: str, started: float, attempt: int
    ) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "whatsapp.%s %s/%s: %s in %.3f s, attempt %d",
                request.name,
                self._url,
                request.path,
                printable(self._without_user(self._scrubber.scrub(outcome), request)),
                time.monotonic() - started,
                attempt,
            )

    def _log_retry(
        self, request: GraphRequest, failure: Failure, delay: float, attempt: int
    ) -> None:
        reason = self._scrubber.scrub(f"{failure.code}: {failure.message}")
        logger.warning(
            "whatsapp.%s failed (%s); attempt %d of %d follows in %.2f s",
            request.name,
            printable(twirp.excerpt(self._without_user(reason, request))),
            attempt,
            self._retry.max_attempts,
            delay,
        )


def _may_retry(request: GraphRequest, failure: Failure) -> bool:
    return may_retry(failure, safe_to_repeat=request.document is None, waits=False)


def _result_of(
    answer: HttpResponse, parse: Callable[[dict[str, Any]], Result]
) -> Union[tuple[Result], Failure]:
    """Return what a response means; the result is in a tuple, as it may be of any type."""
    try:
        document = json.loads(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        document = None
    error = parse_document(document)
    if answer.status != 200 or error is not None:
        return _failure_of(answer, error)
    try:
        if not isinstance(document, dict):
            raise ValueError("the response is not a JSON object")
        return (parse(document),)
    except ValueError as exc:
        text = f"HTTP 200, but {exc}"
    metadata = {"body": twirp.decode(answer.body)}
    return Failure(StatusCode.INTERNAL, message=text, metadata=metadata, status=200)


def _failure_of(answer: HttpResponse, error: Optional[MetaError]) -> Failure:
    status = answer.status
    failure = twirp.parse_failure(status, answer.headers, answer.body, datetime.now(timezone.utc))
    if 300 <= status <= 399:
        return failure
    if error is None:
        text = f"HTTP {status}, not written by Meta's Graph API: check the url option and proxies"
        return replace(failure, message=text, metadata={"body": twirp.decode(answer.body)})
    code = status_code_of(error, status)
    return replace(
        failure,
        code=code,
        did_nothing=code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAUTHENTICATED),
        final=False,
        message=_message_of(error),
        metadata={GRAPH_ERROR: to_json(error)},
    )


def _message_of(error: MetaError) -> str:
    trace = f"fbtrace_id {error.trace_id}" if error.trace_id else ""
    words = ": ".join(text for text in (error.message, error.details) if text)
    return f"(#{error.code}) {words}{f' ({trace})' if trace else ''}"
