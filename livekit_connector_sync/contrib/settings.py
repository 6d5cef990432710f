"""The settings of the integrations: one Settings per alias, from a dict and the environment.

    LIVEKIT_CONNECTOR = {"URL": "wss://my-project.livekit.cloud", "API_KEY": ..., ...}
    LIVEKIT_CONNECTOR = {"default": {"URL": ...}, "sales": {"URL": ...}}

An alias is a LiveKit project with its WhatsApp number and Twilio account. The environment supplies
the options that the alias "default" lacks; other aliases don't read it. No framework is imported
here.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Union

from .. import ConnectorClient
from .._runtime.call import UnaryUnaryClientInterceptor
from .._runtime.deadline import UNSET, Timeout
from .._runtime.lazy_import import LazyModule
from .._runtime.redaction import HoldsSecret, hide_locals
from .._runtime.regions import FailoverPolicy
from .._runtime.retry import RetryPolicy
from ..webhooks.arguments import Secrets

if TYPE_CHECKING:
    import requests
else:
    requests = LazyModule("requests")

__all__ = ["CLIENT_OPTIONS", "DEFAULT_ALIAS", "OPTIONS", "Settings", "load"]

DEFAULT_ALIAS = "default"


@dataclass(frozen=True, repr=False)
class Settings(HoldsSecret):
    """The settings of one alias; an option in the dict has a field's name in capitals.

    `repr()` shows no values, because any of them may hold a secret in the wrong place.
    """

    alias: str = DEFAULT_ALIAS

    # The options of ConnectorClient, which checks and documents them. LIVEKIT_URL, LIVEKIT_API_KEY,
    # LIVEKIT_API_SECRET and LIVEKIT_TOKEN are their environment variables.
    url: Optional[str] = None
    api_key: Optional[str] = None
    api_secret: Optional[str] = None
    token: Optional[str] = None
    timeout: Timeout = UNSET
    retry: Optional[RetryPolicy] = RetryPolicy()  # noqa: RUF009 - frozen
    failover: Union[bool, FailoverPolicy] = True
    verify: Union[bool, str, None] = None
    cert: Union[str, tuple[str, str], None] = None
    proxies: Optional[Mapping[str, str]] = None
    validate: bool = True
    session: Union[str, Callable[[], requests.Session], None] = None
    """A function that returns the requests.Session to send with, or its dotted path."""
    interceptors: tuple[Union[str, UnaryUnaryClientInterceptor], ...] = ()
    """The interceptors, or dotted paths to interceptors or their classes, outermost first."""

    whatsapp_phone_number_id: str = ""
    """Meta's id of the business number. Environment: WHATSAPP_PHONE_NUMBER_ID."""
    whatsapp_api_key: str = ""
    """Meta's access token. Environment: WHATSAPP_API_KEY."""
    whatsapp_cloud_api_version: str = ""
    """Version of the Cloud API, such as "23.0". Environment: WHATSAPP_CLOUD_API_VERSION."""
    graph_url: Optional[str] = None
    """The server of Meta's API, without the version: for tests, the emulator."""

    # Each of these three may be several texts, to accept an old and a new one.
    meta_app_secret: Optional[Secrets] = None
    """The Meta app's secret, which signs its webhooks. Environment: META_APP_SECRET."""
    meta_verify_token: Optional[Secrets] = None
    """The verify token of Meta's GET handshake. Environment: META_VERIFY_TOKEN."""
    twilio_auth_token: Optional[Secrets] = None
    """The account's primary auth token, which signs webhooks. Environment: TWILIO_AUTH_TOKEN."""
    livekit_webhook_keys: Mapping[str, str] = field(default_factory=dict)
    """More secrets that may sign LiveKit's webhooks, by API key; api_secret is accepted too."""
    webhook_url: Optional[str] = None
    """The site's public URL, such as "https://calls.example.com", with the path prefix that a proxy
    removes, if any. Twilio signs it; by default, the views use the request's scheme and host."""
    agents: tuple[str, ...] = ()
    """Names of the agents that the Twilio view dispatches to every call's room."""
    allow_unverified_webhooks: bool = False
    """Accept unsigned webhooks of a provider whose secret is not set. For development only."""
    cache: str = "default"
    """The Django cache used to deduplicate webhooks; all processes must share it."""

    def __repr__(self) -> str:
        return f"Settings({self.alias!r})"

    def webhook_keys(self) -> dict[str, str]:
        """Return the secrets that may sign LiveKit's webhooks, by API key, without empty ones."""
        keys = {key: secret for key, secret in self.livekit_webhook_keys.items() if key and secret}
        if self.api_key and self.api_secret:
            keys[self.api_key] = self.api_secret
        return keys


CLIENT_OPTIONS = tuple(inspect.signature(ConnectorClient).parameters)
"""The fields of Settings that are arguments of ConnectorClient, which checks them."""
OPTIONS = tuple(f.name.upper() for f in dataclasses.fields(Settings) if f.name != "alias")
"""The options of an alias."""

# The names of most options are their environment variables too.
_ENVIRONMENT = {
    "URL": "LIVEKIT_URL",
    **{name: name for name in OPTIONS if name.startswith(("WHATSAPP_", "META_", "TWILIO_"))},
}
_KEYS = {"API_KEY", "API_SECRET"}
# The secrets that are not options of the client, which checks only its own.
_WEBHOOK_SECRETS = ("META_APP_SECRET", "META_VERIFY_TOKEN", "TWILIO_AUTH_TOKEN")
_SECRETS = ("WHATSAPP_API_KEY", *_WEBHOOK_SECRETS, "LIVEKIT_WEBHOOK_KEYS")


@hide_locals
def load(
    options: Mapping[str, Any], flat: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Settings]:
    """Return the settings of every alias.

    Args:
        options: the options of the alias "default", or options by alias.
        flat: supplies the options that the alias "default" lacks.
        environ: the process's environment; supplies those that `flat` lacks too.

    Raises:
        ValueError: an option is unknown or has the wrong type, or a secret has white space around
            it; the message hides its value.
    """
    own = [
        name for name, value in options.items() if name in OPTIONS or not isinstance(value, Mapping)
    ]
    if own and isinstance(options.get(DEFAULT_ALIAS), Mapping):
        names = ", ".join(map(str, own))
        raise ValueError(f"options ({names}) are mixed with aliases: move them into an alias")
    by_alias = {DEFAULT_ALIAS: options} if own or not options else dict(options)
    if flat:
        by_alias[DEFAULT_ALIAS] = _merge(by_alias.get(DEFAULT_ALIAS, {}), flat)
    if DEFAULT_ALIAS in by_alias:
        given = by_alias[DEFAULT_ALIAS]
        by_alias[DEFAULT_ALIAS] = _merge(given, _read_environment(given, environ))
    return {alias: _make_settings(alias, _drop_empty(given)) for alias, given in by_alias.items()}


def _merge(given: Mapping[str, Any], fallback: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options, completed with those of a fallback.

    A token disables the fallback's key and secret, and a key or secret disables its token.
    """
    own = _drop_empty(given)
    off = {"TOKEN"} if own.keys() & _KEYS else _KEYS if "TOKEN" in own else set()
    found = _drop_empty(fallback)
    return {**{name: value for name, value in found.items() if name not in off}, **own}


def _drop_empty(options: Mapping[str, Any]) -> dict[str, Any]:
    """Drop None and empty texts, which count as not given; TIMEOUT and RETRY may be None."""
    return {
        name: [text for text in value if text not in (None, "")]
        if name in _WEBHOOK_SECRETS and isinstance(value, (tuple, list))
        else value
        for name, value in options.items()
        if value != "" and (value is not None or name in ("TIMEOUT", "RETRY"))
    }


def _read_environment(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment's options, with credentials only if none are given."""
    variables = dict(_ENVIRONMENT)
    if not _drop_empty(given).keys() & {"TOKEN", *_KEYS}:
        names = {"TOKEN"} if environ.get("LIVEKIT_TOKEN") else _KEYS
        variables.update({name: f"LIVEKIT_{name}" for name in names})
    return {option: environ.get(variable, "") for option, variable in variables.items()}


def _make_settings(alias: str, options: Mapping[str, Any]) -> Settings:
    for name, value in options.items():
        if name not in OPTIONS:
            near = difflib.get_close_matches(str(name).upper(), OPTIONS, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"alias {alias!r} has no option {name!r}{hint}")
        wanted = _expect_type(name, value)
        if wanted:
            raise ValueError(
                f"{name} of alias {alias!r} must be {wanted}, not {type(value).__name__}"
            )
        if name in _SECRETS and any(text != text.strip() for text in _list_texts(value)):
            raise ValueError(
                f"{name} of alias {alias!r} begins or ends with white space: remove it"
            )
    return Settings(alias, **{name.lower(): _freeze(value) for name, value in options.items()})


def _expect_type(name: str, value: Any) -> Optional[str]:
    """Return the expected type of an option with a wrong one; None if it is right or unchecked."""
    if name in ("VALIDATE", "ALLOW_UNVERIFIED_WEBHOOKS"):
        return None if isinstance(value, bool) else "True or False"
    if name == "INTERCEPTORS":
        return None if isinstance(value, (tuple, list)) else "a list"
    if name == "AGENTS":
        texts = isinstance(value, (tuple, list)) and _are_texts(value)
        return None if texts else "a list of strings"
    if name == "LIVEKIT_WEBHOOK_KEYS":
        texts = isinstance(value, Mapping) and _are_texts(_list_texts(value))
        return None if texts else "a dict of strings"
    if name in _WEBHOOK_SECRETS:
        texts = isinstance(value, (str, tuple, list)) and _are_texts(_list_texts(value))
        return None if texts else "a string or a list of strings"
    return None if name.lower() in CLIENT_OPTIONS or isinstance(value, str) else "a string"


def _list_texts(value: Any) -> list[Any]:
    """Return the texts that an option holds: one, several, or the keys and values of a dict."""
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _freeze(value: Any) -> Any:
    """Convert lists to tuples, and paths to texts."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_freeze, value))
    return os.fspath(value) if isinstance(value, os.PathLike) else value
