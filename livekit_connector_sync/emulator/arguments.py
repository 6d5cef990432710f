"""Checks the types of options and arguments, so that a wrong one is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from .._runtime.messages import name_type

__all__ = ["check_type", "check_types"]

_ALSO_ACCEPTED: Mapping[type, type] = {float: int, tuple: list}


def check_type(name: str, value: object, wanted: Any) -> None:
    """Raise TypeError if a value is not of an annotation's type; items are not checked."""
    members = get_args(wanted) if get_origin(wanted) is Union else (wanted,)
    kinds = [get_origin(member) or member for member in members]
    accepted = (*kinds, *(_ALSO_ACCEPTED[kind] for kind in kinds if kind in _ALSO_ACCEPTED))
    # True is an int, but never a port or a number of seconds.
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(kind.__name__ for kind in kinds).replace("NoneType", "None")
        raise TypeError(f"{name} must be {names}, not {name_type(value)}")


def check_types(annotated: Any, values: Mapping[str, object], prefix: str = "") -> None:
    """Raise TypeError if a value is not of the type that a function or class declares for it."""
    for name, wanted in get_type_hints(annotated).items():
        if name in values:
            check_type(prefix + name, values[name], wanted)
