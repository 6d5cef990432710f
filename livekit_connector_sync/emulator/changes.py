"""The emulator's one lock, which also counts the changes made under it."""

from __future__ import annotations

import threading

__all__ = ["Changes"]


class Changes(threading.Condition):
    """A condition whose `version` grows with every change."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0

    def changed(self) -> None:
        """Count a change and wake whoever waits; hold the lock."""
        self.version += 1
        self.notify_all()
