"""Guarantee 4: crash reporters send the locals of every frame, and ours contain no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.crash_reports import SECRET, reports_of

# A stranger's request is rejected with a warning only, which is not reported.
SILENT = {"meta, a stranger", "handshake, a stranger"}


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, str]]:
    return reports_of(Path(__file__).with_name("crash_site.py"))


@pytest.mark.parametrize("reporter", ["Sentry", "Django"])
def test_guarantee_4_crash_reports_of_a_site_show_no_secret(
    reports: dict[str, dict[str, str]], reporter: str
) -> None:
    shown = {scene: report[reporter] for scene, report in reports.items()}
    assert SECRET in shown.pop("control")  # so the reporter does send the locals of frames
    assert {scene for scene, text in shown.items() if not text} == SILENT
    assert [scene for scene, text in shown.items() if SECRET in text] == []
