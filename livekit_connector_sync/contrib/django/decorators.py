"""Decorators that turn a function into a view for Meta or Twilio."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from ...webhooks import twilio
from ..settings import DEFAULT_ALIAS
from .views import MetaWebhookView, TwilioCallView, WebhookView
from .views.base import Event

__all__ = ["meta_view", "twilio_view"]

logger = logging.getLogger(__name__)

_View = Callable[..., HttpResponse]


def meta_view(alias: str = DEFAULT_ALIAS, **options: Any) -> Callable[[Callable[..., Any]], _View]:
    """Turn a function into a view that receives Meta's webhooks.

        @meta_view()
        def calls(request, event):
            if isinstance(event, meta.CallConnect) and event.direction == "inbound":
                accept_whatsapp_call.delay(whatsapp_call_id=event.whatsapp_call_id, ...)

    The view does what MetaWebhookView does, the handshake included. For each new event, it sends
    the signals and then calls the function with the request, the event of
    `livekit_connector_sync.webhooks.meta`, and the URL's arguments. If the function raises, the
    view logs the error, and responds with 200, or with 503 after RetryLater. The view is exempt
    from CSRF checks, login, and ATOMIC_REQUESTS.

    Args:
        alias: the alias of LIVEKIT_CONNECTOR.
        **options: other attributes of MetaWebhookView: `secret`, `verify_token`, `max_age`.

    Raises:
        TypeError: the function is async; wrap what it awaits in async_to_sync instead.
    """

    def make_view(function: Callable[..., Any]) -> type[WebhookView]:
        class FunctionView(MetaWebhookView):
            def send(self, event: Event, alias: str, **more: Any) -> list[Exception]:
                failures = super().send(event, alias, **more)
                try:
                    function(self.request, event, *self.args, **self.kwargs)
                except Exception as exc:
                    logger.exception("%s failed on a meta webhook", function.__name__)
                    failures.append(exc)
                return failures

        return FunctionView

    return _decorate(make_view, alias=alias, **options)


def twilio_view(
    alias: str = DEFAULT_ALIAS, **options: Any
) -> Callable[[Callable[..., Any]], _View]:
    """Turn a function into a view that responds to Twilio, for example for a step of a menu.

        @twilio_view()
        def menu(request, call):
            return twiml.say(f"You pressed {call.parameter('Digits')}.")

    The function gets the request, its `twilio.VoiceCall`, and the URL's arguments. It returns TwiML
    as text or as a VoiceResponse of Twilio's library, or an HttpResponse. If the signature is
    wrong, the view responds with 403. If the function raises, the caller hears an apology. The view
    is exempt from CSRF checks, login, and ATOMIC_REQUESTS.

    Args:
        alias: the alias of LIVEKIT_CONNECTOR.
        **options: other attributes of TwilioCallView: `secret`, `webhook_url`, `apology`.

    Raises:
        TypeError: the function is async; wrap what it awaits in async_to_sync instead.
    """

    def make_view(function: Callable[..., Any]) -> type[WebhookView]:
        class FunctionView(TwilioCallView):
            def answer_call(self, call: twilio.VoiceCall, alias: str) -> Any:
                return function(self.request, call, *self.args, **self.kwargs)

        return FunctionView

    return _decorate(make_view, alias=alias, **options)


def _decorate(
    make_view: Callable[[Callable[..., Any]], type[WebhookView]], **options: Any
) -> Callable[[Callable[..., Any]], _View]:
    """Return a decorator that makes a view of a function."""

    def decorate(function: Callable[..., Any]) -> _View:
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"async functions such as {function.__name__} are not supported: wrap what it "
                "awaits in async_to_sync"
            )
        return functools.wraps(function)(make_view(function).as_view(**options))

    return decorate
