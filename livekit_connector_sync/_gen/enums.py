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
    """The network that a call came through."""

    Unspecified = 0
    """Not said."""
    WhatsApp = 1
    """WhatsApp, through Meta's Cloud API."""
    Twilio = 2
    """Twilio, through a media stream."""


class DisconnectReason(ProtoEnum):
    """Who ended the call."""

    BUSINESS_INITIATED = 0
    """You hang up: LiveKit ends the call at Meta, which needs the `whatsapp_api_key`. The
    default.
    """
    USER_INITIATED = 1
    """The user hung up, as Meta's `terminate` webhook said: LiveKit only releases the call, and
    needs no key.
    """


class JobRestartPolicy(ProtoEnum):
    """When an agent that stopped is started again."""

    JRP_ON_FAILURE = 0
    """It is started again if it failed. The default."""
    JRP_NEVER = 1
    """It is never started again."""


class TwilioCallDirection(ProtoEnum):
    """Who called whom."""

    TWILIO_CALL_DIRECTION_INBOUND = 0
    """The call came in to your Twilio number. Zero on the wire: an unset direction means this."""
    TWILIO_CALL_DIRECTION_OUTBOUND = 1
    """You are about to call someone through Twilio. The participant stays hidden until they
    answer.
    """


class WhatsAppCallDirection(ProtoEnum):
    """Who called whom."""

    WHATSAPP_CALL_DIRECTION_INBOUND = 0
    """A WhatsApp user called your business number. Zero on the wire: an unset direction means
    this.
    """
    WHATSAPP_CALL_DIRECTION_OUTBOUND = 2
    """Your app called a WhatsApp user. Two on the wire: there is no value 1."""
