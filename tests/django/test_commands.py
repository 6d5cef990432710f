"""manage.py connector check | dial | replay"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from helpers.django_site import OPTIONS

from livekit_connector_sync.emulator import ConnectorEmulator
from livekit_connector_sync.testing import livekit_webhook, meta_webhook, twilio_webhook


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("connector", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_check_tells_what_is_wrong(use: Any, configure: Callable[..., None]) -> None:
    with ConnectorEmulator() as emulator:
        use(emulator)
        assert emulator.url in run("check")
        assert "takes the credentials" in run("check", "--ping")
        assert emulator.calls == []
        use(emulator, API_SECRET="another secret, which is wrong")
        with pytest.raises(CommandError, match="unauthenticated"):
            run("check", "--ping")
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "WHATSAPP_CLOUD_API_VERSION": "v24.0"})
    with pytest.raises(CommandError, match="settings are wrong"):
        run("check")
    with pytest.raises(CommandError, match="'nobody'"):
        run("check", "--alias", "nobody")


def test_dial_places_a_call(use: Any) -> None:
    with ConnectorEmulator() as emulator:
        use(emulator)
        out = run("dial", "15551230000", "--room", "sales", "--agent", "a", "--callback-data", "7")
        (call,) = emulator.calls
        assert call.whatsapp_call_id in out
        assert "sales" in out
        request = emulator.requests[-1].request
        assert [agent.agent_name for agent in request.agents] == ["a"]
        assert request.whatsapp_biz_opaque_callback_data == "7"
        with pytest.raises(CommandError, match="138006"):
            run("dial", "15550138006")
        with pytest.raises(CommandError, match="leading"):
            run("dial", "+15551230000")


def test_replay_sends_the_signals_again(tmp_path: Path, received: Any) -> None:
    body = tmp_path / "body"
    old = meta_webhook("connect", "x", timestamp=1_700_000_000)
    for provider, content, signal in (
        ("meta", old.body, "whatsapp_call_offered"),
        ("twilio", twilio_webhook("x").body, "twilio_call_received"),
        ("livekit", livekit_webhook("room_started", "k", "s").body, "livekit_event"),
    ):
        body.write_bytes(content)
        assert "sent" in run("replay", provider, str(body))
        run("replay", provider, str(body))
        assert received.names[-2:] == [signal, signal]
    body.write_bytes(b"{")
    with pytest.raises(CommandError, match="not JSON"):
        run("replay", "meta", str(body))
    with pytest.raises(CommandError, match="No such file"):
        run("replay", "meta", str(tmp_path / "missing"))
