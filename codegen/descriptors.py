"""Messages and enums of descriptors with their full names; every step looks them up this way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, Union

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
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
        """The full name of the outermost message or enum that holds it, which may be itself."""
        return absolute(self.file, self.path.partition(".")[0])


AnyDeclared = Union[Declared[DescriptorProto], Declared[EnumDescriptorProto]]


def messages_of(file: FileDescriptorProto) -> Iterator[Declared[DescriptorProto]]:
    """Yield all messages of a file, an outer one before those nested in it."""

    def walk(
        messages: Iterable[DescriptorProto], prefix: str, location: tuple[int, ...]
    ) -> Iterator[Declared[DescriptorProto]]:
        for i, message in enumerate(messages):
            found = Declared(file, message, prefix + message.name, (*location, i))
            yield found
            yield from walk(message.nested_type, f"{found.path}.", (*found.location, 3))

    return walk(file.message_type, "", (4,))


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
