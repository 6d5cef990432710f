"""Turns the model into flat Python text, which ruff formats afterwards. Pure.

A module of services imports everything that it might use; ruff removes the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import names
from .docstrings import docstring, wrap
from .model import Enum, Field, FieldType, Message, Method, Package, Service, ServiceFile
from .overlay import Claim

GENERATED = "Generated from the protos by codegen. DO NOT EDIT."
"""Part of every rendered file; write.py replaces only folders with this text."""

_CONTRACT = "livekit_connector_sync.service"
_IMPORTS = f"""from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Optional, TypedDict, Union, overload
from {_CONTRACT} import (
    UNSET, DurationLike, Grant, LazyModule, MessageLike, MethodInfo, Retry, ServiceClient,
    Servicer, ServicerContext, Timeout, UnaryUnaryChannel, UnaryUnaryMultiCallable, check_channel,
    with_call,
)"""
_KINDS = ("Client", "Servicer", "Stub")
_OPTIONS = {
    "timeout": "Timeout = UNSET",
    "retry": "Retry = UNSET",
    "extra_headers": "Optional[Mapping[str, str]] = None",
}
_OPTION_DOCS = {
    "timeout": "Seconds for the whole call, including retries. None: no limit. Default: the"
    " channel's timeout.",
    "retry": "Retry policy for this call. None: a single attempt. Default: the channel's policy.",
    "extra_headers": "Additional request headers, text by name. Default: none.",
}
_ERROR_DOCS = {
    "TwirpError": "The call failed. If a required field is empty, it is an InvalidArgument and"
    " nothing is sent.",
    "TypeError": "A field or extra_headers has the wrong type, or both a request and fields were"
    " passed.",
    "ValueError": "A field is out of range, timeout or retry is invalid, or a header cannot be"
    " sent.",
}


def render(package: Package) -> dict[str, str]:
    """Return the package's files, by name."""
    files = {f"{file.module}.py": _service_module(package, file) for file in package.files}
    files["dicts.py"] = _dicts_module(package)
    files["enums.py"] = _enums_module(package.enums)
    files["__init__.py"] = _init_module(package)
    return files


def _module(doc: str, exports: Iterable[str], imports: str, *parts: str) -> str:
    head = docstring(f"{doc}\n\n{GENERATED}", "")
    future = "from __future__ import annotations"
    return "\n".join([head, future, imports, f"__all__ = {list(exports)}", "", *parts])


# ---- one module per file with services


def _service_module(package: Package, file: ServiceFile) -> str:
    infos, classes = [], []
    for service in file.services:
        # Two underscores, because Foo.BarBaz and FooBar.Baz must have different constants.
        prefix = f"{names.client_method(service.name)}__" if len(file.services) > 1 else ""
        members = [(m, f"_{prefix}{m.client_name}".upper()) for m in service.methods]
        infos += [_method_info(service, method, constant) for method, constant in members]
        renderers = (_stub, _servicer, _client_with_call, _client)
        classes += [render(service, members) for render in renderers]
    exports = [service.name + kind for service in file.services for kind in _KINDS]
    doc = f"Stubs, servicers and clients of the services in {file.name}."
    text = "\n".join([*infos, *classes])
    # Only annotations name the dicts: typing.get_type_hints imports them.
    lazy = f"""if TYPE_CHECKING:
    from {package.import_path} import dicts
else:
    dicts = LazyModule("{package.import_path}.dicts")
"""
    return _module(doc, exports, _imports(package), *([lazy] if " dicts." in text else []), text)


def _imports(package: Package) -> str:
    modules = [*package.modules, f"{package.import_path}.enums"]
    paths = [module.rpartition(".") for module in modules]
    return "\n".join([_IMPORTS, *(f"from {path} import {name}" for path, _, name in paths)])


def _method_info(service: Service, method: Method, constant: str) -> str:
    grants = _tuple([_grant(claim) for claim in method.facts["grants"]])
    facts = {fact: repr(value) for fact, value in method.facts.items() if value}
    facts.update({"grants": grants} if "grants" in facts else {})
    return f"""{constant} = MethodInfo(
    service="{service.full_name}",
    name="{method.name}",
    request_type={method.request.python},
    response_type={method.response.python},
    {"".join(f"{fact}={value}," for fact, value in facts.items())}
)"""


def _grant(claim: Claim) -> str:
    more = "".join(f", {key}={claim[key]!r}" for key in ("section", "field") if key in claim)
    return f"Grant({claim['name']!r}{more})"


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' * (len(items) == 1)})"


def _stub(service: Service, members: list[tuple[Method, str]]) -> str:
    doc = _service_doc(
        service,
        "A blocking stub in gRPC's style. Each RPC is an attribute: call it with a request.",
    )
    attributes = [
        f"""        self.{method.name}: UnaryUnaryMultiCallable[
            {method.request.python}, {method.response.python}
        ] = channel.unary_unary({constant})
{_doc(_method_doc(method), 8)}"""
        for method, constant in members
    ]
    return f'''class {service.name}Stub:
{doc}

    def __init__(self, channel: UnaryUnaryChannel) -> None:
        """Bind the RPCs to a channel.

        Args:
            channel: The channel that sends the calls, such as a livekit_connector_sync.Channel.

        Raises:
            TypeError: channel is not a channel.
        """
        check_channel(channel)
''' + "\n".join(attributes)


def _servicer(service: Service, members: list[tuple[Method, str]]) -> str:
    doc = _service_doc(
        service, "The base class for a server. Subclass it and override the RPCs that you serve."
    )
    methods = [
        f"""
    def {method.name}(
        self, request: {method.request.python}, context: ServicerContext
    ) -> {method.response.python}:
{_doc(_method_doc(method), 8)}
        raise self.unimplemented({constant})"""
        for method, constant in members
    ]
    return f"""class {service.name}Servicer(Servicer):
{doc}

    METHODS = {_tuple([constant for _, constant in members])}
""" + "\n".join(methods)


def _client_with_call(service: Service, members: list[tuple[Method, str]]) -> str:
    attributes = [
        f"        self.{name} = with_call(client.{name})"
        for name in (method.client_name for method, _ in members)
    ]
    return f'''class _{service.name}ClientWithCall:
    """The methods of a {service.name}Client, which return (response, call)."""

    def __init__(self, client: {service.name}Client) -> None:
''' + "\n".join(attributes)


def _client(service: Service, members: list[tuple[Method, str]]) -> str:
    methods = [_client_method(method, constant) for method, constant in members]
    return f'''class {service.name}Client(ServiceClient):
{_service_doc(service)}

    @property
    def with_call(self) -> _{service.name}ClientWithCall:
        """The same methods, but each returns (response, call), as with_call of a stub does."""
        return _{service.name}ClientWithCall(self._with_call())
''' + "\n".join(methods)


def _client_method(method: Method, constant: str) -> str:
    """Return a method and the two ways to call it. Editors show its docstring for both."""
    request, fields = method.request.python, method.request.fields
    needed = {*method.facts.get("required", ()), *method.facts.get("no_default", ())}
    by_field = _signature(method, ["*", *(_parameter(f, f.name in needed) for f in fields)])
    either = [f"request: Optional[{request}] = None", "*", *map(_parameter, fields)]
    arguments = ", ".join(f'"{name}": {name}' for name in ["request", *(f.name for f in fields)])
    return f"""
    @overload
{by_field} ...
    @overload
{_signature(method, [f"request: {request}", "*"])} ...

{_signature(method, either)}
{docstring(_client_doc(method), " " * 8)}
        return self._call({constant}, {{{arguments}}}, {", ".join(_OPTIONS)})"""


def _signature(method: Method, parameters: list[str]) -> str:
    options = [f"{name}: {type_}" for name, type_ in _OPTIONS.items()]
    text = "".join(f"{part}," for part in ["self", *parameters, *options])
    return f"    def {method.client_name}({text}) -> {method.response.python}:"


def _parameter(field: Field, required: bool = False) -> str:
    annotation = _annotation(field.type, "dicts.")
    return f"{field.name}: " + (annotation if required else f"Optional[{annotation}] = None")


def _annotation(type_: FieldType, dicts: str) -> str:
    """Return the annotation of a field's values; `dicts` comes before the names of dicts.py."""
    one = type_.python
    if type_.constants:
        one = f"Literal{list(type_.constants)}"
        one = f"Union[enums.{type_.enum}, {one}]" if type_.enum else one
    elif type_.full_name == ".google.protobuf.Duration":
        one = "DurationLike"
    elif type_.full_name == ".google.protobuf.Timestamp":
        one = f"Union[datetime, {one}]"
    elif type_.full_name:
        one = f"Union[{one}, {dicts + type_.dict if type_.dict else 'MessageLike'}]"
    if type_.key:
        return f"Mapping[{type_.key}, {one}]"
    return f"Iterable[{one}]" if type_.repeated else one


# ---- docstrings


def _doc(text: str, indent: int) -> str:
    return docstring(wrap(text, " " * indent), " " * indent)


def _service_doc(service: Service, *more: str) -> str:
    return _doc("\n\n".join([service.doc or f"The service {service.full_name}.", *more]), 4)


def _method_doc(method: Method) -> str:
    doc = method.doc or f"Call {method.name}."
    return f"{doc}\n\nDeprecated." if method.deprecated else doc


def _client_doc(method: Method) -> str:
    fields = {field.name: _field_doc(field, method) for field in method.request.fields}
    request = {"request": "The request message, as an alternative to the fields."}
    return "\n".join(
        [
            wrap(_method_doc(method), " " * 8),
            "\nPass either a request message or the message's fields as keyword arguments.",
            "\nArgs:",
            *_entries({**request, **fields, **_OPTION_DOCS}),
            "\nReturns:",
            *_returns(method.response),
            "\nRaises:",
            *_entries(_ERROR_DOCS),
        ]
    )


def _entries(docs: dict[str, str]) -> list[str]:
    return [_entry(name, doc, 4) for name, doc in docs.items()]


def _entry(name: str, doc: str, indent: int) -> str:
    """Return a name and its description in a client method's docstring."""
    return wrap(doc, " " * 8, f"{' ' * indent}{name}: ", " " * (indent + 4))


def _field_doc(field: Field, method: Method) -> str:
    doc = field.doc or f"The field {field.name} of {method.request.full_name[1:]}."
    if field.name in method.facts.get("required", ()) and not doc.lower().startswith("required"):
        doc = f"Required. {doc}"
    if field.type.full_name == ".google.protobuf.Duration" and not field.type.repeated:
        doc = f"{doc} Takes seconds, a timedelta, or a Duration."
    if field.excludes:
        doc = f"{doc} Mutually exclusive with {', '.join(field.excludes)}."
    return f"Deprecated. {doc}" if field.deprecated else doc


def _returns(response: Message) -> list[str]:
    head = _entry(response.path, response.doc, 4) if response.doc else f"    {response.path}."
    documented = [field for field in response.fields if field.doc]
    return [head, *(f"\n{_entry(field.name, field.doc, 8)}" for field in documented)]


# ---- dicts.py, enums.py and __init__.py


def _dicts_module(package: Package) -> str:
    messages = sorted((m for m in package.messages if m.dict), key=lambda message: message.dict)
    doc = "The dicts that fields take instead of messages. Use the names in your annotations."
    return _module(doc, [m.dict for m in messages], _imports(package), *map(_dict, messages))


def _dict(message: Message) -> str:
    lines = [f"class {message.dict}(TypedDict, total=False):"]
    lines.append(_doc(f"The fields of a {message.path}. {message.doc}", 4))
    for field in message.fields:
        lines.append(f"    {field.name}: Optional[{_annotation(field.type, '')}]")
        lines += [_doc(field.doc, 4)] if field.doc else []
    return "\n".join(lines)


def _enums_module(enums: Iterable[Enum]) -> str:
    ordered = sorted(enums, key=lambda enum: enum.name)
    doc = "The enums of the protos as Python enums, so that shells complete their constants."
    imports = f"from {_CONTRACT} import ProtoEnum"
    return _module(doc, [enum.name for enum in ordered], imports, *map(_enum, ordered))


def _enum(enum: Enum) -> str:
    lines = [f"class {enum.name}(ProtoEnum):", _doc(enum.doc or f"The enum {enum.full_name}.", 4)]
    for constant in enum.constants:
        lines.append(f"    {constant.name} = {constant.number}")
        lines += [_doc(constant.doc, 4)] if constant.doc else []
    return "\n".join(lines)


def _init_module(package: Package) -> str:
    exports = [("enums", enum.name, enum.name) for enum in package.enums]
    exports += [(m.module, m.path, m.export) for m in package.messages if "." not in m.path]
    for file in package.files:
        classes = [service.name + kind for service in file.services for kind in _KINDS]
        exports += [(file.module, name, name) for name in classes]
    imports = [
        f"from {package.import_path}.{module} import {name}" + f" as {export}" * (name != export)
        for module, name, export in exports
    ]
    imports.append(f"from {_CONTRACT} import mark_sensitive")
    marks = [_mark(m) for m in sorted(package.messages, key=lambda message: message.export)]
    doc = "Messages, enums, stubs, servicers and clients."
    return _module(doc, [export for *_, export in exports], "\n".join(imports), *marks)


def _mark(message: Message) -> str:
    secret = f", secret={message.secret!r}" if message.secret else ""
    pii = f", pii={message.pii!r}" if message.pii else ""
    return f"mark_sensitive({message.export}{secret}{pii})"
