"""Mistakes in the overlay and the grants are rejected: a mistyped fact could place a call twice."""

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
        ("complet = []", GRANTS, "key: 'complet' is not one of complete"),
        ("complete = 'shop.Tills'", GRANTS, "complete must be a list"),
        ("sensitivity = 7", GRANTS, "sensitivity must be a table"),
        ('[sensitivity."shop.Card"]\npin = "SECRT"', GRANTS, "shop.Card.pin: 'SECRT' is not one"),
        (ENTRY.replace("complete", "#"), GRANTS, "has entries of shop.Tills, which is neither"),
        ("[methods]\nTills = 7", GRANTS, "methods: Tills must be a table"),
        (
            ENTRY + "safe_to_repaet = true",
            GRANTS,
            "fact: 'safe_to_repaet' is not one of",
        ),
        (ENTRY + "safe_to_repeat = 1", GRANTS, "safe_to_repeat must be a bool"),
        (ENTRY + "required = [1]", GRANTS, "required[0] must be a str"),
        (
            ENTRY + 'required_unless = [["a", "b"]]',
            GRANTS,
            "[0]: ['a', 'b'] must have 3 items",
        ),
        (ENTRY + "formats = { a = 1 }", GRANTS, "formats[0][1] must be a str"),
        (
            ENTRY.replace("room_create", "room"),
            GRANTS,
            "shop.Tills.Pay: grant: 'room' is not",
        ),
        ("", GRANTS + 'bad = "roomCreate"', "the claims bad must be a list of tables"),
        ("", GRANTS + 'bad = [{ nam = "x" }]', "bad: each must have a name"),
        (ENTRY + 'formats = { a = "phone" }', GRANTS, "formats: 'phone' is not one of agents,"),
        (ENTRY + 'repeat_done = ["gone"]', GRANTS, "repeat_done: 'gone' is not one of aborted,"),
        ("", GRANTS + 'bad = [{ name = "x", fields = "y" }]', "bad: key: 'fields' is not one of"),
        ("", GRANTS + "bad = [{ name = 1 }]", "bad: name must be a str"),
        (
            "",
            GRANTS + 'bad = [{ name = "x", section = "y" }]',
            "bad: section: 'y' is not one of video, sip",
        ),
        ("", GRANTS + '[Tills]\nroom_create = "*"', '["Tills"]: room_create must be a list'),
        ("", GRANTS + '[Tills]\nroom_create = ["A", "A"]', '["Tills"] has two grants of A'),
        (
            "",
            GRANTS + '[Tills]\nroom = ["A"]',
            "[\"Tills\"]: grant: 'room' is not one of",
        ),
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
