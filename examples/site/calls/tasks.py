"""Store the outcome of the connector's tasks."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from livekit_connector_sync import DeadlineExceeded, Unavailable
from livekit_connector_sync.contrib.celery import UnknownOutcome

from .models import BY_US, Call, move


@shared_task(ignore_result=True)
def dialled(result: dict[str, str], pk: int) -> None:
    """Note that a phone rings; a webhook may have noted it already."""
    calls = Call.objects.filter(pk=pk)
    calls.update(whatsapp_call_id=result["whatsapp_call_id"])
    move(calls, Call.State.RINGING)


@shared_task(ignore_result=True)
def connected(pk: int) -> None:
    """Note that both sides can talk, once the callee has picked up.

    Of an inbound call, we are the callee. For an outbound call, `receivers.picked_up` has the time.
    """
    calls = Call.objects.filter(pk=pk)
    calls.update(is_connected=True)
    calls.filter(inbound=True).update(answered_at=timezone.now())
    move(calls.exclude(answered_at=None), Call.State.ACTIVE)


@shared_task(ignore_result=True)
def failed(request: Any, exc: Exception, traceback: Any, pk: int) -> None:
    """Note why a call failed."""
    calls = Call.objects.filter(pk=pk)
    lost = isinstance(exc, (UnknownOutcome, DeadlineExceeded, Unavailable)) and exc.maybe_sent
    if lost and calls.filter(inbound=False, answered_at=None).exists():
        note = "The line broke while we dialled: the phone may have rung."
    else:
        note = _reason(exc)
    move(calls, Call.State.FAILED, note=note, ended_at=timezone.now())


@shared_task(ignore_result=True)
def hung_up(pk: int) -> None:
    """Note that we ended a call; Meta's webhook may have noted it already."""
    move(Call.objects.filter(pk=pk), Call.State.ENDED, note=BY_US, ended_at=timezone.now())


@shared_task(ignore_result=True)
def still_on(request: Any, exc: Exception, traceback: Any, pk: int) -> None:
    """Note that ending a call failed, so that the user can try again."""
    calls = Call.objects.filter(pk=pk, state=Call.State.ENDING)
    note = f"Not hung up: {_reason(exc)}"[:500]
    calls.filter(answered_at=None).update(state=Call.State.RINGING, note=note)
    calls.exclude(answered_at=None).update(state=Call.State.ACTIVE, note=note)


def _reason(exc: Exception) -> str:
    return (getattr(exc, "message", "") or type(exc).__name__)[:500]
