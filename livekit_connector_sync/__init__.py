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

from __future__ import annotations

from . import _gen, errors
from ._gen import *  # noqa: F403 - all that the protos declare; its __all__ is generated
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
from .errors import *  # noqa: F403 - one class per Twirp code
from .service import ServicerContext

__all__ = [
    "UNSET",
    "AccessToken",
    "AgentGrants",
    "ApiKeyCredentials",
    "Call",
    "Channel",
    "Claims",
    "ClientCallDetails",
    "FailoverPolicy",
    "LiveKitAPI",
    "RetryPolicy",
    "SIPGrants",
    "ServicerContext",
    "TokenCredentials",
    "TokenVerifier",
    "UnaryUnaryClientInterceptor",
    "UnaryUnaryMultiCallable",
    "VideoGrants",
    "__version__",
]
__all__ += _gen.__all__
__all__ += errors.__all__
