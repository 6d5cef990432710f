"""Guarantee 4: crash reporters send the locals of every frame, and ours contain no secret."""

from __future__ import annotations

import inspect
import json
import os
import secrets
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.redaction import hide_locals
from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio

SECRET = secrets.token_hex(16)


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, str]]:
    """Return what each reporter sends about each scene of `crash_reports.py`."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crash_reports.py"))],
        env={**os.environ, "SECRET_OF_THE_SCENES": SECRET},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    loaded: dict[str, dict[str, str]] = json.loads(done.stdout)
    return loaded


@pytest.mark.parametrize("reporter", ["Sentry", "rich", "Django", "traceback"])
def test_guarantee_4_crash_reporters_see_no_secret(reports, reporter) -> None:
    # The control's own frame shows the secret, so the reporter does send what it finds.
    shown = {scene: report[reporter] for scene, report in reports.items()}
    assert SECRET in shown.pop("control")
    assert len(shown) > 50
    assert [scene for scene, text in shown.items() if SECRET in text] == []
    assert [scene for scene, text in shown.items() if "livekit_connector_sync" not in text] == []


def test_the_frames_of_an_exception_that_the_caller_handles_keep_their_locals() -> None:
    def fail() -> None:
        order_number = 4711
        raise KeyError(order_number)

    def handle() -> None:
        try:
            fail()
        except KeyError:
            meta.verify(b"{}", None, "secret")

    with pytest.raises(WebhookError) as caught:
        handle()
    cause = caught.value.__context__
    assert cause is not None
    frames = traceback.TracebackException.from_exception(cause, capture_locals=True)
    assert "4711" in "".join(frames.format())


def test_a_callers_generator_continues_after_an_exception() -> None:
    # Clearing the frame of a suspended generator would close it.
    steps = []

    @contextmanager
    def session() -> Iterator[KeyError]:
        try:
            raise KeyError
        except KeyError as error:
            yield error
        steps.append("committed")

    with session() as error:
        try:
            raise error
        except KeyError:
            with pytest.raises(WebhookError):
                meta.verify(b"{}", None, "secret")
    assert steps == ["committed"]


def test_guarantee_4_an_exception_reraised_by_its_handler_loses_its_locals() -> None:
    @hide_locals
    def fail(app_secret: str, error: KeyError) -> None:
        def sign() -> None:
            key = app_secret  # noqa: F841 - what the report would show
            raise error

        sign()

    def handle(error: KeyError) -> None:
        try:
            raise error
        except KeyError:
            fail(os.environ["PATH"], error)

    with pytest.raises(KeyError) as caught:
        handle(KeyError())
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "in sign" in "".join(report.format())
    assert os.environ["PATH"] not in "".join(report.format())


@pytest.mark.parametrize(
    ("function", "first", "last"),
    [
        (meta.receive, "body", "app_secret"),
        (twilio.verify, "url", "signature_settings"),
        (livekit.receive, "body", "keys"),
        (lk.ConnectorClient, "url", "validate"),
        (lk.LiveKitAPI, "url", "validate"),
        (lk.LiveKitAPI.with_token, "token", "failover"),
        (lk.Channel, "url", "proxies"),
        (lk.AccessToken, "api_key", "api_secret"),
    ],
)
def test_hide_locals_keeps_the_functions_signature(function, first, last) -> None:
    parameters = list(inspect.signature(function).parameters)
    assert (parameters[0], parameters[-1]) == (first, last)


def test_the_frames_of_an_exceptions_context_lose_their_locals() -> None:
    def sign(app_secret: str) -> None:
        raise KeyError

    @hide_locals
    def verify(app_secret: str) -> None:
        try:
            sign(app_secret)
        except KeyError:
            raise ValueError  # noqa: B904 - the context is what the test is about

    with pytest.raises(ValueError, match=r"^$") as caught:
        verify(os.environ["PATH"])
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "in sign" in "".join(report.format())
    assert os.environ["PATH"] not in "".join(report.format())
