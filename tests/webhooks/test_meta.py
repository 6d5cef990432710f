"""Meta's webhooks: the signature, the handshake, and every form of event that Meta sends."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from livekit_connector_sync import SessionDescription
from livekit_connector_sync.testing import meta_webhook
from livekit_connector_sync.webhooks import Reason, WebhookError, meta

SECRET = "5ba1d6b2"


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def receive(name: str, **options: Any) -> meta.Event:
    webhook = meta_webhook(name, SECRET, **options)
    (event,) = meta.receive(webhook.body, webhook.headers["X-Hub-Signature-256"], SECRET)
    return event


def events(value: object, field: str = "calls") -> list[meta.Event]:
    changes = [{"field": field, "value": value}]
    return meta.parse(json.dumps({"entry": [{"id": "WABA", "changes": changes}]}).encode())


# -- the signature -------------------------------------------------------------------------------


def test_verify_a_published_example() -> None:
    # The header is part of WebSub. GitHub uses it too and publishes this example:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    meta.verify(b"Hello, World!", signature, "It's a Secret to Everybody")


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, Reason.MISSING_SIGNATURE),
        ("", Reason.MISSING_SIGNATURE),
        ("sha256=", Reason.MALFORMED_SIGNATURE),
        ("sha1=" + "0" * 40, Reason.MALFORMED_SIGNATURE),
        ("sha256=" + "é" * 64, Reason.MALFORMED_SIGNATURE),
        (signed(b"{}") + "0", Reason.MALFORMED_SIGNATURE),
        ("sha256=" + "0" * 64, Reason.WRONG_SIGNATURE),
        (signed(b"{}")[:-1] + "x", Reason.MALFORMED_SIGNATURE),
        (signed(b"{}", "verify token"), Reason.WRONG_SIGNATURE),
        (signed(b"{ }"), Reason.WRONG_SIGNATURE),
    ],
)
def test_a_wrong_signature_is_rejected(signature: str, reason: Reason) -> None:
    with pytest.raises(WebhookError) as caught:
        meta.receive(b"{}", signature, SECRET)
    assert caught.value.reason is reason
    assert isinstance(caught.value, ValueError)
    assert SECRET not in str(caught.value)


def test_verify_a_signature_in_upper_case() -> None:
    meta.verify(b"{}", "sha256=" + signed(b"{}").removeprefix("sha256=").upper(), SECRET)


def test_every_digit_of_a_signature_counts() -> None:
    right = signed(b"{}")
    for position in range(len("sha256="), len(right)):
        digit = "0" if right[position] != "0" else "1"
        with pytest.raises(WebhookError) as caught:
            meta.verify(b"{}", right[:position] + digit + right[position + 1 :], SECRET)
        assert caught.value.reason is Reason.WRONG_SIGNATURE


def test_an_empty_secret_raises_value_error() -> None:
    with pytest.raises(ValueError, match="app_secret"):
        meta.verify(b"{}", signed(b"{}", ""), "")


def test_the_handshake_returns_the_challenge() -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "ours"}
    assert meta.handshake(query, "ours") == "1158201444"
    for wrong in ({"hub.verify_token": "theirs"}, {"hub.verify_token": ""}):
        with pytest.raises(WebhookError) as caught:
            meta.handshake({**query, **wrong}, "ours")
        assert caught.value.reason is Reason.WRONG_TOKEN
    for missing in ("hub.mode", "hub.challenge"):
        with pytest.raises(WebhookError):
            meta.handshake({k: v for k, v in query.items() if k != missing}, "ours")


# -- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize("omit_direction", [False, True])
@pytest.mark.parametrize(("direction", "kind"), [("inbound", "offer"), ("outbound", "answer")])
def test_connect_holds_the_session_description(
    direction: str, kind: str, omit_direction: bool
) -> None:
    sdp = SessionDescription(type=kind, sdp="v=0\r\n")
    event = receive("connect", direction=direction, sdp=sdp, omit_direction=omit_direction)
    assert isinstance(event, meta.CallConnect)
    assert event.direction == direction
    assert event.sdp == sdp
    assert event.whatsapp_call_id == "wacid.TEST"
    assert event.phone_number_id == "106540352242922"
    user = event.from_number if direction == "inbound" else event.to_number
    assert user == "15551234567"
    assert event.contact_name == ("Alex Doe" if direction == "inbound" else "")
    assert event.raw["session"]["sdp"] == "v=0\r\n"
    assert event.value["metadata"]["phone_number_id"] == event.phone_number_id


def test_an_event_is_frozen_and_its_repr_shows_no_personal_data() -> None:
    event = receive("connect", user_name="Ada", user_number="15550001")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.account_id = "other"  # type: ignore[misc]
    assert not {"Ada", "15550001", "v=0"} & set(repr(event).replace("'", " ").split())
    assert "15550001" not in repr(event)
    assert "wacid.TEST" in repr(event)


@pytest.mark.parametrize("status_as_list", [False, True])
def test_terminate_of_a_call_that_was_picked_up(status_as_list: bool) -> None:
    event = receive(
        "terminate", timestamp=1_700_000_060, status_as_list=status_as_list, callback_data="order-7"
    )
    assert isinstance(event, meta.CallTerminate)
    assert event.status == "COMPLETED"
    assert event.timestamp == datetime.fromtimestamp(1_700_000_060, timezone.utc)
    assert (event.start_time, event.end_time) == (
        datetime.fromtimestamp(1_700_000_000, timezone.utc),
        event.timestamp,
    )
    assert event.duration == 60
    assert event.callback_data == "order-7"
    assert event.direction is meta.Direction.INBOUND


def test_terminate_of_a_call_that_was_not_picked_up() -> None:
    event = receive("terminate", picked_up=False)
    assert isinstance(event, meta.CallTerminate)
    assert (event.status, event.duration, event.start_time) == ("FAILED", None, None)


def test_errors_come_from_the_call_or_else_from_the_value() -> None:
    error = {"code": 138021, "title": "Relay", "error_data": {"details": "no media"}}
    call = {"id": "wacid.1", "event": "terminate", "status": "Failed"}
    for value in (
        {"calls": [{**call, "errors": [error]}], "errors": [{"code": 1}]},
        {"calls": [call], "errors": [error]},
    ):
        (event,) = events(value)
        assert isinstance(event, meta.CallTerminate)
        assert [(e.code, e.title, e.message, e.details) for e in event.errors] == [
            (138021, "Relay", "", "no media")
        ]
        assert event.errors[0].raw == error
        assert event.status == "FAILED"


@pytest.mark.parametrize("name", ["ringing", "accepted", "rejected"])
def test_statuses(name: str) -> None:
    event = receive(name, callback_data="order-7")
    if name == "rejected":  # REJECTED is followed by terminate
        assert event.key == "wacid.TEST:status:REJECTED"
    assert isinstance(event, meta.CallStatus)
    assert (event.status, event.recipient) == (name.upper(), "15551234567")
    assert event.callback_data == "order-7"


def test_a_post_with_several_entries_changes_and_calls() -> None:
    call = {"event": "terminate"}
    body = {
        "entry": [
            {
                "id": str(entry),
                "changes": [
                    {"field": "calls", "value": {"calls": [{**call, "id": f"{entry}.{n}"}, "?"]}}
                    for n in (1, 2)
                ],
            }
            for entry in (1, 2)
        ]
    }
    found = meta.parse(json.dumps(body).encode())
    assert [(e.account_id, e.whatsapp_call_id) for e in found] == [  # type: ignore[union-attr]
        ("1", "1.1"),
        ("1", "1.2"),
        ("2", "2.1"),
        ("2", "2.2"),
    ]


def test_parse_timestamps_in_text_and_numbers() -> None:
    for timestamp in ("1700000000", 1_700_000_000, 1_700_000_000.0):
        (event,) = events({"calls": [{"id": "1", "event": "terminate", "timestamp": timestamp}]})
        assert isinstance(event, meta.CallTerminate)
        assert event.age(1_700_000_030) == 30
        assert event.age(1_600_000_000) == 0  # this machine's clock is behind
    for timestamp in (None, "", "soon", 1e300, "9" * 400, 253_402_300_800, 0, -1, True, [], {}):
        (event,) = events({"calls": [{"id": "1", "event": "terminate", "timestamp": timestamp}]})
        assert isinstance(event, meta.CallTerminate)
        assert event.timestamp is None
        assert event.age() == 0


def test_a_number_outside_of_64_bits_is_none() -> None:
    for number in (float("nan"), float("inf"), 2**63, -(2**63) - 1):
        (event,) = events({"calls": [{"id": "1", "event": "terminate", "duration": number}]})
        assert isinstance(event, meta.CallTerminate)
        assert event.duration is None


def test_the_contact_name_is_the_callers() -> None:
    session = {"sdp_type": "offer", "sdp": "v=0"}
    call = {"id": "1", "event": "connect", "from": "2", "session": session}
    contacts = [{"wa_id": number, "profile": {"name": f"user {number}"}} for number in "12"]
    (event,) = events({"calls": [call], "contacts": contacts})
    assert isinstance(event, meta.CallConnect)
    assert event.contact_name == "user 2"


def test_a_status_without_a_call_becomes_an_other_update() -> None:
    (event,) = events({"statuses": [{"status": "RINGING"}]})
    assert isinstance(event, meta.OtherUpdate)


def test_read_the_sdp_under_connection_if_the_session_is_missing() -> None:
    call = {
        "id": "wacid.1",
        "event": "connect",
        "direction": "BUSINESS_INITIATED",
        "connection": {"webrtc": {"sdp": "v=0"}},
    }
    (event,) = events({"calls": [call]})
    assert isinstance(event, meta.CallConnect)
    assert event.sdp == SessionDescription(type="answer", sdp="v=0")


@pytest.mark.parametrize(
    "call",
    [
        {"event": "connect", "session": {"sdp_type": "offer", "sdp": "v=0"}},
        {"id": "1", "event": "connect"},
        {"id": "1", "event": "connect", "session": {"sdp": "v=0"}},
        {"id": "1", "event": "connect", "direction": "SIDEWAYS", "session": {"sdp": "v=0"}},
        {"id": "1", "event": "transfer"},
        {},
    ],
)
def test_an_incomplete_call_becomes_an_other_update(call: dict[str, Any]) -> None:
    (event,) = events({"calls": [call], "metadata": {"phone_number_id": 17}})
    assert isinstance(event, meta.OtherUpdate)
    assert event.raw == call
    assert event.phone_number_id == "17"


def test_another_field_becomes_an_other_update() -> None:
    value = {"messages": [{"id": "wamid.1"}], "errors": [{"code": "131000", "title": "Oops"}]}
    (event,) = events(value, "messages")
    assert isinstance(event, meta.OtherUpdate)
    assert (event.field_name, event.value) == ("messages", value)
    assert [error.code for error in event.errors] == [131000]
    (other,) = events({"messages": [{"id": "wamid.2"}]}, "messages")
    assert event.key != other.key


def test_all_deliveries_of_an_event_have_the_same_key() -> None:
    names = ["connect", "terminate", "ringing", "accepted", "rejected"]
    keys = {receive(name).key for name in names}
    assert len(keys) == len(names)
    assert keys == {receive(name).key for name in names}
    assert receive("connect", whatsapp_call_id="wacid.OTHER").key not in keys


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000])
def test_a_signed_body_that_is_not_a_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(WebhookError) as caught:
        meta.receive(body, signed(body), SECRET)
    assert caught.value.reason is Reason.MALFORMED_BODY
