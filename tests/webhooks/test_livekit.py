"""LiveKit's webhooks, compared with the official SDK's receiver."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import datetime, timezone
from typing import Any, Optional

import pytest
from livekit import api as official
from livekit.protocol import models

from livekit_connector_sync._runtime.jws import sign
from livekit_connector_sync.testing import livekit_webhook
from livekit_connector_sync.webhooks import Reason, WebhookError, livekit

KEY, SECRET = "devkey", "a secret long enough for PyJWT to take"
KEYS = {KEY: SECRET, "other": "another secret"}
BODY = json.dumps({"event": "room_started", "id": "EV_1"}).encode()


def token(body: bytes = BODY, secret: str = SECRET, **claims: Any) -> str:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    now = int(time.time())
    return sign({"iss": KEY, "exp": now + 300, "nbf": now, "sha256": digest, **claims}, secret)


def test_parse_the_event_of_a_connector_participant() -> None:
    webhook = livekit_webhook(
        "participant_joined",
        KEY,
        SECRET,
        room={"sid": "RM_1", "name": "support", "numParticipants": 2, "creationTime": "1700000000"},
        participant={
            "sid": "PA_1",
            "identity": "caller",
            "name": "Ada",
            "state": "ACTIVE",
            "kind": "CONNECTOR",
            "kindDetails": ["CONNECTOR_WHATSAPP"],
            "joinedAt": "1700000001",
            "attributes": {"ticket": "4711"},
        },
        fields={"newInAnotherVersion": {"x": 1}},
        timestamp=1_700_000_002,
    )
    event = livekit.receive(webhook.body, webhook.headers["Authorization"], KEYS)
    assert (event.id, event.event, event.key) == ("EV_TEST", "participant_joined", "EV_TEST")
    assert event.created_at == datetime.fromtimestamp(1_700_000_002, timezone.utc)
    assert event.room
    assert (event.room.name, event.room.num_participants) == ("support", 2)
    assert event.room.creation_time == datetime.fromtimestamp(1_700_000_000, timezone.utc)
    participant = event.participant
    assert participant
    assert participant.is_connector
    assert participant.kind_details == ("CONNECTOR_WHATSAPP",)
    assert participant.attributes == {"ticket": "4711"}
    assert participant.joined_at == datetime.fromtimestamp(1_700_000_001, timezone.utc)
    assert event.raw["newInAnotherVersion"] == {"x": 1}
    assert "Ada" not in repr(event)


def test_parse_snake_case_field_names() -> None:
    event = livekit.parse(
        b'{"event": "participant_left", "created_at": 1700000000,'
        b' "participant": {"kind_details": ["FORWARDED", 9], "disconnect_reason": "ROOM_DELETED"}}'
    )
    assert event.created_at == datetime.fromtimestamp(1_700_000_000, timezone.utc)
    assert event.participant
    assert event.participant.kind == "STANDARD"
    assert event.participant.kind_details == ("FORWARDED", "9")
    assert event.participant.disconnect_reason == "ROOM_DELETED"
    assert event.room is None


def test_the_official_receiver_accepts_and_rejects_the_same() -> None:
    receiver = official.WebhookReceiver(official.TokenVerifier(KEY, SECRET))
    for authorization, body in (
        (token(), BODY),
        (token(), BODY + b" "),
        (token(secret="wrong"), BODY),
        (token(iss="other"), BODY),
        (token(exp=int(time.time()) - 600), BODY),
        (token(sha256="x"), BODY),
    ):
        try:
            theirs: Optional[str] = receiver.receive(body.decode(), authorization).id
        except Exception:  # the official receiver has no error class of its own
            theirs = None
        try:
            ours: Optional[str] = livekit.receive(body, authorization, {KEY: SECRET}).id
        except WebhookError:
            ours = None
        assert ours == theirs


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_verify_returns_the_key_that_signed(prefix: str) -> None:
    assert livekit.verify(BODY, prefix + token(), KEYS) == KEY
    other = token(secret="another secret", iss="other")
    assert livekit.verify(BODY, prefix + other, KEYS) == "other"


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, Reason.MISSING_SIGNATURE),
        ("", Reason.MISSING_SIGNATURE),
        ("Bearer ", Reason.MISSING_SIGNATURE),
        ("a.b.c", Reason.MALFORMED_SIGNATURE),
        ("é", Reason.MALFORMED_SIGNATURE),
        (base64.urlsafe_b64encode(b"[" * 50_000).decode() + ".e30.x", Reason.MALFORMED_SIGNATURE),
        (token(iss="nobody"), Reason.UNKNOWN_KEY),
        (token(iss="other"), Reason.WRONG_SIGNATURE),
        (token(secret="wrong"), Reason.WRONG_SIGNATURE),
        (token(BODY + b" "), Reason.WRONG_SIGNATURE),
        (token(sha256=None), Reason.WRONG_SIGNATURE),
        (token(sha256="é"), Reason.WRONG_SIGNATURE),
        (token(exp=int(time.time()) - 600), Reason.EXPIRED),
        (token(nbf=int(time.time()) + 600), Reason.EXPIRED),
        (token(exp=float("inf")), Reason.WRONG_SIGNATURE),
    ],
)
def test_a_wrong_token_is_rejected(authorization: str, reason: Reason) -> None:
    with pytest.raises(WebhookError) as caught:
        livekit.receive(BODY, authorization, KEYS)
    assert caught.value.reason is reason


def test_a_token_without_a_signature_is_rejected() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"iss": KEY, "exp": 2**31}).encode()).decode()
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode()
    with pytest.raises(WebhookError) as caught:
        livekit.verify(BODY, f"{header.rstrip('=')}.{claims.rstrip('=')}.", KEYS)
    assert caught.value.reason is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize("keys", [{}, {KEY: ""}])
def test_an_empty_secret_raises_value_error(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="keys"):
        livekit.verify(BODY, token(), keys)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event": 3.5}'])
def test_a_signed_body_that_is_not_an_event_is_malformed(body: bytes) -> None:
    with pytest.raises(WebhookError) as caught:
        livekit.receive(body, token(body), KEYS)
    assert caught.value.reason is Reason.MALFORMED_BODY


def test_the_issuer_is_the_key_for_any_subject() -> None:
    assert livekit.verify(BODY, token(sub="other"), KEYS) == KEY


def test_enum_numbers_read_as_names() -> None:
    # protobuf's JSON mapping allows both; the official SDK's protos have the names.
    enums: dict[str, Any] = {
        "state": models.ParticipantInfo.State,
        "kind": models.ParticipantInfo.Kind,
        "disconnect_reason": models.DisconnectReason,
    }
    for name, enum in enums.items():
        for text, number in enum.items():
            participant = parse_participant(**{"sid": "PA_1", name: number})
            assert getattr(participant, name) == text
    numbers = list(models.ParticipantInfo.KindDetail.values())
    details = parse_participant(kind=7, kind_details=[*numbers, 99])
    assert details.kind_details == (*models.ParticipantInfo.KindDetail.keys(), "99")
    assert details.is_connector
    assert parse_participant(sid="PA_1").disconnect_reason == ""
    assert parse_participant(kind=5).kind == "5"


def parse_participant(**fields: Any) -> livekit.Participant:
    event = livekit.parse(json.dumps({"event": "participant_left", "participant": fields}))
    assert event.participant
    return event.participant


def test_events_without_an_id_have_different_keys() -> None:
    def key(egress_id: str, **more: Any) -> str:
        egress = {"egressId": egress_id, "status": "EGRESS_COMPLETE"}
        document = {"event": "egress_ended", "createdAt": "1700000000", "egressInfo": egress}
        return livekit.parse(json.dumps({**document, **more})).key

    assert key("EG_1") == key("EG_1")
    assert key("EG_1") != key("EG_2")
    assert key("EG_1", id="EV_1") == key("EG_2", id="EV_1") == "EV_1"
