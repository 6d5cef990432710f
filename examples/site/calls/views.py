"""The inbox, and what its buttons do. Everything slow is left to the worker."""

from __future__ import annotations

import json
import re
import uuid

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from livekit_connector_sync.contrib.celery import (
    accept_whatsapp_call,
    dial_whatsapp_call,
    disconnect_whatsapp_call,
)

from . import tasks
from .models import Call, move

SHOWN = 50


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "calls/inbox.html", {**_calls(), "phone_url": settings.PHONE_URL})


@require_GET
def calls(request: HttpRequest) -> HttpResponse:
    """The list alone, which the page asks for again and again."""
    return render(request, "calls/_calls.html", _calls())


@require_POST
def place(request: HttpRequest) -> HttpResponse:
    """Place a call."""
    number = re.sub(r"[\s()./+-]", "", request.POST.get("number", ""))
    if not re.fullmatch(r"[1-9][0-9]{6,14}", number):
        problem = "Write the number with its country code, such as +1 555 123 4567."
        context = {**_calls(), "phone_url": settings.PHONE_URL, "problem": problem}
        return render(request, "calls/inbox.html", context, status=400)
    with transaction.atomic():
        call = Call.objects.create(
            inbound=False, number=number, state=Call.State.QUEUED, task_id=str(uuid.uuid4())
        )
        dial_whatsapp_call.apply_async_on_commit(
            kwargs={"whatsapp_to_phone_number": number, "room_name": f"call-{call.pk}"},
            task_id=call.task_id,
            link=tasks.dialled.s(call.pk),
            link_error=tasks.failed.s(call.pk),
        )
    return redirect("inbox")


@require_POST
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept a call that rings; of two people who press the button, one accepts."""
    call = get_object_or_404(Call, pk=pk, inbound=True)
    if move(Call.objects.filter(pk=pk), Call.State.CONNECTING):
        accept_whatsapp_call.apply_async(
            kwargs={
                "whatsapp_call_id": call.whatsapp_call_id,
                "sdp": json.loads(call.offer),
                "room_name": f"call-{call.pk}",
                "participant_name": call.name,
            },
            link=tasks.connected.si(pk),
            link_error=tasks.failed.s(pk),
        )
    return redirect("inbox")


@require_POST
def hang_up(request: HttpRequest, pk: int) -> HttpResponse:
    """End a call."""
    call = get_object_or_404(Call, pk=pk, whatsapp_call_id__isnull=False)
    if move(Call.objects.filter(pk=pk), Call.State.ENDING, note=""):
        disconnect_whatsapp_call.apply_async(
            kwargs={"whatsapp_call_id": call.whatsapp_call_id},
            link=tasks.hung_up.si(pk),
            link_error=tasks.still_on.s(pk),
        )
    return redirect("inbox")


def _calls() -> dict[str, object]:
    return {"calls": Call.objects.all()[:SHOWN]}
