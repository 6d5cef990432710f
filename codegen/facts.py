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
_REPEATED = FieldDescriptorProto.LABEL_REPEATED


def check_facts(
    where: str,
    facts: Facts,
    request: DescriptorProto,
    response: DescriptorProto,
    enums: Mapping[str, Declared[EnumDescriptorProto]],
) -> None:
    """Check that the fields that the facts name exist and have the right type.

    Args:
        where: the file and the RPC, for the error.
        facts: the facts about the RPC.
        request: the RPC's request.
        response: the RPC's response.
        enums: all enums by full name.

    Raises:
        CodegenError: a field is missing or has another type.
    """
    fields = {field.name: field for field in request.field}
    for fact, name, wanted in _named_fields(facts):
        if name not in fields:
            raise CodegenError(f"{where}: {fact} names {name}, which {request.name} does not have")
        if wanted not in ("", _kind(fields[name])):
            words = wanted.rpartition(".")[2]
            raise CodegenError(f"{where}: {fact} names {name}, which is not a {words}")
    for name in facts.get("required", ()):
        if not _can_be_missing(fields[name]):
            raise CodegenError(
                f"{where}: required names {name}, but zero looks the same as a missing value:"
                " list it in no_default"
            )
    for _, name, constant in facts.get("required_unless", ()):
        enum = enums[fields[name].type_name].item
        if constant not in [value.name for value in enum.value]:
            raise CodegenError(
                f"{where}: required_unless names {constant}, which {enum.name} does not have"
            )
    for name in facts.get("repeat_echo", ()):
        if _shape(fields[name]) not in [_shape(f) for f in response.field if f.name == name]:
            raise CodegenError(
                f"{where}: repeat_echo names {name}, which {response.name} does not have with the"
                " same type"
            )
    if "wait_timeout_field" in facts and "wait_field" not in facts:
        raise CodegenError(f"{where}: wait_timeout_field needs a wait_field")


def _named_fields(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """Yield each fact that names a field of the request, the field, and the type it must have."""
    for claim in facts["grants"]:
        if claim.get("field"):
            yield f"the grant {claim['name']}", claim["field"], "string"
    for fact in ("required", "no_default", "repeat_echo"):
        yield from ((fact, name, "") for name in facts.get(fact, ()))
    for name, enum_field, _ in facts.get("required_unless", ()):
        yield from (("required_unless", name, ""), ("required_unless", enum_field, "enum"))
    yield from (("formats", name, "string") for name, _ in facts.get("formats", ()))
    for fact, wanted in (("wait_field", "bool"), ("wait_timeout_field", _DURATION)):
        if fact in facts:
            yield fact, facts[fact], wanted


def _kind(field: FieldDescriptorProto) -> str:
    if field.label == _REPEATED:
        return "list"
    return "enum" if field.type == field.TYPE_ENUM else type_name(field)


def _can_be_missing(field: FieldDescriptorProto) -> bool:
    """Say whether a missing field and one with its type's zero can be told apart, or need not."""
    text_or_message = (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE)
    return (
        field.label == _REPEATED or field.HasField("oneof_index") or field.type in text_or_message
    )


def _shape(field: FieldDescriptorProto) -> tuple[int, str]:
    return field.label, type_name(field)
