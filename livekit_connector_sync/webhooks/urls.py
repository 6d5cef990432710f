"""URLs as the sender wrote them: a signature covers them before any framework decodes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Union
from urllib.parse import quote

from .arguments import check_text

__all__ = ["build_url", "list_variants", "read_query"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"  # that quote() need not escape: RFC 3986, pchar


def build_url(base_url: str, request: Mapping[str, Any]) -> str:
    """Return the public URL of a request, with its path and query exactly as they were sent.

    Frameworks decode and normalize the URL of a request, so that a signature of it doesn't match.
    The servers' own variables have the bytes: RAW_URI (gunicorn), REQUEST_URI (uWSGI, mod_wsgi), or
    ASGI's raw_path. Without them, the path is the decoded one, quoted again.

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
    target = _add_prefix(mount, _URL.sub(r"\3", target, count=1))
    return f"{parts[1]}{parts[2]}{_add_prefix(parts[3], target)}"


def list_variants(url: str) -> Iterator[str]:
    """Yield a URL as it is, then with and without its user name and its port."""
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


def read_query(url: str) -> str:
    """Return the query of a URL, "" if it has none."""
    return url.partition("#")[0].partition("?")[2]


def _read_environ(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return the target of a request from its WSGI environment, and where the app is mounted."""
    mount = str(environ.get("SCRIPT_NAME", ""))
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        path, query = f"{mount}{environ.get('PATH_INFO', '')}", environ.get("QUERY_STRING")
        target = quote(_decode(path), _PATH_CHARACTERS) + (f"?{query}" if query else "")
    return _decode(target), quote(_decode(mount), _PATH_CHARACTERS)


def _read_scope(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the target of a request from its ASGI scope, and where the app is mounted."""
    raw_path, query = scope.get("raw_path"), _decode(scope["query_string"])
    # Some servers add the query to the path.
    path = (
        _decode(raw_path).partition("?")[0] if raw_path else quote(scope["path"], _PATH_CHARACTERS)
    )
    return f"{path}?{query}" if query else path, quote(scope.get("root_path", ""), _PATH_CHARACTERS)


def _decode(text: Union[str, bytes]) -> str:
    """Return bytes as text; WSGI has them as text in Latin-1."""
    try:
        return (text if isinstance(text, bytes) else text.encode("latin-1")).decode()
    except UnicodeError:
        return text if isinstance(text, str) else text.decode("latin-1")


def _add_prefix(prefix: str, target: str) -> str:
    """Return a target under a path prefix, unless it is there already."""
    prefix = prefix.rstrip("/")
    return target if re.match(f"{re.escape(prefix)}(?:[/?]|$)", target) else prefix + target
