"""The ways to make one call. Each makes the same request and returns the same response.

A contender prepares imports, sessions, and event loops, and returns a function that makes one
complete call: message to bytes, token, HTTP, bytes to message. With "pre-built bytes", the message
and the token are created once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

__all__ = [
    "API_KEY",
    "API_SECRET",
    "BASE",
    "CONTENDERS",
    "FIELDS",
    "RESPONSE",
    "Contender",
    "Target",
    "naive",
    "prebuilt",
]

API_KEY, API_SECRET = "devkey", "a secret of the length that HS256 wants"
PATH = "/twirp/livekit.Connector/DialWhatsAppCall"
FIELDS: dict[str, Any] = {
    "whatsapp_phone_number_id": "123456789012345",
    "whatsapp_to_phone_number": "15551234567",
    "whatsapp_api_key": "EAAG-not-a-real-key",
    "whatsapp_cloud_api_version": "23.0",
}
CALL_ID, ROOM = b"wacid.HBgLMTU1NTEyMzQ1NjcVAgARGBI", b"wa-call-15551234567"
# A DialWhatsAppCallResponse, written out so that no contender needs another's messages.
RESPONSE = b"\x0a" + bytes([len(CALL_ID)]) + CALL_ID + b"\x12" + bytes([len(ROOM)]) + ROOM


@dataclass(frozen=True)
class Target:
    """Where to call, and the CA bundle to trust.

    The bundle is in the environment as well, as REQUESTS_CA_BUNDLE and SSL_CERT_FILE.
    """

    url: str
    ca_bundle: Optional[str]


Make = Callable[[Target], Callable[[], Any]]


@dataclass(frozen=True)
class Contender:
    name: str
    label: str
    make: Make

    @property
    def plain_label(self) -> str:
        """The label without Markdown."""
        return self.label.replace("*", "").replace("`", "")


def _urllib3_pool(target: Target) -> Callable[[], bytes]:
    import urllib3

    options: dict[str, Any] = {"ca_certs": target.ca_bundle} if target.ca_bundle else {}
    pool = urllib3.connection_from_url(target.url, **options)
    body, headers = prebuilt()

    def call() -> bytes:
        data: bytes = pool.urlopen("POST", PATH, body=body, headers=headers, retries=False).data
        return data

    return call


def _http_client(target: Target) -> Callable[[], bytes]:
    import http.client
    import ssl

    parts = urlsplit(target.url)
    host, port = str(parts.hostname), parts.port
    body, headers = prebuilt()
    connection = http.client.HTTPConnection(host, port)
    if target.ca_bundle:
        context = ssl.create_default_context(cafile=target.ca_bundle)
        connection = http.client.HTTPSConnection(host, port, context=context)

    def call() -> bytes:
        connection.request("POST", PATH, body, headers)
        return connection.getresponse().read()

    return call


def _ours(target: Target) -> Callable[[], Any]:
    import livekit_connector_sync as lk

    client = lk.ConnectorClient(target.url, API_KEY, API_SECRET)
    return lambda: client.dial_whatsapp_call(lk.DialWhatsAppCallRequest(**FIELDS))


def _ours_with_keywords(target: Target) -> Callable[[], Any]:
    import livekit_connector_sync as lk

    client = lk.ConnectorClient(target.url, API_KEY, API_SECRET)
    return lambda: client.dial_whatsapp_call(**FIELDS)


def _ours_on_a_users_session(target: Target) -> Callable[[], Any]:
    import requests

    import livekit_connector_sync as lk

    client = lk.ConnectorClient(target.url, API_KEY, API_SECRET, session=requests.Session())
    return lambda: client.dial_whatsapp_call(lk.DialWhatsAppCallRequest(**FIELDS))


def _session_post(target: Target) -> Callable[[], bytes]:
    import requests

    session = requests.Session()
    body, headers = prebuilt()
    return lambda: session.post(target.url + PATH, data=body, headers=headers, timeout=10).content


def naive(target: Target) -> Callable[[], Any]:
    import requests
    from livekit.protocol.connector_whatsapp import (
        DialWhatsAppCallRequest,
        DialWhatsAppCallResponse,
    )

    session = requests.Session()

    def call() -> Any:
        response = session.post(
            target.url + PATH,
            data=DialWhatsAppCallRequest(**FIELDS).SerializeToString(),
            headers=_headers(),
            timeout=10,
        )
        response.raise_for_status()
        return DialWhatsAppCallResponse.FromString(response.content)

    return call


def _livekit_api(target: Target) -> Callable[[], Any]:
    """Return a coroutine function that opens an API object, makes one call, and closes it."""
    from livekit import api

    async def once() -> Any:
        async with api.LiveKitAPI(target.url, API_KEY, API_SECRET) as client:
            return await client.connector.dial_whatsapp_call(api.DialWhatsAppCallRequest(**FIELDS))

    return once


def _asyncio_run(target: Target) -> Callable[[], Any]:
    import asyncio

    once = _livekit_api(target)
    return lambda: asyncio.run(once())


def _async_to_sync(target: Target) -> Callable[[], Any]:
    from asgiref.sync import async_to_sync

    return async_to_sync(_livekit_api(target))


def _background_loop(target: Target, **credentials: Any) -> Callable[[], Any]:
    import asyncio
    import threading

    from livekit import api

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def opened() -> Any:
        return api.LiveKitAPI(target.url, **credentials)

    client = asyncio.run_coroutine_threadsafe(opened(), loop).result()

    def call() -> Any:
        request = api.DialWhatsAppCallRequest(**FIELDS)
        return asyncio.run_coroutine_threadsafe(
            client.connector.dial_whatsapp_call(request), loop
        ).result()

    return call


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {_token()}", "Content-Type": "application/protobuf"}


def _token() -> str:
    import jwt

    now = int(time.time())
    claims = {"iss": API_KEY, "nbf": now, "exp": now + 600, "video": {"roomCreate": True}}
    return jwt.encode(claims, API_SECRET, algorithm="HS256")


def prebuilt() -> tuple[bytes, dict[str, str]]:
    from livekit_connector_sync import DialWhatsAppCallRequest

    return DialWhatsAppCallRequest(**FIELDS).SerializeToString(), _headers()


BASE = "urllib3"
CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("http_client", "`http.client`, pre-built bytes", _http_client),
        Contender(BASE, "bare urllib3 pool, pre-built bytes", _urllib3_pool),
        Contender("ours", "**ours, its own session**", _ours),
        Contender("ours_keywords", "ours, its own session, keywords", _ours_with_keywords),
        Contender("ours_session", "**ours, a user's session**", _ours_on_a_users_session),
        Contender("session_post", "`Session.post`, pre-built bytes", _session_post),
        Contender("naive", "`Session.post`, a JWT per call, protobuf", naive),
        Contender(
            "background",
            "livekit-api, background event loop",
            lambda target: _background_loop(target, api_key=API_KEY, api_secret=API_SECRET),
        ),
        Contender(
            "background_token",
            "livekit-api, background event loop, pre-signed token",
            lambda target: _background_loop(target, token=_token()),
        ),
        Contender("asyncio_run", "livekit-api, `asyncio.run` per call", _asyncio_run),
        Contender("async_to_sync", "livekit-api, `async_to_sync` per call", _async_to_sync),
    )
}
