"""One row per call; its webhooks fill it in, in any order."""

from __future__ import annotations

from typing import Any

from django.db import models

__all__ = ["CallRecord", "CallRecordManager"]


class CallRecordManager(models.Manager):
    """Creates and updates call records."""

    def note(self, provider: str, call_id: str, **values: Any) -> None:
        """Write what is known of a call, and create its row if there is none.

        Only these values are written, so that two processes can each add what they know.

        Args:
            provider: "whatsapp" or "twilio".
            call_id: the provider's id of the call.
            **values: the row's other fields.
        """
        record, created = self.get_or_create(provider=provider, call_id=call_id, defaults=values)
        if not created and values:
            self.filter(pk=record.pk).update(**values)


class CallRecord(models.Model):
    """An inbound or outbound call, through WhatsApp or Twilio."""

    class Provider(models.TextChoices):
        WHATSAPP = "whatsapp", "WhatsApp"
        TWILIO = "twilio", "Twilio"

    class Direction(models.TextChoices):
        INBOUND = "inbound", "Inbound"
        OUTBOUND = "outbound", "Outbound"

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=16, choices=Provider.choices)
    call_id = models.CharField(max_length=255)
    alias = models.CharField(max_length=64, blank=True)
    direction = models.CharField(max_length=8, choices=Direction.choices, blank=True)
    from_number = models.CharField(max_length=255, blank=True)
    to_number = models.CharField(max_length=255, blank=True)
    user_id = models.CharField(max_length=255, blank=True)
    """Meta's id of the user, whose number may be hidden."""
    username = models.CharField(max_length=255, blank=True)
    contact_name = models.CharField(max_length=255, blank=True)
    callback_data = models.CharField(max_length=512, blank=True)
    status = models.CharField(max_length=32, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    duration = models.PositiveIntegerField(null=True, blank=True)

    objects = CallRecordManager()

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "call_id"), name="livekit_connector_one_row_per_call"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.call_id}"
