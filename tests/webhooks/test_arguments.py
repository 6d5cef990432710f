"""The arguments of `receive` and `verify`: which types they accept, and the errors for others."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, Callable
from urllib.parse import parse_qs, parse_qsl

import pytest
from django.utils.datastructures import MultiValueDict
from twilio.request_validator import RequestValidator

import livekit_connector_sync as lk
from livekit_connector_sync.testing import livekit_webhook, meta_webhook, twilio_webhook
from livekit_connector_sync.webhooks import Reason, WebhookError, livekit, meta, twilio, twiml

SECRET = "a-secret-of-at-least-32-characters"
META = meta_webhook("connect", SECRET, user_name="Zoë")
TWILIO = twilio_webhook(SECRET, form={"SipHeader_x": "ü", "Empty": ""})
LIVEKIT = livekit_webhook("room_started", "key", SECRET, room={"name": "Zoë"})
META_SIGNATURE = META.headers[meta.SIGNATURE_HEADER]
TWILIO_SIGNATURE = TWILIO.headers[twilio.SIGNATURE_HEADER]
TOKEN = LIVEKIT.headers[livekit.SIGNATURE_HEADER]

RECEIVERS: dict[str, tuple[Callable[[Any], object], bytes]] = {
    "meta": (lambda body: meta.receive(body, META_SIGNATURE, SECRET), META.body),
    "twilio": (
        lambda body: twilio.receive(TWILIO.url, body, TWILIO_SIGNATURE, SECRET),
        TWILIO.body,
    ),
    "livekit": (lambda body: livekit.receive(body, TOKEN, {"key": SECRET}), LIVEKIT.body),
}


@pytest.mark.parametrize("provider", RECEIVERS)
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, bytes.decode])
def test_a_body_may_be_any_bytes_or_text(provider: str, form: Callable[[bytes], Any]) -> None:
    receive, body = RECEIVERS[provider]
    assert receive(form(body)) == receive(body)
    with pytest.raises(WebhookError) as caught:
        receive(form(body + b" "))
    assert caught.value.reason is Reason.WRONG_SIGNATURE


def test_a_body_of_text_is_signed_in_utf_8() -> None:
    body = '{"a": "Zoë"}'
    digest = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    meta.verify(body, f"sha256={digest}", SECRET)


@pytest.mark.parametrize("provider", RECEIVERS)
def test_text_that_cannot_be_encoded_is_rejected(provider: str) -> None:
    receive, body = RECEIVERS[provider]
    with pytest.raises(WebhookError) as caught:
        receive(body.decode() + "\ud800")
    assert caught.value.reason is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize(("provider", "wrong"), [
    *((provider, wrong) for provider in RECEIVERS for wrong in (None, 5, ["a"], object())),
    *((provider, {"a": "b"}) for provider in ("meta", "livekit")),
])  # fmt: skip
def test_a_body_of_another_type_raises_type_error(provider: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=r"body must be the request's unchanged body.*, not \w+$"):
        RECEIVERS[provider][0](wrong)


# -- Twilio's parsed form ------------------------------------------------------------------------


class WithGetAll(dict):
    """Like the forms of aiohttp and WebOb: an item is one value, and getall() returns all."""

    def __getitem__(self, name: str) -> str:
        return str(self.getall(name)[-1])

    def getall(self, name: str) -> list[str]:
        values: list[str] = super().__getitem__(name)
        return values


@pytest.mark.parametrize(
    "parse",
    [
        lambda text: dict(parse_qsl(text, keep_blank_values=True)),
        lambda text: parse_qs(text, keep_blank_values=True),
        lambda text: WithGetAll(parse_qs(text, keep_blank_values=True)),
        lambda text: MultiValueDict(parse_qs(text, keep_blank_values=True)),
    ],
    ids=["dict", "dict of lists", "getall", "Django"],
)
def test_twilio_takes_a_parsed_form(parse: Callable[[str], Any]) -> None:
    receive = RECEIVERS["twilio"][0]
    assert receive(parse(TWILIO.body.decode())) == receive(TWILIO.body)
    with pytest.raises(WebhookError):
        receive(parse(TWILIO.body.decode() + "&a=1"))


@pytest.mark.parametrize("form", [dict, WithGetAll, MultiValueDict])
def test_a_parsed_form_keeps_repeated_parameters(form: Callable[[Any], Any]) -> None:
    body = "CallSid=CA1&Digits=2&Digits=1"
    signature = RequestValidator(SECRET).compute_signature(TWILIO.url, WithGetAll(parse_qs(body)))
    call = twilio.receive(TWILIO.url, form(parse_qs(body)), signature, SECRET)
    assert call.raw["Digits"] == ("2", "1")


def test_compute_signature_names_the_algorithms() -> None:
    with pytest.raises(ValueError, match="algorithm must be HMAC_SHA1 or HMAC_SHA256, not 'md5'"):
        twilio.compute_signature(TWILIO.url, {}, SECRET, "md5")


def test_compute_signature_takes_one_value_or_several() -> None:
    several = twilio.compute_signature(TWILIO.url, {"a": ["xy"]}, SECRET)
    assert twilio.compute_signature(TWILIO.url, {"a": "xy"}, SECRET) == several


def test_a_parsed_form_is_rejected_if_the_url_has_a_body_digest() -> None:
    url = f"{TWILIO.url}?bodySHA256={'0' * 64}"
    for body in ({}, {"CallSid": "CA1"}):
        with pytest.raises(WebhookError):
            twilio.verify(url, body, twilio.compute_signature(url, {}, SECRET), SECRET)


@pytest.mark.parametrize(
    "form", [{"a": 1}, {"a": None}, {"a": []}, {"a": [1]}, {"a": b"b"}, {1: "a"}]
)
def test_a_form_with_other_values_raises_type_error(form: Any) -> None:
    with pytest.raises(TypeError, match="body must map each parameter to a str"):
        twilio.verify(TWILIO.url, form, "signature", SECRET)


# -- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", [["old", SECRET], (SECRET, "old"), {SECRET}, iter([SECRET])])
def test_secrets_can_be_rotated(secrets: Any) -> None:
    given = list(secrets)
    meta.receive(META.body, META_SIGNATURE, iter(given))
    twilio.receive(TWILIO.url, TWILIO.body, TWILIO_SIGNATURE, iter(given))
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": SECRET}
    assert meta.handshake(query, given) == "1"


def test_several_wrong_secrets_are_rejected() -> None:
    for check in (
        lambda: meta.verify(META.body, META_SIGNATURE, ["old", "older"]),
        lambda: twilio.verify(TWILIO.url, TWILIO.body, TWILIO_SIGNATURE, ["old", "older"]),
    ):
        with pytest.raises(WebhookError) as caught:
            check()
        assert caught.value.reason is Reason.WRONG_SIGNATURE


TAKES_SECRETS: dict[str, Callable[[Any], object]] = {
    "app_secret": lambda secret: meta.verify(META.body, META_SIGNATURE, secret),
    "verify_token": lambda secret: meta.handshake({}, secret),
    "auth_token": lambda secret: twilio.verify(TWILIO.url, b"", TWILIO_SIGNATURE, secret),
    "keys": lambda secret: livekit.verify(LIVEKIT.body, TOKEN, {"key": secret}),
}


@pytest.mark.parametrize("name", TAKES_SECRETS)
@pytest.mark.parametrize(
    ("wrong", "error", "remedy"),
    [
        ("", ValueError, "must not be empty"),
        (f"{SECRET}\n", ValueError, "white space"),
        (f" {SECRET}", ValueError, "white space"),
        (None, TypeError, "must be a str, not NoneType"),
        (5, TypeError, "must be a str, not int"),
        (SECRET.encode(), TypeError, "must be a str, not bytes: decode"),
    ],
)
def test_the_error_for_a_malformed_secret_does_not_quote_it(
    name: str, wrong: object, error: type[Exception], remedy: str
) -> None:
    with pytest.raises(error, match=f"^{name}.*{remedy}") as caught:
        TAKES_SECRETS[name](wrong)
    assert SECRET not in str(caught.value)
    if name == "keys":
        return
    for several in ([SECRET, wrong], [wrong]):
        with pytest.raises(error, match=f"^{name}.*{remedy}"):
            TAKES_SECRETS[name](several)


@pytest.mark.parametrize("name", ["app_secret", "verify_token", "auth_token"])
def test_an_empty_collection_of_secrets_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must not be empty"):
        TAKES_SECRETS[name]([])
    with pytest.raises(TypeError, match=f"{name} must be a str, not dict"):
        TAKES_SECRETS[name]({"a": SECRET})


@pytest.mark.parametrize("wrong", [None, SECRET, [("key", SECRET)]])
def test_livekits_keys_must_be_a_mapping(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"keys must be \{api_key: api_secret\}, not") as caught:
        livekit.verify(LIVEKIT.body, TOKEN, wrong)
    assert SECRET not in str(caught.value)
    with pytest.raises(ValueError, match="keys must not be empty"):
        livekit.verify(LIVEKIT.body, TOKEN, {})


# -- headers, URLs, TwiML --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: meta.verify(b"", META_SIGNATURE.encode(), SECRET), "X-Hub-Signature-256 header"),
        (lambda: meta.verify(b"", 5, SECRET), "X-Hub-Signature-256 header must be a str, not int"),
        (lambda: livekit.verify(b"", b"x", {"key": SECRET}), "Authorization header .*decode"),
        (lambda: twilio.verify("u", b"", b"x", SECRET), "X-Twilio-Signature header .*decode"),
        (
            lambda: twilio.verify("u", b"", "x", SECRET, signature_settings=b"x"),
            "Signature-Settings header must be a str, not bytes",
        ),
        (lambda: twilio.verify(None, b"", "x", SECRET), "url must be a str, not NoneType"),
        (lambda: twilio.parse(b"u", b""), "url must be a str, not bytes"),
        (lambda: twilio.compute_signature("u", {}, b"x"), "auth_token must be a str, not bytes"),
        (lambda: meta.handshake("hub.mode=subscribe", SECRET), "query must be a mapping"),
        (lambda: meta.handshake(None, SECRET), "query must be a mapping"),
        (lambda: meta.handshake({"hub.mode": ["subscribe"]}, SECRET), "hub.mode must be a str"),
        (lambda: meta.parse({}), "body must be"),
        (lambda: livekit.parse(None), "body must be"),
        (lambda: twiml.connect_stream(None), "connect_url must be a str, not NoneType"),
        (lambda: twiml.http_url(lk.ConnectTwilioCallResponse()), "connect_url must be a str, not"),
        (lambda: twiml.connect_stream("wss://h", ["a"]), "parameters must be a mapping"),
        (lambda: twiml.connect_stream("wss://h", {"a": 1}), "value of parameters must be a str"),
        (lambda: twiml.connect_stream("wss://h", {1: "a"}), "value of parameters must be a str"),
        (lambda: twiml.say(None), "text must be a str, not NoneType"),
        (lambda: twiml.say("a", language=5), "language must be a str, not int"),
    ],
)  # fmt: skip
def test_other_types_raise_type_error(call: Callable[[], object], remedy: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert re.search(remedy, str(caught.value))
