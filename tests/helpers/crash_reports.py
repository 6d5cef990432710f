"""Collects crash reports about errors: from the Sentry SDK, and from Django's mail to its admins.

Each program of the tests that uses it runs in a separate process, because Sentry patches other
libraries permanently. The secrets come from an environment variable, so that no frame holds them.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

import sentry_sdk
from django.utils.log import AdminEmailHandler
from sentry_sdk.transport import Transport

TESTS = Path(__file__).parents[1]
SECRET = token_hex(16)
"""The text that is in every secret of the scenes."""


def secret() -> str:
    """Return, in a scene, the text that is in every secret."""
    return os.environ["SECRET_OF_THE_SCENES"]


class CollectingTransport(Transport):
    """Keeps what Sentry would send."""

    sent: list[str] = []  # noqa: RUF012

    def capture_envelope(self, envelope: Any) -> None:
        event = envelope.get_event()
        if event is not None:
            # Sentry reads the body of a request itself; docs/django.md says how to stop it.
            event.get("request", {}).pop("data", None)
            self.sent.append(json.dumps(event))


class CollectingHandler(AdminEmailHandler):
    """Keeps what Django would mail to its admins."""

    sent: list[str] = []  # noqa: RUF012

    def send_mail(self, subject: str, message: str, *args: object, **kwargs: object) -> None:
        self.sent.append(f"{subject}\n{message}\n{kwargs['html_message']}")


def reports_of(program: Path) -> dict[str, dict[str, str]]:
    """Run a program that calls `report`; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(program)],
        env={
            **os.environ,
            "SECRET_OF_THE_SCENES": SECRET,
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    reports: dict[str, dict[str, str]] = json.loads(done.stdout)
    return reports


def report(scenes: dict[str, Callable[[], object]]) -> None:
    """Run the scenes; print JSON: by scene, what each reporter sent."""
    handler = CollectingHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)
    json.dump({name: run_scene(scene) for name, scene in scenes.items()}, sys.stdout)


def run_scene(scene: Callable[[], object]) -> dict[str, str]:
    """Run a scene; return what each reporter sent."""
    CollectingTransport.sent.clear()
    CollectingHandler.sent.clear()
    try:
        scene()
    except Exception:
        sentry_sdk.capture_exception()
        logging.getLogger("scenes").exception("failed")
    return {
        "Sentry": "".join(CollectingTransport.sent),
        "Django": "".join(CollectingHandler.sent),
    }


def start_sentry() -> None:
    """Initialize Sentry with its defaults, apart from the transport."""
    sentry_sdk.init("http://key@127.0.0.1:9/1", transport=CollectingTransport)
