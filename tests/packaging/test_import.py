"""Importing the package is light and does no I/O. Each test runs in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# Audit events: https://docs.python.org/3/library/audit_events.html
WATCH = """
import json, os, sys

events = []
sys.addaudithook(lambda event, args: events.append(event))

class Watched(type(os.environ)):
    def __getitem__(self, key):
        read.append(key)
        return super().__getitem__(key)

read = []
os.environ.__class__ = Watched
before = set(sys.modules)
{statement}
loaded = sorted(set(sys.modules) - before)
files = {{name: getattr(sys.modules[name], "__file__", None) or "" for name in loaded}}
installed = {{name.partition(".")[0] for name, file in files.items() if "site-packages" in file}}
print(json.dumps({{
    "events": sorted(set(events)),
    "read": read,
    "loaded": loaded,
    "installed": sorted(installed),
}}))
"""


def watch(statement: str) -> dict[str, Any]:
    """Return the audit events, environment variables read, modules and packages loaded."""
    result = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", WATCH.format(statement=statement)],
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    return seen


def test_guarantee_6_import_opens_no_socket_and_starts_no_process() -> None:
    events = watch("import livekit_connector_sync")["events"]
    assert "import" in events
    kinds = ("socket.", "subprocess.", "os.exec", "os.fork", "os.system", "_thread.", "urllib.")
    assert not [event for event in events if event.startswith(kinds)]


def test_guarantee_6_import_reads_no_setting_from_the_environment() -> None:
    assert "LIVEKIT_URL" in watch("os.environ.get('LIVEKIT_URL')")["read"]
    read = watch("import livekit_connector_sync")["read"]
    assert not [name for name in read if "LIVEKIT" in name or "PROXY" in name.upper()]


@pytest.mark.parametrize("library", ["requests", "urllib3", "jwt", "ssl", "http.server", "asyncio"])
def test_import_leaves_slow_libraries_for_the_first_call(library: str) -> None:
    assert library not in watch("import livekit_connector_sync")["loaded"]


def test_import_does_not_load_the_client_for_metas_api() -> None:
    loaded = watch("import livekit_connector_sync")["loaded"]
    assert not [name for name in loaded if name.startswith("livekit_connector_sync.whatsapp")]


def test_guarantee_6_import_loads_only_protobuf_and_the_standard_library() -> None:
    installed = watch("import livekit_connector_sync")["installed"]
    assert "google" in installed
    assert set(installed) <= {"google", "livekit_connector_sync"}
