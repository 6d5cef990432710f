"""Codegen rejects mistakes with one line that names the file and the RPC or field."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, edit

CONNECTOR = "livekit_connector.proto"
WHATSAPP = "livekit_connector_whatsapp.proto"
TWILIO = "livekit_connector_twilio.proto"
DIAL_RPC = "rpc DialWhatsAppCall(DialWhatsAppCallRequest) returns (DialWhatsAppCallResponse);"
TWILIO_RPC = "rpc ConnectTwilioCall(ConnectTwilioCallRequest) returns (ConnectTwilioCallResponse);"


def with_rpc(name: str, answer: str = "DialWhatsAppCallResponse") -> tuple[str, str, str]:
    rpc = f"rpc {name}(DialWhatsAppCallRequest) returns ({answer});"
    return CONNECTOR, DIAL_RPC, f"{DIAL_RPC}\n  {rpc}"


def with_field(name: str) -> tuple[str, str, str]:
    field = "  string destination_country = 11;"
    return WHATSAPP, field, f"{field}\n  string {name} = 99;"


@pytest.mark.codegen
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            with_rpc("Watch", "stream DialWhatsAppCallResponse"),
            f"{CONNECTOR}: RPC livekit.Connector.Watch is streaming",
            id="a streaming RPC",
        ),
        pytest.param(
            with_rpc("HoldWhatsAppCall"),
            f"{CONNECTOR}: RPC livekit.Connector.HoldWhatsAppCall has no entry in"
            ' codegen/overlay.toml: add [methods."livekit.Connector".HoldWhatsAppCall]',
            id="an RPC without an entry",
        ),
        pytest.param(
            (CONNECTOR, TWILIO_RPC, ""),
            f"{CONNECTOR} has no RPC livekit.Connector.ConnectTwilioCall: remove its entry",
            id="an entry without an RPC",
        ),
        pytest.param(
            with_rpc("DialWhatsappCall"),
            f"{CONNECTOR}: RPCs Connector.DialWhatsAppCall and Connector.DialWhatsappCall would"
            " both be the method dial_whatsapp_call",
            id="one method for two RPCs",
        ),
        pytest.param(
            with_rpc("Import"),
            f"{CONNECTOR}: RPC livekit.Connector.Import cannot be generated: its name is a Python"
            " keyword",
            id="a keyword as method",
        ),
        pytest.param(
            with_rpc("None"),
            f"{CONNECTOR}: RPC livekit.Connector.None cannot be generated: its name is a Python"
            " keyword",
            id="a keyword as RPC",
        ),
        pytest.param(
            with_rpc("Close"),
            f"{CONNECTOR}: RPC livekit.Connector.Close cannot be generated: its name is an"
            " attribute of the client",
            id="a method of the client's",
        ),
        pytest.param(
            with_field("extra_headers"),
            f"{CONNECTOR}: RPC livekit.Connector.DialWhatsAppCall cannot be generated: field"
            " DialWhatsAppCallRequest.extra_headers is an argument of the method",
            id="a field called as an option",
        ),
        pytest.param(
            with_field("from"),
            "field DialWhatsAppCallRequest.from is a Python keyword",
            id="a keyword as field",
        ),
        pytest.param(
            (WHATSAPP, "  WHATSAPP_CALL_DIRECTION_INBOUND = 0;", "  None = 0;"),
            f"{WHATSAPP}: WhatsAppCallDirection.None cannot be generated: its name is a Python"
            " keyword",
            id="a keyword as constant",
        ),
        pytest.param(
            (WHATSAPP, "  WHATSAPP_CALL_DIRECTION_INBOUND = 0;", "  real = 0;"),
            f"{WHATSAPP}: WhatsAppCallDirection.real cannot be generated: its name is an attribute"
            " of the enum",
            id="a constant called as an attribute of numbers",
        ),
        pytest.param(
            with_rpc("Str"),
            f"{CONNECTOR}: RPC livekit.Connector.Str cannot be generated: its name is a Python"
            " type",
            id="a type as method",
        ),
        pytest.param(
            with_rpc("_Hold"),
            f"{CONNECTOR}: RPC livekit.Connector._Hold cannot be generated: its name is private,"
            " because it starts with an underscore",
            id="a hidden RPC",
        ),
        pytest.param(
            (WHATSAPP, "message WhatsAppCall {", "message WhatsAppCall { message None {}"),
            f"{WHATSAPP}: message WhatsAppCall.None cannot be generated: its name is a Python"
            " keyword",
            id="a keyword as nested message",
        ),
        pytest.param(
            (
                WHATSAPP,
                "message WhatsAppCall {",
                "enum ProtoEnum { A = 0; }\nmessage WhatsAppCall {",
            ),
            f"the package's own ProtoEnum and enum ProtoEnum in {WHATSAPP} would both be exported",
            id="an export of ours",
        ),
        pytest.param(
            (WHATSAPP, "message WhatsAppCall {", "message ConnectorStub {"),
            f"message ConnectorStub in {WHATSAPP} and stub of Connector in {CONNECTOR} would both"
            " be exported as ConnectorStub",
            id="one export for two things",
        ),
        pytest.param(
            (TWILIO, "string room_name = 2;", "string room = 2;"),
            f"{CONNECTOR}: RPC livekit.Connector.ConnectTwilioCall: required names room_name,"
            " which ConnectTwilioCallRequest does not have",
            id="a fact about no field",
        ),
        pytest.param(
            (WHATSAPP, "bool wait_until_answered = 3;", "string wait_until_answered = 3;"),
            f"{CONNECTOR}: RPC livekit.Connector.ConnectWhatsAppCall: wait_field names"
            " wait_until_answered, which is not of type bool",
            id="a fact about another type",
        ),
        pytest.param(
            (
                WHATSAPP,
                "google.protobuf.Duration ringing_timeout = 14;",
                "bool ringing_timeout = 14;",
            ),
            "wait_timeout_field names ringing_timeout, which is not of type Duration",
            id="a fact about another message",
        ),
        pytest.param(
            (WHATSAPP, "  DisconnectReason disconnect_reason", "  string disconnect_reason"),
            "required_unless names disconnect_reason, which is not of type enum",
            id="a fact about no enum",
        ),
        pytest.param(
            (WHATSAPP, "string whatsapp_call_id = 3 ", "int32 whatsapp_call_id = 3 "),
            "required names whatsapp_call_id, but its zero looks the same as a missing value",
            id="a required number",
        ),
        pytest.param(
            (
                WHATSAPP,
                "string whatsapp_cloud_api_version = 13",
                "uint32 whatsapp_cloud_api_version = 13",
            ),
            "whatsapp_cloud_api_version is neither a text, a list, nor a message",
            id="a format of a number",
        ),
        pytest.param(
            (WHATSAPP, "string room_name = 1;", "bytes room_name = 1;"),
            "repeat_echo names room_name, which AcceptWhatsAppCallResponse does not have with its",
            id="an echo of another type",
        ),
        pytest.param(
            (WHATSAPP, "USER_INITIATED = 1;", "USER_ENDED = 1;"),
            "required_unless names USER_INITIATED, which DisconnectReason does not have",
            id="a fact about no constant",
        ),
        pytest.param(
            (TWILIO, "string connect_url = 1;", "string url = 1;"),
            f"{TWILIO}: codegen/overlay.toml gives livekit.ConnectTwilioCallResponse.connect_url a"
            " sensitivity, but there is no such field",
            id="a sensitivity of no field",
        ),
        pytest.param(
            (WHATSAPP, "message WhatsAppCall {", "message WhatsAppCall"),
            f"{WHATSAPP}:",  # newer protocs say where the file is, too
            id="protoc's own refusal",
        ),
    ],
)
def test_mistakes_in_the_protos_are_rejected(
    run: Run, protos: Path, tmp_path: Path, change: tuple[str, str, str], words: str
) -> None:
    file, old, new = change
    edit(protos / file, old, new)
    result = run("codegen", "--proto-dir", protos, "--out", tmp_path / "calls")
    assert result.returncode == 2
    assert result.stderr.startswith("codegen: error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "calls").exists()


@pytest.mark.codegen
def test_a_sensitivity_of_an_unknown_message_is_rejected(
    run: Run, protos: Path, tmp_path: Path
) -> None:
    for file in protos.glob("*.proto"):
        file.write_text(file.read_text().replace("SessionDescription", "Session"))
    result = run("codegen", "--proto-dir", protos, "--out", tmp_path / "calls")
    assert result.returncode == 2
    assert "gives livekit.SessionDescription a sensitivity, but there is no such" in result.stderr


HEAD = 'syntax = "proto3"; package livekit; '
PAGER = "service Pager { rpc Page(Note) returns (Note); }"


@pytest.mark.codegen
@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"a.proto": f"{HEAD} message Note {{}} {PAGER} service Service {{}}"},
            "client of Service in a.proto cannot be generated: its name is that of its base class",
        ),
        (
            {
                "x_b.proto": f'{HEAD} import "x/b.proto"; message Note {{ X x = 1; }} {PAGER}',
                "x/b.proto": f"{HEAD} message X {{}}",
            },
            "x/b.proto and x_b.proto would both be the module x_b",
        ),
        (
            {"a.proto": f'syntax = "proto2"; package livekit; message Note {{}} {PAGER}'},
            "a.proto: only proto3 is supported",
        ),
    ],
)
def test_files_that_cannot_be_generated(
    run: Run, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    (tmp_path / "proto" / "x").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "proto" / name).write_text(text)
    services = ("--service", "Pager") + ("--service", "Service") * ("Service" in words)
    arguments = ("--proto-dir", tmp_path / "proto", "--out", tmp_path / "pager", *services)
    result = run("codegen", *arguments)
    assert result.returncode == 2
    assert words in result.stderr


@pytest.mark.codegen
def test_a_file_that_python_cannot_import_is_rejected(run: Run, tmp_path: Path) -> None:
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "1st.proto").write_text(
        'syntax = "proto3"; package livekit; option go_package = "service Ghost {";'
        " message Note {} service Pager { rpc Page(Note) returns (Note); }"
    )
    arguments = ("--proto-dir", tmp_path / "proto", "--out", tmp_path / "pager")
    result = run("codegen", *arguments, "--service", "Pager")
    assert result.returncode == 2
    assert "1st.proto: the module's name 1st is not a Python identifier" in result.stderr
    result = run("codegen", *arguments, "--service", "Ghost")
    assert "declares no service Ghost; it declares livekit.Pager" in result.stderr


@pytest.mark.codegen
def test_a_service_without_a_grant_is_rejected(run: Run, tmp_path: Path) -> None:
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "pager.proto").write_text(
        'syntax = "proto3"; package livekit; message Note {}'
        " service Pager { rpc Page(Note) returns (Note); }"
    )
    result = run(
        "codegen",
        *("--proto-dir", tmp_path / "proto", "--service", "Pager", "--out", tmp_path / "pager"),
    )
    assert result.returncode == 2
    assert result.stderr == (
        "codegen: error: pager.proto: RPC livekit.Pager.Page has no grant: add "
        '"Page" to a list of ["livekit.Pager"] in codegen/grants.toml\n'
    )


@pytest.mark.codegen
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--service", "Conector"], "declares no service Conector; it declares livekit.Connector"),
        (["--out", "{tmp}/my-calls"], "my-calls cannot be imported: name the package"),
        (["--out", "{tmp}/class"], "class cannot be imported: name the package"),
        (["--out", "{tmp}/precious"], "precious is not a generated package"),
        (["--proto-dir", "{tmp}/nowhere"], "nowhere is not a folder"),
        (["--service", "A", "--out", "livekit_connector_sync/_gen"], "_gen is for the Connector"),
    ],
)
def test_invalid_arguments_are_rejected(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    precious = tmp_path / "precious" / "work.txt"
    precious.parent.mkdir()
    precious.write_text("years of it")
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    result = run("codegen", "--out", tmp_path / "calls", *filled)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert precious.read_text() == "years of it"
