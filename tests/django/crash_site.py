"""A site whose requests fail while they hold a secret, and the crash reports about them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Optional

import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from helpers.crash_reports import report, secret, start_sentry
from helpers.django_site import OPTIONS

from livekit_connector_sync import SessionDescription
from livekit_connector_sync.testing import (
    SignedRequest,
    livekit_webhook,
    meta_webhook,
    twilio_webhook,
)
from livekit_connector_sync.webhooks import twiml

SECRETS = ("API_SECRET", "META_APP_SECRET", "META_VERIFY_TOKEN", "TWILIO_AUTH_TOKEN")


class Urls:
    """The URLconf."""


def connector(**options: Any) -> dict[str, Any]:
    """Return the setting, with a secret in each option that takes one."""
    secrets = dict.fromkeys((*SECRETS, "WHATSAPP_API_KEY"), secret())
    closed = {"URL": "http://127.0.0.1:1", "LIVEKIT_WEBHOOK_KEYS": {"old": secret()}}
    return {**OPTIONS, **secrets, **closed, **options}


start_sentry()
settings.configure(
    ADMINS=[("Ann", "ann@example.org")],
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of-django",
    INSTALLED_APPS=["livekit_connector_sync.contrib.django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF=Urls,
    LOGGING_CONFIG=None,
    LIVEKIT_CONNECTOR=connector(),
)
django.setup()

from livekit_connector_sync.contrib.django import get_client, signals  # noqa: E402
from livekit_connector_sync.contrib.django.views import (  # noqa: E402
    LiveKitWebhookView,
    MetaWebhookView,
    TwilioVoiceView,
)


class Reporting:
    """Overrides the hook that gets the error of a rejected request, and reports it."""

    def refuse(self, error: Exception) -> HttpResponse:
        logging.getLogger("scenes").error("rejected", exc_info=error)
        return HttpResponse(status=403)


class ReportingMetaView(Reporting, MetaWebhookView):
    pass


class ReportingTwilioView(Reporting, TwilioVoiceView):
    pass


class ReportingLiveKitView(Reporting, LiveKitWebhookView):
    pass


class FailingAliasView(MetaWebhookView):
    def alias_of(self, event: Any) -> str:
        raise RuntimeError("a bug in an override")


class FailingView(MetaWebhookView):
    def is_due(self, event: Any) -> bool:
        raise RuntimeError("a bug in an override")


class ConnectedView(TwilioVoiceView):
    def connect(self, call: Any) -> str:
        return twiml.connect_stream(f"wss://livekit.example/{secret()}")

    def is_due(self, event: Any) -> bool:
        raise RuntimeError("a bug in an override")


def show(request: HttpRequest) -> HttpResponse:
    leaked = secret()
    raise RuntimeError("this frame shows its secret" + leaked[:0])


def dial(request: HttpRequest) -> HttpResponse:
    get_client().dial_whatsapp_call(whatsapp_to_phone_number="15551234567")
    return HttpResponse()


Urls.urlpatterns = [  # type: ignore[attr-defined]
    path("show", show),
    path("dial", dial),
    path("webhooks/", include("livekit_connector_sync.contrib.django.urls")),
    path("reporting/meta", ReportingMetaView.as_view()),
    path("reporting/twilio", ReportingTwilioView.as_view()),
    path("reporting/livekit", ReportingLiveKitView.as_view()),
    path("failing/alias", FailingAliasView.as_view()),
    path("failing/own", FailingView.as_view(secret=secret())),
    path("failing/connected", ConnectedView.as_view()),
]
browser = Client(raise_request_exception=False)


def post(url: str, webhook: Any) -> None:
    browser.post(url, webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ)


def meta(url: str, key: Optional[str] = None) -> None:
    post(url, meta_webhook("terminate", key or secret()))


def twilio(url: str, key: Optional[str] = None) -> None:
    post(url, twilio_webhook(key or secret(), url=f"http://testserver{url}"))


def livekit(url: str, key: str, signed: Optional[str] = None) -> None:
    post(url, livekit_webhook("room_finished", key, signed or secret()))


def fail_receiver() -> None:
    def receiver(event: Any, raw: Any, **_: Any) -> None:
        raise RuntimeError("a bug in a receiver")

    signals.whatsapp_call_offered.connect(receiver, weak=False)
    post("/webhooks/meta", offer())


def offer() -> SignedRequest:
    sdp = SessionDescription(type="offer", sdp=f"v=0\r\na=ice-pwd:{secret()}\r\n")
    return meta_webhook("connect", secret(), sdp=sdp)


def fail_replay() -> None:
    with NamedTemporaryFile() as file:
        Path(file.name).write_text(f"not JSON: {secret()}")
        call_command("connector", "replay", "meta", file.name)


def with_options(scene: Callable[[], object], **options: Any) -> None:
    with override_settings(LIVEKIT_CONNECTOR=connector(**options)):
        scene()


def get(url: str) -> object:
    return browser.get(url)


GUESS = "a-guess-of-a-stranger-with-32-characters"
SCENES: dict[str, Callable[[], object]] = {
    "control": lambda: get("/show"),
    "meta, a stranger": lambda: meta("/webhooks/meta", GUESS),
    "meta, a stranger, reported": lambda: meta("/reporting/meta", GUESS),
    "twilio, a stranger, reported": lambda: twilio("/reporting/twilio", GUESS),
    "livekit, a stranger, reported": lambda: livekit("/reporting/livekit", "devkey", GUESS),
    "livekit, an old key": lambda: livekit("/reporting/livekit", "old", GUESS),
    "several secrets, a stranger": lambda: with_options(
        lambda: meta("/reporting/meta", GUESS), META_APP_SECRET=["old", secret()]
    ),
    "handshake, a stranger": lambda: get("/webhooks/meta?hub.mode=subscribe&hub.challenge=1"),
    "a receiver fails": fail_receiver,
    "an override of alias_of fails": lambda: meta("/failing/alias"),
    "a view with its own secret fails": lambda: meta("/failing/own"),
    "twilio, LiveKit is down": lambda: twilio("/webhooks/twilio/voice"),
    "twilio, an override fails": lambda: twilio("/failing/connected"),
    "no secret": lambda: with_options(lambda: meta("/webhooks/meta"), META_APP_SECRET=None),
    "an unknown option": lambda: with_options(lambda: meta("/webhooks/meta"), X=1),
    "a wrong option": lambda: with_options(lambda: get("/dial"), TIMEOUT="10"),
    "a secret with white space": lambda: with_options(
        lambda: twilio("/webhooks/twilio/voice"), TWILIO_AUTH_TOKEN=f"{secret()}\n"
    ),
    "a dial fails": lambda: get("/dial"),
    "the command fails": lambda: call_command("connector", "dial", "15551234567"),
    "the command with wrong settings": lambda: with_options(
        lambda: call_command("connector", "dial", "15551234567"), RETRY=3
    ),
    "a replay fails": fail_replay,
}

if __name__ == "__main__":
    report(SCENES)
