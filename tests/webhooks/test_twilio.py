"""Twilio's webhooks, compared with Twilio's published examples and its library; TwiML."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any, Optional
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

import pytest
from twilio.request_validator import RequestValidator

from livekit_connector_sync.testing import twilio_webhook
from livekit_connector_sync.webhooks import Reason, WebhookError, twilio, twiml

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
PUBLISHED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def form(parameters: object) -> bytes:
    return urlencode(parameters, doseq=True).encode()  # type: ignore[arg-type]


def is_verified(
    url: str, body: bytes, signature: str, token: str = TOKEN, settings: Optional[str] = None
) -> bool:
    try:
        twilio.verify(url, body, signature, token, signature_settings=settings)
    except WebhookError:
        return False
    return True


def test_receive_a_published_example() -> None:
    # https://www.twilio.com/docs/usage/security#validating-requests
    call = twilio.receive(URL, form(FORM), PUBLISHED, TOKEN)
    assert (call.call_sid, call.from_number, call.to_number) == (
        "CA1234567890ABCDE",
        "+14158675309",
        "+18005551212",
    )
    assert call.parameter("Digits") == "1234"
    assert call.parameter("Missing") == ""
    assert "8675309" not in repr(call)


def test_verify_a_published_example_with_a_json_body() -> None:
    # twilio-python's test of the bodySHA256 parameter
    body = b'{"property": "value", "boolean": true}'
    digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    url = f"{URL}&bodySHA256={digest}"
    signature = "a9nBmqA0ju/hNViExpshrM61xv4="
    assert is_verified(url, body, signature)
    upper = url.replace(digest, digest.upper())
    assert is_verified(upper, body, twilio.compute_signature(upper, {}, TOKEN))
    # Only bodySHA256 binds the body to the signature.
    for other in (b"", b"{}", b"\xff", b"a=1", b"&" * 2000):
        assert not is_verified(url, other, signature)


def test_verify_urls_signed_with_and_without_a_port() -> None:
    body = form(FORM)
    for ours in ("https://h.example/x", "https://h.example:443/x"):
        for theirs in ("https://h.example/x", "https://h.example:443/x"):
            signature = RequestValidator(TOKEN).compute_signature(theirs, FORM)
            assert is_verified(ours, body, signature)
    signature = RequestValidator(TOKEN).compute_signature("http://h.example:80/x", FORM)
    assert is_verified("http://h.example/x", body, signature)
    signature = RequestValidator(TOKEN).compute_signature("https://h.example:8443/x", FORM)
    assert is_verified("https://h.example:8443/x", body, signature)
    assert not is_verified("https://h.example/x", body, signature)


def test_verify_the_unchanged_url() -> None:
    url = "https://h.example/x?"  # urllib.parse drops an empty query
    assert is_verified(url, form(FORM), RequestValidator(TOKEN).compute_signature(url, FORM))


@pytest.mark.parametrize("url", ["https://[::1]:8443/x", "https://user:pass@h.example:1/x"])
def test_verify_hosts_that_hold_a_colon(url: str) -> None:
    assert is_verified(url, form(FORM), twilio.compute_signature(url, with_lists(FORM), TOKEN))
    bare = url.replace(":8443", "").replace(":1/", "/")
    assert is_verified(url, form(FORM), twilio.compute_signature(bare, with_lists(FORM), TOKEN))


def with_lists(parameters: dict[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in parameters.items()}


class MultiDict(dict):  # type: ignore[type-arg]
    """A form with repeated names, as frameworks pass it to Twilio's library."""

    def getall(self, name: str) -> list[str]:
        values: list[str] = self[name]
        return values


def test_signatures_equal_those_of_twilios_library() -> None:
    rng = random.Random(7)
    texts = ["", "a", "b", "+1555", "é", "a&b=c", " ", "%41", "日本", "a+b"]
    for _ in range(300):
        parameters = {
            name: rng.choices(texts, k=rng.randint(1, 3))
            for name in rng.sample(["From", "To", "a", "B", "é", "x.y"], k=rng.randint(1, 6))
        }
        url = rng.choice(["https://h.example/p?q=1", "http://h.example:80/", "https://h.example"])
        validator = RequestValidator(TOKEN)
        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            theirs = validator.compute_signature(url, MultiDict(parameters), algorithm)
            assert twilio.compute_signature(url, parameters, TOKEN, algorithm) == theirs
            settings = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
            assert is_verified(url, form(parameters), theirs, settings=settings.lower())
            twilio.verify(url, form(parameters), theirs, TOKEN, signature_settings=settings)
            assert not is_verified(url, form({**parameters, "z": "1"}), theirs)
            assert not is_verified(url, form(parameters), theirs, "another token")


def test_receive_a_get() -> None:
    url = "https://h.example/x?CallSid=CA1&From=%2B1555"
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    call = twilio.receive(url, b"", signature, TOKEN)
    assert (call.call_sid, call.from_number) == ("CA1", "+1555")


@pytest.mark.parametrize(
    ("url", "signature", "settings", "reason"),
    [
        (URL, None, None, Reason.MISSING_SIGNATURE),
        (URL, "", None, Reason.MISSING_SIGNATURE),
        (URL, "é", None, Reason.WRONG_SIGNATURE),
        (URL, PUBLISHED + "=", None, Reason.WRONG_SIGNATURE),
        (URL.replace("https", "http"), PUBLISHED, None, Reason.WRONG_SIGNATURE),
        ("https://[", PUBLISHED, None, Reason.WRONG_SIGNATURE),
        (URL, PUBLISHED, "key=k,algorithm=HMAC_MD5", Reason.MALFORMED_SIGNATURE),
        (URL, PUBLISHED, "key=k,algorithm=HMAC_SHA256", Reason.WRONG_SIGNATURE),
    ],
)
def test_a_wrong_signature_is_rejected(
    url: str, signature: str, settings: str, reason: Reason
) -> None:
    with pytest.raises(WebhookError) as caught:
        twilio.verify(url, form(FORM), signature, TOKEN, signature_settings=settings)
    assert caught.value.reason is reason


def test_a_body_that_the_signature_does_not_cover_is_rejected() -> None:
    signature = RequestValidator(TOKEN).compute_signature(URL, {})
    assert is_verified(URL, b"", signature)
    for body in (b"\xff\xfe", b"&" * 2000, form({str(n): "1" for n in range(2000)})):
        assert not is_verified(URL, body, signature)


def test_a_form_can_have_at_most_1000_parameters() -> None:
    for count, accepted in ((1000, True), (1001, False)):
        parameters = {f"p{n}": "1" for n in range(count)}
        signature = RequestValidator(TOKEN).compute_signature(URL, parameters)
        assert is_verified(URL, form(parameters), signature) is accepted


def test_an_empty_token_raises_value_error() -> None:
    with pytest.raises(ValueError, match="auth_token"):
        twilio.verify(URL, b"", RequestValidator("").compute_signature(URL, {}), "")


def test_a_signed_form_without_a_call_is_malformed() -> None:
    with pytest.raises(WebhookError) as caught:
        twilio.receive(URL, b"", RequestValidator(TOKEN).compute_signature(URL, {}), TOKEN)
    assert caught.value.reason is Reason.MALFORMED_BODY


def test_receive_the_emulators_webhook() -> None:
    webhook = twilio_webhook("token", form={"SipHeader_x": "ü", "Empty": ""})
    call = twilio.receive(webhook.url, webhook.body, webhook.headers["X-Twilio-Signature"], "token")
    assert (call.direction, call.status) == ("inbound", "ringing")
    assert call.raw["SipHeader_x"] == ("ü",)
    assert hashlib.sha256(call.key.encode()).digest()  # the key can be a cache key


# -- the key -------------------------------------------------------------------------------------


def test_the_idempotency_token_is_the_key() -> None:
    def key(body: bytes, token: Optional[str]) -> str:
        signature = RequestValidator(TOKEN).compute_signature(URL, dict(parse_qsl(body.decode())))
        return twilio.receive(URL, body, signature, TOKEN, idempotency_token=token).key

    one, two = (form({**FORM, "Digits": digits}) for digits in "12")
    assert key(one, "a") == key(two, "a")
    assert len({key(one, "a"), key(one, "b"), key(one, None), key(two, None)}) == 4
    assert key(one, "") == key(one, None)
    assert len(key(one, "x" * 10_000)) < 200


def test_without_a_token_the_key_depends_on_all_parameters() -> None:
    key = twilio.parse(URL, form(FORM)).key
    assert twilio.parse(URL, FORM).key == key
    assert twilio.parse(URL, form(dict(reversed(FORM.items())))).key == key
    assert twilio.parse(URL.replace("https://", "https://user:pass@"), form(FORM)).key == key
    for url in (URL.replace("bar=2", "bar=3"), URL.replace("myapp", "menu")):
        assert twilio.parse(url, form(FORM)).key != key
    assert twilio.parse(URL, form({**FORM, "Digits": ["1", "2"]})).key != key


# -- JSON bodies ---------------------------------------------------------------------------------


def test_values_of_a_json_body_become_texts() -> None:
    body = json.dumps(
        {"CallSid": "CA1", "A": 7, "B": True, "C": None, "D": ["x", 1], "E": {"y": []}, "F": []}
    ).encode()
    call = twilio.parse(f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}", body)
    assert {name: call.raw[name] for name in "ABCDEF"} == {
        "A": ("7",),
        "B": ("true",),
        "C": ("",),
        "D": ("x", "1"),
        "E": ('{"y": []}',),
        "F": (),
    }
    assert call.parameter("F") == ""


def test_json_that_the_url_does_not_cover_is_not_read() -> None:
    # Otherwise, a signature of this text as a form's name would cover it as JSON too.
    body = b'{"CallSid":"CA1"}'
    signature = RequestValidator(TOKEN).compute_signature(URL, {body.decode(): ""})
    with pytest.raises(WebhookError) as caught:
        twilio.receive(URL, body, signature, TOKEN)
    assert caught.value.reason is Reason.MALFORMED_BODY


# -- the URL -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "request_", "expected"),
    [
        # The server's variables have the bytes; those that are decoded lose them.
        ("", {"RAW_URI": "/a%2Fb//c/?q=%7E", "PATH_INFO": "/a/b/c/"}, "/a%2Fb//c/?q=%7E"),
        ("", {"REQUEST_URI": "/x?", "PATH_INFO": "/x", "QUERY_STRING": ""}, "/x?"),
        ("", {"RAW_URI": "https://other.example/x?u=http://y/z"}, "/x?u=http://y/z"),
        ("", {"RAW_URI": "/x?u=http://y/z"}, "/x?u=http://y/z"),
        ("", {"RAW_URI": "//other.example/x"}, "//other.example/x"),
        ("", {"RAW_URI": "/\xc3\xa9?\xc3\xa9"}, "/é?é"),
        ("", {"PATH_INFO": "/\xc3\xa9 (+)", "QUERY_STRING": "a=b|c"}, "/%C3%A9%20(+)?a=b|c"),
        ("", {"SCRIPT_NAME": "/m", "PATH_INFO": "/x", "RAW_URI": "/m/x"}, "/m/x"),
        ("", {"SCRIPT_NAME": "/m", "PATH_INFO": "/x"}, "/m/x"),
        ("", {}, ""),
        # A prefix that a proxy removes is in base_url or in SCRIPT_NAME; it is added once.
        ("/p", {"RAW_URI": "/x"}, "/p/x"),
        ("/p/", {"RAW_URI": "/x"}, "/p/x"),
        ("/p", {"RAW_URI": "/p/x"}, "/p/x"),
        ("/p", {"RAW_URI": "/p?x"}, "/p?x"),
        ("/p", {"RAW_URI": "/pp/x"}, "/p/pp/x"),
        ("", {"SCRIPT_NAME": "/p", "RAW_URI": "/x"}, "/p/x"),
        ("/p", {"SCRIPT_NAME": "/p", "RAW_URI": "/x"}, "/p/x"),
        # ASGI
        ("", {"path": "/a/b", "raw_path": b"/a%2Fb", "query_string": b"q=|"}, "/a%2Fb?q=|"),
        ("", {"path": "/é", "raw_path": None, "query_string": b""}, "/%C3%A9"),
        ("", {"path": "/x", "raw_path": b"/x?q", "query_string": b"q"}, "/x?q"),
        ("/p", {"path": "/x", "raw_path": b"/x", "query_string": b"q"}, "/p/x?q"),
        ("", {"root_path": "/p", "raw_path": b"/x", "query_string": b"q"}, "/p/x?q"),
        ("/p", {"root_path": "/p", "raw_path": b"/p/x", "query_string": b"q"}, "/p/x?q"),
    ],
)
def test_build_url_keeps_the_path_and_the_query(
    base_url: str, request_: dict[str, Any], expected: str
) -> None:
    site = "https://calls.example.com"
    assert twilio.build_url(f"{site}{base_url}", request_) == f"{site}{expected}"


def test_build_url_says_what_to_pass() -> None:
    for base_url in ("", "calls.example.com", "https://", "/webhooks"):
        with pytest.raises(ValueError, match="base_url"):
            twilio.build_url(base_url, {})
    with pytest.raises(TypeError, match="WSGI environment"):
        twilio.build_url(URL, "/x")  # type: ignore[arg-type]


def test_a_url_is_verified_with_and_without_its_user_name() -> None:
    for ours in ("https://u:p@h.example/x?", "https://u:p@h.example:443/x?"):
        for theirs in ("https://h.example/x?", "https://h.example:443/x?", ours):
            signature = RequestValidator(TOKEN).compute_signature(theirs, FORM)
            assert is_verified(ours, form(FORM), signature)
    signature = RequestValidator(TOKEN).compute_signature("https://h.example/x", FORM)
    assert not is_verified("https://h.example@evil.example/x", form(FORM), signature)


# -- TwiML ---------------------------------------------------------------------------------------


def parsed(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document.encode())


def test_connect_stream_escapes_and_keeps_every_value() -> None:
    url = "wss://h.example/s?token=a&room=\"<'é>"
    document = twiml.connect_stream(url, {"name": "<&>", "x": 'a"b'})
    assert "token=a&amp;room" in document
    stream = parsed(document).find("./Connect/Stream")
    assert stream is not None
    assert stream.get("url") == url
    assert [(p.get("name"), p.get("value")) for p in stream] == [("name", "<&>"), ("x", 'a"b')]


def test_say_escapes_text_and_drops_forbidden_characters() -> None:
    document = twiml.say("a < b & c\x00\x0b\ud800", language='en"US', voice="Polly.Joanna")
    say = parsed(document).find("Say")
    assert say is not None
    assert (say.text, say.get("language"), say.get("voice")) == (
        "a < b & c",
        'en"US',
        "Polly.Joanna",
    )
    assert parsed(document).find("Hangup") is not None


def test_reject_gives_a_reason() -> None:
    for busy, reason in ((True, "busy"), (False, "rejected")):
        reject = parsed(twiml.reject(busy=busy)).find("Reject")
        assert reject is not None
        assert reject.get("reason") == reason


def test_http_url() -> None:
    assert twiml.http_url("wss://h.example/s?a=1&b=2") == "https://h.example/s?a=1&b=2"
    for url in ("https://h.example", "", "wsx://h", "wss:h"):
        with pytest.raises(ValueError, match="connect_url"):
            twiml.http_url(url)
        with pytest.raises(ValueError, match="connect_url"):
            twiml.connect_stream(url)
