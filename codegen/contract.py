"""What the package declares of RPCs, read from its source: codegen never imports the package."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Union

from .errors import CodegenError

__all__ = ["codes", "facts", "formats", "grant_keys", "sections"]

_PACKAGE = Path(__file__).parents[1] / "livekit_connector_sync"
_METHOD = "_runtime/method.py"


def facts() -> Mapping[str, str]:
    """Return the facts that MethodInfo holds about an RPC, in its order: type by name."""
    fields = _fields(_METHOD, "MethodInfo")
    return {
        name: ast.unparse(field.annotation)
        for name, field in fields.items()
        if field.value is not None and name != "grants"  # without a default: the RPC's identity
    }


def grant_keys() -> Sequence[str]:
    """Return the parts of a Grant."""
    return list(_fields(_METHOD, "Grant"))


def sections() -> Sequence[str]:
    """Return the sections of a token that a Grant may be in."""
    return _strings(_fields(_METHOD, "Grant")["section"].annotation)


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


def _fields(module: str, name: str) -> dict[str, ast.AnnAssign]:
    body = getattr(_declaration(module, name), "body", [])
    return {ast.unparse(n.target): n for n in body if isinstance(n, ast.AnnAssign)}


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
