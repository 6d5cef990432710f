"""Runs one call, from its first attempt to its outcome.

An Execution holds the state of the call and does the I/O. The decisions are functions of other
modules: `twirp` decides what a response means, `retry` whether to retry, `regions` where to send
the next attempt, and `deadline` how long the call may take.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Generic, Optional, Union

from ..errors import StatusCode, TwirpError, printable
from . import twirp
from .call import Call
from .credentials import ClaimSet, Credentials
from .deadline import Deadline, waits_for_pickup
from .method import MethodInfo, Request, Response
from .redaction import Scrubber
from .regions import DISCOVERY_TIMEOUT, Endpoint, Route, parse_max_age, parse_regions
from .retry import Failure, RetryPolicy, RetryThrottle, may_retry, retry_delay
from .transport import Exchange, HttpResponse, Transport, TransportError

logger = logging.getLogger("livekit_connector_sync")

Headers = tuple[tuple[str, str], ...]


@dataclass(eq=False, repr=False)  # it holds secrets
class Execution(Generic[Request, Response]):
    """One call."""

    method: MethodInfo[Request, Response]
    request: Request  # of the RPC's own type
    endpoint: Endpoint
    credentials: Credentials
    transport: Transport
    throttle: RetryThrottle  # the channel's, shared by its calls
    policy: RetryPolicy
    timeout: Optional[float]  # seconds for the whole call, None for no limit
    metadata: Headers  # the caller's

    def __post_init__(self) -> None:
        self._deadline = Deadline(self.timeout)
        self._route = Route(self.endpoint, self.timeout, self._discover)
        self.metadata, self._request_id = _with_request_id(self.metadata)
        self._claims: ClaimSet = tuple(
            (grant.section, grant.name, getattr(self.request, grant.field) if grant.field else True)
            for grant in self.method.grants
        )
        self._body = self.request.SerializeToString()
        self._waits = waits_for_pickup(self.method, self.request)
        self._scrubber = Scrubber(self.request)
        self._failures: list[Failure] = []
        self._token_renewed = False

    def run(self) -> tuple[Response, Call]:
        """Make attempts until one succeeds or no retry is allowed.

        Raises:
            TwirpError: the call failed.
        """
        while True:
            result = self._attempt()
            if isinstance(result, Failure):
                done = self._response_of_done(result)
                if done is None:
                    self._failures.append(result)
                    self._prepare_retry(result)
                    continue
                result = (done, ())
            response, headers = result
            failures = len(self._failures)
            self.throttle.record_success(failures)
            return response, Call(None, headers, self._request_id, failures + 1, self._route.url)

    @property
    def _attempt_number(self) -> int:
        return len(self._failures) + 1

    def _attempt(self) -> Union[tuple[Response, Headers], Failure]:
        """Send the request once."""
        deadline, connect_deadline = self._attempt_deadlines()
        try:
            token, cached = self.credentials.token(self._claims)
        except (ImportError, OSError) as exc:  # no file descriptors left to import PyJWT
            error = TransportError(str(exc), "signing the token", maybe_sent=False)
            return self._transport_failure(error, deadline)
        self._scrubber.add_token(token)
        url = f"{self._route.url}/twirp/{self.method.full_name}"
        started = time.monotonic()
        headers = twirp.request_headers(token, self.metadata)
        exchange = Exchange("POST", url, headers, self._body, deadline, connect_deadline)
        try:
            response = self.transport.send(exchange)
        except TransportError as exc:
            self._log_attempt(url, exc.reason, started)
            return self._transport_failure(exc, deadline)
        self._log_attempt(url, str(response.status), started)
        return self._result_of(response, cached)

    def _attempt_deadlines(self) -> tuple[Deadline, Deadline]:
        """Return when an attempt must be over, and when its connection must be established.

        A server that does not accept or does not respond must leave time for the next region.
        """
        if self._attempt_number >= self.policy.max_attempts:
            return self._deadline, self._deadline
        half = self._deadline.half()
        repeatable = self.method.safe_to_repeat and not self._waits
        return (half if repeatable and self._route.has_next_region else self._deadline), half

    def _result_of(
        self, response: HttpResponse, cached_token: bool
    ) -> Union[tuple[Response, Headers], Failure]:
        if response.status == 200:
            try:
                message = twirp.parse_response(
                    self.method, response.headers.get("content-type", ""), response.body
                )
            except ValueError as exc:
                page = {"body": twirp.decode(response.body)} if b"<html" in response.body else {}
                return Failure(StatusCode.INTERNAL, message=str(exc), metadata=page, status=200)
            return message, tuple(response.headers.items())
        now = datetime.now(timezone.utc)
        failure = twirp.parse_failure(response.status, response.headers, response.body, now)
        if failure.code is StatusCode.UNAUTHENTICATED and cached_token and not self._token_renewed:
            self._token_renewed = True
            self.credentials.forget(self._claims)
            return replace(failure, rejected_early=True)
        can_fail_over = self.endpoint.domain is not None
        return replace(failure, rejected_early=_is_pinned(failure) and can_fail_over)

    def _transport_failure(self, error: TransportError, deadline: Deadline) -> Failure:
        if error.timed_out and deadline is self._deadline:
            return self._timeout_failure(error.phase, error.maybe_sent, self._attempt_number)
        code = StatusCode.INTERNAL if error.broken else StatusCode.UNAVAILABLE
        message = f"{error.reason} (while {error.phase})"
        return Failure(code, error.maybe_sent, message=message, permanent=error.permanent)

    def _timeout_failure(self, phase: str, maybe_sent: bool, attempt: int) -> Failure:
        return Failure(
            StatusCode.DEADLINE_EXCEEDED,
            maybe_sent,
            message=f"timed out after {self.timeout:g} s, while {phase}, in attempt {attempt}",
        )

    def _response_of_done(self, failure: Failure) -> Optional[Response]:
        """Return the response if the failure means that an earlier attempt did the work."""
        # An attempt that failed with `did_nothing` counts too: a server in front of the service
        # may have reported the failure after the service had handled the request.
        if not any(each.maybe_sent and not each.rejected_early for each in self._failures):
            return None
        return self.method.response_of_done(self.request, failure.code)

    def _prepare_retry(self, failure: Failure) -> None:
        """Choose the region of the next attempt, and wait for the backoff.

        Raises:
            TwirpError: the call must not be retried, or no time is left.
        """
        decided = time.monotonic()
        delay = self._retry_delay(failure)
        if delay is None or not self._choose_region(failure):
            raise self._error(failure)
        # Discovering regions counts as waiting, and can use up the remaining time.
        delay = max(delay - (time.monotonic() - decided), 0.0)
        left = self._deadline.remaining()
        if left is not None and delay >= left:
            raise self._error(failure)
        self._log_retry(failure, delay)
        time.sleep(delay)
        if self._deadline.remaining() == 0:
            raise self._error(self._timeout_failure("backing off", False, len(self._failures)))

    def _retry_delay(self, failure: Failure) -> Optional[float]:
        if failure.code in self.policy.retryable_status_codes:
            self.throttle.record_failure()
        return retry_delay(
            self.policy,
            failure,
            attempt=len(self._failures),
            repeatable=self._may_retry(failure, self.policy.retry_ambiguous),
            remaining=self._deadline.remaining(),
            throttled=self.throttle.throttled,
            random=random.random(),
        )

    def _may_retry(self, failure: Failure, retry_ambiguous: bool = False) -> bool:
        return may_retry(
            failure,
            safe_to_repeat=self.method.safe_to_repeat,
            waits=self._waits,
            retry_ambiguous=retry_ambiguous,
        )

    def _choose_region(self, failure: Failure) -> bool:
        pinned = _is_pinned(failure)
        if failure.rejected_early and not pinned:
            return True  # the same server, with a new token
        wait = self._deadline.at_most(DISCOVERY_TIMEOUT).remaining()
        return self._route.advance(pinned=pinned, wait=wait)

    def _discover(self) -> tuple[list[str], float]:
        """Request the region list from the caller's server; raise ValueError if that fails."""
        token, _ = self.credentials.token(self._claims)
        headers = {**twirp.request_headers(token, self.metadata), "Accept": "application/json"}
        del headers["Content-Type"]
        deadline = self._deadline.at_most(DISCOVERY_TIMEOUT)
        url = f"{self.endpoint.origin}/settings/regions"
        try:
            exchange = Exchange("GET", url, headers, None, deadline, deadline)
            response = self.transport.send(exchange)
        except TransportError as exc:
            raise ValueError(f"no regions from {url}: {exc.reason}") from None
        if response.status != 200:
            raise ValueError(f"no regions from {url}: HTTP {response.status}")
        regions = parse_regions(response.body, self.endpoint.domain or "", self.endpoint.allow_http)
        return regions, parse_max_age(response.headers.get("cache-control"))

    def _error(self, failure: Failure) -> TwirpError:
        scrub = self._scrubber.scrub
        message = scrub(failure.message)
        page = scrub(failure.metadata.get("body", ""), personal=True)
        if "<" in page:
            message = f'{message}; {self._route.url} sent a page: "{twirp.page_words(page)}"'
        metadata = {
            twirp.excerpt(scrub(name)): twirp.excerpt(scrub(text, personal=True))
            if name in ("body", "location")
            else twirp.excerpt(scrub(text), twirp.MAX_TEXT)
            for name, text in itertools.islice(failure.metadata.items(), twirp.MAX_DETAILS)
        }
        return TwirpError.from_code(
            failure.code,
            twirp.excerpt(message, twirp.MAX_TEXT),
            metadata=metadata,
            status=failure.status,
            request_id=self._request_id,
            method=self.method.full_name,
            attempts=len(self._failures),
            maybe_sent=any(each.maybe_sent for each in self._failures),
            safe_to_retry=all(self._may_retry(each) for each in self._failures),
            url=self._route.url,
        )

    def _log_attempt(self, url: str, outcome: str, started: float) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s %s: %s in %.3f s, attempt %d [%s]",
                self.method.full_name,
                url,
                printable(self._scrubber.scrub(outcome, personal=True)),
                time.monotonic() - started,
                self._attempt_number,
                self._request_id,
            )

    def _log_retry(self, failure: Failure, delay: float) -> None:
        reason = self._scrubber.scrub(f"{failure.code}: {failure.message}", personal=True)
        logger.warning(
            "%s failed (%s); attempt %d of %d follows in %.2f s at %s [%s]",
            self.method.full_name,
            printable(twirp.excerpt(reason)),
            self._attempt_number,
            self.policy.max_attempts,
            delay,
            self._route.url,
            self._request_id,
        )


def _is_pinned(failure: Failure) -> bool:
    return failure.status == twirp.REGION_NOT_ALLOWED


def _with_request_id(metadata: Sequence[tuple[str, str]]) -> tuple[Headers, str]:
    """Return the headers with a request id, which all attempts of the call share, and the id."""
    for name, value in metadata:
        if name.lower() == twirp.REQUEST_ID.lower():
            return tuple(metadata), value
    request_id = str(uuid.uuid4())
    return (*metadata, (twirp.REQUEST_ID, request_id)), request_id
