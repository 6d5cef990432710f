"""The error of a task whose call has an unknown outcome."""

from __future__ import annotations

from ...errors import StatusCode, TwirpError

__all__ = ["UnknownOutcome", "make_unknown_outcome"]


class UnknownOutcome(TwirpError):
    """An earlier run of the task placed the call, or might have; this run didn't place one.

    The task raises it if its first worker died during the call, or if the result of the call is a
    secret that was not stored. `metadata["task_id"]` is the task's id. Meta's webhooks about a
    WhatsApp call contain `metadata["callback_data"]` as biz_opaque_callback_data.
    """

    code = StatusCode.UNKNOWN


def make_unknown_outcome(
    task_id: str, method: str, callback_data: str, room_name: str, *, made: bool = False
) -> UnknownOutcome:
    """Return the error of a task whose earlier run stored no result.

    `made` says whether that run placed the call. `callback_data` is empty for Twilio calls.
    """
    if callback_data:
        remedy = f"look for biz_opaque_callback_data {callback_data!r} in Meta's webhooks"
    elif room_name:
        remedy = f"check whether the room {room_name!r} has its participant"
    else:
        remedy = "check Meta's webhooks and the room"
    if made:
        earlier = "made this call, but its result is a secret and was not stored"
    else:
        earlier = "may have placed this call, and died before it recorded an outcome"
    return UnknownOutcome(
        f"an earlier run of task {task_id} {earlier}; no second call was placed: {remedy}",
        {"task_id": task_id, "callback_data": callback_data, "room_name": room_name},
        request_id=task_id,
        method=method,
        maybe_sent=True,
    )
