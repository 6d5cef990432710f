"""The tasks: one per RPC, named livekit_connector.*; each raises TwirpError if its call fails.

They take the fields of the RPC's request by name, and `alias`, which selects the settings. These
add the WhatsApp number, key, and API version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import shared_task

from ..settings import DEFAULT_ALIAS
from .task import RPCTask

__all__ = [
    "accept_whatsapp_call",
    "connect_twilio_call",
    "connect_whatsapp_call",
    "dial_whatsapp_call",
    "disconnect_whatsapp_call",
]

Result = dict[str, Any]
# Seconds. Until these tasks have run, a user hears ringing or silence. Meta gives up after 30 to
# 60 seconds.
_EXPIRES = 25
# Seconds; longer than the deadline of a call that waits until somebody picks up.
_WAITING_SOFT_TIME_LIMIT = 90


def _task(rpc: str, **options: Any) -> Callable[[Callable[..., Result]], RPCTask]:
    """Return the decorator that turns a function into the task of an RPC."""
    decorate: Callable[..., Any] = shared_task
    made: Callable[[Callable[..., Result]], RPCTask] = decorate(
        bind=True, base=RPCTask, name=f"livekit_connector.{rpc}", rpc=rpc, **options
    )
    return made


@_task("dial_whatsapp_call")
def dial_whatsapp_call(self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any) -> Result:
    """Call a WhatsApp user; the result holds whatsapp_call_id and room_name.

    The task's id is the call's default biz_opaque_callback_data, so that Meta's webhooks name the
    task. Two tasks with the same id place one call.

    Raises:
        UnknownOutcome: an earlier run of this task might have placed the call.
    """
    return self.call(self.rpc, alias, **fields)


@_task("accept_whatsapp_call", expires=_EXPIRES, soft_time_limit=_WAITING_SOFT_TIME_LIMIT)
def accept_whatsapp_call(self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any) -> Result:
    """Accept an inbound WhatsApp call into a room; the result holds room_name.

    If the call is already accepted and the fields name the room, the task succeeds.
    """
    return self.call(self.rpc, alias, **fields)


@_task("connect_whatsapp_call", expires=_EXPIRES, soft_time_limit=_WAITING_SOFT_TIME_LIMIT)
def connect_whatsapp_call(self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any) -> Result:
    """Connect an outbound WhatsApp call with the SDP of Meta's webhook; the result is empty.

    If the call is already connected, the task succeeds.
    """
    return self.call(self.rpc, alias, **fields)


@_task("disconnect_whatsapp_call")
def disconnect_whatsapp_call(self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any) -> Result:
    """End a WhatsApp call, or LiveKit's part of one that the user ended; the result is empty.

    If the call is already over, the task succeeds.
    """
    return self.call(self.rpc, alias, **fields)


@_task("connect_twilio_call", ignore_result=True)
def connect_twilio_call(self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any) -> Result:
    """Prepare a room for a Twilio call; the result holds connect_url.

    Anybody with this URL can join the call, so the result is not stored. Pass a `link` to the task,
    or write your own task, which calls `ConnectorTask.call` and passes the URL to Twilio.

    Raises:
        UnknownOutcome: an earlier run of this task might have created a session.
    """
    return self.call(self.rpc, alias, **fields)
