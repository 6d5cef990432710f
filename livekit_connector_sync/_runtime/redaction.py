"""Keeps secrets and personal data out of repr(), logs and errors.

Which fields are sensitive is generated from the protos' `logger.sensitivity` option and the
overlay. `repr()` of a message hides them, and text that a server sends back is scrubbed of the
values that they held in the request; `str()` of a message stays protobuf's text format.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

__all__ = ["found_in", "mark_sensitive", "personal_values", "scrub", "secret_values"]

SECRET = "<secret>"
PERSONAL = "<personal>"
_SHORTEST = 4  # a shorter value would blank out ordinary text
_SHORTEST_LINE = 12  # characters of a line that tells something: "a=ice-pwd:..."

_marks: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
_UNMARKED: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())


def mark_sensitive(
    message_type: type[Message], *, secret: Iterable[str] = (), pii: Iterable[str] = ()
) -> None:
    """Note a message's sensitive fields and give the class a repr() that hides them.

    Args:
        message_type: the message's class.
        secret: fields that must never be shown (logger.SENSITIVITY_SECRET).
        pii: fields with personal data (logger.SENSITIVITY_PII).
    """
    _marks[message_type.DESCRIPTOR.full_name] = (frozenset(secret), frozenset(pii))
    setattr(message_type, "__repr__", _redacted)  # noqa: B010 - typed as a method, set as one


def secret_values(message: Message) -> list[str]:
    """Return the texts in the secret fields of a message and of the messages in it.

    The lines of a text count too: a server may quote the one of a session description that it does
    not like.
    """
    texts = list(_values(message, 0))
    return texts + [
        line
        for text in texts
        for line in text.splitlines()
        if len(line) >= _SHORTEST_LINE and line != text
    ]


def personal_values(message: Message) -> list[str]:
    """Return the texts in the personal fields of a message and of the messages in it."""
    return list(_values(message, 1))


def found_in(texts: Iterable[str], values: Iterable[str]) -> list[str]:
    """Return the values that any of some texts holds, so that there is less to scrub from each."""
    whole = "\n".join(texts)
    # A value longer than the text is not in it; it may be megabytes.
    fitting = {value for value in values if _SHORTEST <= len(value) <= len(whole)}
    return [value for value in fitting if any(spelling in whole for spelling in _spellings(value))]


def scrub(text: str, secrets: Collection[str], personal: Collection[str] = ()) -> str:
    """Return a text with every given value in it replaced by a placeholder."""
    for values, placeholder in ((secrets, SECRET), (personal, PERSONAL)):
        # The longest first: a value may hold another.
        found = found_in([text], values) if values else ()
        for value in sorted(found, key=len, reverse=True):
            for spelling in _spellings(value):
                text = text.replace(spelling, placeholder)
    return text


def _spellings(value: str) -> set[str]:
    return {value, json.dumps(value)[1:-1]}


def _values(message: Message, kind: int) -> Iterator[str]:
    marked = _marks.get(message.DESCRIPTOR.full_name, _UNMARKED)[kind]
    for field, value in message.ListFields():
        if field.name in marked:
            yield from _texts(value)
        elif field.message_type is not None and not _is_map(field):
            for inner in value if is_repeated(value) else (value,):
                yield from _values(inner, kind)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for text in value.values() if isinstance(text, str))


def _redacted(message: Message) -> str:
    secret, personal = _marks.get(message.DESCRIPTOR.full_name, _UNMARKED)
    parts = []
    for field, value in message.ListFields():
        if field.name in secret:
            shown = SECRET
        elif field.name in personal:
            shown = PERSONAL
        elif _is_map(field):
            shown = repr(dict(value))
        elif is_repeated(value):
            shown = f"[{', '.join(_shown(field, item) for item in value)}]"
        else:
            shown = _shown(field, value)
        parts.append(f"{field.name}={shown}")
    return f"{type(message).__name__}({', '.join(parts)})"


def _shown(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        constant = field.enum_type.values_by_number.get(value)
        return constant.name if constant is not None else repr(value)
    return _redacted(value) if isinstance(value, Message) else repr(value)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_repeated(value: Any) -> bool:
    """Return whether a field's value is one of several; an unset field's value tells too."""
    # FieldDescriptor.label is deprecated since protobuf 6.31 and its successor is newer than our
    # oldest runtime.
    return not isinstance(value, (Message, str, bytes, int, float))
