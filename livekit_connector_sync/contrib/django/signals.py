"""The Django signals of webhooks; a view sends each event once.

    @receiver(signals.whatsapp_call_offered)
    def take(sender, event, alias, **kwargs):
        accept_whatsapp_call.delay(whatsapp_call_id=event.whatsapp_call_id, ...)

Every receiver gets:

- `provider`: "meta", "twilio" or "livekit";
- `event`: the typed event of `livekit_connector_sync.webhooks`;
- `raw`: the payload as the provider sent it;
- `alias`: the alias of LIVEKIT_CONNECTOR that the event belongs to.

If a receiver raises, Django logs it, the other receivers run, and the provider gets a 200, or a 503
after RetryLater. Receivers run before the provider gets its response: leave slow work to a task.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "livekit_event",
    "twilio_call_received",
    "twilio_call_status",
    "webhook_received",
    "whatsapp_call_accepted",
    "whatsapp_call_answered",
    "whatsapp_call_ended",
    "whatsapp_call_offered",
    "whatsapp_call_permission",
    "whatsapp_call_status",
    "whatsapp_other",
]

webhook_received = Signal()
"""Any event; sent after its specific signals."""
whatsapp_call_offered = Signal()
"""A user calls (meta.CallConnect): call AcceptWhatsAppCall within 30 seconds, with `event.sdp`."""
whatsapp_call_answered = Signal()
"""An outbound call has an SDP answer (meta.CallConnect): call ConnectWhatsAppCall at once, with
`event.sdp`. The phone may still ring."""
whatsapp_call_accepted = Signal()
"""The user picked up an outbound call (meta.CallStatus): an agent may speak now."""
whatsapp_call_ended = Signal()
"""A WhatsApp call ended (meta.CallTerminate): call DisconnectWhatsAppCall with USER_INITIATED."""
whatsapp_call_status = Signal()
"""An outbound call is RINGING, ACCEPTED or REJECTED (meta.CallStatus); for information."""
whatsapp_call_permission = Signal()
"""A user allows or refuses calls (meta.CallPermissionReply)."""
whatsapp_other = Signal()
"""Any other update of Meta's, such as a message or an error (meta.OtherUpdate)."""
twilio_call_received = Signal()
"""Somebody called a Twilio number (twilio.VoiceCall). `error` is None if the view connected the
call, and otherwise the exception because of which the caller heard an apology."""
twilio_call_status = Signal()
"""The status of a Twilio call changed (twilio.VoiceCall)."""
livekit_event = Signal()
"""A room or a participant changed (livekit.WebhookEvent)."""
