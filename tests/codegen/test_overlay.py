"""Mistakes in the tables of facts are refused: one that went unread could place a call twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import REPO

LOAD = """
import pathlib, sys
from codegen import overlay
from codegen.errors import CodegenError
try:
    overlay.load(pathlib.Path(sys.argv[1]))
except CodegenError as error:
    print(error)
"""
GRANTS = '[claims]\nroom_create = [{ name = "roomCreate" }]\n'
ENTRY = 'complete = ["shop.Tills"]\n[methods."shop.Tills".Pay]\ngrant = "room_create"\n'


@pytest.mark.codegen
@pytest.mark.parametrize(
    ("overlay", "grants", "words"),
    [
        (ENTRY, GRANTS, ""),
        ("", GRANTS + 'none = []\n["shop.Tills"]\nnone = ["*"]', ""),
        ("complete = [", GRANTS, "codegen/overlay.toml is not TOML"),
        ("complet = []", GRANTS, "nobody reads complet"),
        ("complete = 'shop.Tills'", GRANTS, "complete must be a list of strings"),
        ("sensitivity = 7", GRANTS, "sensitivity must be a table"),
        ('[sensitivity."shop.Card"]\npin = "SECRT"', GRANTS, 'shop.Card.pin must be "PII" or'),
        (ENTRY.replace("complete", "#"), GRANTS, "has entries of shop.Tills, which stands neither"),
        ("[methods]\nTills = 7", GRANTS, "has entries of Tills"),
        (ENTRY + "safe_to_repaet = true", GRANTS, "shop.Tills.Pay has an unknown fact safe_to"),
        (ENTRY + "safe_to_repeat = 1", GRANTS, "safe_to_repeat must be a bool"),
        (ENTRY + "required = [1]", GRANTS, "required must be a list of strings"),
        (ENTRY + 'required_unless = [["a", "b"]]', GRANTS, "is a field, an enum field and a"),
        (ENTRY + "formats = { a = 1 }", GRANTS, "the values of formats must be a list of strings"),
        (ENTRY.replace("room_create", "room"), GRANTS, "names the grant 'room'"),
        ("", GRANTS + 'bad = "roomCreate"', "the claims bad must be a list of tables"),
        ("", GRANTS + 'bad = [{ nam = "x" }]', "has a name, and may have a section and a field"),
        ("", GRANTS + 'bad = [{ name = "x", section = "y" }]', "a section is one of video, sip"),
        ("", GRANTS + '[Tills]\nroom_create = "*"', 'room_create of ["Tills"] must be a list'),
        ("", GRANTS + '[Tills]\nroom_create = ["A", "A"]', '["Tills"] has two grants of A'),
        ("", GRANTS + '[Tills]\nroom = ["A"]', "[\"Tills\"] names the grant 'room'"),
    ],
)
def test_a_mistake_in_a_table(
    codegen_python: str, tmp_path: Path, overlay: str, grants: str, words: str
) -> None:
    (tmp_path / "overlay.toml").write_text(overlay)
    (tmp_path / "grants.toml").write_text(grants)
    result = subprocess.run(
        [codegen_python, "-c", LOAD, str(tmp_path)],
        cwd=REPO,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert words in result.stdout
    assert result.stdout.count("\n") == bool(words)
