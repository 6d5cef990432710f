"""Pure functions that check a task's arguments and build its request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from google.protobuf.message import Message

from ..._gen import ConnectorServicer
from ..._runtime.messages import build
from ..._runtime.method import MethodInfo
from ..settings import Settings

__all__ = ["build_request", "check_fields", "find_method", "reject_secrets"]

_SECRET = "whatsapp_api_key"
_FROM_SETTINGS = ("whatsapp_phone_number_id", _SECRET, "whatsapp_cloud_api_version")
_CALLBACK_DATA = "whatsapp_biz_opaque_callback_data"
_METHODS = {method.name.lower(): method for method in ConnectorServicer.METHODS}


def find_method(rpc: str) -> MethodInfo[Any, Any]:
    """Return an RPC by the name of the client's method, such as "dial_whatsapp_call"."""
    method = _METHODS.get(str(rpc).replace("_", ""))
    if method is None:
        raise ValueError(f"the Connector has no RPC {rpc!r}")
    return method


def reject_secrets(names: Iterable[str]) -> None:
    """Raise ValueError if an argument is a secret."""
    if _SECRET in names:
        raise ValueError(
            f"{_SECRET} must not be an argument of a task, because the broker and monitors can "
            "read it: put it into the settings as WHATSAPP_API_KEY, and pass their alias"
        )


def check_fields(method: MethodInfo[Any, Any], fields: Mapping[str, Any]) -> Message:
    """Check the names and types of a request's fields; return the request without the settings.

    Raises:
        TypeError: a field does not exist, has the wrong type, or is required and missing.
        ValueError: a value is out of range, or a secret.
    """
    reject_secrets(fields)
    for name in method.no_default:
        if name not in fields:
            raise TypeError(f"{method.name} needs {name}: it has no default that is safe to assume")
    return build(method.request_type, fields)


def build_request(
    method: MethodInfo[Any, Any],
    fields: Mapping[str, Any],
    settings: Settings,
    task_id: Optional[str],
) -> Any:
    """Check a task's fields, complete them from the settings, and return the request.

    The task's id becomes the biz_opaque_callback_data of a dialled call that has none.
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
