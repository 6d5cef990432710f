"""The protos' enums as Python enums, whose constants complete in editors and shells."""

from __future__ import annotations

import enum

__all__ = ["ProtoEnum"]


class ProtoEnum(enum.IntEnum):
    """Base of the generated enums. Each member equals its number on the wire.

    `Name`, `Value`, `keys`, `values`, and `items` work as in protobuf's own enums.
    """

    @classmethod
    def Name(cls, number: int) -> str:
        """Return the name of a number; raise ValueError if the number is unknown."""
        return cls(number).name

    @classmethod
    def Value(cls, name: str) -> int:
        """Return the number of a name; raise ValueError if the name is unknown."""
        if name not in cls.__members__:
            raise ValueError(
                f"{cls.__name__} has no value {name!r}: use one of {', '.join(cls.__members__)}"
            )
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
