"""Says how our protos differ from those of a published livekit-protocol.

    python -m codegen.upstream [--package livekit.protocol] [--proto-dir proto]

Compared is what the Connector needs, as `rewrite.prune` finds it on both sides.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from .compile import compile_protos, files_of_services
from .descriptors import Declared, enums_of, is_well_known, messages_of, type_name
from .errors import CodegenError
from .options import with_custom_options
from .printer import installed_files
from .rewrite import prune

__all__ = ["Change", "compare", "main"]

_SERVICE = "livekit.Connector"


@dataclass(frozen=True)
class Change:
    """One difference.

    Args:
        text: what it is, such as "added field livekit.WhatsAppCall.state = 3".
        breaks: True if code or servers that know only our protos no longer work with it.
    """

    text: str
    breaks: bool


# What an element is: facts whose change breaks, and facts whose change does not.
_Facts = tuple[Mapping[str, str], Mapping[str, str]]


def compare(ours: FileDescriptorSet, theirs: FileDescriptorSet) -> list[Change]:
    """Return how the second of two sets differs from the first.

    Args:
        ours: pruned descriptors, custom options readable.
        theirs: the same of the other side.
    """
    before, after = dict(_elements(ours)), dict(_elements(theirs))
    changes = [Change(f"removed {name}", True) for name in before if name not in after]
    for name, (hard, soft) in after.items():
        if name not in before:
            number = hard.get("number")
            changes.append(Change(f"added {name}" + (f" = {number}" if number else ""), False))
            continue
        for facts, old, breaks in ((hard, before[name][0], True), (soft, before[name][1], False)):
            for fact, value in facts.items():
                if value != old[fact]:
                    word = "renumbered" if fact == "number" else f"changed {fact} of"
                    changes.append(Change(f"{word} {name}: {old[fact]} -> {value}", breaks))
    return changes


def _elements(files: FileDescriptorSet) -> Iterator[tuple[str, _Facts]]:
    for file in files.file:
        if not is_well_known(file.name):
            yield from _rpcs(file)
            for message in messages_of(file):
                if not message.item.options.map_entry:
                    yield from _message_elements(message)
            for enum in enums_of(file):
                yield from _enum_elements(enum)


def _rpcs(file: FileDescriptorProto) -> Iterator[tuple[str, _Facts]]:
    for service in file.service:
        name = f"{file.package}.{service.name}"
        yield f"service {name}", ({}, {"file": file.name})
        for method in service.method:
            hard = {
                "request": method.input_type,
                "response": method.output_type,
                "streaming": f"{method.client_streaming} {method.server_streaming}",
            }
            yield f"RPC {name}.{method.name}", (hard, {"options": _options(method)})


def _message_elements(message: Declared[DescriptorProto]) -> Iterator[tuple[str, _Facts]]:
    name = message.full_name[1:]
    yield f"message {name}", ({}, _soft(message))
    entries = {n.name: n for n in message.item.nested_type if n.options.map_entry}
    for field in message.item.field:
        yield f"field {name}.{field.name}", _field_facts(message.item, field, entries)


def _enum_elements(enum: Declared[EnumDescriptorProto]) -> Iterator[tuple[str, _Facts]]:
    name = enum.full_name[1:]
    yield f"enum {name}", ({}, _soft(enum))
    for value in enum.item.value:
        facts = {"number": str(value.number)}
        yield f"value {name}.{value.name}", (facts, {"options": _options(value)})


def _soft(declared: Declared[Any]) -> Mapping[str, str]:
    file = {} if "." in declared.path else {"file": declared.file.name}
    return {**file, "options": _options(declared.item)}


def _field_facts(
    message: DescriptorProto, field: FieldDescriptorProto, entries: Mapping[str, DescriptorProto]
) -> _Facts:
    entry = entries.get(field.type_name.rpartition(".")[2])
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else "none"
    hard = {
        "number": str(field.number),
        "type": f"map of {' to '.join(map(_type, entry.field))}" if entry else _type(field),
        "label": FieldDescriptorProto.Label.Name(field.label)[len("LABEL_") :].lower(),
    }
    soft = {
        "presence": "optional" if field.proto3_optional else "implicit",
        "oneof": "none" if field.proto3_optional else oneof,
        "options": _options(field),
    }
    return hard, soft


def _type(field: FieldDescriptorProto) -> str:
    return type_name(field).lstrip(".")


def _options(element: Any) -> str:
    texts = []
    for option, value in element.options.ListFields():
        name = option.full_name if option.is_extension else option.name
        enum = option.enum_type
        texts.append(f"{name}={enum.values_by_number[value].name if enum else value}")
    return ", ".join(texts) or "none"


def _named(package: str) -> str:
    """Return a package with its version, where it tells that as livekit.protocol does."""
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
        ours = compile_protos(args.proto_dir, list(services.values()))
        theirs = installed_files(args.package)
        if services[_SERVICE] not in [file.name for file in theirs.file]:
            raise CodegenError(f"{args.package} has no {services[_SERVICE]}")
        changes = compare(
            *(prune(with_custom_options(files), services) for files in (ours, theirs))
        )
    except CodegenError as error:
        print(f"codegen: error: {error}", file=sys.stderr)
        return 2
    for change in changes:
        print(f"{'BREAKS ' if change.breaks else '       '}{change.text}")
    breaking = sum(change.breaks for change in changes)
    print(f"{len(changes)} differences, {breaking} of them breaking, from {_named(args.package)}")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
