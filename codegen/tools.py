"""Runs the command-line tools of requirements-codegen.txt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Optional

from .errors import CodegenError


def run_tool(module: str, *args: object, cwd: Optional[Path] = None) -> None:
    """Run a tool as `python -m module`, with the Python that runs codegen.

    Raises:
        CodegenError: the tool is not installed, or it fails.
    """
    run = subprocess.run(
        [sys.executable, "-m", module, *map(str, args)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if run.returncode != 0:
        name = module.rpartition(".")[2]
        if "No module named" in run.stdout:
            raise CodegenError(f"{sys.executable} has no {name}: install requirements-codegen.txt")
        raise CodegenError(f"{name}: {'; '.join(run.stdout.strip().splitlines())}")
