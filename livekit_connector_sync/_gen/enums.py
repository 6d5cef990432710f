"""The enums of the protos as Python enums, so that shells complete their constants.

Generated from the protos by codegen. DO NOT EDIT.
"""

from __future__ import annotations

from livekit_connector_sync.service import ProtoEnum

__all__ = [
    "ConnectorType",
    "DisconnectReason",
    "JobRestartPolicy",
    "TwilioCallDirection",
    "WhatsAppCallDirection",
]


class ConnectorType(ProtoEnum):
    """The network of a call."""

    Unspecified = 0
    """Not specified."""
    WhatsApp = 1
    """WhatsApp, over Meta's Cloud API."""
    Twilio = 2
    """Twilio, over a media stream."""


class DisconnectReason(ProtoEnum):
    """Who ended the call."""

    BUSINESS_INITIATED = 0
    """You hang up. LiveKit ends the call at Meta and needs the `whatsapp_api_key`. The default."""
    USER_INITIATED = 1
    """The user hung up, as reported by Meta's `terminate` webhook. LiveKit only releases the
    call and doesn't need the key.
    """


class JobRestartPolicy(ProtoEnum):
    """When to restart an agent that stopped."""

    JRP_ON_FAILURE = 0
    """Restart it if it failed. The default."""
    JRP_NEVER = 1
    """Never restart it."""


class TwilioCallDirection(ProtoEnum):
    """Who called whom."""

    TWILIO_CALL_DIRECTION_INBOUND = 0
    """A call to your Twilio number. This is zero on the wire, so an unset direction means
    inbound.
    """
    TWILIO_CALL_DIRECTION_OUTBOUND = 1
    """A call that you are about to place through Twilio. The participant is hidden until the
    callee picks up.
    """


class WhatsAppCallDirection(ProtoEnum):
    """Who called whom."""

    WHATSAPP_CALL_DIRECTION_INBOUND = 0
    """A WhatsApp user called your business number. This is zero on the wire, so an unset
    direction means inbound.
    """
    WHATSAPP_CALL_DIRECTION_OUTBOUND = 2
    """Your app called a WhatsApp user. This is 2 on the wire; there is no value 1."""
