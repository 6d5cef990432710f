"""Checks and interprets proxy settings, as pure functions; nothing here connects."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import SplitResult, unquote, urlsplit

_MIN_PASSWORD = 4  # characters; replacing a shorter one would garble ordinary text
# The keys that requests looks up: the host is in lower case, without port and brackets.
_KEY = re.compile(r"(https?|all)(://([^\sA-Z/?#@:\[]+|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.%]*))?")


def check_keys(proxies: Any) -> None:
    """Raise ValueError if `proxies` is not a mapping, or has a key that requests ignores."""
    if not isinstance(proxies, Mapping):
        raise ValueError('proxies must be a mapping, such as {"https": "http://proxy:3128"}')
    for key in proxies:
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            # The text leaves out a URL, which may hold a password.
            shown = "a URL" if "@" in str(key) else repr(key)
            raise ValueError(
                f"proxies has {shown} as a key, which requests ignores: write "
                '"http", "https", "all", or one of them with a host, such as "https://x.example"'
            )


def is_exempt(url: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY contains the URL's IPv6 address in brackets, or its network.

    requests doesn't support either.
    """
    found = re.match(r"https?://\[([0-9a-f:.]+)", url)
    if found is None:
        return False
    for entry in no_proxy.split(","):
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(re.sub(r"[\s\[\]]", "", entry), strict=False)
            if ipaddress.ip_address(found[1]) in network:
                return True
    return False


def address_of(url: str) -> str:
    """Return the host and port of a server or proxy."""
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    default = 443 if parts.scheme == "https" else 80
    return host if parts.port is not None else f"{host}:{default}"


def hide_password(text: str, proxy: Optional[str]) -> str:
    """Redact a proxy's password in a text, because a proxy may echo its request."""
    parts = _split(proxy or "")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    basic = base64.b64encode(f"{user}:{password}".encode("latin-1", "replace")).decode()
    if parts.username:
        text = text.replace(basic, "<secret>")
    if len(password) >= _MIN_PASSWORD:
        text = text.replace(password, "<secret>")
    return re.sub(r"//[^/\s]*@", "//", text)


def _split(url: str) -> SplitResult:
    return urlsplit(url if "://" in url else f"http://{url}")
