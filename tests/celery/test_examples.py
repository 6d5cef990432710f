"""The documents' code and the bulk dialler."""

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
def test_a_campaign_started_twice_calls_nobody_twice(
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
