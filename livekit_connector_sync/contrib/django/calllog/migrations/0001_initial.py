"""Create the table of calls."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates the table."""

    initial = True

    dependencies: ClassVar[list[Any]] = []

    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="CallRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "provider",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("twilio", "Twilio")], max_length=16
                    ),
                ),
                ("call_id", models.CharField(max_length=255)),
                ("alias", models.CharField(blank=True, max_length=64)),
                (
                    "direction",
                    models.CharField(
                        blank=True,
                        choices=[("inbound", "Inbound"), ("outbound", "Outbound")],
                        max_length=8,
                    ),
                ),
                ("from_number", models.CharField(blank=True, max_length=255)),
                ("to_number", models.CharField(blank=True, max_length=255)),
                ("contact_name", models.CharField(blank=True, max_length=255)),
                ("callback_data", models.CharField(blank=True, max_length=512)),
                ("status", models.CharField(blank=True, max_length=32)),
                ("error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("duration", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-created_at", "-pk"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "call_id"),
                        name="livekit_connector_one_row_per_call",
                    )
                ],
            },
        ),
    ]
