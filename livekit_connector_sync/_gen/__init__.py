"""Messages, enums, stubs, servicers and clients.

Generated from the protos by codegen. DO NOT EDIT.
"""

from __future__ import annotations

from livekit_connector_sync._gen.enums import (
    ConnectorType,
    DisconnectReason,
    JobRestartPolicy,
    TwilioCallDirection,
    WhatsAppCallDirection,
)
from livekit_connector_sync._gen.livekit_agent_dispatch_pb2 import RoomAgentDispatch
from livekit_connector_sync._gen.livekit_connector_twilio_pb2 import (
    ConnectTwilioCallRequest,
    ConnectTwilioCallResponse,
)
from livekit_connector_sync._gen.livekit_connector_twirp import (
    ConnectorClient,
    ConnectorServicer,
    ConnectorStub,
)
from livekit_connector_sync._gen.livekit_connector_whatsapp_pb2 import (
    AcceptWhatsAppCallRequest,
    AcceptWhatsAppCallResponse,
    ConnectWhatsAppCallRequest,
    ConnectWhatsAppCallResponse,
    DialWhatsAppCallRequest,
    DialWhatsAppCallResponse,
    DisconnectWhatsAppCallRequest,
    DisconnectWhatsAppCallResponse,
    WhatsAppCall,
)
from livekit_connector_sync._gen.livekit_rtc_pb2 import SessionDescription
from livekit_connector_sync.service import mark_sensitive

__all__ = [
    "AcceptWhatsAppCallRequest",
    "AcceptWhatsAppCallResponse",
    "ConnectTwilioCallRequest",
    "ConnectTwilioCallResponse",
    "ConnectWhatsAppCallRequest",
    "ConnectWhatsAppCallResponse",
    "ConnectorClient",
    "ConnectorServicer",
    "ConnectorStub",
    "ConnectorType",
    "DialWhatsAppCallRequest",
    "DialWhatsAppCallResponse",
    "DisconnectReason",
    "DisconnectWhatsAppCallRequest",
    "DisconnectWhatsAppCallResponse",
    "JobRestartPolicy",
    "RoomAgentDispatch",
    "SessionDescription",
    "TwilioCallDirection",
    "WhatsAppCall",
    "WhatsAppCallDirection",
]

mark_sensitive(
    AcceptWhatsAppCallRequest,
    secret=("whatsapp_api_key",),
    pii=("participant_name", "participant_metadata", "participant_attributes"),
)
mark_sensitive(AcceptWhatsAppCallResponse)
mark_sensitive(
    ConnectTwilioCallRequest,
    pii=("participant_name", "participant_metadata", "participant_attributes"),
)
mark_sensitive(ConnectTwilioCallResponse, secret=("connect_url",))
mark_sensitive(ConnectWhatsAppCallRequest)
mark_sensitive(ConnectWhatsAppCallResponse)
mark_sensitive(
    DialWhatsAppCallRequest,
    secret=("whatsapp_api_key",),
    pii=(
        "whatsapp_to_phone_number",
        "participant_name",
        "participant_metadata",
        "participant_attributes",
    ),
)
mark_sensitive(DialWhatsAppCallResponse)
mark_sensitive(DisconnectWhatsAppCallRequest, secret=("whatsapp_api_key",))
mark_sensitive(DisconnectWhatsAppCallResponse)
mark_sensitive(RoomAgentDispatch, pii=("metadata", "attributes"))
mark_sensitive(SessionDescription, secret=("sdp",))
mark_sensitive(WhatsAppCall)
