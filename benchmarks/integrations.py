"""Paths through Django, Celery, and the emulator, and what users would write without this package.

Each call checks its own result: a webhook must reach its receiver, a task must finish, and the
emulator must return a 200.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import itertools
import json
import os
import threading
from collections.abc import Iterator
from typing import Any, Callable
from urllib.parse import urlsplit

from .contenders import API_KEY, API_SECRET, FIELDS, Contender, Target, naive, prebuilt

__all__ = ["INTEGRATIONS", "REDIS_URL"]

REDIS_URL = "BENCHMARK_REDIS_URL"
"""The environment variable with the URL of Celery's Redis."""

_APP_SECRET = "app-secret"
# More than Django's in-memory cache holds, so that no webhook is a duplicate.
_WEBHOOKS = 1_000
_NUMBER = FIELDS["whatsapp_to_phone_number"]
_PATIENCE = 30.0  # seconds

Receiver = Callable[[str], None]


def _django_view(_: Target) -> Callable[[], None]:
    def urls(receive: Receiver) -> list[Any]:
        from django.urls import path

        from livekit_connector_sync.contrib.django import signals
        from livekit_connector_sync.contrib.django.views import MetaWebhookView

        def receiver(event: Any, **_: Any) -> None:
            receive(event.sdp.sdp)

        signals.whatsapp_call_offered.connect(receiver, weak=False)
        return [path("meta", MetaWebhookView.as_view())]

    return _webhooks_through(urls)


def _plain_view(_: Target) -> Callable[[], None]:
    def urls(receive: Receiver) -> list[Any]:
        from django.http import HttpRequest, HttpResponse
        from django.urls import path
        from django.views.decorators.csrf import csrf_exempt

        def view(request: HttpRequest) -> HttpResponse:
            digest = hmac.new(_APP_SECRET.encode(), request.body, hashlib.sha256).hexdigest()
            signature = request.headers.get("X-Hub-Signature-256", "")
            if not hmac.compare_digest(f"sha256={digest}", signature):
                return HttpResponse(status=403)
            for entry in json.loads(request.body)["entry"]:
                for change in entry["changes"]:
                    for call in change["value"].get("calls", ()):
                        receive(call["session"]["sdp"])
            return HttpResponse()

        return [path("meta", csrf_exempt(view))]

    return _webhooks_through(urls)


def _webhooks_through(make_urls: Callable[[Receiver], list[Any]]) -> Callable[[], None]:
    """Return a function that sends one webhook through Django's WSGI handler."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    received: list[str] = []
    urls: Any = type("Urls", (), {})()  # Django accepts an object in place of a module's name
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["livekit_connector_sync.contrib.django"],
        LIVEKIT_CONNECTOR={"META_APP_SECRET": _APP_SECRET},
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ROOT_URLCONF=urls,
        SECRET_KEY="of the benchmark",
    )
    django.setup()
    urls.urlpatterns = make_urls(received.append)
    handler = WSGIHandler()
    environs = _meta_webhooks()

    def start_response(status: str, *_: Any) -> None:
        if status != "200 OK":
            raise SystemExit(f"the view returned {status}")

    def call() -> None:
        environ = next(environs)
        handler(environ, start_response).close()
        if not received.pop().startswith("v=0"):
            raise SystemExit("the receiver got no offer")

    return call


def _meta_webhooks() -> Iterator[dict[str, Any]]:
    """Yield WSGI environments with webhooks about different calls, in a cycle."""
    from livekit_connector_sync.testing import meta_webhook

    webhooks = [
        meta_webhook("connect", _APP_SECRET, whatsapp_call_id=f"wacid.{number}")
        for number in range(_WEBHOOKS)
    ]
    for webhook in itertools.cycle(webhooks):
        yield {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/meta",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": webhook.content_type,
            "CONTENT_LENGTH": str(len(webhook.body)),
            "wsgi.input": io.BytesIO(webhook.body),
            "wsgi.url_scheme": "http",
            **webhook.wsgi_environ,
        }


def _dial_task(target: Target) -> Callable[[], None]:
    os.environ |= {
        "LIVEKIT_URL": target.url,
        "LIVEKIT_API_KEY": API_KEY,
        "LIVEKIT_API_SECRET": API_SECRET,
        **{name.upper(): value for name, value in FIELDS.items() if "to_phone" not in name},
    }

    def make_task(_: Any) -> Callable[[], Any]:
        from livekit_connector_sync.contrib.celery import dial_whatsapp_call

        return lambda: dial_whatsapp_call.delay(whatsapp_to_phone_number=_NUMBER)

    return _through_a_worker(make_task)


def _plain_task(target: Target) -> Callable[[], None]:
    def make_task(app: Any) -> Callable[[], Any]:
        place_call = naive(target)

        def dial(whatsapp_to_phone_number: str) -> None:
            place_call()

        task = app.task(dial, name="dial", acks_late=True)
        return lambda: task.delay(whatsapp_to_phone_number=_NUMBER)

    return _through_a_worker(make_task)


def _through_a_worker(make_task: Callable[[Any], Callable[[], Any]]) -> Callable[[], None]:
    """Return a function that queues a task in Redis and waits until a worker thread has run it."""
    import celery.signals
    from celery import Celery
    from celery.contrib.testing.worker import start_worker

    app = Celery("benchmark", broker=os.environ[REDIS_URL], set_as_current=True)
    app.conf.task_ignore_result = True
    app.conf.task_default_queue = f"benchmark-{os.getpid()}"  # the contenders share the Redis
    delay = make_task(app)
    app.finalize()
    states: list[str] = []
    done = threading.Event()

    def note(state: str, **_: Any) -> None:
        states.append(state)
        done.set()

    celery.signals.task_postrun.connect(note, weak=False)
    # Held by this stack, the worker runs until the benchmark kills the process.
    stack = contextlib.ExitStack()
    stack.enter_context(start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"))

    def call() -> None:
        done.clear()
        delay()
        if not done.wait(_PATIENCE) or states.pop() != "SUCCESS":
            stack.close()
            raise SystemExit("the task failed")

    return call


def _emulator_load(target: Target) -> Callable[[], None]:
    """Return a function that alternately dials and ends a call, with little CPU time of its own.

    Each thread has its own connection and number.
    """
    import http.client

    from livekit_connector_sync import (
        DialWhatsAppCallRequest,
        DialWhatsAppCallResponse,
        DisconnectWhatsAppCallRequest,
    )

    parts = urlsplit(target.url)
    numbers = itertools.count(15550000000)
    local = threading.local()
    _, headers = prebuilt()

    def requests() -> Iterator[None]:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port)

        def post(rpc: str, body: bytes) -> bytes:
            connection.request("POST", f"/twirp/livekit.Connector/{rpc}", body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise SystemExit(f"the emulator returned {response.status}: {text!r}")
            return text

        fields = {**FIELDS, "whatsapp_to_phone_number": str(next(numbers))}
        dial = DialWhatsAppCallRequest(**fields).SerializeToString()
        key = FIELDS["whatsapp_api_key"]
        while True:
            dialled = DialWhatsAppCallResponse.FromString(post("DialWhatsAppCall", dial))
            yield
            end = DisconnectWhatsAppCallRequest(
                whatsapp_call_id=dialled.whatsapp_call_id, whatsapp_api_key=key
            )
            post("DisconnectWhatsAppCall", end.SerializeToString())
            yield

    def call() -> None:
        if not hasattr(local, "requests"):
            local.requests = requests()
        next(local.requests)

    return call


INTEGRATIONS = {
    contender.name: contender
    for contender in (
        Contender("django_plain", "a plain view that verifies and parses", _plain_view),
        Contender("django", "**our view, a receiver of its signal**", _django_view),
        Contender("celery_plain", "a plain task that posts with requests", _plain_task),
        Contender("celery", "**our dial task**, claimed in Redis", _dial_task),
        Contender("emulator_load", "a request to the emulator", _emulator_load),
    )
}
