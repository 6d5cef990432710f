"""The protos' enums as Python enums, whose constants complete in editors and shells."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any


class _Constants(enum.EnumMeta):
    if not TYPE_CHECKING:  # checkers must report an unknown constant themselves

        def __getattr__(cls, name: str) -> Any:
            """Name the constants that there are; before Python 3.12 this also finds them."""
            members = cls.__dict__.get("_member_map_", {})
            if name in members:
                return members[name]
            raise AttributeError(f"{cls.__name__} has no {name}: use one of {', '.join(members)}")


class ProtoEnum(enum.IntEnum, metaclass=_Constants):
    """Base of the generated enums. Each member equals its number on the wire.

    `Name`, `Value`, `keys`, `values`, and `items` work as in protobuf's own enums.
    """

    @classmethod
    def _missing_(cls, value: object) -> None:
        names = ", ".join(cls.__members__)
        raise ValueError(f"{cls.__name__} has no value {value!r}: use one of {names}")

    @classmethod
    def Name(cls, number: int) -> str:
        """Return the name of a number; raise ValueError if the number is unknown."""
        return cls(number).name

    @classmethod
    def Value(cls, name: str) -> int:
        """Return the number of a name; raise ValueError if the name is unknown."""
        if name not in cls.__members__:
            cls._missing_(name)
        return cls[name].value

    @classmethod
    def keys(cls) -> list[str]:
        """Return the names."""
        return list(cls.__members__)

    @classmethod
    def values(cls) -> list[int]:
        """Return the numbers."""
        return [member.value for member in cls.__members__.values()]

    @classmethod
    def items(cls) -> list[tuple[str, int]]:
        """Return names and numbers."""
        return list(zip(cls.keys(), cls.values()))
