"""The core and the webhooks work without Django and Celery."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = "import sys; sys.modules[{module!r}] = None; "


def run(statement: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", statement]
    return subprocess.run(command, text=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "module",
    [
        "livekit_connector_sync",
        "livekit_connector_sync.webhooks",
        "livekit_connector_sync.testing",
        "livekit_connector_sync.contrib.settings",
        "livekit_connector_sync.contrib.clients",
    ],
)
def test_the_core_and_the_webhooks_import_no_framework(module: str) -> None:
    result = run(
        f"import {module}, sys; "
        "sys.exit(sorted({'django', 'celery', 'twilio'} & set(sys.modules)) or 0)"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["", ".views", ".urls", ".signals"])
def test_without_django_the_error_names_the_extra(module: str) -> None:
    hide = HIDE.format(module="django")
    result = run(f"{hide}import livekit_connector_sync.contrib.django{module}")
    assert result.returncode == 1
    assert "ImportError" in result.stderr
    assert "pip install 'livekit-connector-sync[django]'" in result.stderr
