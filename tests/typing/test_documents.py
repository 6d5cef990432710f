"""The Python of the documents passes mypy and pyright."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The names that the text around the snippets, or a project, defines; see tests/docs.
WEBHOOK = 'call_id = sdp = ""'
CONTEXT = {
    "README.md": WEBHOOK,
    "calls.md": WEBHOOK,
    "celery.md": "# pyright: reportFunctionMemberAccess=false",  # takes a task for a function
    "whatsapp.md": 'inbound_call_id = ""',
    "observability.md": f"import livekit_connector_sync as lk; {WEBHOOK}",
    "mysite/settings.py": "INSTALLED_APPS: list[str] = []",
}
# Django and Celery are untyped, so ignore what checkers infer about them.
PYRIGHT = """{
    "pythonVersion": "3.9",
    "useLibraryCodeForTypes": false,
    "reportMissingModuleSource": "none",
    "reportMissingTypeStubs": "none"
}"""
MYPY = """[mypy]
check_untyped_defs = True
follow_imports = silent
ignore_missing_imports = True
allow_redefinition_new = True
local_partial_types = True
"""
MYPY_COMMAND = ("mypy", ".")
PYRIGHT_COMMAND = ("pyright", "--pythonpath", sys.executable)


def write_snippets(folder: Path) -> None:
    """Write the snippets as modules, on the lines that they have in the document.

    A snippet with a file's name is that file; the others of a document are one module.
    """
    files: dict[str, list[str]] = {}
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for block in re.finditer(r"^```py(?:thon)?\b *(.*)\n((?:.*\n)*?)^```$", text, re.MULTILINE):
            name = block[1] or document.name
            lines = files.setdefault(name, [CONTEXT.get(name, "")])
            lines += [""] * (text.count("\n", 0, block.start(2)) - len(lines))
            lines += block[2].splitlines()
    for name, lines in files.items():
        path = folder / name.replace(".md", "_md.py")
        if path.parent != folder:
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
        path.write_text("\n".join([*lines, ""]), "utf-8")
    (folder / "pyrightconfig.json").write_text(PYRIGHT)
    (folder / "mypy.ini").write_text(MYPY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    write_snippets(folder)
    assert (folder / "README_md.py").read_text("utf-8").count("client.") >= 4
    assert (folder / "calls" / "receivers.py").exists()
    return folder


def check(folder: Path, *command: str) -> str:
    """Run a checker in the folder; return what it finds."""
    environment = {**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**environment, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        text=True,
        capture_output=True,
        timeout=300,
    )
    return result.stdout + result.stderr if result.returncode else ""


def test_mypy_accepts_the_snippets(folder: Path) -> None:
    assert check(folder, *MYPY_COMMAND) == ""


def test_pyright_accepts_the_snippets(folder: Path) -> None:
    assert check(folder, *PYRIGHT_COMMAND) == ""


def test_a_mistake_in_a_snippet_is_found(folder: Path) -> None:
    file = folder / "calls" / "actions.py"
    before = file.read_text("utf-8")
    file.write_text(before.replace("whatsapp_to_phone_number=number,", ""), "utf-8")
    try:
        for checker in (MYPY_COMMAND, PYRIGHT_COMMAND):
            assert "No overload" in check(folder, *checker)
    finally:
        file.write_text(before, "utf-8")
