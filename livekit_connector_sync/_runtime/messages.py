"""Builds request messages from keywords, mappings, and the messages of other packages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from .proto_enum import ProtoEnum
from .redaction import is_repeated

MessageType = TypeVar("MessageType", bound=Message)

# Seconds, about ten thousand years; see google/protobuf/duration.proto.
_MAX_DURATION = 315_576_000_000


def as_message(message_type: type[MessageType], value: Any, name: str = "request") -> MessageType:
    """Return a value as a message of a type.

    Args:
        message_type: the class wanted.
        value: a message of this class, the same message of another package (livekit-protocol),
            or a mapping of its fields.
        name: the name of the value in an error.

    Raises:
        TypeError: the value or one of its fields has the wrong type.
    """
    if isinstance(value, message_type):
        return value
    if isinstance(value, Mapping):
        return build(message_type, value, name)
    if isinstance(value, Message) and _local_name(value) == _local_name(message_type):
        try:
            return message_type.FromString(value.SerializeToString())
        except (DecodeError, EncodeError) as exc:
            raise TypeError(f"{name} cannot be read as a {message_type.__name__}: {exc}") from None
    raise _wrong_type(name, f"a {message_type.__name__} or a mapping of its fields", value)


def build(
    message_type: type[MessageType], fields: Mapping[str, Any], name: str = ""
) -> MessageType:
    """Return a message with the given fields; None leaves a field unset.

    Args:
        message_type: the class wanted.
        fields: values by field name. A Duration takes seconds, a timedelta, or a Duration. A
            Timestamp takes an aware datetime or a Timestamp. An enum takes a number or a name. A
            message takes the same values as `as_message`.
        name: the name of the message in an error; empty for a call's keywords.

    Raises:
        TypeError: a value has the wrong type, or there is no such field; the error names it.
        ValueError: a value is out of range.
    """
    message = message_type()
    known = message.DESCRIPTOR.fields_by_name
    chosen: dict[str, str] = {}
    for field_name, value in fields.items():
        path = f"{name}.{field_name}" if name else str(field_name)
        field = known.get(field_name)
        if field is None:
            raise TypeError(f"{path}: {message_type.__name__} has no field {field_name!r}")
        if value is None:
            continue
        if field.containing_oneof is not None:
            other = chosen.setdefault(field.containing_oneof.name, path)
            if other != path:
                raise TypeError(f"pass {other} or {path}, not both")
        _set(message, field, value, path)
    return message


def _set(message: Message, field: Any, value: Any, path: str) -> None:
    target = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            raise _wrong_type(path, "a mapping", value)
        entry = field.message_type.fields_by_name
        for key, item in value.items():
            where = f"{path}[{key!r}]"
            _check_scalar(entry["key"], key, f"{path}: the key {key!r}")
            if entry["value"].message_type is not None:
                target[key].CopyFrom(_convert(type(target[key]), item, where))
            else:
                _assign(where, target.__setitem__, key, _check_scalar(entry["value"], item, where))
    elif is_repeated(target):
        if isinstance(value, (str, bytes, Mapping, Message)) or not isinstance(value, Iterable):
            raise _wrong_type(path, "a list", value)
        for index, item in enumerate(value):
            where = f"{path}[{index}]"
            if field.message_type is not None:
                slot = target.add()
                slot.CopyFrom(_convert(type(slot), item, where))
            else:
                _assign(where, target.append, _check_scalar(field, item, where))
    elif isinstance(target, Message):
        target.CopyFrom(_convert(type(target), value, path))
        target.SetInParent()
    else:
        _assign(path, setattr, message, field.name, _check_scalar(field, value, path))


def _convert(message_type: type[Message], value: Any, path: str) -> Message:
    if message_type is Duration:
        return _to_duration(value, path)
    if message_type is Timestamp:
        return _to_timestamp(value, path)
    return as_message(message_type, value, path)


def _to_duration(value: Any, path: str) -> Duration:
    if isinstance(value, Duration):
        if not (0 <= value.seconds <= _MAX_DURATION and 0 <= value.nanos < 1_000_000_000):
            parts = f"{value.seconds} s and {value.nanos} ns"
            raise ValueError(f"{path} must be 0 or more seconds, not {parts}")
        return value
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(path, "seconds, a timedelta or a Duration", value)
    if not math.isfinite(value) or not 0 <= value <= _MAX_DURATION:
        raise ValueError(f"{path} must be 0 or more seconds, not {value!r}")
    seconds = int(value)
    nanos = round((value - seconds) * 1_000_000_000)
    return Duration(seconds=seconds + nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def _to_timestamp(value: Any, path: str) -> Timestamp:
    if isinstance(value, Timestamp):
        return value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _wrong_type(path, "a datetime with a time zone, or a Timestamp", value)
    stamp = Timestamp()
    stamp.FromDatetime(value.astimezone(timezone.utc).replace(tzinfo=None))
    return stamp


def _enum_number(enum_type: Any, value: Any, path: str) -> int:
    known = enum_type.values_by_name
    if isinstance(value, ProtoEnum) and value.name not in known:
        other = f"{type(value).__name__}.{value.name}"
        raise TypeError(f"{path} must be a {enum_type.name} constant, not {other}")
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _wrong_type(path, f"a {enum_type.name} constant or its name", value)
    constant = (known if isinstance(value, str) else enum_type.values_by_number).get(value)
    if constant is None:
        names = ", ".join(known)
        raise ValueError(f"{path}: {enum_type.name} has no {value!r}; use one of {names}")
    return int(constant.number)


def _check_scalar(field: Any, value: Any, path: str) -> Any:
    """Check a scalar, with a clearer message than protobuf's."""
    if field.enum_type is not None:
        return _enum_number(field.enum_type, value, path)
    expected = _PYTHON_TYPES.get(field.cpp_type)
    if expected is not None:
        types, words = expected
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _wrong_type(path, words, value)
    elif field.type == FieldDescriptor.TYPE_STRING and not isinstance(value, str):
        raise _wrong_type(path, "a str", value)
    elif field.type == FieldDescriptor.TYPE_BYTES and not isinstance(value, bytes):
        raise _wrong_type(path, "bytes", value)
    return value


_INTEGER: tuple[tuple[type, ...], str] = ((int,), "an int")
_NUMBER: tuple[tuple[type, ...], str] = ((int, float), "a number")
_PYTHON_TYPES: dict[int, tuple[tuple[type, ...], str]] = {
    FieldDescriptor.CPPTYPE_INT32: _INTEGER,
    FieldDescriptor.CPPTYPE_INT64: _INTEGER,
    FieldDescriptor.CPPTYPE_UINT32: _INTEGER,
    FieldDescriptor.CPPTYPE_UINT64: _INTEGER,
    FieldDescriptor.CPPTYPE_FLOAT: _NUMBER,
    FieldDescriptor.CPPTYPE_DOUBLE: _NUMBER,
    FieldDescriptor.CPPTYPE_BOOL: ((bool,), "a bool"),
}


def _assign(path: str, setter: Any, *args: Any) -> None:
    """Call one of protobuf's setters; add the field's name to its errors."""
    try:
        setter(*args)
    except (TypeError, ValueError) as exc:
        wrong = TypeError if isinstance(exc, TypeError) else ValueError
        raise wrong(f"{path}: {exc}") from None


def _local_name(message: Any) -> str:
    """Return a message's name without its package: ours differs from the one on the wire."""
    descriptor = message.DESCRIPTOR
    package = descriptor.file.package
    return str(descriptor.full_name[len(package) + 1 :] if package else descriptor.full_name)


def _wrong_type(path: str, wanted: str, value: Any) -> TypeError:
    return TypeError(f"{path} must be {wanted}, not {name_type(value)}")


def name_type(value: object) -> str:
    """Return the name of a value's type; the value itself may be a secret."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
