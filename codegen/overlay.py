"""Facts about RPCs that the protos do not tell, from overlay.toml and grants.toml."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
)

from .errors import CodegenError

__all__ = ["Claim", "MethodFacts", "Overlay", "check_facts", "load"]

_TOML = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_GRANTS = "codegen/grants.toml"
_OVERLAY = "codegen/overlay.toml"

# What the runtime knows; the package and codegen do not import each other, so a test compares.
SECTIONS = ("video", "sip", "agent")
FORMATS = ("cloud_api_version", "phone_number")
CODES = [
    "aborted",
    "already_exists",
    "bad_route",
    "canceled",
    "data_loss",
    "deadline_exceeded",
    "failed_precondition",
    "internal",
    "invalid_argument",
    "malformed",
    "not_found",
    "out_of_range",
    "permission_denied",
    "resource_exhausted",
    "unauthenticated",
    "unavailable",
    "unimplemented",
    "unknown",
]

_KINDS: Mapping[str, type] = {
    "formats": dict,
    "no_default": list,
    "repeat_done": list,
    "repeat_echo": list,
    "required": list,
    "required_unless": list,
    "safe_to_repeat": bool,
    "wait_field": str,
    "wait_timeout_field": str,
}


@dataclass(frozen=True)
class Claim:
    """One claim of a token: a MethodInfo's Grant."""

    name: str
    section: str = "video"
    field: str = ""


@dataclass(frozen=True)
class MethodFacts:
    """What is known of one RPC; the names are those of MethodInfo, which explains them."""

    grants: tuple[Claim, ...] = ()
    safe_to_repeat: bool = False
    repeat_done: tuple[str, ...] = ()
    repeat_echo: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    required_unless: tuple[tuple[str, str, str], ...] = ()
    no_default: tuple[str, ...] = ()
    formats: tuple[tuple[str, str], ...] = ()
    wait_field: str = ""
    wait_timeout_field: str = ""


@dataclass(frozen=True)
class Overlay:
    """The two tables.

    Args:
        complete: services of which every RPC must have an entry, by full name.
        methods: entries by service and RPC.
        claims: claims by service and RPC; the RPC "*" stands for all others of the service.
        sensitivity: "SECRET" or "PII" by message's full name and field.
    """

    complete: frozenset[str]
    methods: Mapping[str, Mapping[str, MethodFacts]]
    claims: Mapping[str, Mapping[str, tuple[Claim, ...]]]
    sensitivity: Mapping[str, Mapping[str, str]]

    def facts(self, file: str, service: str, rpc: str) -> MethodFacts:
        """Return what is known of an RPC; grants must be known for those of LiveKit's package.

        Args:
            file: the .proto file, for the error.
            service: the service's full name.
            rpc: the RPC's name.

        Raises:
            CodegenError: an entry or a grant is missing.
        """
        entry = self.methods.get(service, {}).get(rpc)
        if entry is not None:
            return entry
        where = f"{file}: RPC {service}.{rpc}"
        if service in self.complete:
            raise CodegenError(
                f'{where} has no entry in {_OVERLAY}: add [methods."{service}".{rpc}]'
            )
        table = self.claims.get(service, {})
        claims = table.get(rpc, table.get("*"))
        if claims is None and not service.startswith("livekit."):
            return MethodFacts()  # grants are LiveKit's; another server has no use for them
        if claims is None:
            raise CodegenError(
                f'{where} has no grant: add "{rpc}" to a list of ["{service}"] in {_GRANTS}'
            )
        return MethodFacts(grants=claims)

    def check_entries(self, file: str, service: str, rpcs: Iterable[str]) -> None:
        """Refuse an entry whose RPC is gone; the service's RPCs are all in `rpcs`."""
        for rpc in self.methods.get(service, {}):
            if rpc not in rpcs:
                raise CodegenError(
                    f"{file} has no RPC {service}.{rpc}: remove its entry from {_OVERLAY}"
                )


def load(folder: Path) -> Overlay:
    """Read overlay.toml and grants.toml from a folder.

    Raises:
        CodegenError: one of them is malformed.
    """
    overlay = _read(folder / "overlay.toml", _OVERLAY)
    grants = _read(folder / "grants.toml", _GRANTS)
    for key in overlay:
        if key not in ("complete", "methods", "sensitivity"):
            raise CodegenError(f"{_OVERLAY}: nobody reads {key}")
    complete = _texts(overlay.get("complete", []), f"{_OVERLAY}: complete")
    sensitivity = _table(overlay.get("sensitivity", {}), f"{_OVERLAY}: sensitivity")
    for message, marks in sensitivity.items():
        for field, mark in _table(marks, f"{_OVERLAY}: the sensitivity of {message}").items():
            if mark not in ("PII", "SECRET"):
                raise CodegenError(f'{_OVERLAY}: {message}.{field} must be "PII" or "SECRET"')
    named = _table(grants.pop("claims", {}), f"{_GRANTS}: claims")
    sets = {name: _claim_set(name, claims) for name, claims in named.items()}
    by_service = {service: _granted(service, table, sets) for service, table in grants.items()}
    methods = _table(overlay.get("methods", {}), f"{_OVERLAY}: methods")
    for service in methods:
        if service not in complete and service not in by_service:
            raise CodegenError(
                f"{_OVERLAY} has entries of {service}, which stands neither in its `complete`"
                f" nor in {_GRANTS}"
            )
    return Overlay(
        complete=frozenset(complete),
        methods={
            service: {
                rpc: _facts(f"{service}.{rpc}", entry, sets)
                for rpc, entry in _table(rpcs, f"{_OVERLAY}: methods of {service}").items()
            }
            for service, rpcs in methods.items()
        },
        claims=by_service,
        sensitivity=sensitivity,
    )


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        return dict(_TOML.loads(path.read_text(encoding="utf-8")))
    except _TOML.TOMLDecodeError as error:
        raise CodegenError(f"{name} is not TOML: {error}") from None


def _facts(rpc: str, entry: Any, sets: Mapping[str, tuple[Claim, ...]]) -> MethodFacts:
    where = f"entry of {rpc}"
    facts = _table(entry, f"{_OVERLAY}: the {where}")
    values: dict[str, Any] = {"grants": _claims(sets, facts.get("grant"), where, _OVERLAY)}
    for fact, value in facts.items():
        if fact == "grant":
            continue
        if fact not in _KINDS:
            raise CodegenError(f"{_OVERLAY}: {where} has an unknown fact {fact}")
        kind: Any = _KINDS[fact]
        if type(value) is not kind:  # not isinstance(): a bool is no int
            raise CodegenError(f"{_OVERLAY}: {where}: {fact} must be a {kind.__name__}")
        if fact == "formats":
            _texts(list(value.values()), f"{_OVERLAY}: {where}: the values of {fact}")
            values[fact] = tuple(value.items())
        elif fact == "required_unless":
            what = f"{_OVERLAY}: {where}: each of {fact}"
            values[fact] = tuple(tuple(_texts(item, what)) for item in value)
            if any(len(item) != 3 for item in values[fact]):
                raise CodegenError(f"{what} is a field, an enum field and a constant")
        elif kind is list:
            values[fact] = tuple(_texts(value, f"{_OVERLAY}: {where}: {fact}"))
        else:
            values[fact] = value
    return MethodFacts(**values)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CodegenError(f"{where} must be a table")
    return value


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CodegenError(f"{where} must be a list of strings")
    return value


def _claim_set(name: str, claims: object) -> tuple[Claim, ...]:
    where = f"{_GRANTS}: the claims {name}"
    if not isinstance(claims, list):
        raise CodegenError(f"{where} must be a list of tables")
    result = []
    for claim in claims:
        values = _table(claim, f"each of {where}")
        if not values.get("name") or not set(values) <= {"section", "name", "field"}:
            raise CodegenError(f"each of {where} has a name, and may have a section and a field")
        if values.get("section", "video") not in SECTIONS:
            raise CodegenError(f"{where}: a section is one of {', '.join(SECTIONS)}")
        result.append(Claim(**values))
    return tuple(result)


def _granted(
    service: str, table: object, sets: Mapping[str, tuple[Claim, ...]]
) -> dict[str, tuple[Claim, ...]]:
    where = f'["{service}"]'
    result: dict[str, tuple[Claim, ...]] = {}
    for name, rpcs in _table(table, f"{_GRANTS}: {where}").items():
        for rpc in _texts(rpcs, f"{_GRANTS}: {name} of {where}"):
            if rpc in result:
                raise CodegenError(f"{_GRANTS}: {where} has two grants of {rpc}")
            result[rpc] = _claims(sets, name, where, _GRANTS)
    return result


def _claims(
    sets: Mapping[str, tuple[Claim, ...]], name: object, where: str, file: str
) -> tuple[Claim, ...]:
    if not isinstance(name, str) or name not in sets:
        raise CodegenError(
            f"{file}: {where} names the grant {name!r}; [claims] of {_GRANTS} has"
            f" {', '.join(sorted(sets))}"
        )
    return sets[name]


def check_facts(
    where: str,
    facts: MethodFacts,
    request: DescriptorProto,
    response: DescriptorProto,
    enums: Mapping[str, EnumDescriptorProto],
) -> None:
    """Check that the fields which facts name exist and have the type that the fact needs.

    Args:
        where: the file and the RPC, for the error.
        facts: what is said of the RPC.
        request: the RPC's request.
        response: the RPC's response.
        enums: all enums, by full name with a leading dot.

    Raises:
        CodegenError: one does not.
    """
    kind = FieldDescriptorProto
    in_request = {field.name: field for field in request.field}
    in_response = {field.name: field for field in response.field}

    def field(fact: str, name: str, wanted: int = 0, message: str = "") -> FieldDescriptorProto:
        found = in_request.get(name)
        if found is None:
            raise CodegenError(f"{where}: {fact} names {name}, which {request.name} does not have")
        if wanted and (
            found.type != wanted
            or found.label == kind.LABEL_REPEATED
            or (message and found.type_name != message)
        ):
            words = message.rpartition(".")[2] or kind.Type.Name(wanted)[len("TYPE_") :].lower()  # type: ignore[arg-type]
            raise CodegenError(f"{where}: {fact} names {name}, which is not a {words}")
        return found

    for claim in facts.grants:
        if claim.field:
            field(f"the grant {claim.name}", claim.field, kind.TYPE_STRING)
    for name in facts.required:
        found = field("required", name)
        tells = found.HasField("oneof_index") or found.type in (
            kind.TYPE_STRING,
            kind.TYPE_BYTES,
            kind.TYPE_MESSAGE,
        )
        if not tells and found.label != kind.LABEL_REPEATED:
            raise CodegenError(
                f"{where}: required names {name}, whose zero cannot be told from one that was left"
                " out: name it in no_default"
            )
    for name in facts.no_default:
        field("no_default", name)
    for name, enum_field, constant in facts.required_unless:
        field("required_unless", name)
        enum = enums[field("required_unless", enum_field, kind.TYPE_ENUM).type_name]
        if constant not in [value.name for value in enum.value]:
            raise CodegenError(
                f"{where}: required_unless names {constant}, which {enum.name} does not have"
            )
    for name, format_name in facts.formats:
        field("formats", name, kind.TYPE_STRING)
        if format_name not in FORMATS:
            raise CodegenError(f"{where}: formats knows {', '.join(FORMATS)}, not {format_name}")
    for code in facts.repeat_done:
        if code not in CODES:
            raise CodegenError(f"{where}: repeat_done names {code}, which is no Twirp code")
    for name in facts.repeat_echo:
        echoed = field("repeat_echo", name)
        answer = in_response.get(name)
        if answer is None:
            raise CodegenError(
                f"{where}: repeat_echo names {name}, which {response.name} does not have"
            )
        if (answer.type, answer.label, answer.type_name) != (
            echoed.type,
            echoed.label,
            echoed.type_name,
        ):
            raise CodegenError(f"{where}: repeat_echo names {name}, whose two types differ")
    if facts.wait_field:
        field("wait_field", facts.wait_field, kind.TYPE_BOOL)
    if facts.wait_timeout_field:
        if not facts.wait_field:
            raise CodegenError(f"{where}: wait_timeout_field needs a wait_field")
        field(
            "wait_timeout_field",
            facts.wait_timeout_field,
            kind.TYPE_MESSAGE,
            ".google.protobuf.Duration",
        )
