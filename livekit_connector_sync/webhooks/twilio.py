"""Twilio's voice webhooks.

    call = twilio.receive(url, body, request.headers.get("X-Twilio-Signature"), auth_token)

The signature covers the URL exactly as Twilio has it, scheme and host included: behind a proxy,
take the public URL from your settings, not from the request.

Source: https://www.twilio.com/docs/usage/security, https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit, urlunsplit

from . import fields
from .errors import Reason, WebhookError

__all__ = [
    "SIGNATURE_HEADER",
    "SIGNATURE_SETTINGS_HEADER",
    "VoiceCall",
    "compute_signature",
    "parse",
    "receive",
    "verify",
]

SIGNATURE_HEADER = "X-Twilio-Signature"
SIGNATURE_SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_MOST_PARAMETERS = 1000
_OVER = ("completed", "busy", "failed", "no-answer", "canceled")


@dataclass(frozen=True)
class VoiceCall:
    """A call, as a voice webhook or a status callback tells of it."""

    call_sid: str
    """Twilio's id of the call, "CA..."."""
    account_sid: str
    """The account, "AC..."."""
    from_number: str = field(repr=False)
    """The caller: "+15551234567", a SIP address, "client:name", or "anonymous"."""
    to_number: str = field(repr=False)
    """The number called."""
    direction: str
    """inbound, outbound-api or outbound-dial."""
    status: str
    """ringing, in-progress, completed, busy, failed, no-answer or canceled."""
    raw: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Every parameter with all its values."""

    @property
    def key(self) -> str:
        """The same for every delivery of this event, another for every other one."""
        if self.status:
            return f"{self.call_sid}:{self.status}"
        # A callback about a part of the call: its stream, a recording, who answered.
        digest = hashlib.sha256(repr(sorted(self.raw.items())).encode("utf-8", "replace"))
        return f"{self.call_sid}:{digest.hexdigest()}"

    @property
    def is_over(self) -> bool:
        """Whether the status is one of those that a call ends with."""
        return self.status in _OVER

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter, an empty text if it is missing."""
        return _first(self.raw, name)


def receive(
    url: str,
    body: bytes,
    signature: Optional[str],
    auth_token: str,
    *,
    signature_settings: Optional[str] = None,
) -> VoiceCall:
    """Verify a webhook and return the call that it is about.

    Args:
        url: the full URL that Twilio requested, with its query.
        body: the request's body, as it came; empty for a GET.
        signature: its X-Twilio-Signature header.
        auth_token: the account's primary auth token, or the secret of a shared key.
        signature_settings: its X-Twilio-Webhooks-Signature-Settings header.

    Raises:
        WebhookError: the signature is missing or wrong, or it is not about a call.
        ValueError: auth_token is empty.
    """
    verify(url, body, signature, auth_token, signature_settings=signature_settings)
    return parse(url, body)


def verify(
    url: str,
    body: bytes,
    signature: Optional[str],
    auth_token: str,
    *,
    signature_settings: Optional[str] = None,
) -> None:
    """Check the signature of a webhook, whether its body is a form, JSON or empty.

    Twilio adds the URL's port in some cases and not in others: both are right.

    Args:
        url: the full URL that Twilio requested, with its query.
        body: the request's body, as it came.
        signature: its X-Twilio-Signature header.
        auth_token: the account's primary auth token, or the secret of a shared key.
        signature_settings: its X-Twilio-Webhooks-Signature-Settings header, which names the
            algorithm; without one it is HMAC_SHA1.

    Raises:
        WebhookError: the signature is missing or wrong.
        ValueError: auth_token is empty.
    """
    if not auth_token:
        raise ValueError("auth_token is empty: anybody could sign with it")
    if not signature:
        raise WebhookError(Reason.MISSING_SIGNATURE, f"there is no {SIGNATURE_HEADER} header")
    algorithm = _algorithm(signature_settings)
    if algorithm not in _HASHES:
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE,
            f"{SIGNATURE_SETTINGS_HEADER} names an unknown algorithm",
        )
    digests = parse_qs(_split(url).query).get("bodySHA256")
    if digests and fields.equal_in_constant_time(
        hashlib.sha256(body).hexdigest(), digests[0].lower()
    ):
        parameters = {}
    else:
        parameters = _form(body)
        if (body or digests) and not parameters:
            raise WebhookError(Reason.WRONG_SIGNATURE, "the signature does not cover the body")
    expected = [
        compute_signature(variant, parameters, auth_token, algorithm) for variant in _variants(url)
    ]
    if not any(fields.equal_in_constant_time(each, signature) for each in expected):
        raise WebhookError(
            Reason.WRONG_SIGNATURE,
            f"{SIGNATURE_HEADER} is not of this URL, body and auth token: is the URL the one "
            "that Twilio has?",
        )


def compute_signature(
    url: str,
    parameters: Mapping[str, Iterable[str]],
    auth_token: str,
    algorithm: str = "HMAC_SHA1",
) -> str:
    """Return the X-Twilio-Signature of a request.

    What is signed is the URL followed by every parameter's name and value: names sorted, the
    values of a repeated one sorted and each once.

    Args:
        url: the full URL.
        parameters: the form's parameters, each with all its values.
        auth_token: the account's auth token, or the secret of a shared key.
        algorithm: HMAC_SHA1, or HMAC_SHA256 for a shared key.
    """
    signed = url + "".join(
        name + value for name in sorted(parameters) for value in sorted(set(parameters[name]))
    )
    digest = hmac.new(auth_token.encode(), signed.encode("utf-8", "replace"), _HASHES[algorithm])
    return base64.b64encode(digest.digest()).decode("ascii")


def parse(url: str, body: bytes) -> VoiceCall:
    """Return the call that a webhook is about, without verifying it.

    Args:
        url: the full URL; its query holds the parameters of a GET.
        body: the form of a POST.

    Raises:
        WebhookError: there is no CallSid.
    """
    parameters = _form(body) or _form(_split(url).query.encode("utf-8", "replace"))

    call = VoiceCall(
        call_sid=_first(parameters, "CallSid"),
        account_sid=_first(parameters, "AccountSid"),
        from_number=_first(parameters, "From"),
        to_number=_first(parameters, "To"),
        direction=_first(parameters, "Direction"),
        status=_first(parameters, "CallStatus"),
        raw=parameters,
    )
    if not call.call_sid:
        raise WebhookError(Reason.MALFORMED_BODY, "the form has no CallSid")
    return call


def _first(parameters: Mapping[str, tuple[str, ...]], name: str) -> str:
    return parameters.get(name, ("",))[0]


def _algorithm(settings: Optional[str]) -> str:
    found = re.search(r"(?:^|,)\s*algorithm\s*=\s*([^,\s]+)", settings or "")
    return found[1].upper() if found else "HMAC_SHA1"


def _form(body: bytes) -> dict[str, tuple[str, ...]]:
    """Return a form's parameters; none if the body is no form."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        return {}
    parameters: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        parameters[name] = (*parameters.get(name, ()), value)
    return parameters


def _variants(url: str) -> tuple[str, ...]:
    """Return a URL as it is, without a port and with one."""
    parts = _split(url)
    found = re.search(r":([0-9]*)$", parts.netloc)
    bare = parts.netloc[: found.start()] if found else parts.netloc
    port = (found and found[1]) or _DEFAULT_PORTS.get(parts.scheme, "80")
    return (
        url,
        urlunsplit(parts._replace(netloc=bare)),
        urlunsplit(parts._replace(netloc=f"{bare}:{port}")),
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise WebhookError(Reason.WRONG_SIGNATURE, "the URL of the request is malformed") from None
