"""What a business needs of Meta's own API around a call that LiveKit bridges.

    from livekit_connector_sync.whatsapp import CallingClient

    with CallingClient("106540352242922", access_token, api_version="23.0") as calling:
        if not calling.call_permission("15551234567").can_start_call:
            calling.request_call_permission("15551234567", "May we call you about your order?")

`meta_error` reads Meta's error out of a failed call, whether this client or LiveKit reports it.
"""

from __future__ import annotations

from .client import CallingClient
from .meta_errors import MetaError, meta_error
from .permission import CallPermission, PermissionLimit

__all__ = ["CallPermission", "CallingClient", "MetaError", "PermissionLimit", "meta_error"]
