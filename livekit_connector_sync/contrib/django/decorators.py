"""A decorator that turns a function into a view for Twilio."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from ...webhooks import twilio
from ..settings import DEFAULT_ALIAS
from .views import TwilioCallView

__all__ = ["twilio_view"]


def twilio_view(
    alias: str = DEFAULT_ALIAS, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., HttpResponse]]:
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

    def decorate(function: Callable[..., Any]) -> Callable[..., HttpResponse]:
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"twilio_view does not support async functions such as {function.__name__}: wrap "
                "what it awaits in async_to_sync"
            )

        class FunctionView(TwilioCallView):
            def answer_call(self, call: twilio.VoiceCall, alias: str) -> Any:
                return function(self.request, call, *self.args, **self.kwargs)

        view: Callable[..., HttpResponse] = FunctionView.as_view(alias=alias, **options)
        return functools.wraps(function)(view)

    return decorate
