"""The tasks: one per RPC, named livekit_connector.*."""

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

# A user listens to silence, or to the ringing, until these have run: Meta gives up after 30 to 60
# seconds, and a later run would be about a call that is over.
_EXPIRES = 25
# Above the deadline of a call that waits until somebody answers.
_WAITING_SOFT_TIME_LIMIT = 90


def _task(rpc: str, **options: Any) -> Callable[[Callable[..., dict[str, Any]]], RPCTask]:
    """Return the decorator that makes a function the task of an RPC."""
    decorate: Callable[..., Any] = shared_task
    made: Callable[[Callable[..., dict[str, Any]]], RPCTask] = decorate(
        bind=True, base=RPCTask, name=f"livekit_connector.{rpc}", rpc=rpc, **options
    )
    return made


@_task("dial_whatsapp_call")
def dial_whatsapp_call(
    self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any
) -> dict[str, Any]:
    """Ring a WhatsApp user; the result holds whatsapp_call_id and room_name.

    The task's id is the call's biz_opaque_callback_data, unless that is a field, so that Meta's
    webhooks name the task. Two tasks with one id place one call.

    Args:
        alias: names the settings, which add the WhatsApp number, key and API version.
        **fields: those of DialWhatsAppCallRequest, such as whatsapp_to_phone_number.

    Raises:
        UnknownOutcome: an earlier run of this task may have placed the call.
        TwirpError: the call failed.
    """
    return self.call(self.rpc, alias, **fields)


@_task("accept_whatsapp_call", expires=_EXPIRES, soft_time_limit=_WAITING_SOFT_TIME_LIMIT)
def accept_whatsapp_call(
    self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any
) -> dict[str, Any]:
    """Take an inbound WhatsApp call into a room; the result holds room_name.

    A call that is accepted already, as after a webhook that came twice, is success if the fields
    name the room.

    Args:
        alias: names the settings, which add the WhatsApp number, key and API version.
        **fields: those of AcceptWhatsAppCallRequest, such as whatsapp_call_id and sdp.

    Raises:
        TwirpError: the call failed.
    """
    return self.call(self.rpc, alias, **fields)


@_task("connect_whatsapp_call", expires=_EXPIRES, soft_time_limit=_WAITING_SOFT_TIME_LIMIT)
def connect_whatsapp_call(
    self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any
) -> dict[str, Any]:
    """Finish an outbound WhatsApp call with the SDP of Meta's webhook; the result is empty.

    A call that is connected already is success.

    Args:
        alias: names the settings of the LiveKit project.
        **fields: those of ConnectWhatsAppCallRequest: whatsapp_call_id and sdp.

    Raises:
        TwirpError: the call failed.
    """
    return self.call(self.rpc, alias, **fields)


@_task("disconnect_whatsapp_call")
def disconnect_whatsapp_call(
    self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any
) -> dict[str, Any]:
    """End a WhatsApp call, or LiveKit's part in one that the user ended; the result is empty.

    A call that is over already is success.

    Args:
        alias: names the settings, which add the WhatsApp key where the business hangs up.
        **fields: those of DisconnectWhatsAppCallRequest, such as whatsapp_call_id.

    Raises:
        TwirpError: the call failed.
    """
    return self.call(self.rpc, alias, **fields)


@_task("connect_twilio_call", ignore_result=True)
def connect_twilio_call(
    self: RPCTask, *, alias: str = DEFAULT_ALIAS, **fields: Any
) -> dict[str, Any]:
    """Make a room ready for a Twilio call; the result holds connect_url.

    Whoever has this URL can join the call, so the result is not stored: give the task a `link`,
    or call `ConnectorTask.call` in a task of your own, which hands the URL to Twilio itself.

    Args:
        alias: names the settings of the LiveKit project.
        **fields: those of ConnectTwilioCallRequest; twilio_call_direction must be among them.

    Raises:
        UnknownOutcome: an earlier run of this task may have made a session.
        TwirpError: the call failed.
    """
    return self.call(self.rpc, alias, **fields)
