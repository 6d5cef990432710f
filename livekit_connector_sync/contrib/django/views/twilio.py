"""Twilio's webhook views: the voice webhook, the status callback, and a base for your own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Optional

from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse

from .... import ConnectTwilioCallRequest, RoomAgentDispatch
from ...._runtime.redaction import hide_locals
from ....webhooks import Reason, WebhookError, twilio, twiml
from ...django_settings import get_client, get_settings
from .. import signals
from ..bodies import read_body
from .base import WebhookView, get_header

__all__ = ["TwilioCallView", "TwilioStatusView", "TwilioView", "TwilioVoiceView"]

logger = logging.getLogger(__name__)


class TwilioView(WebhookView):
    """Base of Twilio's views: verifies the signature, which covers the public URL."""

    provider = "twilio"
    secret_option = "TWILIO_AUTH_TOKEN"
    webhook_url: Optional[str] = None
    """The site's public URL, as WEBHOOK_URL, which is the default."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Handle a webhook that is configured as a GET."""
        return self.post(request, **kwargs)

    @hide_locals
    def receive(self, request: HttpRequest, body: bytes) -> list[tuple[twilio.VoiceCall, str]]:
        """Verify a request and return its call."""
        url = self.public_url(request)
        secret = self.webhook_secret()
        if secret is not None:
            twilio.verify(
                url,
                body,
                get_header(request, twilio.SIGNATURE_HEADER),
                secret,
                signature_settings=get_header(request, twilio.SIGNATURE_SETTINGS_HEADER),
            )
        token = get_header(request, twilio.IDEMPOTENCY_HEADER)
        return [(twilio.parse(url, body, idempotency_token=token), self.alias)]

    def public_url(self, request: HttpRequest) -> str:
        """Return the URL that Twilio requested: under WEBHOOK_URL, if that is set."""
        base_url = self.webhook_url or get_settings(self.alias).webhook_url
        if not base_url:
            base_url = f"{request.scheme}://{request.get_host()}"
        try:
            # Django's own URL of a request is normalized, and the signature is not.
            return twilio.build_url(base_url, getattr(request, "scope", None) or request.META)
        except ValueError as exc:
            raise ImproperlyConfigured(
                f"LIVEKIT_CONNECTOR: WEBHOOK_URL of alias {self.alias!r} is wrong: {exc}"
            ) from exc

    def refuse(self, error: WebhookError) -> HttpResponse:
        """Return the response to a request that `receive` rejected."""
        if error.reason is Reason.WRONG_SIGNATURE:
            url = self.public_url(self.request).partition("?")[0]  # the query may hold numbers
            logger.warning(
                "the signature must be of the URL %s; if a proxy changes it, set WEBHOOK_URL", url
            )
        return super().refuse(error)


class TwilioCallView(TwilioView):
    """Base of views that respond to a call with TwiML, for example for a step of a menu."""

    apology = "We are sorry, we cannot take your call right now. Please try again later."
    """What the caller hears if something fails: after an HTTP error, Twilio plays an error tone."""

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Respond to a call."""
        try:
            self.check_alias()
            ((call, alias),) = self.receive(request, read_body(request))
            return _twiml_response(self.answer_call(call, alias))
        except Http404:
            raise
        except WebhookError as exc:
            refusal = self.refuse(exc)
            return refusal if refusal.status_code != 200 else _twiml_response(self.apologize())
        except Exception:
            logger.exception("twilio webhook failed: the caller hears an apology")
            return _twiml_response(self.apologize())

    def answer_call(self, call: twilio.VoiceCall, alias: str) -> Any:
        """Return TwiML as text or as a VoiceResponse of Twilio's library, or an HttpResponse.

        `self.request` and `self.kwargs` are set.

        Args:
            call: the verified call.
            alias: the alias that it belongs to.
        """
        raise NotImplementedError

    def apologize(self) -> str:
        """Return the TwiML for a call that cannot be connected."""
        return twiml.say(self.apology)


class TwilioVoiceView(TwilioCallView):
    """Twilio's voice webhook: connects the caller to a room, within the request.

    Override `connector_request` to choose the room, the participant, and the agents.
    """

    endpoint = "twilio-voice"
    signal = signals.twilio_call_received
    timeout = 8.0
    """Seconds for ConnectTwilioCall: Twilio waits 15, and receivers take some. A shorter TIMEOUT
    of the alias takes precedence."""
    agents: Optional[Sequence[str]] = None
    """Names of the agents to dispatch to every call's room; by default AGENTS."""

    def answer_call(self, call: twilio.VoiceCall, alias: str) -> str:
        """Connect a call, send its signals, and return the TwiML."""
        error: Optional[Exception] = None
        try:
            response = self.connect(call)
        except Exception as exc:
            logger.exception("twilio call %s cannot be connected", call.call_sid)
            response, error = self.apologize(), exc
        self._send_if_due(call, alias, error)
        return response

    def _send_if_due(self, call: twilio.VoiceCall, alias: str, error: Optional[Exception]) -> None:
        # Apart from `answer_call`: what is logged here must not show the secret URL in its frame.
        # A duplicate means that Twilio lost the first response. Only its signals are dropped: it
        # needs a stream of its own, because each stream takes one call.
        try:
            if self.is_due(call):
                self.send(call, alias, error=error)
        except Exception:  # an overridden `is_due` failed; the call goes on
            logger.exception("the signals of twilio call %s were not sent", call.call_sid)

    def connect(self, call: twilio.VoiceCall) -> str:
        """Connect a call and return the TwiML for Twilio.

        Raises:
            TwirpError: LiveKit failed; the caller hears the apology.
        """
        limit = get_settings(self.alias).timeout
        timeout = min(limit, self.timeout) if isinstance(limit, (int, float)) else self.timeout
        response = get_client(self.alias).connect_twilio_call(
            self.connector_request(call), timeout=timeout
        )
        return twiml.connect_stream(response.connect_url)

    def connector_request(self, call: twilio.VoiceCall) -> ConnectTwilioCallRequest:
        """Return the request: by default a room per call, with the alias's agents."""
        agents = get_settings(self.alias).agents if self.agents is None else self.agents
        return ConnectTwilioCallRequest(
            twilio_call_direction=ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_INBOUND,
            room_name=f"call-{call.call_sid}",
            participant_identity=call.call_sid,  # not the number, because LiveKit logs it
            participant_name=call.from_number,
            agents=[RoomAgentDispatch(agent_name=name) for name in agents],
        )


class TwilioStatusView(TwilioView):
    """Twilio's status callback."""

    endpoint = "twilio-status"
    signal = signals.twilio_call_status


def _twiml_response(twiml_or_response: Any) -> HttpResponse:
    """Return the response of TwiML, or the response that a view made itself."""
    if isinstance(twiml_or_response, HttpResponse):
        return twiml_or_response
    if not isinstance(twiml_or_response, str) and not hasattr(twiml_or_response, "to_xml"):
        raise TypeError(
            f"return TwiML or an HttpResponse to Twilio, not {type(twiml_or_response).__name__}: "
            "twiml.say(...) makes TwiML"
        )
    return HttpResponse(str(twiml_or_response).encode(), content_type=twiml.CONTENT_TYPE)
