"""One call from its first attempt to its outcome.

What is decided stands elsewhere, as pure functions: what an answer means in `twirp`, whether to go
on in `retry`, where to in `regions`. An Execution has the call's state and does the I/O. It
returns errors instead of raising them: the channel raises.
"""

from __future__ import annotations

import functools
import logging
import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, Optional, Union
from urllib.parse import urlsplit

from google.protobuf.message import Message

from ..errors import StatusCode, TwirpError
from . import twirp
from .call import Call, Timeout, Unset
from .credentials import ClaimSet, Credentials
from .deadline import Deadline, checked_timeout
from .forking import reset_after_fork
from .method import MethodInfo, Request, Response
from .redaction import found_in, personal_values, scrub, secret_values
from .regions import (
    DISCOVERY_TIMEOUT,
    SHORTEST_TIMEOUT,
    RegionCache,
    origin_of,
    parse_max_age,
    parse_regions,
    untried,
)
from .retry import Failure, RetryPolicy, RetryThrottle, may_repeat, retry_delay

if TYPE_CHECKING:
    from .transport import Answer, Transport, TransportError

__all__ = ["Endpoint", "Execution", "effective_timeout"]

logger = logging.getLogger("livekit_connector_sync")

_DEFAULT_TIMEOUT = 10.0  # seconds
_DEFAULT_RINGING_TIMEOUT = 30.0  # seconds; the official SDKs' own
_RINGING_MARGIN = 2.0  # seconds for the answer's way back
_REGION_NOT_ALLOWED = 451  # the project is pinned to other regions

_regions = RegionCache()
reset_after_fork(_regions)


def effective_timeout(
    method: MethodInfo[Any, Any], request: Message, call: Timeout, channel: Timeout
) -> Optional[float]:
    """Return the seconds that a call may take, None for no limit.

    A timeout that the caller gave is kept, on the call before the channel. The built-in default
    gets longer for a call that waits until somebody answers.

    Raises:
        ValueError: the caller's timeout is not positive.
    """
    for given in (call, channel):
        if not isinstance(given, Unset):
            return checked_timeout(given)
    if not waits(method, request):
        return _DEFAULT_TIMEOUT
    ringing = 0.0
    if method.wait_timeout_field is not None:
        duration = getattr(request, method.wait_timeout_field)
        ringing = duration.seconds + duration.nanos / 1e9
    return max(_DEFAULT_TIMEOUT, (ringing or _DEFAULT_RINGING_TIMEOUT) + _RINGING_MARGIN)


def waits(method: MethodInfo[Any, Any], request: Message) -> bool:
    """Return whether the service answers this request only once somebody has picked up."""
    return method.wait_field is not None and bool(getattr(request, method.wait_field))


@dataclass(frozen=True)
class Endpoint:
    """Where a channel's calls go.

    Args:
        url: the server's URL, normalized.
        domain: the domain whose regions may stand in for the server, None for no failover.
        allow_http: take regions without TLS.
    """

    url: str
    domain: Optional[str]
    allow_http: bool

    @functools.cached_property
    def origin(self) -> str:
        """The scheme, host and port of the URL."""
        return origin_of(self.url)

    def at(self, origin: str) -> str:
        """Return the URL with another origin; a region serves the same base path."""
        return origin + urlsplit(self.url).path


@dataclass(frozen=True)
class _Success(Generic[Response]):
    response: Response
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Failed:
    """An attempt that failed: what the retry rules look at, and what the error will say."""

    failure: Failure
    message: str
    metadata: dict[str, str]
    status: Optional[int] = None


class Execution(Generic[Request, Response]):
    """One call.

    Args:
        method: the RPC.
        request: its request, of the RPC's own type.
        endpoint: where to.
        credentials: signs its token.
        transport: sends its requests.
        throttle: the channel's, shared by its calls.
        policy: when to try again.
        timeout: seconds for all of it, None for no limit.
        metadata: the caller's headers.
    """

    def __init__(
        self,
        method: MethodInfo[Request, Response],
        request: Request,
        *,
        endpoint: Endpoint,
        credentials: Credentials,
        transport: Transport,
        throttle: RetryThrottle,
        policy: RetryPolicy,
        timeout: Optional[float],
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        self._method = method
        self._request = request
        self._endpoint = endpoint
        self._credentials = credentials
        self._transport = transport
        self._throttle = throttle
        self._policy = policy
        self._timeout = timeout
        self._deadline = Deadline(timeout)
        self._metadata, self._request_id = _with_request_id(metadata)
        self._claims: ClaimSet = tuple(
            (grant.section, grant.name, getattr(request, grant.field) if grant.field else True)
            for grant in method.grants
        )
        self._body = request.SerializeToString()
        self._waits = waits(method, request)
        self._url = endpoint.url
        self._tried = [endpoint.origin]
        self._attempts = 0
        self._failures = 0
        self._maybe_sent = False
        self._maybe_done = False
        self._safe_to_retry = True
        self._renewed_token = False
        self._tokens: set[str] = set()
        self._regions: Optional[list[str]] = None

    def run(self) -> Union[tuple[Response, Call], TwirpError]:
        """Make attempts until one succeeds, or another would be wrong, useless or too late."""
        while True:
            self._attempts += 1
            result = self._attempt()
            if isinstance(result, _Success):
                self._throttle.succeeded(self._failures)
                return result.response, self._call(result.headers)
            if self._maybe_done:
                done = self._method.response_of_done(self._request, result.failure.code)
                if done is not None:
                    self._throttle.succeeded(self._failures)
                    return done, self._call(())
            self._note(result.failure)
            delay = self._delay(result.failure)
            decided = time.monotonic()
            url = None if delay is None else self._next_url(result)
            if delay is None or url is None:
                return self._error(result)
            # The look for a region was a part of the wait, and may have taken all the time.
            delay = max(delay - (time.monotonic() - decided), 0.0)
            left = self._deadline.remaining()
            if left is not None and delay >= left:
                return self._error(result)
            self._log_retry(result, delay, url)
            time.sleep(delay)
            if self._deadline.passed:
                return self._error(self._timed_out("backing off", maybe_sent=False))
            self._url = url

    def _attempt(self) -> Union[_Success[Response], _Failed]:
        """Send the request once."""
        from .transport import TransportError

        token, cached = self._credentials.token(self._claims)
        self._tokens.add(token)
        url = self._url + twirp.path(self._method)
        connect_deadline = self._deadline
        if self._attempts < self._policy.max_attempts:
            # A server that does not answer must leave time for the next one.
            left = self._deadline.remaining()
            connect_deadline = self._deadline.at_most(None if left is None else left / 2)
        started = time.monotonic()
        try:
            answer = self._transport.send(
                "POST",
                url,
                twirp.request_headers(token, self._metadata),
                self._body,
                self._deadline,
                connect_deadline,
            )
        except TransportError as exc:
            failure: Union[TransportError, Answer] = exc
        else:
            failure = answer
        self._log_attempt(url, failure, time.monotonic() - started)
        if isinstance(failure, TransportError):
            return self._unanswered(failure)
        return self._answered(failure, cached)

    def _answered(self, answer: Answer, cached: bool) -> Union[_Success[Response], _Failed]:
        if answer.status == 200:
            try:
                response = twirp.parse_response(
                    self._method, answer.headers.get("content-type", ""), answer.body
                )
            except ValueError as exc:
                failure = Failure(StatusCode.INTERNAL, maybe_sent=True)
                return _Failed(failure, str(exc), {}, 200)
            return _Success(response, tuple(answer.headers.items()))
        error = twirp.error_answer(answer.status, answer.headers, answer.body)
        stale_token = (
            error.code is StatusCode.UNAUTHENTICATED and cached and not self._renewed_token
        )
        if stale_token:
            self._renewed_token = True
            self._credentials.forget(self._claims)
        wrong_region = answer.status == _REGION_NOT_ALLOWED
        failure = Failure(
            error.code,
            maybe_sent=True,
            refused=wrong_region
            or answer.status == 429
            or (
                error.from_service
                and error.code
                in (
                    StatusCode.UNAVAILABLE,
                    StatusCode.RESOURCE_EXHAUSTED,
                    StatusCode.UNAUTHENTICATED,
                )
            ),
            turned_away=stale_token or (wrong_region and self._endpoint.domain is not None),
            retry_after=twirp.retry_after(
                answer.headers.get("retry-after"), datetime.now(timezone.utc)
            ),
        )
        return _Failed(failure, error.message, error.metadata, answer.status)

    def _unanswered(self, error: TransportError) -> _Failed:
        if error.timed_out:
            return self._timed_out(error.phase, error.maybe_sent)
        code = StatusCode.INTERNAL if error.broken else StatusCode.UNAVAILABLE
        return _Failed(Failure(code, error.maybe_sent), f"{error.reason} (while {error.phase})", {})

    def _timed_out(self, phase: str, maybe_sent: bool) -> _Failed:
        return _Failed(
            Failure(StatusCode.DEADLINE_EXCEEDED, maybe_sent),
            f"timed out after {self._timeout:g} s, while {phase}, in attempt {self._attempts}",
            {},
        )

    def _note(self, failure: Failure) -> None:
        self._failures += 1
        self._maybe_sent = self._maybe_sent or failure.maybe_sent
        # A refusal counts too: "unavailable" may be that of a server which another one did not
        # answer in time, and what the call asks for is there now.
        self._maybe_done = self._maybe_done or (failure.maybe_sent and not failure.turned_away)
        self._safe_to_retry = self._safe_to_retry and may_repeat(
            failure, safe_to_repeat=self._method.safe_to_repeat, waits=self._waits
        )
        if failure.code in self._policy.retryable_status_codes:
            self._throttle.failed()

    def _delay(self, failure: Failure) -> Optional[float]:
        return retry_delay(
            self._policy,
            failure,
            attempt=self._attempts,
            repeatable=may_repeat(
                failure,
                safe_to_repeat=self._method.safe_to_repeat,
                waits=self._waits,
                retry_ambiguous=self._policy.retry_ambiguous,
            ),
            remaining=self._deadline.remaining(),
            throttled=self._throttle.throttled,
            random=random.random(),
        )

    def _next_url(self, result: _Failed) -> Optional[str]:
        """Return where the next attempt goes, None if there is no place for it."""
        failure, pinned = result.failure, result.status == _REGION_NOT_ALLOWED
        if self._endpoint.domain is None or (failure.turned_away and not pinned):
            return self._url
        if not pinned and self._timeout is not None and self._timeout < SHORTEST_TIMEOUT:
            return self._url
        if self._regions is None or pinned:
            self._regions = _regions.regions(
                (self._endpoint.origin, self._endpoint.domain, self._endpoint.allow_http),
                self._discover,
                timeout=self._deadline.at_most(DISCOVERY_TIMEOUT).remaining(),
                refresh=pinned,
            )
        region = untried(self._regions, self._tried)
        if region is None:
            return None if pinned else self._url
        self._tried.append(region)
        return self._endpoint.at(region)

    def _discover(self) -> tuple[list[str], float]:
        """Ask the caller's server for its regions; raise ValueError if it does not tell."""
        from .transport import TransportError

        token, _ = self._credentials.token(self._claims)
        headers = twirp.request_headers(token, self._metadata)
        del headers["Content-Type"]
        deadline = self._deadline.at_most(DISCOVERY_TIMEOUT)
        url = f"{self._endpoint.origin}/settings/regions"
        try:
            answer = self._transport.send(
                "GET", url, {**headers, "Accept": "application/json"}, None, deadline, deadline
            )
        except TransportError as exc:
            raise ValueError(f"no regions from {url}: {exc.reason}") from None
        if answer.status != 200:
            raise ValueError(f"no regions from {url}: HTTP {answer.status}")
        regions = parse_regions(answer.body, self._endpoint.domain or "", self._endpoint.allow_http)
        return regions, parse_max_age(answer.headers.get("cache-control"))

    def _call(self, headers: tuple[tuple[str, str], ...]) -> Call:
        return Call(None, headers, self._request_id, self._attempts, self._url)

    def _error(self, result: _Failed) -> TwirpError:
        texts = [result.message, *result.metadata, *result.metadata.values()]
        secrets = found_in(texts, self._secrets())
        personal = found_in(texts, personal_values(self._request))
        metadata = {
            scrub(name, secrets): twirp.excerpt(scrub(text, secrets, personal))
            if name in ("body", "location")
            else scrub(text, secrets)
            for name, text in result.metadata.items()
        }
        return TwirpError.from_code(
            result.failure.code,
            scrub(result.message, secrets),
            metadata=metadata,
            status=result.status,
            request_id=self._request_id,
            method=self._method.full_name,
            attempts=self._attempts,
            maybe_sent=self._maybe_sent,
            safe_to_retry=self._safe_to_retry,
        )

    def _secrets(self) -> list[str]:
        return [*secret_values(self._request), *self._tokens]

    def _log_attempt(self, url: str, result: Union[Answer, TransportError], seconds: float) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            outcome = getattr(result, "status", None) or getattr(result, "reason", "")
            logger.debug(
                "%s %s: %s in %.3f s, attempt %d [%s]",
                self._method.full_name,
                url,
                scrub(str(outcome), self._secrets(), personal_values(self._request)),
                seconds,
                self._attempts,
                self._request_id,
            )

    def _log_retry(self, result: _Failed, delay: float, url: str) -> None:
        if logger.isEnabledFor(logging.WARNING):
            reason = f"{result.failure.code}: {result.message}"
            values = self._secrets(), personal_values(self._request)
            logger.warning(
                "%s failed (%s); attempt %d of %d follows in %.2f s at %s [%s]",
                self._method.full_name,
                twirp.excerpt(scrub(reason, *values)),
                self._attempts + 1,
                self._policy.max_attempts,
                delay,
                url,
                self._request_id,
            )


def _with_request_id(
    metadata: tuple[tuple[str, str], ...],
) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the caller's headers with the id that all attempts of a call carry, and the id."""
    for name, value in metadata:
        if name.lower() == twirp.REQUEST_ID.lower():
            return metadata, value
    request_id = str(uuid.uuid4())
    return (*metadata, (twirp.REQUEST_ID, request_id)), request_id
