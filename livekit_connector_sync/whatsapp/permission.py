"""The permission to call a WhatsApp user, as Graph's `call_permissions` describes it.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/calling/user-call-permissions
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from .._runtime import fields

__all__ = ["CallPermission", "PermissionLimit", "parse_permission"]


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


def parse_permission(document: object) -> CallPermission:
    """Return the permission in a response of `call_permissions`.

    Raises:
        ValueError: the response does not say what the permission is.
    """
    status = fields.text(document, "permission", "status")
    if not status:
        raise ValueError("the response does not say whether there is a permission")
    expires_at = fields.time(document, "permission", "expiration_time")
    actions = {
        fields.text(action, "action_name"): action
        for action in fields.mappings(document, "actions")
    }
    allowed = {name: action.get("can_perform_action") for name, action in actions.items()}
    may_start = allowed.get("start_call")
    return CallPermission(
        status,
        expires_at if status != "no_permission" else None,
        status in ("temporary", "permanent") if may_start is None else may_start is True,
        allowed.get("send_call_permission_request") is True,
        tuple(limit for name, action in actions.items() for limit in _limits(name, action)),
    )


def _limits(name: str, action: object) -> Iterator[PermissionLimit]:
    for limit in fields.mappings(action, "limits"):
        period = fields.text(limit, "time_period")
        most, used = fields.number(limit, "max_allowed"), fields.number(limit, "current_usage")
        if period and most is not None and used is not None:
            until = fields.time(limit, "limit_expiration_time")
            yield PermissionLimit(name, period, most, used, until)
