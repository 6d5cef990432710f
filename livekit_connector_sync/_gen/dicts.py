"""The dicts that fields take instead of messages. Use the names in your annotations.

Generated from the protos by codegen. DO NOT EDIT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Optional, TypedDict, Union

from livekit_connector_sync._gen import enums

__all__ = ["RoomAgentDispatchDict", "SessionDescriptionDict"]


class RoomAgentDispatchDict(TypedDict, total=False):
    """The fields of a RoomAgentDispatch. An agent to dispatch to the room of a call.

    Example: `RoomAgentDispatch(agent_name="reception", metadata='{"language": "en"}')`.
    """

    agent_name: Optional[str]
    """Required in practice. The name that the agent's worker registered, such as "reception"."""
    metadata: Optional[str]
    """Text for the agent, often JSON. The agent reads it as `ctx.job.metadata`. It may identify
    the caller, so it is not logged.
    """
    restart_policy: Optional[
        Union[enums.JobRestartPolicy, Literal[0, 1, "JRP_ON_FAILURE", "JRP_NEVER"]]
    ]
    """When to restart the agent after it stopped. Default: JRP_ON_FAILURE."""
    deployment: Optional[str]
    """The deployment to use if the agent has several. Default: LiveKit chooses one."""
    attributes: Optional[Mapping[str, str]]
    """Attributes of the agent's job, such as `{"tenant": "acme"}`."""


class SessionDescriptionDict(TypedDict, total=False):
    """The fields of a SessionDescription. An SDP offer or answer of a WebRTC session, as in
    `session` of Meta's `connect` webhook.

    Example: `SessionDescription(type=session["sdp_type"], sdp=session["sdp"])`.
    """

    type: Optional[str]
    """Required. "offer" for an inbound call (AcceptWhatsAppCall), "answer" for an outbound call
    (ConnectWhatsAppCall).
    """
    sdp: Optional[str]
    """Required. The unchanged SDP text, including line breaks. It contains credentials of the
    media connection, so treat it as a secret.
    """
    id: Optional[int]
    """The number of the negotiation, for LiveKit's own clients. Don't set it."""
    mid_to_track_id: Optional[Mapping[str, str]]
    """Track IDs by media line, for LiveKit's own clients. Don't set it."""
