"""The permission to call a WhatsApp user, as Graph's `call_permissions` describes it.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/calling/user-call-permissions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional

__all__ = ["REQUEST", "START_CALL", "CallPermission", "PermissionLimit", "parse_permission"]

REQUEST = "send_call_permission_request"
START_CALL = "start_call"


@dataclass(frozen=True)
class PermissionLimit:
    """How often the business may do something for a user.

    Args:
        action: "start_call" or "send_call_permission_request".
        time_period: the period, as an ISO 8601 duration: "PT24H" or "P7D".
        max_allowed: how often it is allowed in the period.
        current_usage: how often it was done in the current period.
        expires_at: when the limit resets; None unless it is reached.
    """

    action: str
    time_period: str
    max_allowed: int
    current_usage: int
    expires_at: Optional[datetime] = None


@dataclass(frozen=True)
class CallPermission:
    """Whether a business may call a WhatsApp user, and whether it may ask to.

    Args:
        status: "temporary", "permanent", or "no_permission".
        expires_at: when a temporary permission ends, in UTC; None for the others.
        can_start_call: whether a call is allowed now. A user with a permission can still have
            reached a limit of calls.
        can_request: whether a request for the permission is allowed now; False if Meta does not
            say.
        limits: how often each is allowed.
    """

    status: str
    expires_at: Optional[datetime]
    can_start_call: bool
    can_request: bool
    limits: tuple[PermissionLimit, ...] = ()


def parse_permission(document: Mapping[str, Any]) -> CallPermission:
    """Return the permission in a response of `call_permissions`.

    Raises:
        ValueError: the response does not say what the permission is.
    """
    permission = document.get("permission")
    status = permission.get("status") if isinstance(permission, dict) else None
    if not isinstance(permission, dict) or not isinstance(status, str) or not status:
        raise ValueError("the response does not say whether there is a permission")
    listed = document.get("actions")
    actions = {
        action["action_name"]: action
        for action in (listed if isinstance(listed, list) else ())
        if isinstance(action, dict) and isinstance(action.get("action_name"), str)
    }
    may_start = actions.get(START_CALL, {}).get("can_perform_action")
    return CallPermission(
        status,
        _time(permission.get("expiration_time")) if status != "no_permission" else None,
        status in ("temporary", "permanent") if may_start is None else may_start is True,
        actions.get(REQUEST, {}).get("can_perform_action") is True,
        tuple(limit for name, action in actions.items() for limit in _limits(name, action)),
    )


def _limits(name: str, action: Mapping[str, Any]) -> Iterator[PermissionLimit]:
    limits = action.get("limits")
    for limit in limits if isinstance(limits, list) else ():
        if isinstance(limit, dict):
            period, most, used = (
                limit.get(key) for key in ("time_period", "max_allowed", "current_usage")
            )
            if isinstance(period, str) and isinstance(most, int) and isinstance(used, int):
                until = _time(limit.get("limit_expiration_time"))
                yield PermissionLimit(name, period, most, used, until)


def _time(value: object) -> Optional[datetime]:
    """Return a time in seconds since 1970, which Meta writes as a number or in digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:15])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return None
    try:
        return datetime.fromtimestamp(value, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
