"""The base of the webhook views: verify, deduplicate, send signals, choose the status code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Union

from django.contrib.auth import decorators
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import classonlymethod
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from ...._runtime.redaction import hide_locals
from ....webhooks import Reason, WebhookError, livekit, meta, twilio
from ....webhooks.arguments import Secrets
from ...django_settings import clients, get_settings
from ...settings import DEFAULT_ALIAS
from .. import signals
from ..bodies import MissingBody, read_body
from ..delivery import Payload, RetryLater, forget, is_first_delivery

__all__ = ["Event", "WebhookView", "get_header"]

logger = logging.getLogger(__name__)

Event = Union[meta.Event, twilio.VoiceCall, livekit.WebhookEvent]


class WebhookView(View):
    """Base of the views: a subclass defines how to `receive` a request, and each event's signal."""

    provider = ""
    """The `provider` of its signals."""
    endpoint = ""
    """Separates its events from those of other views when webhooks are deduplicated."""
    alias = DEFAULT_ALIAS
    """The alias of LIVEKIT_CONNECTOR; the URL's `alias` takes precedence."""
    secret: Optional[Secrets] = None
    """The secret that verifies requests, or several; by default the alias's setting."""
    secret_option = ""
    """The name of that setting."""
    signal: Signal
    """The signal of its events; a subclass with several overrides `signals_of`."""
    too_big_status = 413
    """The status code for a body above DATA_UPLOAD_MAX_MEMORY_SIZE."""

    @classonlymethod
    def as_view(cls: Any, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view, exempt from CSRF checks, login, and ATOMIC_REQUESTS."""
        # Django's frame holds `initkwargs`, with the secrets among them.
        view: Callable[..., Any] = csrf_exempt(hide_locals(super().as_view(**initkwargs)))
        if hasattr(decorators, "login_not_required"):  # since Django 5.1
            view = decorators.login_not_required(view)
        for database in connections:
            non_atomic_requests(using=database)(view)
        return view

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Take the alias from the URL, if it has one."""
        super().setup(request, *args, **kwargs)
        self.alias = kwargs.get("alias", self.alias)

    def check_alias(self) -> None:
        """Check that the settings have the URL's alias.

        Raises:
            Http404: they don't.
        """
        if "alias" in self.kwargs and self.alias not in clients.all_settings():
            raise Http404("no such alias")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Handle a webhook."""
        self.check_alias()
        try:
            events = self.receive(request, read_body(request))
        except RequestDataTooBig:
            logger.error(
                "%s webhook lost: raise DATA_UPLOAD_MAX_MEMORY_SIZE to 3 MB or more", self.provider
            )
            return HttpResponse(status=self.too_big_status)
        except WebhookError as exc:
            return self.refuse(exc)
        status = 200
        for event, alias in events:
            if self.is_due(event):
                failures = self.send(event, alias)
                if any(isinstance(failure, RetryLater) for failure in failures):
                    self.forget(event)
                    status = 503
        return HttpResponse(status=status)

    def receive(self, request: HttpRequest, body: bytes) -> Iterable[tuple[Event, str]]:
        """Verify a request and return its events, each with the alias that it belongs to.

        Raises:
            WebhookError: the request is not authentic, or its body is malformed.
        """
        raise NotImplementedError

    def signals_of(self, event: Any) -> Sequence[Signal]:
        """Return the signals of an event, without `webhook_received`."""
        return (self.signal,)

    def refuse(self, error: WebhookError) -> HttpResponse:
        """Return the response to a request that `receive` rejected."""
        if isinstance(error, MissingBody):
            logger.error("%s webhook lost: %s", self.provider, error)
            return HttpResponse(status=411)
        if error.reason is Reason.MALFORMED_BODY:
            # The signature is right, so the provider would retry it for days.
            logger.error("%s webhook skipped: %s", self.provider, error)
            return HttpResponse(status=200)
        logger.warning("%s webhook rejected (%s): %s", self.provider, error.reason, error)
        return HttpResponse(status=403)

    def is_due(self, event: Event) -> bool:
        """Return whether to handle an event: whether it is new rather than a duplicate."""
        cache = get_settings(self.alias).cache
        if is_first_delivery(cache, self.endpoint, self.alias, event.key):
            return True
        logger.info("%s webhook is a duplicate: %s", self.provider, event.key)
        return False

    def forget(self, event: Event) -> None:
        """Undo what `is_due` recorded, so that the next delivery is handled."""
        forget(get_settings(self.alias).cache, self.endpoint, self.alias, event.key)

    def send(self, event: Event, alias: str, **more: Any) -> list[Exception]:
        """Send an event's signals; return what their receivers raised, which Django logs.

        Args:
            event: the event.
            alias: the alias that it belongs to.
            **more: further arguments for the receivers.
        """
        raw = Payload(event.raw)
        arguments = {"provider": self.provider, "event": event, "raw": raw, "alias": alias}
        return [
            outcome
            for signal in (*self.signals_of(event), signals.webhook_received)
            for _, outcome in signal.send_robust(sender=type(self), **arguments, **more)
            if isinstance(outcome, Exception)
        ]

    def webhook_secret(self) -> Optional[Secrets]:
        """Return the secrets that verify requests, None to accept them unverified.

        Raises:
            ImproperlyConfigured: it is not set, and unverified webhooks are not allowed.
        """
        settings = get_settings(self.alias)
        secret: Optional[Secrets] = self.secret or getattr(settings, self.secret_option.lower())
        if secret or settings.allow_unverified_webhooks:
            return secret or None
        raise ImproperlyConfigured(
            f"LIVEKIT_CONNECTOR: {self.secret_option} of alias {self.alias!r} is missing; without "
            f"it, anybody could send {self.provider} webhooks"
        )


def get_header(request: HttpRequest, name: str) -> Optional[str]:
    """Return a header, None if it is missing; unlike request.headers, don't copy the others."""
    value: Optional[str] = request.META.get(f"HTTP_{name.upper().replace('-', '_')}")
    return value
