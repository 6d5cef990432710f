"""Claims: place a call at most once, even if its task runs several times.

Before a run sends the first byte of a call, it takes the task's claim in a store that all workers
share. Afterwards, it records the outcome of the call. A later run of the same task finds the claim,
and returns the result or raises the error of the first run. This module doesn't import Celery.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional, Protocol

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from ..._runtime.method import MethodInfo
from ..._runtime.redaction import secret_values
from ...errors import TwirpError, Unavailable
from .errors import make_unknown_outcome

__all__ = [
    "MARGIN",
    "Claim",
    "StillRunning",
    "Store",
    "TaskClaim",
    "place_call",
    "read_outcome",
    "take_claim",
]

logger = logging.getLogger(__name__)

MARGIN = 2.0
"""Seconds from a call's deadline to the end of its run."""
_PAUSE = 0.25  # seconds between two attempts to write to the store


class Store(Protocol):
    """A key-value store of texts that all workers share."""

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        """Set a key for `ttl` seconds if it doesn't exist; return the existing value, or None."""

    def set(self, key: str, value: str, ttl: int) -> None:
        """Set a key for `ttl` seconds."""

    def delete(self, key: str) -> None:
        """Delete a key."""


class StillRunning(Exception):
    """An earlier run might still be placing the call; it must end within `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Claim:
    """The claim of a task, as the store holds it.

    Args:
        run: identifies the run that took the claim.
        until: when that run must have ended, in seconds since 1970.
        result: the result of its call, if it has one.
        error: the error of its call, if it failed: the arguments of TwirpError.from_code.
        made: True if the call succeeded, but its result is a secret and is not stored.
    """

    run: str
    until: float
    result: Optional[dict[str, Any]] = None
    error: Optional[dict[str, Any]] = None
    made: bool = False

    def to_json(self) -> str:
        """Return the claim as the text to store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Claim:
        """Parse a claim from the store."""
        return cls(**json.loads(text))


class TaskClaim:
    """Writes the claim of a task on behalf of one run.

    Args:
        store: holds the claims.
        task_id: the task's id.
        ttl: seconds to keep the claim; must be longer than any broker takes to redeliver a task.
    """

    def __init__(self, store: Store, task_id: str, ttl: int) -> None:
        self.store = store
        self.key = f"livekit_connector:claim:{task_id}"
        self.ttl = ttl
        self.mine = Claim(uuid.uuid4().hex, 0.0)

    def record(self, **outcome: Any) -> None:
        """Record the outcome of the call: the `result`, `error`, or `made` of a Claim."""
        self.store.set(self.key, replace(self.mine, **outcome).to_json(), self.ttl)

    def release(self) -> None:
        """Delete the claim: the call did nothing, so another run may place it."""
        self.store.delete(self.key)


def take_claim(claim: TaskClaim, seconds: float) -> Optional[Claim]:
    """Take a task's claim; return None, or the existing claim of an earlier run.

    Args:
        claim: the claim to take.
        seconds: the maximum duration of this run.

    Raises:
        Unavailable: the store failed, so no call was placed.
    """
    claim.mine = replace(claim.mine, until=time.time() + seconds)
    try:
        text = claim.store.add(claim.key, claim.mine.to_json(), claim.ttl)
    except Exception as exc:  # a Redis, a proxy, or a cache backend may raise anything
        raise Unavailable(
            f"the store of claims failed ({type(exc).__name__}), so no call was placed",
            safe_to_retry=True,
        ) from exc
    found = None if text is None else Claim.from_json(text)
    # A store that resends a command after a connection failure finds its own first claim.
    return None if found == claim.mine else found


def place_call(
    send: Callable[[], Message],
    method: MethodInfo[Any, Any],
    request: Message,
    claim: Optional[TaskClaim],
) -> dict[str, Any]:
    """Place a call, record the outcome in its claim, and return the response as a dict.

    Raises:
        TwirpError: the call failed.
    """
    try:
        response = send()
    except TwirpError as exc:
        if exc.safe_to_retry:
            _write(claim, TaskClaim.release)
        else:
            _write(claim, TaskClaim.record, error=exc.to_dict())
        done = method.response_of_done(request, exc.code)
        if done is None:
            raise
        response = done
    result: dict[str, Any] = MessageToDict(response, preserving_proto_field_name=True)
    if secret_values(response):  # such as the URL of a Twilio session
        _write(claim, TaskClaim.record, made=True)
    else:
        _write(claim, TaskClaim.record, result=result)
    return result


def read_outcome(
    earlier: Claim, task_id: str, method: MethodInfo[Any, Any], request: Any, now: float
) -> dict[str, Any]:
    """Return the result of the call that an earlier run of a task placed.

    Args:
        earlier: the claim of that run.
        task_id: the task's id.
        method: the RPC.
        request: the request.
        now: seconds since 1970.

    Raises:
        StillRunning: that run might not have ended yet.
        UnknownOutcome: that run has ended without a result.
        TwirpError: the call failed.
    """
    if earlier.result is not None:
        return earlier.result
    if earlier.error is not None:
        raise TwirpError.from_code(**earlier.error)
    seconds = earlier.until - now
    if seconds > 0 and not earlier.made:
        raise StillRunning(seconds)
    callback_data = getattr(request, "whatsapp_biz_opaque_callback_data", "")
    raise make_unknown_outcome(
        task_id, method.full_name, callback_data, request.room_name, made=earlier.made
    )


def _write(claim: Optional[TaskClaim], write: Callable[..., None], **outcome: Any) -> None:
    """Write to a claim, if there is one; if the store fails, retry until this run must end.

    If all retries fail, the call is not affected, but later runs raise UnknownOutcome.
    """
    while claim is not None:
        try:
            write(claim, **outcome)
        except Exception:
            if claim.mine.until - time.time() > MARGIN / 2:  # before Celery's soft time limit
                time.sleep(_PAUSE)
                continue
            logger.warning("the store of claims failed: an outcome is not recorded", exc_info=True)
        return
