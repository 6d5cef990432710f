"""Whether a failed attempt is followed by another one, and when: decisions without a clock.

The channel sleeps and sends; what stands here only says yes or no. The rule that comes before
all others: nothing that may place a call twice is repeated (`may_repeat`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from ..errors import StatusCode

__all__ = ["Failure", "RetryPolicy", "RetryThrottle", "may_repeat", "retry_delay"]

_MAX_TOKENS = 100.0
_TOKEN_RATIO = 0.1  # what a call that succeeds gives back beyond what its attempts took
_LONGEST_RETRY_AFTER = 300.0  # seconds that a call without a limit waits because a server says so


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a call is repeated; names as in gRPC's service config.

    Args:
        max_attempts: attempts of one call in all, regions included.
        initial_backoff: seconds before the second attempt, at most.
        max_backoff: seconds before any attempt, at most; a server's Retry-After may ask for more.
        backoff_multiplier: what the wait grows by with every attempt.
        jitter: wait a random part of the backoff, so that clients do not come back together.
        retryable_status_codes: the codes that are worth another attempt.
        retry_ambiguous: repeat Dial and ConnectTwilioCall even if a first attempt may have
            reached the service. This can place a call twice.

    Raises:
        ValueError: a number is out of range, or a code is none of Twirp's.

    Source: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    """

    max_attempts: int = 3
    initial_backoff: float = 0.2
    max_backoff: float = 5.0
    backoff_multiplier: float = 2.0
    jitter: bool = True
    retryable_status_codes: Iterable[str] = frozenset(
        {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED}
    )
    retry_ambiguous: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise ValueError(f"max_attempts must be an integer from 1, not {self.max_attempts!r}")
        for name in ("initial_backoff", "max_backoff"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more seconds, not {getattr(self, name)!r}")
        if not self.backoff_multiplier >= 1:
            raise ValueError(f"backoff_multiplier must be from 1, not {self.backoff_multiplier!r}")
        if isinstance(self.retryable_status_codes, str):
            raise ValueError("retryable_status_codes must be a set of codes, not a single string")
        codes = frozenset(StatusCode(code) for code in self.retryable_status_codes)
        object.__setattr__(self, "retryable_status_codes", codes)

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


@dataclass(frozen=True)
class Failure:
    """What is known of a failed attempt.

    Args:
        code: the Twirp code.
        maybe_sent: False only if no byte of the request can have reached a server.
        refused: the service itself said that it did nothing.
        turned_away: refused at the door, before the service saw it: a token that was stale, or a
            region that is not this project's. The channel has something better to offer next.
        retry_after: seconds that the server asks to wait.
    """

    code: StatusCode
    maybe_sent: bool
    refused: bool = False
    turned_away: bool = False
    retry_after: Optional[float] = None


def may_repeat(
    failure: Failure, *, safe_to_repeat: bool, waits: bool, retry_ambiguous: bool = False
) -> bool:
    """Return whether repeating a failed call cannot place it twice.

    Args:
        failure: what the attempt ended with.
        safe_to_repeat: the RPC's own nature (MethodInfo.safe_to_repeat).
        waits: the request makes the service wait for an answer; such a call is not repeated once
            sent, since nobody knows who has answered meanwhile.
        retry_ambiguous: the caller takes the risk (RetryPolicy.retry_ambiguous).
    """
    if not failure.maybe_sent or failure.turned_away:
        return True
    if waits:
        return False
    return failure.refused or safe_to_repeat or retry_ambiguous


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
        policy: the call's policy.
        failure: what the attempt ended with.
        attempt: its number, from 1.
        repeatable: the answer of `may_repeat`.
        remaining: seconds left of the call's timeout, None for no limit.
        throttled: too many calls fail for another attempt to help.
        random: a number from 0 to 1 for the jitter.
    """
    if attempt >= policy.max_attempts or not repeatable:
        return None
    if failure.turned_away:
        return 0.0
    if failure.code not in policy.retryable_status_codes or throttled:
        return None
    delay = max(policy.backoff(attempt, random), failure.retry_after or 0.0)
    if remaining is None:
        too_long = (failure.retry_after or 0.0) > _LONGEST_RETRY_AFTER
    else:
        too_long = delay >= remaining
    return None if too_long else delay


class RetryThrottle:
    """A bucket of tokens that stops retries while most calls to a service fail.

    Every failed attempt takes a token; a call that succeeds in the end gives back what its
    attempts took, and a little more. Retries stop while the bucket is half empty or less. So a
    failing region that others make up for never stops retries, and a failing service does.

    Source: gRPC's retry throttling, https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    """

    def __init__(self) -> None:
        self._tokens = _MAX_TOKENS
        self._lock = threading.Lock()

    @property
    def throttled(self) -> bool:
        """True while retries would only add to the load."""
        return self._tokens <= _MAX_TOKENS / 2

    def failed(self) -> None:
        """Note a failed attempt that may be worth another."""
        with self._lock:
            self._tokens = max(self._tokens - 1, 0.0)

    def succeeded(self, failures: int) -> None:
        """Note a call that succeeded after so many failed attempts."""
        if failures == 0 and self._tokens >= _MAX_TOKENS:
            return
        with self._lock:
            self._tokens = min(self._tokens + failures + _TOKEN_RATIO, _MAX_TOKENS)

    def reset_after_fork(self) -> None:
        """Make the bucket usable in a forked child, whose lock another thread may have held."""
        self._lock = threading.Lock()
