"""Checks the facts about an RPC against its request and its response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
)

from .descriptors import Declared, type_name
from .errors import CodegenError
from .overlay import Facts

_DURATION = ".google.protobuf.Duration"


def check_facts(
    where: str,
    facts: Facts,
    request: DescriptorProto,
    response: DescriptorProto,
    enums: Mapping[str, Declared[EnumDescriptorProto]],
) -> None:
    """Check that the fields that the facts name exist and have the right type.

    `where` is the file and the RPC, for the error; `enums` are all enums by full name.

    Raises:
        CodegenError: a field is missing or has another type.
    """
    for mistake in _mistakes(facts, request, response, enums):
        raise CodegenError(f"{where}: {mistake}")


def _mistakes(
    facts: Facts,
    request: DescriptorProto,
    response: DescriptorProto,
    enums: Mapping[str, Declared[EnumDescriptorProto]],
) -> Iterator[str]:
    """Yield what is wrong; do not go on after the first mistake."""
    fields = {field.name: field for field in request.field}
    for fact, name, wanted in _named_fields(facts):
        if name not in fields:
            yield f"{fact} names {name}, which {request.name} does not have"
        if wanted not in ("", _kind(fields[name])):
            yield f"{fact} names {name}, which is not of type {wanted.rpartition('.')[2]}"
    for name, format_name in facts.get("formats", ()):
        if not _can_be_empty(fields[name]):
            yield f"{name} is neither a text, a list, nor a message, so it has no {format_name}"
    for name in facts.get("required", ()):
        if not (_can_be_empty(fields[name]) or fields[name].HasField("oneof_index")):
            yield (
                f"required names {name}, but its zero looks the same as a missing value: list it"
                " in no_default"
            )
    for _, name, constant in facts.get("required_unless", ()):
        enum = enums[fields[name].type_name].item
        if constant not in [value.name for value in enum.value]:
            yield f"required_unless names {constant}, which {enum.name} does not have"
    types = {field.name: (field.label, type_name(field)) for field in response.field}
    for name in facts.get("repeat_echo", ()):
        if types.get(name) != (fields[name].label, type_name(fields[name])):
            yield f"repeat_echo names {name}, which {response.name} does not have with its type"
    if "wait_timeout_field" in facts and "wait_field" not in facts:
        yield "wait_timeout_field needs a wait_field"


def _named_fields(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """Yield each fact that names a field of the request, the field, and its required type."""
    for claim in facts["grants"]:
        if claim.get("field"):
            yield f"the grant {claim['name']}", claim["field"], "string"
    for fact in ("required", "no_default", "repeat_echo"):
        yield from ((fact, name, "") for name in facts.get(fact, ()))
    for name, enum_field, _ in facts.get("required_unless", ()):
        yield from (("required_unless", name, ""), ("required_unless", enum_field, "enum"))
    yield from (("formats", name, "") for name, _ in facts.get("formats", ()))
    for fact, wanted in (("wait_field", "bool"), ("wait_timeout_field", _DURATION)):
        if fact in facts:
            yield fact, facts[fact], wanted


def _kind(field: FieldDescriptorProto) -> str:
    if field.label == field.LABEL_REPEATED:
        return "list"
    return "enum" if field.type == field.TYPE_ENUM else type_name(field)


def _can_be_empty(field: FieldDescriptorProto) -> bool:
    """Return True for text, bytes, lists and messages: numbers and enums have zero instead."""
    kind = _kind(field)
    return kind in ("list", "string", "bytes") or kind.startswith(".")
