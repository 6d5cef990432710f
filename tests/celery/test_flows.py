"""WhatsApp calls through gunicorn, Django's webhook view, Celery and Redis: the example site.

The emulator plays LiveKit, Meta and the users, in this process.
"""

from __future__ import annotations

import importlib.util
import itertools
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
NUMBERS = itertools.count(15551230000)  # of users, each called once


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
    """The example site, and a user of its page, who acts on the newest call."""

    def __init__(self, url: str, emulator: ConnectorEmulator, children: dict[str, Any]) -> None:
        self.url = url
        self.emulator = emulator
        self.worker = children["celery"].process
        self._worker_log = children["celery"].log
        self._logged = len(self._worker_log.read_bytes())
        self._requested = len(emulator.requests)
        self._person = requests.Session()

    @property
    def row(self) -> str:
        """Return the newest call's row as HTML, empty if there is no call."""
        html = self._person.get(f"{self.url}/calls", timeout=10).text
        found = re.search(r'<li class="call .*?</li>', html, re.DOTALL)
        return found[0] if found else ""

    def press(self, button: str) -> None:
        """Press a button of the newest call."""
        found = re.search(r'data-call="([0-9]+)"', self.row)
        assert found is not None
        self._post(f"{found[1]}/{button}")

    def place(self, number: str = "") -> None:
        """Place a call, by default to somebody new."""
        self._post("place", number=number or f"+{next(NUMBERS)}")

    def shows(self, text: str) -> None:
        """Wait until the newest call's row shows a text."""
        wait_until(lambda: text in re.sub(r"<[^>]+>", "", self.row), f"{text!r} on the page")

    def rpcs(self, name: str) -> list[Any]:
        """Return the RPCs with a name that LiveKit received."""
        received = self.emulator.requests[self._requested :]
        return [r for r in received if r.method.endswith(f"/{name}")]

    @property
    def worker_errors(self) -> list[str]:
        """Return the errors in the worker's log."""
        log = self._worker_log.read_bytes()[self._logged :].decode()
        return [line for line in log.splitlines() if "ERROR" in line]

    def _post(self, path: str, **fields: str) -> None:
        self._person.get(self.url, timeout=10)
        token = self._person.cookies["csrftoken"]
        answer = self._person.post(
            f"{self.url}/calls/{path}", {**fields, "csrfmiddlewaretoken": token}, timeout=10
        )
        assert answer.status_code == 200

    def close(self) -> None:
        """Close the connections and reset the emulator."""
        self._person.close()
        self.emulator.dial_rule = None
        for region in self.emulator.dropped_regions:
            self.emulator.restore_region(region)


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[str, ConnectorEmulator, dict[str, Any]]]:
    with load_run().running(0, 0) as running:
        yield running


@pytest.fixture
def site(processes: tuple[str, ConnectorEmulator, dict[str, Any]]) -> Iterator[RunningSite]:
    running = RunningSite(*processes)
    yield running
    running.close()


def test_flow_A_an_inbound_call_whose_webhook_is_delivered_twice(site: RunningSite) -> None:
    emulator = site.emulator
    call = emulator.inbound_call()
    assert emulator.wait_for_webhooks()
    webhook = emulator.webhooks[-1]
    assert webhook.taken  # before any RPC
    assert not site.rpcs("AcceptWhatsAppCall")
    site.shows("Ringing")
    site.press("accept")
    site.shows("On the line")
    assert call.state == "active"

    emulator.redeliver(webhook)
    assert emulator.wait_for_webhooks()
    assert emulator.webhooks[-1].taken
    site.press("accept")  # by a colleague with an outdated page

    emulator.hang_up(call)
    site.shows("Ended")
    wait_until(lambda: call.progress.released, "LiveKit to let go")
    assert len(site.rpcs("AcceptWhatsAppCall")) == 1
    assert site.worker_errors == []


def test_flow_B_a_webhook_that_arrives_before_the_response_to_the_dial(site: RunningSite) -> None:
    emulator, group = site.emulator, site.worker.pid
    before = len(emulator.webhooks)

    def news() -> list[Any]:
        return list(emulator.webhooks)[before:]

    def stop_the_worker(request: Any) -> Callee:
        os.killpg(group, signal.SIGSTOP)  # it can't read the response until it continues
        return Callee.ANSWER

    emulator.dial_rule = stop_the_worker
    site.place()
    try:
        wait_until(lambda: any(b'"connect"' in each.body for each in news()), "the SDP answer")
        assert emulator.wait_for_webhooks()
    finally:
        os.killpg(group, signal.SIGCONT)
    site.shows("On the line")
    call = emulator.calls[-1]
    assert call.state == "active"
    assert re.fullmatch("call-[0-9]+", call.room_name)
    assert len(site.rpcs("DialWhatsAppCall")) == len(site.rpcs("ConnectWhatsAppCall")) == 1
    assert site.worker_errors == []


def test_flow_C_a_terminate_after_our_own_disconnect(site: RunningSite) -> None:
    site.place()
    site.shows("Ringing")
    call = site.emulator.calls[-1]
    site.emulator.answer(call)
    site.shows("On the line")
    site.press("hang-up")
    site.shows("by us")
    wait_until(lambda: call.state == "ended", "the call to end")
    assert site.emulator.wait_for_webhooks()
    site.press("hang-up")
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
def test_a_call_that_nobody_accepts(
    site: RunningSite, user: Callable[[ConnectorEmulator, Any], None], shown: str
) -> None:
    site.place()
    site.shows("Ringing")
    call = site.emulator.calls[-1]
    user(site.emulator, call)
    site.shows(shown)
    wait_until(lambda: call.progress.released, "LiveKit to let go")
    assert len(site.rpcs("DisconnectWhatsAppCall")) == 1


def test_hanging_up_can_be_retried_after_a_failure(site: RunningSite) -> None:
    site.place()
    site.shows("Ringing")
    call = site.emulator.calls[-1]
    site.emulator.answer(call)
    site.shows("On the line")
    site.emulator.drop_region(0)
    site.press("hang-up")
    site.shows("Not hung up")
    assert call.state == "active"
    site.emulator.restore_region(0)
    site.press("hang-up")
    site.shows("by us")
    assert call.state == "ended"


def test_the_page_says_if_a_failed_dial_may_have_rung(site: RunningSite) -> None:
    site.emulator.drop_region(0)
    site.place()
    site.shows("the phone may have rung")


def test_metas_rejection_is_shown_on_the_page(site: RunningSite) -> None:
    site.place("15550138006")
    site.shows("No approved call permission from the receiver")
