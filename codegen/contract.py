"""What the package declares about RPCs.

It is read from the package's source, because codegen and the package never import each other.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from .errors import CodegenError

_PACKAGE = Path(__file__).parents[1] / "livekit_connector_sync"
_METHOD = "_runtime/method.py"


def facts() -> Mapping[str, ast.expr]:
    """Return the fields of MethodInfo that the overlay may set, except grants: type by name."""
    fields = _fields("MethodInfo")  # those without a default identify the RPC
    return {n: f.annotation for n, f in fields.items() if f.value is not None and n != "grants"}


def claim_keys() -> Mapping[str, ast.expr]:
    """Return the fields of Grant: type by name."""
    return {name: field.annotation for name, field in _fields("Grant").items()}


def read(type_: ast.expr, value: object, where: str) -> Any:
    """Return a value of a TOML file as the package holds it: tables and lists become tuples.

    Raises:
        CodegenError: the value does not have the type; `where` is its place in the file.
    """
    if not isinstance(type_, ast.Subscript):
        if type(value).__name__ != ast.unparse(type_):  # not isinstance(): a bool is not an int
            raise CodegenError(f"{where} must be a {ast.unparse(type_)}")
        return value
    outer = ast.unparse(type_.value)
    if outer == "Optional":
        return read(type_.slice, value, where)
    if outer == "Literal":
        choices = ast.literal_eval(type_.slice)
        if value not in choices:
            raise CodegenError(f"{where}: {value!r} is not one of {', '.join(choices)}")
        return value
    if outer != "tuple":
        raise CodegenError(f"codegen/contract.py cannot read a {ast.unparse(type_)}")
    items = list(map(list, value.items())) if isinstance(value, dict) else value
    types = type_.slice.elts if isinstance(type_.slice, ast.Tuple) else [type_.slice]
    if not isinstance(items, list):
        raise CodegenError(f"{where} must be a list or a table")
    if ast.unparse(types[-1]) == "...":
        types = types[:1] * len(items)
    if len(items) != len(types):
        raise CodegenError(f"{where}: {value} must have {len(types)} items")
    pairs = enumerate(zip(types, items))
    return tuple(read(kind, item, f"{where}[{i}]") for i, (kind, item) in pairs)


def texts(value: object, where: str) -> tuple[str, ...]:
    """Return a list of strings in a TOML file; raises what `read` raises."""
    return tuple(read(ast.parse("tuple[str, ...]", mode="eval").body, value, where))


def codes() -> Sequence[str]:
    """Return Twirp's error codes."""
    members = getattr(_declaration("errors.py", "StatusCode"), "body", [])
    values = [member.value for member in members if isinstance(member, ast.Assign)]
    return [text for value in values for text in _strings(value)]


def formats() -> Sequence[str]:
    """Return the names of the formats that a field's text can be checked for."""
    table = _declaration("_runtime/validation.py", "FORMATS")
    assert isinstance(table, ast.AnnAssign)
    assert isinstance(table.value, ast.Dict)
    return [text for key in table.value.keys if key for text in _strings(key)]


def _fields(name: str) -> dict[str, ast.AnnAssign]:
    body = getattr(_declaration(_METHOD, name), "body", [])
    return {ast.unparse(n.target): n for n in body if isinstance(n, ast.AnnAssign)}


@functools.cache
def _declaration(module: str, name: str) -> Union[ast.ClassDef, ast.AnnAssign]:
    """Return the class or the annotated variable that a module of the package declares."""
    for node in ast.parse((_PACKAGE / module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return node
    raise CodegenError(f"{_PACKAGE / module} no longer declares {name}: update codegen/contract.py")


def _strings(node: ast.AST) -> list[str]:
    return [str(n.value) for n in ast.walk(node) if isinstance(n, ast.Constant)]
