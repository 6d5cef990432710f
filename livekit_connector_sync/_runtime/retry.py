"""Decides whether and when a failed attempt is retried. Nothing here sleeps or sends.

The most important rule: a retry must not place a call twice (`may_retry`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from ..errors import StatusCode

_MAX_TOKENS = 100.0
_TOKEN_RATIO = 0.1  # tokens that a successful call returns beyond what its attempts took
_MAX_RETRY_AFTER = 300.0  # seconds that a call without a timeout waits because a server asks to


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a call is retried. The names are those of gRPC's service config.

    Args:
        max_attempts: attempts of one call in total, regions included; 3 by default.
        initial_backoff: the maximum wait before the second attempt, in seconds; 0.2 by default.
        max_backoff: the maximum wait before any attempt, in seconds; 5 by default. A server's
            Retry-After header can ask for more.
        backoff_multiplier: the factor by which the backoff grows with each attempt; 2 by default.
        jitter: wait a random part of the backoff, so that clients don't all retry at once.
        retryable_status_codes: the codes that are retried; by default `unavailable` and
            `resource_exhausted`.
        retry_ambiguous: retry Dial and ConnectTwilioCall even if an earlier attempt might have
            reached the service. This can place a call twice.

    Raises:
        ValueError: a number is out of range, or a code is not one of Twirp's.

    Source: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    """

    max_attempts: int = 3
    """Attempts of one call in total."""
    initial_backoff: float = 0.2
    """Seconds before the second attempt, at most."""
    max_backoff: float = 5.0
    """Seconds before any attempt, at most."""
    backoff_multiplier: float = 2.0
    """The factor by which the wait grows."""
    jitter: bool = True
    """Whether to wait a random part of the backoff."""
    retryable_status_codes: Iterable[str] = frozenset(
        {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED}
    )
    """The codes that are retried."""
    retry_ambiguous: bool = False
    """Whether to retry calls that could then be placed twice."""

    def __post_init__(self) -> None:
        self._check("max_attempts", type(self.max_attempts) is int, "an integer from 1", 1)
        for name in ("initial_backoff", "max_backoff"):
            self._check(name, _is_number(getattr(self, name)), "0 or more seconds", 0)
        self._check("backoff_multiplier", _is_number(self.backoff_multiplier), "from 1", 1)
        for name in ("jitter", "retry_ambiguous"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False", False)
        codes = self.retryable_status_codes
        if isinstance(codes, str) or not isinstance(codes, Iterable):
            raise ValueError(
                "retryable_status_codes must be a set of codes, such as "
                f"{{StatusCode.UNAVAILABLE}}, not a single {type(codes).__name__}"
            )
        try:
            codes = frozenset(map(StatusCode, codes))
        except ValueError as exc:
            raise ValueError(f"retryable_status_codes: {exc}: use StatusCode's") from None
        object.__setattr__(self, "retryable_status_codes", codes)

    def _check(self, name: str, has_type: bool, wanted: str, minimum: float) -> None:
        value = getattr(self, name)
        if not has_type or not value >= minimum:
            raise ValueError(f"{name} must be {wanted}, not {value!r}")

    def backoff(self, attempt: int, random: float) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: the number of the attempt that failed, from 1.
            random: a number from 0 to 1, the part of the backoff to take if there is jitter.
        """
        try:
            grown = self.initial_backoff * self.backoff_multiplier ** (attempt - 1)
        except OverflowError:
            grown = self.max_backoff
        return min(grown, self.max_backoff) * (random if self.jitter else 1.0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Failure:
    """A failed attempt: the facts for the retry rules and for the error."""

    code: StatusCode
    maybe_sent: bool = True  # False only if no byte of the request can have reached a server
    did_nothing: bool = False  # the service itself reported that it did nothing
    # Rejected before the service saw the request, because of a stale token or a region that may
    # not serve this project. The next attempt uses another one.
    rejected_early: bool = False
    retry_after: Optional[float] = None  # seconds that the server asks to wait
    final: bool = False  # the far end itself reported this, such as a phone that is busy
    permanent: bool = False  # a setting is wrong, so a retry cannot help
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: Optional[int] = None  # of the HTTP response; None if there was none


def may_retry(
    failure: Failure, *, safe_to_repeat: bool, waits: bool, retry_ambiguous: bool = False
) -> bool:
    """Return whether a retry of a failed call cannot place it twice.

    Args:
        failure: how the attempt failed.
        safe_to_repeat: the RPC is idempotent (MethodInfo.safe_to_repeat).
        waits: the service responds only after somebody picks up. Once sent, such a call is not
            retried, because somebody might have picked up.
        retry_ambiguous: the caller accepts the risk (RetryPolicy.retry_ambiguous).
    """
    if failure.final:
        return False
    if not failure.maybe_sent or failure.rejected_early:
        return True
    return not waits and (failure.did_nothing or safe_to_repeat or retry_ambiguous)


def retry_delay(
    policy: RetryPolicy,
    failure: Failure,
    *,
    attempt: int,
    repeatable: bool,
    remaining: Optional[float],
    throttled: bool,
    random: float,
) -> Optional[float]:
    """Return the seconds to wait before the next attempt, or None to give up.

    Args:
        attempt: the number of the attempt that failed, from 1.
        repeatable: the result of `may_retry`.
        remaining: seconds left of the call's timeout, None for no limit.
        throttled: too many calls fail, so that a retry would only add to the load.
        random: as in `RetryPolicy.backoff`.
    """
    if attempt >= policy.max_attempts or not repeatable or failure.permanent:
        return None
    if failure.rejected_early:
        return 0.0
    if failure.code not in policy.retryable_status_codes or throttled:
        return None
    delay = max(policy.backoff(attempt, random), failure.retry_after or 0.0)
    if remaining is None:
        too_long = (failure.retry_after or 0.0) > _MAX_RETRY_AFTER
    else:
        too_long = delay >= remaining
    return None if too_long else delay


class RetryThrottle:
    """A token bucket that stops retries while most calls to a service fail.

    Every failed attempt takes a token. A call that succeeds returns the tokens of its attempts and
    a little more. Retries stop while the bucket is at most half full. Therefore, a failing service
    stops retries, but a failing region doesn't if another region serves the calls.

    Source: gRPC's retry throttling, https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    """

    def __init__(self) -> None:
        self._tokens = _MAX_TOKENS
        self._lock = threading.Lock()

    @property
    def throttled(self) -> bool:
        """Whether retries are stopped."""
        return self._tokens <= _MAX_TOKENS / 2

    def record_failure(self) -> None:
        """Take a token for a failed attempt with a retryable code."""
        with self._lock:
            self._tokens = max(self._tokens - 1, 0.0)

    def record_success(self, failures: int) -> None:
        """Return the tokens of a call that succeeded after some failed attempts."""
        if failures == 0 and self._tokens >= _MAX_TOKENS:
            return
        with self._lock:
            self._tokens = min(self._tokens + failures + _TOKEN_RATIO, _MAX_TOKENS)

    def reset_after_fork(self) -> None:
        """Replace the lock in a forked child: another thread may have held the old one."""
        self._lock = threading.Lock()
