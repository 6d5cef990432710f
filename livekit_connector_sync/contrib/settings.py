"""What the integrations are told: one Settings per alias, from a dict and the environment.

    LIVEKIT_CONNECTOR = {"URL": "wss://my-project.livekit.cloud", "API_KEY": ..., ...}
    LIVEKIT_CONNECTOR = {"default": {"URL": ...}, "sales": {"URL": ...}}

An alias is a LiveKit project with its WhatsApp number and Twilio account. The environment fills
what the alias "default" lacks, and nothing of other aliases. No framework is imported here.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Union

from .._runtime.call import UnaryUnaryClientInterceptor
from .._runtime.deadline import UNSET, Timeout
from .._runtime.regions import FailoverPolicy
from .._runtime.retry import RetryPolicy

if TYPE_CHECKING:
    import requests

__all__ = ["DEFAULT_ALIAS", "OPTIONS", "Settings", "is_by_alias", "load", "merged"]

DEFAULT_ALIAS = "default"


@dataclass(frozen=True)
class Settings:
    """The settings of one alias; an option in the dict has a field's name in capitals.

    `repr()` hides every secret.
    """

    alias: str = DEFAULT_ALIAS
    """Its name."""

    url: Optional[str] = None
    """The LiveKit server, as "wss://..." or "https://...". Environment: LIVEKIT_URL."""
    api_key: Optional[str] = None
    """The project's API key. Environment: LIVEKIT_API_KEY."""
    api_secret: Optional[str] = field(default=None, repr=False)
    """The project's API secret. Environment: LIVEKIT_API_SECRET."""
    token: Optional[str] = field(default=None, repr=False)
    """A token in place of key and secret. Environment: LIVEKIT_TOKEN."""
    timeout: Timeout = UNSET
    """Seconds for a whole call, None for no limit; by default the client's own."""
    retry: Optional[RetryPolicy] = RetryPolicy()  # noqa: RUF009 - frozen
    """The retry policy; None for single attempts."""
    failover: Union[bool, FailoverPolicy] = True
    """Region failover, as the client takes it."""
    verify: Union[bool, str, None] = None
    """False, or the path of a CA bundle."""
    cert: Union[str, tuple[str, str], None] = None
    """The path of a client certificate, or a (certificate, key) pair."""
    proxies: Optional[Mapping[str, str]] = field(default=None, repr=False)
    """Proxies by scheme, as in requests."""
    validate: bool = True
    """Check required fields before anything is sent."""
    session: Union[str, Callable[[], requests.Session], None] = None
    """Makes the requests.Session to send with: a function, or its dotted path."""
    interceptors: tuple[Union[str, UnaryUnaryClientInterceptor], ...] = ()
    """See every call, the first one first: interceptors, or the dotted paths of such or of their
    classes."""

    whatsapp_phone_number_id: Optional[str] = None
    """Meta's id of the business number. Environment: WHATSAPP_PHONE_NUMBER_ID."""
    whatsapp_api_key: Optional[str] = field(default=None, repr=False)
    """Meta's access token. Environment: WHATSAPP_API_KEY."""
    whatsapp_cloud_api_version: Optional[str] = None
    """Version of the Cloud API, such as "23.0". Environment: WHATSAPP_CLOUD_API_VERSION."""

    meta_app_secret: Optional[str] = field(default=None, repr=False)
    """The Meta app's secret, which signs its webhooks. Environment: META_APP_SECRET."""
    meta_verify_token: Optional[str] = field(default=None, repr=False)
    """The text that Meta's GET handshake must bring. Environment: META_VERIFY_TOKEN."""
    twilio_auth_token: Optional[str] = field(default=None, repr=False)
    """The account's primary auth token, which signs webhooks. Environment: TWILIO_AUTH_TOKEN."""
    livekit_webhook_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets by API key that may sign LiveKit's webhooks, beside api_key and api_secret."""
    webhook_url: Optional[str] = None
    """The site's public origin, as "https://calls.example.com". Twilio signs it; without it the
    request's own scheme and host are taken."""
    agents: tuple[str, ...] = ()
    """Names of the agents that the Twilio view dispatches to every call's room."""
    allow_unverified_webhooks: bool = False
    """Take webhooks of a provider whose secret is not set, unverified. For development only."""
    cache: str = "default"
    """The Django cache that tells repeated webhooks; all processes must share it."""

    def webhook_keys(self) -> dict[str, str]:
        """Return the secrets that may sign LiveKit's webhooks, by API key, without empty ones."""
        keys = {key: secret for key, secret in self.livekit_webhook_keys.items() if key and secret}
        if self.api_key and self.api_secret:
            keys[self.api_key] = self.api_secret
        return keys


OPTIONS = tuple(f.name.upper() for f in dataclasses.fields(Settings) if f.name != "alias")
"""The options that an alias takes."""

_ENVIRONMENT = {
    "URL": "LIVEKIT_URL",
    "WHATSAPP_PHONE_NUMBER_ID": "WHATSAPP_PHONE_NUMBER_ID",
    "WHATSAPP_API_KEY": "WHATSAPP_API_KEY",
    "WHATSAPP_CLOUD_API_VERSION": "WHATSAPP_CLOUD_API_VERSION",
    "META_APP_SECRET": "META_APP_SECRET",
    "META_VERIFY_TOKEN": "META_VERIFY_TOKEN",
    "TWILIO_AUTH_TOKEN": "TWILIO_AUTH_TOKEN",
}
_KEYS = {"API_KEY", "API_SECRET"}


def load(options: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Settings]:
    """Return the settings of every alias.

    Args:
        options: one alias's options, which is "default", or options by alias.
        environ: the process's environment.

    Raises:
        ValueError: an option is unknown or has a wrong type; the text names it, never its value.
    """
    by_alias = options if is_by_alias(options) else {DEFAULT_ALIAS: options}
    if by_alias is not options and isinstance(options.get(DEFAULT_ALIAS), Mapping):
        beside = ", ".join(
            str(name)
            for name, value in options.items()
            if name in OPTIONS or not isinstance(value, Mapping)
        )
        raise ValueError(f"{beside} stands beside the aliases: put it into one of them")
    return {
        alias: _settings(
            alias,
            merged(given, _from_environment(given, environ) if alias == DEFAULT_ALIAS else {}),
        )
        for alias, given in by_alias.items()
    }


def unknown_option(name: object, known: Iterable[str]) -> str:
    """Return what to say of an unknown name: itself and the nearest one that is known."""
    near = difflib.get_close_matches(str(name).upper(), list(known), n=1)
    return f"{name!r}: did you mean {near[0]!r}?" if near else f"{name!r}"


def is_by_alias(options: Mapping[str, Any]) -> bool:
    """Return whether a dict holds options by alias, rather than those of one alias."""
    return bool(options) and all(
        name not in OPTIONS and isinstance(value, Mapping) for name, value in options.items()
    )


def merged(given: Mapping[str, Any], fallback: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the fallback's in place of those that are not given.

    What os.environ.get() did not find counts as not given. A token switches the fallback's key and
    secret off, and these its token.
    """
    own = _without_empty(given)
    off = {"TOKEN"} if own.keys() & _KEYS else _KEYS if "TOKEN" in own else set()
    found = _without_empty(fallback)
    return {**{name: value for name, value in found.items() if name not in off}, **own}


def _without_empty(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those that are None, which is a value of two, or an empty text."""
    return {
        name: value
        for name, value in options.items()
        if value != "" and (value is not None or name in ("TIMEOUT", "RETRY"))
    }


def _from_environment(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment's options: no credentials if one is given, else a token or a key."""
    variables = dict(_ENVIRONMENT)
    if not _without_empty(given).keys() & {"TOKEN", *_KEYS}:
        names = {"TOKEN"} if environ.get("LIVEKIT_TOKEN") else _KEYS
        variables.update({name: f"LIVEKIT_{name}" for name in names})
    return {option: environ.get(variable, "") for option, variable in variables.items()}


def _settings(alias: str, options: Mapping[str, Any]) -> Settings:
    for name, value in options.items():
        if name not in OPTIONS:
            raise ValueError(f"alias {alias!r} has no option {unknown_option(name, OPTIONS)}")
        fits, wanted = _KINDS.get(name, _TEXT)
        if not fits(value):
            raise ValueError(
                f"{name} of alias {alias!r} must be {wanted}, not {type(value).__name__}"
            )
    values = {name.lower(): _plain(value) for name, value in options.items()}
    return Settings(alias, **values)


def _plain(value: Any) -> Any:
    """Return a value with a tuple for a list and a text for a path."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _is_seconds(value: Any) -> bool:
    return value is None or (
        isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for item in value.items() for text in item
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _is_certificate(value: Any) -> bool:
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_path, value))
    return _is_path(value) or pair


def _is_interceptor(value: Any) -> bool:
    return isinstance(value, (str, UnaryUnaryClientInterceptor))


_Kind = tuple[Callable[[Any], bool], str]
_TEXT: _Kind = (lambda value: isinstance(value, str), "a string")
_FLAG: _Kind = (lambda value: isinstance(value, bool), "True or False")
_TEXTS: _Kind = (_is_texts, "a dict of strings")
_KINDS: dict[str, _Kind] = {
    "TIMEOUT": (_is_seconds, "a positive number of seconds, or None"),
    "RETRY": (
        lambda value: value is None or isinstance(value, RetryPolicy),
        "a RetryPolicy, or None",
    ),
    "FAILOVER": (
        lambda value: isinstance(value, (bool, FailoverPolicy)),
        "True, False or a FailoverPolicy",
    ),
    "VERIFY": (lambda value: isinstance(value, bool) or _is_path(value), "True, False or a path"),
    "CERT": (_is_certificate, "a path, or a pair of paths"),
    "PROXIES": _TEXTS,
    "LIVEKIT_WEBHOOK_KEYS": _TEXTS,
    "AGENTS": (_is_list, "a list of strings"),
    "SESSION": (
        lambda value: isinstance(value, str) or callable(value),
        "a function that returns a requests.Session, or its dotted path",
    ),
    "INTERCEPTORS": (
        lambda value: isinstance(value, (tuple, list)) and all(map(_is_interceptor, value)),
        "a list of interceptors, or of dotted paths",
    ),
    "VALIDATE": _FLAG,
    "ALLOW_UNVERIFIED_WEBHOOKS": _FLAG,
}
