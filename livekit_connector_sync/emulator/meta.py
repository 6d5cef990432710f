"""Meta's side: the `calls` webhooks about a WhatsApp call, and the users' session descriptions.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/calling (user-initiated and
business-initiated calls), https://developers.facebook.com/docs/graph-api/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from .._gen import SessionDescription
from .calls import Call
from .lifecycle import Direction, Event
from .outbox import DeliveryRules, Webhook

__all__ = ["MetaWebhooks", "make_sdp", "make_user_id", "signature"]


@dataclass(frozen=True)
class MetaWebhooks(DeliveryRules):
    """Where Meta's webhooks go, and what they contain.

    Args:
        url: your app's webhook; "" to send nothing.
        app_secret: signs every body (X-Hub-Signature-256).
        verify_token: sent in the GET handshake.
        account_id: the WhatsApp Business account.
        status_as_list: write the status of a terminate as a list, as Meta's documentation prints
            it; real webhooks have a text.
        omit_direction: leave the direction out of connect, as in Meta's first sample.
        connect_at_pickup: send connect of an outbound call when the user picks up, not when the
            phone starts to ring.
        duplicates: how many more times to send each webhook.

    Raises:
        TypeError: a value has the wrong type.
        ValueError: the URL is not an http or https URL, or `duplicates` is negative.
    """

    url: str = ""
    app_secret: str = field(default="emulated-app-secret", repr=False)
    verify_token: str = field(default="emulated-verify-token", repr=False)
    account_id: str = "102290129340398"
    status_as_list: bool = False
    omit_direction: bool = False
    connect_at_pickup: bool = False
    duplicates: int = 0

    user_agent = "facebookexternalua"
    # At once, then less and less often, for a week.
    retry_delays = (0.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, *(86400.0,) * 6)

    def is_accepted(self, result: str) -> bool:
        """Return whether Meta does not send the webhook again."""
        return result == "200"

    def make_headers(self, body: bytes) -> dict[str, str]:
        """Return the headers of a webhook, with its signature."""
        return {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature(body, self.app_secret),
        }

    def handshake_url(self, challenge: str) -> str:
        """Return the URL of the GET handshake."""
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": self.verify_token,
        }
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(query)}"

    def webhooks(self, call: Call, event: Event, at: float) -> Iterable[Webhook]:
        """Return the webhooks that an event of a WhatsApp call causes; `call` is after it."""
        connects_at = Event.ANSWER if self.connect_at_pickup else Event.DIAL
        if event is Event.OFFER or event is connects_at:
            yield self._connect(call, at)
        if event is Event.DIAL:
            yield self._status(call, "RINGING", at)
        elif event is Event.ANSWER:
            yield self._status(call, "ACCEPTED", at)
        elif call.ended_by is event:
            if event is Event.REJECT and call.direction is Direction.OUTBOUND:
                yield self._status(call, "REJECTED", at)
            yield self._terminate(call, event, at)

    def _connect(self, call: Call, at: float) -> Webhook:
        update = {
            **_update(call, "connect", at),
            "session": {"sdp_type": call.sdp.type, "sdp": call.sdp.sdp},
        }
        if self.omit_direction:
            del update["direction"]
        if call.direction is Direction.OUTBOUND:
            update["connection"] = {"webrtc": {"sdp": call.sdp.sdp}}
        return self._webhook("calls connect", call, calls=[update])

    def _terminate(self, call: Call, event: Event, at: float) -> Webhook:
        status = "COMPLETED" if call.progress.picked_up else "FAILED"
        update = {
            **_update(call, "terminate", at),
            "status": [status] if self.status_as_list else status,
        }
        started = call.time_of(Event.ACCEPT, Event.ANSWER)
        if started is not None and call.progress.picked_up:
            update["start_time"] = str(int(started))
            update["end_time"] = str(int(at))
            update["duration"] = int(at) - int(started)
        errors: dict[str, Any] = {}
        if event is Event.NOT_CONNECTED:
            text = "Call connect timed out: the SDP was applied too late"
            errors["errors"] = [{"code": 138007, "title": text, "message": text}]
        return self._webhook("calls terminate", call, calls=[{**update, **errors}], **errors)

    def _status(self, call: Call, status: str, at: float) -> Webhook:
        update = {
            "id": call.id,
            "timestamp": str(int(at)),
            "type": "call",
            "status": status,
            **_user_and_data(call, "recipient_id", "recipient"),
        }
        return self._webhook(f"status {status}", call, statuses=[update])

    def _webhook(self, title: str, call: Call, **parts: Any) -> Webhook:
        if call.direction is Direction.INBOUND or call.username:
            parts["contacts"] = [_contact(call)]
        business = call.business_number, call.phone_number_id
        return self.make_webhook(title, "calls", *business, **parts)

    def make_webhook(
        self, title: str, name: str, number: str, phone_number_id: str, **parts: Any
    ) -> Webhook:
        """Return a webhook of the field `name` about one business number."""
        metadata = {"display_phone_number": number, "phone_number_id": phone_number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata, **parts}
        entry = {"id": self.account_id, "changes": [{"field": name, "value": value}]}
        document = {"object": "whatsapp_business_account", "entry": [entry]}
        return Webhook(title, json.dumps(document, separators=(",", ":")).encode())


def signature(body: bytes, app_secret: str) -> str:
    """Return the X-Hub-Signature-256 header of a body.

    Independent of the package's own verification, so that a mistake in one shows in the other.
    """
    return f"sha256={hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()}"


def make_user_id(user: str) -> str:
    """Return the business-scoped user id of a number or username: always the same for the same."""
    return f"US.{int(hashlib.sha256(user.encode()).hexdigest(), 16) % 10**17:017}" if user else ""


def make_sdp(kind: str) -> SessionDescription:
    """Return the "offer" of a user who calls, or the "answer" of a user who picks up.

    It is like those of Meta's media servers: audio only, Opus, ICE lite. Source: RFC 8866 (SDP),
    RFC 8839 (ICE), RFC 8122 (fingerprint), RFC 5763 (setup).
    """
    lines = (
        "v=0",
        f"o=- {secrets.randbits(52)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS *",
        "m=audio 3484 UDP/TLS/RTP/SAVPF 111 126",
        "c=IN IP4 127.0.0.1",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 3484 typ host generation 0",
        f"a=ice-ufrag:{secrets.token_hex(4)}",
        f"a=ice-pwd:{secrets.token_hex(12)}",
        f"a=fingerprint:sha-256 {secrets.token_bytes(32).hex(':').upper()}",
        f"a=setup:{'actpass' if kind == 'offer' else 'active'}",
        "a=mid:audio",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:126 telephone-event/8000",
        "a=maxptime:20",
        f"a=ssrc:{secrets.randbits(32)} cname:WhatsAppAudioStream1",
    )
    return SessionDescription(type=kind, sdp="\r\n".join(lines) + "\r\n")


def _update(call: Call, event: str, at: float) -> dict[str, Any]:
    """Return what "connect" and "terminate" share."""
    inbound = call.direction is Direction.INBOUND
    user, business = ("from", "to") if inbound else ("to", "from")
    return {
        "id": call.id,
        business: call.business_number,
        **_user_and_data(call, user, user),
        "event": event,
        "direction": "USER_INITIATED" if inbound else "BUSINESS_INITIATED",
        "timestamp": str(int(at)),
    }


def _user_and_data(call: Call, number: str, role: str) -> dict[str, str]:
    """Return the user, under these names, and the request's callback data, as far as known."""
    fields = {
        number: call.user_number,
        f"{role}_user_id": call.user_id,
        f"{role}_parent_user_id": call.parent_user_id,
        "biz_opaque_callback_data": call.callback_data,
    }
    return {name: text for name, text in fields.items() if text}


def _contact(call: Call) -> dict[str, Any]:
    contact = {
        "wa_id": call.user_number,
        "user_id": call.user_id,
        "parent_user_id": call.parent_user_id,
    }
    profile = {"name": call.user_name, **({"username": call.username} if call.username else {})}
    return {"profile": profile, **{name: text for name, text in contact.items() if text}}
