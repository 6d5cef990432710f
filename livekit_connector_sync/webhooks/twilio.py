"""Twilio's voice webhooks.

    call = twilio.receive(url, body, request.headers.get("X-Twilio-Signature"), auth_token)

The signature covers the URL exactly as you gave it to Twilio, with its scheme and host. Frameworks
normalize the URL of a request, and proxies change it: `build_url` returns the public one.

Source: https://www.twilio.com/docs/usage/security, https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union
from urllib.parse import parse_qs

from .._runtime import fields
from .._runtime.redaction import hide_locals
from .arguments import Body, Secrets, check_text, read_body, read_secrets
from .errors import Reason, WebhookError, is_equal, require_header, require_match
from .fields import parse_object
from .urls import build_url, list_variants, read_query, read_target

__all__ = [
    "IDEMPOTENCY_HEADER",
    "SIGNATURE_HEADER",
    "SIGNATURE_SETTINGS_HEADER",
    "Form",
    "VoiceCall",
    "build_url",
    "compute_signature",
    "parse",
    "receive",
    "verify",
]

IDEMPOTENCY_HEADER = "I-Twilio-Idempotency-Token"
SIGNATURE_HEADER = "X-Twilio-Signature"
SIGNATURE_SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
Form = Mapping[str, Union[str, Iterable[str]]]
"""A form that a framework parsed: each parameter with its value, or with all its values."""
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_MAX_PARAMETERS = 1000
_FINAL_STATUSES = ("completed", "busy", "failed", "no-answer", "canceled")


@dataclass(frozen=True)
class VoiceCall:
    """A call, as described by a voice webhook or a status callback."""

    call_sid: str
    """Twilio's id of the call, "CA..."."""
    account_sid: str
    """Twilio's id of the account, "AC..."."""
    from_number: str = field(repr=False)
    """The caller: "+15551234567", a SIP address, "client:name", or "anonymous"."""
    to_number: str = field(repr=False)
    """The callee, in the same forms."""
    direction: str
    """inbound, outbound-api, or outbound-dial."""
    status: str
    """ringing, in-progress, completed, busy, failed, no-answer, or canceled."""
    raw: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Every parameter with all its values."""
    key: str
    """The key to deduplicate by: every delivery of an event has the same key."""

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self.status in _FINAL_STATUSES

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter, "" if it is missing."""
        return _first(self.raw, name)


@hide_locals
def receive(
    url: str,
    body: Union[Body, Form],
    signature: Optional[str],
    auth_token: Secrets,
    *,
    signature_settings: Optional[str] = None,
    idempotency_token: Optional[str] = None,
) -> VoiceCall:
    """Verify a webhook and return its call.

    Args:
        url: the full URL that Twilio requested, with its query: see `build_url`.
        body: the request's unchanged body, or the parsed form; empty for a GET.
        signature: the request's X-Twilio-Signature header.
        auth_token: the account's primary auth token, or the secret of a shared key. Pass several
            texts to accept an old and a new token.
        signature_settings: the request's X-Twilio-Webhooks-Signature-Settings header, which names
            the algorithm; HMAC_SHA1 without it.
        idempotency_token: the request's I-Twilio-Idempotency-Token header, which all deliveries of
            an event share. Without it, the event's key depends on all parameters.

    Raises:
        WebhookError: the signature is missing or wrong, or there is no CallSid.
        ValueError: auth_token is empty or has white space around it.
        TypeError: an argument has the wrong type.
    """
    verify(url, body, signature, auth_token, signature_settings=signature_settings)
    return parse(url, body, idempotency_token=idempotency_token)


@hide_locals
def verify(
    url: str,
    body: Union[Body, Form],
    signature: Optional[str],
    auth_token: Secrets,
    *,
    signature_settings: Optional[str] = None,
) -> None:
    """Verify the signature of a webhook whose body is a form, JSON, or empty.

    Twilio signs some URLs with their port and others without it, and leaves out a user name and
    password: all these are accepted. Takes and raises the same as `receive`.
    """
    secrets = read_secrets("auth_token", auth_token)
    check_text("url", url)
    signature = require_header(SIGNATURE_HEADER, signature)
    algorithm = _read_algorithm(signature_settings)
    parameters = _signed_parameters(url, body)
    require_match(
        (
            compute_signature(each, parameters, secret, algorithm)
            for secret in secrets
            for each in list_variants(url)
        ),
        signature,
        f"{SIGNATURE_HEADER} does not match this URL, body, and auth token: is the URL exactly the "
        "one that Twilio requested?",
    )


@hide_locals
def compute_signature(
    url: str,
    parameters: Form,
    auth_token: str,
    algorithm: str = "HMAC_SHA1",
) -> str:
    """Return the X-Twilio-Signature of a request.

    Twilio signs the URL followed by the name and value of every parameter. It sorts the names,
    sorts the values of a repeated name, and leaves out duplicate values.

    Args:
        url: the full URL.
        parameters: the form's parameters, each with its value or with all its values.
        auth_token: the account's auth token, or the secret of a shared key.
        algorithm: HMAC_SHA1, or HMAC_SHA256 for a shared key.

    Raises:
        ValueError: the algorithm is unknown.
        TypeError: an argument has the wrong type.
    """
    check_text("auth_token", auth_token)
    check_text("url", url)
    if algorithm not in _HASHES:
        raise ValueError(f"algorithm must be {' or '.join(_HASHES)}, not {algorithm!r}")
    form = sorted(_read_form(parameters).items())
    signed = url + "".join(name + value for name, values in form for value in sorted(set(values)))
    digest = hmac.new(auth_token.encode(), signed.encode("utf-8", "replace"), _HASHES[algorithm])
    return base64.b64encode(digest.digest()).decode("ascii")


@hide_locals
def parse(
    url: str, body: Union[Body, Form], *, idempotency_token: Optional[str] = None
) -> VoiceCall:
    """Return the call of a webhook without verifying it. Takes the same as `receive`.

    The URL's query holds the parameters of a GET, or the hash of a JSON body as bodySHA256.

    Raises:
        WebhookError: there is no CallSid.
        TypeError: an argument has the wrong type.
    """
    check_text("url", url)
    check_text(f"the {IDEMPOTENCY_HEADER} header", idempotency_token, optional=True)
    parameters = _read_json(url, body) or _read_form(body) or _read_form(read_query(url))
    call_sid = _first(parameters, "CallSid")
    if not call_sid:
        raise WebhookError(Reason.MALFORMED_BODY, "the body has no CallSid")
    return VoiceCall(
        call_sid=call_sid,
        account_sid=_first(parameters, "AccountSid"),
        from_number=_first(parameters, "From"),
        to_number=_first(parameters, "To"),
        direction=_first(parameters, "Direction"),
        status=_first(parameters, "CallStatus"),
        raw=parameters,
        key=f"{call_sid}:{fields.digest(idempotency_token or [read_target(url), parameters])}",
    )


def _first(parameters: Mapping[str, tuple[str, ...]], name: str) -> str:
    return next(iter(parameters.get(name, ())), "")


def _read_algorithm(settings: Optional[str]) -> str:
    check_text(f"the {SIGNATURE_SETTINGS_HEADER} header", settings, optional=True)
    found = re.search(r"(?:^|,)\s*algorithm\s*=\s*([^,\s]+)", settings or "")
    algorithm = found[1].upper() if found else "HMAC_SHA1"
    if algorithm not in _HASHES:
        raise WebhookError(
            Reason.MALFORMED_SIGNATURE, f"{SIGNATURE_SETTINGS_HEADER} has an unsupported algorithm"
        )
    return algorithm


def _signed_parameters(url: str, body: Union[Body, Form]) -> dict[str, tuple[str, ...]]:
    """Return the parameters that the signature covers; the URL covers other bodies."""
    if _has_digest_of(url, body):
        return {}
    parameters = _read_form(body)
    if (body or "bodySHA256" in parse_qs(read_query(url))) and not parameters:
        raise WebhookError(Reason.WRONG_SIGNATURE, "the signature does not cover the body")
    return parameters


def _has_digest_of(url: str, body: Union[Body, Form]) -> bool:
    digests = parse_qs(read_query(url)).get("bodySHA256")
    if not digests or isinstance(body, Mapping):
        return False
    return is_equal(hashlib.sha256(read_body(body)).hexdigest(), digests[0].lower())


def _read_json(url: str, body: Union[Body, Form]) -> dict[str, tuple[str, ...]]:
    """Return the parameters of a JSON body; none if it isn't JSON, or the URL doesn't cover it."""
    if isinstance(body, Mapping) or not _has_digest_of(url, body):
        return {}
    try:
        document = parse_object(body)
    except WebhookError:
        return {}
    return {
        name: tuple(map(fields.write_text, value if isinstance(value, list) else [value]))
        for name, value in document.items()
    }


def _read_form(body: Union[Body, Form]) -> dict[str, tuple[str, ...]]:
    """Return a form's parameters; none if the body is not a form."""
    if isinstance(body, Mapping):
        # Frameworks' forms may repeat a name; their items() yield one value each.
        values_of = getattr(body, "getlist", getattr(body, "getall", body.__getitem__))
        return {name: _read_values(name, values_of(name)) for name in body}
    content = read_body(body)
    try:
        form = parse_qs(
            content.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        return {}
    return {name: tuple(values) for name, values in form.items()}


def _read_values(name: object, value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not values or not all(isinstance(each, str) for each in (name, *values)):
        raise TypeError("body must map each parameter to a str or to a list of str")
    return values
