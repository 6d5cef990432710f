"""Changes descriptors: prunes them to what services need, and moves them into our namespace.

Pure: descriptors in, descriptors out. Why they move: two copies of one file, or of one message,
in protobuf's default pool crash at import, and users have livekit-protocol beside us.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Optional

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    SourceCodeInfo,
)

from .descriptors import declared, default_json_name, is_well_known, messages_of
from .names import file_name

__all__ = ["prune", "relocate"]

# Fields of FileDescriptorProto, as source locations number them.
_PACKAGE, _MESSAGES, _ENUMS, _SERVICES, _SYNTAX = 2, 4, 5, 6, 12


def prune(files: FileDescriptorSet, services: Mapping[str, str]) -> FileDescriptorSet:
    """Return a set with only what some services need.

    Kept are, whole, with their nested types: the messages and enums that the services' own files
    declare, and all that those and the services' requests and responses refer to. A service's
    own files are the file that declares it and those that this file imports and whose names go
    on where its name ends: livekit_connector_whatsapp.proto belongs to livekit_connector.proto.

    Args:
        files: a complete set.
        services: the file of each service by the service's full name.

    Returns:
        The remaining files, with comments, each after those it imports. Files of google.protobuf
        are kept as they are.
    """
    by_name = {file.name: file for file in files.file}
    messages = {m.full_name: m for file in files.file for m in messages_of(file)}
    types = {name: item for file in files.file for name, item in declared(file).items()}
    needed: set[str] = set()
    waiting = [name for s, f in services.items() for name in _roots(by_name, s, f)]
    while waiting:
        name = types[waiting.pop()].top
        if name not in needed and not is_well_known(types[name].file.name):
            needed.add(name)
            if name in messages:
                waiting += _references(messages[name].item)
    homes = {name: item.file.name for name, item in types.items()}
    kept = {
        file.name: pruned
        for file in files.file
        for pruned in [_pruned(file, needed, services, homes)]
        if pruned is not None
    }
    for name in _well_known_imports(kept.values(), by_name):
        kept[name] = by_name[name]
    result = type(files)()
    result.file.extend(kept[file.name] for file in files.file if file.name in kept)
    return result


def relocate(files: FileDescriptorSet, package: str) -> tuple[FileDescriptorSet, list[str]]:
    """Return a pruned set moved into the namespace of a Python package.

    A file's path becomes the import path of its module, so that protoc's imports are right as
    they are and messages pickle; a proto package's first part ("livekit") becomes the Python
    package. Options that are not descriptor.proto's own, and those for other languages, go.

    Args:
        files: what `prune` returned.
        package: the import path of the generated package.

    Returns:
        The set, and the new names of the files to generate code for.
    """
    result = FileDescriptorSet.FromString(files.SerializeToString())
    untyped: Any = result  # types-protobuf does not know the method
    untyped.DiscardUnknownFields()  # custom options: nothing here knows their extensions
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
        for message in file.message_type:
            _rename_types(message, new_types)
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
        if _joined(file.package, service.name) == service_name:
            for method in service.method:
                yield from (method.input_type, method.output_type)


def _joined(package: str, name: str) -> str:
    return f"{package}.{name}" if package else name


def _references(message: DescriptorProto) -> Iterator[str]:
    yield from (field.type_name for field in message.field if field.type_name)
    for nested in message.nested_type:
        yield from _references(nested)


def _pruned(
    file: FileDescriptorProto,
    needed: set[str],
    services: Mapping[str, str],
    homes: Mapping[str, str],
) -> Optional[FileDescriptorProto]:
    """Return a file with what is needed of it; None if that is nothing."""
    if is_well_known(file.name):
        return None
    keep = {
        _MESSAGES: [f".{_joined(file.package, m.name)}" in needed for m in file.message_type],
        _ENUMS: [f".{_joined(file.package, e.name)}" in needed for e in file.enum_type],
        _SERVICES: [_joined(file.package, s.name) in services for s in file.service],
    }
    if not any(any(flags) for flags in keep.values()):
        return None
    result = type(file)()
    result.CopyFrom(file)
    _keep(result.message_type, keep[_MESSAGES])
    _keep(result.enum_type, keep[_ENUMS])
    _keep(result.service, keep[_SERVICES])
    del result.extension[:], result.public_dependency[:], result.weak_dependency[:]
    for message in result.message_type:
        _strip(message)
    used = [name for message in result.message_type for name in _references(message)]
    for service in result.service:
        used += [n for m in service.method for n in (m.input_type, m.output_type)]
    references = {homes[name] for name in used}
    direct = [name for name in file.dependency if name in references]
    indirect = sorted(references.difference(direct, [file.name]))  # by way of a public import
    del result.dependency[:]
    result.dependency.extend(direct + indirect)
    result.source_code_info.CopyFrom(_reindexed(file.source_code_info, keep))
    return result


def _keep(items: Any, flags: list[bool]) -> None:
    for i in reversed(range(len(flags))):
        if not flags[i]:
            del items[i]


def _reindexed(info: SourceCodeInfo, keep: Mapping[int, list[bool]]) -> SourceCodeInfo:
    """Return the comments of what is kept, under its new index in the file."""
    result = type(info)()
    for location in info.location:
        path = list(location.path)
        if len(path) >= 2 and path[0] in keep:
            flags = keep[path[0]]
            if not flags[path[1]]:
                continue
            path[1] = sum(flags[: path[1]])
        elif path not in ([], [_SYNTAX], [_PACKAGE]):
            continue
        copy = result.location.add()
        copy.CopyFrom(location)
        del copy.path[:]
        copy.path.extend(path)
    return result


def _strip(message: DescriptorProto) -> None:
    """Take custom options and default JSON names out of a message."""
    del message.extension[:]
    # protoc fills in the default name, and taken back in it would count as explicit.
    for field in message.field:
        if field.json_name == default_json_name(field.name):
            field.ClearField("json_name")
    for nested in message.nested_type:
        _strip(nested)


def _well_known_imports(
    files: Iterable[FileDescriptorProto], by_name: Mapping[str, FileDescriptorProto]
) -> set[str]:
    result: set[str] = set()
    waiting = [name for file in files for name in file.dependency]
    while waiting:
        name = waiting.pop()
        if is_well_known(name) and name not in result:
            result.add(name)
            waiting += by_name[name].dependency
    return result


def _rename_types(message: DescriptorProto, new_types: Mapping[str, str]) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = new_types.get(field.type_name, field.type_name)
    for nested in message.nested_type:
        _rename_types(nested, new_types)
