"""The Django app: connects the receivers that write the call log."""

from __future__ import annotations

from django.apps import AppConfig


class CallLogConfig(AppConfig):
    """A log of calls."""

    name = "livekit_connector_sync.contrib.django.calllog"
    label = "livekit_connector_calllog"
    verbose_name = "Call log"

    def ready(self) -> None:
        """Connect the receivers."""
        from . import receivers  # noqa: F401 - connects them
