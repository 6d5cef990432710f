"""Webhooks from public bug reports and the providers' documentation, with the expected values.

Each file in `cases` names its source. Personal details are replaced.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Union

import pytest
from twilio.request_validator import RequestValidator

from livekit_connector_sync.webhooks import meta, twilio

CASES = Path(__file__).parent / "cases"
CallEvent = Union[meta.CallConnect, meta.CallStatus, meta.CallTerminate]


def read_case(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text("utf-8"))


def find(events: list[meta.Event], name: str) -> CallEvent:
    """Return the event of a call or of a class."""
    calls = [each for each in events if not isinstance(each, meta.OtherUpdate)]
    (event,) = (
        each
        for each in calls
        if not isinstance(each, meta.CallPermissionReply)
        and name in (each.whatsapp_call_id, type(each).__name__)
    )
    return event


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("meta_*.json")))
def test_meta(name: str) -> None:
    case = read_case(name)
    events = meta.parse(json.dumps(case["payload"]))
    for event_name, expected in case["expected"].items():
        event = find(events, event_name)
        found = {each: getattr(event, each) for each in expected}
        if isinstance(event, meta.CallTerminate) and "errors" in expected:
            found["errors"] = [error.code for error in event.errors]
        assert found == expected


def wsgi(target: str, **server: str) -> dict[str, str]:
    """Return a WSGI environment with the server's variables for the target of the request."""
    path, _, query = target.partition("?")
    return {"PATH_INFO": path, "QUERY_STRING": query, **server}


def asgi(target: str) -> dict[str, Any]:
    path, _, query = target.encode().partition(b"?")
    return {"type": "http", "path": path.decode(), "raw_path": path, "query_string": query}


def test_twilio_signs_the_query_as_it_is_sent() -> None:
    case = read_case("twilio_django_raw_query")
    token = case["auth_token"]
    for vector in case["vectors"]:
        target, signature = vector["wire_target"], vector["X-Twilio-Signature"]
        for request in (
            wsgi(target),
            wsgi(target, RAW_URI=target),
            wsgi(target, REQUEST_URI=target),
            asgi(target),
        ):
            url = twilio.build_url(case["WEBHOOK_URL"], request)
            assert url == vector["signed_url"]
            assert twilio.receive(url, case["body"], signature, token).call_sid == "CA1"
        form = {"CallSid": "CA1", "CallStatus": "completed", "Empty": ""}
        assert RequestValidator(token).compute_signature(vector["signed_url"], form) == signature


def test_twilio_sends_json() -> None:
    case = read_case("twilio_json_receive")
    url, signature, token = case["url"], case["X-Twilio-Signature"], case["auth_token"]
    assert RequestValidator(token).validate(url, case["body"], signature)
    call = twilio.receive(url, case["body"], signature, token)
    assert (call.call_sid, call.status) == ("CA1", "completed")
    assert call.raw == {"CallSid": ("CA1",), "CallStatus": ("completed",)}


def test_events_of_a_twilio_call_in_progress_have_different_keys() -> None:
    bodies = read_case("twilio_key_collision")["bodies"].values()
    url = "https://calls.example.com/v"
    keys = {twilio.parse(url, body).key for body in bodies}
    assert len(keys) == len(bodies) == 5
    assert keys == {twilio.parse(url, body).key for body in bodies}


def test_twilio_signs_the_url_without_its_password() -> None:
    case = read_case("twilio_userinfo")
    url, signature = case["url_as_twilio_has_it"], case["X-Twilio-Signature"]
    twilio.verify(url, case["body"], signature, case["auth_token"])
    bare = url.replace("user:pass@", "")
    assert RequestValidator(case["auth_token"]).compute_signature(bare, {}) == signature


def test_every_case_has_a_test() -> None:
    source = Path(__file__).read_text("utf-8")
    names = [path.stem for path in CASES.glob("*.json")]
    assert len(names) >= 8
    assert all(name.startswith("meta_") or f'read_case("{name}")' in source for name in names)
