"""Credentials of a channel: a key and secret that sign short-lived tokens, or a fixed token."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any, Callable, Optional, Protocol

from .jws import sign
from .messages import name_type
from .redaction import HoldsSecret, hide_locals
from .validation import CLOUD_DOMAINS

_EXPIRY_MARGIN = 60.0  # seconds before its expiry at which a cached token is renewed
_CLOCK_SKEW = 10  # seconds that a server's clock may be behind ours
_CACHE_SIZE = 256  # tokens; one per set of grants, and grants may name a room each

ClaimSet = tuple[tuple[str, str, Any], ...]
"""The claims that a call needs, as (section, name, value); hashable."""


def check_key(name: str, value: object) -> None:
    """Check an API key or a secret.

    Raises:
        ValueError: the value is malformed; the text names the argument and not its value.
    """
    if value is None or value == "":
        raise ValueError(f"{name} is empty: pass both api_key and api_secret")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} is blank")
    if value != value.strip():
        raise ValueError(f"{name} begins or ends with white space: strip() it")
    if value.lower().startswith("bearer "):
        raise ValueError(f'{name} begins with "Bearer ": pass the bare key, or a token as token')
    if re.fullmatch(r"""['"].*['"]|[<$].*[>}]|your[-_].*""", value, re.DOTALL):
        raise ValueError(f"{name} is a placeholder or in quotes: write the bare value")
    if "://" in value or value.endswith(CLOUD_DOMAINS):
        raise ValueError(f"{name} is a URL: the order is url, api_key, api_secret")


def check_token(name: str, token: object) -> None:
    """Raise ValueError if a token cannot be one, without showing it."""
    remedy = "pass the string that to_jwt() returned"
    if not isinstance(token, str):
        raise ValueError(f"{name} is not a JWT: {remedy}, not {name_type(token)}")
    if token.lower().startswith("bearer "):
        raise ValueError(f'{name} must not begin with "Bearer "')
    if token.split() != [token] or not token.isascii():
        spaced = token.strip() != token
        raise ValueError(f"{name} is not a JWT: {'strip() the white space' if spaced else remedy}")


class Credentials(Protocol):
    """The interface of a channel's credentials."""

    def token(self, claims: ClaimSet) -> tuple[str, bool]:
        """Return a token with these claims, and whether it came from a cache."""
        ...

    def forget(self, claims: ClaimSet) -> None:
        """Drop the cached token of these claims after a server rejected it."""
        ...


class ApiKeyCredentials(HoldsSecret):
    """Signs a token for each set of grants, and caches it until a minute before it expires.

    Args:
        api_key: the project's API key.
        api_secret: the project's API secret.
        ttl: a token's lifetime, 10 minutes by default.
        clock: returns the time in seconds since 1970; by default time.time.

    Raises:
        ValueError: the key or the secret is empty, not a str or has white space around it, or the
            lifetime is not positive.
        TypeError: the lifetime is not a timedelta.
    """

    @hide_locals
    def __init__(
        self,
        api_key: str,
        api_secret: str,
        *,
        ttl: timedelta = timedelta(minutes=10),
        clock: Optional[Callable[[], float]] = None,
    ) -> None:
        check_key("api_key", api_key)
        check_key("api_secret", api_secret)
        if re.fullmatch("API[A-Za-z0-9]{8,20}", api_secret) and not api_key.startswith("API"):
            raise ValueError("api_secret looks like an API key: were the two arguments swapped?")
        if not isinstance(ttl, timedelta):
            raise TypeError(f"ttl must be a timedelta, not {type(ttl).__name__}")
        if ttl <= timedelta(0):
            raise ValueError(f"ttl must be positive, not {ttl}")
        if clock is not None and not callable(clock):
            raise TypeError(f"clock must be a function such as time.time, not {name_type(clock)}")
        self.api_key = api_key
        self._api_secret = api_secret
        self._ttl = ttl.total_seconds()
        self._clock = clock
        self._tokens: dict[ClaimSet, tuple[str, float]] = {}

    def __repr__(self) -> str:
        return f"ApiKeyCredentials({self.api_key!r})"

    @hide_locals
    def token(self, claims: ClaimSet) -> tuple[str, bool]:
        """Return a token with these claims, and whether it came from the cache."""
        # Looked up at each call, so that tests can freeze time.
        now = (self._clock or time.time)()
        cached = self._tokens.get(claims)
        if cached is not None and now < cached[1]:
            return cached[0], True
        sections: dict[str, dict[str, Any]] = {}  # as in {"video": {"roomCreate": True}}
        for section, name, value in claims:
            sections.setdefault(section, {})[name] = value
        token = sign(
            {
                "iss": self.api_key,
                "nbf": int(now) - _CLOCK_SKEW,
                "exp": int(now + self._ttl),
                **sections,
            },
            self._api_secret,
        )
        # Threads that sign at the same time get a valid token each; dict operations are atomic.
        if len(self._tokens) >= _CACHE_SIZE:
            self._tokens.clear()
        self._tokens[claims] = (token, now + self._ttl - _EXPIRY_MARGIN)
        return token, False

    def forget(self, claims: ClaimSet) -> None:
        """Drop the cached token of these claims, so that the next call signs a new one."""
        self._tokens.pop(claims, None)


class TokenCredentials(HoldsSecret):
    """Sends a token that was signed elsewhere, unchanged.

    Args:
        token: the token, with the grants of the calls that you make.

    Raises:
        ValueError: the token is empty, not a str, or holds white space.
    """

    @hide_locals
    def __init__(self, token: str) -> None:
        check_token("token", token)
        self._token = token

    def __repr__(self) -> str:
        return "TokenCredentials(...)"

    def token(self, claims: ClaimSet) -> tuple[str, bool]:
        """Return the token; the claims are ignored."""
        return self._token, False

    def forget(self, claims: ClaimSet) -> None:
        """Do nothing: there is no other token."""
