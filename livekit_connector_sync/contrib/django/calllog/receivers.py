"""The receivers that write the call log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Optional, Union

from django.conf import settings
from django.dispatch import receiver
from django.utils import timezone

from ....webhooks import meta, twilio
from .. import signals
from .models import CallRecord

__all__: list[str] = []

_REJECTED = "REJECTED"  # more specific than the FAILED of the terminate webhook that follows


@receiver([signals.whatsapp_call_offered, signals.whatsapp_call_answered])
def _note_connect(event: meta.CallConnect, alias: str, **_: Any) -> None:
    _note_whatsapp(
        event,
        alias,
        direction=event.direction.value,
        from_number=event.from_number,
        to_number=event.to_number,
    )


@receiver(signals.whatsapp_call_status)
def _note_status(event: meta.CallStatus, alias: str, **_: Any) -> None:
    _note_whatsapp(event, alias, direction="outbound", to_number=event.recipient)
    _note_progress("whatsapp", event.whatsapp_call_id, event.status)


@receiver(signals.whatsapp_call_accepted)
def _note_pickup(event: meta.CallStatus, alias: str, **_: Any) -> None:
    _note_whatsapp(event, alias)
    records = CallRecord.objects.filter(provider="whatsapp", call_id=event.whatsapp_call_id)
    # The terminate webhook has the time too, and may be here already.
    records.filter(started_at=None).update(started_at=_stored(event.timestamp or timezone.now()))


@receiver(signals.whatsapp_call_ended)
def _note_end(event: meta.CallTerminate, alias: str, **_: Any) -> None:
    _note_whatsapp(
        event,
        alias,
        direction=event.direction.value if event.direction else "",
        from_number=event.from_number,
        to_number=event.to_number,
        error="\n".join(f"{e.code}: {e.message or e.title}" for e in event.errors),
        started_at=_stored(event.start_time),
        ended_at=_stored(event.end_time or event.timestamp or timezone.now()),
        duration=event.duration,
    )
    records = CallRecord.objects.filter(provider="whatsapp", call_id=event.whatsapp_call_id)
    if event.status:
        records.exclude(status=_REJECTED).update(status=event.status)


@receiver(signals.twilio_call_received)
def _note_twilio_call(
    event: twilio.VoiceCall, alias: str, error: Optional[Exception] = None, **_: Any
) -> None:
    # Twilio's word for a call that gets TwiML, be it the room or an apology.
    _note_twilio(event, alias, "in-progress", error=str(error) if error else "")


@receiver(signals.twilio_call_status)
def _note_twilio_status(event: twilio.VoiceCall, alias: str, **_: Any) -> None:
    duration = event.parameter("CallDuration")
    _note_twilio(
        event,
        alias,
        event.status,
        ended_at=_stored(timezone.now()) if event.is_over else None,
        duration=int(duration) if event.is_over and duration.isdecimal() else None,
    )


def _note_whatsapp(
    event: Union[meta.CallConnect, meta.CallStatus, meta.CallTerminate], alias: str, **values: Any
) -> None:
    known = _known(
        alias=alias,
        callback_data=event.callback_data,
        user_id=event.user_id,
        username=event.username,
        contact_name=event.contact_name,
        **values,
    )
    CallRecord.objects.note("whatsapp", event.whatsapp_call_id, **known)


def _note_twilio(event: twilio.VoiceCall, alias: str, status: str, **values: Any) -> None:
    known = _known(
        alias=alias,
        direction="inbound" if event.direction == "inbound" else "outbound",
        from_number=event.from_number,
        to_number=event.to_number,
        status=status if event.is_over else "",
        **values,
    )
    CallRecord.objects.note("twilio", event.call_sid, **known)
    if status and not event.is_over:
        _note_progress("twilio", event.call_sid, status)


def _note_progress(provider: str, call_id: str, status: str) -> None:
    """Write the status of a call, unless the call has ended already."""
    records = CallRecord.objects.filter(provider=provider, call_id=call_id)
    if status != _REJECTED:
        records = records.filter(ended_at=None).exclude(status=_REJECTED)
    records.update(status=status)


def _stored(moment: Optional[datetime]) -> Optional[datetime]:
    """Return a moment as the database expects it: naive if USE_TZ is off."""
    if moment is None or settings.USE_TZ or timezone.is_naive(moment):
        return moment
    return timezone.make_naive(moment)


def _known(**values: Any) -> dict[str, Any]:
    """Drop empty values, so that they don't overwrite those of another event."""
    return {name: value for name, value in values.items() if value not in (None, "")}
