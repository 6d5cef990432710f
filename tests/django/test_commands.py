"""manage.py connector check | dial | replay"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from helpers.django_site import OPTIONS

from livekit_connector_sync.contrib.django import signals
from livekit_connector_sync.emulator import ConnectorEmulator
from livekit_connector_sync.testing import livekit_webhook, meta_webhook, twilio_webhook


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("connector", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_check_prints_the_mistakes(use: Any, configure: Callable[..., None]) -> None:
    with ConnectorEmulator() as emulator:
        use(emulator)
        assert emulator.url in run("check")
        assert "accepts the credentials" in run("check", "--ping")
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
    with ConnectorEmulator(dial_rule=lambda _: time.sleep(0.5)) as emulator:  # type: ignore[arg-type, func-returns-value]
        use(emulator, TIMEOUT=0.2)
        with pytest.raises(CommandError, match="The phone may ring: check before you dial again"):
            run("dial", "15551230000")


def test_replay_sends_the_signals_again(tmp_path: Path, received: Any) -> None:
    body = tmp_path / "body"
    old = meta_webhook("connect", "x", timestamp=1_700_000_000)
    over = twilio_webhook("x", form={"CallStatus": "completed"})
    for provider, content, signal in (
        ("meta", old.body, "whatsapp_call_offered"),
        ("twilio", twilio_webhook("x").body, "twilio_call_received"),
        ("twilio", over.body, "twilio_call_status"),
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


def test_replay_uses_the_alias_of_the_number_and_names_failed_receivers(
    tmp_path: Path, configure: Callable[..., None], received: Any, connected: Any
) -> None:
    configure(
        LIVEKIT_CONNECTOR={
            "default": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "1"},
            "sales": {**OPTIONS, "WHATSAPP_PHONE_NUMBER_ID": "2"},
        }
    )
    body = tmp_path / "body"
    body.write_bytes(meta_webhook("connect", "x", phone_number_id="2").body)
    assert "alias sales" in run("replay", "meta", str(body))
    assert received.all[-1][1]["alias"] == "sales"

    def fail(**_: Any) -> None:
        raise RuntimeError("a bug of the user's")

    connected(signals.whatsapp_call_offered, fail)
    with pytest.raises(CommandError, match=r"1 receivers failed.*a bug of the user's"):
        run("replay", "meta", str(body))
