"""Twilio's side: the voice webhook, the TwiML of a session, and the messages of its stream.

Source: https://www.twilio.com/docs/voice/twiml/stream, /docs/usage/security (signatures) and
/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional, Union
from xml.sax.saxutils import quoteattr

from .sender import checked_url

__all__ = ["TwilioReply", "TwilioWebhooks", "signature", "stream_event", "twiml", "voice_form"]


@dataclass(frozen=True)
class TwilioWebhooks:
    """Where and how Twilio's voice webhook is sent.

    Args:
        voice_url: the developer's webhook for incoming calls; empty to send nothing.
        auth_token: signs every request (X-Twilio-Signature).
        account_sid: the Twilio account.

    Raises:
        ValueError: voice_url is not a URL.
    """

    voice_url: str = ""
    auth_token: str = field(default="emulated-auth-token", repr=False)
    account_sid: str = "AC00000000000000000000000000000000"

    def __post_init__(self) -> None:
        checked_url("TwilioWebhooks.voice_url", self.voice_url)


@dataclass(frozen=True)
class TwilioReply:
    """What the developer's app answered to the voice webhook.

    Args:
        status: the HTTP status; 0 if there was no answer.
        body: the TwiML.
        call_sid: the CallSid that the webhook announced.
    """

    status: int
    body: str
    call_sid: str


def signature(url: str, form: Mapping[str, Union[str, Iterable[str]]], auth_token: str) -> str:
    """Return the X-Twilio-Signature header of a form posted to a URL.

    Apart from `webhooks`, which it puts to the test: a mistake here does not hide one there.

    Args:
        url: the full URL, as Twilio has it.
        form: the parameters; of a repeated one, all its values.
        auth_token: the account's primary auth token.
    """
    text = url
    for name in sorted(form):
        value = form[name]
        for item in [value] if isinstance(value, str) else sorted(set(value)):
            text += f"{name}{item}"
    digest = hmac.new(auth_token.encode(), text.encode("utf-8"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def voice_form(
    config: TwilioWebhooks, call_sid: str, from_number: str, to_number: str
) -> dict[str, str]:
    """Return the form that Twilio posts for an incoming call.

    Args:
        config: the account.
        call_sid: the call's sid.
        from_number: the caller, in E.164 with a leading "+".
        to_number: the number called, in E.164 with a leading "+".
    """
    return {
        "AccountSid": config.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid,
        "CallStatus": "ringing",
        "Called": to_number,
        "Caller": from_number,
        "Direction": "inbound",
        "From": from_number,
        "To": to_number,
    }


def twiml(stream_url: str) -> bytes:
    """Return the TwiML that connects a call to a stream."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Connect><Stream url={quoteattr(stream_url)}/></Connect></Response>\n"
    ).encode()


def stream_event(message: Union[str, bytes]) -> Optional[str]:
    """Return what a message of a media stream is: "connected", "start", "media", "stop", ...

    Returns:
        None if it is not such a message.
    """
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return None
    event = document.get("event") if isinstance(document, dict) else None
    return event if isinstance(event, str) else None
