"""Type checkers find the mistakes in code that uses the package.

`make types` checks that they find none in user_code.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import livekit_connector_sync as lk

ROOT = Path(__file__).parents[2]
USER_CODE = Path(__file__).with_name("user_code.py")
WRONG_CODE = Path(__file__).with_name("wrong_code.py")


def mypy(path: Path) -> dict[int, str]:
    """Return what mypy finds wrong with a file, by line."""
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(path)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert not result.stderr, result.stderr
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", result.stdout, re.MULTILINE)
    assert {Path(name).name for name, _, _ in found} <= {path.name}, result.stdout
    return {int(line): message for _, line, message in found}


def pyright(path: Path) -> dict[int, str]:
    """Return what pyright finds wrong with a file, by line."""
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pyright",
            "--outputjson",
            "--pythonpath",
            sys.executable,
            str(path),
        ],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert result.stdout, result.stderr
    report = json.loads(result.stdout)
    return {
        found["range"]["start"]["line"] + 1: found["message"]
        for found in report["generalDiagnostics"]
        if found["severity"] == "error"
    }


def marked_lines(path: Path) -> set[int]:
    lines = path.read_text("utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if "# error:" in line}


def test_mypy_finds_every_mistake() -> None:
    found = mypy(WRONG_CODE)
    assert set(found) == marked_lines(WRONG_CODE), found


def test_pyright_finds_every_mistake() -> None:
    found = pyright(WRONG_CODE)
    assert set(found) == marked_lines(WRONG_CODE), found


def test_user_code_uses_every_public_name() -> None:
    text = USER_CODE.read_text("utf-8")
    assert not {name for name in lk.__all__ if not re.search(rf"\b(lk|errors)\.{name}\b", text)}
