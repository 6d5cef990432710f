"""Reads overlay.toml and grants.toml: facts about RPCs that the protos do not contain."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import contract
from .errors import CodegenError

_TOML = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_GRANTS = "codegen/grants.toml"
_OVERLAY = "codegen/overlay.toml"

Claim = Mapping[str, str]
"""One claim of a token: the arguments of a Grant."""
Facts = Mapping[str, Any]
"""The facts about one RPC: the arguments of its MethodInfo, `grants` as claims."""


@dataclass(frozen=True)
class Overlay:
    """The two tables; services and messages have their full names."""

    complete: frozenset[str]  # services of which every RPC must have an entry
    methods: Mapping[str, Mapping[str, Facts]]  # by service and RPC
    claims: Mapping[str, Mapping[str, tuple[Claim, ...]]]  # the RPC "*" means all others
    sensitivity: Mapping[str, Mapping[str, str]]  # "SECRET" or "PII" by message and field

    def facts(self, file: str, service: str, rpcs: Iterable[str]) -> dict[str, Facts]:
        """Return the facts about all RPCs of a service, by RPC; errors name the file.

        Raises:
            CodegenError: an RPC has no entry or no grant, or an entry has no RPC.
        """
        entries = self.methods.get(service, {})
        for rpc in sorted(set(entries).difference(rpcs)):
            raise CodegenError(
                f"{file} has no RPC {service}.{rpc}: remove its entry from {_OVERLAY}"
            )
        table = self.claims.get(service, {})
        result = {}
        for rpc in rpcs:
            where = f"{file}: RPC {service}.{rpc}"
            claims = table.get(rpc, table.get("*"))
            if rpc not in entries and service in self.complete:
                raise CodegenError(
                    f'{where} has no entry in {_OVERLAY}: add [methods."{service}".{rpc}]'
                )
            # Other servers do not use grants.
            if rpc not in entries and claims is None and service.startswith("livekit."):
                raise CodegenError(
                    f'{where} has no grant: add "{rpc}" to a list of ["{service}"] in {_GRANTS}'
                )
            result[rpc] = entries.get(rpc, {"grants": claims or ()})
        return result


def load(folder: Path) -> Overlay:
    """Read overlay.toml and grants.toml from a folder.

    Raises:
        CodegenError: one of them is malformed.
    """
    overlay = _read(folder / "overlay.toml", _OVERLAY)
    grants = _read(folder / "grants.toml", _GRANTS)
    for key in overlay:
        _one_of(key, ("complete", "methods", "sensitivity"), f"{_OVERLAY}: key")
    complete = contract.texts(overlay.get("complete", []), f"{_OVERLAY}: complete")
    sensitivity = _tables(overlay.get("sensitivity", {}), f"{_OVERLAY}: sensitivity")
    for message, marks in sensitivity.items():
        for field, mark in marks.items():
            _one_of(mark, ("PII", "SECRET"), f"{_OVERLAY}: sensitivity of {message}.{field}")
    named = _table(grants.pop("claims", {}), f"{_GRANTS}: claims")
    sets = {name: _claim_set(name, claims) for name, claims in named.items()}
    by_service = {
        service: _claims_by_rpc(service, table, sets)
        for service, table in _tables(grants, _GRANTS).items()
    }
    methods = _tables(overlay.get("methods", {}), f"{_OVERLAY}: methods")
    for service in methods:
        if service not in complete and service not in by_service:
            raise CodegenError(
                f"{_OVERLAY} has entries of {service}, which is neither in its `complete` list"
                f" nor in {_GRANTS}"
            )
    return Overlay(
        complete=frozenset(complete),
        methods={
            service: {
                rpc: _facts(entry, f"{_OVERLAY}: entry of {service}.{rpc}", sets)
                for rpc, entry in _tables(rpcs, f"{_OVERLAY}: methods of {service}").items()
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


def _facts(entry: Mapping[str, Any], where: str, sets: Mapping[str, tuple[Claim, ...]]) -> Facts:
    types = contract.facts()
    for name in entry:
        _one_of(name, ["grant", *types], f"{where}: fact")
    facts = {
        name: contract.read(type_, entry[name], f"{where}: {name}")
        for name, type_ in types.items()
        if name in entry
    }
    for code in facts.get("repeat_done", ()):
        _one_of(code, contract.codes(), f"{where}: repeat_done")
    for _, format_name in facts.get("formats", ()):
        _one_of(format_name, contract.formats(), f"{where}: formats")
    return {"grants": _claims(sets, entry.get("grant"), where), **facts}


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CodegenError(f"{where} must be a table")
    return value


def _tables(value: object, where: str) -> dict[str, dict[str, Any]]:
    return {name: _table(item, f"{where}: {name}") for name, item in _table(value, where).items()}


def _one_of(value: object, known: Collection[str], where: str) -> None:
    if value not in list(known):  # a dict cannot be asked for what is unhashable
        raise CodegenError(f"{where}: {value!r} is not one of {', '.join(sorted(known))}")


def _claim_set(name: str, claims: object) -> tuple[Claim, ...]:
    where = f"{_GRANTS}: the claims {name}"
    if not isinstance(claims, list):
        raise CodegenError(f"{where} must be a list of tables")
    types = contract.claim_keys()
    for claim in claims:
        if "name" not in _table(claim, f"each of {where}"):
            raise CodegenError(f"{where}: each must have a name")
        for key, value in claim.items():
            _one_of(key, types, f"{where}: key")
            contract.read(types[key], value, f"{where}: {key}")
    return tuple(claims)


def _claims_by_rpc(
    service: str, table: Mapping[str, object], sets: Mapping[str, tuple[Claim, ...]]
) -> dict[str, tuple[Claim, ...]]:
    where = f'{_GRANTS}: ["{service}"]'
    result: dict[str, tuple[Claim, ...]] = {}
    for name, rpcs in table.items():
        for rpc in contract.texts(rpcs, f"{where}: {name}"):
            if rpc in result:
                raise CodegenError(f"{where} has two grants of {rpc}")
            result[rpc] = _claims(sets, name, where)
    return result


def _claims(sets: Mapping[str, tuple[Claim, ...]], name: object, where: str) -> tuple[Claim, ...]:
    _one_of(name, sets, f"{where}: grant")
    return sets[str(name)]
