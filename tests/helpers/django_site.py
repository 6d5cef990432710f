"""The settings of the Django tests' site, and a recorder of its signals."""

from __future__ import annotations

import threading
from typing import Any, Callable

OPTIONS = {
    "URL": "https://my-project.livekit.cloud",
    "API_KEY": "devkey",
    "API_SECRET": "devsecret-of-the-connector-emulator",
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_API_KEY": "graph-token",
    "WHATSAPP_CLOUD_API_VERSION": "23.0",
    "META_APP_SECRET": "emulated-app-secret",
    "META_VERIFY_TOKEN": "emulated-verify-token",
    "TWILIO_AUTH_TOKEN": "emulated-auth-token",
}


class Received:
    """The signals received, in order; `of` waits for them."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()

    def receiver(self, name: str) -> Callable[..., None]:
        """Return a receiver that notes what it gets under a name."""

        def note(**values: Any) -> None:
            with self._changed:
                self.all.append((name, values))
                self._changed.notify_all()

        return note

    @property
    def names(self) -> list[str]:
        """The names, in order."""
        return [name for name, _ in self.all]

    def of(self, name: str, count: int = 1, timeout: float = 5.0) -> list[dict[str, Any]]:
        """Return what came under a name, once there is enough of it."""

        def found() -> list[dict[str, Any]]:
            return [values for seen, values in self.all if seen == name]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, timeout), self.names
            return found()
