"""The Django app: registers the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class LiveKitConnectorConfig(AppConfig):
    """LiveKit's connectors; has no models."""

    name = "livekit_connector_sync.contrib.django"
    label = "livekit_connector"
    verbose_name = "LiveKit connectors"

    def ready(self) -> None:
        """Register the system checks."""
        from django.core import checks

        from .checks import check_project

        checks.register(check_project)
