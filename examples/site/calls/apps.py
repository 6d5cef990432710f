"""The app: connects the receivers of the connector's signals."""

from __future__ import annotations

from django.apps import AppConfig


class CallsConfig(AppConfig):
    """A log of calls, with a page."""

    name = "calls"

    def ready(self) -> None:
        """Connect the receivers."""
        from . import receivers  # noqa: F401
