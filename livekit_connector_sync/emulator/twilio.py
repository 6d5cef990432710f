"""Twilio's side: the voice webhook, the TwiML of a session, and the messages of its stream.

Source: https://www.twilio.com/docs/voice/twiml/stream, /docs/usage/security (signatures), and
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
from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from .http_client import check_url
from .outbox import DeliveryRules

__all__ = ["TwilioReply", "TwilioWebhooks", "signature", "stream_event", "twiml", "voice_form"]

ACCOUNT_SID = "AC00000000000000000000000000000000"


@dataclass(frozen=True)
class TwilioWebhooks(DeliveryRules):
    """Where Twilio's voice webhook goes.

    Args:
        voice_url: your app's webhook for incoming calls; "" to send nothing.
        auth_token: signs every request (X-Twilio-Signature).
        account_sid: the account that the webhook names, for an app that serves several accounts.

    Raises:
        ValueError: the URL is not an http or https URL.
    """

    voice_url: str = ""
    auth_token: str = field(default="emulated-auth-token", repr=False)
    account_sid: str = ACCOUNT_SID

    user_agent = "TwilioProxy/1.1"

    def __post_init__(self) -> None:
        check_url("TwilioWebhooks.voice_url", self.voice_url)

    def make_headers(self, body: bytes) -> dict[str, str]:
        """Return the headers of a webhook, with its signature."""
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(self.voice_url, form, self.auth_token),
        }


@dataclass(frozen=True)
class TwilioReply:
    """Your app's response to the voice webhook.

    Args:
        status: the HTTP status; 0 if there was no response.
        body: the TwiML.
        call_sid: the CallSid in the webhook.
    """

    status: int
    body: str
    call_sid: str


def signature(url: str, form: Mapping[str, Union[str, Iterable[str]]], auth_token: str) -> str:
    """Return the X-Twilio-Signature header of a form that is posted to a URL.

    Independent of the package's own verification, so that a mistake in one shows in the other.
    A repeated parameter of the form has all its values.
    """
    text = url
    for name in sorted(form):
        value = form[name]
        for item in [value] if isinstance(value, str) else sorted(set(value)):
            text += f"{name}{item}"
    digest = hmac.new(auth_token.encode(), text.encode("utf-8"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def voice_form(
    call_sid: str, from_number: str, to_number: str, account_sid: str = ACCOUNT_SID
) -> dict[str, str]:
    """Return the form that Twilio posts for an incoming call.

    The numbers have a leading "+".
    """
    return {
        "AccountSid": account_sid,
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
    """Return the event of a stream's message, such as "start"; None if it is malformed."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return None
    event = document.get("event") if isinstance(document, dict) else None
    return event if isinstance(event, str) else None
