"""The inbox and its buttons. Celery tasks do everything slow."""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from livekit_connector_sync.contrib.celery import (
    accept_whatsapp_call,
    dial_whatsapp_call,
    disconnect_whatsapp_call,
)

from . import tasks
from .models import Call, move, moved

SHOWN = 50
NO_BROKER = "The workers cannot be reached. Nothing was done: try again in a moment."


def needs_workers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Show a message on the page if the broker is down and a view can't send its task."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except OperationalError:
            return _inbox(request, NO_BROKER, status=503)

    return wrapper


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return _inbox(request)


@require_GET
def calls(request: HttpRequest) -> HttpResponse:
    """Return only the list of calls, which the page polls."""
    return render(request, "calls/_calls.html", _calls())


@require_POST
@needs_workers
def place(request: HttpRequest) -> HttpResponse:
    """Place a call."""
    number = re.sub(r"[\s()./+-]", "", request.POST.get("number", ""))
    if not re.fullmatch(r"[1-9][0-9]{6,14}", number):
        problem = "Write the number with its country code, such as +1 555 123 4567."
        return _inbox(request, problem, status=400)
    call = Call(inbound=False, number=number, state=Call.State.QUEUED, task_id=str(uuid.uuid4()))
    try:
        with transaction.atomic():
            call.save()
            dial_whatsapp_call.apply_async_on_commit(
                kwargs={"whatsapp_to_phone_number": number, "room_name": f"call-{call.pk}"},
                task_id=call.task_id,
                link=tasks.dialled.s(call.pk),
                link_error=tasks.failed.s(call.pk),
                ignore_result=True,
            )
    except OperationalError:
        move(Call.objects.filter(pk=call.pk), Call.State.FAILED, note="No line was free.")
        raise
    return redirect("inbox")


@require_POST
@needs_workers
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept a ringing call; if two people press the button, only one of them accepts it."""
    call = get_object_or_404(Call, pk=pk, inbound=True)
    with moved(Call.objects.filter(pk=pk), Call.State.CONNECTING) as did:
        if did:
            accept_whatsapp_call.apply_async(
                kwargs={
                    "whatsapp_call_id": call.whatsapp_call_id,
                    "sdp": json.loads(call.offer),
                    "room_name": f"call-{call.pk}",
                    "participant_name": call.name,
                },
                link=tasks.connected.si(pk),
                link_error=tasks.failed.s(pk),
                ignore_result=True,
            )
    return redirect("inbox")


@require_POST
@needs_workers
def hang_up(request: HttpRequest, pk: int) -> HttpResponse:
    """End a call."""
    call = get_object_or_404(Call, pk=pk, whatsapp_call_id__isnull=False)
    with moved(Call.objects.filter(pk=pk), Call.State.ENDING, note="") as did:
        if did:
            disconnect_whatsapp_call.apply_async(
                kwargs={"whatsapp_call_id": call.whatsapp_call_id},
                link=tasks.hung_up.si(pk),
                link_error=tasks.still_on.s(pk),
                ignore_result=True,
            )
    return redirect("inbox")


def _inbox(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    context = {**_calls(), "phone_url": settings.PHONE_URL, "problem": problem}
    return render(request, "calls/inbox.html", context, status=status)


def _calls() -> dict[str, object]:
    return {"calls": Call.objects.all()[:SHOWN]}
