"""Update calls on Meta's webhooks. The receivers only send tasks, so that they return quickly.

If the broker is down, the receivers ask Meta to retry the webhook. This needs `ignore_result`:
otherwise, Celery retries the Redis result backend for 19 seconds, and Meta times out.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Union

from django.db.models import Q, QuerySet
from django.dispatch import receiver
from django.utils import timezone

from livekit_connector_sync.contrib.celery import connect_whatsapp_call, disconnect_whatsapp_call
from livekit_connector_sync.contrib.django import RetryLater, signals
from livekit_connector_sync.webhooks import meta

from . import tasks
from .models import BY_US, DECLINED, NO_ANSWER, Call, move, moved


@contextlib.contextmanager
def retry_later() -> Iterator[None]:
    """Make the provider retry the webhook if something inside fails, such as the broker."""
    try:
        yield
    except Exception as exc:
        raise RetryLater from exc


def described(event: meta.CallConnect) -> dict[str, str]:
    """Return an event's session description as an argument of a task."""
    return {"type": event.sdp.type, "sdp": event.sdp.sdp}


def call_of(event: Any) -> QuerySet[Call]:
    """Return the call of an event.

    A webhook can arrive before the dial's response, so look for the dial's task id too.
    """
    known = Q(whatsapp_call_id=event.whatsapp_call_id)
    if event.callback_data:
        known |= Q(task_id=event.callback_data)
    calls = Call.objects.filter(known)
    calls.filter(whatsapp_call_id=None).update(whatsapp_call_id=event.whatsapp_call_id)
    return calls


def note_inbound(event: Union[meta.CallConnect, meta.CallTerminate], **values: Any) -> None:
    """Create the record of an inbound call, unless there is one."""
    Call.objects.get_or_create(
        whatsapp_call_id=event.whatsapp_call_id,
        defaults={
            "inbound": True,
            "number": event.from_number,
            "user_id": event.user_id,
            "username": event.username,
            "name": event.contact_name,
            **values,
        },
    )


@receiver(signals.whatsapp_call_offered)
def offered(sender: object, event: meta.CallConnect, alias: str, **kwargs: Any) -> None:
    """Show an incoming call in the inbox."""
    note_inbound(event, state=Call.State.RINGING, offer=json.dumps(described(event)))


@receiver(signals.whatsapp_call_answered)
def answered(sender: object, event: meta.CallConnect, alias: str, **kwargs: Any) -> None:
    """Connect an outbound call at once. The phone may still ring."""
    call = call_of(event).exclude(state__in=(Call.State.ENDING, *Call.OVER)).first()
    if call:
        with retry_later():
            connect_whatsapp_call.apply_async(
                kwargs={
                    "alias": alias,
                    "whatsapp_call_id": event.whatsapp_call_id,
                    "sdp": described(event),
                },
                link=tasks.connected.si(call.pk),
                link_error=tasks.failed.s(call.pk),
                ignore_result=True,
            )


@receiver(signals.whatsapp_call_accepted)
def picked_up(sender: object, event: meta.CallStatus, **kwargs: Any) -> None:
    """Note when the user picked up: an agent may speak from now on."""
    calls = call_of(event)
    calls.filter(answered_at=None).update(answered_at=event.timestamp or timezone.now())
    move(calls, Call.State.CONNECTING)
    move(calls.filter(is_connected=True), Call.State.ACTIVE)


@receiver(signals.whatsapp_call_status)
def progressed(sender: object, event: meta.CallStatus, **kwargs: Any) -> None:
    """Note that a phone rings or that its user declined the call, which then ends."""
    calls = call_of(event)
    if event.status == "RINGING":
        move(calls, Call.State.RINGING)
    elif event.status == "REJECTED":
        calls.filter(answered_at=None).update(note=DECLINED)


@receiver(signals.whatsapp_call_ended)
def ended(sender: object, event: meta.CallTerminate, alias: str, **kwargs: Any) -> None:
    """Disconnect an ended call from LiveKit, unless we ended it."""
    if event.direction is meta.Direction.INBOUND:
        # If this webhook overtakes the offer, the record keeps the call from being offered.
        note_inbound(event, state=Call.State.ENDED, note=NO_ANSWER, ended_at=timezone.now())
    calls = call_of(event)
    call = calls.first()
    note = why_ended(call) if call else ""
    with retry_later(), moved(calls, Call.State.ENDED, note=note, ended_at=timezone.now()) as did:
        if did and note != BY_US:
            disconnect_whatsapp_call.apply_async(
                kwargs={
                    "alias": alias,
                    "whatsapp_call_id": event.whatsapp_call_id,
                    "disconnect_reason": "USER_INITIATED",
                },
                ignore_result=True,
            )


def why_ended(call: Call) -> str:
    """Return who ended a call, or why."""
    if call.state == Call.State.ENDING:
        return BY_US
    if call.state in (Call.State.QUEUED, Call.State.RINGING):
        return DECLINED if call.note == DECLINED else NO_ANSWER
    return "by the caller" if call.inbound else "by the callee"
