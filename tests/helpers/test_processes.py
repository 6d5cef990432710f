"""The check that no test leaves a process behind."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SLEEP = "import time; time.sleep(30)"


def test_a_process_that_runs_on_is_named_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    before = processes.children()
    process = subprocess.Popen([sys.executable, "-c", SLEEP])
    (command,) = processes.end_processes_left(before)
    assert SLEEP in command
    assert process.wait(1) is not None
    assert processes.children() == before


def test_an_orphan_of_a_child_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    before = processes.children()
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"
    subprocess.run([sys.executable, "-c", parent], check=True)
    (command,) = processes.end_processes_left(before)
    assert SLEEP in command


def test_a_process_that_has_ended_is_not_reported() -> None:
    before = processes.children()
    process = subprocess.Popen([sys.executable, "-c", ""])
    assert processes.end_processes_left(before) == []
    assert process.wait(1) is not None
