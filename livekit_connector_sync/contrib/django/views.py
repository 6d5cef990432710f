"""The webhook views: each verifies a request, reads its events and sends their signals.

What a provider hears is chosen so that it neither repeats what we have nor gives up what we lack:

- 403 for a signature that is missing or wrong;
- 200 for all that the provider did send: a duplicate, an event that came too late, a body that
  cannot be read, an event whose receiver failed. Each is logged.
- 503 if a receiver raised RetryLater, so that the event comes again.
- Twilio's callers always hear something: the room, or an apology.

Subclass a view to change what it does, or pass its attributes to `as_view`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from ... import ConnectTwilioCallRequest, RoomAgentDispatch
from ...webhooks import Reason, WebhookError, livekit, meta, twilio, twiml
from ..settings import DEFAULT_ALIAS
from . import signals
from .conf import clients, get_client, get_settings
from .delivery import RetryLater, forget, is_first_delivery

try:
    from django.contrib.auth.decorators import login_not_required  # since Django 5.1
except ImportError:

    def login_not_required(view_func: Any) -> Any:
        """Return the view: this Django has no LoginRequiredMiddleware."""
        return view_func


__all__ = [
    "LiveKitWebhookView",
    "MetaWebhookView",
    "TwilioCallView",
    "TwilioStatusView",
    "TwilioView",
    "TwilioVoiceView",
    "WebhookView",
]

logger = logging.getLogger(__name__)

Event = Union[meta.Event, twilio.VoiceCall, livekit.WebhookEvent]


def _not_atomic(view: Any) -> Any:
    """Have no database wrap a view in a transaction (ATOMIC_REQUESTS)."""
    for database in connections:
        non_atomic_requests(using=database)(view)
    return view


@method_decorator([csrf_exempt, login_not_required, _not_atomic], name="dispatch")
class WebhookView(View):
    """Base of the views.

    A subclass says how to `receive` a request, and which signal an event has.
    """

    provider = ""
    """The `provider` of its signals."""
    endpoint = ""
    """Tells its events from those of other views when duplicates are looked for."""
    alias = DEFAULT_ALIAS
    """The alias of LIVEKIT_CONNECTOR; the URL's `alias` wins."""
    secret: Optional[str] = None
    """What verifies requests; by default the alias's setting."""
    secret_option = ""
    """The name of that setting."""
    too_big_status = 413
    """The answer to a body above DATA_UPLOAD_MAX_MEMORY_SIZE."""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Note the alias that the request is for."""
        super().setup(request, *args, **kwargs)
        self.alias = kwargs.get("alias", self.alias)

    def check_alias(self) -> None:
        """Look for the URL's alias in the settings.

        Raises:
            Http404: it is not there.
        """
        if "alias" in self.kwargs and self.alias not in clients.all_settings():
            raise Http404("no such alias")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take a webhook."""
        self.check_alias()
        try:
            events = self.receive(request, request.body)
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
            WebhookError: it cannot be taken.
        """
        raise NotImplementedError

    def signal_of(self, event: Any) -> Signal:
        """Return the signal of an event."""
        raise NotImplementedError

    def refuse(self, error: WebhookError) -> HttpResponse:
        """Answer a request that cannot be taken."""
        if error.reason is Reason.MALFORMED_BODY:
            # The provider did send it, and would send it again for days.
            logger.error("%s webhook skipped: %s", self.provider, error)
            return HttpResponse(status=200)
        logger.warning("%s webhook refused (%s): %s", self.provider, error.reason, error)
        return HttpResponse(status=403)

    def is_due(self, event: Event) -> bool:
        """Return whether an event is to be handled: it is not a duplicate."""
        cache = get_settings(self.alias).cache
        if is_first_delivery(cache, self.endpoint, self.alias, event.key):
            return True
        logger.info("%s webhook is a duplicate: %s", self.provider, event.key)
        return False

    def forget(self, event: Event) -> None:
        """Undo what `is_due` noted: the event will come again."""
        forget(get_settings(self.alias).cache, self.endpoint, self.alias, event.key)

    def send(self, event: Event, alias: str, **more: Any) -> list[Exception]:
        """Send an event's signals; return what their receivers raised, which Django logs.

        Args:
            event: the event.
            alias: the alias that it belongs to.
            **more: further arguments for the receivers.
        """
        outcomes = [
            outcome
            for signal in (self.signal_of(event), signals.webhook_received)
            for _, outcome in signal.send_robust(
                sender=type(self),
                provider=self.provider,
                event=event,
                raw=event.raw,
                alias=alias,
                **more,
            )
        ]
        return [outcome for outcome in outcomes if isinstance(outcome, Exception)]

    def webhook_secret(self) -> Optional[str]:
        """Return what verifies requests; None if they are taken unverified.

        Raises:
            ImproperlyConfigured: it is not set, and unverified webhooks are not allowed.
        """
        settings = get_settings(self.alias)
        secret = self.secret or getattr(settings, self.secret_option.lower())
        if secret or settings.allow_unverified_webhooks:
            return secret or None
        raise ImproperlyConfigured(
            f"LIVEKIT_CONNECTOR: {self.secret_option} of alias {self.alias!r} is missing, and "
            f"without it anybody could send {self.provider} webhooks"
        )


class MetaWebhookView(WebhookView):
    """Meta's webhook: the GET handshake, and updates about WhatsApp calls.

    An update is for the alias whose WHATSAPP_PHONE_NUMBER_ID it names, unless that one has another
    Meta app; else for the view's alias.
    """

    provider = "meta"
    endpoint = "meta"
    secret_option = "META_APP_SECRET"
    verify_token: Optional[str] = None
    """The text that the handshake must bring; by default META_VERIFY_TOKEN."""
    max_age = 120.0
    """Seconds after which an offer or answer is too old to be of use: nobody waits that long."""
    # Meta repeats for a week what it gets no 200 for, and it will not get smaller.
    too_big_status = 200

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Answer the handshake.

        Raises:
            ImproperlyConfigured: the alias has no META_VERIFY_TOKEN, or does not exist.
        """
        self.check_alias()
        token = self.verify_token or get_settings(self.alias).meta_verify_token
        if not token:
            raise ImproperlyConfigured(
                f"LIVEKIT_CONNECTOR: META_VERIFY_TOKEN of alias {self.alias!r} is missing"
            )
        try:
            challenge = meta.handshake(request.GET, token)
        except WebhookError as exc:
            logger.warning("meta handshake refused (%s): %s", exc.reason, exc)
            return HttpResponse(status=403)
        headers = {"X-Content-Type-Options": "nosniff"}  # the text is the caller's
        return HttpResponse(challenge.encode(), content_type="text/plain", headers=headers)

    def receive(self, request: HttpRequest, body: bytes) -> Iterable[tuple[meta.Event, str]]:
        """Verify a request and return its events."""
        secret = self.webhook_secret()
        if secret is not None:
            meta.verify(body, _header(request, meta.SIGNATURE_HEADER), secret)
        return [(event, self.alias_of(event, secret)) for event in meta.parse(body)]

    def alias_of(self, event: meta.Event, secret: Optional[str]) -> str:
        """Return the alias of the number that an event is about, among those of one Meta app."""
        own = get_settings(self.alias)
        for alias, settings in {self.alias: own, **clients.all_settings()}.items():
            same_app = alias == self.alias or settings.meta_app_secret in (None, secret)
            if same_app and settings.whatsapp_phone_number_id == event.phone_number_id:
                return alias
        return self.alias

    def is_due(self, event: Event) -> bool:
        """Return whether an event is to be handled: no duplicate, and not too old."""
        if isinstance(event, meta.CallConnect) and event.age() > self.max_age:
            logger.warning("meta webhook came %.0f s late: %s", event.age(), event.key)
            return False
        return super().is_due(event)

    def signal_of(self, event: Any) -> Signal:
        """Return the signal of an event."""
        if isinstance(event, meta.CallConnect):
            inbound = event.direction is meta.Direction.INBOUND
            return signals.whatsapp_call_offered if inbound else signals.whatsapp_call_answered
        if isinstance(event, meta.CallTerminate):
            return signals.whatsapp_call_ended
        if isinstance(event, meta.CallStatus):
            return signals.whatsapp_call_status
        return signals.whatsapp_other


class TwilioView(WebhookView):
    """Verifies Twilio's signature over the URL that Twilio has."""

    provider = "twilio"
    secret_option = "TWILIO_AUTH_TOKEN"
    webhook_url: Optional[str] = None
    """The site's public origin; by default WEBHOOK_URL."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take a webhook that is configured as a GET."""
        return self.post(request, **kwargs)

    def receive(self, request: HttpRequest, body: bytes) -> list[tuple[twilio.VoiceCall, str]]:
        """Verify a request and return its call."""
        url = self.public_url(request)
        secret = self.webhook_secret()
        if secret is not None:
            twilio.verify(
                url,
                body,
                _header(request, twilio.SIGNATURE_HEADER),
                secret,
                signature_settings=_header(request, twilio.SIGNATURE_SETTINGS_HEADER),
            )
        return [(twilio.parse(url, body), self.alias)]

    def public_url(self, request: HttpRequest) -> str:
        """Return the URL that Twilio requested: under WEBHOOK_URL, if that is set."""
        origin = self.webhook_url or get_settings(self.alias).webhook_url
        if origin:
            return f"{origin.rstrip('/')}{request.get_full_path()}"
        return str(request.build_absolute_uri())

    def refuse(self, error: WebhookError) -> HttpResponse:
        """Answer a request that cannot be taken."""
        if error.reason is Reason.WRONG_SIGNATURE:
            url = self.public_url(self.request).partition("?")[0]  # the query may hold numbers
            logger.warning("behind a proxy? set WEBHOOK_URL: Twilio must have the URL %s", url)
        return super().refuse(error)


class TwilioCallView(TwilioView):
    """Answers Twilio about a call with TwiML: subclass it for a step of a menu, say."""

    apology = "We are sorry, we cannot take your call right now. Please try again later."
    """What a caller hears when something fails: an HTTP error would be an error tone."""

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Answer a call."""
        try:
            self.check_alias()
            ((call, alias),) = self.receive(request, request.body)
            return _spoken(self.answer_call(call, alias))
        except Http404:
            raise
        except WebhookError as exc:
            refusal = self.refuse(exc)
            return refusal if refusal.status_code != 200 else _spoken(self.apologize())
        except Exception:
            logger.exception("twilio's webhook failed: the caller hears an apology")
            return _spoken(self.apologize())

    def answer_call(self, call: twilio.VoiceCall, alias: str) -> Any:
        """Return TwiML as text or as a VoiceResponse of Twilio's library, or a response.

        `self.request` and `self.kwargs` are there too.

        Args:
            call: the call, verified.
            alias: the alias that it belongs to.
        """
        raise NotImplementedError

    def apologize(self) -> str:
        """Return the TwiML for a call that cannot be answered."""
        return twiml.say(self.apology)


class TwilioVoiceView(TwilioCallView):
    """Twilio's voice webhook: connects the caller to a room, within the request.

    Override `connector_request` to choose the room, the participant and the agents.
    """

    endpoint = "twilio-voice"
    timeout = 8.0
    """Seconds for ConnectTwilioCall: Twilio waits 15, and receivers take some. A shorter TIMEOUT
    of the alias wins."""
    agents: Optional[Sequence[str]] = None
    """Names of the agents for every call's room; by default AGENTS."""

    def answer_call(self, call: twilio.VoiceCall, alias: str) -> str:
        """Connect a call, send its signals, and return the TwiML."""
        error: Optional[Exception] = None
        try:
            answer = self.connect(call)
        except Exception as exc:
            logger.exception("twilio call %s cannot be connected", call.call_sid)
            answer, error = self.apologize(), exc
        try:
            # A repeat means that Twilio did not get the first answer. It needs a stream of its
            # own: each takes one call.
            if self.is_due(call):
                self.send(call, alias, error=error)
        except Exception:  # of an `is_due` that is not ours; the call goes on
            logger.exception("the signals of twilio call %s were not sent", call.call_sid)
        return answer

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
        """Return how to connect a call: by default a room of its own, and the alias's agents."""
        agents = get_settings(self.alias).agents if self.agents is None else self.agents
        return ConnectTwilioCallRequest(
            twilio_call_direction=ConnectTwilioCallRequest.TWILIO_CALL_DIRECTION_INBOUND,
            room_name=f"call-{call.call_sid}",
            participant_identity=call.call_sid,  # logged, so not the number
            participant_name=call.from_number,
            agents=[RoomAgentDispatch(agent_name=name) for name in agents],
        )

    def signal_of(self, event: Any) -> Signal:
        """Return the signal of a call."""
        return signals.twilio_call_received


class TwilioStatusView(TwilioView):
    """Twilio's status callback."""

    endpoint = "twilio-status"

    def signal_of(self, event: Any) -> Signal:
        """Return the signal of a call's status."""
        return signals.twilio_call_status


class LiveKitWebhookView(WebhookView):
    """LiveKit's webhook; one URL serves every alias, as the token names the project."""

    provider = "livekit"
    endpoint = "livekit"
    secret_option = "API_SECRET"
    keys: Optional[Mapping[str, str]] = None
    """Secrets by API key that may sign; by default those of every alias's settings. `secret` in its
    place is that of the alias's API_KEY."""

    def receive(
        self, request: HttpRequest, body: bytes
    ) -> Iterable[tuple[livekit.WebhookEvent, str]]:
        """Verify a request and return its event."""
        keys = self.signing_keys()
        if not keys and self.webhook_secret() is None:
            return [(livekit.parse(body), self.alias)]
        key = livekit.verify(
            body,
            _header(request, livekit.SIGNATURE_HEADER),
            {name: secret for name, (secret, _) in keys.items()},
        )
        return [(livekit.parse(body), keys[key][1])]

    def signing_keys(self) -> dict[str, tuple[str, str]]:
        """Return the secrets that may sign, each with the alias that it stands for, by API key.

        Raises:
            ImproperlyConfigured: `secret` was given, and the alias has no API_KEY.
        """
        own = get_settings(self.alias)
        given = self.keys
        if given is None and self.secret:
            if not own.api_key:
                raise ImproperlyConfigured(
                    f"{type(self).__name__} has a secret and alias {self.alias!r} no API_KEY: "
                    "give the view `keys` instead"
                )
            given = {own.api_key: self.secret}
        if given is not None:
            return {key: (secret, self.alias) for key, secret in given.items()}
        keys: dict[str, tuple[str, str]] = {}
        for alias, settings in {self.alias: own, **clients.all_settings()}.items():
            for key, secret in settings.webhook_keys().items():
                keys.setdefault(key, (secret, alias))
        return keys

    def signal_of(self, event: Any) -> Signal:
        """Return the signal of an event."""
        return signals.livekit_event


def _spoken(answer: Any) -> HttpResponse:
    """Return the response for what a view answers Twilio with."""
    if isinstance(answer, HttpResponse):
        return answer
    if not isinstance(answer, str) and not hasattr(answer, "to_xml"):
        raise TypeError(
            f"answer Twilio with TwiML or a response, not with {type(answer).__name__}: "
            "twiml.say(...) makes TwiML"
        )
    return HttpResponse(str(answer).encode(), content_type=twiml.CONTENT_TYPE)


def _header(request: HttpRequest, name: str) -> Optional[str]:
    value: Optional[str] = request.META.get(f"HTTP_{name.upper().replace('-', '_')}")
    return value
