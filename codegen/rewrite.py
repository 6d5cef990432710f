"""Prunes descriptors to what services need, and moves them to our own namespace.

Pure: descriptors in, descriptors out. They move because two copies of the same file or message in
protobuf's default pool crash at import, and users have livekit-protocol in the same process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from .descriptors import absolute, declared, default_json_name, is_well_known, messages_of
from .names import file_name

# The lists of a FileDescriptorProto that are pruned, by their numbers in source locations.
_PRUNED = {4: "message_type", 5: "enum_type", 6: "service"}
_SYNTAX, _PACKAGE = [12], [2]


def prune(files: FileDescriptorSet, services: Mapping[str, str]) -> FileDescriptorSet:
    """Return a set with only what some services need.

    It keeps the messages and enums that the services' own files declare, and everything that they
    and the services' requests and responses refer to, with all nested types. A service's own files
    are the file that declares it and the imported files whose names continue its name:
    livekit_connector_whatsapp.proto belongs to livekit_connector.proto.

    Args:
        files: a complete set.
        services: the file of each service by the service's full name.

    Returns:
        The remaining files, with comments, each after the files that it imports. Files of
        google.protobuf stay as they are.
    """
    by_name = {file.name: file for file in files.file}
    types = {name: item for file in files.file for name, item in declared(file).items()}
    references: dict[str, set[str]] = {}
    for message in (m for file in files.file for m in messages_of(file)):
        names = {field.type_name for field in message.item.field if field.type_name}
        references.setdefault(message.top, set()).update(names)
    needed = {f".{service}" for service in services}
    waiting = [name for s, f in services.items() for name in _roots(by_name, s, f)]
    while waiting:
        name = types[waiting.pop()].top
        if name not in needed:
            needed.add(name)
            waiting += references.get(name, ())
    homes = {name: item.file.name for name, item in types.items()}
    result = type(files)()
    for file in files.file:
        pruned = file if is_well_known(file.name) else _pruned(file, needed, homes)
        if pruned.message_type or pruned.enum_type or pruned.service:
            result.file.append(pruned)
    return result


def relocate(files: FileDescriptorSet, package: str) -> tuple[FileDescriptorSet, list[str]]:
    """Return a pruned set in the namespace of a Python package.

    A file's path becomes the import path of its module, so that the imports that protoc writes are
    right and messages can be pickled. The first part of a proto package ("livekit") becomes the
    Python package. Custom options and options of files are removed.

    Returns:
        The set, and the new names of the files that need generated code.
    """
    result = FileDescriptorSet.FromString(files.SerializeToString())
    untyped: Any = result  # types-protobuf does not know the method
    untyped.DiscardUnknownFields()  # custom options, whose extensions are not registered
    moved = [file for file in result.file if not is_well_known(file.name)]
    new_files = {f.name: f"{package.replace('.', '/')}/{file_name(f.name)}.proto" for f in moved}
    packages = {f.name: ".".join([package, *f.package.split(".")[1:]]) for f in moved}
    new_types = {
        name: f".{packages[file.name]}.{item.path}"
        for file in moved
        for name, item in declared(file).items()
    }
    for file in moved:
        file.package = packages[file.name]
        file.name = new_files[file.name]
        file.ClearField("options")
        dependencies = [new_files.get(name, name) for name in file.dependency]
        del file.dependency[:]
        file.dependency.extend(dependencies)
        for field in (field for message in messages_of(file) for field in message.item.field):
            if field.type_name:
                field.type_name = new_types.get(field.type_name, field.type_name)
        for service in file.service:
            for method in service.method:
                method.input_type = new_types.get(method.input_type, method.input_type)
                method.output_type = new_types.get(method.output_type, method.output_type)
    return result, [file.name for file in moved]


def _roots(
    files: Mapping[str, FileDescriptorProto], service_name: str, declared_in: str
) -> Iterator[str]:
    file = files[declared_in]
    stem = PurePosixPath(declared_in).with_suffix("").as_posix()
    own = [name for name in file.dependency if name.startswith(f"{stem}_")]
    for name in [declared_in, *own]:
        yield from declared(files[name])
    for service in file.service:
        if absolute(file, service.name) == f".{service_name}":
            for method in service.method:
                yield from (method.input_type, method.output_type)


def _pruned(
    file: FileDescriptorProto, needed: set[str], homes: Mapping[str, str]
) -> FileDescriptorProto:
    """Return a file with only what is needed, and its comments under their new indexes.

    Args:
        file: the file.
        needed: the full names of top-level messages, enums and services.
        homes: the file of each message and enum.
    """
    result: Any = type(file)()
    result.CopyFrom(file)
    kept = {}
    for number, name in _PRUNED.items():
        items = getattr(file, name)
        kept[number] = [i for i, item in enumerate(items) if absolute(file, item.name) in needed]
        result.ClearField(name)
        getattr(result, name).extend(items[i] for i in kept[number])
    for name in ("extension", "public_dependency", "weak_dependency", "dependency"):
        result.ClearField(name)
    used = {n for s in result.service for m in s.method for n in (m.input_type, m.output_type)}
    for message in messages_of(result):
        del message.item.extension[:]
        for field in message.item.field:
            used.add(field.type_name)
            # protoc sets the default JSON name, which would count as explicit when read back.
            if field.json_name == default_json_name(field.name):
                field.ClearField("json_name")
    imported = {homes[name] for name in used if name} - {file.name}
    direct = [name for name in file.dependency if name in imported]
    result.dependency.extend(direct + sorted(imported.difference(direct)))  # via public imports
    result.ClearField("source_code_info")
    for location in file.source_code_info.location:
        number, *rest = location.path or [0]
        if number in kept and rest and rest[0] in kept[number]:
            result.source_code_info.location.append(location)
            result.source_code_info.location[-1].path[1] = kept[number].index(rest[0])
        elif list(location.path) in ([], _SYNTAX, _PACKAGE):
            result.source_code_info.location.append(location)
    return cast(FileDescriptorProto, result)
