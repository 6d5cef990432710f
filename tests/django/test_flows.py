"""Whole calls over HTTP: the emulator plays LiveKit, Meta, and Twilio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import AsyncClient
from helpers.django_site import OPTIONS

from livekit_connector_sync import (
    ConnectorClient,
    ConnectTwilioCallRequest,
    FailedPrecondition,
    NotFound,
    UnaryUnaryClientInterceptor,
)
from livekit_connector_sync.contrib.django import get_client, get_settings, signals
from livekit_connector_sync.contrib.django.views import TwilioVoiceView
from livekit_connector_sync.emulator import (
    Callee,
    ConnectorEmulator,
    LiveKitWebhooks,
    MetaWebhooks,
    State,
    TwilioWebhooks,
)
from livekit_connector_sync.testing import meta_webhook

Use = Callable[..., None]
DIAL = {
    "whatsapp_phone_number_id": "106540352242922",
    "whatsapp_to_phone_number": "15551230000",
    "whatsapp_api_key": "graph-token",
    "whatsapp_cloud_api_version": "23.0",
}


def accept(event: Any, alias: str, **_: Any) -> None:
    """Accept an inbound call, as a task does."""
    settings = get_settings(alias)
    get_client(alias).accept_whatsapp_call(
        whatsapp_phone_number_id=event.phone_number_id,
        whatsapp_api_key=settings.whatsapp_api_key,
        whatsapp_cloud_api_version=settings.whatsapp_cloud_api_version,
        whatsapp_call_id=event.whatsapp_call_id,
        sdp=event.sdp,
        room_name="support",
    )


def connect(event: Any, alias: str, **_: Any) -> None:
    """Connect an outbound call with its SDP answer, as a task does."""
    get_client(alias).connect_whatsapp_call(whatsapp_call_id=event.whatsapp_call_id, sdp=event.sdp)


def release(event: Any, alias: str, **_: Any) -> None:
    """Disconnect an ended call, as a task does."""
    with contextlib.suppress(NotFound, FailedPrecondition):  # we hung up ourselves
        get_client(alias).disconnect_whatsapp_call(
            whatsapp_call_id=event.whatsapp_call_id, disconnect_reason="USER_INITIATED"
        )


def outcomes(emulator: ConnectorEmulator) -> list[tuple[str, str]]:
    return [(request.method.rpartition("/")[2], request.outcome) for request in emulator.requests]


def statuses(emulator: ConnectorEmulator) -> set[tuple[str, ...]]:
    assert emulator.wait_for_webhooks()
    return {webhook.results for webhook in emulator.webhooks}


def test_a_inbound_call_delivered_twice(site: str, use: Use, connected: Any, received: Any) -> None:
    meta = MetaWebhooks(f"{site}/webhooks/meta", duplicates=1)
    livekit = LiveKitWebhooks(f"{site}/webhooks/livekit", duplicates=1)
    with ConnectorEmulator(meta=meta, livekit=livekit) as emulator:
        use(emulator)
        connected(signals.whatsapp_call_offered, accept)
        connected(signals.whatsapp_call_ended, release)
        assert emulator.verify_meta_webhook()
        call = emulator.inbound_call()
        assert emulator.wait_for_webhooks()
        assert call.state is State.ACTIVE
        assert call.room_name == "support"
        emulator.hang_up(call)
        assert statuses(emulator) == {("200", "200")}
        assert outcomes(emulator) == [
            ("AcceptWhatsAppCall", "ok"),
            ("DisconnectWhatsAppCall", "ok"),
        ]
    events = [values["event"].event for values in received.of("livekit_event", 4)]
    assert sorted(events) == [
        "participant_joined",
        "participant_left",
        "room_finished",
        "room_started",
    ]


def test_b_the_webhook_arrives_before_the_response_to_the_dial(
    site: str, use: Use, connected: Any, received: Any
) -> None:
    """The webhook with the SDP answer is handled before the dial returns."""

    class Late(UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            result = continuation(details, request)
            received.of("whatsapp_call_answered")
            return result

    meta = MetaWebhooks(f"{site}/webhooks/meta")
    with ConnectorEmulator(meta=meta, numbers={"15551230000": Callee.ANSWER}) as emulator:
        use(emulator)
        connected(signals.whatsapp_call_answered, connect)
        with ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, interceptors=[Late()]
        ) as client:
            dialled = client.dial_whatsapp_call(**DIAL, whatsapp_biz_opaque_callback_data="order-7")
        assert emulator.wait_for_webhooks()
        (call,) = emulator.calls
        assert call.whatsapp_call_id == dialled.whatsapp_call_id
        assert call.state is State.ACTIVE
        assert statuses(emulator) == {("200",)}
    seen = [values["event"].status for values in received.of("whatsapp_call_status", 2)]
    assert seen == ["RINGING", "ACCEPTED"]  # for the record only: connected in between
    assert received.of("whatsapp_call_answered")[0]["event"].callback_data == "order-7"


def test_c_the_end_that_follows_our_own_disconnect(
    site: str, use: Use, connected: Any, received: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(f"{site}/webhooks/meta")) as emulator:
        use(emulator)
        connected(signals.whatsapp_call_offered, accept)
        connected(signals.whatsapp_call_ended, release)
        call = emulator.inbound_call()
        assert emulator.wait_for_webhooks()
        get_client().disconnect_whatsapp_call(
            whatsapp_call_id=call.whatsapp_call_id, whatsapp_api_key="graph-token"
        )
        assert statuses(emulator) == {("200",)}
        received.of("whatsapp_call_ended")
        assert outcomes(emulator)[1:] == [
            ("DisconnectWhatsAppCall", "ok"),
            ("DisconnectWhatsAppCall", "not_found"),
        ]
    assert "Error" not in caplog.text


def test_d_a_twilio_call_is_connected(site: str, use: Use, received: Any) -> None:
    twilio = TwilioWebhooks(f"{site}/webhooks/twilio/voice?tenant=1&x=%2B")
    with ConnectorEmulator(twilio=twilio) as emulator:
        use(emulator, AGENTS=["receptionist"])
        reply = emulator.twilio_call(from_phone_number="+15557654321")
        (call,) = emulator.calls
        stream = ElementTree.fromstring(reply.body).find("./Connect/Stream")
        assert stream is not None
        assert stream.get("url") == call.connect_url
        (request,) = emulator.requests
        assert request.request == ConnectTwilioCallRequest(
            twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND",
            room_name=f"call-{reply.call_sid}",
            participant_identity=reply.call_sid,
            participant_name="+15557654321",
            agents=[{"agent_name": "receptionist"}],  # type: ignore[list-item]
        )
        emulator.answer(call)
        assert call.state is State.ACTIVE
    ((_, values),) = received.all
    assert values["event"].from_number == "+15557654321"


def test_d_twilio_while_livekit_is_down(site: str, use: Use) -> None:
    with ConnectorEmulator(twilio=TwilioWebhooks(f"{site}/webhooks/twilio/voice")) as emulator:
        use(emulator)
        emulator.drop_region(0)
        reply = emulator.twilio_call()
        assert (reply.status, "<Say>We are sorry" in reply.body) == (200, True)


def test_d_twilio_while_livekit_is_silent(
    site: str, use: Use, configure: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwilioVoiceView, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configure(LIVEKIT_CONNECTOR={**OPTIONS, "URL": url, "TIMEOUT": 60})
        with ConnectorEmulator(twilio=TwilioWebhooks(f"{site}/webhooks/twilio/voice")) as emulator:
            started = time.monotonic()
            reply = emulator.twilio_call()
        assert time.monotonic() - started < 3
        assert (reply.status, "<Say>We are sorry" in reply.body) == (200, True)


def test_concurrent_deliveries_are_one_event(site: str, received: Any) -> None:
    import requests

    webhook = meta_webhook("connect", OPTIONS["META_APP_SECRET"])
    barrier = threading.Barrier(8)
    answers: list[int] = []

    def deliver() -> None:
        barrier.wait()
        with requests.post(
            f"{site}/webhooks/meta", webhook.body, headers=webhook.headers, timeout=10
        ) as answer:
            answers.append(answer.status_code)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert received.names == ["whatsapp_call_offered"]


def test_the_views_and_a_users_async_view_under_asgi(use: Use, received: Any) -> None:
    async def run(emulator: ConnectorEmulator) -> None:
        client = AsyncClient()
        webhook = meta_webhook("connect", OPTIONS["META_APP_SECRET"])
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        answer = await client.generic(
            "POST",
            "/webhooks/meta",
            webhook.body,
            content_type=webhook.content_type,
            **{"X-Hub-Signature-256": headers["x-hub-signature-256"]},
        )
        assert answer.status_code == 200
        dialled = await asyncio.gather(
            *(client.get("/dial", {"to": f"1555000{n}"}) for n in range(3))
        )
        assert sorted(answer.content.decode() for answer in dialled) == sorted(
            call.whatsapp_call_id for call in emulator.calls
        )

    with ConnectorEmulator() as emulator:
        use(emulator)
        asyncio.run(run(emulator))
    assert received.names == ["whatsapp_call_offered"]
