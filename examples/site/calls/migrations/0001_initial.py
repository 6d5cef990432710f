"""The table of calls."""

from __future__ import annotations

from typing import ClassVar

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """The first."""

    initial = True

    dependencies: ClassVar = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="Call",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("inbound", models.BooleanField()),
                ("number", models.CharField(blank=True, max_length=20)),
                ("user_id", models.CharField(blank=True, max_length=200)),
                ("username", models.CharField(blank=True, max_length=200)),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting for a line"),
                            ("ringing", "Ringing"),
                            ("connecting", "Connecting"),
                            ("active", "On the line"),
                            ("ending", "Hanging up"),
                            ("ended", "Ended"),
                            ("failed", "Failed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("task_id", models.CharField(max_length=36, null=True, unique=True)),
                ("whatsapp_call_id", models.CharField(max_length=200, null=True, unique=True)),
                ("offer", models.TextField(blank=True)),
                ("placed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("is_connected", models.BooleanField(default=False)),
                ("answered_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-placed_at", "-pk"),
            },
        ),
    ]
