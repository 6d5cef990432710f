"""WhatsApp calls through gunicorn, Django's webhook view, Celery and Redis: the example site.

The emulator plays LiveKit, Meta and the users, in this process.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import pytest
import requests
from helpers.workers import wait_until

from livekit_connector_sync.emulator import Callee, ConnectorEmulator

pytestmark = pytest.mark.redis

RUN = Path(__file__).parents[2] / "examples" / "site" / "run.py"
NUMBER = "15551234567"


def load_run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_site", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "run_site", module)  # for its dataclass
        spec.loader.exec_module(module)
    return module


class RunningSite:
    """The example site, and a person at its page."""

    def __init__(self, url: str, emulator: ConnectorEmulator, children: dict[str, Any]) -> None:
        self.url = url
        self.emulator = emulator
        self.worker = children["celery"].process
        self._worker_log = children["celery"].log
        self._person = requests.Session()

    @property
    def page(self) -> str:
        """The list of calls, as text."""
        html = self._person.get(f"{self.url}/calls", timeout=10).text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))

    def press(self, path: str, **fields: str) -> None:
        """Press a button."""
        self._person.get(self.url, timeout=10)
        token = self._person.cookies["csrftoken"]
        answer = self._person.post(
            f"{self.url}/calls/{path}", {**fields, "csrfmiddlewaretoken": token}, timeout=10
        )
        assert answer.status_code == 200

    def shows(self, text: str) -> None:
        """Wait until the page shows a text."""
        wait_until(lambda: text in self.page, f"{text!r} on the page")

    def rpcs(self, name: str) -> list[Any]:
        """The RPCs of a name that LiveKit got."""
        return [r for r in self.emulator.requests if r.method.endswith(f"/{name}")]

    @property
    def worker_errors(self) -> list[str]:
        """What the worker complained about."""
        return [
            line for line in self._worker_log.read_text("utf-8").splitlines() if "ERROR" in line
        ]

    def close(self) -> None:
        """End the person's connections."""
        self._person.close()


@pytest.fixture
def site() -> Iterator[RunningSite]:
    with load_run().running(0, 0) as (url, emulator, children):
        running = RunningSite(url, emulator, children)
        yield running
        running.close()


def test_flow_A_an_inbound_call_its_webhook_twice(site: RunningSite) -> None:
    emulator = site.emulator
    call = emulator.inbound_call()
    assert emulator.wait_for_webhooks()
    (webhook,) = emulator.webhooks
    assert webhook.taken  # before any RPC
    assert not emulator.requests
    site.shows("Ringing")
    site.press("1/accept")
    site.shows("On the line")
    assert call.state == "active"

    emulator.redeliver(webhook)
    assert emulator.wait_for_webhooks()
    assert emulator.webhooks[-1].taken
    site.press("1/accept")  # by a colleague whose page was a second old
    assert site.page.count("Alex Doe") == 1

    emulator.hang_up(call)
    site.shows("Ended")
    wait_until(lambda: call.progress.released, "LiveKit to let go")
    assert len(site.rpcs("AcceptWhatsAppCall")) == 1
    assert site.worker_errors == []


def test_flow_B_a_webhook_that_beats_the_answer_to_the_dial(site: RunningSite) -> None:
    emulator, group = site.emulator, site.worker.pid

    def stop_the_worker(request: Any) -> Callee:
        os.killpg(group, signal.SIGSTOP)  # it will not see the answer before it goes on
        return Callee.ANSWER

    emulator.dial_rule = stop_the_worker
    site.press("place", number=f"+{NUMBER}")
    try:
        site.shows("Connecting")
        assert emulator.wait_for_webhooks()
    finally:
        os.killpg(group, signal.SIGCONT)
    site.shows("On the line")
    (call,) = emulator.calls
    assert call.state == "active"
    assert call.room_name == "call-1"
    assert len(site.rpcs("DialWhatsAppCall")) == len(site.rpcs("ConnectWhatsAppCall")) == 1
    assert site.worker_errors == []


def test_flow_C_a_terminate_after_our_own_disconnect(site: RunningSite) -> None:
    site.press("place", number=NUMBER)
    site.shows("Ringing")
    (call,) = site.emulator.calls
    site.emulator.answer(call)
    site.shows("On the line")
    site.press("1/hang-up")
    site.shows("by us")
    wait_until(lambda: call.state == "ended", "the call to end")
    assert site.emulator.wait_for_webhooks()
    site.press("1/hang-up")
    assert [r.outcome for r in site.rpcs("DisconnectWhatsAppCall")] == ["ok"]
    assert site.worker_errors == []


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        (lambda emulator, call: emulator.reject(call), "declined"),
        (lambda emulator, call: emulator.hang_up(call), "no answer"),
    ],
    ids=["declined", "no answer"],
)
def test_a_call_that_nobody_takes(
    site: RunningSite, user: Callable[[ConnectorEmulator, Any], None], shown: str
) -> None:
    site.press("place", number=NUMBER)
    site.shows("Ringing")
    user(site.emulator, site.emulator.calls[0])
    site.shows(shown)


def test_what_meta_refuses_is_on_the_page(site: RunningSite) -> None:
    site.press("place", number="15550138006")
    site.shows("No approved call permission from the receiver")
