"""Turns the events of calls into webhooks of Meta, LiveKit, and Twilio, and delivers them."""

from __future__ import annotations

import functools
import secrets
from typing import Optional
from urllib.parse import urlencode

from .calls import Call
from .http_client import HTTPClient
from .hub import Hub
from .journal import Journal
from .lifecycle import Event, Provider
from .livekit import LiveKitWebhooks, Rooms
from .meta import MetaWebhooks
from .outbox import Delivery, Outbox, Webhook
from .twilio import TwilioReply, TwilioWebhooks, voice_form

__all__ = ["WebhookSender"]


class WebhookSender:
    """Sends all webhooks of the emulator, and keeps `history` deliveries of each sender."""

    def __init__(
        self,
        meta: MetaWebhooks,
        livekit: LiveKitWebhooks,
        twilio: TwilioWebhooks,
        api_key: str,
        api_secret: str,
        journal: Journal,
        hub: Hub,
        history: int,
    ) -> None:
        self._meta = meta
        self._livekit = livekit
        self._twilio = twilio
        self._journal = journal
        self._hub = hub
        self._http = HTTPClient()
        self._rooms = Rooms()
        make_livekit_headers = functools.partial(
            livekit.make_headers, api_key=api_key, api_secret=api_secret
        )
        shared = self._http, hub, self._note_result, history
        self._outboxes = {
            "meta": Outbox("meta", meta.url, meta, meta.make_headers, *shared),
            "livekit": Outbox("livekit", livekit.url, livekit, make_livekit_headers, *shared),
            "twilio": Outbox("twilio", twilio.voice_url, twilio, twilio.make_headers, *shared),
        }

    @property
    def count(self) -> int:
        """How many deliveries there have been."""
        return sum(outbox.count for outbox in self._outboxes.values())

    def newest(self, limit: Optional[int] = None) -> list[Delivery]:
        """Return the last deliveries of all senders, newest first; by default all."""
        found = [d for outbox in self._outboxes.values() for d in outbox.newest(limit)]
        found.sort(key=lambda delivery: (delivery.created, delivery.number), reverse=True)
        return found[:limit]

    def announce(self, call: Call, event: Event, at: float) -> None:
        """Queue the webhooks of an event; call it under the lock.

        Args:
            call: the call, after the event.
            event: what happened.
            at: when it happened, in seconds since 1970.
        """
        self._journal.note(f"{call.id}: {event}, now {call.state}", at)
        if self._meta.url and call.provider is Provider.WHATSAPP:
            for webhook in self._meta.webhooks(call, event, at):
                self._outboxes["meta"].put(webhook, call.id, duplicates=self._meta.duplicates)
        if self._livekit.url:
            for webhook in self._rooms.webhooks(call, event, at):
                # LiveKit sends the webhooks of a room in order, whichever call they are about.
                self._outboxes["livekit"].put(
                    webhook, call.id, call.room_name, self._livekit.duplicates
                )

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a delivery once more."""
        self._outboxes[delivery.sender].redeliver(delivery)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no attempt is due or running; return False if that takes too long."""
        self._hub.run_due()
        with self._hub:
            return self._hub.wait_for(
                lambda: all(outbox.is_idle() for outbox in self._outboxes.values()), timeout
            )

    def verify_meta_webhook(self) -> bool:
        """Send Meta's GET handshake; return whether the app's response is correct."""
        if not self._meta.url:
            raise ValueError("no webhook to verify: pass meta=MetaWebhooks(url=...)")
        challenge = str(10**9 + secrets.randbelow(9 * 10**9))
        status, body = self._http.send("GET", self._meta.handshake_url(challenge), {})
        verified = status == "200" and body == challenge.encode()
        outcome = "verified" if verified else f"not verified: {status}, without the challenge"
        self._journal.note(f"meta handshake with {self._meta.url}: {outcome}")
        return verified

    def call_twilio(self, from_number: str, to_number: str) -> TwilioReply:
        """Send Twilio's voice webhook and return the app's response."""
        if not self._twilio.voice_url:
            raise ValueError("no app to call: pass twilio=TwilioWebhooks(voice_url=...)")
        call_sid = f"CA{secrets.token_hex(16)}"
        form = voice_form(call_sid, from_number, to_number, self._twilio.account_sid)
        webhook = Webhook("voice webhook", urlencode(form).encode())
        status, body = self._outboxes["twilio"].deliver(webhook, call_sid)
        if not status.isdigit():
            return TwilioReply(0, "", call_sid)
        return TwilioReply(int(status), body.decode("utf-8", "replace"), call_sid)

    def close(self) -> None:
        """Abort what is running, drop what is queued, and wait for the threads."""
        self._http.close()
        for outbox in self._outboxes.values():
            outbox.close()

    def _note_result(self, delivery: Delivery) -> None:
        result = delivery.results[-1]
        reason = "" if delivery.taken or not delivery.answer else f": {delivery.answer}"
        retry = ", will be sent again" if delivery.due is not None and not delivery.taken else ""
        self._journal.note(
            f"{delivery.sender} {delivery.title} to {delivery.url}: {result}{reason}{retry}"
        )
