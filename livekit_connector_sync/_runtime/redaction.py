"""Redacts secrets and personal data in repr(), in text, and in tracebacks.

The list of sensitive fields is generated from the protos' `logger.sensitivity` option and from the
overlay. `repr()` of a message redacts them; `str()` of a message is still protobuf's text format.
"""

from __future__ import annotations

import functools
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Optional, TypeVar, cast

from google.protobuf.message import Message

SECRET = "<secret>"
PERSONAL = "<personal>"
_MIN_VALUE = 4  # characters; replacing a shorter value would garble ordinary text
_MIN_LINE = 12  # characters of a single line that counts as a secret, such as "a=ice-pwd:..."

_marks: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
_UNMARKED: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

Function = TypeVar("Function", bound=Callable[..., Any])


def mark_sensitive(
    message_type: type[Message], *, secret: Iterable[str] = (), pii: Iterable[str] = ()
) -> None:
    """Register a message's sensitive fields and give its class a repr() that redacts them.

    Args:
        message_type: the message's class.
        secret: fields that must never be shown (logger.SENSITIVITY_SECRET).
        pii: fields with personal data (logger.SENSITIVITY_PII).
    """
    _marks[message_type.DESCRIPTOR.full_name] = (frozenset(secret), frozenset(pii))
    setattr(message_type, "__repr__", _redact)  # noqa: B010 - typed as a method, set as one


class HoldsSecret:
    """Base of objects that hold a secret: pickling or copying them raises TypeError."""

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"{name} can't be pickled: the pickle would hold its secret in clear")


def hide_locals(function: Function) -> Function:
    """Decorate a function that handles secrets: clear the local variables when it raises.

    Crash reporters send the locals of every frame in a traceback. If an exception passes through
    the function, its frames keep their line numbers and lose their locals. An exception that the
    caller was already handling keeps its locals, because its frames are the caller's.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        handled = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            del args, kwargs
            _clear_frames(exc, handled)
            raise

    return cast(Function, call)


def _clear_frames(exc: BaseException, handled: Optional[BaseException]) -> None:
    """Clear the finished frames of an exception, its causes, and its contexts, up to `handled`."""
    pending: list[Optional[BaseException]] = [exc]
    seen = set() if exc is handled else {id(handled)}
    while pending:
        current = pending.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            traceback.clear_frames(current.__traceback__)
            pending += [current.__cause__, current.__context__]


class Scrubber:
    """Redacts the values of a request's sensitive fields in text from servers and libraries."""

    def __init__(self, request: Message) -> None:
        self._request = request
        self._tokens: set[str] = set()

    def add_token(self, token: str) -> None:
        """Redact this token of the call too."""
        self._tokens.add(token)

    def scrub(self, text: str, *, personal: bool = False) -> str:
        """Redact secrets in a text and, if `personal` is True, personal data."""
        kinds = [(SECRET, [*secret_values(self._request), *self._tokens])]
        if personal:
            kinds.append((PERSONAL, list(_values(self._request, 1))))
        for placeholder, values in kinds:
            # Replace the longest value first, because a value may contain another.
            for value in sorted(set(values), key=len, reverse=True):
                if _MIN_VALUE <= len(value) <= len(text):
                    for spelling in (value, json.dumps(value)[1:-1]):
                        text = text.replace(spelling, placeholder)
        return text


def secret_values(message: Message) -> list[str]:
    """Return the texts in the secret fields of a message and of the messages in it.

    Long lines of a text count as secrets too: a server may quote one line of a session
    description.
    """
    texts = list(_values(message, 0))
    return texts + [
        line
        for text in texts
        for line in text.splitlines()
        if len(line) >= _MIN_LINE and line != text
    ]


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


def _redact(message: Message) -> str:
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
            shown = f"[{', '.join(_show(field, item) for item in value)}]"
        else:
            shown = _show(field, value)
        parts.append(f"{field.name}={shown}")
    return f"{type(message).__name__}({', '.join(parts)})"


def _show(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        constant = field.enum_type.values_by_number.get(value)
        return constant.name if constant is not None else repr(value)
    return _redact(value) if isinstance(value, Message) else repr(value)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_repeated(value: Any) -> bool:
    """Return whether a field is repeated, judging by its value, which may be the default."""
    # FieldDescriptor.label is deprecated since protobuf 6.31. Its successor is missing in the
    # oldest supported protobuf.
    return not isinstance(value, (Message, str, bytes, int, float))
