"""The base of the tasks: settings by alias, the claim, one request id, and when to try again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from celery import Task
from celery.utils.time import get_exponential_backoff_interval
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from ..._runtime.deadline import UNSET, effective_timeout
from ..._runtime.method import MethodInfo
from ..._runtime.redaction import secret_values
from ..._runtime.twirp import REQUEST_ID
from ...errors import StatusCode, TwirpError, Unavailable
from ..settings import DEFAULT_ALIAS
from .arguments import check_fields, method_of, refuse_secrets, request_of
from .claims import Claim, TaskClaim
from .errors import unknown_outcome
from .worker import clients_of, store_of

if TYPE_CHECKING:
    from celery.contrib.django.task import DjangoTask as _CeleryTask
else:
    try:
        from celery.contrib.django.task import DjangoTask as _CeleryTask  # has delay_on_commit
    except ImportError:  # no Django
        _CeleryTask = Task

__all__ = ["ConnectorTask", "RPCTask"]

logger = logging.getLogger(__name__)

_PAUSE = 0.25  # seconds between two tries to write to the store
_MARGIN = 2.0  # seconds from a call's deadline to the end of its run
_RETRYABLE = (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED)
_ERROR_DETAILS = (
    "code",
    "message",
    "metadata",
    "status",
    "request_id",
    "method",
    "attempts",
    "maybe_sent",
    "safe_to_retry",
)


class ConnectorTask(_CeleryTask):
    """Base of tasks that place a call, safe however often a broker delivers them.

        @shared_task(bind=True, base=ConnectorTask)
        def place(self, number):
            dialled = self.call("dial_whatsapp_call", whatsapp_to_phone_number=number)

    A task makes one call that rings. The attributes are Celery's own, for `task_annotations` or
    where a task is declared, and `claim_ttl`: seconds for which a placed call is remembered.
    """

    acks_late = True
    reject_on_worker_lost = True
    max_retries = 3
    retry_backoff = 1
    retry_backoff_max = 8
    retry_jitter = True
    soft_time_limit = 30
    claim_ttl = 7 * 24 * 3600

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, as in Celery.

        Raises:
            ValueError: an argument is a secret.
        """
        refuse_secrets(_keywords(*args, **options))
        return super().apply_async(*args, **options)

    def call(self, rpc: str, alias: str = DEFAULT_ALIAS, **fields: Any) -> dict[str, Any]:
        """Make a call, once, even if this task is delivered again.

        A call that is accepted, connected or disconnected already counts as done.

        Args:
            rpc: the client's method, such as "dial_whatsapp_call".
            alias: names the settings, which add the WhatsApp number, key and API version.
            **fields: the request's fields, as the client's method takes them.

        Returns:
            The response's fields by name, without those that are empty.

        Raises:
            UnknownOutcome: an earlier run may have placed the call.
            TwirpError: the call failed, and another try would be wrong, useless or one too many.
            celery.exceptions.Retry: Celery will try again: the call failed and did nothing.
            TypeError: a field has the wrong type.
            ValueError: a value is out of range or a secret, or the settings are wrong.
            RuntimeError: this run has placed a call already: a claim is a task's, not a call's.
        """
        method = method_of(rpc)
        clients = clients_of(self.app)
        settings = clients.settings(alias)
        request = request_of(method, fields, settings, self.request.id)
        timeout = bounded(
            effective_timeout(method, request, UNSET, settings.timeout), self._soft_limit()
        )
        invoke = getattr(clients.get(alias), rpc)
        claim = self._claim(method, timeout)
        try:
            earlier = None if claim is None else _taken(claim, timeout)
            if earlier is None:
                headers = {REQUEST_ID: self.request.id} if self.request.id else {}
                return _settled(
                    lambda: invoke(request, timeout=timeout, extra_headers=headers),
                    method,
                    request,
                    claim,
                )
        except TwirpError as exc:
            if exc.safe_to_retry:
                self.request.placed_call = None
                if exc.code in _RETRYABLE:
                    raise self.retry(exc=exc, countdown=self._backoff()) from None
            raise
        return self._outcome_of(earlier, method, request)

    def _claim(self, method: MethodInfo[Any, Any], timeout: Optional[float]) -> Optional[TaskClaim]:
        """Return the claim to take, None where nothing can be delivered twice.

        Raises:
            RuntimeError: this run has placed a call already.
            ValueError: the run would have no end, after which another one may look at its claim.
        """
        if method.safe_to_repeat or not self.request.id:
            return None
        earlier = self.request.get("placed_call")
        if earlier is not None:
            raise RuntimeError(
                f"a task places one call: {self.name} has made {earlier} and goes on to "
                f"{method.name}; send a task of its own for that"
            )
        self.request.placed_call = method.name
        if self.request.is_eager:
            return None
        if timeout is None:
            raise ValueError(
                f"{method.name} needs a limit in a task: set TIMEOUT, or the task's soft_time_limit"
            )
        return TaskClaim(store_of(self.app), self.request.id, self.claim_ttl)

    def _outcome_of(
        self, earlier: Claim, method: MethodInfo[Any, Any], request: Any
    ) -> dict[str, Any]:
        """Return or raise what an earlier run of this task came to."""
        if earlier.result is not None:
            return earlier.result
        if earlier.error is not None:
            raise TwirpError.from_code(**earlier.error)
        left = earlier.until - time.time()
        if left > 0 and not earlier.made:
            # It may still be under way: a broker that lost the connection to its worker delivers
            # again at once. Look again when it has ended for certain.
            raise self.retry(countdown=left, max_retries=self.request.retries + 1)
        callback_data = getattr(request, "whatsapp_biz_opaque_callback_data", "")
        raise unknown_outcome(
            str(self.request.id),
            method.full_name,
            callback_data,
            request.room_name,
            made=earlier.made,
        )

    def _backoff(self) -> float:
        return get_exponential_backoff_interval(
            self.retry_backoff, self.request.retries, self.retry_backoff_max, self.retry_jitter
        )

    def _soft_limit(self) -> Optional[float]:
        _, soft = self.request.timelimit or (None, None)
        return soft or self.soft_time_limit


class RPCTask(ConnectorTask):
    """Base of the tasks whose arguments are an alias and a request's fields."""

    rpc = ""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, as in Celery, unless its arguments are wrong.

        Raises:
            TypeError: there is no such field, or it has the wrong type.
            ValueError: a value is out of range, or a secret.
        """
        fields = _keywords(*args, **options)
        fields.pop("alias", None)
        # What logs and events show of the arguments: no secret and no personal data.
        options.setdefault("kwargsrepr", repr(check_fields(method_of(self.rpc), fields)))
        return super().apply_async(*args, **options)


def _keywords(args: Any = None, kwargs: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
    """Return the task's keyword arguments among the arguments of apply_async."""
    return dict(kwargs or {})


def bounded(timeout: Optional[float], soft_limit: Optional[float]) -> Optional[float]:
    """Return a call's timeout, made short enough to end before the task's soft time limit."""
    if soft_limit is None:
        return timeout
    longest = max(soft_limit - _MARGIN, soft_limit / 2)
    return longest if timeout is None else min(timeout, longest)


def _taken(claim: TaskClaim, timeout: Optional[float]) -> Optional[Claim]:
    """Take the claim, or return the earlier one.

    Args:
        claim: where to.
        timeout: seconds that the call may take; a call with a claim has a limit.

    Raises:
        Unavailable: the store failed, so nothing was sent.
    """
    try:
        return claim.take((timeout or 0.0) + _MARGIN)
    except Exception as exc:  # whatever a Redis, a proxy or a cache's backend may raise
        raise Unavailable(
            f"the store of claims failed ({type(exc).__name__}), so no call was placed",
            safe_to_retry=True,
        ) from exc


def _settled(
    invoke: Callable[[], Message],
    method: MethodInfo[Any, Any],
    request: Message,
    claim: Optional[TaskClaim],
) -> dict[str, Any]:
    """Make the call, note how it ended, and return its result.

    Raises:
        TwirpError: the call failed.
    """
    try:
        response = invoke()
    except TwirpError as exc:
        if claim is not None:
            details = {name: getattr(exc, name) for name in _ERROR_DETAILS}
            _note(claim, claim.release if exc.safe_to_retry else lambda: claim.failed(details))
        done = method.response_of_done(request, exc.code)
        if done is None:
            raise
        response = done
    result: dict[str, Any] = MessageToDict(response, preserving_proto_field_name=True)
    if claim is not None:
        secret = bool(secret_values(response))  # as a Twilio session's URL is
        _note(claim, claim.made if secret else lambda: claim.succeeded(result))
    return result


def _note(claim: TaskClaim, write: Callable[[], None]) -> None:
    """Write to the store, again if it fails, for as long as this run may last.

    A failure costs no more than the knowledge of how the call ended.
    """
    while True:
        try:
            write()
        except Exception:
            if claim.time_left() > _MARGIN / 2:  # before Celery's soft limit
                time.sleep(_PAUSE)
                continue
            logger.warning("the store of claims failed; the call's end is not noted", exc_info=True)
        return
