"""Turns the events of calls into webhooks of Meta, LiveKit, and Twilio, and delivers them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode

from .calls import Call
from .hub import Hub
from .journal import Journal
from .lifecycle import Event, Provider
from .livekit import LiveKitWebhooks, Rooms
from .meta import MetaWebhooks
from .outbox import Delivery, Outbox, Sender, Webhook
from .twilio import TwilioReply, TwilioWebhooks, voice_form

__all__ = ["WebhookSender"]


@dataclass(eq=False)
class WebhookSender:
    """Sends all webhooks of the emulator."""

    meta: MetaWebhooks
    livekit: LiveKitWebhooks
    twilio: TwilioWebhooks
    api_key: str
    api_secret: str = field(repr=False)
    journal: Journal
    hub: Hub
    history: int

    def __post_init__(self) -> None:
        self._rooms = Rooms()
        meta, livekit, twilio = self.meta, self.livekit, self.twilio
        senders = {
            "meta": Sender(meta.url, meta, lambda url, body: meta.make_headers(body)),
            "livekit": Sender(
                livekit.url,
                livekit,
                lambda url, body: livekit.make_headers(body, self.api_key, self.api_secret),
            ),
            "twilio": Sender(twilio.voice_url, twilio, twilio.make_headers),
        }
        self.outbox = Outbox(senders, self.hub, self._note_result, self.history)

    def announce(self, call: Call, event: Event, at: float) -> None:
        """Queue the webhooks of an event, which `call` has been through; call it under the lock."""
        self.journal.note(f"{call.id}: {event}, now {call.state}", at)
        if call.provider is Provider.WHATSAPP:
            for webhook in self.meta.webhooks(call, event, at):
                self.outbox.put("meta", webhook, call.id, call.id, self.meta.duplicates)
        for webhook in self.twilio.status_webhooks(call, event, at):
            self.outbox.put("twilio", webhook, call.id, call.id)
        # LiveKit sends the webhooks of a room in order, whichever call they are about.
        room, duplicates = call.room_name, self.livekit.duplicates
        for webhook in self._rooms.webhooks(call, event, at):
            self.outbox.put("livekit", webhook, call.id, room, duplicates)

    def verify_meta_webhook(self) -> bool:
        """Send Meta's GET handshake; return whether the app's response is correct."""
        if not self.meta.url:
            raise ValueError("no webhook to verify: pass meta=MetaWebhooks(url=...)")
        challenge = str(10**9 + secrets.randbelow(9 * 10**9))
        status, body = self.outbox.http.send("GET", self.meta.handshake_url(challenge), {})
        verified = status == "200" and body == challenge.encode()
        outcome = "verified" if verified else f"not verified: {status}, without the challenge"
        self.journal.note(f"meta handshake with {self.meta.url}: {outcome}")
        return verified

    def call_twilio(self, from_number: str, to_number: str) -> TwilioReply:
        """Send Twilio's voice webhook and return the app's response."""
        if not self.twilio.voice_url:
            raise ValueError("no app to call: pass twilio=TwilioWebhooks(voice_url=...)")
        call_sid = f"CA{secrets.token_hex(16)}"
        form = voice_form(call_sid, from_number, to_number, self.twilio.account_sid)
        form["CallToken"] = self.twilio.call_token(from_number)
        webhook = Webhook("voice webhook", urlencode(form).encode())
        status, body = self.outbox.deliver("twilio", webhook, call_sid)
        if not status.isdigit():
            return TwilioReply(0, "", call_sid)
        return TwilioReply(int(status), body.decode("utf-8", "replace"), call_sid)

    def _note_result(self, delivery: Delivery) -> None:
        result = delivery.results[-1]
        reason = "" if delivery.taken or not delivery.answer else f": {delivery.answer}"
        retry = ", will be sent again" if delivery.due is not None and not delivery.taken else ""
        self.journal.note(
            f"{delivery.sender} {delivery.title} to {delivery.url}: {result}{reason}{retry}"
        )
