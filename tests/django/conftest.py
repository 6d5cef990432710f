"""A Django project without files: settings, URLs, a running site, and the signals received."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import include, path
from django.utils.functional import empty
from helpers.django_site import OPTIONS, Received

from livekit_connector_sync import DialWhatsAppCallRequest
from livekit_connector_sync.emulator import ConnectorEmulator

LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


DATABASE = Path(tempfile.mkdtemp(prefix="django-tests-"), "site.sqlite3")


class Urls:
    """The URLconf: Django takes an object with urlpatterns in place of a module's name."""


django_settings.configure(
    SECRET_KEY="a key for tests",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "livekit_connector_sync.contrib.django",
        "livekit_connector_sync.contrib.django.calllog",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        *([LOGIN_REQUIRED] if django.VERSION >= (5, 1) else []),
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    ROOT_URLCONF=Urls,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DATA_UPLOAD_MAX_MEMORY_SIZE=3 * 1024 * 1024,
    USE_TZ=True,
    LIVEKIT_CONNECTOR=OPTIONS,
)
django.setup()

from django.contrib import admin  # noqa: E402 - needs the apps
from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from livekit_connector_sync.contrib.django import clients, get_client, signals  # noqa: E402


async def dial(request: HttpRequest) -> HttpResponse:
    """An async view, as a user would write it."""
    call = await sync_to_async(get_client().dial_whatsapp_call, thread_sensitive=False)(
        DialWhatsAppCallRequest(
            whatsapp_phone_number_id="1",
            whatsapp_to_phone_number=request.GET["to"],
            whatsapp_api_key="graph-token",
            whatsapp_cloud_api_version="23.0",
        )
    )
    return HttpResponse(call.whatsapp_call_id.encode())


if django.VERSION >= (5, 1):
    from django.contrib.auth.decorators import login_not_required

    dial = login_not_required(dial)

Urls.urlpatterns = [  # type: ignore[attr-defined]
    path("admin/", admin.site.urls),
    path("webhooks/", include("livekit_connector_sync.contrib.django.urls")),
    path("dial", dial),
]


# The other folders' tests share the process, and must not see a Django project.
_PROJECT = django_settings._wrapped
django_settings._wrapped = empty


@contextmanager
def project() -> Iterator[None]:
    """Enable the project's settings."""
    django_settings._wrapped = _PROJECT
    try:
        yield
    finally:
        django_settings._wrapped = empty


@pytest.fixture(autouse=True)
def _afresh(_tables: None) -> Iterator[None]:
    """Start each test with an empty cache and without clients."""
    with project():
        cache.clear()
        yield
        clients.close()


@pytest.fixture
def configure() -> Iterator[Callable[..., None]]:
    """Return a function that overrides settings until the test ends."""
    with ExitStack() as overrides:
        yield lambda **settings: overrides.enter_context(override_settings(**settings))


@pytest.fixture
def received() -> Iterator[Received]:
    """Collect the signals' arguments."""
    collector = Received()
    names = [name for name in signals.__all__ if name != "webhook_received"]
    receivers = {name: collector.receiver(name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield collector
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


@pytest.fixture
def connected() -> Iterator[Callable[[Any, Callable[..., Any]], None]]:
    """Return a function that connects a receiver until the test ends."""
    made: list[tuple[Any, Callable[..., Any]]] = []

    def connect(signal: Any, receiver: Callable[..., Any]) -> None:
        signal.connect(receiver, weak=False)
        made.append((signal, receiver))

    yield connect
    for signal, receiver in made:
        signal.disconnect(receiver)


@pytest.fixture
def use(configure: Callable[..., None]) -> Callable[..., None]:
    """Return a function that points the settings at an emulator."""

    def point(emulator: ConnectorEmulator, **options: Any) -> None:
        configure(LIVEKIT_CONNECTOR={**OPTIONS, "URL": emulator.url, **options})

    return point


class QuietHandler(WSGIRequestHandler):
    """Serves without logging."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """Run the site in a real server; yield its URL."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def _tables() -> Iterator[None]:
    """Create the tables of the call log and the admin, in a file that all threads share."""
    with project():
        call_command("migrate", verbosity=0)
        connection.close()
    yield
    shutil.rmtree(DATABASE.parent)


@pytest.fixture
def database() -> Iterator[None]:
    """Empty the tables."""
    call_command("flush", verbosity=0, interactive=False)
    yield
    connection.close()
