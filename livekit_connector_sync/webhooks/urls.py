"""Rebuilds URLs exactly as they were sent: a signature covers the URL before it is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .arguments import check_text

__all__ = ["build_url", "list_variants", "read_query", "read_target"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"  # that quote() need not escape: RFC 3986, pchar


def build_url(base_url: str, request: Mapping[str, Any]) -> str:
    """Return the public URL of a request, with its path and query exactly as they were sent.

    Frameworks decode and normalize the URL of a request, so that its signature doesn't match. Some
    servers keep the original: RAW_URI (gunicorn), REQUEST_URI (uWSGI, mod_wsgi), or ASGI's
    raw_path. Without these variables, the decoded path is quoted again.

    Args:
        base_url: the site's public scheme and host, such as "https://calls.example.com", with the
            path prefix that a proxy removes, if any. A prefix that the request still has is not
            added twice.
        request: the WSGI environment, such as Flask's `request.environ` or Django's `request.META`,
            or the ASGI scope, such as FastAPI's `request.scope`.

    Raises:
        ValueError: base_url is not a URL.
        TypeError: an argument has the wrong type.
    """
    check_text("base_url", base_url)
    parts = _URL.fullmatch(base_url)
    if not parts or not parts[2]:
        raise ValueError('base_url must be the public URL of the site: "https://calls.example.com"')
    if not isinstance(request, Mapping):
        raise TypeError(
            f"request must be a WSGI environment or an ASGI scope, not {type(request).__name__}"
        )
    target, mount = _read_scope(request) if "query_string" in request else _read_environ(request)
    target = _add_prefix(mount, read_target(target))  # a proxy may send the whole URL
    return f"{parts[1]}{parts[2]}{_add_prefix(parts[3], target)}"


def list_variants(url: str) -> Iterator[str]:
    """Yield the unchanged URL, then variants with and without its user name and its port."""
    yield url
    parts = _URL.fullmatch(url)
    if parts:
        scheme, netloc, rest = parts.groups()
        user, at, address = netloc.rpartition("@")
        host, port = re.findall(r"(.*?)(?::([0-9]*))?$", address, re.DOTALL)[0]
        port = port or ("443" if scheme.lower() == "https://" else "80")
        for login in ("", user + at) if at else ("",):
            yield f"{scheme}{login}{host}{rest}"
            yield f"{scheme}{login}{host}:{port}{rest}"


def read_target(url: str) -> str:
    """Return the path and the query of a URL."""
    parts = _URL.fullmatch(url)
    return (parts[3] if parts else url).partition("#")[0]


def read_query(url: str) -> str:
    """Return the query of a URL, "" if it has none."""
    return read_target(url).partition("?")[2]


def _read_environ(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return the target of a request from its WSGI environment, and where the app is mounted."""
    mount = _quote(_to_bytes(environ.get("SCRIPT_NAME", "")))
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target:
        return _decode(_to_bytes(target)), mount
    path = mount + _quote(_to_bytes(environ.get("PATH_INFO", "")))
    return _add_query(path, _to_bytes(environ.get("QUERY_STRING", ""))), mount


def _read_scope(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the target of a request from its ASGI scope, and where the app is mounted."""
    path = _quote(scope.get("path", "").encode("utf-8", "replace"))
    mount = _quote(scope.get("root_path", "").encode("utf-8", "replace"))
    if scope.get("raw_path"):
        path = _decode(scope["raw_path"].partition(b"?")[0])  # some servers add the query
    return _add_query(path, scope["query_string"]), mount


def _to_bytes(text: str) -> bytes:
    """Return the bytes of a WSGI text, which is decoded as Latin-1."""
    return text.encode("latin-1", "replace")


def _decode(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _quote(path: bytes) -> str:
    return quote(path, _PATH_CHARACTERS)


def _add_query(path: str, query: bytes) -> str:
    return f"{path}?{_decode(query)}" if query else path


def _add_prefix(prefix: str, target: str) -> str:
    """Add a path prefix to a target that doesn't have it."""
    prefix = prefix.rstrip("/")
    return target if re.match(f"{re.escape(prefix)}(?:[/?]|$)", target) else prefix + target
