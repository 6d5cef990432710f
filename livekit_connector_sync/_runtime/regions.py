"""LiveKit Cloud's regions: where else a call may go when the first server fails or refuses it.

The list comes from `GET /settings/regions` of the server that the caller named. It is taken with
care: a request carries the project's token and Meta's key, so a region must be https and under
the same cloud domain as that server.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Optional, Union
from urllib.parse import urlsplit

__all__ = ["FailoverPolicy", "RegionCache", "parse_max_age", "parse_regions", "untried"]

CLOUD_DOMAINS = ("*.livekit.cloud", "*.livekit.run")
SHORTEST_TIMEOUT = 5.0  # seconds; below it clients would only storm the next region in lockstep
DISCOVERY_TIMEOUT = 2.0  # seconds
_LONGEST_CACHE = 86_400.0  # seconds
_MOST_REGIONS = 32
# A host that URL parsers could read in two ways is no host to send a secret to.
_AUTHORITY = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FailoverPolicy:
    """On which servers region failover works, and which regions they may name.

    Args:
        hosts: domains beside LiveKit Cloud's: "*.example.com" for its subdomains, "example.com"
            for itself as well. A server under one of them may name regions under the same one.
        allow_http: take regions without TLS; for tests on loopback.

    Raises:
        ValueError: `hosts` is a single string.
    """

    hosts: Iterable[str] = ()
    allow_http: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.hosts, str):
            raise ValueError(f"hosts must be a tuple of domains: ({self.hosts!r},)")
        object.__setattr__(self, "hosts", tuple(self.hosts))

    def domain_of(self, host: str) -> Optional[str]:
        """Return the domain that a host is under, None if failover is not for it."""
        for domain in (*CLOUD_DOMAINS, *self.hosts):
            if _under(host, domain):
                return domain
        return None


def policy_of(failover: Union[bool, FailoverPolicy]) -> Optional[FailoverPolicy]:
    """Return the policy that a channel's `failover` option means.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(failover, FailoverPolicy):
        return failover
    if not isinstance(failover, bool):
        raise ValueError(f"failover must be True, False or a FailoverPolicy, not {failover!r}")
    return FailoverPolicy() if failover else None


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def parse_regions(body: bytes, domain: str, allow_http: bool = False) -> list[str]:
    """Return the origins of the regions in an answer of /settings/regions, in its order.

    Args:
        body: `{"regions": [{"region": ..., "url": ..., "distance": ...}]}`.
        domain: the domain that regions must be under.
        allow_http: take regions without TLS.

    Raises:
        ValueError: the body is no such JSON.
    """
    try:
        document = json.loads(body.decode("utf-8"))
        regions = document["regions"] or []
        urls = [region["url"] for region in regions[:_MOST_REGIONS]]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ValueError("the answer of /settings/regions is not a list of regions") from None
    origins = [_trusted_origin(url, domain, allow_http) for url in urls]
    return list(dict.fromkeys(origin for origin in origins if origin))


def parse_max_age(cache_control: Optional[str]) -> float:
    """Return the seconds that a Cache-Control header lets a list be kept; 0 for not at all.

    Source: RFC 9111, section 5.2.2.
    """
    for directive in (cache_control or "").split(","):
        name, _, value = directive.strip().lower().partition("=")
        if name == "max-age":
            return min(float(value), _LONGEST_CACHE) if re.fullmatch("[0-9]+", value) else 0.0
    return 0.0


def untried(regions: Iterable[str], tried: Iterable[str]) -> Optional[str]:
    """Return the first region whose origin has not been tried yet."""
    done = set(tried)
    return next((region for region in regions if region not in done), None)


_Key = tuple[str, Optional[str], bool]


class RegionCache:
    """The region lists of this process, by server; one caller asks, the others wait for it.

    A list is kept as long as its Cache-Control says, and served beyond that if a later request
    for it fails.
    """

    def __init__(self) -> None:
        self._lists: dict[_Key, tuple[list[str], float]] = {}
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget who was asking: in a forked child nobody is."""
        self._lock = threading.Lock()
        self._asking: dict[_Key, _Discovery] = {}

    def regions(
        self,
        key: _Key,
        discover: Callable[[], tuple[list[str], float]],
        *,
        timeout: Optional[float],
        refresh: bool = False,
    ) -> list[str]:
        """Return the regions of a server; an empty list if nobody can tell.

        Args:
            key: the server's origin, and which of the regions that it names are taken: the domain
                and whether those without TLS are.
            discover: asks it; returns the list and the seconds it may be kept, or raises
                ValueError if it has no usable answer.
            timeout: seconds to wait for another caller's answer.
            refresh: ask even if the kept list is fresh.
        """
        with self._lock:
            kept, fresh_until = self._lists.get(key, ([], 0.0))
            if kept and not refresh and time.monotonic() < fresh_until:
                return kept
            discovery = self._asking.get(key)
            mine = discovery is None
            if discovery is None:
                discovery = self._asking[key] = _Discovery()
        if not mine:
            discovery.done.wait(timeout)
            return discovery.found or kept
        try:
            discovery.found, max_age = discover()
            if max_age > 0 and discovery.found:
                self._lists[key] = (discovery.found, time.monotonic() + max_age)
        except ValueError:
            discovery.found = kept
        finally:
            with self._lock:
                self._asking.pop(key, None)
            discovery.done.set()
        return discovery.found


class _Discovery:
    """One request for a list, under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[str] = []


def _trusted_origin(url: object, domain: str, allow_http: bool) -> Optional[str]:
    """Return a region's origin, None if no secret may be sent there."""
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
    if not _AUTHORITY.fullmatch(parts.netloc) or not _under(host, domain):
        return None
    return origin_of(url)


def _under(host: str, domain: str) -> bool:
    host, domain = host.lower().rstrip("."), domain.lower()
    if domain.startswith("*."):
        return host.endswith(domain[1:]) and len(host) > len(domain) - 1
    return host == domain or host.endswith(f".{domain}")
