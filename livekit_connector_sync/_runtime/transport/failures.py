"""Says what went wrong with an exchange, from the exceptions that libraries raised."""

from __future__ import annotations

import socket
import ssl
from typing import Optional

from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_match_hostname import CertificateError

from ..framing import BadResponse
from ..proxies import address_of, hide_password
from .exchange import BODY, CONNECTING, HEADERS, Exchange, NotSent, TransportError

ADAPTER = "waiting for the session's adapter"
_UNSENT = (NotSent, NewConnectionError, ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema)
_BAD_CERTIFICATE = (ssl.SSLCertVerificationError, CertificateError)
_OTHER_HOST = (62, 63, 64)  # OpenSSL's codes for a certificate of another host
# OpenSSL's reasons for what is not TLS, and for TLS without a version or cipher in common.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
_OTHER_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
_NO_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def not_sent(exc: BaseException) -> TransportError:
    """Return the failure for an exception that came before anything was sent."""
    permanent = _is_permanent(exc, maybe_sent=False)
    return TransportError(_words(exc), CONNECTING, maybe_sent=False, permanent=permanent)


def failure_of(
    exc: Exception, exchange: Exchange, outer: Optional[BaseException]
) -> TransportError:
    """Return the failure of an exchange that raised `exc`, while the caller handled `outer`."""
    causes = _causes(exc, outer)
    for cause in causes:
        if isinstance(cause, BadResponse):
            reason = str(cause) + _tls_hint(exchange)
            known = {"broken": cause.broken, "permanent": cause.permanent}
            return TransportError(reason, exchange.phase, True, **known)
    never = any(isinstance(cause, (*_UNSENT, *_BAD_CERTIFICATE)) for cause in causes)
    maybe_sent = exchange.sent if exchange.tracked else not never
    left = exchange.deadline.remaining()
    # Timers may go off a little early: those of gevent do.
    timed_out = left is not None and (
        left == 0 or (left < 0.05 and any(isinstance(each, socket.timeout) for each in causes))
    )
    unknown = maybe_sent and not exchange.tracked and exchange.phase is not BODY
    phase = ADAPTER if unknown else exchange.phase
    # The innermost cause's own words; the outer ones repeat it with object addresses.
    innermost = next((cause for cause in reversed(causes) if str(cause)), causes[0])
    reason = hide_password(_words(innermost), exchange.proxy)
    if phase in (CONNECTING, ADAPTER):
        reason = _explain(innermost, reason, _peer(innermost, exchange))
    elif not timed_out:
        reason += _tls_hint(exchange)
    permanent = any(_is_permanent(cause, maybe_sent) for cause in causes)
    return TransportError(reason, phase, maybe_sent, timed_out, permanent=permanent)


def _causes(exc: BaseException, outer: Optional[BaseException]) -> list[BaseException]:
    """Return an exception and those that led to it, up to `outer`, the innermost last."""
    causes: list[BaseException] = []
    cause: Optional[BaseException] = exc
    while cause is not None and cause is not outer and cause not in causes:
        causes.append(cause)
        context = None if cause.__suppress_context__ else cause.__context__
        # urllib3 wraps some exceptions without raising the wrapper.
        wrapped = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = cause.__cause__ or context or wrapped
    return causes


def _is_permanent(cause: BaseException, maybe_sent: bool) -> bool:
    """Return whether trying again cannot help: a setting is wrong, here or at the other end."""
    if isinstance(cause, ValueError) and not maybe_sent:  # of a URL or a header
        return True
    if isinstance(cause, _BAD_CERTIFICATE):
        return True
    if isinstance(cause, NotSent):
        return cause.permanent
    if isinstance(cause, ssl.SSLError):
        return cause.reason in _NOT_TLS + _OTHER_TLS
    if isinstance(cause, socket.gaierror):
        return cause.errno in _NO_NAME  # not if the name server does not respond
    return isinstance(cause, OSError) and "Tunnel connection failed: 407" in str(cause)


def _words(cause: BaseException) -> str:
    name = type(cause).__name__
    words = getattr(cause, "strerror", None) or str(cause) or name
    return words if isinstance(cause, OSError) else f"{name}: {words}"


def _peer(cause: BaseException, exchange: Exchange) -> str:
    """Return who did not let us connect: the server or its proxy."""
    if exchange.proxy is None:
        return address_of(exchange.url)
    proxy = f"proxy {address_of(exchange.proxy)}"
    through = exchange.tunnelled or not exchange.proxy.lower().startswith("https:")
    if through and isinstance(cause, (ssl.SSLError, CertificateError)):
        return f"{address_of(exchange.url)} (through {proxy})"
    return proxy


def _explain(cause: BaseException, words: str, peer: str) -> str:
    if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
        return f"{peer} does not speak TLS: use http://"
    if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code not in _OTHER_HOST:
        words += "; to trust another CA, set verify=, REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
    return f"{peer}: {words}"


def _tls_hint(exchange: Exchange) -> str:
    """Return what to try if a server of http:// closed the connection without a response."""
    if not exchange.silent or exchange.phase is not HEADERS or exchange.url.startswith("https:"):
        return ""
    return f"; if {address_of(exchange.url)} speaks TLS, use https://"
