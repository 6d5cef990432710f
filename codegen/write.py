"""Replaces a generated folder, or compares it with new content."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Callable, Optional

from .errors import CodegenError

_PIECE = re.compile(r".{1,150}?\\n|.{1,150}")


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, except caches, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def replace(out: Path, marker: str, build: Callable[[Path], None]) -> None:
    """Build a new folder next to the old one, then swap the two.

    The old folder stays complete until the new one is: one rename moves it away, and another moves
    it back if the swap fails. Files that are no longer generated disappear with it.

    Args:
        out: the folder to replace; it need not exist.
        marker: text in the `__init__.py` of every generated package; a folder without it contains
            somebody's own work.
        build: writes the new content into the empty folder that it is given.

    Raises:
        CodegenError: the folder contains anything other than generated code.
    """
    # Next to the folder, because a rename must stay on one filesystem.
    staging = out.parent / f".{out.name}.codegen"
    new, old = staging / "new", staging / "old"
    if old.exists() and not out.exists():
        old.rename(out)  # a run was killed between its two renames
    shutil.rmtree(staging, ignore_errors=True)
    init = out / "__init__.py"
    generated = init.is_file() and marker in init.read_text(encoding="utf-8")
    if out.exists() and not generated and (not out.is_dir() or any(out.iterdir())):
        raise CodegenError(f"{out} is not a generated package: codegen would delete its content")
    try:
        new.mkdir(parents=True)
        build(new)
        try:
            if out.exists():
                out.rename(old)
            new.rename(out)
        except BaseException:
            if old.exists() and not out.exists():
                old.rename(out)
            raise
    finally:
        if out.exists() or not old.exists():  # else the next run restores the old folder
            shutil.rmtree(staging, ignore_errors=True)


def differences(old: Mapping[str, bytes], new: Mapping[str, bytes], label: str) -> str:
    """Return a unified diff of two folders, given as `read_tree` returns them.

    It is empty if they are the same to the byte; `label` is the folder's name in the headings.
    """
    lines: list[str] = []
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            before = f"{label}/{name}" if name in old else "/dev/null"
            after = f"{label}/{name} (as generated)" if name in new else "/dev/null"
            diff = difflib.unified_diff(
                _lines(old.get(name)), _lines(new.get(name)), before, after, lineterm=""
            )
            # Without a diff, an empty file was added or removed.
            lines += list(diff) or [f"--- {before}", f"+++ {after}"]
    return "\n".join(lines)


def _lines(content: Optional[bytes]) -> list[str]:
    """Return a file's lines with escapes for everything but plain text, long lines in pieces.

    A long line is a descriptor, in which "\\n" comes before most names: pieces that end there stay
    comparable.
    """
    text = (content or b"").decode("utf-8", "backslashreplace").replace("\r", "\\r")
    lines = text.split("\n") if text else []
    return [piece for line in lines for piece in _PIECE.findall(line) or [line]]
