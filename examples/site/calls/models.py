"""The site's record of calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.utils import timezone

BY_US, DECLINED, NO_ANSWER = "by us", "declined", "no answer"


class Call(models.Model):
    """A call, from its first event to its end."""

    class State(models.TextChoices):
        """The states of a call, in order."""

        QUEUED = "queued", "Waiting for a line"
        RINGING = "ringing", "Ringing"
        CONNECTING = "connecting", "Connecting"
        ACTIVE = "active", "On the line"
        ENDING = "ending", "Hanging up"
        ENDED = "ended", "Ended"
        FAILED = "failed", "Failed"

    OVER = (State.ENDED, State.FAILED)

    inbound = models.BooleanField()
    # A user who has a username can hide the number. Meta always sends the id.
    number = models.CharField(max_length=20, blank=True)
    user_id = models.CharField(max_length=200, blank=True)
    username = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=12, choices=State.choices)
    note = models.CharField(max_length=500, blank=True)
    # The id of the dial's task. Meta's webhooks return it as biz_opaque_callback_data.
    task_id = models.CharField(max_length=36, unique=True, null=True)
    whatsapp_call_id = models.CharField(max_length=200, unique=True, null=True)
    offer = models.TextField(blank=True)  # the session description of an inbound call
    placed_at = models.DateTimeField(default=timezone.now)
    is_connected = models.BooleanField(default=False)  # LiveKit has the callee's SDP answer
    answered_at = models.DateTimeField(null=True)  # when the callee picked up
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        ordering = ("-placed_at", "-pk")

    def __str__(self) -> str:
        return f"{'from' if self.inbound else 'to'} {self.address}: {self.state}"

    @property
    def is_over(self) -> bool:
        """Whether the call has ended or failed."""
        return self.state in self.OVER

    @property
    def can_accept(self) -> bool:
        """Whether the call is waiting for somebody to accept it."""
        return self.inbound and self.state == self.State.RINGING

    @property
    def can_hang_up(self) -> bool:
        """Whether we can end the call; LiveKit doesn't know an inbound call before we accept it."""
        ending = self.is_over or self.state == self.State.ENDING
        return bool(self.whatsapp_call_id) and not ending and not self.can_accept

    @property
    def address(self) -> str:
        """The number, such as "+1 555 123 4567", or else the username, or Meta's id of the user."""
        digits = self.number
        if not digits:
            return f"@{self.username}" if self.username else self.user_id
        if len(digits) == 11 and digits.startswith("1"):
            return f"+1 {digits[1:4]} {digits[4:7]} {digits[7:]}"
        return f"+{digits}"

    @property
    def duration(self) -> str:
        """The length of the conversation in minutes and seconds."""
        return f"{self.seconds // 60}:{self.seconds % 60:02}"

    @property
    def seconds(self) -> int:
        """The length of the conversation in seconds."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return round((self.ended_at - self.answered_at).total_seconds())


@contextlib.contextmanager
def moved(calls: models.QuerySet[Call], state: str, **changes: Any) -> Iterator[bool]:
    """Move a call to a state for the block inside; restore the old state if the block fails."""
    before = calls.first()
    did = move(calls, state, **changes)
    try:
        yield did
    except Exception:
        if did and before is not None:
            calls.filter(state=state).update(state=before.state)
        raise


def move(calls: models.QuerySet[Call], state: str, **changes: Any) -> bool:
    """Move a call to a later state and return whether it moved.

    Webhooks and tasks arrive in any order, in several processes. A single SQL statement keeps the
    check and the update atomic.
    """
    states = Call.State.values
    earlier = states[: states.index(state)] if state != Call.State.FAILED else states[:4]
    return bool(calls.filter(state__in=earlier).update(state=state, **changes))
