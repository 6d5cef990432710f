"""Prints the descriptors of a published livekit-protocol as .proto files.

Its wheels contain no .proto files, and no library turns descriptors back into text. Published
descriptors have no comments, so the result has none.

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

from .descriptors import default_json_name, type_name, with_custom_options
from .errors import CodegenError


def installed_files(package: str) -> FileDescriptorSet:
    """Return the descriptors of all generated modules of a package, such as "livekit.protocol".

    The set contains the files and everything that they import, each after the files it imports.
    Custom options are readable.

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
    result: dict[str, FileDescriptorProto] = {}

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name not in result:
            for dependency in file.dependencies:
                add(dependency)
            result[file.name] = FileDescriptorProto.FromString(file.serialized_pb)

    for file in sorted(files, key=lambda file: file.name):
        add(file)
    return with_custom_options(FileDescriptorSet(file=result.values()))


def print_file(file: FileDescriptorProto) -> str:
    """Return a file of `installed_files` as .proto text.

    Raises:
        CodegenError: the file is not proto3.
    """
    if file.syntax != "proto3":
        raise CodegenError(f"{file.name}: only proto3 is supported")
    public = [i in file.public_dependency for i in range(len(file.dependency))]
    imports = [f"{'public ' * p}{_quoted(name)}" for p, name in zip(public, file.dependency)]
    blocks: list[Iterable[str]] = [['syntax = "proto3";']]
    blocks += [[f"package {file.package};"]] if file.package else []
    blocks += [[f"import {name};" for name in imports], _option_lines(file)]
    blocks += [_extensions(file)]
    blocks += [_service(service) for service in file.service]
    blocks += [_enum(enum) for enum in file.enum_type]
    blocks += [_message(message) for message in file.message_type]
    texts = ["\n".join(block) for block in blocks]
    return "\n\n".join(text for text in texts if text) + "\n"


def option_texts(options: Any) -> list[str]:
    """Return the options that are set, as "deprecated = true"."""
    texts = []
    for field, value in options.ListFields():
        if field.name != "map_entry" or field.is_extension:
            name = f"({field.full_name})" if field.is_extension else field.name
            values = value if isinstance(value, MutableSequence) else [value]
            texts += [f"{name} = {_value(field, item)}" for item in values]
    return texts


def field_type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    """Return a field's type with its label: "repeated string", or "map<string, .livekit.Room>"."""
    if field.label != FieldDescriptorProto.LABEL_REPEATED:
        return type_name(field)
    name = field.type_name.rpartition(".")[2]
    for entry in message.nested_type:
        if entry.name == name and entry.options.map_entry:
            return f"map<{type_name(entry.field[0])}, {type_name(entry.field[1])}>"
    return f"repeated {type_name(field)}"


def _block(head: str, body: Iterable[str]) -> Iterator[str]:
    yield f"{head} {{"
    yield from (f"  {line}" for line in body)
    yield "}"


def _message(message: DescriptorProto) -> Iterator[str]:
    return _block(f"message {message.name}", _message_body(message))


def _message_body(message: DescriptorProto) -> Iterator[str]:
    yield from _option_lines(message)
    yield from _reserved(message, last=-1, maximum=2**29 - 1)
    for enum in message.enum_type:
        yield from _enum(enum)
    # protoc adds a map's entry type where it meets the field, so fields and nested messages must
    # come in the order that gives the same list again.
    fields = list(message.field)
    for nested in message.nested_type:
        if nested.options.map_entry:
            names = [field.type_name.rpartition(".")[2] for field in fields]
            end = names.index(nested.name) + 1
            yield from _fields(message, fields[:end])
            del fields[:end]
        else:
            yield from _message(nested)
    yield from _fields(message, fields)
    yield from _extensions(message)


def _fields(message: DescriptorProto, fields: list[FieldDescriptorProto]) -> Iterator[str]:
    groups: dict[int, list[str]] = {}  # the fields of each oneof, those outside one by themselves
    for position, field in enumerate(fields):
        alone = not field.HasField("oneof_index") or field.proto3_optional
        key = -1 - position if alone else field.oneof_index
        groups.setdefault(key, []).append(_field(message, field))
    for key, lines in groups.items():
        if key < 0:
            yield from lines
        else:
            oneof = message.oneof_decl[key]
            yield from _block(f"oneof {oneof.name}", [*_option_lines(oneof), *lines])


def _field(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    options = option_texts(field.options)
    if field.json_name not in ("", default_json_name(field.name)):
        options.insert(0, f"json_name = {_quoted(field.json_name)}")
    kind = "optional " * field.proto3_optional + field_type(message, field)
    return f"{kind} {field.name} = {field.number}{_bracketed(options)};"


def _extensions(owner: Union[DescriptorProto, FileDescriptorProto]) -> Iterator[str]:
    by_extendee: dict[str, list[str]] = {}
    for extension in owner.extension:
        by_extendee.setdefault(extension.extendee, []).append(_field(DescriptorProto(), extension))
    for extendee, lines in by_extendee.items():
        yield from _block(f"extend {extendee}", lines)


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    body = _option_lines(enum)
    body += _reserved(enum, last=0, maximum=2**31 - 1)
    for value in enum.value:
        body.append(f"{value.name} = {value.number}{_bracketed(option_texts(value.options))};")
    return _block(f"enum {enum.name}", body)


def _reserved(
    owner: Union[DescriptorProto, EnumDescriptorProto], last: int, maximum: int
) -> Iterator[str]:
    """Yield what is reserved; the last number of a range is its end plus `last`."""
    for numbers in owner.reserved_range:
        start, end = numbers.start, numbers.end + last
        until = "max" if end == maximum else str(end)
        yield f"reserved {start};" if start == end else f"reserved {start} to {until};"
    if owner.reserved_name:
        yield f"reserved {', '.join(_quoted(name) for name in owner.reserved_name)};"


def _service(service: ServiceDescriptorProto) -> Iterator[str]:
    body = _option_lines(service)
    for method in service.method:
        request = "stream " * method.client_streaming + method.input_type
        response = "stream " * method.server_streaming + method.output_type
        head = f"rpc {method.name}({request}) returns ({response})"
        # Braces with nothing in them count as options that are set.
        options = _block(head, _option_lines(method))
        body += options if method.HasField("options") else [f"{head};"]
    return _block(f"service {service.name}", body)


def _option_lines(element: Any) -> list[str]:
    return [f"option {text};" for text in option_texts(element.options)]


def _bracketed(options: list[str]) -> str:
    return f" [{', '.join(options)}]" if options else ""


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
        files = installed_files(args.package).file
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
