"""Add the user's id and username."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds two columns."""

    dependencies: ClassVar[list[Any]] = [("livekit_connector_calllog", "0001_initial")]

    operations: ClassVar[list[Any]] = [
        migrations.AddField(
            model_name="callrecord", name=name, field=models.CharField(blank=True, max_length=255)
        )
        for name in ("user_id", "username")
    ]
