"""What happened, as Django signals; a view sends each event once to those of its kind.

    @receiver(signals.whatsapp_call_offered)
    def take(sender, event, alias, **kwargs):
        accept_whatsapp_call.delay(whatsapp_call_id=event.whatsapp_call_id, ...)

Every receiver gets:

- `provider`: "meta", "twilio" or "livekit";
- `event`: the typed event of `livekit_connector_sync.webhooks`;
- `raw`: its payload as it came;
- `alias`: the alias of LIVEKIT_CONNECTOR that it belongs to.

Signals are sent robustly: what a receiver raises is logged and the provider gets its 200, unless it
is RetryLater. Answer fast, and leave what is slow to a task.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "livekit_event",
    "twilio_call_received",
    "twilio_call_status",
    "webhook_received",
    "whatsapp_call_answered",
    "whatsapp_call_ended",
    "whatsapp_call_offered",
    "whatsapp_call_status",
    "whatsapp_other",
]

webhook_received = Signal()
"""Any event; sent after the signal of its kind."""
whatsapp_call_offered = Signal()
"""A user calls (meta.CallConnect): AcceptWhatsAppCall within 30 seconds, with `event.sdp`."""
whatsapp_call_answered = Signal()
"""A user picked up (meta.CallConnect): ConnectWhatsAppCall at once, with `event.sdp`."""
whatsapp_call_ended = Signal()
"""A WhatsApp call is over (meta.CallTerminate): DisconnectWhatsAppCall with USER_INITIATED."""
whatsapp_call_status = Signal()
"""An outbound call is RINGING, ACCEPTED or REJECTED (meta.CallStatus); for the record."""
whatsapp_other = Signal()
"""Another update of Meta's, such as a message or an error (meta.OtherUpdate)."""
twilio_call_received = Signal()
"""Somebody called a Twilio number (twilio.VoiceCall); `error` is None if the view has connected the
call, and otherwise why the caller heard an apology."""
twilio_call_status = Signal()
"""A call at Twilio has another status (twilio.VoiceCall)."""
livekit_event = Signal()
"""A room or a participant changed (livekit.WebhookEvent)."""
