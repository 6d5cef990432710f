"""Calls that fail while they hold a secret, and the crash reports about them.

The program prints JSON: the reports of each reporter, by scene. It runs in a separate process,
because Sentry patches other libraries permanently. The secret is only in the environment, so that
no frame of a scene holds it: `secret()` passes it to the package.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import os
import sys
import traceback
from datetime import timedelta
from typing import Any, Callable

import django
import jwt
import rich.console
import sentry_sdk
from django.conf import settings
from django.utils.log import AdminEmailHandler
from sentry_sdk.transport import Transport

import livekit_connector_sync as lk
from livekit_connector_sync.service import from_environment
from livekit_connector_sync.testing import livekit_webhook, meta_webhook, twilio_webhook
from livekit_connector_sync.webhooks import livekit, meta, twilio, twiml

URL = "https://h.example/x"
WRONG_META = "sha256=" + "0" * 64
HANDSHAKE = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": "a guess"}
NO_CLAIMS: Any = (("video", "room", object()),)


def secret() -> str:
    return os.environ["SECRET_OF_THE_SCENES"]


def meta_signature(body: bytes) -> str:
    return f"sha256={hmac.new(secret().encode(), body, hashlib.sha256).hexdigest()}"


def token(issuer: str, key: str) -> str:
    return jwt.encode({"iss": issuer, "exp": 4_000_000_000}, key * 8, "HS256")


def leak(app_secret: str) -> None:
    raise ValueError("this frame shows its secret")


def keys() -> dict[str, str]:
    return {"key": secret()}


SCENES: dict[str, Callable[[], object]] = {
    "control": lambda: leak(secret()),
    "meta.receive": lambda: meta.receive(b"{}", WRONG_META, secret()),
    "meta.receive, several secrets": lambda: meta.receive(b"{}", WRONG_META, [secret(), "x"]),
    "meta.receive, body": lambda: meta.receive(
        secret().encode(), meta_signature(secret().encode()), secret()
    ),
    "meta.receive, type": lambda: meta.receive({"a": secret()}, WRONG_META, secret()),
    "meta.verify": lambda: meta.verify(b"{}", WRONG_META, secret()),
    "meta.verify, space": lambda: meta.verify(b"{}", WRONG_META, f"{secret()}\n"),
    "meta.verify, bytes": lambda: meta.verify(b"{}", WRONG_META, secret().encode()),
    "meta.handshake": lambda: meta.handshake(HANDSHAKE, secret()),
    "meta.handshake, type": lambda: meta.handshake(None, secret()),
    "meta.parse": lambda: meta.parse(f'{{"sdp": "{secret()}"'),
    "twilio.receive": lambda: twilio.receive(URL, b"a=1", "wrong", secret()),
    "twilio.receive, missing": lambda: twilio.receive(URL, b"a=1", None, secret()),
    "twilio.verify": lambda: twilio.verify(URL, {"a": "1"}, "wrong", secret()),
    "twilio.verify, type": lambda: twilio.verify(URL, {"a": 1}, "wrong", secret()),
    "twilio.compute_signature": lambda: twilio.compute_signature(URL, {}, secret(), "HMAC_MD5"),
    "twilio.parse": lambda: twilio.parse(f"{URL}?a={secret()}", b""),
    "livekit.receive": lambda: livekit.receive(b"{}", "Bearer a.b.c", keys()),
    "livekit.receive, unsigned": lambda: livekit.receive(b"{}", None, keys()),
    "livekit.receive, stranger": lambda: livekit.receive(b"{}", token("other", "x" * 8), keys()),
    "livekit.verify": lambda: livekit.verify(b"{}", token("key", "x" * 8), keys()),
    "livekit.verify, body": lambda: livekit.verify(b"{}", lk.AccessToken(*pair()).to_jwt(), keys()),
    "livekit.verify, type": lambda: livekit.verify(b"{}", b"Bearer", keys()),
    "livekit.verify, keys": lambda: livekit.verify(b"{}", "x", secret()),
    "livekit.parse": lambda: livekit.parse(f'{{"metadata": "{secret()}"'),
    "twiml.connect_stream": lambda: twiml.connect_stream(f"https://h/?token={secret()}"),
    "twiml.connect_stream, parameter": lambda: twiml.connect_stream(
        f"wss://h/?token={secret()}",
        {"a": 1},
    ),
    "twiml.http_url": lambda: twiml.http_url(f"https://h/?token={secret()}"),
    "ConnectorClient, option": lambda: lk.ConnectorClient(URL, "key", secret(), tiemout=1),
    "ConnectorClient, timeout": lambda: lk.ConnectorClient(URL, "key", secret(), timeout=-1),
    "ConnectorClient, URL": lambda: lk.ConnectorClient("not a URL", "key", secret()),
    "ConnectorClient, URL with it": lambda: lk.ConnectorClient(
        f"https://k:{secret()}@h:1", "k", "s"
    ),
    "ConnectorClient, order": lambda: lk.ConnectorClient(secret(), "key", URL),
    "ConnectorClient, both": lambda: lk.ConnectorClient(URL, "key", secret(), token="t"),
    "ConnectorClient, half": lambda: lk.ConnectorClient(URL, api_secret=secret()),
    "ConnectorClient, space": lambda: lk.ConnectorClient(URL, "key", f"{secret()} "),
    "ConnectorClient, verify": lambda: lk.ConnectorClient(URL, "key", secret(), verify="/no/such"),
    "LiveKitAPI": lambda: lk.LiveKitAPI("not a URL", "key", secret()),
    "LiveKitAPI, option": lambda: lk.LiveKitAPI(URL, "key", secret(), foo=1),
    "LiveKitAPI.with_token": lambda: lk.LiveKitAPI.with_token(secret(), "not a URL"),
    "LiveKitAPI.with_token, option": lambda: lk.LiveKitAPI.with_token(secret(), URL, foo=1),
    "from_environment": lambda: from_environment(URL, "key", secret(), "token"),
    "Channel": lambda: lk.Channel(URL, lk.ApiKeyCredentials("key", secret()), retry=5),
    "Channel, URL": lambda: lk.Channel(f"https://k:{secret()}@h", lk.ApiKeyCredentials("k", "s")),
    "Channel, credentials": lambda: lk.Channel(URL, secret()),
    "ApiKeyCredentials": lambda: lk.ApiKeyCredentials("key", secret(), ttl=timedelta(0)),
    "ApiKeyCredentials, type": lambda: lk.ApiKeyCredentials("key", secret(), ttl=60),
    "ApiKeyCredentials, option": lambda: lk.ApiKeyCredentials("key", secret(), foo=1),
    "ApiKeyCredentials.token": lambda: lk.ApiKeyCredentials("key", secret()).token(NO_CLAIMS),
    "TokenCredentials": lambda: lk.TokenCredentials(f"Bearer {secret()}"),
    "AccessToken": lambda: lk.AccessToken("", secret()),
    "AccessToken, option": lambda: lk.AccessToken("key", secret(), ttl=60),
    "AccessToken.to_jwt": lambda: (
        lk.AccessToken(*pair()).with_grants(lk.VideoGrants(room=object())).to_jwt()
    ),
    "TokenVerifier": lambda: lk.TokenVerifier("", secret()),
    "TokenVerifier.verify": lambda: lk.TokenVerifier(*pair()).verify(token("key", "x" * 8)),
    "TokenVerifier.verify, malformed": lambda: lk.TokenVerifier(*pair()).verify(secret()),
    "TokenVerifier.verify, expired": lambda: lk.TokenVerifier(*pair()).verify(
        lk.AccessToken(*pair()).with_ttl(timedelta(days=-1)).to_jwt()
    ),
    "meta_webhook": lambda: meta_webhook("nonsense", secret()),
    "twilio_webhook": lambda: twilio_webhook(secret(), form=5),
    "livekit_webhook": lambda: livekit_webhook("e", "key", secret(), fields={"a": object()}),
    "dial_whatsapp_call": lambda: lk.ConnectorClient(URL, *pair()).dial_whatsapp_call(
        whatsapp_api_key=secret()
    ),
    "DialWhatsAppCall.with_call": lambda: lk.ConnectorStub(
        lk.Channel(URL, lk.ApiKeyCredentials(*pair()))
    ).DialWhatsAppCall.with_call({"whatsapp_api_key": secret(), "nonsense": 1}),
    "DialWhatsAppCall": lambda: lk.ConnectorStub(
        lk.Channel(URL, lk.ApiKeyCredentials(*pair()))
    ).DialWhatsAppCall({"whatsapp_api_key": secret(), "nonsense": 1}),
}


def pair() -> tuple[str, str]:
    return "key", secret()


class CollectingTransport(Transport):
    """Keeps what Sentry would send."""

    sent: list[str] = []  # noqa: RUF012

    def capture_envelope(self, envelope: Any) -> None:
        self.sent.append(envelope.serialize().decode())


class CollectingHandler(AdminEmailHandler):
    """Keeps what Django would mail to its admins."""

    sent: list[str] = []  # noqa: RUF012

    def send_mail(self, subject: str, message: str, *args: object, **kwargs: object) -> None:
        self.sent.append(f"{subject}\n{message}\n{kwargs['html_message']}")


def reports_of(scene: Callable[[], object]) -> dict[str, str]:
    """Return what each reporter sends about a scene's exception."""
    try:
        scene()
    except Exception:
        CollectingTransport.sent.clear()
        sentry_sdk.capture_exception()
        with io.StringIO() as file:
            console = rich.console.Console(file=file, width=500)
            console.print_exception(show_locals=True, width=500)
            shown_by_rich = file.getvalue()
        CollectingHandler.sent.clear()
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", None, sys.exc_info())
        CollectingHandler(include_html=True).emit(record)
        exc_type, exc, trace = sys.exc_info()
        assert exc_type is not None
        assert exc is not None
        frames = traceback.TracebackException(exc_type, exc, trace, capture_locals=True)
        return {
            "Sentry": "".join(CollectingTransport.sent),
            "rich": shown_by_rich,
            "Django": "".join(CollectingHandler.sent),
            "traceback": "".join(frames.format()),
        }
    raise AssertionError("the scene raised nothing")


if __name__ == "__main__":
    settings.configure(ADMINS=[("Ann", "ann@example.org")], SECRET_KEY="of-django")
    django.setup()
    sentry_sdk.init("http://key@127.0.0.1:9/1", transport=CollectingTransport)
    json.dump({name: reports_of(scene) for name, scene in SCENES.items()}, sys.stdout)
