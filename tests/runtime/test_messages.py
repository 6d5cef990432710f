"""Requests from keywords, mappings, and other packages' messages; repr() without secrets."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol import agent_dispatch as other_agents
from livekit.protocol import connector_whatsapp as other

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.messages import as_message, build

DIAL = lk.DialWhatsAppCallRequest


@pytest.mark.parametrize(
    "value", [30.5, timedelta(seconds=30.5), Duration(seconds=30, nanos=500_000_000)]
)
def test_a_duration_takes_seconds_a_timedelta_or_a_duration(value) -> None:
    assert build(DIAL, {"ringing_timeout": value}).ringing_timeout.ToMilliseconds() == 30_500


@given(st.floats(min_value=0, max_value=1e9))
def test_durations_keep_nanoseconds(seconds: float) -> None:
    duration = build(DIAL, {"ringing_timeout": seconds}).ringing_timeout
    assert 0 <= duration.nanos < 1_000_000_000
    assert abs(duration.seconds + duration.nanos / 1e9 - seconds) <= 1e-6


@pytest.mark.parametrize(
    "value",
    [
        *(-1, float("nan"), float("inf"), 1e12, timedelta(seconds=-1)),
        *(Duration(seconds=-1), Duration(nanos=-1), Duration(nanos=10**9)),
    ],
)
def test_a_duration_out_of_range_raises_value_error_that_names_it(value) -> None:
    with pytest.raises(ValueError, match="ringing_timeout"):
        build(DIAL, {"ringing_timeout": value})


@pytest.mark.parametrize(
    "value",
    [1, "TWILIO_CALL_DIRECTION_OUTBOUND", lk.TwilioCallDirection.TWILIO_CALL_DIRECTION_OUTBOUND],
)
def test_an_enum_takes_the_constant_or_its_name(value) -> None:
    request = build(lk.ConnectTwilioCallRequest, {"twilio_call_direction": value})
    assert request.twilio_call_direction == 1


def test_an_unknown_enum_name_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"twilio_call_direction.*TWILIO_CALL_DIRECTION_INBOUND"):
        build(lk.ConnectTwilioCallRequest, {"twilio_call_direction": "OUTBOUND"})


def test_messages_can_be_mappings_at_any_depth() -> None:
    request = build(DIAL, {"agents": [{"agent_name": "a", "attributes": {"k": "v"}}]})
    assert request.agents[0].attributes == {"k": "v"}
    request = build(
        lk.ConnectWhatsAppCallRequest, {"sdp": {"type": "answer", "mid_to_track_id": {"0": "t"}}}
    )
    assert request.sdp.mid_to_track_id == {"0": "t"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"room_name": 5}, "room_name must be a str, not int"),
        ({"agents": "a"}, "agents must be a list, not str"),
        ({"agents": {"agent_name": "a"}}, "agents must be a list, not dict"),
        ({"agents": [1]}, r"agents\[0\] must be a RoomAgentDispatch or a mapping"),
        ({"agents": [{"agent_name": 1}]}, r"agents\[0\]\.agent_name must be a str"),
        ({"agents": [{"name": "a"}]}, r"agents\[0\]\.name: RoomAgentDispatch has no field"),
        ({"agents": [lk.SessionDescription()]}, r"agents\[0\] must be a RoomAgentDispatch"),
        ({"participant_attributes": [1]}, "participant_attributes must be a mapping"),
        ({"participant_attributes": {"k": 1}}, r"participant_attributes\['k'\] must be a str"),
        ({"participant_attributes": {7: "v"}}, "participant_attributes: the key 7 must be a str"),
        ({"ringing_timeout": "30"}, "ringing_timeout must be seconds"),
        ({"ringing_timeout": True}, "ringing_timeout must be seconds"),
    ],
)
def test_a_wrong_type_names_the_field(fields, named) -> None:
    with pytest.raises(TypeError, match=named):
        build(DIAL, fields)


def test_a_constant_of_another_enum_is_rejected() -> None:
    with pytest.raises(TypeError, match="twilio_call_direction must be a TwilioCallDirection"):
        build(
            lk.ConnectTwilioCallRequest,
            {"twilio_call_direction": lk.DisconnectReason.USER_INITIATED},
        )


def test_a_bool_is_neither_an_enum_constant_nor_an_integer() -> None:
    with pytest.raises(TypeError, match="twilio_call_direction"):
        build(lk.ConnectTwilioCallRequest, {"twilio_call_direction": True})
    with pytest.raises(TypeError, match=r"sdp\.id"):
        build(lk.ConnectWhatsAppCallRequest, {"sdp": {"id": True}})


def test_messages_of_livekit_protocol_are_accepted_as_request_and_in_fields() -> None:
    theirs = other.DialWhatsAppCallRequest(
        room_name="r", agents=[other_agents.RoomAgentDispatch(agent_name="a")]
    )
    assert as_message(DIAL, theirs).SerializeToString() == theirs.SerializeToString()
    mixed = build(DIAL, {"room_name": "r", "agents": list(theirs.agents)})
    assert mixed.SerializeToString() == theirs.SerializeToString()


def test_messages_pickle_and_deep_copy() -> None:
    request = DIAL(room_name="r", agents=[lk.RoomAgentDispatch(agent_name="a")])
    assert pickle.loads(pickle.dumps(request)) == request == copy.deepcopy(request)


def test_guarantee_4_repr_of_a_message_redacts_secrets_and_str_is_protobufs() -> None:
    request = DIAL(
        whatsapp_phone_number_id="123",
        whatsapp_api_key="EAAG-key",
        whatsapp_to_phone_number="15551234567",
        participant_attributes={"email": "ann@example.com"},
        agents=[lk.RoomAgentDispatch(agent_name="a", metadata="about ann")],
    )
    shown = repr([request])
    assert "whatsapp_phone_number_id='123'" in shown
    assert "agent_name='a'" in shown
    for hidden in ("EAAG-key", "15551234567", "ann@example.com", "about ann"):
        assert hidden not in shown
        assert hidden in str(request)


def test_repr_shows_enums_durations_and_nested_messages() -> None:
    request = lk.AcceptWhatsAppCallRequest(
        sdp=lk.SessionDescription(type="offer", sdp="v=0 secret"),
        ringing_timeout=Duration(seconds=30),
    )
    assert repr(request) == (
        "AcceptWhatsAppCallRequest(sdp=SessionDescription(type='offer', sdp=<secret>), "
        "ringing_timeout=Duration(seconds=30))"
    )
    assert "twilio_call_direction=TWILIO_CALL_DIRECTION_OUTBOUND" in repr(
        lk.ConnectTwilioCallRequest(twilio_call_direction=1)
    )


def test_enums_are_python_enums_with_protobufs_methods() -> None:
    assert lk.WhatsAppCallDirection.WHATSAPP_CALL_DIRECTION_OUTBOUND == 2
    assert lk.WhatsAppCallDirection.Name(2) == "WHATSAPP_CALL_DIRECTION_OUTBOUND"
    assert lk.WhatsAppCallDirection.Value("WHATSAPP_CALL_DIRECTION_INBOUND") == 0
    with pytest.raises(ValueError, match="WHATSAPP_CALL_DIRECTION_INBOUND"):
        lk.WhatsAppCallDirection.Value("SIDEWAYS")
    assert "TWILIO_CALL_DIRECTION_OUTBOUND" in dir(lk.TwilioCallDirection)
    assert lk.ConnectorType.keys() == ["Unspecified", "WhatsApp", "Twilio"]
    assert lk.ConnectorType.values() == [0, 1, 2]
    assert dict(lk.ConnectorType.items())["Twilio"] == lk.ConnectorType.Twilio
    call = lk.WhatsAppCall(
        whatsapp_call_id="wacid.1",
        direction=lk.WhatsAppCallDirection.Value("WHATSAPP_CALL_DIRECTION_OUTBOUND"),
    )
    assert call.direction == 2
