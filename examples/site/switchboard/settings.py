"""Settings of the example. What differs from machine to machine comes from the environment.

The connector's own are there too: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET,
WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_API_KEY, META_APP_SECRET, META_VERIFY_TOKEN.
"""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ["SITE_DATA"])
REDIS_URL = os.environ["REDIS_URL"]
PHONE_URL = os.environ.get("PHONE_URL", "")  # the emulator's page, which plays the users

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
        # Another database than the broker's: cache.clear() empties it.
        "LOCATION": f"{REDIS_URL.rpartition('/')[0]}/1",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # Meta sends up to 3 MB

# Meta's and LiveKit's, and the WhatsApp number, are in the environment.
LIVEKIT_CONNECTOR = {"WHATSAPP_CLOUD_API_VERSION": "23.0"}

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 3, "socket_connect_timeout": 3}
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True  # a placed call has not failed because Redis was away
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Somebody listens to these ringing: they do not queue behind anything else.
CELERY_TASK_ROUTES = {"livekit_connector.*": {"queue": "calls"}}
