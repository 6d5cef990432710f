"""TLS contexts, and what is wrong with the files that they are made of."""

from __future__ import annotations

import errno
import functools
import os
import ssl
from typing import Any

from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from .exchange import NotSent


def check_files(verify: Any, cert: Any) -> None:
    """Raise ValueError if a channel's `verify` or `cert` is of another type or cannot be used."""
    if verify is not None and not isinstance(verify, (bool, str, os.PathLike)):
        raise ValueError(f"verify must be a path, True or False, not {verify!r}")
    try:
        tls_context(True if verify is None else verify, cert)
    except NotSent as exc:
        raise ValueError(str(exc)) from None


def tls_context(verify: Any, cert: Any) -> ssl.SSLContext:
    """Return the TLS context for settings of requests; raise NotSent if a file cannot be used."""
    try:
        context = _context(verify, None)
    except (OSError, ValueError) as exc:
        raise _unusable(f"verify={verify!r} (or REQUESTS_CA_BUNDLE) is unusable", exc) from None
    try:
        return context if cert is None else _context(verify, cert)
    except (OSError, ValueError, TypeError) as exc:
        raise _unusable(f"cert={cert!r} is not a usable client certificate", exc) from None


def _unusable(what: str, exc: Exception) -> NotSent:
    # If no file descriptor is free, nothing is wrong with the file.
    passing = getattr(exc, "errno", None) in (errno.EMFILE, errno.ENFILE)
    return NotSent(f"{what}: {exc}", permanent=not passing)


def _context(verify: Any, cert: Any) -> ssl.SSLContext:
    files = [] if isinstance(verify, bool) else [verify]
    files += [cert] if isinstance(cert, (str, os.PathLike)) else cert or ()
    changed = tuple(os.stat(path).st_mtime_ns for path in files)
    # truststore replaces the class; a context from before would not trust the system's store.
    return _make_context(verify, cert, changed, ssl.SSLContext)


@functools.lru_cache(maxsize=32)
def _make_context(verify: Any, cert: Any, changed: tuple[int, ...], kind: type) -> ssl.SSLContext:
    """Return a TLS context; cached, since reading the CA bundle takes 20 ms."""
    context = create_urllib3_context()
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})
    if cert is not None:
        certificate, key = (cert, None) if isinstance(cert, (str, os.PathLike)) else cert
        # A password would be asked for at the terminal, which a worker does not have.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    return context
