"""What proxy settings mean, as pure functions; nothing here connects."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["address_of", "check_keys", "hide_password", "is_exempt"]

_MIN_PASSWORD = 4  # characters; replacing a shorter one would garble ordinary text
# As requests looks them up: the host in lower case, without a port and without brackets.
_KEY = re.compile(r"(https?|all)(://([^\sA-Z/?#@:\[]+|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.%]*))?")


def check_keys(proxies: Any) -> None:
    """Raise ValueError if `proxies` is not a mapping by what requests looks for."""
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
    """Return whether NO_PROXY names an IPv6 address in brackets, or the network of one.

    requests understands neither.
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
    """Return a text without the password of a proxy, which may echo its request."""
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
