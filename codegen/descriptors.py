"""Helpers to read descriptors: full names, type names, custom options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Optional, TypeVar, Union, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

Item = TypeVar("Item", DescriptorProto, EnumDescriptorProto)


def absolute(file: FileDescriptorProto, path: str) -> str:
    """Return the full name of a message, enum or service of a file: ".livekit.Outer.Inner"."""
    return f".{file.package}.{path}" if file.package else f".{path}"


@dataclass(frozen=True)
class Declared(Generic[Item]):
    """A message or an enum, and where it is declared."""

    file: FileDescriptorProto
    item: Item
    path: str  # its name in the file's package, dotted if it is nested
    location: tuple[int, ...]  # its path of numbers in the file, which finds its comment

    @property
    def full_name(self) -> str:
        """The name that fields refer to: ".livekit.Outer.Inner"."""
        return absolute(self.file, self.path)

    @property
    def top(self) -> str:
        """The full name of the outermost message or enum that contains it, possibly itself."""
        return absolute(self.file, self.path.partition(".")[0])


AnyDeclared = Union[Declared[DescriptorProto], Declared[EnumDescriptorProto]]


def messages_of(
    file: FileDescriptorProto, outer: Optional[Declared[DescriptorProto]] = None
) -> Iterator[Declared[DescriptorProto]]:
    """Yield the messages of a file, or those nested in one of them, outer messages first."""
    messages = outer.item.nested_type if outer else file.message_type
    prefix, location = (f"{outer.path}.", (*outer.location, 3)) if outer else ("", (4,))
    for i, message in enumerate(messages):
        found = Declared(file, message, prefix + message.name, (*location, i))
        yield found
        yield from messages_of(file, found)


def enums_of(file: FileDescriptorProto) -> Iterator[Declared[EnumDescriptorProto]]:
    """Yield all enums of a file, those nested in messages included."""
    for i, enum in enumerate(file.enum_type):
        yield Declared(file, enum, enum.name, (5, i))
    for message in messages_of(file):
        for i, enum in enumerate(message.item.enum_type):
            yield Declared(file, enum, f"{message.path}.{enum.name}", (*message.location, 4, i))


def declared(file: FileDescriptorProto) -> dict[str, AnyDeclared]:
    """Return all messages and enums of a file by full name."""
    messages: dict[str, AnyDeclared] = {item.full_name: item for item in messages_of(file)}
    return {**messages, **{item.full_name: item for item in enums_of(file)}}


def is_well_known(file: str) -> bool:
    """Return True for the files of google.protobuf, which all packages share."""
    return file.startswith("google/protobuf/")


def type_name(field: FieldDescriptorProto) -> str:
    """Return a field's type as .proto files spell it: "string", or ".livekit.Room"."""
    return field.type_name or FieldDescriptorProto.Type.Name(field.type)[len("TYPE_") :].lower()


def default_json_name(field: str) -> str:
    """Return the JSON name of a field for which the proto does not set one."""
    head, *rest = field.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def with_custom_options(files: FileDescriptorSet) -> FileDescriptorSet:
    """Return a copy of a set whose custom options are extensions instead of unknown fields.

    The copy's classes live in a pool of its own, so that nothing here meets the options that
    another package registered in protobuf's default pool.

    Args:
        files: a complete set, the files before those that import them.
    """
    pool: Any = descriptor_pool.DescriptorPool()
    own = descriptor_pb2.DESCRIPTOR
    if own.name not in {file.name for file in files.file}:
        pool.AddSerializedFile(own.serialized_pb)
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    set_type = pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
    message = message_factory.GetMessageClass(set_type)()
    message.ParseFromString(files.SerializeToString())
    return cast(FileDescriptorSet, message)
