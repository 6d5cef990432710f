"""The tasks in a Django project: settings, cache, transactions; each test has its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.workers import Switchboard

SITE = Path(__file__).parents[2] / "examples" / "site"


def run_in_site(code: str, folder: Path, redis_url: str, **env: str) -> str:
    """Run code in the example's project; return what it prints."""
    command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
    settings = {
        "DJANGO_SETTINGS_MODULE": "switchboard.settings",
        "SECRET_KEY": "not-a-secret",
        "SITE_DATA": str(folder),
        "REDIS_URL": redis_url,
    }
    done = subprocess.run(
        command,
        cwd=SITE,
        env={**os.environ, **settings, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.redis
def test_a_task_is_sent_when_the_transaction_has_committed(
    redis_url: str, switchboard: Switchboard, tmp_path: Path
) -> None:
    code = """
import redis
from django.conf import settings
from django.db import transaction
from livekit_connector_sync.contrib.celery import dial_whatsapp_call

broker = redis.Redis.from_url(settings.REDIS_URL)
fields = {"whatsapp_to_phone_number": "15551234567"}
try:
    with transaction.atomic():
        dial_whatsapp_call.delay_on_commit(**fields)
        raise ZeroDivisionError
except ZeroDivisionError:
    print("rolled back", broker.llen("calls"))
with transaction.atomic():
    dial_whatsapp_call.delay_on_commit(**fields)
    print("under way", broker.llen("calls"))
print("through", broker.llen("calls"))
"""
    out = run_in_site(code, tmp_path, redis_url)
    assert out.splitlines() == ["rolled back 0", "under way 0", "through 1"]


@pytest.mark.redis
def test_claims_in_djangos_cache(redis_url: str, switchboard: Switchboard, tmp_path: Path) -> None:
    code = """
from switchboard import celery_app
from livekit_connector_sync.contrib.celery.claims import TaskClaim, take_claim
from livekit_connector_sync.contrib.celery.stores import DjangoCacheStore
from livekit_connector_sync.contrib.celery.worker import get_store

celery_app.conf.livekit_connector_claims = "django-cache:default"
store = get_store(celery_app)
assert isinstance(store, DjangoCacheStore)
first, second = TaskClaim(store, "t", 60), TaskClaim(store, "t", 60)
assert take_claim(first, 1) is None
assert take_claim(second, 1).result is None
first.record(result={"room_name": "sales"})
print(take_claim(second, 1).result)
first.release()
assert take_claim(second, 1) is None
second.record(error={"code": "internal"})
print(take_claim(first, 1).error)
"""
    out = run_in_site(code, tmp_path, redis_url)
    assert out.splitlines() == ["{'room_name': 'sales'}", "{'code': 'internal'}"]


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "filebased.FileBasedCache"])
def test_a_cache_without_atomic_add_is_rejected(
    switchboard: Switchboard, tmp_path: Path, backend: str
) -> None:
    code = f"""
from celery import Celery
from django.test import override_settings
from livekit_connector_sync.contrib.celery.worker import get_store

app = Celery("calls", broker="memory://", backend="cache+memory://")
cache = {{"BACKEND": "django.core.cache.backends.{backend}", "LOCATION": "{tmp_path}"}}
with override_settings(CACHES={{"default": cache}}):
    try:
        get_store(app)
    except ValueError as exc:
        print(exc)
"""
    out = run_in_site(code, tmp_path, "redis://127.0.0.1:1/0")
    assert "the cache 'default' cannot keep claims" in out
    assert "livekit_connector_claims to a Redis URL" in out


def test_a_database_cache_that_culls_claims_is_rejected(tmp_path: Path) -> None:
    code = """
from django.test import override_settings
from livekit_connector_sync.contrib.celery.stores import DjangoCacheStore

for entries in (300, 1_000_000):
    cache = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "claims"}
    with override_settings(CACHES={"default": {**cache, "OPTIONS": {"MAX_ENTRIES": entries}}}):
        try:
            DjangoCacheStore("default")
            print("taken")
        except ValueError as exc:
            print(exc)
"""
    refused, taken = run_in_site(code, tmp_path, "redis://127.0.0.1:1/0").splitlines()
    assert "keeps only 300 entries" in refused
    assert "MAX_ENTRIES" in refused
    assert taken == "taken"


def test_a_cache_that_hides_its_outage_takes_no_claim(tmp_path: Path) -> None:
    code = """
from unittest import mock
import livekit_connector_sync as lk
from livekit_connector_sync.contrib.celery.claims import TaskClaim, take_claim
from livekit_connector_sync.contrib.celery.stores import DjangoCacheStore

store = DjangoCacheStore("default")
with mock.patch.object(store, "_caches", {"default": mock.Mock(**{"add.return_value": None,
                                                                  "get.return_value": None})}):
    try:
        take_claim(TaskClaim(store, "t", 60), 1)
    except lk.Unavailable as exc:
        print(exc.__cause__)
"""
    assert "is it down?" in run_in_site(code, tmp_path, "redis://127.0.0.1:1/0")


def test_the_tasks_use_djangos_settings_and_clients(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    code = """
import json
from switchboard import celery_app
from livekit_connector_sync.contrib import celery, django

celery_app.conf.task_always_eager = True
same = celery.get_client() is django.get_client()
task = celery.dial_whatsapp_call.delay(whatsapp_to_phone_number="15551234567")
print(json.dumps([same, sorted(task.get())]))
"""
    out = run_in_site(code, tmp_path, "redis://127.0.0.1:1/0")
    assert json.loads(out) == [True, ["room_name", "whatsapp_call_id"]]
    assert switchboard.dials[0].request.whatsapp_cloud_api_version == "23.0"
