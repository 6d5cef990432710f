"""The system checks: each mistake has its id, and a correct project has no messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.urls import path
from helpers.django_site import OPTIONS

from livekit_connector_sync.contrib.django.views import MetaWebhookView, TwilioVoiceView

SHARED_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}


def ids() -> list[str]:
    messages = [m for m in run_checks() if m.id and m.id.startswith("livekit_connector")]
    assert all(message.hint for message in messages)
    return [str(message.id).partition(".")[2] for message in messages]


def test_a_correct_project_has_no_messages(configure: Callable[..., None]) -> None:
    configure(CACHES=SHARED_CACHE)
    assert ids() == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"API_KEYS": "x"}, ["E001"]),
        ({"URL": None}, ["E002"]),
        ({"API_SECRET": None}, ["E002", "W003"]),
        ({"URL": "ftp://x"}, ["E002"]),
        ({"WHATSAPP_CLOUD_API_VERSION": "v24.0"}, ["E003"]),
        ({"WHATSAPP_CLOUD_API_VERSION": "24"}, ["E003"]),
        ({"WHATSAPP_CLOUD_API_VERSION": "v"}, ["E003"]),
        ({"SESSION": "builtins.str"}, ["E002"]),
        ({"SESSION": "json.dumps"}, ["E002"]),
        ({"SESSION": "math.pi"}, ["E002"]),
        ({"INTERCEPTORS": ["builtins.str"]}, ["E002"]),
        ({"INTERCEPTORS": ["no.such.thing"]}, ["E002"]),
        ({"URL": "http://livekit.example"}, ["W001"]),
        ({"URL": "ws://livekit.example"}, ["W001"]),
        ({"URL": "ws://127.0.0.1:7880"}, []),
        ({"GRAPH_URL": "http://graph.example"}, ["W001"]),
        ({"WEBHOOK_URL": "http://calls.example"}, ["W001"]),
        ({"WEBHOOK_URL": "calls.example"}, ["E005"]),
        ({"WEBHOOK_URL": "https://calls.example/webhooks"}, []),
        ({"WEBHOOK_URL": "https://calls.example/webhooks?a=b"}, ["E005"]),
        ({"WEBHOOK_URL": "https://"}, ["E005"]),
        ({"WEBHOOK_URL": "https://calls.example:8443/"}, []),
        ({"CACHE": "nowhere"}, ["E006"]),
        ({"ALLOW_UNVERIFIED_WEBHOOKS": True}, ["E004"]),
        ({"META_APP_SECRET": None}, ["W003"]),
        ({"META_APP_SECRET": ["", None]}, ["W003"]),
        ({"META_APP_SECRET": ["old", "new"], "TWILIO_AUTH_TOKEN": ["old", "new"]}, []),
        ({"TWILIO_AUTH_TOKEN": None}, ["W003", "W003"]),  # two views
        ({"META_VERIFY_TOKEN": None}, ["W004"]),
        ({"TIMEOUT": 20}, ["W006"]),
        ({"TIMEOUT": None}, ["W006"]),
        ({"TIMEOUT": 15}, []),
        ({"TIMEOUT": "15"}, ["E002"]),
    ],
)
def test_each_mistake_has_its_id(
    options: dict[str, Any], expected: list[str], configure: Callable[..., None]
) -> None:
    configure(CACHES=SHARED_CACHE, LIVEKIT_CONNECTOR={**OPTIONS, **options})
    assert ids() == expected


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"WHATSAPP_CLOUD_API_VERSION": "v24.0"}, 'Write "24.0", without the leading "v".'),
        ({"WHATSAPP_CLOUD_API_VERSION": "v"}, 'Write a version such as "23.0".'),
        ({"INTERCEPTORS": ["no.such"]}, "Correct the option that the message names."),
        ({"URL": None}, "Set URL, and API_KEY with API_SECRET"),
    ],
)
def test_the_hints_help(options: dict[str, Any], hint: str, configure: Callable[..., None]) -> None:
    configure(CACHES=SHARED_CACHE, LIVEKIT_CONNECTOR={**OPTIONS, **options})
    (message,) = (m for m in run_checks() if m.id and m.id.startswith("livekit_connector"))
    assert str(message.hint).startswith(hint)


def test_guarantee_4_a_wrong_value_is_not_shown(configure: Callable[..., None]) -> None:
    wrong = {
        "WEBHOOK_URL": "https://user:hush@calls.example/",
        "WHATSAPP_CLOUD_API_VERSION": "hush",
    }
    configure(CACHES=SHARED_CACHE, LIVEKIT_CONNECTOR={**OPTIONS, **wrong})
    assert ids() == ["E003", "E005"]
    assert "hush" not in str(run_checks())


def test_development_has_fewer_messages(configure: Callable[..., None]) -> None:
    configure(
        DEBUG=True,
        LIVEKIT_CONNECTOR={
            **OPTIONS,
            "URL": "http://livekit.example",
            "ALLOW_UNVERIFIED_WEBHOOKS": True,
        },
    )
    assert ids() == ["W002"]


def test_the_limits_of_the_server(configure: Callable[..., None]) -> None:
    configure(CACHES=SHARED_CACHE, DATA_UPLOAD_MAX_MEMORY_SIZE=2621440)
    assert ids() == ["W005"]
    configure(DATA_UPLOAD_MAX_MEMORY_SIZE=None)
    assert ids() == []


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ({"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, ["W007"]),
        (
            {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": "/nowhere",
            },
            ["W007"],
        ),
        ({"BACKEND": "django.core.cache.backends.db.DatabaseCache"}, ["W008"]),
        (
            {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            },
            [],
        ),
    ],
)
def test_the_cache_used_to_deduplicate(
    cache: dict[str, Any], expected: list[str], configure: Callable[..., None]
) -> None:
    configure(CACHES={**SHARED_CACHE, "webhooks": cache})
    assert ids() == []
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "CACHE": "webhooks"})
    assert ids() == expected


def test_how_views_are_routed(configure: Callable[..., None]) -> None:
    class Routes:
        urlpatterns = (
            path("voice", TwilioVoiceView.as_view(timeout=30)),
            path("hook", MetaWebhookView.as_view(alias="typo")),
        )

    configure(CACHES=SHARED_CACHE, ROOT_URLCONF=Routes)
    assert ids() == ["E007", "W006"]


def test_only_the_views_that_are_routed_need_a_secret(configure: Callable[..., None]) -> None:
    class MetaOnly:
        urlpatterns = (path("hook", MetaWebhookView.as_view(secret="its own")),)

    configure(
        CACHES=SHARED_CACHE,
        ROOT_URLCONF=MetaOnly,
        LIVEKIT_CONNECTOR={**OPTIONS, "META_APP_SECRET": None, "TWILIO_AUTH_TOKEN": None},
    )
    assert ids() == []


def test_the_livekit_view_takes_the_keys_of_every_alias(configure: Callable[..., None]) -> None:
    default = {**OPTIONS, "TOKEN": "a.b.c", "API_KEY": None, "API_SECRET": None}
    configure(LIVEKIT_CONNECTOR={"default": default, "sales": OPTIONS}, CACHES=SHARED_CACHE)
    assert ids() == []
