"""The optional call log: one row per call, with webhooks in any order, and its admin."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from helpers.django_site import OPTIONS

from livekit_connector_sync import Unavailable
from livekit_connector_sync.contrib.django.calllog.models import CallRecord
from livekit_connector_sync.contrib.django.views import (
    MetaWebhookView,
    TwilioStatusView,
    TwilioVoiceView,
)
from livekit_connector_sync.testing import meta_webhook, twilio_webhook
from livekit_connector_sync.webhooks import meta, twilio

pytestmark = pytest.mark.usefixtures("database")


def event(name: str, **options: Any) -> meta.Event:
    webhook = meta_webhook(name, "x", direction="outbound", callback_data="order-7", **options)
    return meta.parse(webhook.body)[0]


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["ringing", "connect", "accepted", "terminate"]))
)
def test_webhooks_in_any_order_give_the_same_row(order: tuple[str, ...]) -> None:
    for name in order:
        MetaWebhookView().send(event(name, timestamp=1_700_000_060), "default")
    (record,) = CallRecord.objects.all()
    assert (record.provider, record.call_id) == ("whatsapp", "wacid.TEST")
    assert (record.status, record.duration) == ("COMPLETED", 60)
    assert record.ended_at
    assert (record.direction, record.to_number) == ("outbound", "15551234567")
    assert (record.callback_data, record.alias) == ("order-7", "default")
    assert record.started_at
    assert record.started_at.timestamp() == 1_700_000_000  # as in the terminate webhook


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["ringing", "rejected", "terminate"]))
)
def test_a_call_that_was_declined_in_any_order(order: tuple[str, ...]) -> None:
    for name in order:
        MetaWebhookView().send(event(name, picked_up=False), "default")
    (record,) = CallRecord.objects.all()
    assert record.status == "REJECTED"
    assert record.ended_at


def test_the_pickup_is_the_start() -> None:
    for name, timestamp in (("connect", 1_700_000_000), ("ringing", 1_700_000_010)):
        MetaWebhookView().send(event(name, timestamp=timestamp), "default")
    assert CallRecord.objects.get().started_at is None
    MetaWebhookView().send(event("accepted", timestamp=1_700_000_020), "default")
    record = CallRecord.objects.get()
    assert record.status == "ACCEPTED"
    assert record.started_at
    assert record.started_at.timestamp() == 1_700_000_020


def test_guarantee_8_a_call_whose_terminate_overtakes_its_connect_has_ended() -> None:
    client = Client()
    for name in ("terminate", "connect"):
        webhook = meta_webhook(name, OPTIONS["META_APP_SECRET"], picked_up=False)
        client.post(
            "/webhooks/meta",
            webhook.body,
            content_type=webhook.content_type,
            **webhook.wsgi_environ,
        )
    record = CallRecord.objects.get()
    assert record.ended_at
    assert (record.direction, record.from_number) == ("inbound", "15551234567")


def test_two_callers_without_numbers_can_be_found() -> None:
    users = {"US.1349": "ann.example", "US.2720": "ben.example"}
    contacts = [
        {"user_id": user_id, "profile": {"name": "A name", "username": username}}
        for user_id, username in users.items()
    ]
    calls = [
        {"id": f"wacid.{user_id}", "event": "terminate", "from_user_id": user_id}
        for user_id in users
    ]
    value = {"metadata": {"phone_number_id": "1"}, "contacts": contacts, "calls": calls}
    body = json.dumps({"entry": [{"changes": [{"field": "calls", "value": value}]}]})
    for each in meta.parse(body):
        MetaWebhookView().send(each, "default")
    assert dict(CallRecord.objects.values_list("user_id", "username")) == users
    client = superuser()
    for query in ("ann.example", "US.1349"):
        url = "/admin/livekit_connector_calllog/callrecord/"
        page = client.get(url, {"q": query}).content.decode()
        assert "wacid.US.1349" in page
        assert "ann.example" in page
        assert "wacid.US.2720" not in page


def test_a_twilio_call() -> None:
    call = twilio.parse("", twilio_webhook("x").body)
    TwilioVoiceView().send(call, "default", error=Unavailable("no line"))
    (record,) = CallRecord.objects.all()
    assert (record.status, record.error) == ("in-progress", "unavailable: no line")
    form = {"CallStatus": "completed", "CallDuration": "42"}
    TwilioStatusView().send(twilio.parse("", twilio_webhook("x", form=form).body), "default")
    (record,) = CallRecord.objects.all()
    assert (record.status, record.duration, record.direction) == ("completed", 42, "inbound")
    assert record.ended_at


def test_a_status_that_comes_after_the_end_is_history() -> None:
    for status in ("completed", "ringing"):
        form = {"CallStatus": status, "CallDuration": "7"}
        TwilioStatusView().send(twilio.parse("", twilio_webhook("x", form=form).body), "default")
    TwilioVoiceView().send(twilio.parse("", twilio_webhook("x").body), "default", error=None)
    (record,) = CallRecord.objects.all()
    assert (record.status, record.duration) == ("completed", 7)


def test_without_time_zones(configure: Callable[..., None]) -> None:
    configure(USE_TZ=False)
    assert MetaWebhookView().send(event("terminate", timestamp=1_700_000_060), "default") == []
    form = {"CallStatus": "completed"}
    call = twilio.parse("", twilio_webhook("x", form=form).body)
    assert TwilioStatusView().send(call, "default") == []
    assert all(record.ended_at for record in CallRecord.objects.all())
    assert CallRecord.objects.count() == 2


def superuser() -> Client:
    get_user_model().objects.create_superuser("root", "root@example.com", "password")
    client = Client()
    client.login(username="root", password="password")
    return client


def test_the_admin_is_read_only() -> None:
    CallRecord.objects.note("whatsapp", "wacid.SHOWN", from_number="15550001")
    client = superuser()
    page = client.get("/admin/livekit_connector_calllog/callrecord/")
    assert "wacid.SHOWN" in page.content.decode()
    assert client.get("/admin/livekit_connector_calllog/callrecord/add/").status_code == 403


def test_the_migrations_are_those_of_the_models() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
