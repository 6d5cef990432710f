"""The base classes of the tasks: settings by alias, a claim, one request id, and retries."""

from __future__ import annotations

import functools
import inspect
import time
from typing import TYPE_CHECKING, Any, Optional

from celery import Task
from celery.utils.time import get_exponential_backoff_interval

from ..._runtime.deadline import UNSET, choose_timeout
from ..._runtime.method import MethodInfo
from ..._runtime.redaction import hide_locals
from ..._runtime.twirp import REQUEST_ID
from ...errors import StatusCode, TwirpError
from ..settings import DEFAULT_ALIAS
from .arguments import build_request, check_fields, find_method, reject_secrets
from .claims import MARGIN, StillRunning, TaskClaim, place_call, read_outcome, take_claim
from .worker import get_clients, get_store

if TYPE_CHECKING:
    from celery.contrib.django.task import DjangoTask as _CeleryTask
else:
    try:
        from celery.contrib.django.task import DjangoTask as _CeleryTask  # has delay_on_commit
    except ImportError:  # no Django
        _CeleryTask = Task

__all__ = ["ConnectorTask", "RPCTask"]

_RETRYABLE = (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED)


class ConnectorTask(_CeleryTask):
    """Base of tasks that place a call at most once, even if the broker redelivers them.

        @shared_task(bind=True, base=ConnectorTask)
        def place(self, number):
            dialled = self.call("dial_whatsapp_call", whatsapp_to_phone_number=number)

    A task makes one call that rings. The attributes are Celery's own, which you can set in
    `task_annotations` or where a task is declared, and `claim_ttl`: the seconds for which a placed
    call is remembered.
    """

    acks_late = True
    reject_on_worker_lost = True
    max_retries = 3
    retry_backoff = 1
    retry_backoff_max = 8
    retry_jitter = True
    soft_time_limit = 30
    claim_ttl = 7 * 24 * 3600

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Its locals hold session descriptions, and URLs that let anybody join a call.
        if inspect.isfunction(vars(cls).get("run")):
            cls.run = hide_locals(cls.run)

    delay = hide_locals(_CeleryTask.delay)

    @hide_locals
    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, as in Celery; raise ValueError if an argument is a secret."""
        reject_secrets(_keywords(*args, **options))
        return super().apply_async(*args, **options)

    @hide_locals
    def call(self, rpc: str, alias: str = DEFAULT_ALIAS, **fields: Any) -> dict[str, Any]:
        """Place a call once, even if this task is redelivered.

        If the call is already accepted, connected, or disconnected, the task succeeds.

        Args:
            rpc: the client's method, such as "dial_whatsapp_call".
            alias: selects the settings, which add the WhatsApp number, key and API version.
            **fields: the request's fields, as the client's method takes them.

        Returns:
            The response's fields by name, without empty ones.

        Raises:
            UnknownOutcome: an earlier run might have placed the call.
            TwirpError: the call failed, and Celery won't retry it.
            celery.exceptions.Retry: the call failed and a retry is safe; Celery will retry it.
            TypeError: a field has the wrong type.
            ValueError: a value is out of range or a secret, or the settings are wrong.
            RuntimeError: this run has already placed a call: each task has one claim.
        """
        method = find_method(rpc)
        clients = get_clients(self.app)
        client, settings = clients.get(alias), clients.settings(alias)
        request = build_request(method, fields, settings, self.request.id)
        timeout = bound_timeout(
            choose_timeout(method, request, UNSET, settings.timeout), self._soft_limit()
        )
        send = functools.partial(
            getattr(client, rpc),
            request,
            timeout=timeout,
            extra_headers={REQUEST_ID: self.request.id} if self.request.id else {},
        )
        claim = self._make_claim(method, timeout)
        try:
            earlier = None if claim is None else take_claim(claim, (timeout or 0.0) + MARGIN)
            if earlier is None:
                return place_call(send, method, request, claim)
            return read_outcome(earlier, str(self.request.id), method, request, time.time())
        except StillRunning as exc:
            # A broker that loses the connection to a worker redelivers its tasks at once.
            retries = self.request.retries + 1  # this one does not count
            raise self.retry(countdown=exc.seconds, max_retries=retries) from None
        except TwirpError as exc:
            if exc.safe_to_retry:
                self.request.placed_call = None
                if exc.code in _RETRYABLE:
                    raise self.retry(exc=exc, countdown=self._backoff()) from None
            raise

    def _make_claim(
        self, method: MethodInfo[Any, Any], timeout: Optional[float]
    ) -> Optional[TaskClaim]:
        """Return the claim to take before a call, None if the call needs none.

        Raises:
            RuntimeError: this run has already placed a call.
            ValueError: the call has no time limit, so other runs can't know when it has ended.
        """
        if method.safe_to_repeat or not self.request.id:
            return None
        earlier = self.request.get("placed_call")
        if earlier is not None:
            raise RuntimeError(
                f"a task places one call: {self.name} has already made {earlier}; send another "
                f"task for {method.name}"
            )
        self.request.placed_call = method.name
        if self.request.is_eager:
            return None
        if timeout is None:
            raise ValueError(
                f"{method.name} needs a limit in a task: set TIMEOUT, or the task's soft_time_limit"
            )
        return TaskClaim(get_store(self.app), self.request.id, self.claim_ttl)

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

    @hide_locals
    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, as in Celery; raise TypeError or ValueError if a field is wrong."""
        fields = _keywords(*args, **options)
        fields.pop("alias", None)
        # Logs and events show this text instead of the arguments: it hides personal data.
        options.setdefault("kwargsrepr", repr(check_fields(find_method(self.rpc), fields)))
        return super().apply_async(*args, **options)


def bound_timeout(timeout: Optional[float], soft_limit: Optional[float]) -> Optional[float]:
    """Return a call's timeout, shortened if needed to end before the task's soft time limit."""
    if soft_limit is None:
        return timeout
    longest = max(soft_limit - MARGIN, soft_limit / 2)
    return longest if timeout is None else min(timeout, longest)


def _keywords(args: Any = None, kwargs: Any = None, *_: Any, **__: Any) -> dict[str, Any]:
    """Return the task's keyword arguments among the arguments of apply_async."""
    return dict(kwargs or {})
