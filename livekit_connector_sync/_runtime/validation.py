"""Checks the URL of a server and the fields of a request."""

from __future__ import annotations

import re
import warnings
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from google.protobuf.message import Message

from ..errors import InvalidArgument
from .method import MethodInfo

CLOUD_DOMAINS = (".livekit.cloud", ".livekit.run")
_EXAMPLE = '"https://my-project.livekit.cloud"'


def check_url(name: str, url: object) -> None:
    """Raise ValueError if a server's URL is malformed, as `normalize_url` does, with its name."""
    if not isinstance(url, str):
        raise ValueError(f"{name} must be a str such as {_EXAMPLE}, not {type(url).__name__}")
    fault = _fault_of_url(url.strip())
    if fault is not None:
        raise ValueError(f"{name} must look like {_EXAMPLE}: {fault}")


def normalize_url(url: str) -> str:
    """Return a server's URL with an http scheme and without trailing slash, query, and fragment.

    Warns if the URL of a LiveKit Cloud project lacks TLS, since keys would be sent in clear.

    Raises:
        ValueError: the URL is malformed. The text says how, without quoting the URL, which may
            contain a secret.
    """
    check_url("url", url)
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme == "http" and host.endswith(CLOUD_DOMAINS):
        warnings.warn(
            f"url: {host} is reached without TLS, so keys are sent in clear: use https or wss",
            stacklevel=2,
        )
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _fault_of_url(url: str) -> Optional[str]:
    """Return why a server's URL is malformed; None if it isn't."""
    if "@" in url.partition("?")[0]:
        return "it must not contain a user name, password, or key; pass credentials instead"
    if re.search(r"[<>{}$]", url) or "your-project" in url.lower():
        return "replace the placeholder with the name of your project"
    if re.search(r"[\s\\\x00-\x1f\x7f-\x9f]", url):
        return "it contains white space, a control character, or a backslash"
    if url[:1] in ("'", '"'):
        return "it is in quotes; remove them"
    if "://" not in url and re.fullmatch(r"[A-Za-z0-9_-]+", url):
        return "it looks like a key; the order is url, api_key, api_secret"
    if "://" not in url:
        return "it has no scheme; begin it with https:// or wss://"
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0 and parts.scheme in ("http", "https", "ws", "wss"):
            if parts.hostname == "cloud.livekit.io":
                return "this is the dashboard; copy the project URL from the project's settings"
            if parts.hostname.endswith(".sip.livekit.cloud"):
                return "this is the project's SIP host; leave out .sip"
            if re.search("/twirp(/|$)", parts.path):
                return "leave out /twirp and what follows it; the client adds it"
            return None
    except ValueError:  # from `hostname` or `port`
        pass
    return "its scheme, host, or port is malformed"


def _cloud_api_version(text: str) -> Optional[str]:
    if re.fullmatch(r"[0-9]+\.[0-9]+", text):
        return None
    bare = text.lstrip("vV")
    if re.fullmatch(r"[0-9]+\.[0-9]+", bare):
        return f'write "{bare}", without the leading "v"'
    return 'write a version such as "23.0"'


def _api_key(text: str) -> Optional[str]:
    if text.lower().startswith("bearer "):
        return 'write the bare token, without "Bearer "'
    return "strip() the white space around it" if text != text.strip() else None


def _phone_number_id(text: str) -> Optional[str]:
    is_number = text.startswith("+")
    return "write Meta's id of the business number, not the number itself" if is_number else None


def _phone_number(text: str) -> Optional[str]:
    """Source: ITU-T E.164, which allows up to 15 digits, and no country code begins with 0."""
    if re.fullmatch(r"[1-9][0-9]{6,14}", text):
        return None
    if re.fullmatch(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]+", text):
        return "LiveKit can't dial a business-scoped user id yet, only a phone number"
    if text.startswith("+"):
        return 'write the country code and the number without the leading "+"'
    if not re.fullmatch(r"[0-9]+", text):
        return "write the country code and the number in digits only"
    if text.startswith("0"):
        return "begin with the country code, without a leading 0"
    return "a number has 7 to 15 digits, country code included"


def _country(text: str) -> Optional[str]:
    if re.fullmatch(r"[A-Z]{2}", text):
        return None
    return 'write two capital letters of ISO 3166-1, such as "US"'


def _at_most(limit: int) -> Callable[[str], Optional[str]]:
    def check(text: str) -> Optional[str]:
        return None if len(text) <= limit else f"it has {len(text)} characters, at most {limit} fit"

    return check


def _ringing_timeout(duration: Any) -> Optional[str]:
    if duration.seconds <= _MAX_RINGING:
        return None
    return f"{duration.seconds} seconds is too long, at most {_MAX_RINGING} make sense"


def _agents(agents: Any) -> Optional[str]:
    if all(agent.agent_name for agent in agents):
        return None
    return "each agent needs its agent_name"


_MAX_RINGING = 300  # seconds; Meta gives up earlier, and a larger number is probably milliseconds

FORMATS: dict[str, Callable[[Any], Optional[str]]] = {
    "agents": _agents,
    "api_key": _api_key,
    "callback_data": _at_most(512),
    "cloud_api_version": _cloud_api_version,
    "country": _country,
    "name": _at_most(256),
    "phone_number": _phone_number,
    "phone_number_id": _phone_number_id,
    "ringing_timeout": _ringing_timeout,
}
"""The formats for the overlay's `formats`. Each returns what to write instead, or None if valid.

Limits: 512 characters is Meta's for biz_opaque_callback_data, 256 LiveKit's for the names of rooms
and the identities of participants.
"""


def check_request(method: MethodInfo[Any, Any], request: Message) -> None:
    """Check that the required fields of a request are set and well formed.

    Raises:
        InvalidArgument: a field is missing or malformed; `metadata["argument"]` names it. Nothing
            was sent.
    """
    for field in method.required:
        if _is_empty(request, field):
            raise _invalid(method, field, f"{field} is required by {method.name}")
    for field, enum_field, constant in method.required_unless:
        exempt = getattr(request, constant)
        if _is_empty(request, field) and getattr(request, enum_field) != exempt:
            unless = f"unless {enum_field} is {constant}"
            raise _invalid(method, field, f"{field} is required by {method.name} {unless}")
    for field, format_name in method.formats:
        check, value = FORMATS[format_name], getattr(request, field)
        remedy = None if _is_empty(request, field) else check(value)
        if remedy is not None:
            raise _invalid(method, field, f"{field} is malformed: {remedy}")


def _is_empty(request: Message, field: str) -> bool:
    value = getattr(request, field)
    if isinstance(value, Message):
        return value.ByteSize() == 0
    if isinstance(value, (bool, int, float)):  # codegen requires only numbers with presence
        return not request.HasField(field)
    return not value


def _invalid(method: MethodInfo[Any, Any], field: str, message: str) -> InvalidArgument:
    return InvalidArgument(
        message, {"argument": field}, method=method.full_name, safe_to_retry=True
    )
