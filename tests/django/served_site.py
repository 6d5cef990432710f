"""A site for real servers: WSGI, ASGI, and runserver. It prints the webhooks that it received."""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from helpers.django_site import OPTIONS


class Urls:
    """The URLconf."""


settings.configure(
    ALLOWED_HOSTS=["*"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=200_000,
    DEBUG=True,  # for runserver's messages
    INSTALLED_APPS=["livekit_connector_sync.contrib.django"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    LIVEKIT_CONNECTOR={
        **OPTIONS,
        "TWILIO_AUTH_TOKEN": [OPTIONS["TWILIO_AUTH_TOKEN"], "12345"],
        "WEBHOOK_URL": "https://calls.example.com",
    },
    ROOT_URLCONF=Urls,
    SECRET_KEY="of-django",
)
django.setup()

from livekit_connector_sync.contrib.django import signals  # noqa: E402
from livekit_connector_sync.contrib.django.views import TwilioStatusView  # noqa: E402

Urls.urlpatterns = [  # type: ignore[attr-defined]
    path("webhooks/", include("livekit_connector_sync.contrib.django.urls")),
    path("tenants/<path:name>/status", TwilioStatusView.as_view()),
]


def show(event: Any, **_: Any) -> None:
    print("received", event.key, flush=True)


signals.webhook_received.connect(show)
wsgi = get_wsgi_application()
asgi = get_asgi_application()

if __name__ == "__main__":
    execute_from_command_line(["manage.py", "runserver", "--noreload", sys.argv[1]])
