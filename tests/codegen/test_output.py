"""The code that is generated from odd but legal protos is formatted, linted, typed, and correct."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPO, Run, use

PROTO = r'''
syntax = "proto3";
package livekit;
import "google/protobuf/descriptor.proto";
import "inner.proto";
import "kinds.proto";

// Ends in a "quote"
message Ask {
  extend google.protobuf.FieldOptions { string hint = 50001; }
  string dict = 1; // Ends in a backslash \
  string str = 2;
  string Any = 3; // Has """three""" of them
  livekit.inner.Ask inner = 4;
  oneof way {
    // The street.
    string by_land = 5;
    string by_sea = 6;
  }
  optional bool sure = 7;
  Kind kind = 8; // The only thing that its file declares
  Ask again = 9; // Has a field with a type's name, so there is no dict of it
  map<string, Note> notes = 10;
}
message Note {
  // A secret of many quotes: """"
  string text = 1;
}
// """Quoted"""
service Foo {
  // Says "BarBaz"
  rpc BarBaz(Ask) returns (Note);
}
// "Quoted" at its start, and a backslash at its end \
service FooBar {
  // "Begins with a quote" and goes on for such a long time that it does not fit in one line of the
  // text "
  rpc Baz(Note) returns (Ask);
  rpc List(Note) returns (Note);
}
'''
INNER = 'syntax = "proto3"; package livekit.inner; message Ask { string it = 1; }'
KINDS = 'syntax = "proto3"; package livekit; enum Kind { SOFT = 0; HARD = 1; }'
GRANTS = '[claims]\nadmin = [{ name = "roomAdmin" }]\n["livekit.Foo"]\nadmin = ["*"]\n'
USE = """
import json
from odd import FooBarClient, FooBarServicer, FooClient, FooServicer, InnerAsk, dicts
class Channel:
    def unary_unary(self, method):
        return lambda request, *args, **options: (method.full_name, str(request))
foo, foo_bar = FooClient.from_channel(Channel()), FooBarClient.from_channel(Channel())
try:
    foo.bar_baz(by_land="a", by_sea="b", sure=False)
except TypeError as error:
    refusal = str(error)
print(json.dumps([
    foo.bar_baz(by_land="a", dict="d", sure=False, kind="HARD"), foo_bar.baz(text="t"), refusal,
    [m.full_name for m in (*FooServicer.METHODS, *FooBarServicer.METHODS)],
    FooClient.bar_baz.__doc__, dicts.__all__,
    foo.bar_baz(again={"inner": {"it": "i"}}, notes={"n": {"text": "t"}}),
]))
"""


@pytest.fixture(scope="module")
def odd(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a package made of odd protos."""
    folder = tmp_path_factory.mktemp("output")
    (folder / "proto").mkdir()
    (folder / "proto" / "odd.proto").write_text(PROTO)
    (folder / "proto" / "inner.proto").write_text(INNER)
    (folder / "proto" / "kinds.proto").write_text(KINDS)
    tables = folder / "tables"
    tables.mkdir()
    (tables / "overlay.toml").write_text("")
    (tables / "grants.toml").write_text(f'{GRANTS}["livekit.FooBar"]\nadmin = ["*"]\n')
    result = run(
        "codegen",
        *("--proto-dir", folder / "proto", "--out", folder / "odd"),
        *("--service", "Foo", "--service", "FooBar", "--overlay-dir", tables),
    )
    assert result.returncode == 0, result.stderr
    return folder


def tool(*command: object, folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(REPO)},
        capture_output=True,
        encoding="utf-8",
    )
    return result.stdout + result.stderr if result.returncode else ""


@pytest.mark.codegen
def test_output_passes_the_linter_and_the_formatter(odd: Path) -> None:
    options = ("--config", REPO / "pyproject.toml", "--extend-exclude", "*_pb2.py*")
    assert tool("ruff", "format", "--diff", *options, "odd", folder=odd) == ""
    assert tool("ruff", "check", *options, "odd", folder=odd) == ""


@pytest.mark.codegen
def test_output_passes_the_type_checkers(odd: Path) -> None:
    assert tool("mypy", "--strict", "--no-error-summary", "odd", folder=odd) == ""


WRONG = """
from odd import FooClient, Kind

def calls(foo: FooClient) -> None:
    foo.bar_baz(inner={"it": "i"}, notes={"n": {"text": "t"}}, again={"from": 1}, kind=1)
    foo.bar_baz(inner={"that": "i"})
    foo.bar_baz(notes={"n": {"text": 1}})
    foo.bar_baz(kind=2)
    foo.bar_baz(kind="KIND")
"""


@pytest.mark.codegen
def test_its_dicts_and_enums_are_checked(odd: Path) -> None:
    (odd / "wrong.py").write_text(WRONG)
    found = tool("mypy", "--strict", "wrong.py", folder=odd)
    assert re.findall(r"wrong.py:(\d+): error", found) == ["6", "7", "8", "9"]


@pytest.mark.codegen
def test_output_works(odd: Path) -> None:
    asked, noted, refusal, methods, doc, held, nested = json.loads(use(odd, USE))
    assert asked == ["livekit.Foo/BarBaz", 'dict: "d"\nby_land: "a"\nsure: false\nkind: HARD\n']
    assert noted == ["livekit.FooBar/Baz", 'text: "t"\n']
    assert refusal == "pass by_land or by_sea, not both"
    assert methods == ["livekit.Foo/BarBaz", "livekit.FooBar/Baz", "livekit.FooBar/List"]
    assert held == ["InnerAskDict", "NoteDict"]
    words = ["again", "{", "inner", "{", "it:", '"i"', "}", "}"]
    words += ["notes", "{", "key:", '"n"', "value", "{", "text:", '"t"', "}", "}"]
    assert nested[1].split() == words
    assert "by_land: The street. Mutually exclusive with by_sea." in doc
