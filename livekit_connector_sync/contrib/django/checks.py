"""System checks of the settings and the webhooks' URLs, for `manage.py check`.

Ids are stable: silence one with SILENCED_SYSTEM_CHECKS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver
from django.urls.resolvers import URLPattern

from ..._runtime.validation import FORMATS
from ..caches import is_shared
from ..clients import make_client
from ..django_settings import load_settings
from ..settings import OPTIONS, Settings
from .views import LiveKitWebhookView, MetaWebhookView, TwilioVoiceView, WebhookView

__all__ = ["check_project", "check_settings"]

_MAX_META_BODY = 3 * 1024 * 1024  # bytes
_MAX_TWILIO_WAIT = 15.0  # seconds until Twilio gives up on a webhook
_MIN_ENTRIES = 10_000  # of a database cache
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_project(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Check the settings and the webhooks' URLs."""
    try:
        by_alias = load_settings()
    except ImproperlyConfigured as exc:
        return [_message("E001", str(exc), f"The options are {', '.join(OPTIONS)}.")]
    views = _routed_views()
    return [
        *(message for settings in by_alias.values() for message in check_settings(settings)),
        *(message for view in views for message in _check_view(view, by_alias)),
        *_check_limits(by_alias, views),
        *_check_caches(by_alias, views),
    ]


def check_settings(settings: Settings) -> Iterator[CheckMessage]:
    """Check the settings of one alias."""
    try:
        make_client(settings).close()
    except ValueError as exc:
        credentials = settings.token or (settings.api_key and settings.api_secret)
        yield _message(
            "E002",
            f"LIVEKIT_CONNECTOR: {exc}.",
            "Correct the option that the message names."
            if settings.url and credentials
            else "Set URL, and API_KEY with API_SECRET (or LIVEKIT_URL, LIVEKIT_API_KEY and "
            "LIVEKIT_API_SECRET in the environment).",
        )
    version = settings.whatsapp_cloud_api_version
    remedy = FORMATS["cloud_api_version"](version) if version else None
    if remedy:
        yield _message(
            "E003",
            f"WHATSAPP_CLOUD_API_VERSION of alias {settings.alias!r} is malformed.",
            f"{remedy[0].upper()}{remedy[1:]}.",
        )
    for option, url, schemes in (
        ("URL", settings.url, ("http", "ws")),
        ("GRAPH_URL", settings.graph_url, ("http",)),
        ("WEBHOOK_URL", settings.webhook_url, ("http",)),
    ):
        if not django_settings.DEBUG and _is_unencrypted(url, schemes):
            yield _message(
                "W001",
                f"{option} of alias {settings.alias!r} has no TLS, and DEBUG is off.",
                "Use https:// or wss://. Otherwise, tokens, Meta's key, and phone numbers are "
                "sent unencrypted.",
            )
    if settings.webhook_url and not re.fullmatch(
        r"https?://[^/?#@\s]+(/[^?#\s]*)?", settings.webhook_url
    ):
        yield _message(
            "E005",
            f"WEBHOOK_URL of alias {settings.alias!r} is not the URL of a site.",
            'Set it to the scheme and host, such as "https://calls.example.com". Add a path only '
            "if a proxy removes it from requests.",
        )
    if settings.allow_unverified_webhooks:
        yield _message(
            "W002" if django_settings.DEBUG else "E004",
            f"ALLOW_UNVERIFIED_WEBHOOKS of alias {settings.alias!r} is on.",
            "Set the secrets instead. Otherwise, anybody with the URL can start and end calls.",
        )


def _check_view(view: WebhookView, by_alias: Mapping[str, Settings]) -> Iterator[CheckMessage]:
    """Check that the alias of a view exists, and that the view can verify its requests."""
    settings = by_alias.get(view.alias)
    if settings is None:
        yield _message(
            "E007",
            f"{type(view).__name__} is routed for alias {view.alias!r}, which is not in the "
            "settings.",
            f"The settings have {', '.join(map(repr, by_alias))}.",
        )
        return
    if settings.allow_unverified_webhooks or view.secret:
        return
    option = view.secret_option
    if isinstance(view, LiveKitWebhookView):
        # The view accepts the keys of every alias.
        missing = not (view.keys or any(each.webhook_keys() for each in by_alias.values()))
    else:
        missing = not getattr(settings, option.lower())
    if missing:
        yield _message(
            "W003",
            f"{option} of alias {settings.alias!r} is missing: {type(view).__name__} rejects "
            "every webhook.",
            f"Set {option}, route only the views that you use, or silence this check.",
        )
    if isinstance(view, MetaWebhookView) and not (view.verify_token or settings.meta_verify_token):
        yield _message(
            "W004",
            f"META_VERIFY_TOKEN of alias {settings.alias!r} is missing: Meta cannot verify the "
            "webhook's URL.",
            "Set META_VERIFY_TOKEN to a text of your choice, and enter it at Meta too.",
        )


def _check_limits(
    by_alias: Mapping[str, Settings], views: list[WebhookView]
) -> Iterator[CheckMessage]:
    """Check that Meta's bodies are accepted, and that Twilio gets its response in time."""
    limit: Optional[int] = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    has_meta = any(isinstance(view, MetaWebhookView) for view in views)
    if has_meta and limit is not None and limit < _MAX_META_BODY:
        yield _message(
            "W005",
            f"DATA_UPLOAD_MAX_MEMORY_SIZE is {limit}, but Meta's webhooks can have 3 MB.",
            f"Set it to {_MAX_META_BODY} or more. Otherwise, Django rejects larger webhooks, "
            "and their calls are lost.",
        )
    voice_views = [view for view in views if isinstance(view, TwilioVoiceView)]
    for view in voice_views:
        if view.timeout > _MAX_TWILIO_WAIT:
            yield _message(
                "W006",
                f"{type(view).__name__} is routed with a timeout of {view.timeout:g} seconds, but "
                "Twilio waits only 15.",
                "Choose a shorter timeout, such as the default of 8 seconds, to leave time "
                "for your receivers.",
            )
    for settings in by_alias.values() if voice_views else ():
        timeout = settings.timeout
        # A TIMEOUT of another type is E002.
        if timeout is None or (isinstance(timeout, (int, float)) and timeout > _MAX_TWILIO_WAIT):
            yield _message(
                "W006",
                f"TIMEOUT of alias {settings.alias!r} is above the 15 seconds that Twilio waits.",
                f"The voice view takes at most {TwilioVoiceView.timeout:g} seconds. Pass a "
                "timeout in your own views.",
            )


def _check_caches(
    by_alias: Mapping[str, Settings], views: list[WebhookView]
) -> Iterator[CheckMessage]:
    """Check that the caches can deduplicate webhooks."""
    for name in dict.fromkeys(settings.cache for settings in by_alias.values() if views):
        cache = django_settings.CACHES.get(name)
        if cache is None:
            yield _message(
                "E006",
                f"CACHE is {name!r}, which is not in CACHES.",
                f"CACHES has {', '.join(map(repr, django_settings.CACHES))}.",
            )
            continue
        backend = str(cache.get("BACKEND", ""))
        if not is_shared(backend) and not django_settings.DEBUG:
            yield _message(
                "W007",
                f"The cache {name!r} is a {backend.rpartition('.')[2]}, which cannot deduplicate "
                "webhooks across processes.",
                "Use Redis, Memcached, or the database cache.",
            )
        entries = cache.get("OPTIONS", {}).get("MAX_ENTRIES", 300)
        if backend.endswith("DatabaseCache") and entries < _MIN_ENTRIES:
            yield _message(
                "W008",
                f"The cache {name!r} keeps only {entries} entries, and culls a third when it is "
                "full.",
                f"Set its option MAX_ENTRIES to {_MIN_ENTRIES} or more, or use Redis. "
                "Otherwise, duplicates of culled webhooks are not detected.",
            )


def _routed_views() -> list[WebhookView]:
    """Return the views in the URLconf, with the attributes that they are routed with."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    resolver: Any = get_resolver()
    return [
        pattern.callback.view_class(**pattern.callback.view_initkwargs)
        for pattern in _patterns(resolver.url_patterns)
        if issubclass(getattr(pattern.callback, "view_class", object), WebhookView)
        # If the URL contains the alias, the aliases that will be requested are unknown.
        and "alias" not in pattern.pattern.converters
    ]


def _patterns(entries: Iterable[Any]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, URLPattern):
            yield entry
        else:
            yield from _patterns(entry.url_patterns)


def _is_unencrypted(url: Optional[str], schemes: tuple[str, ...]) -> bool:
    parts = urlsplit(url or "")
    return parts.scheme in schemes and parts.hostname not in _LOOPBACK


def _message(number: str, text: str, hint: str) -> CheckMessage:
    """Return the error or warning with a number such as "E001" or "W001"."""
    kind = Error if number.startswith("E") else Warning
    return kind(text, hint=hint, id=f"livekit_connector.{number}")
