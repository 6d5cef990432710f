"""The documents: every Python snippet runs, and every command and linked file exists.

The Python blocks of a document run in order and in one namespace, with the environment of an
emulator. These names stand for a webhook's fields: `call_id` and `sdp` of an outbound call that was
picked up, `inbound_call_id` and `inbound_sdp` of an inbound call. A block that can't run doesn't
have the language ```python.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
EXTRAS = {"emulator", "django", "celery", "cli"}

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def blocks(document: Path, *languages: str) -> list[tuple[int, str]]:
    """Return a document's fenced blocks in some languages, each with its line number."""
    text = document.read_text("utf-8")
    found = re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        (text.count("\n", 0, match.start(2)), match[2]) for match in found if match[1] in languages
    ]


def names_of_webhooks(emulator: ConnectorEmulator) -> dict[str, str]:
    with lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client:
        dialled = client.dial_whatsapp_call(
            whatsapp_phone_number_id="1",
            whatsapp_to_phone_number="15550100",
            whatsapp_api_key="token",
            whatsapp_cloud_api_version="23.0",
        )
    answered = emulator.answer(dialled.whatsapp_call_id)
    inbound = emulator.inbound_call()
    return {
        "call_id": answered.whatsapp_call_id,
        "sdp": answered.sdp.sdp,
        "inbound_call_id": inbound.whatsapp_call_id,
        "inbound_sdp": inbound.sdp.sdp,
    }


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    """Undo what a snippet about logging sets for the whole process."""
    root, ours = logging.getLogger(), logging.getLogger("livekit_connector_sync")
    before = root.level, list(root.handlers), ours.level
    yield
    root.level, root.handlers[:] = before[0], before[1]
    ours.setLevel(before[2])


@pytest.mark.usefixtures("_logging_as_before")
@each_document
def test_python_snippets_run(document: Path, environment: ConnectorEmulator) -> None:
    names: dict[str, Any] = {"__name__": "__main__", **names_of_webhooks(environment)}
    try:
        for line, source in blocks(document, "python"):
            # Empty lines in front keep the line numbers of a traceback those of the document.
            exec(compile("\n" * line + source, str(document), "exec"), names)
    finally:
        for value in names.values():
            if isinstance(value, (lk.Channel, lk.ConnectorClient, lk.LiveKitAPI)):
                value.close()


def check_command(line: str) -> None:
    """Fail unless a reader can run a command line."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if not words or words[0] in ("cd", "export", "git"):
        return
    if words[0] == "make":
        wanted = {word for word in words[1:] if "=" not in word}
        assert wanted <= TARGETS, f"no such target: {line}"
    elif words[:2] == ["pip", "install"]:
        ours = re.fullmatch(r"livekit-connector-sync(?:\[([\w,]+)\])?", words[2])
        assert ours, line
        assert set((ours[1] or "emulator").split(",")) <= EXTRAS, f"no such extra: {line}"
    elif words[0] == "livekit-connector-sync":
        script = Path(sys.executable).with_name(words[0])
        command = [word for word in words[1:2] if not word.startswith("-")]
        subprocess.run([script, *command, "--help"], check=True, capture_output=True, timeout=60)
    elif words[0].startswith("python"):
        where = words[words.index("-m") + 1] if "-m" in words else words[1]
        assert (ROOT / where).exists() or importlib.util.find_spec(where), f"no such module: {line}"
    else:
        assert (ROOT / words[0]).exists(), f"unknown command: {line}"


@each_document
def test_commands_exist(document: Path) -> None:
    for _, source in blocks(document, "sh", "console"):
        for line in source.replace("\\\n", " ").splitlines():
            check_command(line.removeprefix("$ "))


@each_document
def test_targets_named_in_the_text_exist(document: Path) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", document.read_text("utf-8")))
    assert named <= TARGETS, named - TARGETS


@each_document
def test_linked_files_exist(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text("utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize(
    "line",
    [
        "make no-such-target",
        "pip install livekit-connector-sync[nothing]",
        "python -m livekit_connector_sync.nothing",
        "no-such-program --now",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        check_command(line)
