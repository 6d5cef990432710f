"""What a task raises beside the errors of a call."""

from __future__ import annotations

from ...errors import StatusCode, TwirpError

__all__ = ["UnknownOutcome", "unknown_outcome"]


class UnknownOutcome(TwirpError):
    """An earlier run of the task placed the call, or may have; this run placed none.

    It is raised where a task is delivered again after its worker died between the first byte of
    the call and its answer, or after a call whose result is too secret to be kept for this run.
    `metadata["task_id"]` is the task's id; a WhatsApp call that was
    placed carries `metadata["callback_data"]` as biz_opaque_callback_data in Meta's webhooks.
    """

    code = StatusCode.UNKNOWN


def unknown_outcome(
    task_id: str, method: str, callback_data: str, room_name: str, *, made: bool = False
) -> UnknownOutcome:
    """Return the error of a task whose earlier run cannot tell how it ended.

    Args:
        task_id: the task's id, which is the request id of the call as well.
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        callback_data: what Meta's webhooks of the call carry; empty for other calls.
        room_name: the room that the request named; may be empty.
        made: True if the call was made.
    """
    if callback_data:
        remedy = f"look for biz_opaque_callback_data {callback_data!r} in Meta's webhooks"
    elif room_name:
        remedy = f"look whether the room {room_name!r} has its participant"
    else:
        remedy = "look at Meta's webhooks and at the room"
    if made:
        earlier = "made this call, whose result is a secret and was not kept"
    else:
        earlier = "may have placed this call, and did not live to tell"
    return UnknownOutcome(
        f"an earlier run of task {task_id} {earlier}; no second call was placed: {remedy}",
        {"task_id": task_id, "callback_data": callback_data, "room_name": room_name},
        request_id=task_id,
        method=method,
        maybe_sent=True,
    )
