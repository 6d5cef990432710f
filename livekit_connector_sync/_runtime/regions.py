"""Chooses the region that each attempt of a call goes to.

The first attempt goes to the server that the caller named, the next ones to the regions that this
server lists at `GET /settings/regions`. Requests carry the project's token and Meta's key, so only
https regions under the same cloud domain are used.
"""

from __future__ import annotations

import functools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Optional, Union
from urllib.parse import urlsplit

from .forking import reset_after_fork
from .messages import name_type
from .validation import CLOUD_DOMAINS

DISCOVERY_TIMEOUT = 2.0  # seconds
_MIN_TIMEOUT = 5.0  # seconds; calls with a shorter one would only overload the next region
_MAX_CACHE_AGE = 86_400.0  # seconds
_MAX_REGIONS = 32
# Reject ambiguous hosts, which URL parsers read in different ways: secrets are sent there.
_AUTHORITY = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE | re.ASCII)

_DOMAIN = re.compile(r"(\*\.)?[a-z0-9._-]*[a-z0-9._]|[0-9a-f:]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class FailoverPolicy:
    """Which servers fail over to other regions, and which regions are trusted.

    Args:
        hosts: domains in addition to LiveKit Cloud's. "*.example.com" means its subdomains,
            "example.com" also the domain itself. A server may name regions under its own domain.
        allow_http: use regions without TLS; for tests on loopback.

    Raises:
        ValueError: `hosts` is not a tuple of domains, or `allow_http` not a bool.
    """

    hosts: Iterable[str] = ()
    allow_http: bool = False

    def __post_init__(self) -> None:
        hosts = self.hosts
        if isinstance(hosts, str) or not isinstance(hosts, Iterable):
            raise ValueError('hosts must be a tuple of domains, such as ("*.example.com",)')
        object.__setattr__(self, "hosts", tuple(hosts))
        for host in self.hosts:
            if not isinstance(host, str) or not _DOMAIN.fullmatch(host):
                raise ValueError(
                    'each of hosts must be a domain such as "example.com" or "*.example.com", '
                    f"without scheme and port, not {host!r}"
                )
        if not isinstance(self.allow_http, bool):
            raise ValueError(f"allow_http must be True or False, not {self.allow_http!r}")

    def domain_of(self, host: str) -> Optional[str]:
        """Return the domain that a host is under; None if the host has no failover."""
        for domain in (*(f"*{domain}" for domain in CLOUD_DOMAINS), *self.hosts):
            if _is_under(host, domain):
                return domain
        return None


def choose_policy(failover: Union[bool, FailoverPolicy]) -> Optional[FailoverPolicy]:
    """Return the policy for a channel's `failover` option; None for no failover.

    Raises:
        ValueError: the option has the wrong type.
    """
    if isinstance(failover, FailoverPolicy):
        return failover
    if not isinstance(failover, bool):
        raise ValueError(
            f"failover must be True, False or a FailoverPolicy, not {name_type(failover)}"
        )
    return FailoverPolicy() if failover else None


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True)
class Endpoint:
    """The server that a channel calls.

    Regions under its domain may replace it; None means no failover.
    """

    url: str  # normalized
    domain: Optional[str]
    allow_http: bool

    @functools.cached_property
    def origin(self) -> str:
        return origin_of(self.url)


class Route:
    """The URLs of one call's attempts.

    `discover` requests the regions of the caller's server, as in `RegionCache.regions`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        timeout: Optional[float],
        discover: Callable[[], tuple[list[str], float]],
    ) -> None:
        self.url = endpoint.url
        self._endpoint = endpoint
        self._discover = discover
        self._may_fail_over = timeout is None or timeout >= _MIN_TIMEOUT
        self._tried = [endpoint.origin]
        self._regions: Optional[list[str]] = None

    @property
    def has_next_region(self) -> bool:
        """Whether another region can serve the next attempt; True if the regions are unknown."""
        if self._endpoint.domain is None or not self._may_fail_over:
            return False
        return self._regions is None or find_untried(self._regions, self._tried) is not None

    def advance(self, *, pinned: bool, wait: Optional[float]) -> bool:
        """Choose the URL of the next attempt; return False if no region may serve the project.

        Args:
            pinned: the server reported that the project may not use this region.
            wait: seconds that a discovery by another caller may take, None for no limit.
        """
        if self._endpoint.domain is None or not (pinned or self._may_fail_over):
            return True
        if self._regions is None or pinned:
            key = (self._endpoint.origin, self._endpoint.domain, self._endpoint.allow_http)
            self._regions = _cache.regions(key, self._discover, timeout=wait, refresh=pinned)
        region = find_untried(self._regions, self._tried)
        if region is None:
            return not pinned
        self._tried.append(region)
        self.url = region + urlsplit(self._endpoint.url).path  # the same in every region
        return True


def parse_regions(body: bytes, domain: str, allow_http: bool = False) -> list[str]:
    """Return the origins of the regions in a /settings/regions response, in order.

    Args:
        body: `{"regions": [{"region": ..., "url": ..., "distance": ...}]}`.
        domain: the domain that regions must be under.
        allow_http: use regions without TLS.

    Raises:
        ValueError: the body is malformed.
    """
    try:
        document = json.loads(body.decode("utf-8"))
        regions = document["regions"] or []
        urls = [region["url"] for region in regions[:_MAX_REGIONS]]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ValueError("the response of /settings/regions is not a list of regions") from None
    origins = [_read_origin(url, domain, allow_http) for url in urls]
    return list(dict.fromkeys(origin for origin in origins if origin))


def parse_max_age(cache_control: Optional[str]) -> float:
    """Return how many seconds a Cache-Control header allows caching; 0 if it forbids it.

    Source: RFC 9111, section 5.2.2.
    """
    for directive in (cache_control or "").split(","):
        name, _, value = directive.strip().lower().partition("=")
        if name == "max-age":
            return min(float(value), _MAX_CACHE_AGE) if re.fullmatch("[0-9]+", value) else 0.0
    return 0.0


def find_untried(regions: Iterable[str], tried: Iterable[str]) -> Optional[str]:
    """Return the first region whose origin has not been tried yet."""
    done = set(tried)
    return next((region for region in regions if region not in done), None)


_Key = tuple[str, Optional[str], bool]


class RegionCache:
    """The region lists of this process, by server.

    A list is cached for the max-age of its response. If a refresh fails, the stale list is used. If
    several callers need a list at the same time, one of them requests it and the others wait.
    """

    def __init__(self) -> None:
        self._lists: dict[_Key, tuple[list[str], float]] = {}
        self.reset_after_fork()
        reset_after_fork(self)

    def reset_after_fork(self) -> None:
        """Forget running discoveries: a forked child doesn't have their threads."""
        self._lock = threading.Lock()
        self._running: dict[_Key, _Discovery] = {}

    def regions(
        self,
        key: _Key,
        discover: Callable[[], tuple[list[str], float]],
        *,
        timeout: Optional[float],
        refresh: bool = False,
    ) -> list[str]:
        """Return a server's regions; an empty list if they are unknown.

        Args:
            key: the server's origin, and the domain and `allow_http` that its regions must match.
            discover: requests the list; returns it and its max-age in seconds, or raises
                ValueError.
            timeout: seconds to wait for another caller's discovery, None for no limit.
            refresh: request the list even if the cached one is fresh.
        """
        with self._lock:
            cached, fresh_until = self._lists.get(key, ([], 0.0))
            if cached and not refresh and time.monotonic() < fresh_until:
                return cached
            discovery = self._running.get(key)
            mine = discovery is None
            if discovery is None:
                discovery = self._running[key] = _Discovery()
        if not mine:
            discovery.done.wait(timeout)
            return discovery.found or cached
        try:
            discovery.found, max_age = discover()
            if max_age > 0 and discovery.found:
                self._lists[key] = (discovery.found, time.monotonic() + max_age)
        except ValueError:
            discovery.found = cached
        finally:
            with self._lock:
                self._running.pop(key, None)
            discovery.done.set()
        return discovery.found


class _Discovery:
    """A running request for a region list."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[str] = []


_cache = RegionCache()


def _read_origin(url: object, domain: str, allow_http: bool) -> Optional[str]:
    """Return a region's origin; None if secrets must not be sent there."""
    if not isinstance(url, str):
        return None
    url = re.sub(r"^ws(?=s?://)", "http", url, flags=re.IGNORECASE)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        return None
    if not _AUTHORITY.fullmatch(parts.netloc) or not _is_under(host, domain):
        return None
    return origin_of(url)


def _is_under(host: str, domain: str) -> bool:
    host, domain = host.lower().rstrip("."), domain.lower()
    if domain.startswith("*."):
        return host.endswith(domain[1:]) and len(host) > len(domain) - 1
    return host == domain or host.endswith(f".{domain}")
