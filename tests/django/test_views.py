"""The views' responses, the signals that they send, and the webhooks that they drop."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Optional
from unittest import mock
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from helpers.django_site import OPTIONS
from twilio.twiml.voice_response import VoiceResponse

from livekit_connector_sync import ConnectorClient, Unavailable
from livekit_connector_sync.contrib.django import RetryLater, signals
from livekit_connector_sync.contrib.django.decorators import meta_view, twilio_view
from livekit_connector_sync.contrib.django.delivery import is_first_delivery
from livekit_connector_sync.contrib.django.views import (
    LiveKitWebhookView,
    MetaWebhookView,
    TwilioVoiceView,
)
from livekit_connector_sync.emulator.meta import signature
from livekit_connector_sync.testing import (
    SignedRequest,
    livekit_webhook,
    meta_webhook,
    twilio_webhook,
)
from livekit_connector_sync.webhooks import meta, twilio, twiml

META = "/webhooks/meta"
SECRET = OPTIONS["META_APP_SECRET"]
TOKEN = OPTIONS["TWILIO_AUTH_TOKEN"]


def post(webhook: SignedRequest, url: str = META, **headers: Any) -> HttpResponse:
    # As for a provider, no CSRF token and no login.
    return Client(enforce_csrf_checks=True).post(  # type: ignore[no-any-return]
        url, webhook.body, content_type=webhook.content_type, **{**webhook.wsgi_environ, **headers}
    )


# -- Meta ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "direction", "signal"),
    [
        ("connect", "inbound", "whatsapp_call_offered"),
        ("connect", "outbound", "whatsapp_call_answered"),
        ("terminate", "inbound", "whatsapp_call_ended"),
        ("ringing", "outbound", "whatsapp_call_status"),
    ],
)
def test_each_event_has_its_signal(name: str, direction: str, signal: str, received: Any) -> None:
    webhook = meta_webhook(name, SECRET, direction=direction)
    assert post(webhook).status_code == 200
    ((seen, values),) = received.all
    assert seen == signal
    assert (values["provider"], values["alias"]) == ("meta", "default")
    assert values["sender"] is MetaWebhookView
    assert values["event"].whatsapp_call_id == "wacid.TEST"
    assert values["raw"]["id"] == "wacid.TEST"


def test_a_pickup_has_a_signal_of_its_own(received: Any) -> None:
    for name in ("connect", "ringing", "accepted"):
        assert post(meta_webhook(name, SECRET, direction="outbound")).status_code == 200
    assert received.names == [
        "whatsapp_call_answered",
        "whatsapp_call_status",
        "whatsapp_call_accepted",
        "whatsapp_call_status",
    ]
    assert received.of("whatsapp_call_accepted")[0]["event"].status == "ACCEPTED"


def signed(document: dict[str, Any]) -> SignedRequest:
    """Return a webhook of Meta's with a body of our own."""
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json", meta.SIGNATURE_HEADER: signature(body, SECRET)}
    return SignedRequest("", headers, body)


def test_a_permission_reply_has_a_signal_of_its_own(received: Any) -> None:
    reply = {"response": "accept", "expiration_timestamp": 1800000000}
    message = {
        "from": "15551234567",
        "from_user_id": "US.1349",
        "id": "wamid.1",
        "interactive": {"type": "call_permission_reply", "call_permission_reply": reply},
    }
    value = {"metadata": {"phone_number_id": "1"}, "messages": [message]}
    change = {"field": "messages", "value": value}
    webhook = signed({"entry": [{"id": "1", "changes": [change]}]})
    assert [post(webhook).status_code for _ in range(2)] == [200, 200]
    ((name, values),) = received.all
    assert name == "whatsapp_call_permission"
    assert values["event"].accepted


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_guarantee_8_a_terminate_that_overtakes_its_connect_suppresses_it(
    direction: str, received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert post(meta_webhook("terminate", SECRET, direction=direction)).status_code == 200
    assert post(meta_webhook("connect", SECRET, direction=direction)).status_code == 200
    assert received.names == ["whatsapp_call_ended"]
    assert "its call has ended" in caplog.text
    other = meta_webhook("connect", SECRET, whatsapp_call_id="wacid.OTHER")
    assert post(other).status_code == 200
    assert received.names == ["whatsapp_call_ended", "whatsapp_call_offered"]


def test_guarantee_8_the_end_is_remembered_while_its_webhook_is_asked_for_again(
    connected: Any, received: Any
) -> None:
    def fail(**_: Any) -> None:
        raise RetryLater("the broker is down")

    connected(signals.whatsapp_call_ended, fail)
    assert post(meta_webhook("terminate", SECRET)).status_code == 503
    assert post(meta_webhook("connect", SECRET)).status_code == 200
    assert received.names == ["whatsapp_call_ended"]


def test_a_function_that_receives_metas_events(
    received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[Optional[Exception]] = [None, RuntimeError("a bug"), RetryLater("later"), None]
    seen: list[tuple[str, str]] = []

    @meta_view(secret=["old", "new"], verify_token="mine")
    def calls(request: Any, event: Any, tenant: str) -> None:
        """Handle calls."""
        seen.append((tenant, event.key))
        problem = failures.pop(0)
        if problem:
            raise problem

    assert (calls.__name__, calls.__doc__) == ("calls", "Handle calls.")
    assert calls.csrf_exempt  # type: ignore[attr-defined]

    def call(number: int, secret: str) -> int:
        webhook = meta_webhook("connect", secret, whatsapp_call_id=f"wacid.{number}")
        request = RequestFactory().post(
            "/", webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
        )
        return calls(request, tenant="one").status_code

    deliveries = [(1, "new"), (1, "new"), (2, "old"), (3, "old"), (3, "old"), (4, "wrong")]
    statuses = [call(number, secret) for number, secret in deliveries]
    assert statuses == [200, 200, 200, 503, 200, 403]
    assert seen == [("one", f"wacid.{number}:connect") for number in (1, 2, 3, 3)]
    assert received.names == ["whatsapp_call_offered"] * 4
    assert "a bug" in caplog.text
    query = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": "mine"}
    assert calls(RequestFactory().get("/", query), tenant="one").content == b"7"

    async def late(request: Any, event: Any) -> None:
        pass

    with pytest.raises(TypeError, match="async_to_sync"):
        meta_view()(late)


def test_secrets_may_be_rotated(configure: Callable[..., None], received: Any) -> None:
    pair = {"META_APP_SECRET": ["old", "new"], "TWILIO_AUTH_TOKEN": ("old", "new")}
    configure(LIVEKIT_CONNECTOR={**OPTIONS, **pair, "META_VERIFY_TOKEN": ["old", "new"]})
    status = "/webhooks/twilio/status"
    for number, secret in enumerate(("old", "new")):
        query = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": secret}
        assert Client().get(META, query).content == b"7"
        webhook = meta_webhook("connect", secret, whatsapp_call_id=f"wacid.{number}")
        assert post(webhook).status_code == 200
        form = {"CallSid": f"CA{number}", "CallStatus": "completed"}
        webhook = twilio_webhook(secret, url=f"http://testserver{status}", form=form)
        assert post(webhook, status).status_code == 200
    assert received.names == ["whatsapp_call_offered", "twilio_call_status"] * 2
    assert post(meta_webhook("connect", "neither")).status_code == 403


def test_a_duplicate_gets_a_200_and_sends_no_signal(received: Any) -> None:
    webhook = meta_webhook("connect", SECRET)
    assert [post(webhook).status_code for _ in range(3)] == [200, 200, 200]
    assert received.names == ["whatsapp_call_offered"]


@pytest.mark.parametrize("header", [None, "", "sha256=" + "0" * 64])
def test_a_wrong_signature_gets_a_403(header: str, received: Any) -> None:
    webhook = meta_webhook("connect", SECRET)
    if header is None:
        del webhook.headers["X-Hub-Signature-256"]
    else:
        webhook.headers["X-Hub-Signature-256"] = header
    assert post(webhook).status_code == 403
    assert post(meta_webhook("connect", "another secret")).status_code == 403
    assert received.all == []


def test_a_malformed_signed_body_is_not_retried(
    received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = SignedRequest(
        "",
        {"Content-Type": "application/json", "X-Hub-Signature-256": signature(b"{", SECRET)},
        b"{",
    )
    assert post(webhook).status_code == 200
    assert "not JSON" in caplog.text
    assert received.all == []


def test_a_body_above_djangos_limit_is_not_retried(
    configure: Callable[..., None], received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure(DATA_UPLOAD_MAX_MEMORY_SIZE=100)
    assert post(meta_webhook("connect", SECRET)).status_code == 200
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE" in caplog.text
    assert received.all == []


def test_a_late_offer_is_dropped_and_a_late_end_is_not(received: Any) -> None:
    old = time.time() - 200
    assert post(meta_webhook("connect", SECRET, timestamp=old)).status_code == 200
    assert post(meta_webhook("terminate", SECRET, timestamp=old)).status_code == 200
    assert received.names == ["whatsapp_call_ended"]


def test_a_receiver_that_fails_is_logged_and_the_others_run(
    connected: Any, received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("a bug of the user's")

    connected(signals.whatsapp_call_offered, fail)
    connected(signals.webhook_received, received.receiver("any"))
    assert post(meta_webhook("connect", SECRET)).status_code == 200
    assert received.names == ["whatsapp_call_offered", "any"]
    assert "a bug of the user's" in caplog.text


class Down(BaseCache):
    """A cache that is down, and raises errors or hides them, as django-redis can."""

    def __init__(self, location: str, options: Any) -> None:
        super().__init__(options)
        self.hides = location == "hides"

    def add(self, *args: Any, **kwargs: Any) -> bool:
        if self.hides:
            return False
        raise ConnectionError("down")

    def get(self, *args: Any, **kwargs: Any) -> None:
        return None


@pytest.mark.parametrize("how", ["says", "hides"])
def test_events_are_handled_while_the_cache_is_down(
    how: str, configure: Callable[..., None], received: Any
) -> None:
    down = {"BACKEND": f"{__name__}.Down", "LOCATION": how}
    configure(
        CACHES={"default": {**down, "LOCATION": "says"}, "webhooks": down},
        LIVEKIT_CONNECTOR={**OPTIONS, "CACHE": "webhooks"},
    )
    assert post(meta_webhook("connect", SECRET)).status_code == 200
    assert received.names == ["whatsapp_call_offered"]


def test_events_are_recorded_by_endpoint_and_alias_for_longer_than_meta_retries() -> None:
    class Store:
        """A cache that records how long it has to keep a key."""

        def __init__(self) -> None:
            self.lifetimes: dict[str, float] = {}

        def add(self, name: str, value: int, timeout: float = 300) -> bool:
            new = name not in self.lifetimes
            self.lifetimes.setdefault(name, timeout)
            return new

        def get(self, name: str) -> int:
            return 1

    store = Store()
    events = [("meta", "default"), ("meta", "sales"), ("twilio-status", "default")]
    with mock.patch("livekit_connector_sync.contrib.django.delivery.caches", {"c": store}):
        for endpoint, alias in events:
            first = [is_first_delivery("c", endpoint, alias, "key") for _ in range(2)]
            assert first == [True, False]
    assert min(store.lifetimes.values()) > 7 * 24 * 3600


def test_an_event_that_expires_during_a_redelivery_is_recorded_again() -> None:
    class Forgotten:
        """A cache that forgets the event when it is read."""

        there = True

        def add(self, name: str, value: int, timeout: int) -> bool:
            was, self.there = self.there, True
            return not was

        def get(self, name: str) -> None:
            self.there = False

    store = Forgotten()
    with mock.patch("livekit_connector_sync.contrib.django.delivery.caches", {"c": store}):
        assert is_first_delivery("c", "meta", "default", "key")
    assert store.there


def test_a_receiver_can_ask_the_provider_to_retry(connected: Any, received: Any) -> None:
    brokers = [RetryLater("the broker is down"), None]

    def send_task(**_: Any) -> None:
        problem = brokers.pop(0)
        if problem is not None:
            raise problem

    connected(signals.whatsapp_call_offered, send_task)
    webhook = meta_webhook("connect", SECRET)
    assert [post(webhook).status_code for _ in range(3)] == [503, 200, 200]
    assert received.names == ["whatsapp_call_offered"] * 2
    assert brokers == []


def test_an_update_goes_to_the_alias_of_its_number_in_the_same_app(
    configure: Callable[..., None], received: Any
) -> None:
    configure(
        LIVEKIT_CONNECTOR={
            "default": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "1"},
            "sales": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "2"},
            "other": {
                **OPTIONS,
                "WHATSAPP_PHONE_NUMBER_ID": "3",
                "META_APP_SECRET": "another app",
            },
            "of no app": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "5", "META_APP_SECRET": None},
            "rotated": {
                **OPTIONS,
                "WHATSAPP_PHONE_NUMBER_ID": "6",
                "META_APP_SECRET": ["old", SECRET],
            },
            "other's": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "7", "META_APP_SECRET": ["a", "b"]},
        }
    )
    for number in "1234567":
        webhook = meta_webhook(
            "connect", SECRET, phone_number_id=number, whatsapp_call_id=f"wacid.{number}"
        )
        assert post(webhook).status_code == 200
    aliases = [values["alias"] for _, values in received.all]
    assert aliases == [
        *("default", "sales", "default", "default"),
        *("of no app", "rotated", "default"),
    ]
    webhook = meta_webhook("connect", "another app", phone_number_id="3")
    assert post(webhook).status_code == 403
    assert post(webhook, "/webhooks/other/meta").status_code == 200
    assert received.all[-1][1]["alias"] == "other"
    assert post(webhook, "/webhooks/nobody/meta").status_code == 404


def test_the_secret_of_a_view_selects_the_aliases_of_its_app(
    configure: Callable[..., None],
) -> None:
    sales = {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "2", "META_APP_SECRET": "its own"}
    configure(LIVEKIT_CONNECTOR={"default": OPTIONS, "sales": sales})
    (event,) = meta.parse(meta_webhook("connect", "x", phone_number_id="2").body)
    assert MetaWebhookView(secret="its own").alias_of(event) == "sales"
    assert MetaWebhookView(secret=["new", "its own"]).alias_of(event) == "sales"
    assert MetaWebhookView().alias_of(event) == "default"


def test_without_a_secret_webhooks_are_rejected_unless_the_settings_allow_them(
    configure: Callable[..., None], received: Any
) -> None:
    options = {**OPTIONS, "META_APP_SECRET": None}
    configure(LIVEKIT_CONNECTOR=options)
    with pytest.raises(ImproperlyConfigured, match="META_APP_SECRET"):
        post(meta_webhook("connect", "x"))
    assert received.all == []
    configure(LIVEKIT_CONNECTOR={**options, "ALLOW_UNVERIFIED_WEBHOOKS": True})
    assert post(meta_webhook("connect", "x")).status_code == 200
    assert received.names == ["whatsapp_call_offered"]


def test_arguments_of_as_view_override_the_settings() -> None:
    rf = RequestFactory()
    view = MetaWebhookView.as_view(secret="its own", verify_token="its own too")
    webhook = meta_webhook("connect", "its own")
    request = rf.post(META, webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ)
    assert view(request).status_code == 200
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": "its own too"}
    assert view(rf.get(META, query)).content == b"1"


@pytest.mark.parametrize(
    ("options", "key", "status"),
    [
        ({"secret": "its own"}, "devkey", 200),
        ({"keys": {"own key": "its own"}}, "own key", 200),
        ({"keys": {"own key": "its own"}}, "devkey", 403),
    ],
)
def test_arguments_of_as_view_verify_livekits_webhooks(
    options: dict[str, Any], key: str, status: int
) -> None:
    webhook = livekit_webhook("room_finished", key, "its own")
    request = RequestFactory().post(
        "/", webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
    )
    assert LiveKitWebhookView.as_view(**options)(request).status_code == status


def test_the_handshake_echoes_the_challenge_as_plain_text() -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": "<script>",
        "hub.verify_token": OPTIONS["META_VERIFY_TOKEN"],
    }
    answer = Client().get(META, query)
    assert (answer.status_code, answer.content) == (200, b"<script>")
    assert answer["Content-Type"] == "text/plain"
    assert answer["X-Content-Type-Options"] == "nosniff"
    for wrong in ({"hub.verify_token": "x"}, {"hub.mode": "x"}, {"hub.challenge": ""}):
        assert Client().get(META, {**query, **wrong}).status_code == 403
    assert Client().get(META).status_code == 403


def test_the_views_run_outside_of_atomic_requests() -> None:
    from django.urls import resolve

    for name in ("meta", "twilio-voice", "twilio-status", "livekit"):
        view = resolve(reverse(f"livekit_connector:{name}")).func
        assert view.csrf_exempt
        assert "default" in view._non_atomic_requests
        assert getattr(view, "login_required", False) is False
    assert reverse("livekit_connector:meta", args=["sales"]) == "/webhooks/sales/meta"

    class Timed(MetaWebhookView):
        def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return super().dispatch(request, *args, **kwargs)

    view = Timed.as_view()
    assert view.csrf_exempt  # type: ignore[attr-defined]
    assert "default" in view._non_atomic_requests  # type: ignore[attr-defined]


# -- Twilio --------------------------------------------------------------------------------------

VOICE = "/webhooks/twilio/voice"


def said(answer: HttpResponse) -> str:
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    say = ElementTree.fromstring(answer.content).find("Say")
    assert say is not None
    return say.text or ""


def test_a_caller_hears_an_apology_after_any_failure(
    configure: Callable[..., None], received: Any
) -> None:
    webhook = twilio_webhook(TOKEN, url=f"http://testserver{VOICE}")
    with mock.patch.object(TwilioVoiceView, "connect", side_effect=RuntimeError("a bug")):
        assert "sorry" in said(post(webhook, VOICE))
    # The call was there all the same.
    assert received.names == ["twilio_call_received"]
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "URL": None})
    assert "sorry" in said(post(webhook, VOICE))
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "TWILIO_AUTH_TOKEN": None})
    assert "sorry" in said(post(webhook, VOICE))
    configure(LIVEKIT_CONNECTOR={"UNKNOWN": 1})
    assert "sorry" in said(post(webhook, VOICE))
    assert "sorry" in said(post(webhook, "/webhooks/sales/twilio/voice"))
    assert received.names == ["twilio_call_received"]


def test_a_voice_view_sends_the_outcome_of_the_call_to_its_receivers(received: Any) -> None:
    webhook = twilio_webhook(TOKEN, url=f"http://testserver{VOICE}")
    with mock.patch.object(TwilioVoiceView, "connect", side_effect=Unavailable("no line")):
        post(webhook, VOICE)
    ((_, values),) = received.all
    assert isinstance(values["error"], Unavailable)


def test_a_caller_hears_no_error_tone_if_is_due_fails() -> None:
    webhook = twilio_webhook(TOKEN, url=f"http://testserver{VOICE}")
    with mock.patch.object(TwilioVoiceView, "connect", return_value="<Response/>"):
        with mock.patch.object(TwilioVoiceView, "is_due", side_effect=RuntimeError("a bug")):
            assert post(webhook, VOICE).content == b"<Response/>"


def test_a_view_can_override_agents_and_origin() -> None:
    webhook = twilio_webhook(TOKEN, url="https://calls.example/voice")
    request = RequestFactory().post(
        "/voice", webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
    )
    view = TwilioVoiceView.as_view(webhook_url="https://calls.example", agents=["sales"])
    seen = []

    def connect(self: TwilioVoiceView, call: Any) -> str:
        seen.extend(agent.agent_name for agent in self.connector_request(call).agents)
        return "<Response/>"

    with mock.patch.object(TwilioVoiceView, "connect", connect):
        assert view(request).status_code == 200
    assert seen == ["sales"]


@pytest.mark.parametrize(("timeout", "expected"), [(3, 3), (20, 8.0), (None, 8.0)])
def test_twilios_response_has_the_shorter_timeout(
    timeout: Optional[float], expected: float, configure: Callable[..., None]
) -> None:
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "TIMEOUT": timeout})
    webhook = twilio_webhook(TOKEN, url=f"http://testserver{VOICE}")
    with mock.patch.object(ConnectorClient, "connect_twilio_call", side_effect=Unavailable) as rpc:
        assert "sorry" in said(post(webhook, VOICE))
    assert rpc.call_args.kwargs["timeout"] == expected


def test_a_signature_can_name_its_algorithm() -> None:
    url = "http://testserver/webhooks/twilio/status"
    webhook = twilio_webhook(TOKEN, url=url)
    form = parse_qs(webhook.body.decode(), keep_blank_values=True)
    headers = {
        "HTTP_X_TWILIO_SIGNATURE": twilio.compute_signature(url, form, TOKEN, "HMAC_SHA256"),
        "HTTP_X_TWILIO_WEBHOOKS_SIGNATURE_SETTINGS": "algorithm=HMAC_SHA256",
    }
    assert post(webhook, "/webhooks/twilio/status", **headers).status_code == 200


def test_a_function_that_responds_to_twilio() -> None:
    @twilio_view(apology="Pardon?")
    def menu(request: Any, call: Any, step: int) -> str:
        """A step of a menu."""
        if call.parameter("Digits") == "0":
            raise RuntimeError("a bug")
        return twiml.say(f"{step}: {call.parameter('Digits')} & more")

    assert (menu.__name__, menu.__doc__) == ("menu", "A step of a menu.")
    assert menu.csrf_exempt  # type: ignore[attr-defined]

    def call(digits: str, token: str = TOKEN) -> HttpResponse:
        webhook = twilio_webhook(token, url="http://testserver/menu", form={"Digits": digits})
        request = RequestFactory().post(
            "/menu", webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
        )
        return menu(request, step=1)

    assert said(call("7")) == "1: 7 & more"
    assert said(call("0")) == "Pardon?"
    assert call("7", "another token").status_code == 403


def test_the_responses_that_a_function_can_return_to_twilio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    by_twilios_library = VoiceResponse()
    by_twilios_library.say("Hello")
    webhook = twilio_webhook(TOKEN, url="http://testserver/step")
    for answer, heard in (
        (by_twilios_library, "Hello"),
        (HttpResponse(twiml.say("Hi"), content_type="text/xml"), "Hi"),
        (None, "We are sorry, we cannot take your call right now. Please try again later."),
    ):
        step = twilio_view()(lambda request, call, answer=answer: answer)
        request = RequestFactory().post(
            "/step", webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
        )
        assert said(step(request)) == heard
    assert "return TwiML or an HttpResponse to Twilio, not NoneType" in caplog.text

    async def late(request: Any, call: Any) -> str:
        return ""

    with pytest.raises(TypeError, match="async_to_sync"):
        twilio_view()(late)


def test_callbacks_about_parts_of_a_call_are_not_duplicates(received: Any) -> None:
    url = "/webhooks/twilio/status"
    for form in (
        {"CallStatus": "", "StreamEvent": "stream-started"},
        {"CallStatus": "", "StreamEvent": "stream-stopped"},
        {"CallStatus": "", "StreamEvent": "stream-stopped"},
        {"CallStatus": "completed"},
    ):
        post(twilio_webhook(TOKEN, url=f"http://testserver{url}", form=form), url)
    events = [values["event"] for _, values in received.all]
    assert [event.parameter("StreamEvent") for event in events] == [
        "stream-started",
        "stream-stopped",
        "",
    ]


def test_requests_that_twilio_did_not_sign_are_rejected(
    received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = twilio_webhook("another token", url=f"http://testserver{VOICE}")
    assert post(webhook, f"{VOICE}?From=%2B15551234567").status_code == 403
    assert "WEBHOOK_URL" in caplog.text
    assert "15551234567" not in caplog.text
    del webhook.headers["X-Twilio-Signature"]
    assert post(webhook, VOICE).status_code == 403
    assert received.all == []


def test_the_signature_is_verified_with_the_public_url_behind_a_proxy(
    configure: Callable[..., None], received: Any
) -> None:
    status = "/webhooks/twilio/status"
    webhook = twilio_webhook(
        TOKEN,
        url=f"https://calls.example{status}?a=%2B1&b=x%20y",
        form={"CallStatus": "completed"},
    )
    url = f"{status}?a=%2B1&b=x%20y"
    assert post(webhook, url).status_code == 403
    # A header that anybody can send changes nothing.
    forged = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "calls.example"}
    assert post(webhook, url, **forged).status_code == 403
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "WEBHOOK_URL": "https://calls.example/"})
    assert post(webhook, url).status_code == 200
    ((name, values),) = received.all
    assert (name, values["event"].status) == ("twilio_call_status", "completed")
    # A proxy that removes a prefix from the path.
    prefixed = twilio_webhook(TOKEN, url=f"https://calls.example/crm{status}", form={"A": "b"})
    assert post(prefixed, status).status_code == 403
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "WEBHOOK_URL": "https://calls.example/crm/"})
    assert post(prefixed, status).status_code == 200


def test_a_wrong_webhook_url_is_named(configure: Callable[..., None]) -> None:
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "WEBHOOK_URL": "calls.example"})
    with pytest.raises(ImproperlyConfigured, match="WEBHOOK_URL of alias 'default' is wrong"):
        post(twilio_webhook(TOKEN), "/webhooks/twilio/status")


def test_twilios_token_deduplicates_webhooks(received: Any) -> None:
    url = "/webhooks/twilio/status"
    webhook = twilio_webhook(TOKEN, url=f"http://testserver{url}", form={"CallStatus": "ringing"})
    for token in ("one", "one", "two"):
        headers = {"HTTP_I_TWILIO_IDEMPOTENCY_TOKEN": token}
        assert post(webhook, url, **headers).status_code == 200
    assert received.names == ["twilio_call_status"] * 2


# -- LiveKit -------------------------------------------------------------------------------------


def test_livekits_token_selects_the_project(configure: Callable[..., None], received: Any) -> None:
    configure(
        LIVEKIT_CONNECTOR={
            "default": {**OPTIONS, "LIVEKIT_WEBHOOK_KEYS": {"rotated": "its secret"}},
            "sales": {**OPTIONS, "API_KEY": "sales key", "API_SECRET": "sales secret"},
            "same project": OPTIONS,
        }
    )
    url = "/webhooks/livekit"
    for number, (key, secret, alias) in enumerate(
        (
            ("devkey", OPTIONS["API_SECRET"], "default"),
            ("rotated", "its secret", "default"),
            ("sales key", "sales secret", "sales"),
        )
    ):
        webhook = livekit_webhook("room_finished", key, secret, event_id=f"EV_{number}")
        assert [post(webhook, url).status_code for _ in range(2)] == [200, 200]
        assert received.all[-1][1]["alias"] == alias
    assert received.names == ["livekit_event"] * 3
    assert post(livekit_webhook("room_finished", "devkey", "wrong"), url).status_code == 403
    assert post(livekit_webhook("room_finished", "nobody", "wrong"), url).status_code == 403


def test_a_missing_token_of_livekit_hints_at_mod_wsgi(caplog: pytest.LogCaptureFixture) -> None:
    webhook = livekit_webhook("room_finished", "devkey", OPTIONS["API_SECRET"])
    del webhook.headers["Authorization"]
    assert post(webhook, "/webhooks/livekit").status_code == 403
    assert "WSGIPassAuthorization On" in caplog.text
    caplog.clear()
    assert post(livekit_webhook("room_finished", "devkey", "x"), "/webhooks/livekit").status_code
    assert "WSGIPassAuthorization" not in caplog.text


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for webhook, url in (
        (meta_webhook("connect", "x" * 20), META),
        (meta_webhook("connect", SECRET), META),
        (meta_webhook("connect", SECRET), META),
        (twilio_webhook("x" * 20), VOICE),
    ):
        post(webhook, url)
    assert caplog.text
    for text in (SECRET, TOKEN, "15551234567", "Alex Doe", "v=0"):
        assert text not in caplog.text


def test_the_view_for_meta_can_be_changed_by_a_subclass(received: Any) -> None:
    class OnlyEnds(MetaWebhookView):
        def is_due(self, event: Any) -> bool:
            return isinstance(event, meta.CallTerminate) and super().is_due(event)

    rf = RequestFactory()
    for name in ("connect", "terminate"):
        webhook = meta_webhook(name, SECRET)
        request = rf.post(
            META, webhook.body, content_type=webhook.content_type, **webhook.wsgi_environ
        )
        assert OnlyEnds.as_view()(request).status_code == 200
    assert received.names == ["whatsapp_call_ended"]
