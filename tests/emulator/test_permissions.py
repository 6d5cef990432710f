"""Meta's call permissions on the emulator, as CallingClient sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Callable

import pytest
import requests

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator, Event, MetaWebhooks
from livekit_connector_sync.webhooks import meta
from livekit_connector_sync.whatsapp import CallingClient, meta_error

NUMBER = "15551234567"
USER_ID = "US.13491208655302741918"
BUSINESS = "106540352242922"
DAY = 86_400.0

each_user = pytest.mark.parametrize("user", [NUMBER, USER_ID])


@pytest.fixture
def calling(emulator: ConnectorEmulator) -> Iterator[CallingClient]:
    with calling_of(emulator) as client:
        yield client


def calling_of(emulator: ConnectorEmulator) -> CallingClient:
    return CallingClient(BUSINESS, "token", api_version="23.0", url=emulator.url)


def refused_with(call: Callable[[], object]) -> int:
    with pytest.raises(lk.TwirpError) as info:
        call()
    found = meta_error(info.value)
    assert found is not None
    return found.code


def dial(client: lk.ConnectorClient, user: str = NUMBER) -> str:
    dialled = client.dial_whatsapp_call(
        whatsapp_phone_number_id=BUSINESS,
        whatsapp_to_phone_number=user,
        whatsapp_api_key="token",
        whatsapp_cloud_api_version="23.0",
    )
    return dialled.whatsapp_call_id


@each_user
def test_a_permission_from_the_request_to_its_revocation(emulator, calling, user) -> None:
    assert calling.call_permission(user).status == "no_permission"
    assert not calling.call_permission(user).can_start_call
    assert calling.call_permission(user).can_request
    assert calling.request_call_permission(user, "May we call?").startswith("wamid.")
    asked = calling.call_permission(user)
    assert (asked.status, asked.can_request) == ("no_permission", False)
    emulator.grant_call_permission(user)
    granted = calling.call_permission(user)
    assert (granted.status, granted.can_start_call) == ("temporary", True)
    assert granted.expires_at is not None
    left = granted.expires_at - datetime.now(timezone.utc)
    assert 6.9 * DAY < left.total_seconds() <= 7 * DAY
    emulator.revoke_call_permission(user)
    revoked = calling.call_permission(user)
    assert (revoked.status, revoked.expires_at, revoked.can_start_call) == (
        "no_permission",
        None,
        False,
    )


def test_a_temporary_permission_ends_after_a_week_and_a_permanent_one_does_not(
    emulator, calling
) -> None:
    emulator.grant_call_permission(NUMBER)
    emulator.grant_call_permission(USER_ID, permanent=True)
    emulator.advance(7 * DAY + 1)
    assert calling.call_permission(NUMBER).status == "no_permission"
    permanent = calling.call_permission(USER_ID)
    assert (permanent.status, permanent.expires_at) == ("permanent", None)
    assert (permanent.can_start_call, permanent.can_request) == (True, False)
    assert refused_with(lambda: calling.request_call_permission(USER_ID, "May we?")) == 138017


def test_one_request_a_day_and_two_a_week(emulator, calling) -> None:
    def ask() -> str:
        return calling.request_call_permission(NUMBER, "May we call?")

    ask()
    assert refused_with(ask) == 138009
    emulator.advance(DAY + 1)
    ask()
    emulator.advance(DAY + 1)
    assert refused_with(ask) == 138009
    (week,) = [
        limit for limit in calling.call_permission(NUMBER).limits if limit.time_period == "P7D"
    ]
    assert (week.max_allowed, week.current_usage) == (2, 2)
    assert week.expires_at is not None
    emulator.advance(5 * DAY)
    ask()


def test_a_connected_call_resets_the_limit_of_requests(emulator, calling, client) -> None:
    calling.request_call_permission(NUMBER, "May we call?")
    call = emulator.answer(dial(client))
    client.connect_whatsapp_call(whatsapp_call_id=call.id, sdp=call.sdp)
    assert calling.call_permission(NUMBER).can_request
    (calls,) = [
        limit for limit in calling.call_permission(NUMBER).limits if limit.action == "start_call"
    ]
    assert (calls.time_period, calls.max_allowed, calls.current_usage) == ("PT24H", 100, 1)


def test_the_limit_of_checks_is_per_user_and_day() -> None:
    with ConnectorEmulator(max_permission_checks=2) as emulator, calling_of(emulator) as calling:
        calling.call_permission(NUMBER)
        calling.call_permission(NUMBER)
        with pytest.raises(lk.ResourceExhausted):
            calling.call_permission(NUMBER)
        assert refused_with(lambda: calling.call_permission(NUMBER)) == 613
        assert calling.call_permission(USER_ID).status == "no_permission"
        emulator.advance(DAY + 1)
        assert calling.call_permission(NUMBER).status == "no_permission"


def test_a_dial_needs_the_permission_only_if_the_emulator_is_told(client_of, emulator) -> None:
    dial(client_of(emulator))
    with ConnectorEmulator(require_call_permission=True) as strict:
        client = client_of(strict)
        with pytest.raises(lk.InvalidArgument) as info:
            dial(client)
        found = meta_error(info.value)
        assert found is not None
        assert found.code == 138006
        assert info.value.metadata == {}
        assert strict.calls == []
        strict.grant_call_permission(NUMBER)
        strict.hang_up(dial(client))
        assert refused_with(lambda: dial(client, "15550138001")) == 138001
        strict.revoke_call_permission(NUMBER)
        assert refused_with(lambda: dial(client)) == 138006


def test_a_rejected_call(emulator, calling, client) -> None:
    call = emulator.inbound_call()
    calling.reject_call(call.whatsapp_call_id)
    assert call.ended_by is Event.REJECT
    assert refused_with(lambda: calling.reject_call(call.whatsapp_call_id)) == 100
    assert refused_with(lambda: calling.reject_call("wacid.UNKNOWN")) == 100
    dialled = dial(client)
    assert refused_with(lambda: calling.reject_call(dialled)) == 100


@each_user
def test_the_webhooks_of_a_users_replies(app, user) -> None:
    with ConnectorEmulator(meta=MetaWebhooks(url=app.url)) as emulator:
        with calling_of(emulator) as calling:
            message_id = calling.request_call_permission(user, "May we call?")
        emulator.grant_call_permission(user)
        emulator.revoke_call_permission(user)
        emulator.grant_call_permission(user, permanent=True)
        assert emulator.wait_for_webhooks()
    secret = MetaWebhooks().app_secret
    replies = [
        reply
        for headers, body in app.received
        for reply in meta.receive(body, headers["x-hub-signature-256"], secret)
        if isinstance(reply, meta.CallPermissionReply)
    ]
    assert [reply.accepted for reply in replies] == [True, False, True]
    assert [reply.is_permanent for reply in replies] == [False, False, True]
    assert [reply.expires_at is not None for reply in replies] == [True, False, False]
    assert [reply.context_id for reply in replies] == [message_id, "", ""]
    assert {reply.response_source for reply in replies} == {"user_action"}
    assert {reply.phone_number_id for reply in replies} == {BUSINESS}
    assert {reply.from_number or reply.user_id for reply in replies} == {user}
    assert len({reply.key for reply in replies}) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "token", "status", "code"),
    [
        ("GET", "call_permissions?user_wa_id=1", None, None, 401, 190),
        ("GET", "call_permissions", None, "t", 400, 100),
        ("GET", "call_permissions?user_wa_id=1&recipient=US.1", None, "t", 400, 100),
        ("POST", "call_permissions?user_wa_id=1", b"{}", "t", 400, 100),
        ("GET", "messages", None, "t", 400, 100),
        ("POST", "messages", b"no JSON", "t", 400, 100),
        ("POST", "messages", b"[]", "t", 400, 100),
        ("POST", "messages", b'{"messaging_product": "whatsapp", "type": "text"}', "t", 400, 100),
        ("POST", "calls", b'{"messaging_product": "whatsapp", "action": "accept"}', "t", 400, 100),
    ],
)
def test_a_wrong_request_gets_an_error_of_graph(
    emulator, method, path, body, token, status, code
) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = requests.request(
        method, f"{emulator.url}/v23.0/{BUSINESS}/{path}", data=body, headers=headers, timeout=5
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["fbtrace_id"]


def test_a_user_is_a_number_or_a_user_id(emulator) -> None:
    for user in ("", "+15551234567", "somebody"):
        with pytest.raises(ValueError, match="user must be a number in digits, or a user id"):
            emulator.grant_call_permission(user)
    with pytest.raises(ValueError, match="max_permission_checks must be 1 or more"):
        ConnectorEmulator(max_permission_checks=0)


def test_the_page_grants_and_revokes(emulator, calling) -> None:
    def press(action: str, target: str) -> int:
        response = requests.post(
            f"{emulator.url}/emulator/action",
            json={"action": action, "target": target},
            headers={"X-Emulator-Action": "1"},
            timeout=5,
        )
        return response.status_code

    assert press("grant", NUMBER) == 200
    assert calling.call_permission(NUMBER).status == "temporary"
    assert press("revoke", NUMBER) == 200
    assert calling.call_permission(NUMBER).status == "no_permission"
    assert press("grant", "somebody") == 409
