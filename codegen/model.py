"""What the generated code says, as plain values: descriptors and overlay in, dataclasses out.

Pure. Everything that can be wrong with names is refused here, before a file is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Optional, Union

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from . import names
from .errors import CodegenError
from .overlay import MethodFacts, Overlay, check_facts

__all__ = [
    "Constant",
    "Enum",
    "EnumType",
    "Field",
    "MapType",
    "Message",
    "MessageType",
    "Method",
    "Package",
    "RepeatedType",
    "ScalarType",
    "Service",
    "ServiceFile",
    "SingularType",
    "build",
]

_WELL_KNOWN = "google/protobuf/"
_SENSITIVITY = "logger.sensitivity"
_KIND = FieldDescriptorProto
_SCALARS = {
    _KIND.TYPE_BOOL: "bool",
    _KIND.TYPE_BYTES: "bytes",
    _KIND.TYPE_DOUBLE: "float",
    _KIND.TYPE_FLOAT: "float",
    _KIND.TYPE_STRING: "str",
}


@dataclass(frozen=True)
class ScalarType:
    """A number, text, bytes or bool, by its Python type: "str"."""

    name: str


@dataclass(frozen=True)
class MessageType:
    """A message's class.

    Args:
        full_name: the name in the protos, "livekit.SessionDescription".
        package: where the module is imported from, "livekit_connector_sync._gen".
        module: the module, "livekit_rtc_pb2".
        path: the class in the module, dotted if nested.
    """

    full_name: str
    package: str
    module: str
    path: str


@dataclass(frozen=True)
class EnumType:
    """An enum: its class of protobuf's, as MessageType has it, and the plain one in enums.py."""

    package: str
    module: str
    path: str
    export: str
    constants: tuple[str, ...]


SingularType = Union[ScalarType, MessageType, EnumType]


@dataclass(frozen=True)
class RepeatedType:
    """A list."""

    item: SingularType


@dataclass(frozen=True)
class MapType:
    """A mapping."""

    key: ScalarType
    value: SingularType


@dataclass(frozen=True)
class Field:
    """A field of a message; `excludes` are the others of its oneof."""

    name: str
    doc: str
    type: Union[SingularType, RepeatedType, MapType]
    excludes: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True)
class Message:
    """A message.

    Args:
        type: its class.
        export: its name in the package's flat namespace, dotted if nested.
        doc: its comment.
        fields: its fields.
        secret: its fields that must never be shown.
        pii: its fields with personal data.
    """

    type: MessageType
    export: str
    doc: str
    fields: tuple[Field, ...]
    secret: tuple[str, ...]
    pii: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """A value of an enum."""

    name: str
    number: int
    doc: str


@dataclass(frozen=True)
class Enum:
    """An enum under its name in the package's flat namespace."""

    name: str
    full_name: str
    doc: str
    constants: tuple[Constant, ...]


@dataclass(frozen=True)
class Method:
    """An RPC; `secret_fields` are those of its request's that hold a secret, however deep."""

    name: str
    client_name: str
    doc: str
    request: Message
    response: Message
    facts: MethodFacts
    secret_fields: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True)
class Service:
    """A service; `full_name` is the one on the wire."""

    name: str
    full_name: str
    doc: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class ServiceFile:
    """A .proto file with services, for which one module is rendered."""

    name: str
    module: str
    services: tuple[Service, ...]


@dataclass(frozen=True)
class Package:
    """A package to generate."""

    import_path: str
    files: tuple[ServiceFile, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]


def build(files: FileDescriptorSet, import_path: str, overlay: Overlay) -> Package:
    """Return the model of a package.

    Args:
        files: what `rewrite.prune` returned, custom options readable.
        import_path: the package's import path.
        overlay: the facts about RPCs.

    Raises:
        CodegenError: something in the protos cannot be generated, or the overlay does not fit.
    """
    return _Builder(files, import_path, overlay).package()


class _Builder:
    """Holds what is looked up by name while the descriptors are walked."""

    def __init__(self, files: FileDescriptorSet, import_path: str, overlay: Overlay) -> None:
        self.import_path = import_path
        self.overlay = overlay
        self.files = [file for file in files.file if not file.name.startswith(_WELL_KNOWN)]
        self.descriptors: dict[str, tuple[FileDescriptorProto, DescriptorProto, str]] = {}
        self.enum_descriptors: dict[str, tuple[FileDescriptorProto, EnumDescriptorProto, str]] = {}
        self.comments: dict[str, Mapping[tuple[int, ...], str]] = {}
        self.paths: dict[str, tuple[int, ...]] = {}
        for file in files.file:
            self.comments[file.name] = _comments(file)
            prefix = f".{file.package}." if file.package else "."
            for full, message, path in _walk(file.message_type, prefix, (4,)):
                self.descriptors[full] = (file, message, full[len(prefix) :])
                self.paths[full] = path
                for i, enum in enumerate(message.enum_type):
                    name = f"{full}.{enum.name}"
                    self.enum_descriptors[name] = (file, enum, name[len(prefix) :])
                    self.paths[name] = (*path, 4, i)
            for i, enum in enumerate(file.enum_type):
                name = prefix + enum.name
                self.enum_descriptors[name] = (file, enum, enum.name)
                self.paths[name] = (5, i)
        self._check_files()
        self.exports = self._exports()

    def package(self) -> Package:
        self._check_sensitivity()
        return Package(
            import_path=self.import_path,
            files=tuple(self._service_file(file) for file in self.files if file.service),
            messages=tuple(
                self._message(name)
                for name, (file, message, _) in self.descriptors.items()
                if not file.name.startswith(_WELL_KNOWN) and not message.options.map_entry
            ),
            enums=tuple(
                self._enum(name)
                for name, (file, _, _) in self.enum_descriptors.items()
                if not file.name.startswith(_WELL_KNOWN)
            ),
        )

    def _check_files(self) -> None:
        """Refuse files that the runtime does not read as they say, or Python cannot import."""
        modules: dict[str, str] = {}
        for file in self.files:
            if file.syntax != "proto3":
                raise CodegenError(f"{file.name} is not proto3: nothing else can be generated")
            module = names.file_name(file.name)
            reason = names.unusable_module(module)
            if reason:
                raise CodegenError(f"{file.name}: the module's name {module} is {reason}")
            other = modules.setdefault(module, file.name)
            if other != file.name:
                raise CodegenError(f"{other} and {file.name} would both be the module {module}")

    def _exports(self) -> dict[str, str]:
        """Return the exported names of top-level messages and of all enums.

        Raises:
            CodegenError: the flat namespace cannot have one of them.
        """
        own = ("ProtoEnum", "annotations", "enums", "mark_sensitive")
        owners = {name: [f"the package's own {name}"] for name in own}
        for file in self.files:
            for service in file.service:
                for kind in ("Client", "Servicer", "Stub"):
                    words = f"{kind.lower()} of {service.name} in {file.name}"
                    reason = names.unusable_service_class(service.name + kind)
                    if reason:
                        raise CodegenError(f"the {words} cannot be generated: its name is {reason}")
                    owners.setdefault(service.name + kind, []).append(words)
        paths = {}
        for kind, found in (("message", self.descriptors), ("enum", self.enum_descriptors)):
            for name, (file, _, path) in found.items():
                reason = names.unusable_class(path)
                if reason:
                    raise CodegenError(
                        f"{file.name}: {kind} {path} cannot be generated: its name is {reason}"
                    )
                nested = kind == "message" and "." in path
                if not nested and not file.name.startswith(_WELL_KNOWN):
                    inside = [part.title() for part in file.package.split(".")[1:]]
                    paths[name] = ((*inside, *path.split(".")), f"{kind} {path} in {file.name}")
        exports = names.export_names((path for path, _ in paths.values()), owners)
        for export_path, words in paths.values():
            owners.setdefault(exports[export_path], []).append(words)
        for name, users in owners.items():
            if len(users) > 1:
                raise CodegenError(f"{' and '.join(users)} would both be exported as {name}")
        return {name: exports[export_path] for name, (export_path, _) in paths.items()}

    def _check_sensitivity(self) -> None:
        for message, marks in self.overlay.sensitivity.items():
            if f".{message}" not in self.descriptors:
                if self.overlay.complete <= self._services():
                    raise CodegenError(
                        f"codegen/overlay.toml gives {message} a sensitivity, but there is no"
                        " such message"
                    )
                continue  # it belongs to a service that is not generated here
            file, descriptor, _ = self.descriptors[f".{message}"]
            for field in marks:
                if field not in [f.name for f in descriptor.field]:
                    raise CodegenError(
                        f"{file.name}: codegen/overlay.toml gives {message}.{field} a"
                        " sensitivity, but there is no such field"
                    )

    def _services(self) -> set[str]:
        return {
            f"{file.package}.{service.name}" if file.package else service.name
            for file in self.files
            for service in file.service
        }

    def _service_file(self, file: FileDescriptorProto) -> ServiceFile:
        base = names.file_name(file.name)
        return ServiceFile(
            name=file.name,
            module=f"{base}_twirp",
            services=tuple(self._service(file, i, s) for i, s in enumerate(file.service)),
        )

    def _service(
        self, file: FileDescriptorProto, index: int, service: ServiceDescriptorProto
    ) -> Service:
        full_name = f"{file.package}.{service.name}" if file.package else service.name
        rpcs = [method.name for method in service.method]
        self.overlay.check_entries(file.name, full_name, rpcs)
        by_client_name: dict[str, str] = {}
        for rpc in rpcs:
            other = by_client_name.setdefault(names.client_method(rpc), rpc)
            if other != rpc:
                raise CodegenError(
                    f"{file.name}: RPCs {service.name}.{other} and {service.name}.{rpc} would both"
                    f" be the method {names.client_method(rpc)}"
                )
        return Service(
            name=service.name,
            full_name=full_name,
            doc=self._doc(file, (6, index)),
            methods=tuple(
                self._method(file, full_name, method, (6, index, 2, i))
                for i, method in enumerate(service.method)
            ),
        )

    def _method(
        self,
        file: FileDescriptorProto,
        service: str,
        method: MethodDescriptorProto,
        path: tuple[int, ...],
    ) -> Method:
        where = f"{file.name}: RPC {service}.{method.name}"
        if method.client_streaming or method.server_streaming:
            raise CodegenError(f"{where} is streaming, which Twirp does not have")
        client_name = names.client_method(method.name)
        reason = names.unusable_rpc(method.name) or names.unusable_method(client_name)
        if reason:
            raise CodegenError(f"{where} cannot be generated: its name is {reason}")
        request = self.descriptors[method.input_type][1]
        response = self.descriptors[method.output_type][1]
        for field in request.field:
            reason = names.unusable_field(field.name)
            if reason:
                raise CodegenError(
                    f"{where} cannot be generated: field {request.name}.{field.name} is {reason}"
                )
        facts = self.overlay.facts(file.name, service, method.name)
        enums = {name: enum for name, (_, enum, _) in self.enum_descriptors.items()}
        check_facts(where, facts, request, response, enums)
        return Method(
            name=method.name,
            client_name=client_name,
            doc=self._doc(file, path),
            request=self._message(method.input_type),
            response=self._message(method.output_type),
            facts=facts,
            secret_fields=self._secret_fields(method.input_type, ()),
            deprecated=method.options.deprecated,
        )

    def _message(self, name: str) -> Message:
        file, message, _ = self.descriptors[name]
        path = self.paths[name]
        marks = {f.name: _sensitivity(f) for f in message.field}
        marks.update(self.overlay.sensitivity.get(name[1:], {}))
        return Message(
            type=self._message_type(name),
            export=self._message_export(name),
            doc=self._doc(file, path),
            fields=tuple(
                Field(
                    name=field.name,
                    doc=self._doc(file, (*path, 2, i)),
                    type=self._field_type(field),
                    excludes=_excludes(message, field),
                    deprecated=field.options.deprecated,
                )
                for i, field in enumerate(message.field)
            ),
            secret=tuple(name for name, mark in marks.items() if mark == "SECRET"),
            pii=tuple(name for name, mark in marks.items() if mark == "PII"),
        )

    def _secret_fields(self, name: str, outer: tuple[str, ...]) -> tuple[str, ...]:
        """Return the fields of a message that hold a secret, themselves or in a message of theirs.

        Args:
            name: the message.
            outer: the messages that it is in, as messages may hold themselves.
        """
        secret = self._message(name).secret
        return tuple(
            field.name
            for field in self.descriptors[name][1].field
            if field.name in secret
            or (
                field.type == _KIND.TYPE_MESSAGE
                and field.type_name not in outer
                and self._secret_fields(field.type_name, (*outer, name))
            )
        )

    def _message_export(self, name: str) -> str:
        file, _, path = self.descriptors[name]
        if file.name.startswith(_WELL_KNOWN):
            return ""
        top, dot, nested = path.partition(".")
        return self.exports[f"{name[: -len(path)]}{top}"] + dot + nested

    def _enum(self, name: str) -> Enum:
        file, enum, path = self.enum_descriptors[name]
        for value in enum.value:
            reason = names.unusable_constant(value.name)
            if reason:
                raise CodegenError(
                    f"{file.name}: {path}.{value.name} cannot be generated: its name is {reason}"
                )
        return Enum(
            name=self.exports[name],
            full_name=name[1:],
            doc=self._doc(file, self.paths[name]),
            constants=tuple(
                Constant(value.name, value.number, self._doc(file, (*self.paths[name], 2, i)))
                for i, value in enumerate(enum.value)
            ),
        )

    def _field_type(
        self, field: FieldDescriptorProto
    ) -> Union[SingularType, RepeatedType, MapType]:
        if field.label != _KIND.LABEL_REPEATED:
            return self._singular_type(field)
        if field.type == _KIND.TYPE_MESSAGE:
            message = self.descriptors[field.type_name][1]
            if message.options.map_entry:
                key, value = message.field
                return MapType(ScalarType(_scalar(key)), self._singular_type(value))
        return RepeatedType(self._singular_type(field))

    def _singular_type(self, field: FieldDescriptorProto) -> SingularType:
        if field.type == _KIND.TYPE_MESSAGE:
            return self._message_type(field.type_name)
        if field.type == _KIND.TYPE_ENUM:
            file, enum, path = self.enum_descriptors[field.type_name]
            package, module = self._module(file)
            constants = tuple(value.name for value in enum.value)
            return EnumType(package, module, path, self.exports.get(field.type_name, ""), constants)
        return ScalarType(_scalar(field))

    def _message_type(self, name: str) -> MessageType:
        file, _, path = self.descriptors[name]
        package, module = self._module(file)
        return MessageType(name[1:], package, module, path)

    def _module(self, file: FileDescriptorProto) -> tuple[str, str]:
        if file.name.startswith(_WELL_KNOWN):
            return "google.protobuf", f"{names.file_name(file.name[len(_WELL_KNOWN) :])}_pb2"
        return self.import_path, f"{names.file_name(file.name)}_pb2"

    def _doc(self, file: FileDescriptorProto, path: tuple[int, ...]) -> str:
        # google.protobuf's comments explain its JSON form and its helpers: nothing for us.
        if file.name.startswith(_WELL_KNOWN):
            return ""
        return self.comments[file.name].get(path, "")


def _walk(
    messages: Iterable[DescriptorProto], prefix: str, path: tuple[int, ...]
) -> Iterator[tuple[str, DescriptorProto, tuple[int, ...]]]:
    for i, message in enumerate(messages):
        full = prefix + message.name
        yield full, message, (*path, i)
        yield from _walk(message.nested_type, f"{full}.", (*path, i, 3))


def _comments(file: FileDescriptorProto) -> Mapping[tuple[int, ...], str]:
    """Return the comment before or behind each element, by the element's path in the file."""
    return {
        tuple(location.path): "\n\n".join(texts)
        for location in file.source_code_info.location
        for texts in [
            [
                "\n".join(line.strip() for line in comment.strip().splitlines())
                for comment in (location.leading_comments, location.trailing_comments)
                if comment.strip()
            ]
        ]
        if texts
    }


def _excludes(message: DescriptorProto, field: FieldDescriptorProto) -> tuple[str, ...]:
    if not field.HasField("oneof_index"):
        return ()
    others = [f for f in message.field if f.HasField("oneof_index") and f.name != field.name]
    return tuple(other.name for other in others if other.oneof_index == field.oneof_index)


def _scalar(field: FieldDescriptorProto) -> str:
    return _SCALARS.get(field.type, "int")


def _sensitivity(field: FieldDescriptorProto) -> Optional[str]:
    for option, value in field.options.ListFields():
        if option.full_name == _SENSITIVITY and option.enum_type is not None:
            return str(option.enum_type.values_by_number[value].name)[len("SENSITIVITY_") :]
    return None
