"""Regenerating: the output is always the same bytes, and `--check` shows differences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codegen.write import read_tree, replace

from .conftest import GENERATED, Run, edit

PACKAGE = "livekit_connector_sync._gen"
MARKER = "DO NOT EDIT"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the generated package that a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(GENERATED, tmp_path / "_gen", ignore=ignored))


@pytest.mark.codegen
def test_generated_code_is_what_the_protos_generate(run: Run) -> None:
    result = run("codegen", "--check")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.codegen
def test_output_depends_on_the_protos_alone(run: Run, protos: Path, tmp_path: Path) -> None:
    # Nor on what ruff finds around the folder.
    (tmp_path / "ruff.toml").write_text('exclude = ["*.py"]\nformat.quote-style = "single"\n')
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / ".git").mkdir()
    out = tmp_path / "build" / "livekit_connector_sync" / "elsewhere"
    out.parent.mkdir(parents=True)
    result = run(
        "codegen",
        *("--proto-dir", protos, "--out", out, "--package", PACKAGE),
        LC_ALL="C",
        PYTHONHASHSEED="1",
        TZ="Asia/Kathmandu",
    )
    assert result.returncode == 0, result.stderr
    assert read_tree(out) == read_tree(GENERATED)


@pytest.mark.codegen
def test_check_shows_a_field_that_was_added(run: Run, protos: Path) -> None:
    edit(
        protos / "livekit_connector_whatsapp.proto",
        "  google.protobuf.Duration ringing_timeout = 13;",
        "  google.protobuf.Duration ringing_timeout = 13;\n  string greeting = 16;",
    )
    result = run("codegen", "--check", "--proto-dir", protos)
    assert result.returncode == 1
    assert "+        greeting: Optional[str] = None," in result.stdout.splitlines()
    assert "run `make codegen`" in result.stderr
    assert max(map(len, result.stdout.splitlines())) < 200


@pytest.mark.codegen
def test_check_shows_a_line_that_was_edited_and_an_orphan(run: Run, copy: Path) -> None:
    edit(copy / "livekit_connector_twirp.py", 'required=("room_name",),', "required=(),")
    (copy / "left_over_pb2.py").write_text("import os\n")
    (copy / "empty_pb2.py").write_text("")
    (copy / "binary").write_bytes(b"\xff")
    enums = copy / "enums.py"
    enums.write_bytes(enums.read_bytes().replace(b"\n", b"\r\n", 1))
    result = run("codegen", "--check", "--out", copy, "--package", PACKAGE)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert {f"--- {copy}/empty_pb2.py", "-\\xff"} <= set(lines)
    assert any(line.startswith("-") and line.endswith("\\r") for line in lines)
    assert "-    required=()," in lines
    assert '+    required=("room_name",),' in lines
    assert "-import os" in lines


@pytest.mark.codegen
def test_regenerating_removes_orphans(run: Run, copy: Path) -> None:
    (copy / "left_over_pb2.py").write_text("")
    (copy / "left_over").mkdir()
    (copy / "left_over" / "deep_pb2.py").write_text("")
    result = run("codegen", "--out", copy, "--package", PACKAGE)
    assert result.returncode == 0, result.stderr
    assert read_tree(copy) == read_tree(GENERATED)
    assert [path.name for path in copy.parent.iterdir()] == ["_gen"]


@pytest.mark.codegen
def test_the_run_prints_how_to_import(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop" / "calls").mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "calls" / "__init__.py").write_text("")
    result = run("codegen", "--out", tmp_path / "shop" / "calls" / "generated")
    assert result.returncode == 0, result.stderr
    assert "from shop.calls.generated import ConnectorClient" in result.stdout


@pytest.mark.codegen
def test_a_run_that_fails_leaves_the_old_tree(run: Run, protos: Path, copy: Path) -> None:
    edit(protos / "livekit_rtc.proto", "message SessionDescription {", "message {")
    result = run("codegen", "--proto-dir", protos, "--out", copy, "--package", PACKAGE)
    assert result.returncode == 2
    assert "livekit_rtc.proto:" in result.stderr
    assert read_tree(copy) == read_tree(GENERATED)


@pytest.mark.codegen
def test_check_shows_where_a_long_line_differs(run: Run, copy: Path) -> None:
    module = copy / "livekit_connector_whatsapp_pb2.py"
    text = module.read_text()
    module.write_text(text.replace("participant_name", "participant_nam3", 1))
    result = run("codegen", "--check", "--out", copy, "--package", PACKAGE)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith("-") and "participant_nam3" in line for line in lines)
    assert any(line.startswith("+") and "participant_name" in line for line in lines)
    assert max(map(len, lines)) < 200


@pytest.mark.parametrize("moment", ["while it builds", "within a rename", "between the renames"])
def test_an_interrupted_run_leaves_the_old_tree(
    copy: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(folder: Path) -> None:
        (folder / "__init__.py").write_text(MARKER)
        if moment == "while it builds":
            raise KeyboardInterrupt

    rename = Path.rename

    def rename_once(source: Path, target: Path) -> Path:
        if source.name == "new":
            raise KeyboardInterrupt
        renamed = rename(source, target)
        if moment == "within a rename" and target.name == "old":
            raise KeyboardInterrupt  # a signal's handler runs when the system call has returned
        return renamed

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(KeyboardInterrupt):
        replace(copy, MARKER, build)
    assert read_tree(copy) == read_tree(GENERATED)
    assert [path.name for path in copy.parent.iterdir()] == ["_gen"]


def test_the_run_after_one_that_was_killed_restores_the_old_tree(copy: Path) -> None:
    staging = copy.parent / "._gen.codegen"
    staging.mkdir()
    copy.rename(staging / "old")

    def build(folder: Path) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace(copy, MARKER, build)
    assert read_tree(copy) == read_tree(GENERATED)
    assert [path.name for path in copy.parent.iterdir()] == ["_gen"]
