"""Reads overlay.toml and grants.toml: the facts about RPCs that the protos do not hold."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import contract
from .errors import CodegenError

__all__ = ["Claim", "Facts", "Overlay", "load"]

_TOML = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_GRANTS = "codegen/grants.toml"
_OVERLAY = "codegen/overlay.toml"

Claim = Mapping[str, str]
"""One claim of a token: the arguments of a Grant."""
Facts = Mapping[str, Any]
"""The facts about one RPC: the arguments of its MethodInfo, `grants` as claims."""


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
    methods: Mapping[str, Mapping[str, Facts]]
    claims: Mapping[str, Mapping[str, tuple[Claim, ...]]]
    sensitivity: Mapping[str, Mapping[str, str]]

    def facts(self, file: str, service: str, rpc: str) -> Facts:
        """Return the facts about an RPC.

        Args:
            file: the .proto file, for the error.
            service: the service's full name.
            rpc: the RPC's name.

        Raises:
            CodegenError: an entry is missing, or the grant of one of LiveKit's RPCs.
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
        if claims is None and service.startswith("livekit."):  # other servers do not use grants
            raise CodegenError(
                f'{where} has no grant: add "{rpc}" to a list of ["{service}"] in {_GRANTS}'
            )
        return {"grants": claims or ()}

    def check_entries(self, file: str, service: str, rpcs: Iterable[str]) -> None:
        """Refuse an entry whose RPC no longer exists; `rpcs` are all of the service's."""
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
            raise CodegenError(f"{_OVERLAY}: unknown key {key}")
    complete = _texts(overlay.get("complete", []), f"{_OVERLAY}: complete")
    sensitivity = _tables(overlay.get("sensitivity", {}), f"{_OVERLAY}: sensitivity")
    for message, marks in sensitivity.items():
        for field, mark in marks.items():
            if mark not in ("PII", "SECRET"):
                raise CodegenError(f'{_OVERLAY}: {message}.{field} must be "PII" or "SECRET"')
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
    kinds = contract.facts()
    return Overlay(
        complete=frozenset(complete),
        methods={
            service: {
                rpc: _facts(kinds, f"{_OVERLAY}: entry of {service}.{rpc}", entry, sets)
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


def _facts(
    kinds: Mapping[str, str],
    where: str,
    entry: Mapping[str, object],
    sets: Mapping[str, tuple[Claim, ...]],
) -> Facts:
    for name in entry:
        if name != "grant" and name not in kinds:
            raise CodegenError(f"{where}: unknown fact {name}")
    facts = {
        name: _READERS[kind](entry[name], f"{where}: {name}")
        for name, kind in kinds.items()
        if name in entry
    }
    for code in facts.get("repeat_done", ()):
        _one_of(code, contract.codes(), f"{where}: repeat_done")
    for _, format_name in facts.get("formats", ()):
        _one_of(format_name, contract.formats(), f"{where}: formats")
    return {"grants": _claims(sets, entry.get("grant"), where), **facts}


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise CodegenError(f"{where} must be true or false")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise CodegenError(f"{where} must be a string")
    return value


def _pairs(value: object, where: str) -> tuple[tuple[str, str], ...]:
    table = _table(value, where)
    return tuple((key, _text(item, f"{where}: {key}")) for key, item in table.items())


def _triples(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    rows = value if isinstance(value, list) else [value]
    result = tuple(tuple(_texts(row, f"{where}: each item")) for row in rows)
    if any(len(row) != 3 for row in result):
        raise CodegenError(f"{where}: each item must be a field, an enum field and a constant")
    return result


# How a fact is written in TOML, by its type in MethodInfo.
_READERS: Mapping[str, Callable[[object, str], Any]] = {
    "bool": _flag,
    "Optional[str]": _text,
    "tuple[str, ...]": lambda value, where: tuple(_texts(value, where)),
    "tuple[tuple[str, str], ...]": _pairs,
    "tuple[tuple[str, str, str], ...]": _triples,
}


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CodegenError(f"{where} must be a table")
    return value


def _tables(value: object, where: str) -> dict[str, dict[str, Any]]:
    return {name: _table(item, f"{where}: {name}") for name, item in _table(value, where).items()}


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CodegenError(f"{where} must be a list of strings")
    return value


def _one_of(value: object, known: Collection[str], where: str) -> None:
    if value not in known:
        raise CodegenError(f"{where}: {value!r} is not one of {', '.join(sorted(known))}")


def _claim_set(name: str, claims: object) -> tuple[Claim, ...]:
    where = f"{_GRANTS}: the claims {name}"
    if not isinstance(claims, list):
        raise CodegenError(f"{where} must be a list of tables")
    for claim in claims:
        if "name" not in _table(claim, f"each of {where}"):
            raise CodegenError(f"{where}: each must have a name")
        for key, value in claim.items():
            _one_of(key, contract.grant_keys(), where)
            _text(value, f"{where}: {key}")
        _one_of(claim.get("section", "video"), contract.sections(), f"{where}: section")
    return tuple(claims)


def _claims_by_rpc(
    service: str, table: Mapping[str, object], sets: Mapping[str, tuple[Claim, ...]]
) -> dict[str, tuple[Claim, ...]]:
    where = f'{_GRANTS}: ["{service}"]'
    result: dict[str, tuple[Claim, ...]] = {}
    for name, rpcs in table.items():
        for rpc in _texts(rpcs, f"{where}: {name}"):
            if rpc in result:
                raise CodegenError(f"{where} has two grants of {rpc}")
            result[rpc] = _claims(sets, name, where)
    return result


def _claims(sets: Mapping[str, tuple[Claim, ...]], name: object, where: str) -> tuple[Claim, ...]:
    _one_of(name, sets, f"{where}: grant")
    return sets[str(name)]
