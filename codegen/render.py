"""Turns the model into Python text. Pure: what to say comes from the model, how from layout.

The text is what `ruff format` would make of it, so that generated code reads like the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

from . import names
from .layout import Labelled, Node, docstring, group, lay_out, list_of, paragraphs, tuple_of
from .model import (
    Enum,
    EnumType,
    Field,
    MapType,
    Message,
    MessageType,
    Method,
    Package,
    RepeatedType,
    ScalarType,
    Service,
    ServiceFile,
    SingularType,
)
from .overlay import Claim

__all__ = ["GENERATED", "finish_stub", "render"]

GENERATED = "Generated from the protos by codegen. DO NOT EDIT."
"""Stands in every rendered file; write.py replaces no folder that lacks it."""

_CONTRACT = "livekit_connector_sync.service"
_THIRD_PARTY = ("google", "livekit_connector_sync")
_DURATION = "google.protobuf.Duration"
_TIMESTAMP = "google.protobuf.Timestamp"
_FACTS = (
    "safe_to_repeat",
    "repeat_done",
    "repeat_echo",
    "required",
    "required_unless",
    "no_default",
    "formats",
    "wait_field",
    "wait_timeout_field",
)
_OPTIONS = (
    "timeout: Timeout = UNSET,",
    "retry: Retry = UNSET,",
    "extra_headers: Optional[Mapping[str, str]] = None,",
)
_OPTION_DOCS = {
    "timeout": "seconds for the whole call, retries included; None for no limit; by default the"
    " channel's.",
    "retry": "the retry policy of this call; None for a single attempt; by default the channel's.",
    "extra_headers": "request headers to add.",
}


def render(package: Package) -> dict[str, str]:
    """Return the package's rendered files, by name.

    Args:
        package: the model.
    """
    files = {f"{file.module}.py": _service_module(package, file) for file in package.files}
    files["enums.py"] = _enums_module(package.enums)
    files["__init__.py"] = _init_module(package)
    return files


def finish_stub(text: str) -> str:
    """Return a `.pyi` of mypy-protobuf's as it goes into the package.

    Its DESCRIPTORs are narrower than those in the stubs of protobuf itself, which pyright reports.
    Its enums' values are a type of their own, while messages take any int, as those of `enums.py`.
    """
    text = text.replace(
        'ValueType = typing.NewType("ValueType", builtins.int)',
        "ValueType: typing_extensions.TypeAlias = builtins.int",
    )
    return f"# pyright: reportIncompatibleVariableOverride=false\n{text}"


# ---- imports


class _Imports:
    """The import block of a module, in isort's order."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._names: dict[str, set[str]] = {}

    def add(self, module: str, *imported: str) -> None:
        self._names.setdefault(module, set()).update(imported)

    def lines(self) -> list[str]:
        own = self._own.partition(".")[0]
        sections: dict[int, list[str]] = {0: [], 1: [], 2: []}
        for module in sorted(self._names):
            top = module.partition(".")[0]
            section = 2 if top == own else int(top in _THIRD_PARTY)
            sections[section] += _import(module, self._names[module])
        return ["from __future__ import annotations", ""] + [
            line for part in sections.values() if part for line in [*part, ""]
        ]


def _import(module: str, imported: Iterable[str]) -> list[str]:
    # isort gives each name that is imported as another a statement of its own.
    renamed = sorted(name for name in imported if " as " in name)
    plain = {name for name in imported if " as " not in name}
    ordered = sorted(plain, key=lambda name: (_kind_of_name(name), name.lower()))
    statements = [ordered] * bool(ordered) + [[name] for name in renamed]
    return [line for names in statements for line in _import_statement(module, names)]


def _import_statement(module: str, names: list[str]) -> list[str]:
    flat = f"from {module} import {', '.join(names)}"
    return [flat] if len(flat) <= 100 else lay_out(group(f"from {module} import (", names, ")"), "")


def _kind_of_name(name: str) -> int:
    """Return isort's order of a name: constants, classes, the rest."""
    if name.isupper():
        return 0
    return 1 if name[:1].isupper() else 2


# ---- one module per file with services


def _service_module(package: Package, file: ServiceFile) -> str:
    imports = _Imports(package.import_path)
    body: list[str] = []
    constants = _constants(file)
    for service in file.services:
        for method in service.methods:
            body += _method_info(imports, constants[service.name, method.name], service, method)
    for service in file.services:
        members = [(method, constants[service.name, method.name]) for method in service.methods]
        body += ["", "", *_stub(imports, service, members)]
        body += ["", "", *_servicer(imports, service, members)]
        body += ["", "", *_client(imports, package.import_path, service, members)]
    classes = [s.name + kind for s in file.services for kind in ("Client", "Servicer", "Stub")]
    head = docstring(
        f"Stubs, servicers and clients of the services in {file.name}.\n\n{GENERATED}", ""
    )
    lines = [*head, "", *imports.lines(), *_all(classes), "", *body]
    return _text(lines)


def _constants(file: ServiceFile) -> dict[tuple[str, str], str]:
    """Return the MethodInfo constants' names, by service and RPC."""
    result = {}
    for service in file.services:
        # Two underscores, as Foo.BarBaz and FooBar.Baz must not share one.
        prefix = f"{names.client_method(service.name)}__" if len(file.services) > 1 else ""
        for method in service.methods:
            result[service.name, method.name] = f"_{prefix}{method.client_name}".upper()
    return result


def _method_info(imports: _Imports, constant: str, service: Service, method: Method) -> list[str]:
    imports.add(_CONTRACT, "MethodInfo")
    arguments: list[Node] = [
        f'service="{service.full_name}"',
        f'name="{method.name}"',
        f"request_type={_class(imports, method.request.type)}",
        f"response_type={_class(imports, method.response.type)}",
    ]
    if method.facts.grants:
        imports.add(_CONTRACT, "Grant")
        grants = [_grant(claim) for claim in method.facts.grants]
        arguments.append(Labelled("grants=", tuple_of(grants)))
    for fact in _FACTS:
        value = getattr(method.facts, fact)
        if value:
            arguments.append(Labelled(f"{fact}=", _literal(value)))
    lines = [f"{constant} = MethodInfo("]
    for argument in arguments:
        lines += lay_out(argument, "    ", ",")
    return [*lines, ")"]


def _grant(claim: Claim) -> str:
    parts = [f'"{claim.name}"']
    if claim.section != "video":
        parts.append(f'section="{claim.section}"')
    if claim.field:
        parts.append(f'field="{claim.field}"')
    return f"Grant({', '.join(parts)})"


def _literal(value: object) -> Node:
    if isinstance(value, tuple):
        return tuple_of([_literal(item) for item in value])
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _stub(imports: _Imports, service: Service, members: list[tuple[Method, str]]) -> list[str]:
    imports.add(_CONTRACT, "UnaryUnaryChannel", "UnaryUnaryMultiCallable")
    lines = [
        f"class {service.name}Stub:",
        *_doc(
            service.doc or f"The service {service.full_name}.",
            "    ",
            "Blocking, in gRPC's style: each RPC is an attribute that is called with a request.",
        ),
        "",
        "    def __init__(self, channel: UnaryUnaryChannel) -> None:",
        '        """Bind the RPCs to a channel.',
        "",
        "        Args:",
        "            channel: what the calls go through, a livekit_connector_sync.Channel.",
        '        """',
    ]
    for method, constant in members:
        types = [_class(imports, m.type) for m in (method.request, method.response)]
        annotation = Labelled(
            f"self.{method.name}: ", group("UnaryUnaryMultiCallable[", types, "]")
        )
        lines += lay_out(annotation, "        ", f" = channel.unary_unary({constant})")
        lines += _doc(_method_doc(method), "        ")
    return lines


def _servicer(imports: _Imports, service: Service, members: list[tuple[Method, str]]) -> list[str]:
    imports.add(_CONTRACT, "Servicer", "ServicerContext")
    lines = [
        f"class {service.name}Servicer(Servicer):",
        *_doc(
            service.doc or f"The service {service.full_name}.",
            "    ",
            "The server's side: subclass it and override the RPCs that you serve.",
        ),
        "",
        *lay_out(Labelled("METHODS = ", tuple_of([constant for _, constant in members])), "    "),
    ]
    for method, constant in members:
        request = _class(imports, method.request.type)
        response = _class(imports, method.response.type)
        parameters = ["self", f"request: {request}", "context: ServicerContext"]
        lines += [
            "",
            *lay_out(group(f"def {method.name}(", parameters, ")"), "    ", f" -> {response}:"),
            *_doc(_method_doc(method), "        "),
            f"        raise self.unimplemented({constant})",
        ]
    return lines


def _client(
    imports: _Imports, package: str, service: Service, members: list[tuple[Method, str]]
) -> list[str]:
    imports.add(_CONTRACT, "ServiceClient")
    lines = [
        f"class {service.name}Client(ServiceClient):",
        *_doc(service.doc or f"The service {service.full_name}.", "    "),
    ]
    for method, constant in members:
        lines += ["", *_client_method(imports, package, method, constant)]
    return lines


def _client_method(imports: _Imports, package: str, method: Method, constant: str) -> list[str]:
    imports.add("collections.abc", "Mapping")
    imports.add("typing", "Optional")
    imports.add(_CONTRACT, "Retry", "Timeout", "UNSET")
    request = _class(imports, method.request.type)
    returns = f" -> {_class(imports, method.response.type)}:"
    explicit = [f for f in method.request.fields if f.name in method.facts.no_default]
    lines: list[str] = []
    if explicit:
        imports.add("typing", "overload")
        lines += ["    @overload", f"    def {method.client_name}("]
        lines += _parameters([f"        request: {request},"], [])
        lines += [f"    ){returns} ...", "    @overload", f"    def {method.client_name}("]
        lines += _parameters(
            ["        request: None = None,"],
            [
                _parameter(imports, package, field, default=field not in explicit)
                for field in method.request.fields
            ],
        )
        # Editors show the docstring of the overload that a call matches.
        lines += [f"    ){returns}", *docstring(_client_doc(method), "        "), ""]
    lines += [f"    def {method.client_name}("]
    optional = Labelled("request: ", group("Optional[", [request], "]"))
    lines += _parameters(
        lay_out(optional, "        ", " = None,"),
        [_parameter(imports, package, field) for field in method.request.fields],
    )
    lines += [f"    ){returns}", *docstring(_client_doc(method), "        ")]
    names = ["request", *(field.name for field in method.request.fields)]
    pairs: list[Node] = [f'"{name}": {name}' for name in names]
    lines += lay_out(group("_arguments = {", pairs, "}"), "        ")
    if method.secret_fields:
        lines.append("        # So that no frame of an error's traceback holds a secret.")
        lines.append(f"        del {', '.join(['request', *method.secret_fields])}")
    call = group("return self._call(", [constant, "_arguments", *_OPTION_DOCS], ")")
    return [*lines, *lay_out(call, "        ")]


def _parameters(request: list[str], fields: list[list[str]]) -> list[str]:
    return [
        "        self,",
        *request,
        "        *,",
        *(line for lines in fields for line in lines),
        *(f"        {line}" for line in _OPTIONS),
    ]


def _parameter(imports: _Imports, package: str, field: Field, default: bool = True) -> list[str]:
    annotation = _annotation(imports, package, field.type)
    if not default:
        return lay_out(Labelled(f"{field.name}: ", annotation), "        ", ",")
    optional = group("Optional[", [annotation], "]")
    return lay_out(Labelled(f"{field.name}: ", optional), "        ", " = None,")


def _annotation(
    imports: _Imports, package: str, type_: Union[SingularType, RepeatedType, MapType]
) -> Node:
    if isinstance(type_, RepeatedType):
        imports.add("collections.abc", "Iterable")
        return group("Iterable[", [_annotation(imports, package, type_.item)], "]")
    if isinstance(type_, MapType):
        imports.add("collections.abc", "Mapping")
        return group("Mapping[", [type_.key.name, _annotation(imports, package, type_.value)], "]")
    if isinstance(type_, ScalarType):
        return type_.name
    if isinstance(type_, EnumType):
        return _enum_annotation(imports, package, type_)
    if type_.full_name == _DURATION:
        imports.add(_CONTRACT, "DurationLike")
        return "DurationLike"
    imports.add("typing", "Union")
    if type_.full_name == _TIMESTAMP:
        imports.add("datetime", "datetime")
        return group("Union[", ["datetime", _class(imports, type_)], "]")
    imports.add(_CONTRACT, "MessageLike")
    return group("Union[", [_class(imports, type_), "MessageLike"], "]")


def _enum_annotation(imports: _Imports, package: str, type_: EnumType) -> Node:
    imports.add("typing", "Literal", "Union")
    imports.add(type_.package, type_.module)
    choices: list[Node] = [f"{type_.module}.{type_.path}.ValueType"]
    if type_.export:
        imports.add(package, "enums")
        choices.append(f"enums.{type_.export}")
    literals = [f'"{constant}"' for constant in type_.constants]
    return group("Union[", [*choices, group("Literal[", literals, "]")], "]")


def _class(imports: _Imports, type_: MessageType) -> str:
    imports.add(type_.package, type_.module)
    return f"{type_.module}.{type_.path}"


# ---- docstrings

_DEEP = " " * 8  # what the text of an argument is indented by, beyond its docstring
_DEEPER = " " * 12


def _doc(text: str, indent: str, *more: str) -> list[str]:
    whole = "\n\n".join([text, *more])
    return docstring("\n".join(paragraphs(whole, indent)), indent)


def _method_doc(method: Method) -> str:
    doc = method.doc or f"Call {method.name}."
    return f"{doc}\n\nDeprecated." if method.deprecated else doc


def _client_doc(method: Method) -> str:
    indent = "        "
    lines = paragraphs(_method_doc(method), indent)
    lines += ["", "Takes a request message, or the message's fields as keywords.", "", "Args:"]
    lines += paragraphs(
        "the request message, in place of the fields.", indent, "    request: ", _DEEP
    )
    for field in method.request.fields:
        text = _field_doc(field, method)
        lines += paragraphs(text, indent, f"    {field.name}: ", _DEEP)
    for option, text in _OPTION_DOCS.items():
        lines += paragraphs(text, indent, f"    {option}: ", _DEEP)
    lines += ["", "Returns:", *_returns(method.response, indent), "", "Raises:"]
    lines += paragraphs(
        "the call failed; InvalidArgument, before anything is sent, if a required field is empty.",
        indent,
        "    TwirpError: ",
        _DEEP,
    )
    lines += paragraphs(
        "a field or extra_headers has the wrong type, or fields stand beside a request.",
        indent,
        "    TypeError: ",
        _DEEP,
    )
    lines += paragraphs(
        "a field is out of range, timeout or retry is wrong, or a header cannot be sent.",
        indent,
        "    ValueError: ",
        _DEEP,
    )
    return "\n".join(lines)


def _field_doc(field: Field, method: Method) -> str:
    doc = field.doc or f"the field {field.name} of {method.request.type.full_name}."
    if field.name in method.facts.required and not doc.lower().startswith("required"):
        doc = f"Required. {doc}"
    if isinstance(field.type, MessageType) and field.type.full_name == _DURATION:
        doc = f"{doc} Takes seconds, a timedelta or a Duration."
    if field.excludes:
        doc = f"{doc} Not together with {', '.join(field.excludes)}."
    return f"Deprecated. {doc}" if field.deprecated else doc


def _returns(response: Message, indent: str) -> list[str]:
    name = response.type.path
    lines = paragraphs(response.doc, indent, f"    {name}: ", _DEEP) or [f"    {name}."]
    for field in response.fields:
        if field.doc:
            lines += ["", *paragraphs(field.doc, indent, f"        {field.name}: ", _DEEPER)]
    return lines


# ---- enums.py and __init__.py


def _enums_module(enums: Iterable[Enum]) -> str:
    ordered = sorted(enums, key=lambda enum: enum.name)
    head = docstring(
        "The enums of the protos as Python enums, whose constants complete in a shell.\n\n"
        f"{GENERATED}",
        "",
    )
    imports = _Imports(_CONTRACT)
    if ordered:
        imports.add(_CONTRACT, "ProtoEnum")
    lines = [*head, "", *imports.lines(), *_all([enum.name for enum in ordered]), ""]
    for enum in ordered:
        lines += ["", f"class {enum.name}(ProtoEnum):"]
        lines += [*_doc(enum.doc or f"The enum {enum.full_name}.", "    "), ""]
        for constant in enum.constants:
            lines.append(f"    {constant.name} = {constant.number}")
            if constant.doc:
                lines += _doc(constant.doc, "    ")
        lines.append("")
    return _text(lines)


def _init_module(package: Package) -> str:
    imports = _Imports(package.import_path)
    exported: list[str] = []

    def export(module: str, name: str, exported_as: str = "") -> None:
        renamed = exported_as not in ("", name)
        words = f"{name} as {exported_as}" if renamed else name
        imports.add(f"{package.import_path}.{module}", words)
        exported.append(exported_as or name)

    for enum in package.enums:
        export("enums", enum.name)
    for message in package.messages:
        if "." not in message.type.path:
            export(message.type.module, message.type.path, message.export)
    for file in package.files:
        for service in file.services:
            for kind in ("Client", "Servicer", "Stub"):
                export(file.module, service.name + kind)
    imports.add(_CONTRACT, "mark_sensitive")
    head = docstring(f"Messages, enums, stubs, servicers and clients.\n\n{GENERATED}", "")
    lines = [*head, "", *imports.lines(), *_all(exported), ""]
    for message in sorted(package.messages, key=lambda message: message.export):
        lines += lay_out(_mark(message), "")
    return _text(lines)


def _mark(message: Message) -> Node:
    arguments: list[Node] = [message.export]
    for kind, fields in (("secret", message.secret), ("pii", message.pii)):
        if fields:
            arguments.append(Labelled(f"{kind}=", _literal(fields)))
    return group("mark_sensitive(", arguments, ")")


def _all(exports: Iterable[str]) -> list[str]:
    ordered = sorted(exports, key=lambda name: (_kind_of_name(name), name))
    quoted = [f'"{name}"' for name in ordered]
    return lay_out(Labelled("__all__ = ", list_of(quoted)), "")


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
