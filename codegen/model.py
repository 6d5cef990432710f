"""What the generated code says, as plain values: descriptors and overlay in, dataclasses out.

Pure. Names that cannot be generated are rejected here, before a file is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Optional, Union

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from . import names
from .descriptors import Declared, absolute, declared, enums_of, is_well_known, messages_of
from .errors import CodegenError
from .facts import check_facts
from .overlay import Facts, Overlay

_KIND = FieldDescriptorProto
_SCALARS = {
    _KIND.TYPE_BOOL: "bool",
    _KIND.TYPE_BYTES: "bytes",
    _KIND.TYPE_DOUBLE: "float",
    _KIND.TYPE_FLOAT: "float",
    _KIND.TYPE_STRING: "str",
}
# Names in the package's flat namespace that are not the protos'.
_OWN_EXPORTS = ("ProtoEnum", "annotations", "dicts", "enums", "mark_sensitive")


@dataclass(frozen=True)
class FieldType:
    """What a field holds."""

    python: str  # one value's type, as generated code names it: "str", "livekit_rtc_pb2.Room"
    full_name: str = ""  # a message's or enum's name in the protos, ".livekit.Room"
    dict: str = ""  # a message's name in dicts.py, if it is there
    enum: str = ""  # an enum's name in enums.py; google.protobuf's enums have none
    constants: tuple[Union[int, str], ...] = ()  # the numbers and the names of an enum
    repeated: bool = False
    key: str = ""  # the type of a map's keys


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    doc: str
    type: FieldType
    excludes: tuple[str, ...]  # the others of its oneof
    deprecated: bool


@dataclass(frozen=True)
class Message:
    """A message."""

    full_name: str  # in the protos, ".livekit.Room.Kind"
    module: str  # of its class
    path: str  # of its class in the module, dotted if nested
    export: str  # its name in the package's flat namespace, dotted if nested
    dict: str  # its name in dicts.py; empty if it is not there
    doc: str
    fields: tuple[Field, ...]
    secret: tuple[str, ...]  # fields that must never be shown
    pii: tuple[str, ...]  # fields with personal data

    @property
    def python(self) -> str:
        """Its class, as generated code names it."""
        return f"{self.module}.{self.path}"


@dataclass(frozen=True)
class Constant:
    """A value of an enum."""

    name: str
    number: int
    doc: str


@dataclass(frozen=True)
class Enum:
    """An enum; `name` is the one in the package's flat namespace."""

    name: str
    full_name: str
    doc: str
    constants: tuple[Constant, ...]


@dataclass(frozen=True)
class Method:
    """An RPC."""

    name: str
    client_name: str
    doc: str
    request: Message
    response: Message
    facts: Facts
    deprecated: bool


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
    modules: tuple[str, ...]  # of all messages and enums, google.protobuf's included
    files: tuple[ServiceFile, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]


def build(files: FileDescriptorSet, import_path: str, overlay: Overlay) -> Package:
    """Return the model of a package, given what `rewrite.prune` returned.

    Raises:
        CodegenError: something in the protos cannot be generated, or the overlay does not fit.
    """
    return _Builder(files, import_path, overlay).package()


class _Builder:
    """Looks things up by name while it turns descriptors into the model."""

    def __init__(self, files: FileDescriptorSet, import_path: str, overlay: Overlay) -> None:
        self.import_path = import_path
        self.overlay = overlay
        self.files = [file for file in files.file if not is_well_known(file.name)]
        self.modules = tuple(
            f"{'google.protobuf' if is_well_known(file.name) else import_path}.{_module(file)}"
            for file in files.file
        )
        self.messages = {m.full_name: m for file in files.file for m in messages_of(file)}
        self.enums = {e.full_name: e for file in files.file for e in enums_of(file)}
        self.comments = {file.name: _comments(file) for file in self.files}
        self._check_files()
        self.exports = self._exports()
        self.dicts = self._dicts()

    def package(self) -> Package:
        self._check_sensitivity()
        own = {file.name for file in self.files}
        return Package(
            import_path=self.import_path,
            modules=self.modules,
            files=tuple(self._service_file(file) for file in self.files if file.service),
            messages=tuple(
                self._message(message)
                for message in self.messages.values()
                if message.file.name in own and not message.item.options.map_entry
            ),
            enums=tuple(self._enum(name) for name, e in self.enums.items() if e.file.name in own),
        )

    def _check_files(self) -> None:
        """Reject files that are not proto3 or that Python cannot import."""
        modules: dict[str, str] = {}
        for file in self.files:
            if file.syntax != "proto3":
                raise CodegenError(f"{file.name}: only proto3 is supported")
            module = names.file_name(file.name)
            if not module.isidentifier():
                raise CodegenError(
                    f"{file.name}: the module's name {module} is not a Python identifier"
                )
            other = modules.setdefault(module, file.name)
            if other != file.name:
                raise CodegenError(f"{other} and {file.name} would both be the module {module}")

    def _exports(self) -> dict[str, str]:
        """Return the exported names of top-level messages and of all enums, by full name.

        Raises:
            CodegenError: a name is taken or not possible.
        """
        entries: list[tuple[tuple[str, ...], str, str]]
        entries = [((name,), "", f"the package's own {name}") for name in _OWN_EXPORTS]
        for file in self.files:
            for service in file.service:
                for kind in ("Client", "Servicer", "Stub"):
                    words = f"{kind.lower()} of {service.name} in {file.name}"
                    names.check_name("service class", service.name + kind, f"the {words}")
                    entries.append(((service.name + kind,), "", words))
            outer = [part.title() for part in file.package.split(".")[1:]]
            for full_name, found in declared(file).items():
                kind = "message" if full_name in self.messages else "enum"
                names.check_name("class", found.path, f"{file.name}: {kind} {found.path}")
                if kind == "enum" or "." not in found.path:
                    path = (*outer, *found.path.split("."))
                    entries.append((path, full_name, f"{kind} {found.path} in {file.name}"))
                if kind == "message":
                    path = (*outer, *f"{found.path}Dict".split("."))
                    words = f"dict of message {found.path} in {file.name}"
                    entries.append((path, f"{full_name}Dict", words))
        exports = names.export_names(path for path, _, _ in entries)
        owners: dict[str, str] = {}
        for path, _, words in entries:
            other = owners.setdefault(exports[path], words)
            if other != words:
                raise CodegenError(f"{other} and {words} would both be exported as {exports[path]}")
        return {full_name: exports[path] for path, full_name, _ in entries if full_name}

    def _dicts(self) -> dict[str, str]:
        """Return the names in dicts.py of the messages that fields hold, by full name.

        A message whose fields cannot stand in the body of a class has none.
        """
        held = {field.type_name for m in self.messages.values() for field in m.item.field}
        return {
            name: self.exports[f"{name}Dict"]
            for name, message in self.messages.items()
            if name in held and f"{name}Dict" in self.exports
            if all(names.is_dict_key(field.name) for field in message.item.field)
        }

    def _check_sensitivity(self) -> None:
        generated = {absolute(file, s.name)[1:] for file in self.files for s in file.service}
        for name, marks in self.overlay.sensitivity.items():
            gives = f"codegen/overlay.toml gives {name}"
            message = self.messages.get(f".{name}")
            if message is not None:
                for field in sorted(set(marks).difference(f.name for f in message.item.field)):
                    raise CodegenError(
                        f"{message.file.name}: {gives}.{field} a sensitivity, but there is no such"
                        " field"
                    )
            elif self.overlay.complete <= generated:  # else it may be another service's
                raise CodegenError(f"{gives} a sensitivity, but there is no such message")

    def _service_file(self, file: FileDescriptorProto) -> ServiceFile:
        services = tuple(self._service(file, i, s) for i, s in enumerate(file.service))
        return ServiceFile(file.name, f"{names.file_name(file.name)}_twirp", services)

    def _service(
        self, file: FileDescriptorProto, index: int, service: ServiceDescriptorProto
    ) -> Service:
        full_name = absolute(file, service.name)[1:]
        self._check_rpcs(file, service)
        facts = self.overlay.facts(file.name, full_name, [rpc.name for rpc in service.method])
        methods = []
        for i, rpc in enumerate(service.method):
            request, response = self.messages[rpc.input_type], self.messages[rpc.output_type]
            where = f"{file.name}: RPC {full_name}.{rpc.name}"
            check_facts(where, facts[rpc.name], request.item, response.item, self.enums)
            method = Method(
                name=rpc.name,
                client_name=names.client_method(rpc.name),
                doc=self._doc(file, (6, index, 2, i)),
                request=self._message(request),
                response=self._message(response),
                facts=facts[rpc.name],
                deprecated=rpc.options.deprecated,
            )
            methods.append(method)
        return Service(service.name, full_name, self._doc(file, (6, index)), tuple(methods))

    def _check_rpcs(self, file: FileDescriptorProto, service: ServiceDescriptorProto) -> None:
        """Reject RPCs that cannot be generated."""
        methods: dict[str, str] = {}
        for rpc in service.method:
            where = f"{file.name}: RPC {absolute(file, service.name)[1:]}.{rpc.name}"
            if rpc.client_streaming or rpc.server_streaming:
                raise CodegenError(f"{where} is streaming, which Twirp does not support")
            method = names.client_method(rpc.name)
            names.check_name("RPC", rpc.name, where)
            names.check_name("method", method, where)
            request = self.messages[rpc.input_type]
            for field in request.item.field:
                names.check_name("field", field.name, where, f"field {request.path}.{field.name}")
            if method in methods:
                raise CodegenError(
                    f"{file.name}: RPCs {service.name}.{methods[method]} and"
                    f" {service.name}.{rpc.name} would both be the method {method}"
                )
            methods[method] = rpc.name

    def _message(self, message: Declared[DescriptorProto]) -> Message:
        marks = self._marks(message)
        top, dot, nested = message.path.partition(".")
        return Message(
            full_name=message.full_name,
            module=_module(message.file),
            path=message.path,
            export=self.exports.get(message.top, top) + dot + nested,
            dict=self.dicts.get(message.full_name, ""),
            doc=self._doc(message.file, message.location),
            fields=tuple(
                Field(
                    name=field.name,
                    doc=self._doc(message.file, (*message.location, 2, i)),
                    type=self._field_type(field),
                    excludes=_excludes(message.item, field),
                    deprecated=field.options.deprecated,
                )
                for i, field in enumerate(message.item.field)
            ),
            secret=tuple(name for name, mark in marks.items() if mark == "SECRET"),
            pii=tuple(name for name, mark in marks.items() if mark == "PII"),
        )

    def _marks(self, message: Declared[DescriptorProto]) -> dict[str, Optional[str]]:
        """Return the sensitivity of a message's fields, by name."""
        marks = {field.name: _sensitivity(field) for field in message.item.field}
        return {**marks, **self.overlay.sensitivity.get(message.full_name[1:], {})}

    def _enum(self, name: str) -> Enum:
        enum = self.enums[name]
        constants = []
        for i, value in enumerate(enum.item.value):
            where = f"{enum.file.name}: {enum.path}.{value.name}"
            names.check_name("constant", value.name, where)
            doc = self._doc(enum.file, (*enum.location, 2, i))
            constants.append(Constant(value.name, value.number, doc))
        doc = self._doc(enum.file, enum.location)
        return Enum(self.exports[name], name[1:], doc, tuple(constants))

    def _field_type(self, field: FieldDescriptorProto) -> FieldType:
        repeated = field.label == _KIND.LABEL_REPEATED
        name = field.type_name
        if field.type == _KIND.TYPE_MESSAGE:
            message = self.messages[name]
            if message.item.options.map_entry:
                key, value = message.item.field
                return replace(self._field_type(value), key=_scalar(key))
            python = f"{_module(message.file)}.{message.path}"
            return FieldType(python, name, self.dicts.get(name, ""), repeated=repeated)
        if field.type == _KIND.TYPE_ENUM:
            enum = self.enums[name]
            numbers = dict.fromkeys(value.number for value in enum.item.value)
            return FieldType(
                python="int",
                full_name=name,
                enum=self.exports.get(name, ""),
                constants=(*numbers, *(value.name for value in enum.item.value)),
                repeated=repeated,
            )
        return FieldType(_scalar(field), repeated=repeated)

    def _doc(self, file: FileDescriptorProto, location: tuple[int, ...]) -> str:
        # The comments of google.protobuf explain its JSON form and its helpers: leave them out.
        return self.comments.get(file.name, {}).get(location, "")


def _module(file: FileDescriptorProto) -> str:
    path = file.name.rpartition("/")[2] if is_well_known(file.name) else file.name
    return f"{names.file_name(path)}_pb2"


def _comments(file: FileDescriptorProto) -> Mapping[tuple[int, ...], str]:
    """Return the comments of each element, by its location."""
    comments = {}
    for location in file.source_code_info.location:
        texts = [
            "\n".join(line.strip() for line in comment.strip().splitlines())
            for comment in (location.leading_comments, location.trailing_comments)
            if comment.strip()
        ]
        comments[tuple(location.path)] = "\n\n".join(texts)
    return comments


def _excludes(message: DescriptorProto, field: FieldDescriptorProto) -> tuple[str, ...]:
    if not field.HasField("oneof_index"):
        return ()
    others = [f for f in message.field if f.HasField("oneof_index") and f.name != field.name]
    return tuple(other.name for other in others if other.oneof_index == field.oneof_index)


def _scalar(field: FieldDescriptorProto) -> str:
    return _SCALARS.get(field.type, "int")


def _sensitivity(field: FieldDescriptorProto) -> Optional[str]:
    for option, value in field.options.ListFields():
        if option.full_name == "logger.sensitivity" and option.enum_type is not None:
            return str(option.enum_type.values_by_number[value].name)[len("SENSITIVITY_") :]
    return None
