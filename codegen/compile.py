"""Runs protoc, from .proto files to descriptors, and from descriptors to messages with stubs."""

from __future__ import annotations

import re
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from .descriptors import with_custom_options
from .errors import CodegenError
from .tools import run_tool

_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_PACKAGE = re.compile(r"(?<![\w.])package\s+([\w.]+)\s*;")
_SERVICE = re.compile(r"(?<![\w.])service\s+(\w+)\s*\{")


def declared_services(text: str) -> list[str]:
    """Return the full names of the services that a .proto file declares.

    This does not compile the file: a folder may contain files that do not compile and are not
    needed, such as those under rpc/ in livekit/protocol.
    """
    bare = _NO_CODE.sub(" ", text)
    package = _PACKAGE.search(bare)
    prefix = f"{package.group(1)}." if package else ""
    return [prefix + name for name in _SERVICE.findall(bare)]


def files_of_services(proto_dir: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Find the files that declare services.

    Args:
        proto_dir: the folder of the .proto files.
        wanted: services, by full name ("livekit.Connector") or simple name ("Connector").

    Returns:
        The file of each service, by the service's full name.

    Raises:
        CodegenError: no file declares a service, or several do.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(proto_dir.rglob("*.proto")):
        for service in declared_services(path.read_text(encoding="utf-8", errors="replace")):
            found.setdefault(service, []).append(path.relative_to(proto_dir).as_posix())
    result = {}
    for name in wanted:
        matches = [s for s in sorted(found) if s == name or s.rpartition(".")[2] == name]
        places = [f"{service} in {file}" for service in matches for file in found[service]]
        if not places:
            known = ", ".join(sorted(found)) or "no service at all"
            raise CodegenError(f"{proto_dir} declares no service {name}; it declares {known}")
        if len(places) > 1:
            raise CodegenError(f"several services are called {name}: {', '.join(places)}")
        result[matches[0]] = found[matches[0]][0]
    return result


def compile_protos(proto_dir: Path, files: Iterable[str]) -> FileDescriptorSet:
    """Return the descriptors of files of a folder and of their imports, with comments.

    Raises:
        CodegenError: protoc rejects a file; the text has the file and the line.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch, "protos.binpb")
        run_tool(
            "grpc_tools.protoc",
            f"--proto_path={proto_dir}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            *sorted(set(files)),
        )
        return with_custom_options(FileDescriptorSet.FromString(target.read_bytes()))


def generate_messages(files: FileDescriptorSet, names: Sequence[str], out: Path) -> None:
    """Write `_pb2.py` and `_pb2.pyi` for the named files of a complete set of descriptors.

    Raises:
        CodegenError: protoc or mypy-protobuf fails.
    """
    plugin = Path(sysconfig.get_path("scripts"), "protoc-gen-mypy")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "protos.binpb")
        source.write_bytes(files.SerializeToString(deterministic=True))
        run_tool(
            "grpc_tools.protoc",
            f"--descriptor_set_in={source}",
            f"--plugin=protoc-gen-mypy={plugin}",
            f"--python_out={out}",
            f"--mypy_out=quiet:{out}",
            *names,
        )
