"""A blocking, typed client for LiveKit's Connector API: WhatsApp and Twilio calls into rooms.

    import livekit_connector_sync as lk

    with lk.LiveKitAPI() as api:
        call = api.connector.dial_whatsapp_call(
            whatsapp_phone_number_id="1234567890",
            whatsapp_to_phone_number="15551234567",
            whatsapp_api_key="...",
            whatsapp_cloud_api_version="23.0",
        )

`ConnectorClient` is the same without the outer object, `ConnectorStub` over a `Channel` is gRPC's
way. Every failed call raises `TwirpError` or one of its subclasses.
"""

# ruff: noqa: F403, F405 - mypy reads __all__ only if it is a list of names; a test compares it

from __future__ import annotations

from typing import TYPE_CHECKING

from ._gen import *
from ._runtime.call import (
    Call,
    ClientCallDetails,
    UnaryUnaryClientInterceptor,
    UnaryUnaryMultiCallable,
)
from ._runtime.channel import Channel
from ._runtime.credentials import ApiKeyCredentials, TokenCredentials
from ._runtime.deadline import UNSET
from ._runtime.regions import FailoverPolicy
from ._runtime.retry import RetryPolicy
from ._version import __version__
from .access_token import AccessToken, AgentGrants, Claims, SIPGrants, TokenVerifier, VideoGrants
from .api import LiveKitAPI
from .errors import *
from .service import ServicerContext

if TYPE_CHECKING:
    from ._gen.dicts import *
else:

    def __getattr__(name: str) -> object:
        """Import the dicts on first use: only annotations need them."""
        if name.endswith("Dict") and name in __all__:
            from ._gen import dicts

            return getattr(dicts, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "UNSET",
    "Aborted",
    "AcceptWhatsAppCallRequest",
    "AcceptWhatsAppCallResponse",
    "AccessToken",
    "AgentGrants",
    "AlreadyExists",
    "ApiKeyCredentials",
    "BadRoute",
    "Call",
    "Canceled",
    "Channel",
    "Claims",
    "ClientCallDetails",
    "ConnectTwilioCallRequest",
    "ConnectTwilioCallResponse",
    "ConnectWhatsAppCallRequest",
    "ConnectWhatsAppCallResponse",
    "ConnectorClient",
    "ConnectorServicer",
    "ConnectorStub",
    "ConnectorType",
    "DataLoss",
    "DeadlineExceeded",
    "DialWhatsAppCallRequest",
    "DialWhatsAppCallResponse",
    "DisconnectReason",
    "DisconnectWhatsAppCallRequest",
    "DisconnectWhatsAppCallResponse",
    "FailedPrecondition",
    "FailoverPolicy",
    "Internal",
    "InvalidArgument",
    "JobRestartPolicy",
    "LiveKitAPI",
    "Malformed",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "RetryPolicy",
    "RoomAgentDispatch",
    "RoomAgentDispatchDict",
    "SIPGrants",
    "ServicerContext",
    "SessionDescription",
    "SessionDescriptionDict",
    "StatusCode",
    "TokenCredentials",
    "TokenVerifier",
    "TwilioCallDirection",
    "TwirpError",
    "UnaryUnaryClientInterceptor",
    "UnaryUnaryMultiCallable",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "VideoGrants",
    "WhatsAppCall",
    "WhatsAppCallDirection",
    "__version__",
]
