"""Our messages and those of livekit-protocol in one process.

Every combination runs in a separate interpreter with the installed protobuf; tox.ini adds other
versions. Some releases of livekit-protocol fail or warn with some versions of protobuf. In that
case, importing the release alone must fail or warn too, and our package must not make it worse.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from google.protobuf import runtime_version

BESIDE = Path(__file__).with_name("beside.py")
RELEASES = ["1.0.8", "1.1.0", "newest"]
RUNTIME = (runtime_version.MAJOR, runtime_version.MINOR, runtime_version.PATCH)

Version = tuple[int, ...]
Install = Callable[[str], Path]


def refuses(gencode: Version) -> bool:
    """Return whether protobuf rejects gencode: 5.27 and later reject gencode that is newer."""
    return gencode >= (5, 27) and gencode > RUNTIME


def warns(gencode: Version) -> bool:
    """Return whether protobuf warns of gencode: 6.30 and 6.31 do, if it is one major older."""
    return (5, 27) <= gencode < (6,) and (6, 30) <= RUNTIME < (6, 32)


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Return a function that installs a release of livekit-protocol into a folder of its own."""
    folders: dict[str, Path] = {}

    def install(release: str) -> Path:
        if release not in folders:
            folder = tmp_path_factory.mktemp("livekit-protocol")
            name = "livekit-protocol" + ("" if release == "newest" else f"=={release}")
            command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*command, "--no-deps", "--target", folder, name], check=True)
            folders[release] = folder
        return folders[release]

    return install


def gencode(folder: Path) -> Version:
    """Return the version of protoc's Python output that a release was generated with."""
    text = (folder / "livekit" / "protocol" / "models.py").read_text("utf-8")
    match = re.search(r"^# Protobuf Python Version: ([\d.]+)$", text, re.MULTILINE)
    assert match, "livekit-protocol no longer says what it was generated with"
    return tuple(map(int, match.group(1).split(".")))


def python(folder: Path, implementation: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with a release of livekit-protocol ahead of all others."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_the_requested_implementation_is_used(implementation: str, tmp_path: Path) -> None:
    code = "from google.protobuf.internal import api_implementation as a; print(a.Type())"
    assert python(tmp_path, implementation, "-c", code).stdout.strip() == implementation


@pytest.mark.parametrize("release", RELEASES)
def test_livekit_protocol_alone_behaves_as_expected(release: str, install: Install) -> None:
    folder = install(release)
    code = "import livekit.protocol.models as m; print(m.__file__)"
    result = python(folder, "upb", "-c", code)
    if refuses(gencode(folder)):
        assert "VersionError" in result.stderr
    elif warns(gencode(folder)):
        assert "exactly one major version older" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith(str(folder))


@pytest.mark.parametrize("order", ["ours-first", "theirs-first"])
@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("release", RELEASES)
def test_guarantee_7_beside_livekit_protocol(
    release: str, implementation: str, order: str, install: Install
) -> None:
    folder = install(release)
    warnings = ["-W", "ignore:Protobuf gencode version"] if warns(gencode(folder)) else []
    result = python(folder, implementation, *warnings, str(BESIDE), order)
    if refuses(gencode(folder)):
        assert "VersionError" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
