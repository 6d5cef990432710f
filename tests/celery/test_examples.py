"""The code in docs/celery.md, and the example that dials a list of numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.workers import Site, Switchboard, wait_until

ROOT = Path(__file__).parents[2]


def test_the_code_in_the_document_runs(switchboard: Switchboard) -> None:
    text = (ROOT / "docs" / "celery.md").read_text("utf-8")
    names: dict[str, Any] = {"__name__": "docs"}
    for found in re.finditer(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start(1))
        exec(compile("\n" * line + found[1], "docs/celery.md", "exec"), names)
        names["app"].conf.update(task_always_eager=True, task_eager_propagates=True)
        names["app"].set_current()
    names["app"].close()
    assert [call.provider for call in switchboard.emulator.calls] == ["whatsapp", "twilio"]


@pytest.mark.redis
def test_a_campaign_started_twice_calls_each_number_once(
    site: Site, switchboard: Switchboard, redis_url: str, tmp_path: Path
) -> None:
    numbers = [f"1555{n:05}99" for n in range(30)] + ["15550138006"]
    (tmp_path / "numbers.txt").write_text("\n".join([*numbers, *numbers[:5]]))
    env = {"REDIS_URL": redis_url, "BULK_RATE": "100/s"}

    def run(action: str) -> str:
        command = [sys.executable, "bulk_dial.py", action, "spring", str(tmp_path / "numbers.txt")]
        return subprocess.run(
            command,
            cwd=ROOT / "examples",
            env={**os.environ, **env},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert run("start") == run("start") == "31 queued\n"
    for _ in range(2):
        site.start_worker("threads", app="bulk_dial", folder=ROOT / "examples", queue="bulk", **env)
    expected = "    30 placed\n     1 invalid_argument\n"
    wait_until(lambda: run("report") == expected, "the campaign")
    assert Counter(call.user_number for call in switchboard.emulator.calls) == Counter(numbers[:-1])


def test_the_pace_of_a_campaign_is_the_tasks_rate_limit() -> None:
    code = "import bulk_dial as b; print(b.app.tasks[b.dial_whatsapp_call.name].rate_limit)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "examples",
        env={**os.environ, "BULK_RATE": "7/s"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "7/s\n"


WITHOUT_A_BROKER = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from calls.models import Call
from livekit_connector_sync.testing import meta_webhook

browser = Client(raise_request_exception=False, HTTP_HOST="localhost")

def tell(name):
    webhook = meta_webhook(name, "its secret", direction="outbound", whatsapp_call_id="wacid.O")
    type_, headers = webhook.content_type, webhook.wsgi_environ
    return browser.post("/webhooks/meta", webhook.body, content_type=type_, **headers).status_code

call = Call.objects.create(inbound=False, number="15551234567", task_id="t", state="ringing",
                           whatsapp_call_id="wacid.O")
def state():
    call.refresh_from_db()
    return call.state

print(tell("connect"), state(), tell("connect"), state(), tell("terminate"), state())
Call.objects.update(state="active")
print(browser.post(f"/calls/{call.pk}/hang-up").status_code, state(), call.can_hang_up)
answer = browser.post("/calls/place", {"number": "+15551234569"})
placed = Call.objects.get(number="15551234569")
print(answer.status_code, placed.state, b"try again" in answer.content)
inbound = Call.objects.create(inbound=True, number="1", state="ringing", offer="{}",
                              whatsapp_call_id="wacid.I")
print(browser.post(f"/calls/{inbound.pk}/accept").status_code, inbound.can_accept)
"""


WITHOUT_A_WORKER = """
import django
django.setup()
import json
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from calls import receivers, tasks
from calls.models import Call
from livekit_connector_sync.contrib.django.signals import whatsapp_call_offered
from livekit_connector_sync.emulator.meta import signature
from livekit_connector_sync.testing import meta_webhook
from livekit_connector_sync.webhooks import meta

browser = Client(HTTP_HOST="localhost")
receivers.connect_whatsapp_call.apply_async = lambda **options: sent.append(options)
sent = []

def post(body):
    browser.post("/webhooks/meta", body, content_type="application/json",
                 HTTP_X_HUB_SIGNATURE_256=signature(body, "its secret"))

def tell(name, at):
    post(meta_webhook(name, "its secret", direction="outbound", whatsapp_call_id=call_id,
                      timestamp=at).body)

def connect(name, at):
    tasks.connected(call.pk)

for number, order in enumerate(ORDERS):
    call_id = f"wacid.{number}"
    call = Call.objects.create(inbound=False, number="1", state="queued", whatsapp_call_id=call_id)
    states = []
    for at, name in enumerate(order.split()):
        (connect if name == "connected" else tell)(name, 1800000000 + at)
        call.refresh_from_db()
        states.append(call.state)
    print(*states, call.seconds, len(sent))

users = {"US.1": "ann.example", "US.2": ""}
contacts = [{"user_id": each, "profile": {"username": name}} for each, name in users.items()]
def update(event):
    calls = [{"id": f"wacid.{each}", "event": event, "direction": "USER_INITIATED",
              "from_user_id": each, "session": {"sdp_type": "offer", "sdp": "v=0"}}
             for each in users]
    value = {"metadata": {"phone_number_id": "1"}, "contacts": contacts, "calls": calls}
    return json.dumps({"entry": [{"changes": [{"field": "calls", "value": value}]}]}).encode()
post(update("connect"))
page = browser.get("/").content.decode()
print(*(text in page for text in ("@ann.example", "US.2")))
call = Call.objects.get(user_id="US.1")
print(call, call.can_accept)

Call.objects.all().delete()
body = update("connect").replace(b"wacid", b"dead")
post(update("terminate").replace(b"wacid", b"dead"))
post(body)
for event in meta.parse(body):  # as if both webhooks were handled at the same time
    whatsapp_call_offered.send(sender=None, event=event, alias="default")
print(*Call.objects.values_list("state", "note"))
"""


def run_on_site(code: str, folder: Path) -> list[str]:
    """Run code in the example site, without a broker; return the lines that it prints."""
    site = ROOT / "examples" / "site"
    options = {
        "DJANGO_SETTINGS_MODULE": "switchboard.settings",
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
        "SITE_DATA": str(folder),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "x",
        "META_APP_SECRET": "its secret",
        **{f"LIVEKIT_{name}": "x" for name in ("API_KEY", "API_SECRET")},
        "LIVEKIT_URL": "http://127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site,
        env={**os.environ, **options},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout.splitlines()


def test_the_site_without_a_broker_loses_nothing(tmp_path: Path) -> None:
    assert run_on_site(WITHOUT_A_BROKER, tmp_path) == [
        "503 ringing 503 ringing 503 ringing",
        "503 active True",
        "503 failed True",
        "503 True",
    ]


def test_the_site_tells_the_pickup_who_calls_and_what_is_over(tmp_path: Path) -> None:
    orders = [
        "connect connected ringing accepted",  # Meta's usual order
        "ringing connect accepted connected",
        "ringing accepted connect connected",
        "connect connected ringing rejected",
    ]
    # A cache in memory, as no Redis runs; the site's own settings are otherwise untouched.
    memory = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    start = f"from switchboard import settings\nsettings.CACHES = {memory}\nORDERS = {orders}\n"
    assert run_on_site(start + WITHOUT_A_WORKER, tmp_path) == [
        "queued queued ringing active 0 1",
        "ringing ringing connecting active 0 2",
        "ringing connecting connecting active 0 3",
        "queued queued ringing ringing 0 4",
        "True True",
        "from @ann.example: ringing True",
        "('ended', 'no answer') ('ended', 'no answer')",
    ]
