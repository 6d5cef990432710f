"""Prints the descriptors of a published livekit-protocol as .proto files.

Its wheels hold no .proto files, and no library turns descriptors back into text. Comments are not
in published wheels, so the result has none.

    python -m codegen.printer --out build/protos [--package livekit.protocol]
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, MutableSequence
from pathlib import Path
from typing import Any, Optional, Union

from google.protobuf import descriptor, text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from .descriptors import default_json_name, type_name
from .errors import CodegenError
from .options import with_custom_options

__all__ = ["installed_files", "main", "print_file"]

_INDENT = "  "
_MAX_FIELD = 536870912
_MAX_ENUM = 2147483647


def installed_files(package: str) -> FileDescriptorSet:
    """Return the descriptors of all generated modules of an installed package.

    Args:
        package: the package's import path, such as "livekit.protocol".

    Returns:
        The files and all that they import, each after those it imports.

    Raises:
        CodegenError: the package cannot be imported or holds no generated module.
    """
    try:
        root = importlib.import_module(package)
        names = [m.name for m in pkgutil.walk_packages(root.__path__, f"{package}.")]
        modules = [importlib.import_module(name) for name in sorted(names)]
    except ImportError as error:
        raise CodegenError(f"{package} cannot be imported: {error}") from None
    found = [getattr(module, "DESCRIPTOR", None) for module in modules]
    files = [file for file in found if isinstance(file, descriptor.FileDescriptor)]
    if not files:
        raise CodegenError(f"{package} has no modules generated from protos")
    result = FileDescriptorSet()
    done: set[str] = set()

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name not in done:
            done.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            result.file.add().ParseFromString(file.serialized_pb)

    for file in sorted(files, key=lambda file: file.name):
        add(file)
    return result


def print_file(file: FileDescriptorProto) -> str:
    """Return a file's descriptor as .proto text.

    Args:
        file: a proto3 file, from a set that went through `with_custom_options`.

    Raises:
        CodegenError: the file is not proto3.
    """
    if file.syntax != "proto3":
        raise CodegenError(f"{file.name} is not proto3: the printer knows nothing else")
    blocks = [['syntax = "proto3";'], [f"package {file.package};"] if file.package else []]
    blocks.append(
        [
            f'import {"public " if i in file.public_dependency else ""}"{name}";'
            for i, name in enumerate(file.dependency)
        ]
    )
    blocks.append([f"option {text};" for text in _options(file.options)])
    blocks += [list(_extend(file.extension))] if file.extension else []
    blocks += [list(_service(service)) for service in file.service]
    blocks += [list(_enum(enum)) for enum in file.enum_type]
    blocks += [list(_message(message)) for message in file.message_type]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _block(head: str, body: Iterable[str]) -> Iterator[str]:
    yield f"{head} {{"
    yield from (f"{_INDENT}{line}" for line in body)
    yield "}"


def _message(message: DescriptorProto) -> Iterator[str]:
    return _block(f"message {message.name}", _message_body(message))


def _message_body(message: DescriptorProto) -> Iterator[str]:
    yield from (f"option {text};" for text in _options(message.options))
    yield from _reserved(message, _MAX_FIELD, 1)
    for enum in message.enum_type:
        yield from _enum(enum)
    # protoc adds a map's entry type where it meets the field, so fields and nested messages must
    # come in the order that gives the same list again.
    entries = {n.name: n for n in message.nested_type if n.options.map_entry}
    fields = list(message.field)
    for nested in message.nested_type:
        if nested.options.map_entry:
            end = 1 + next(
                i for i, f in enumerate(fields) if f.type_name.rpartition(".")[2] == nested.name
            )
            yield from _fields(message, fields[:end], entries)
            del fields[:end]
        else:
            yield from _message(nested)
    yield from _fields(message, fields, entries)
    if message.extension:
        yield from _extend(message.extension)


def _fields(
    message: DescriptorProto,
    fields: list[FieldDescriptorProto],
    entries: dict[str, DescriptorProto],
) -> Iterator[str]:
    printed: set[int] = set()
    for field in fields:
        if not field.HasField("oneof_index") or field.proto3_optional:
            yield _field(field, entries)
        elif field.oneof_index not in printed:
            printed.add(field.oneof_index)
            members = [
                f
                for f in fields
                if f.HasField("oneof_index") and f.oneof_index == field.oneof_index
            ]
            oneof = message.oneof_decl[field.oneof_index]
            body = [f"option {text};" for text in _options(oneof.options)]
            yield from _block(f"oneof {oneof.name}", body + [_field(f, entries) for f in members])


def _field(field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
    entry = entries.get(field.type_name.rpartition(".")[2])
    if entry is not None and field.label == FieldDescriptorProto.LABEL_REPEATED:
        kind = f"map<{type_name(entry.field[0])}, {type_name(entry.field[1])}>"
    elif field.label == FieldDescriptorProto.LABEL_REPEATED:
        kind = f"repeated {type_name(field)}"
    elif field.proto3_optional:
        kind = f"optional {type_name(field)}"
    else:
        kind = type_name(field)
    options = _options(field.options)
    if field.json_name not in ("", default_json_name(field.name)):
        options = [f"json_name = {_quoted(field.json_name)}", *options]
    return f"{kind} {field.name} = {field.number}{_bracketed(options)};"


def _extend(extensions: Iterable[FieldDescriptorProto]) -> Iterator[str]:
    by_extendee: dict[str, list[FieldDescriptorProto]] = {}
    for extension in extensions:
        by_extendee.setdefault(extension.extendee, []).append(extension)
    for extendee, fields in by_extendee.items():
        yield from _block(f"extend {extendee}", [_field(field, {}) for field in fields])


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    body = [f"option {text};" for text in _options(enum.options)]
    body += _reserved(enum, _MAX_ENUM, 0)
    body += [f"{v.name} = {v.number}{_bracketed(_options(v.options))};" for v in enum.value]
    return _block(f"enum {enum.name}", body)


def _reserved(
    owner: Union[DescriptorProto, EnumDescriptorProto], maximum: int, exclusive: int
) -> Iterator[str]:
    ranges = [(r.start, r.end - exclusive) for r in owner.reserved_range]
    for start, end in ranges:
        last = "max" if end + exclusive == maximum else str(end)
        yield f"reserved {start};" if start == end else f"reserved {start} to {last};"
    if owner.reserved_name:
        yield f"reserved {', '.join(_quoted(name) for name in owner.reserved_name)};"


def _service(service: ServiceDescriptorProto) -> Iterator[str]:
    body = [f"option {text};" for text in _options(service.options)]
    for method in service.method:
        request = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
        response = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
        options = [f"option {text};" for text in _options(method.options)]
        head = f"rpc {method.name}({request}) returns ({response})"
        # Braces with nothing in them count as options that are set.
        body += _block(head, options) if method.HasField("options") else [f"{head};"]
    return _block(f"service {service.name}", body)


def _bracketed(options: list[str]) -> str:
    return f" [{', '.join(options)}]" if options else ""


def _options(options: Any) -> list[str]:
    texts = []
    for field, value in options.ListFields():
        if field.name == "map_entry" and not field.is_extension:
            continue
        name = f"({field.full_name})" if field.is_extension else field.name
        values = value if isinstance(value, MutableSequence) else [value]
        texts += [f"{name} = {_value(field, item)}" for item in values]
    return texts


def _value(field: descriptor.FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if field.message_type is not None:
        return f"{{ {text_format.MessageToString(value, as_one_line=True)} }}"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, (str, bytes)) else repr(value)


def _quoted(value: Union[str, bytes]) -> str:
    raw = value.encode() if isinstance(value, str) else value
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:03o}" for b in raw)
    return f'"{"".join(plain)}"'


def main(argv: Optional[list[str]] = None) -> int:
    """Write the .proto files of an installed package; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m codegen.printer",
        description="Print the descriptors of an installed package as .proto files.",
    )
    parser.add_argument("--package", default="livekit.protocol", help="default: %(default)s")
    parser.add_argument("--out", required=True, type=Path, help="folder to write into")
    args = parser.parse_args(argv)
    try:
        files = with_custom_options(installed_files(args.package)).file
        texts = {f.name: print_file(f) for f in files if not f.name.startswith("google/")}
    except CodegenError as error:
        print(f"codegen: error: {error}", file=sys.stderr)
        return 2
    for name, text in texts.items():
        path = args.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    print(f"wrote {len(texts)} .proto files to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
