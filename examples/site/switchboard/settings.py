"""Settings of the example. Values that differ between machines come from the environment.

The connector also reads its own settings from there: LIVEKIT_URL, LIVEKIT_API_KEY,
LIVEKIT_API_SECRET, WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_API_KEY, META_APP_SECRET, and
META_VERIFY_TOKEN.
"""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ["SITE_DATA"])
REDIS_URL = os.environ["REDIS_URL"]
PHONE_URL = os.environ.get("PHONE_URL", "")  # the emulator's page, on which you play the users

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["livekit_connector_sync.contrib.django", "calls"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "switchboard.urls"
WSGI_APPLICATION = "switchboard.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "calls.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # Not the broker's database, because cache.clear() empties it.
        "LOCATION": f"{REDIS_URL.rpartition('/')[0]}/1",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # Meta sends up to 3 MB

# The other settings of Meta and LiveKit come from the environment.
LIVEKIT_CONNECTOR = {"WHATSAPP_CLOUD_API_VERSION": "23.0"}

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 3, "socket_connect_timeout": 3}
CELERY_RESULT_BACKEND_ALWAYS_RETRY = (
    True  # a Redis outage must not turn a placed call into a failure
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# People wait for these tasks while a phone rings, so they have their own queue.
CELERY_TASK_ROUTES = {"livekit_connector.*": {"queue": "calls"}}
