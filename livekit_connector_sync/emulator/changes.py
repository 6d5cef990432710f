"""The emulator's one lock, which also counts the changes made under it."""

from __future__ import annotations

import threading

__all__ = ["Changes"]


class Changes(threading.Condition):
    """A condition whose `version` grows with every change.

    `timer` is a second condition on the same lock. It wakes the thread that waits for the next
    timeout, which would otherwise wake at every change.
    """

    def __init__(self) -> None:
        lock = threading.RLock()
        super().__init__(lock)
        self.timer = threading.Condition(lock)
        self.version = 0

    def changed(self) -> None:
        """Count a change and wake every waiting thread; call it under the lock."""
        self.version += 1
        self.notify_all()
