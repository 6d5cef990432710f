"""Descriptors printed as .proto files and compiled again are the same descriptors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from .conftest import Run

# Everything that proto3 has and that a printer can get wrong, comments aside.
TRICKY = r"""
syntax = "proto3";
package tricky.deep;
import public "google/protobuf/duration.proto";
import "google/protobuf/descriptor.proto";
option java_package = "a \"quoted\" \\ name with \303\251 and \n";
extend google.protobuf.FieldOptions {
  string hint = 50001;
  repeated int32 codes = 50002;
  Kind kind = 50003;
  Extra extra = 50004;
}
message Extra { string text = 1; double ratio = 2; }
enum Kind {
  option allow_alias = true;
  KIND_NONE = 0;
  KIND_ONE = 1;
  KIND_UNO = 1 [deprecated = true];
  KIND_MINUS = -1;
  reserved 5, 7 to 9, 1000 to max;
  reserved "KIND_OLD";
}
message Outer {
  option deprecated = true;
  reserved 100 to 110, 200, 1000 to max;
  reserved "gone", "away";
  map<string, Inner> before = 1;
  message Inner {
    message Kind { Kind again = 1; }
    .tricky.deep.Kind outer_kind = 1;
    Kind own_kind = 2;
    Outer outer = 3;
  }
  map<int32, bytes> after = 2;
  oneof choice {
    string text = 3 [deprecated = true];
    Inner inner = 4;
  }
  optional int32 maybe = 5;
  repeated sint64 many = 6 [packed = false, (hint) = "it's \"so\" \\ é", (codes) = 1, (codes) = -2];
  fixed32 renamed = 7 [json_name = "alias", (kind) = KIND_ONE, (extra) = { text: "t" ratio: 0.5 }];
  double aliOSS = 8;
  google.protobuf.Duration wait = 9;
  oneof other { bool flag = 10; float part = 11; }
  reserved 12;
}
service Talk {
  option deprecated = true;
  rpc Say(Outer) returns (Outer.Inner) { option deprecated = true; }
  rpc Hear(Outer) returns (Outer) {}
  rpc Listen(stream Outer) returns (stream Outer);
}
"""


def compiled(python: str, folder: Path) -> dict[str, FileDescriptorProto]:
    """Compile all .proto files of a folder; return them by name, default JSON names left out."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.proto")]
    out = folder / "set.binpb"
    arguments = [f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", *names]
    subprocess.run([python, "-m", "grpc_tools.protoc", *arguments], check=True)
    files = FileDescriptorSet.FromString(out.read_bytes()).file
    for file in files:
        for message in file.message_type:
            drop_default_json_names(message)
        for extension in file.extension:
            extension.ClearField("json_name")
    return {file.name: file for file in files}


def drop_default_json_names(message: DescriptorProto) -> None:
    for field in message.field:
        words = field.name.split("_")
        if field.json_name == words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:]):
            field.ClearField("json_name")
    for nested in message.nested_type:
        drop_default_json_names(nested)


@pytest.mark.codegen
def test_all_of_upstream(
    run: Run, codegen_python: str, published: Path, upstream_protos: Path
) -> None:
    again = compiled(codegen_python, upstream_protos)
    dump = (
        "import sys; from codegen.printer import installed_files;"
        "sys.stdout.buffer.write(installed_files('livekit.protocol').SerializeToString())"
    )
    raw = subprocess.run(
        [codegen_python, "-c", dump],
        env={"PYTHONPATH": str(published)},
        cwd=Path(__file__).parents[2],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    files = FileDescriptorSet.FromString(raw).file
    printed = [file for file in files if not file.name.startswith("google/")]
    assert len(printed) > 20
    assert {file.name for file in printed} <= set(again)
    for file in printed:
        assert again[file.name] == file


@pytest.mark.codegen
def test_everything_proto3_has(run: Run, codegen_python: str, tmp_path: Path) -> None:
    first, second, package = tmp_path / "first", tmp_path / "second", tmp_path / "package"
    name = "deep/tricky.proto"
    (first / "deep").mkdir(parents=True)
    (first / name).write_text(TRICKY, encoding="utf-8")
    package.mkdir()
    (package / "__init__.py").write_text("")
    subprocess.run(
        [codegen_python, "-m", "grpc_tools.protoc", "-I.", f"--python_out={package}", name],
        cwd=first,
        check=True,
    )
    (package / "deep" / "__init__.py").write_text("")
    result = run("codegen.printer", "--package", "package", "--out", second, path=tmp_path)
    assert result.returncode == 0, result.stderr
    assert compiled(codegen_python, second)[name] == compiled(codegen_python, first)[name]


@pytest.mark.codegen
def test_a_package_without_protos_is_rejected(run: Run, tmp_path: Path) -> None:
    for package, words in (("json", "no modules generated"), ("nowhere", "cannot be imported")):
        result = run("codegen.printer", "--package", package, "--out", tmp_path / "out")
        assert result.returncode == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    assert sys.modules.get("nowhere") is None
