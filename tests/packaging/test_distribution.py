"""The wheel and the sdist: their contents, and the wheel in an empty environment."""

from __future__ import annotations

import email
import email.message
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import jedi
import pytest

import livekit_connector_sync

ROOT = Path(__file__).parents[2]
PACKAGE = "livekit_connector_sync"


def run(*command: object, cwd: Path) -> str:
    """Run a command; return what it printed, or fail with it."""
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, text=True, capture_output=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"  # a copy, since a build writes into its source
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=ignored)
    run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Return the names of the wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: set[str]) -> email.message.Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that holds nothing but the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    run(*pip, "install", "-qq", "--disable-pip-version-check", wheel, cwd=folder)
    return folder


def test_wheel_contains_the_package_and_nothing_else(names: set[str]) -> None:
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{PACKAGE}/py.typed" in source
    assert any(name.endswith("_pb2.pyi") for name in source)
    assert {name for name in names if ".dist-info/" not in name} == source


def test_sdist_contains_the_sources_and_the_documentation(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "setup.py",
        "docs/calls.md",
        "proto/livekit_connector.proto",
        f"{PACKAGE}/py.typed",
    ):
        assert name in held, name
    assert not [
        name
        for name in held
        if "__pycache__" in name
        or name.startswith((".venv", ".tox", "codegen", "tests", "benchmarks", "build"))
    ]


def test_metadata_matches_the_code(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "livekit-connector-sync"
    assert metadata["Version"] == livekit_connector_sync.__version__
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata["License-Expression"] == "Apache-2.0"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[^\w-]", line)[0] for line in required} == {
        "protobuf",
        "PyJWT",
        "requests",
        "urllib3",
    }
    assert set(metadata.get_all("Provides-Extra", [])) == {"emulator", "django", "celery", "cli"}
    dynamic = {line for line in metadata.get_all("Dynamic", []) if line != "license-file"}
    assert not dynamic, "setup.py or setuptools changed what pyproject.toml states"


def test_changelog_has_an_entry_for_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version = re.escape(livekit_connector_sync.__version__)
    assert re.search(rf"^## \[(Unreleased|{version})\]", changelog, re.MULTILINE)


def test_wheel_runs_in_an_empty_environment(empty_environment: Path, tmp_path: Path) -> None:
    code = (
        "import livekit_connector_sync as lk\n"
        "from livekit_connector_sync.emulator import ConnectorEmulator\n"
        "with ConnectorEmulator() as emulator, lk.ConnectorClient(\n"
        "    emulator.url, emulator.api_key, emulator.api_secret\n"
        ") as client:\n"
        "    print(client.connect_twilio_call(\n"
        "        room_name='r', twilio_call_direction='TWILIO_CALL_DIRECTION_INBOUND'\n"
        "    ).connect_url.partition(':')[0])\n"
    )
    python = empty_environment / "bin" / "python"
    assert run(python, "-W", "error", "-c", code, cwd=tmp_path).strip() in ("ws", "wss")


def test_console_script_is_installed(empty_environment: Path, tmp_path: Path) -> None:
    script = empty_environment / "bin" / "livekit-connector-sync"
    assert "usage" in run(script, "--help", cwd=tmp_path).lower()


def test_types_of_the_installed_wheel_are_found(empty_environment: Path, tmp_path: Path) -> None:
    path = tmp_path / "user.py"
    path.write_text(
        "import livekit_connector_sync as lk\n"
        "client = lk.ConnectorClient('wss://x', 'key', 'secret')\n"
        "reveal_type(client.connect_twilio_call(lk.ConnectTwilioCallRequest()).connect_url)\n"
        "client.disconnect_whatsapp_call(whatsapp_call_id=1)\n"
    )
    python = empty_environment / "bin" / "python"
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(python), str(path)],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert 'Revealed type is "builtins.str"' in result.stdout, result.stdout + result.stderr
    assert 'No overload variant of "disconnect_whatsapp_call"' in result.stdout
    assert "Found 1 error" in result.stdout


def test_jedi_completes_on_the_installed_wheel(empty_environment: Path) -> None:
    environment = jedi.create_environment(str(empty_environment), safe=False)
    source = "import livekit_connector_sync as lk\nlk.ConnectorClient('u', 'k', 's').dial"
    completions = jedi.Script(source, environment=environment).complete()
    assert [completion.name for completion in completions] == ["dial_whatsapp_call"]
