"""Compares our protos with those of a published livekit-protocol.

    python -m codegen.upstream [--package livekit.protocol] [--proto-dir proto]

It compares what the Connector needs, as `rewrite.prune` finds it on both sides.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from .compile import compile_protos, files_of_services
from .descriptors import Declared, enums_of, is_well_known, messages_of
from .errors import CodegenError
from .printer import field_type, installed_files, option_texts
from .rewrite import prune

_SERVICE = "livekit.Connector"
# Changes of these break code or servers that know only our protos; other changes do not.
_BREAKING = ("number", "type", "request", "response", "streaming")


def compare(ours: FileDescriptorSet, theirs: FileDescriptorSet) -> list[tuple[bool, str]]:
    """Return how the second of two pruned sets differs from the first.

    For each difference: True if it breaks code or servers that know only our protos, and a text
    such as "added field livekit.WhatsAppCall.state = 3".
    """
    before, after = _elements(ours), _elements(theirs)
    changes = [(True, f"removed {name}") for name in before if name not in after]
    for name, facts in after.items():
        if name not in before:
            number = f" = {facts['number']}" if "number" in facts else ""
            changes.append((False, f"added {name}{number}"))
            continue
        for fact, value in facts.items():
            old = before[name][fact]
            if value != old:
                word = "renumbered" if fact == "number" else f"changed {fact} of"
                changes.append((fact in _BREAKING, f"{word} {name}: {old} -> {value}"))
    return changes


def _elements(files: FileDescriptorSet) -> dict[str, dict[str, str]]:
    """Return what is compared, by kind and name of the element."""
    result: dict[str, dict[str, str]] = {}
    for file in files.file:
        if is_well_known(file.name):
            continue
        result.update(_rpcs(file))
        for enum in enums_of(file):
            result[f"enum {enum.full_name[1:]}"] = _type_facts(enum)
            for value in enum.item.value:
                facts = {"number": str(value.number), "options": _options(value)}
                result[f"value {enum.full_name[1:]}.{value.name}"] = facts
        for message in messages_of(file):
            if not message.item.options.map_entry:
                result[f"message {message.full_name[1:]}"] = _type_facts(message)
                result.update(_fields(message))
    return result


def _rpcs(file: FileDescriptorProto) -> Iterator[tuple[str, dict[str, str]]]:
    for service in file.service:
        name = f"{file.package}.{service.name}"
        yield f"service {name}", {"file": file.name}
        for method in service.method:
            yield (
                f"RPC {name}.{method.name}",
                {
                    "request": method.input_type,
                    "response": method.output_type,
                    "streaming": f"{method.client_streaming} {method.server_streaming}",
                    "options": _options(method),
                },
            )


def _fields(message: Declared[DescriptorProto]) -> Iterator[tuple[str, dict[str, str]]]:
    for field in message.item.field:
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        oneof = message.item.oneof_decl[field.oneof_index].name if in_oneof else "none"
        yield (
            f"field {message.full_name[1:]}.{field.name}",
            {
                "number": str(field.number),
                "type": field_type(message.item, field),
                "presence": "optional" if field.proto3_optional else "implicit",
                "oneof": oneof,
                "options": _options(field),
            },
        )


def _type_facts(declared: Declared[Any]) -> dict[str, str]:
    file = "that of its message" if "." in declared.path else declared.file.name
    return {"file": file, "options": _options(declared.item)}


def _options(element: Any) -> str:
    return ", ".join(option_texts(element.options)) or "none"


def _with_version(package: str) -> str:
    """Return a package's name with its version, if it has a version module as livekit.protocol."""
    try:
        module = importlib.import_module(f"{package}.version")
    except ImportError:
        return package
    return f"{package} {getattr(module, '__version__', '')}".rstrip()


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print the differences; return 0 if there are none, 1 if there are, 2 for an error."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.upstream",
        description="Compare our protos with an installed livekit-protocol.",
    )
    parser.add_argument("--package", default="livekit.protocol", help="default: %(default)s")
    parser.add_argument("--proto-dir", type=Path, default=Path("proto"))
    args = parser.parse_args(argv)
    try:
        services = files_of_services(args.proto_dir, [_SERVICE])
        ours = compile_protos(args.proto_dir, services.values())
        theirs = installed_files(args.package)
        if services[_SERVICE] not in [file.name for file in theirs.file]:
            raise CodegenError(f"{args.package} has no {services[_SERVICE]}")
        changes = compare(prune(ours, services), prune(theirs, services))
    except CodegenError as error:
        print(f"codegen: error: {error}", file=sys.stderr)
        return 2
    for breaks, text in changes:
        print(f"{'BREAKS ' if breaks else '       '}{text}")
    breaking = sum(breaks for breaks, _ in changes)
    package = _with_version(args.package)
    print(f"{len(changes)} differences, {breaking} of them breaking, from {package}")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
