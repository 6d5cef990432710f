"""A task's arguments and the request that they stand for: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from google.protobuf.message import Message

from ..._gen import ConnectorServicer
from ..._runtime.messages import build
from ..._runtime.method import MethodInfo
from ..settings import Settings

__all__ = ["check_fields", "method_of", "refuse_secrets", "request_of"]

_FROM_SETTINGS = (
    "whatsapp_phone_number_id",
    "whatsapp_api_key",
    "whatsapp_cloud_api_version",
)
_SECRET = "whatsapp_api_key"
_CALLBACK_DATA = "whatsapp_biz_opaque_callback_data"
_METHODS = {method.name.lower(): method for method in ConnectorServicer.METHODS}


def method_of(rpc: str) -> MethodInfo[Any, Any]:
    """Return an RPC by the name of the client's method, such as "dial_whatsapp_call".

    Raises:
        ValueError: there is no such RPC.
    """
    method = _METHODS.get(rpc.replace("_", ""))
    if method is None:
        raise ValueError(f"the Connector has no RPC {rpc!r}")
    return method


def refuse_secrets(names: Iterable[str]) -> None:
    """Check that no argument is a secret.

    Raises:
        ValueError: one is.
    """
    if _SECRET in names:
        raise ValueError(
            f"{_SECRET} must not be an argument of a task: the broker and every monitor would see "
            "it. Put it into the settings as WHATSAPP_API_KEY, and pass their alias"
        )


def check_fields(method: MethodInfo[Any, Any], fields: Mapping[str, Any]) -> Message:
    """Return the request without what the worker adds, to check names and types where it is made.

    Raises:
        TypeError: there is no such field, it has the wrong type, or one without a safe default
            is missing.
        ValueError: a value is out of range, or a secret.
    """
    refuse_secrets(fields)
    for name in method.no_default:
        if name not in fields:
            raise TypeError(f"{method.name} needs {name}: it has no default that is safe to assume")
    return build(method.request_type, fields)


def request_of(
    method: MethodInfo[Any, Any],
    fields: Mapping[str, Any],
    settings: Settings,
    task_id: Optional[str],
) -> Any:
    """Return the request of a task: its arguments, and what the settings of its alias add.

    Args:
        method: the RPC.
        fields: the task's arguments; they win over the settings.
        settings: those of the task's alias.
        task_id: becomes the biz_opaque_callback_data of a dialled call that has none.

    Raises:
        TypeError: as `check_fields`.
        ValueError: as `check_fields`.
    """
    request = check_fields(method, fields)
    known = request.DESCRIPTOR.fields_by_name
    for name in _FROM_SETTINGS:
        value = getattr(settings, name)
        if name in known and value and not getattr(request, name):
            setattr(request, name, value)
    for name, enum_field, constant in method.required_unless:
        if getattr(request, enum_field) == getattr(request, constant):
            request.ClearField(name)
    dials = not method.safe_to_repeat and _CALLBACK_DATA in known
    if task_id and dials and not getattr(request, _CALLBACK_DATA):
        setattr(request, _CALLBACK_DATA, task_id)
    return request
