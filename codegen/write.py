"""Puts a generated tree in place of the old one, or compares the two."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional

from .errors import CodegenError

__all__ = ["differences", "read_tree", "replace"]

_LONGEST_LINE = 160


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder by its relative path, caches left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def replace(out: Path, marker: str, build: Callable[[Path], None]) -> None:
    """Build a tree beside a folder and put it in the folder's place.

    The old tree stays whole until the new one is complete: it goes by a rename, and comes back if
    the second rename fails. Files that are not generated any more go with it.

    Args:
        out: the folder to replace; it may be missing.
        marker: text in the `__init__.py` of every generated package; a folder without it is
            somebody's own work.
        build: writes the new tree into the empty folder it is given.

    Raises:
        CodegenError: the folder holds something else than generated code.
    """
    # Beside the folder, as a rename must stay on one filesystem.
    staging = out.parent / f".{out.name}.codegen"
    new, old = staging / "new", staging / "old"
    if old.exists() and not out.exists():
        old.rename(out)  # a run was killed between its two renames
    shutil.rmtree(staging, ignore_errors=True)
    init = out / "__init__.py"
    generated = init.is_file() and marker in init.read_text(encoding="utf-8")
    if out.exists() and not generated and (not out.is_dir() or any(out.iterdir())):
        raise CodegenError(f"{out} is not a generated package: codegen would remove what is in it")
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
        if out.exists() or not old.exists():  # else the next run brings the old tree back
            shutil.rmtree(staging, ignore_errors=True)


def differences(old: Mapping[str, bytes], new: Mapping[str, bytes], label: str) -> str:
    """Return a unified diff of two trees; empty if they are the same to the byte.

    Args:
        old: content by relative path.
        new: content by relative path.
        label: the folder's name in the diff's headings.
    """
    lines: list[str] = []
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            before = f"{label}/{name}" if name in old else "/dev/null"
            after = f"{label}/{name} (as generated)" if name in new else "/dev/null"
            diff = difflib.unified_diff(
                _lines(old.get(name)), _lines(new.get(name)), before, after, lineterm=""
            )
            # If there is none, one of them is there, and empty.
            lines += _readable(list(diff)) or [f"--- {before}", f"+++ {after}"]
    return "\n".join(lines)


def _readable(diff: Sequence[str]) -> list[str]:
    """Cut long lines, as those of the descriptors in _pb2.py, around their first difference."""
    changed = {
        sign: [line[1:] for line in diff if line[:1] == sign and len(line) > _LONGEST_LINE]
        for sign in "-+"
    }
    starts = {line: _first_difference(*pair) for pair in zip(*changed.values()) for line in pair}
    return [line[:1] + _cut(line[1:], starts.get(line[1:], 0)) for line in diff]


def _first_difference(one: str, other: str) -> int:
    length = min(len(one), len(other))
    return next((index for index in range(length) if one[index] != other[index]), length)


def _cut(line: str, difference: int) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    start = max(difference - _LONGEST_LINE // 2, 0)
    end = start + _LONGEST_LINE
    before, after = "... " if start else "", " ..." if end < len(line) else ""
    return f"{before}{line[start:end]}{after}"


def _lines(content: Optional[bytes]) -> list[str]:
    """Return a file's lines, with all that is no plain text visible."""
    text = (content or b"").decode("utf-8", "backslashreplace").replace("\r", "\\r")
    return text.split("\n") if text else []
