"""The interface of the generated code for callers, servers, and documentation."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import textwrap
from typing import Any, get_type_hints

import pytest
from livekit.protocol import connector_whatsapp

import livekit_connector_sync
from livekit_connector_sync import _gen, errors
from livekit_connector_sync._gen import dicts
from livekit_connector_sync._runtime.method import MethodInfo
from livekit_connector_sync.errors import Unimplemented
from livekit_connector_sync.service import ServicerContext

OPTIONS = ["timeout", "retry", "extra_headers"]
METHODS = {
    "dial_whatsapp_call": "DialWhatsAppCall",
    "disconnect_whatsapp_call": "DisconnectWhatsAppCall",
    "connect_whatsapp_call": "ConnectWhatsAppCall",
    "accept_whatsapp_call": "AcceptWhatsAppCall",
    "connect_twilio_call": "ConnectTwilioCall",
}
INFO = {method.name: method for method in _gen.ConnectorServicer.METHODS}


class Recorder:
    """A channel that keeps what goes into it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def unary_unary(self, method: MethodInfo[Any, Any]) -> Any:
        def call(request: Any, *args: object, **kwargs: object) -> Any:
            self.calls.append((method.name, request))
            return method.response_type()

        return call


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_and_documents_every_field(name: str) -> None:
    method = getattr(_gen.ConnectorClient, name)
    info = INFO[METHODS[name]]
    fields = [field.name for field in info.request_type.DESCRIPTOR.fields]
    parameters = inspect.signature(method).parameters
    assert list(parameters) == ["self", "request", *fields, *OPTIONS]
    keywords = [parameters[field] for field in [*fields, *OPTIONS]]
    assert {parameter.kind for parameter in keywords} == {inspect.Parameter.KEYWORD_ONLY}
    documentation = inspect.getdoc(method) or ""
    arguments = documentation.partition("Args:\n")[2].partition("\nReturns:")[0]
    documented = dict(
        entry.split(": ", 1)
        for entry in textwrap.dedent(arguments).replace("\n    ", " ").splitlines()
        if entry
    )
    assert list(documented) == ["request", *fields, *OPTIONS]
    for field in [*info.required, *info.no_default]:
        assert documented[field].startswith("Required")
    for field in set(fields) - {*info.required, *info.no_default}:
        assert not documented[field].startswith("Required")
    for field in [field.name for field in info.response_type.DESCRIPTOR.fields]:
        assert f"\n        {field}: " in documentation.partition("Returns:")[2]
    for part in ("Errors: ", "\nRaises:\n"):
        assert part in documentation


@pytest.mark.parametrize("name", METHODS)
def test_type_hints_resolve_at_run_time(name: str) -> None:
    hints = get_type_hints(getattr(_gen.ConnectorClient, name))
    assert hints["return"] is INFO[METHODS[name]].response_type


def test_stub_servicer_and_client_name_the_same_rpcs() -> None:
    stub = _gen.ConnectorStub(Recorder())
    assert list(vars(stub)) == list(METHODS.values()) == list(INFO)
    servicer = _gen.ConnectorServicer()
    for name, info in INFO.items():
        context = ServicerContext(info.full_name, {})
        with pytest.raises(Unimplemented, match=name):
            getattr(servicer, name)(info.request_type(), context)


def test_keywords_a_request_and_an_official_request_send_the_same() -> None:
    channel = Recorder()
    client = _gen.ConnectorClient.from_channel(channel)
    fields: dict[str, Any] = {
        "whatsapp_call_id": "wacid.1",
        "disconnect_reason": _gen.DisconnectReason.USER_INITIATED,
    }
    client.disconnect_whatsapp_call(**fields)
    client.disconnect_whatsapp_call(whatsapp_call_id="wacid.1", disconnect_reason="USER_INITIATED")
    client.disconnect_whatsapp_call(_gen.DisconnectWhatsAppCallRequest(**fields))
    official: Any = connector_whatsapp.DisconnectWhatsAppCallRequest(**fields)
    client.disconnect_whatsapp_call(official)
    names, requests = zip(*channel.calls)
    assert set(names) == {"DisconnectWhatsAppCall"}
    assert {type(request) for request in requests} == {_gen.DisconnectWhatsAppCallRequest}
    assert {request.SerializeToString() for request in requests} == {official.SerializeToString()}


def test_the_direction_of_a_twilio_call_has_no_default() -> None:
    channel = Recorder()
    client: Any = _gen.ConnectorClient.from_channel(channel)
    with pytest.raises(TypeError, match="twilio_call_direction"):
        client.connect_twilio_call(room_name="room")
    assert channel.calls == []
    client.connect_twilio_call(_gen.ConnectTwilioCallRequest(room_name="room"))
    direction = _gen.TwilioCallDirection.TWILIO_CALL_DIRECTION_OUTBOUND
    client.connect_twilio_call(room_name="room", twilio_call_direction=direction)
    assert [request.twilio_call_direction for _, request in channel.calls] == [0, 1]


def test_messages_pickle_under_the_path_they_are_imported_by() -> None:
    message = _gen.AcceptWhatsAppCallRequest(
        sdp=_gen.SessionDescription(type="offer", sdp="v=0"),
        agents=[_gen.RoomAgentDispatch(agent_name="reception")],
        participant_attributes={"ticket": "4711"},
    )
    assert pickle.loads(pickle.dumps(message)) == message


def test_everything_exported_is_documented() -> None:
    for name in _gen.__all__:
        exported = getattr(_gen, name)
        if exported.__module__.endswith("_pb2"):
            continue  # documented in its .pyi
        assert exported.__doc__, name
    assert {"WhatsAppCall", "WhatsAppCallDirection", "ConnectorType"} <= set(_gen.__all__)


def test_the_package_exports_all_that_the_protos_declare() -> None:
    public = livekit_connector_sync.__all__
    assert sorted(public) == sorted(set(public))  # none of the protos' hides one of ours
    for module in (_gen, dicts, errors):
        for name in module.__all__:
            assert getattr(livekit_connector_sync, name) is getattr(module, name)
            assert name in public


def test_importing_the_package_does_not_import_the_dicts() -> None:
    program = """
import sys
import livekit_connector_sync as lk
print("livekit_connector_sync._gen.dicts" in sys.modules, hasattr(lk, "NoSuchDict"))
from livekit_connector_sync import *
print(RoomAgentDispatchDict is lk.RoomAgentDispatchDict)
"""
    result = subprocess.run([sys.executable, "-c", program], text=True, stdout=subprocess.PIPE)
    assert result.stdout.split() == ["False", "False", "True"]


def test_a_dict_has_the_fields_of_its_message() -> None:
    for name in dicts.__all__:
        message = getattr(_gen, name[: -len("Dict")])
        fields = [field.name for field in message.DESCRIPTOR.fields]
        hints = get_type_hints(getattr(dicts, name))
        assert list(hints) == fields
        assert getattr(dicts, name).__doc__
