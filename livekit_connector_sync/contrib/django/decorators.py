"""A function as a view: what TwilioCallView does, around a function of yours."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Union

from django.http import HttpResponse

from ...webhooks import twilio
from ..settings import DEFAULT_ALIAS
from .views import TwilioCallView

__all__ = ["twilio_view"]

Answer = Union[str, HttpResponse]


def twilio_view(
    alias: str = DEFAULT_ALIAS, **options: Any
) -> Callable[[Callable[..., Answer]], Callable[..., HttpResponse]]:
    """Make a view of a function that answers Twilio, such as a step of a menu.

        @twilio_view()
        def menu(request, call):
            return twiml.say(f"You pressed {call.parameter('Digits')}.")

    The function gets the request, its `twilio.VoiceCall`, and what the URL holds; it returns TwiML
    or a response. A wrong signature is answered with 403. If the function raises, the caller hears
    an apology. The view needs no CSRF token, no login and no transaction.

    Args:
        alias: the alias of LIVEKIT_CONNECTOR.
        **options: other attributes of TwilioCallView: `secret`, `webhook_url`, `apology`.
    """

    def decorate(function: Callable[..., Answer]) -> Callable[..., HttpResponse]:
        class FunctionView(TwilioCallView):
            def answer_call(self, call: twilio.VoiceCall, alias: str) -> Answer:
                return function(self.request, call, *self.args, **self.kwargs)

        view: Callable[..., HttpResponse] = FunctionView.as_view(alias=alias, **options)
        return functools.wraps(function)(view)

    return decorate
