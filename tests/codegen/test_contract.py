"""The generated messages, enums and RPCs are those of the published livekit-protocol."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from livekit.protocol import connector, connector_twilio, connector_whatsapp
from livekit.protocol.logger_pb import options

from livekit_connector_sync import _gen
from livekit_connector_sync._runtime.proto_enum import ProtoEnum

from .conftest import REPO

OURS = "livekit_connector_sync._gen."
POOL = descriptor_pool.Default()  # holds the messages of both packages


def generated_files() -> list[Any]:
    """Return the file descriptors of the generated package."""
    modules = [m.name for m in pkgutil.iter_modules(_gen.__path__) if m.name.endswith("_pb2")]
    return [importlib.import_module(OURS + name).DESCRIPTOR for name in modules]


def official(name: str) -> type[Message]:
    """Return livekit-protocol's class of one of our messages."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"livekit.{name}"))


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


def test_enums_are_the_published_ones() -> None:
    generated = {}
    for file in generated_files():
        enums = list(file.enum_types_by_name.values())
        enums += [enum for m in file.message_types_by_name.values() for enum in m.enum_types]
        for enum in enums:
            theirs = POOL.FindEnumTypeByName(enum.full_name.replace(OURS, "livekit."))
            generated[enum.name] = {value.name: value.number for value in theirs.values}
            assert {value.name: value.number for value in enum.values} == generated[enum.name]
    exported = [getattr(_gen, name) for name in _gen.__all__]
    assert generated == {
        item.__name__: {name: member.value for name, member in item.__members__.items()}
        for item in exported
        if isinstance(item, type) and issubclass(item, ProtoEnum)
    }


def test_everything_that_the_connectors_files_declare_is_exported() -> None:
    for module in (connector, connector_whatsapp, connector_twilio):
        file = module.DESCRIPTOR
        assert {*file.message_types_by_name, *file.enum_types_by_name} <= set(_gen.__all__)


def test_rpcs_are_the_published_ones() -> None:
    service = POOL.FindServiceByName("livekit.Connector")
    assert [
        (
            f"{method.service}.{method.name}",
            *(
                message.DESCRIPTOR.full_name.replace(OURS, "livekit.")
                for message in (method.request_type, method.response_type)
            ),
        )
        for method in _gen.ConnectorServicer.METHODS
    ] == [
        (method.full_name, method.input_type.full_name, method.output_type.full_name)
        for method in service.methods
    ]


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
def test_repr_redacts_the_fields_that_upstream_and_we_mark(message: type[Message]) -> None:
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


def test_the_facts_of_each_rpc() -> None:
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
    shared = {
        "room_name": "name",
        "participant_identity": "name",
        "agents": "agents",
        "destination_country": "country",
    }
    of_whatsapp = {
        **shared,
        "whatsapp_phone_number_id": "phone_number_id",
        "whatsapp_api_key": "api_key",
        "whatsapp_cloud_api_version": "cloud_api_version",
        "whatsapp_biz_opaque_callback_data": "callback_data",
        "ringing_timeout": "ringing_timeout",
    }
    assert dict(dial.formats) == {**of_whatsapp, "whatsapp_to_phone_number": "phone_number"}
    assert dict(accept.formats) == of_whatsapp
    assert dict(twilio.formats) == shared
