"""The differences that `make check-upstream` prints."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from .conftest import Run, edit

WHATSAPP = "livekit_connector_whatsapp.proto"


@pytest.mark.codegen
def test_our_protos_are_the_published_ones(run: Run, published: Path) -> None:
    result = run("codegen.upstream", path=published)
    version = importlib.metadata.version("livekit-protocol")
    assert result.stdout == f"0 differences, 0 of them breaking, from livekit.protocol {version}\n"
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.codegen
def test_differences_are_printed_with_their_severity(
    run: Run, published: Path, protos: Path
) -> None:
    """Ours is changed here, so each change reads the other way round."""
    whatsapp = protos / WHATSAPP
    edit(whatsapp, "  google.protobuf.Duration ringing_timeout = 13;", "")
    edit(whatsapp, "  bool wait_until_answered = 3;", "  bool wait_until_answered = 4;")
    edit(whatsapp, "  DisconnectReason disconnect_reason = 3;", "  string disconnect_reason = 3;")
    edit(whatsapp, "  WHATSAPP_CALL_DIRECTION_OUTBOUND = 2;", "  WHATSAPP_CALL_DIRECTION_OUT = 2;")
    edit(
        whatsapp,
        "whatsapp_to_phone_number = 2 [(logger.sensitivity) = SENSITIVITY_PII]",
        "whatsapp_to_phone_number = 2",
    )
    edit(whatsapp, "  WhatsAppCallDirection direction = 2;", "  WhatsAppCallDirection way = 2;")
    connector = protos / "livekit_connector.proto"
    edit(
        connector,
        "rpc ConnectTwilioCall(ConnectTwilioCallRequest) returns (ConnectTwilioCallResponse);",
        "rpc ConnectTwilioCall(ConnectTwilioCallResponse) returns (ConnectTwilioCallResponse);",
    )
    edit(connector, "enum ConnectorType {", "enum Kind {")
    result = run("codegen.upstream", "--proto-dir", protos, path=published)
    assert result.returncode == 1
    told = set(result.stdout.splitlines())
    dial, direction = "livekit.DialWhatsAppCallRequest", "livekit.WhatsAppCallDirection"
    wait = "livekit.ConnectWhatsAppCallRequest.wait_until_answered"
    reason = "livekit.DisconnectWhatsAppCallRequest.disconnect_reason"
    enum = "livekit.DisconnectWhatsAppCallRequest.DisconnectReason"
    assert told >= {
        f"       added field {dial}.ringing_timeout = 13",
        f"BREAKS renumbered field {wait}: 4 -> 3",
        f"BREAKS changed type of field {reason}: string -> .{enum}",
        f"BREAKS removed value {direction}.WHATSAPP_CALL_DIRECTION_OUT",
        f"       added value {direction}.WHATSAPP_CALL_DIRECTION_OUTBOUND = 2",
        f"       changed options of field {dial}.whatsapp_to_phone_number:"
        " none -> (logger.sensitivity) = SENSITIVITY_PII",
        "BREAKS removed field livekit.WhatsAppCall.way",
        "       added field livekit.WhatsAppCall.direction = 2",
        "BREAKS changed request of RPC livekit.Connector.ConnectTwilioCall:"
        " .livekit.ConnectTwilioCallResponse -> .livekit.ConnectTwilioCallRequest",
        "       added enum livekit.ConnectorType",
        "BREAKS removed enum livekit.Kind",
    }
