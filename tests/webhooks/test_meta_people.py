"""The person at the other end of a WhatsApp call, and permission replies."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from livekit_connector_sync.webhooks import meta

OFFER = {"sdp_type": "offer", "sdp": "v=0"}


def events(value: object, field: str = "calls") -> list[Any]:
    changes = [{"field": field, "value": value}]
    return meta.parse(json.dumps({"entry": [{"id": "WABA", "changes": changes}]}))


def connect(**call: Any) -> dict[str, Any]:
    return {"id": "wacid.1", "event": "connect", "session": OFFER, **call}


def contact(name: str, **more: Any) -> dict[str, Any]:
    return {"profile": {"name": name, "username": f"@{name}"}, **more}


def identity(event: Any) -> tuple[str, str, str, str]:
    return (event.user_id, event.parent_user_id, event.username, event.contact_name)


# -- from the call itself ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["from", "to"])
@pytest.mark.parametrize("parent", ["{}_parent_user_id", "parent_{}_user_id"])
@pytest.mark.parametrize("event", ["connect", "terminate"])
def test_a_call_without_contacts_has_the_ids_of_the_user(
    role: str, parent: str, event: str
) -> None:
    ids = {f"{role}_user_id": "US.1", parent.format(role): "US.ENT.1"}
    (found,) = events({"calls": [connect(event=event, **ids)]})
    assert identity(found) == ("US.1", "US.ENT.1", "", "")
    assert not {"US.1", "US.ENT.1"} & set(repr(found).split("'"))


@pytest.mark.parametrize("parent", ["recipient_parent_user_id", "parent_recipient_user_id"])
def test_a_status_without_contacts_has_the_ids_of_the_user(parent: str) -> None:
    status = {
        "id": "wacid.1",
        "status": "ACCEPTED",
        "recipient_user_id": "US.1",
        parent: "US.ENT.1",
    }
    (found,) = events({"statuses": [status]})
    assert identity(found) == ("US.1", "US.ENT.1", "", "")
    assert found.recipient == ""


# -- from its contact ----------------------------------------------------------------------------


def test_the_ids_of_the_contact_are_preferred() -> None:
    contacts = [contact("ada", user_id="US.2", parent_user_id="US.ENT.1")]
    call = connect(from_user_id="US.1", from_parent_user_id="US.ENT.1")
    (found,) = events({"calls": [call], "contacts": contacts})
    assert identity(found) == ("US.2", "US.ENT.1", "@ada", "ada")


def test_an_id_that_only_the_call_has_is_kept() -> None:
    call = connect(**{"from": "15550001"}, from_user_id="US.1", from_parent_user_id="US.ENT.1")
    (found,) = events({"calls": [call], "contacts": [contact("ada", wa_id="15550001")]})
    assert identity(found) == ("US.1", "US.ENT.1", "@ada", "ada")


@pytest.mark.parametrize(
    "ids",
    [
        {"from_user_id": "US.2"},
        {"from_parent_user_id": "US.ENT.2"},
        {"from_user_id": "US.2", "from": "1"},  # the id counts more than the number
        {"from": "2"},
    ],
)
def test_a_contact_is_matched_by_id_or_else_by_number(ids: dict[str, str]) -> None:
    contacts = [
        contact(f"user{n}", wa_id=n, user_id=f"US.{n}", parent_user_id=f"US.ENT.{n}") for n in "123"
    ]
    (found,) = events({"calls": [connect(**ids)], "contacts": contacts})
    assert identity(found) == ("US.2", "US.ENT.2", "@user2", "user2")


def test_an_id_takes_precedence_over_a_number() -> None:
    contacts = [contact("number", wa_id="1"), contact("id", user_id="US.2")]
    call = connect(**{"from": "1"}, from_user_id="US.2")
    (found,) = events({"calls": [call], "contacts": contacts})
    assert found.contact_name == "id"


def test_an_outbound_call_belongs_to_the_contact_of_the_callee() -> None:
    numbers = {"from": "1", "to": "2", "direction": "BUSINESS_INITIATED"}
    contacts = [contact("one", wa_id="1"), contact("two", wa_id="2")]
    (found,) = events({"calls": [connect(event="terminate", **numbers)], "contacts": contacts})
    assert found.contact_name == "two"


@pytest.mark.parametrize(
    ("wa_id", "number"),
    [("5215512345678", "525512345678"), ("5493411234567", "543411234567")],
)
def test_the_only_contact_belongs_to_the_only_call(wa_id: str, number: str) -> None:
    # Mexico and Argentina: contacts and calls write one number differently.
    call = connect(**{"from": number})
    status = {"id": "wacid.1", "status": "RINGING", "recipient_id": number}
    contacts = [contact("ada", wa_id=wa_id)]
    for found in events({"calls": [call], "statuses": [status], "contacts": contacts}):
        assert found.contact_name == "ada"
    other = connect(id="wacid.2", **{"from": "1"})
    for found in events({"calls": [call, other], "contacts": contacts}):
        assert found.contact_name == ""


def test_the_only_contact_is_not_of_a_user_with_another_id() -> None:
    for ids in ({"from_user_id": "US.1"}, {"from_user_id": "US.1", "from": "1"}):
        contacts = [contact("ada", wa_id="1", user_id="US.2")]
        (found,) = events({"calls": [connect(**ids)], "contacts": contacts})
        assert identity(found) == ("US.1", "", "", "")


@pytest.mark.parametrize("empty", [{}, {"from": "", "from_user_id": ""}, {"from": None}])
def test_empty_texts_match_no_contact(empty: dict[str, Any]) -> None:
    contacts = [contact("ada", wa_id="", user_id=""), contact("bob")]
    (found,) = events({"calls": [connect(**empty)], "contacts": contacts})
    assert identity(found) == ("", "", "", "")
    replies = [{**reply(""), "from": "", "from_user_id": ""}] * 2
    for found in events({"messages": replies, "contacts": contacts[:1]}, "messages"):
        assert identity(found) == ("", "", "", "")


def test_payloads_of_buttons_and_links() -> None:
    for event in ("connect", "terminate"):
        call = connect(event=event, cta_payload="sale", deeplink_payload="qr-7")
        (found,) = events({"calls": [call]})
        assert (found.cta_payload, found.deeplink_payload) == ("sale", "qr-7")
        (found,) = events({"calls": [connect(event=event)]})
        assert (found.cta_payload, found.deeplink_payload) == ("", "")


# -- errors beside the calls ---------------------------------------------------------------------


def test_errors_of_a_change_are_assigned_to_its_failed_calls() -> None:
    calls = [
        {"id": str(n), "event": "terminate", "status": status}
        for n, status in enumerate(["COMPLETED", "FAILED", ["Failed"], "REJECTED"])
    ]
    calls[1]["errors"] = [{"code": 1}]
    found = events({"calls": calls, "errors": [{"code": 2}]})
    codes = [[error.code for error in event.errors] for event in found]
    assert codes == [[], [1], [2], [2]]


# -- permission replies --------------------------------------------------------------------------


def reply(message_id: str = "wamid.1", **more: Any) -> dict[str, Any]:
    values = {
        "response": "accept",
        "is_permanent": False,
        "expiration_timestamp": "1764900000",
        "response_source": "user_action",
        **more,
    }
    return {
        "from": "15550001",
        "from_user_id": "US.1",
        "id": message_id,
        "timestamp": "1764400000",
        "type": "interactive",
        "context": {"from": "15550100001", "id": "wamid.REQUEST"},
        "interactive": {"type": "call_permission_reply", "call_permission_reply": values},
    }


def test_an_accepted_permission_request() -> None:
    contacts = [contact("ada", wa_id="15550001", parent_user_id="US.ENT.1")]
    value = {"messages": [reply()], "contacts": contacts, "metadata": {"phone_number_id": "106"}}
    (event,) = events(value, "messages")
    assert isinstance(event, meta.CallPermissionReply)
    assert (event.accepted, event.is_permanent) == (True, False)
    assert event.expires_at == datetime.fromtimestamp(1764900000, timezone.utc)
    assert event.timestamp == datetime.fromtimestamp(1764400000, timezone.utc)
    assert event.response_source == "user_action"
    assert event.from_number == "15550001"
    assert identity(event) == ("US.1", "US.ENT.1", "@ada", "ada")
    assert (event.message_id, event.context_id) == ("wamid.1", "wamid.REQUEST")
    assert (event.phone_number_id, event.account_id) == ("106", "WABA")
    assert event.raw == value["messages"][0]  # type: ignore[index]
    assert "15550001" not in repr(event)


def test_a_denied_and_a_permanent_permission() -> None:
    (refused,) = events({"messages": [reply(response="reject")]}, "messages")
    assert not refused.accepted
    permanent = reply(is_permanent=True, response_source="automatic", expiration_timestamp=None)
    (event,) = events({"messages": [permanent]}, "messages")
    assert (event.accepted, event.is_permanent, event.expires_at) == (True, True, None)
    assert event.response_source == "automatic"


def test_a_message_without_a_type_can_be_a_permission_reply() -> None:
    # Meta's own sample of the reply has no `type`.
    message = {name: value for name, value in reply().items() if name != "type"}
    (event,) = events({"messages": [message]}, "messages")
    assert isinstance(event, meta.CallPermissionReply)


@pytest.mark.parametrize("response", [None, "", "later", 1, []])
def test_a_reply_of_neither_kind_is_an_other_update(response: object) -> None:
    (event,) = events({"messages": [reply(response=response)]}, "messages")
    assert isinstance(event, meta.OtherUpdate)


def test_other_messages_of_the_change_become_one_other_update() -> None:
    text = {"id": "wamid.2", "type": "text", "text": {"body": "hello"}}
    value = {"messages": [text, reply(), text], "statuses": [{"id": "wamid.3"}]}
    event, other = events(value, "messages")
    assert isinstance(event, meta.CallPermissionReply)
    assert isinstance(other, meta.OtherUpdate)
    assert other.raw == {"field": "messages", "value": value}
    (other,) = events({"statuses": [{"id": "wamid.3"}]}, "messages")
    assert isinstance(other, meta.OtherUpdate)


def test_permission_replies_without_numbers_have_different_keys() -> None:
    def key(**changes: Any) -> str:
        message = {**reply(), "from": "", **changes}
        (event,) = events({"messages": [message]}, "messages")
        return str(event.key)

    assert key(id="wamid.1") == key(id="wamid.1")
    keys = {key(id=i, from_user_id=u) for i in ("wamid.1", "wamid.2", "") for u in ("US.1", "US.2")}
    assert len(keys) == 4  # an id belongs to one message; without one, the users differ
