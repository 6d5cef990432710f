"""The generated messages are the contract's and the published livekit-protocol's."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
from pathlib import Path
from typing import Any

import livekit.protocol
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from livekit.protocol.logger_pb import options

from livekit_connector_sync import _gen
from livekit_connector_sync._runtime.validation import FORMATS
from livekit_connector_sync.errors import StatusCode

from .conftest import REPO

CONTRACT = Path(__file__).with_name("contract.txt").read_text(encoding="utf-8")
OURS = "livekit_connector_sync._gen."


def generated_files() -> list[Any]:
    """Return the file descriptors of the generated package."""
    modules = [m.name for m in pkgutil.iter_modules(_gen.__path__) if m.name.endswith("_pb2")]
    return [importlib.import_module(OURS + name).DESCRIPTOR for name in modules]


def official(name: str) -> type[Message]:
    """Return livekit-protocol's class of one of our messages."""
    for module in pkgutil.iter_modules(livekit.protocol.__path__, "livekit.protocol."):
        importlib.import_module(module.name)
    pool = descriptor_pool.Default()
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"livekit.{name}"))


def messages() -> list[type[Message]]:
    """Return our top-level messages."""
    found = [getattr(_gen, name) for name in _gen.__all__]
    return [item for item in found if isinstance(item, type) and issubclass(item, Message)]


def wire_form(message: type[Message]) -> descriptor_pb2.DescriptorProto:
    """Return a message's descriptor without what may differ: namespace, options, JSON names."""
    proto = descriptor_pb2.DescriptorProto()
    message.DESCRIPTOR.CopyToProto(proto)
    for part in [proto, *proto.nested_type]:
        for field in part.field:
            field.ClearField("options")
            field.ClearField("json_name")
            field.type_name = field.type_name.replace(f".{OURS}", ".livekit.")
    return proto


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.__name__)
def test_messages_are_the_published_ones(message: type[Message]) -> None:
    assert wire_form(message) == wire_form(official(message.__name__))


def field_line(field: FieldDescriptor, mark: str) -> str:
    repeated = isinstance(field.default_value, list)
    entry = field.message_type if repeated else None
    if entry is not None and entry.GetOptions().map_entry:
        kind = "map<string,string>"
        assert [f.type for f in entry.fields] == [FieldDescriptor.TYPE_STRING] * 2
    else:
        composite = field.message_type or field.enum_type
        scalar = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)[len("TYPE_") :].lower()
        kind = composite.full_name.replace(OURS, "livekit.") if composite else scalar
        kind = f"repeated {kind}" if repeated else kind
    return f"  {field.number} {field.name} {kind}{mark}"


def test_messages_and_enums_are_the_contracts() -> None:
    expected = CONTRACT.partition("service ")[0].splitlines()[2:]
    blocks = {}
    for file in generated_files():
        enums = list(file.enum_types_by_name.values())
        for message in file.message_types_by_name.values():
            enums += message.enum_types
            marks = upstream_marks(official(message.name))
            lines = [
                field_line(field, f" [{marks[field.name]}]" if field.name in marks else "")
                for field in message.fields
            ]
            blocks[f"message livekit.{message.name}"] = lines
        for enum in enums:
            lines = [f"  {value.number} {value.name}" for value in enum.values]
            blocks[f"enum {enum.full_name.replace(OURS, 'livekit.')}"] = lines
    heads = [line for line in expected if not line.startswith(" ")]
    assert sorted(blocks) == sorted(heads)
    assert [line for head in heads for line in [head, *blocks[head]]] == expected


def test_rpcs_are_the_contracts() -> None:
    lines = CONTRACT.partition("service livekit.Connector\n")[2].splitlines()
    generated = []
    for method in _gen.ConnectorServicer.METHODS:
        assert method.service == "livekit.Connector"
        types = [t.DESCRIPTOR.full_name for t in (method.request_type, method.response_type)]
        request, response = (name.replace(OURS, "livekit.") for name in types)
        generated.append(f"  {method.name} {request} {response}")
    assert generated == [line.rpartition(" ")[0] for line in lines]
    for line in lines:
        assert callable(getattr(_gen.ConnectorClient, line.rpartition(" ")[2]))


def upstream_marks(message: type[Message]) -> dict[str, str]:
    """Return the sensitivity that upstream gives the fields of a message."""
    marks = {
        field.name: field.GetOptions().Extensions[options.sensitivity]
        for field in message.DESCRIPTOR.fields
    }
    names = {options.SENSITIVITY_PII: "PII", options.SENSITIVITY_SECRET: "SECRET"}
    return {name: names[mark] for name, mark in marks.items() if mark}


def test_the_option_for_sensitivity_has_upstreams_number() -> None:
    text = (REPO / "proto" / "logger" / "options.proto").read_text(encoding="utf-8")
    assert f"Sensitivity sensitivity = {options.sensitivity.number};" in text
    for name, number in options.Sensitivity.items():
        assert f"{name} = {number};" in text


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.__name__)
def test_repr_hides_what_upstream_and_we_mark(message: type[Message]) -> None:
    marks = upstream_marks(official(message.__name__))
    marks.update({"SessionDescription": {"sdp": "SECRET"}}.get(message.__name__, {}))
    marks.update({"ConnectTwilioCallResponse": {"connect_url": "SECRET"}}.get(message.__name__, {}))
    filled = message()
    texts = {}
    for field in message.DESCRIPTOR.fields:
        value = f"value of {field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            texts[field.name] = value
            setattr(filled, field.name, value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            texts[field.name] = value
            getattr(filled, field.name)["key"] = value
    shown = repr(filled)
    assert {name for name, value in texts.items() if value in shown} == set(texts) - set(marks)


def test_facts_are_the_contracts() -> None:
    methods = {method.name: method for method in _gen.ConnectorServicer.METHODS}
    for method in methods.values():
        assert [(grant.section, grant.name, grant.field) for grant in method.grants] == [
            ("video", "roomCreate", "")
        ]
    dial, accept = methods["DialWhatsAppCall"], methods["AcceptWhatsAppCall"]
    connect, end = methods["ConnectWhatsAppCall"], methods["DisconnectWhatsAppCall"]
    twilio = methods["ConnectTwilioCall"]
    assert [m.name for m in methods.values() if not m.safe_to_repeat] == [dial.name, twilio.name]
    assert (accept.repeat_done, accept.repeat_echo) == (("already_exists",), ("room_name",))
    assert (connect.repeat_done, connect.repeat_echo) == (("already_exists",), ())
    assert (end.repeat_done, end.repeat_echo) == (("not_found", "failed_precondition"), ())
    business = ("whatsapp_phone_number_id", "whatsapp_api_key", "whatsapp_cloud_api_version")
    assert set(dial.required) == {*business, "whatsapp_to_phone_number"}
    assert set(accept.required) == {*business, "whatsapp_call_id", "sdp"}
    assert set(connect.required) == {"whatsapp_call_id", "sdp"}
    assert end.required == ("whatsapp_call_id",)
    assert end.required_unless == (("whatsapp_api_key", "disconnect_reason", "USER_INITIATED"),)
    assert (twilio.required, twilio.no_default) == (("room_name",), ("twilio_call_direction",))
    assert (accept.wait_field, accept.wait_timeout_field) == (
        "wait_until_answered",
        "ringing_timeout",
    )
    assert (connect.wait_field, connect.wait_timeout_field) == ("wait_until_answered", None)
    assert dict(dial.formats) == {
        "whatsapp_to_phone_number": "phone_number",
        "whatsapp_cloud_api_version": "cloud_api_version",
    }
    assert dict(accept.formats) == {"whatsapp_cloud_api_version": "cloud_api_version"}


@pytest.mark.codegen
def test_the_overlay_knows_the_formats_and_codes_of_the_runtime(codegen_python: str) -> None:
    """Neither imports the other, so codegen has lists of its own."""
    dump = "import json; from codegen import overlay as o; print(json.dumps([o.FORMATS, o.CODES]))"
    result = subprocess.run(
        [codegen_python, "-c", dump], cwd=REPO, stdout=subprocess.PIPE, check=True
    )
    formats, codes = json.loads(result.stdout)
    assert set(formats) == set(FORMATS)
    assert set(codes) == {code.value for code in StatusCode}
