"""Twilio's side: its webhooks, the TwiML of a session, and the messages of its stream.

Source: https://www.twilio.com/docs/voice/twiml/stream, /docs/usage/security (signatures),
/docs/voice/media-streams/websocket-messages, and /docs/voice/api/call-resource (status callbacks)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Optional, Union
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import quoteattr

from .calls import Call
from .lifecycle import Event, State
from .outbox import DeliveryRules, Webhook

__all__ = [
    "TwilioReply",
    "TwilioWebhooks",
    "duration_of",
    "format_time",
    "numbers_of",
    "signature",
    "status_of",
    "stream_event",
    "twiml",
    "voice_form",
]

ACCOUNT_SID = "AC00000000000000000000000000000000"


@dataclass(frozen=True)
class TwilioWebhooks(DeliveryRules):
    """Where Twilio's voice webhook goes, and the account.

    Args:
        voice_url: your app's webhook for incoming calls; "" to send nothing.
        auth_token: signs every webhook (X-Twilio-Signature); the password of Twilio's API.
        account_sid: the account that webhooks name; the user name of Twilio's API.
        phone_numbers: the account's numbers, with a leading "+". If there are any, Twilio refuses
            other caller ids (21210).

    Raises:
        TypeError: a value has the wrong type.
        ValueError: the URL is not an http or https URL.
    """

    voice_url: str = ""
    auth_token: str = field(default="emulated-auth-token", repr=False)
    account_sid: str = ACCOUNT_SID
    phone_numbers: tuple[str, ...] = ()

    user_agent = "TwilioProxy/1.1"

    def make_headers(self, url: str, body: bytes) -> dict[str, str]:
        """Return the headers of a webhook, with its signature."""
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(url, form, self.auth_token),
        }

    def call_token(self, number: str) -> str:
        """Return the CallToken with which a call may show a caller's number as its caller id."""
        key = self.auth_token.encode()
        return hmac.new(key, f"CallToken {number}".encode(), hashlib.sha256).hexdigest()

    def status_webhooks(self, call: Call, event: Event, at: float) -> Iterator[Webhook]:
        """Return the status callbacks of an event of a phone call; `call` is after it."""
        if not call.status_callback:
            return
        answered = ["answered"] if call.progress.picked_up else []
        order = ["initiated", "ringing", *answered, "completed"]
        sent = [name for name in order if name in call.status_events]
        caused = ("completed",) if call.ended_by is event else _STATUS_EVENTS.get(event, ())
        for name in [each for each in caused if each in sent]:
            status = "initiated" if name == "initiated" else status_of(call)
            form = {
                **voice_form(call.call_sid, *numbers_of(call), self.account_sid),
                "CallStatus": status,
                "CallbackSource": "call-progress-events",
                "Direction": "outbound-api",
                "SequenceNumber": str(sent.index(name)),
                "Timestamp": format_time(at),
            }
            if name == "completed":
                form["CallDuration"] = str(duration_of(call))
            yield Webhook(f"status {status}", urlencode(form).encode(), call.status_callback)


_STATUS_EVENTS = {Event.CREATE: ("initiated", "ringing"), Event.STREAM: ("answered",)}
_STATUS_OF_STATE = {State.RINGING: "ringing", State.ACTIVE: "in-progress"}
_STATUS_OF_ENDING = {Event.REJECT: "busy", Event.BUSY: "busy", Event.NO_ANSWER: "no-answer"}


def status_of(call: Call) -> str:
    """Return Twilio's status of the phone call that serves a session."""
    if call.ended_by is None:
        return _STATUS_OF_STATE[call.state]
    default = "completed" if call.progress.picked_up else "canceled"
    return _STATUS_OF_ENDING.get(call.ended_by, default)


def numbers_of(call: Call) -> tuple[str, str]:
    """Return the caller id and the number called of an outbound phone call, as Twilio has them."""
    return f"+{call.business_number}", f"+{call.user_number}"


def duration_of(call: Call) -> int:
    """Return how many seconds a phone call took; 0 if nobody picked up or it has not ended."""
    started = call.time_of(Event.STREAM)
    ended = call.time_of(call.ended_by) if call.ended_by else None
    return 0 if started is None or ended is None else int(ended) - int(started)


def format_time(at: float) -> str:
    """Return a time as Twilio writes it (RFC 2822)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(at))


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
