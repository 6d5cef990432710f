"""Guarantee 4: crash reporters send the locals of every frame, and ours contain no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.crash_reports import SECRET, reports_of


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, str]]:
    return reports_of(Path(__file__).with_name("crash_tasks.py"))


def test_guarantee_4_crash_reports_of_tasks_show_no_secret(
    reports: dict[str, dict[str, str]],
) -> None:
    shown = {scene: report["Sentry"] for scene, report in reports.items()}
    assert SECRET in shown.pop("control")  # so Sentry does send the locals of frames
    assert [scene for scene, text in shown.items() if not text] == []
    assert [scene for scene, text in shown.items() if SECRET in text] == []


def test_guarantee_4_error_mails_about_unsent_tasks_show_no_secret(
    reports: dict[str, dict[str, str]],
) -> None:
    # Of a task that fails in a worker, Celery's own frame holds the arguments.
    for scene in ("a secret is sent", "a wrong field is sent", "the broker is down"):
        assert reports[scene]["Django"]
        assert SECRET not in reports[scene]["Django"]
