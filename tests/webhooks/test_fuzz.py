"""Any input yields events or raises WebhookError."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio

# Field names that the parsers read, so that generated values reach them.
FIELDS = """
    id event direction session sdp sdp_type connection webrtc timestamp status start_time duration
    errors code error_data details biz_opaque_callback_data from to recipient_id metadata
    phone_number_id contacts profile name wa_id room participant kind kindDetails kind_details
    attributes createdAt joinedAt sid user_id parent_user_id username from_user_id to_user_id
    recipient_user_id from_parent_user_id interactive call_permission_reply response is_permanent
    expiration_timestamp context
"""
NAMES = st.sampled_from(FIELDS.split())
WORDS = st.sampled_from(
    ["connect", "terminate", "offer", "answer", "USER_INITIATED", "calls", "messages", "accept"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=6),
        WORDS,
        st.just("\ud800"),
        st.integers().map(str),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, WORDS), inner, max_size=6)
    ),
    max_leaves=25,
)
CALL = st.fixed_dictionaries(
    {"id": st.one_of(st.just("wacid.1"), VALUES), "event": st.one_of(WORDS, VALUES)},
    optional={
        "session": st.one_of(
            VALUES, st.fixed_dictionaries({"sdp_type": VALUES, "sdp": st.one_of(WORDS, VALUES)})
        ),
        "connection": VALUES,
        "direction": st.one_of(WORDS, VALUES),
        "timestamp": VALUES,
        "errors": VALUES,
        "status": VALUES,
        "start_time": VALUES,
        "duration": VALUES,
        "from": VALUES,
        "from_user_id": VALUES,
        "interactive": st.fixed_dictionaries(
            {
                "call_permission_reply": st.fixed_dictionaries(
                    {"response": WORDS},
                    optional={"is_permanent": VALUES, "expiration_timestamp": VALUES},
                )
            }
        ),
    },
)
CONTACT = st.fixed_dictionaries(
    {}, optional={"user_id": VALUES, "wa_id": VALUES, "profile": VALUES}
)
CHANGE = st.fixed_dictionaries(
    {
        "field": st.one_of(st.just("calls"), st.just("messages"), VALUES),
        "value": st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {
                    "calls": st.one_of(VALUES, st.lists(CALL, max_size=3)),
                    "statuses": st.one_of(VALUES, st.lists(CALL, max_size=3)),
                    "messages": st.one_of(VALUES, st.lists(CALL, max_size=3)),
                    "contacts": st.one_of(VALUES, st.lists(CONTACT, max_size=3)),
                    "metadata": VALUES,
                    "errors": VALUES,
                }
            ),
        ),
    }
)
ENVELOPE = st.lists(CHANGE, max_size=3).map(
    lambda changes: {"entry": [{"id": 1, "changes": changes}]}
)


def call_or_none(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except WebhookError:
        return None


def check_events(events: Any) -> None:
    for event in events or ():
        assert isinstance(event.key, str)
        assert repr(event)
        if isinstance(event, (meta.CallConnect, meta.CallTerminate, meta.CallStatus)):
            assert event.whatsapp_call_id
            assert event.age() >= 0


@settings(deadline=None, max_examples=300)
@given(ENVELOPE)
def test_meta_parses_any_update(document: Any) -> None:
    check_events(meta.parse(json.dumps(document).encode()))


@settings(deadline=None)
@given(st.one_of(VALUES, st.fixed_dictionaries({"entry": VALUES})))
def test_meta_parses_or_rejects_any_document(document: Any) -> None:
    check_events(call_or_none(meta.parse, json.dumps(document).encode()))


@settings(deadline=None)
@given(
    st.one_of(
        VALUES,
        st.fixed_dictionaries(
            {"event": WORDS, "room": VALUES, "participant": VALUES, "createdAt": VALUES}
        ),
    )
)
def test_livekit_parses_or_rejects_any_document(document: Any) -> None:
    event = call_or_none(livekit.parse, json.dumps(document).encode())
    check_events([event] if event else [])


@settings(deadline=None)
@given(st.binary(), st.one_of(st.none(), st.text()), st.text(), st.one_of(st.none(), st.text()))
def test_any_unsigned_body_header_and_url_is_rejected(
    body: bytes, header: str, url: str, signature_settings: str
) -> None:
    call_or_none(meta.parse, body)
    call_or_none(livekit.parse, body)
    call_or_none(twilio.parse, url, body)
    for function, arguments in (
        (meta.receive, (body, header, "secret")),
        (livekit.receive, (body, header, {"key": "secret"})),
        (twilio.receive, (url, body, header, "token")),
    ):
        with pytest.raises(WebhookError):
            function(*arguments)  # type: ignore[operator]
    with pytest.raises(WebhookError):
        twilio.verify(url, body, header, "token", signature_settings=signature_settings)


@settings(deadline=None)
@given(st.one_of(VALUES, st.fixed_dictionaries({"CallSid": WORDS, "Digits": VALUES})))
def test_twilio_parses_or_rejects_any_json(document: Any) -> None:
    body = json.dumps(document).encode()
    url = f"https://h.example/x?bodySHA256={hashlib.sha256(body).hexdigest()}"
    call = call_or_none(twilio.receive, url, body, twilio.compute_signature(url, {}, "t"), "t")
    assert call is None or (call.call_sid and isinstance(call.key, str) and call.raw)


TARGETS = st.text(st.characters(max_codepoint=255))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["RAW_URI", "REQUEST_URI", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME"]),
        TARGETS,
    ),
    st.binary(),
    st.text(),
)
def test_any_request_has_a_url(environ: dict[str, str], raw: bytes, path: str) -> None:
    scope = {"path": path, "raw_path": raw, "query_string": raw, "root_path": path}
    for request in (environ, scope, {"path": path, "query_string": raw}):
        url = twilio.build_url("https://h.example", request)
        assert url.startswith("https://h.example")
        call_or_none(twilio.receive, url, b"", "x", "token")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["hub.mode", "hub.verify_token", "hub.challenge"]), st.text())
)
def test_any_handshake_is_accepted_or_rejected(query: dict[str, str]) -> None:
    call_or_none(meta.handshake, {"hub.challenge": "1", **query}, "ours")
