"""Runs codegen as people do: as a command, in the environment that its tools are pinned for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

REPO = Path(__file__).parents[2]
PROTOS = REPO / "proto"
GENERATED = REPO / "livekit_connector_sync" / "_gen"

sys.path.append(
    str(REPO)
)  # codegen is not installed; append it, so that it doesn't hide other modules

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def codegen_python() -> str:
    """Return the interpreter that has the tools of requirements-codegen.txt."""
    python = str(REPO / os.environ.get("CODEGEN_PYTHON", ".venv-codegen/bin/python"))
    if shutil.which(python) is None:
        pytest.fail(f"{python} is missing: run `make codegen-env`, or set CODEGEN_PYTHON")
    return python


@pytest.fixture(scope="session")
def run(codegen_python: str) -> Run:
    """Return a function that runs a module of codegen's in its own environment."""

    def run(
        module: str, *args: object, path: Path = REPO, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [codegen_python, "-W", "error", "-m", module, *map(str, args)],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(path), **environment},
            capture_output=True,
            encoding="utf-8",
        )

    return run


def use(folder: Path, program: str) -> str:
    """Run a program that imports packages of a folder beside ours; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(REPO)])},
        capture_output=True,
        encoding="utf-8",
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to import the installed livekit-protocol from, and nothing else."""
    spec = importlib.util.find_spec("livekit.protocol")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path_factory.mktemp("published")
    (folder / "livekit").mkdir()
    (folder / "livekit" / "protocol").symlink_to(Path(spec.origin).parent)
    return folder


@pytest.fixture(scope="session")
def upstream_protos(run: Run, published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all of upstream's protos, as `make protos` prints them."""
    folder = tmp_path_factory.mktemp("upstream")
    result = run("codegen.printer", "--out", folder, path=published)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """Return a copy of our protos that a test may change."""
    return Path(shutil.copytree(PROTOS, tmp_path / "proto"))


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that a file holds once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
