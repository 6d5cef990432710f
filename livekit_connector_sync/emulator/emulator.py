"""ConnectorEmulator: puts the parts together and gives tests their handles."""

from __future__ import annotations

import contextlib
import functools
import random
import ssl
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Optional, Union
from urllib.parse import parse_qsl, urlencode

from .. import _gen as gen
from .._runtime.messages import as_message
from ..errors import NotFound
from ..server import Response, TokenAuthorizer, TwirpApplication
from . import livekit as livekit_side
from . import meta as meta_side
from . import twilio as twilio_side
from .calls import LONGEST_WAIT, Call, CallRegistry
from .changes import Changes
from .clock import Clock
from .connector import Connector, new_call_id
from .http_server import HTTPListener, HTTPRequest, Takeover
from .journal import Journal, RecordedRequest
from .lifecycle import Direction, Event, Progress, Provider, State, Timeouts
from .livekit import LiveKitWebhooks, Rooms
from .media_stream import Stream, accept_stream, is_upgrade
from .meta import MetaWebhooks
from .outbox import Delivery, Outbox, Rules
from .page import Page
from .refusals import Callee, DialRule, MetaError, callee_of
from .routes import Region, Regions, Routes
from .sdp import answer as plausible_answer
from .sdp import offer as plausible_offer
from .sender import Sender
from .twilio import TwilioReply, TwilioWebhooks

__all__ = ["DEFAULT_API_SECRET", "ConnectorEmulator"]

DEFAULT_API_SECRET = "devsecret-of-the-connector-emulator"
_HISTORY = 20_000
_TWILIO_PATH = "/twilio/"


class Newest(NamedTuple):
    """What happened last, the newest first, and how many of each there have been."""

    calls: list[Call]
    requests: list[RecordedRequest]
    webhooks: list[Delivery]
    call_count: int
    request_count: int
    webhook_count: int


class ConnectorEmulator:
    """LiveKit's Connector API with Meta's and Twilio's side, on loopback; a context manager.

        with ConnectorEmulator() as emulator:
            client = ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret)
            dialled = client.dial_whatsapp_call(...)
            call = emulator.answer(dialled.whatsapp_call_id)
            client.connect_whatsapp_call(whatsapp_call_id=call.whatsapp_call_id, sdp=call.sdp)
            emulator.hang_up(call)

    Args:
        api_key: the key that tokens must be issued by.
        api_secret: the secret that tokens must be signed with.
        host: the address to listen on.
        port: the first region's port, the next ones follow it; 0 for any free ports.
        regions: how many listeners to open, each a region.
        meta: where Meta's webhooks go, and how they look.
        livekit: where LiveKit's webhooks go.
        twilio: where Twilio's voice webhook goes.
        numbers: what the users at numbers do when they are called, or what Meta refuses the call
            with, by number in digits.
        dial_rule: decides the same for a request, before `numbers`.
        agent_joins: False if a waiting Accept or Connect must wait until a test calls `join`.
        max_calls: calls that a business number may have at a time before Meta refuses (138002).
        timeouts: how long calls may ring, wait for their SDP, and so on.
        certificate: the paths of a certificate and its key, for https and wss.
        clock: tells the time.
        rng: makes ids and session descriptions.
        history: how many calls, requests and webhooks to remember.

    Raises:
        ValueError: `regions`, `port`, `numbers`, `max_calls` or `history` is out of range.
    """

    def __init__(
        self,
        *,
        api_key: str = "devkey",
        api_secret: str = DEFAULT_API_SECRET,
        host: str = "127.0.0.1",
        port: int = 0,
        regions: int = 1,
        meta: Optional[MetaWebhooks] = None,
        livekit: Optional[LiveKitWebhooks] = None,
        twilio: Optional[TwilioWebhooks] = None,
        numbers: Optional[Mapping[str, Union[Callee, MetaError]]] = None,
        dial_rule: Optional[DialRule] = None,
        agent_joins: bool = True,
        max_calls: int = 1000,
        timeouts: Optional[Timeouts] = None,
        certificate: Optional[tuple[str, str]] = None,
        clock: Optional[Clock] = None,
        rng: Optional[random.Random] = None,
        history: int = _HISTORY,
    ) -> None:
        if regions < 1:
            raise ValueError(f"regions must be 1 or more, not {regions}")
        if max_calls < 1 or history < 1:
            raise ValueError(f"max_calls and history must be 1 or more, not {max_calls}, {history}")
        for number in numbers or {}:
            if not number.isascii() or not number.isdigit():
                raise ValueError(f"numbers must be in digits, without a leading +: {number!r}")
        if not 0 <= port <= 65535 - (regions - 1 if port else 0):
            raise ValueError(f"port must be 0 to 65535, with room for {regions}, not {port}")
        self.api_key = api_key
        self.api_secret = api_secret
        self.meta = meta or MetaWebhooks()
        self.livekit = livekit or LiveKitWebhooks()
        self.twilio = twilio or TwilioWebhooks()
        self.numbers = {
            number: callee if isinstance(callee, MetaError) else Callee(callee)
            for number, callee in (numbers or {}).items()
        }
        self.dial_rule = dial_rule
        self._addresses = [(host, port + index if port else 0) for index in range(regions)]
        self._certificate = certificate
        self._clock = clock or Clock()
        self._rng = rng or random.Random()
        self._changed = Changes()
        self._closing = threading.Event()
        self._started = False
        self._listeners: list[HTTPListener] = []
        self._timer: Optional[threading.Thread] = None
        timeouts = timeouts or Timeouts()

        self._journal = Journal(self._changed, history)
        self._registry = CallRegistry(
            self._changed, self._clock, timeouts, self._announce, agent_joins, history
        )

        self._http = Sender()

        def outbox(sender: str, url: str, rules: Rules) -> Outbox:
            shared = (self._http, self._changed, self._clock, self._note_delivery, history)
            return Outbox(sender, url, rules, *shared)

        self._outboxes = {
            "meta": outbox(
                "meta",
                self.meta.url,
                Rules(
                    self._meta_headers,
                    meta_side.is_taken,
                    retry_delays=meta_side.RETRY_DELAYS,
                    duplicates=self.meta.duplicates,
                ),
            ),
            "livekit": outbox(
                "livekit",
                self.livekit.url,
                Rules(
                    self._livekit_headers,
                    livekit_side.is_taken,
                    livekit_side.is_final,
                    livekit_side.RETRY_DELAYS,
                    self.livekit.duplicates,
                    in_order=True,
                ),
            ),
            "twilio": outbox(
                "twilio",
                self.twilio.voice_url,
                Rules(self._twilio_headers, lambda result: result == "200"),
            ),
        }
        self._rooms = Rooms(self._rng)
        self._streams: dict[str, set[Stream]] = {}  # open, by call
        self._regions = Regions()
        connector = Connector(
            self._registry,
            self._changed,
            self._rng,
            timeouts,
            lambda request: callee_of(request, self.numbers, self.dial_rule),
            max_calls,
            self._stream_url,
        )
        self._page = Page(self, host)
        authorizer = TokenAuthorizer(api_key, api_secret)
        self._routes = Routes(
            TwirpApplication(connector, authorize=authorizer),
            authorizer,
            self._regions,
            self._journal,
            self._clock,
            self._closing,
            self._answer_elsewhere,
        )

    def __enter__(self) -> ConnectorEmulator:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = ", ".join(self.region_urls) or "not started"
        return f"<ConnectorEmulator {where}>"

    # -- running ---------------------------------------------------------------------------

    def start(self) -> None:
        """Open the listeners.

        Raises:
            OSError: a port is taken, or the certificate cannot be read.
            RuntimeError: the emulator was started before.
        """
        if self._started:
            raise RuntimeError("an emulator starts once: make another one")
        self._started = True
        tls = None
        if self._certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                tls.load_cert_chain(*self._certificate)
            except OSError as exc:
                paths = " and ".join(self._certificate)
                raise OSError(exc.errno, f"{exc.strerror or exc}: {paths}") from exc
            # A client of Python's that reads in a thread of its own, as websockets' does, can lose
            # what it writes while OpenSSL reads a session ticket.
            tls.num_tickets = 0
        for index, (host, port) in enumerate(self._addresses):
            handler = functools.partial(self._routes.answer, index)
            try:
                self._listeners.append(HTTPListener(host, port, handler, tls))
            except OSError as exc:
                self.close()
                raise OSError(exc.errno, f"{exc.strerror or exc}: {host} port {port}") from exc
        self._regions.all = tuple(
            Region(index, f"region-{index}", listener.origin)
            for index, listener in enumerate(self._listeners)
        )
        for listener in self._listeners:
            listener.start()  # now that requests find the regions
        self._timer = threading.Thread(target=self._keep_time, name="emulator-timer", daemon=True)
        self._timer.start()

    def close(self) -> None:
        """Close the listeners and connections, and wait until every thread is gone."""
        self._closing.set()
        self._registry.close()
        self._http.close()  # before the listeners, which wait for actions of the page that send
        for outbox in self._outboxes.values():
            outbox.close()
        for listener in self._listeners:
            listener.close()
        if self._timer is not None:
            self._timer.join()

    @property
    def url(self) -> str:
        """The URL of the first region, "http://127.0.0.1:PORT".

        Raises:
            RuntimeError: the emulator is not started.
        """
        return self._region(0).url

    @property
    def region_urls(self) -> list[str]:
        """The URLs of all regions."""
        return [region.url for region in self._regions.all]

    # -- what happened ---------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """All calls, the newest last."""
        return self._registry.calls()

    @property
    def requests(self) -> list[RecordedRequest]:
        """All RPCs received, failed ones included, the newest last."""
        return self._journal.newest()[::-1]

    @property
    def webhooks(self) -> list[Delivery]:
        """All webhooks of Meta, LiveKit and Twilio with their results, the newest last."""
        return self._webhooks(None)[::-1]

    @property
    def dropped_regions(self) -> frozenset[int]:
        """The indexes of the regions that are down."""
        return self._regions.dropped

    def newest(self, limit: int) -> Newest:
        """Return what happened last, the newest first, and how much there has been in all.

        Args:
            limit: how many requests, webhooks and ended calls to return; live calls come all.
        """
        with self._changed:
            calls, call_count = self._registry.newest(limit)
            return Newest(
                calls,
                self._journal.newest(limit),
                self._webhooks(limit),
                call_count,
                self._journal.received_count,
                sum(outbox.count for outbox in self._outboxes.values()),
            )

    def wait_for_change(self, seen: int, timeout: float) -> int:
        """Wait until anything changes.

        Args:
            seen: the number that the last call returned; -1 at first.
            timeout: seconds to wait.

        Returns:
            The number of changes so far; -1 if the emulator is closing.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._changed.version != seen or self._closing.is_set(), timeout
            )
            return -1 if self._closing.is_set() else self._changed.version

    def events_after(self, seen: int, timeout: float) -> tuple[list[tuple[float, str]], int]:
        """Wait for events and return them, for a transcript.

        Args:
            seen: how many events are known already.
            timeout: seconds to wait for one, if there is none yet.

        Returns:
            The new events as (time, text), and how many there have been in all.
        """
        with self._changed:
            events, count = self._journal.events_after(seen)
            if not events:
                self._changed.wait_for(
                    lambda: self._journal.events_after(seen)[0] or self._closing.is_set(), timeout
                )
                events, count = self._journal.events_after(seen)
            return events, count

    # -- the user, the agent and the world -------------------------------------------------

    def inbound_call(
        self,
        *,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_phone_number_id: str = "106540352242922",
        to_phone_number: str = "",
        from_phone_number: str = "15551234567",
        from_name: str = "Alex Doe",
        sdp: Union[gen.SessionDescription, Mapping[str, str], None] = None,
    ) -> Call:
        """Let a user call the business; Meta's webhook with the offer goes out.

        Args:
            whatsapp_call_id: the call's id, by default a new one.
            whatsapp_phone_number_id: Meta's id of the business's number.
            to_phone_number: the business's number in digits, by default that of `meta`.
            from_phone_number: the user's number in digits.
            from_name: the name in the user's profile.
            sdp: the user's offer, by default one that looks like Meta's.

        Returns:
            The call; its `sdp` is what AcceptWhatsAppCall needs.

        Raises:
            ValueError: there is a call of this id.
            TypeError: sdp is no session description.
        """
        offer = None if sdp is None else as_message(gen.SessionDescription, sdp, "sdp")
        call = Call(
            whatsapp_call_id or new_call_id(self._rng),
            Progress(Provider.WHATSAPP, Direction.INBOUND, bridged=False),
            sdp=offer or plausible_offer(self._rng),
            phone_number_id=whatsapp_phone_number_id,
            business_number=to_phone_number,
            user_number=from_phone_number,
            user_name=from_name,
        )
        return self._registry.place(call, Event.OFFER)

    def answer(self, call: Union[Call, str]) -> Call:
        """Let the user pick up an outbound call; Meta's webhook with the answer goes out.

        For a Twilio session it opens the stream, as Twilio does when the call is connected.

        Raises:
            NotFound: there is no such call.
            ValueError: the call is not one that the user can pick up now.
        """
        found = self._registry.get(call)
        if found.provider is Provider.TWILIO:
            return self._registry.apply(found, Event.STREAM)
        return self._registry.apply(found, Event.ANSWER, sdp=plausible_answer(self._rng))

    def join(self, call: Union[Call, str]) -> Call:
        """Let the agent join the room, where `agent_joins` is False.

        Raises:
            NotFound: there is no such call.
            ValueError: the call is not active, or the agent is there already.
        """
        return self._registry.apply(call, Event.JOIN)

    def reject(self, call: Union[Call, str]) -> Call:
        """Let the user decline an outbound call that rings, or the business an inbound one.

        The Connector API has no call for the latter; apps do it through Meta's Graph API.

        Raises:
            NotFound: there is no such call.
            ValueError: the call does not ring.
        """
        return self._registry.apply(call, Event.REJECT)

    def hang_up(self, call: Union[Call, str]) -> Call:
        """Let the user end a call; Meta's terminate webhook goes out.

        Raises:
            NotFound: there is no such call.
            ValueError: the call has ended already.
        """
        return self._registry.apply(call, Event.HANG_UP)

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock ahead, and let everything happen that is then due.

        Raises:
            ValueError: the number is negative.
        """
        self._clock.advance(seconds)
        self._registry.run_due()
        with self._changed:
            self._changed.changed()

    def drop_region(self, index: int) -> None:
        """Take a region down: RPCs and questions for the regions get no answer from it.

        Raises:
            ValueError: there is no such region.
        """
        self._regions.drop(index)
        self._journal.note(self._clock.now(), f"region-{index} is down")

    def restore_region(self, index: int) -> None:
        """Take a region up again.

        Raises:
            ValueError: there is no such region.
        """
        self._regions.restore(index)
        self._journal.note(self._clock.now(), f"region-{index} is up")

    # -- webhooks --------------------------------------------------------------------------

    def wait_for_webhooks(self, timeout: float = 5.0) -> bool:
        """Wait until every webhook that is due has been sent.

        Args:
            timeout: seconds to wait.

        Returns:
            False if some were still not sent by then.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: all(outbox.idle() for outbox in self._outboxes.values()), timeout
            )

    def redeliver(self, webhook: Delivery) -> None:
        """Send a webhook once more, as senders do when they miss the app's answer."""
        self._outboxes[webhook.sender].redeliver(webhook)

    def verify_meta_webhook(self) -> bool:
        """Make Meta's GET handshake with the developer's webhook.

        Returns:
            True if it answered 200 with the challenge as its whole body.

        Raises:
            ValueError: `meta` has no url.
        """
        if not self.meta.url:
            raise ValueError("no webhook to verify: pass meta=MetaWebhooks(url=...)")
        challenge = str(self._rng.randrange(10**9, 10**10))
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": self.meta.verify_token,
        }
        joint = "&" if "?" in self.meta.url else "?"
        status, body = self._http.send("GET", f"{self.meta.url}{joint}{urlencode(query)}", {})
        verified = status == "200" and body == challenge.encode()
        words = "verified" if verified else f"not verified: {status}, without the challenge"
        self._journal.note(self._clock.now(), f"meta handshake with {self.meta.url}: {words}")
        return verified

    def twilio_call(
        self, *, from_phone_number: str = "+15551234567", to_phone_number: str = "+15550783881"
    ) -> TwilioReply:
        """Let somebody call the business's Twilio number: post the voice webhook to the app.

        Args:
            from_phone_number: the caller, with a leading "+".
            to_phone_number: the number called, with a leading "+".

        Returns:
            What the app answered: the TwiML that names the stream.

        Raises:
            ValueError: `twilio` has no voice_url.
        """
        if not self.twilio.voice_url:
            raise ValueError("no app to call: pass twilio=TwilioWebhooks(voice_url=...)")
        call_sid = f"CA{self._rng.getrandbits(128):032x}"
        form = twilio_side.voice_form(self.twilio, call_sid, from_phone_number, to_phone_number)
        body = urlencode(form).encode()
        status, answer = self._outboxes["twilio"].deliver(body, call_sid)
        if not status.isdigit():
            return TwilioReply(0, "", call_sid)
        return TwilioReply(int(status), answer.decode("utf-8", "replace"), call_sid)

    # -- wiring ----------------------------------------------------------------------------

    def _announce(self, call: Call, event: Event, at: float) -> None:
        """Queue the webhooks of an event; called under the lock."""
        self._journal.note(at, f"{call.id}: {event}, now {call.state}")
        if call.provider is Provider.WHATSAPP:
            for body in meta_side.bodies(call, event, at, self.meta):
                self._outboxes["meta"].put(body, call.id)
        for body in self._rooms.bodies(call, event, at):
            # LiveKit delivers the webhooks of a room in order, whichever call they come from.
            self._outboxes["livekit"].put(body, call.id, lane=call.room_name)
        if call.state is State.ENDED:
            for stream in self._streams.pop(call.id, ()):
                stream.close()

    def _note_delivery(self, delivery: Delivery) -> None:
        """Note the result of a webhook; called under the lock."""
        result = delivery.results[-1]
        reason = "" if delivery.taken or not delivery.answer else f": {delivery.answer}"
        again = ", will be sent again" if delivery.due is not None and not delivery.taken else ""
        line = f"{delivery.sender} {delivery.title} to {delivery.url}: {result}{reason}{again}"
        self._journal.note(self._clock.now(), line)

    def _webhooks(self, limit: Optional[int]) -> list[Delivery]:
        """Return the last webhooks of all senders, the newest first."""
        found = [d for outbox in self._outboxes.values() for d in outbox.newest(limit)]
        found.sort(key=lambda delivery: (delivery.created, delivery.number), reverse=True)
        return found[:limit]

    def _meta_headers(self, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": meta_side.signature(body, self.meta.app_secret),
        }

    def _twilio_headers(self, body: bytes) -> dict[str, str]:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        url, token = self.twilio.voice_url, self.twilio.auth_token
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": twilio_side.signature(url, form, token),
            "User-Agent": "TwilioProxy/1.1",
        }

    def _livekit_headers(self, body: bytes) -> dict[str, str]:
        now = time.time()  # by the app's clock, which `advance` does not move
        return {
            "Content-Type": "application/webhook+json",
            "User-Agent": "LiveKit",
            "Authorization": livekit_side.authorization(body, self.api_key, self.api_secret, now),
        }

    def _keep_time(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                pause = self._registry.run_due()
                self._changed.wait(LONGEST_WAIT if pause is None else min(pause, LONGEST_WAIT))

    def _region(self, index: int) -> Region:
        if not self._regions.all:
            raise RuntimeError("the emulator is not started: use it in a with statement")
        return self._regions.all[index]

    def _stream_url(self, session: str) -> str:
        return f"ws{self.url[4:]}{_TWILIO_PATH}{session}"

    def _answer_elsewhere(self, request: HTTPRequest) -> Union[Response, Takeover, None]:
        """Answer what is no RPC: the page, and Twilio's requests to a session."""
        if request.path.startswith(_TWILIO_PATH):
            return self._answer_twilio(request)
        return self._page.answer(request)

    def _answer_twilio(self, request: HTTPRequest) -> Union[Response, Takeover, None]:
        """Answer Twilio: TwiML over HTTP, the media stream as a WebSocket; a session has one."""
        try:
            call = self._registry.get(request.path[len(_TWILIO_PATH) :])
        except NotFound:
            return None
        if call.state is not State.RINGING:
            return Response(409, {"Content-Type": "text/plain"}, b"this session is used up\n")
        if not is_upgrade(request):
            return Response(200, {"Content-Type": "text/xml"}, twilio_side.twiml(call.connect_url))

        def opened(stream: Stream) -> None:
            with self._changed:
                if call.state is State.ENDED:
                    stream.close()
                else:
                    self._streams.setdefault(call.id, set()).add(stream)

        def started(stream: Stream) -> bool:
            with contextlib.suppress(ValueError), self._changed:  # another stream was first
                self.answer(call)
                stream.running = True
            return stream.running

        def ended(stream: Stream) -> None:
            with contextlib.suppress(ValueError), self._changed:  # hung up already
                self._streams.get(call.id, set()).discard(stream)
                if stream.running:
                    stream.running = False
                    self.hang_up(call)

        return accept_stream(request, opened, started, ended)
