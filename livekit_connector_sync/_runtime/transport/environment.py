"""What the environment says of proxies and CA bundles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union
from urllib.parse import urlsplit

import requests

__all__ = ["Environment", "EnvironmentSettings"]


@dataclass(frozen=True)
class EnvironmentSettings:
    """What the environment says about a URL: its CA bundle, or True, and its proxies by scheme."""

    verify: Union[bool, str]
    proxies: Mapping[str, str]


NO_SETTINGS = EnvironmentSettings(True, {})


_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUEST_METHOD"),
)
# os.environ.get() raises and catches two exceptions for each variable that is not set, ten times
# the cost of a look into the dict below it, which CPython and PyPy have had since 3.2.
_ENVIRON: Any = getattr(os.environ, "_data", os.environ)
_NAMES: Any = (
    tuple(map(os.environ.encodekey, _VARIABLES)) if _ENVIRON is not os.environ else _VARIABLES
)


class Environment:
    """The proxies and CA bundle of the environment, looked up again when it has changed.

    requests looks them up for every request, at a cost that grows with the environment.
    """

    def __init__(self) -> None:
        self._known: dict[
            tuple[str, Optional[str]], tuple[tuple[Any, ...], EnvironmentSettings]
        ] = {}

    def settings(self, url: str, session: requests.Session) -> EnvironmentSettings:
        """Return the settings for a URL."""
        parts = urlsplit(url)
        no_proxy = session.proxies.get("no_proxy")
        key = (f"{parts.scheme}://{parts.netloc}", no_proxy)
        snapshot = tuple(map(_ENVIRON.get, _NAMES))
        known = self._known.get(key)
        if known is not None and known[0] == snapshot:
            return known[1]
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        found = EnvironmentSettings(
            bundle or True, requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
        )
        self._known[key] = (snapshot, found)
        return found
