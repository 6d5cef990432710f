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


def test_the_site_without_a_broker_loses_nothing(tmp_path: Path) -> None:
    site = ROOT / "examples" / "site"
    options = {
        "DJANGO_SETTINGS_MODULE": "switchboard.settings",
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
        "SITE_DATA": str(tmp_path),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "x",
        "META_APP_SECRET": "its secret",
        **{f"LIVEKIT_{name}": "x" for name in ("API_KEY", "API_SECRET")},
        "LIVEKIT_URL": "http://127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_BROKER],
        cwd=site,
        env={**os.environ, **options},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "503 ringing 503 ringing 503 ringing",
        "503 active True",
        "503 failed True",
        "503 True",
    ]
