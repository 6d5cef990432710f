"""What follows the connector's tasks: how a call went is written down."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from livekit_connector_sync.contrib.celery import UnknownOutcome

from .models import Call, move


@shared_task(ignore_result=True)
def dialled(result: dict[str, str], pk: int) -> None:
    """Note that a phone rings; a webhook may have been faster."""
    calls = Call.objects.filter(pk=pk)
    calls.update(whatsapp_call_id=result["whatsapp_call_id"])
    move(calls, Call.State.RINGING)


@shared_task(ignore_result=True)
def connected(pk: int) -> None:
    """Note that both sides can talk."""
    move(Call.objects.filter(pk=pk), Call.State.ACTIVE, answered_at=timezone.now())


@shared_task(ignore_result=True)
def failed(request: Any, exc: Exception, traceback: Any, pk: int) -> None:
    """Note why a call came to nothing."""
    if isinstance(exc, UnknownOutcome):
        note = "The line broke while we dialled: the phone may have rung."
    else:
        note = getattr(exc, "message", "") or type(exc).__name__
    calls = Call.objects.filter(pk=pk)
    move(calls, Call.State.FAILED, note=note[:500], ended_at=timezone.now())
