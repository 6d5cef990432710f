"""ConnectorEmulator: connects the parts and gives tests their handles."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from typing import Optional, Union

from .. import _gen as gen
from .._runtime.messages import as_message
from ..errors import NotFound
from ..server import TokenAuthorizer, TwirpApplication
from .arguments import check_types
from .calls import BUSINESS_NUMBER, Call, CallRegistry
from .connector import Connector, make_call_id
from .http_server import HTTPRequest, Reply, text_response
from .hub import Clock, Hub
from .journal import Journal, RecordedRequest
from .lifecycle import Direction, Event, Progress, Provider, Timeouts
from .livekit import LiveKitWebhooks
from .media_stream import TWILIO_PATH, MediaStreams
from .meta import MetaWebhooks, make_sdp, make_user_id
from .outbox import Delivery
from .page import Action, Page
from .permissions import CallPermissions, is_graph_path
from .refusals import Callee, DialRule, MetaError, callee_of, check_number
from .regions import Region, Regions
from .rpcs import Rpcs
from .twilio import TwilioReply, TwilioWebhooks
from .twilio_api import TWILIO_API_PATH, TwilioAPI
from .webhooks import WebhookSender

__all__ = ["DEFAULT_API_SECRET", "ConnectorEmulator"]

DEFAULT_API_SECRET = "devsecret-of-the-connector-emulator"


class ConnectorEmulator:
    """Emulates LiveKit's Connector API with Meta's and Twilio's side; a context manager.

        with ConnectorEmulator() as emulator:
            client = ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret)
            client.dial_whatsapp_call(...)
            call = emulator.calls[-1]
            client.connect_whatsapp_call(whatsapp_call_id=call.whatsapp_call_id, sdp=call.sdp)
            emulator.answer(call)
            emulator.hang_up(call)

    `answer`, `join`, `reject`, and `hang_up` take a call or its id. They raise NotFound if there is
    no such call, and ValueError if the event cannot happen in the call's state.

    Args:
        api_key: the project's API key.
        api_secret: the secret that tokens must be signed with.
        host: the address to listen on.
        port: the port of the first region; the others use the next ports. 0 for any free ports.
        regions: how many regions to open, each with its own listener.
        meta: where Meta's webhooks go, and what they contain.
        livekit: where LiveKit's webhooks go.
        twilio: where Twilio's voice webhook goes, and the account of Twilio's API.
        numbers: what happens when a number (in digits) is dialled: what the user does, or Meta's
            error.
        dial_rule: decides the same from the request; it comes before `numbers`.
        agent_joins: False if a waiting Accept or Connect waits until a test calls `join`.
        max_calls: how many calls a business number may have before Meta refuses more (138002).
        require_call_permission: refuse a dial to a user who has not granted the permission
            (138006); False by default.
        max_permission_checks: how often an app may check one user's permission in 24 hours before
            Meta refuses more (613).
        timeouts: how long calls ring, wait for their SDP, and so on.
        certificate: the paths of a certificate and its key, for https and wss.
        clock: the emulator's clock.
        history: how many calls, requests, and webhooks to keep.

    Raises:
        TypeError: an option has the wrong type.
        ValueError: `regions`, `port`, `numbers`, `history`, or a maximum is out of range.
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
        require_call_permission: bool = False,
        max_permission_checks: int = 100,
        timeouts: Optional[Timeouts] = None,
        certificate: Optional[tuple[str, str]] = None,
        clock: Optional[Clock] = None,
        history: int = 20_000,
    ) -> None:
        check_types(ConnectorEmulator.__init__, locals())
        if min(max_calls, history, max_permission_checks) < 1:
            raise ValueError(
                "max_calls and history and max_permission_checks must be 1 or more, not "
                f"{max_calls}, {history}, {max_permission_checks}"
            )
        self.api_key = api_key
        self.api_secret = api_secret
        self.meta = meta = meta or MetaWebhooks()
        self.livekit = livekit = livekit or LiveKitWebhooks()
        self.twilio = twilio = twilio or TwilioWebhooks()
        self.numbers = dict(numbers or {})
        for number, callee in self.numbers.items():
            check_number(number, callee)
        self.dial_rule = dial_rule
        self._clock = clock or Clock()
        self._timer: Optional[threading.Thread] = None
        self._hub = hub = Hub(self._clock)
        self._regions = Regions(host, port, regions, certificate)
        self._journal = Journal(hub, history)
        self._senders = WebhookSender(
            meta, livekit, twilio, api_key, api_secret, self._journal, hub, history
        )
        timeouts = timeouts or Timeouts()
        self._outbox = self._senders.outbox
        self._registry = CallRegistry(hub, timeouts, self._senders.announce, agent_joins, history)
        self.require_call_permission = require_call_permission
        self._permissions = CallPermissions(
            self._registry, hub, self._journal, self._outbox, meta, max_permission_checks
        )
        streams = MediaStreams(self._registry, self._regions)
        connector = Connector(
            self._registry, hub, timeouts, self._callee_of, max_calls, streams.url_of
        )
        authorizer = TokenAuthorizer(api_key, api_secret)
        application = TwirpApplication(connector, authorize=authorizer)
        rpcs = Rpcs(application, authorizer, self._regions, self._journal, hub)
        page = Page(
            hub,
            self._registry,
            self._journal,
            self._outbox,
            self._regions,
            self._page_actions(),
            self._page_settings(),
        )
        # The first path that matches handles a request; one that ends with a slash is a prefix.
        self._routes = {
            "/twirp/": rpcs.respond,
            "/settings/regions": self._regions.respond,
            TWILIO_PATH: streams.respond,
            TWILIO_API_PATH: TwilioAPI(twilio, self._registry, hub).respond,
            "/_test/health": lambda region, request: text_response(200, "ok"),
            "/": page.respond,
        }

    def __enter__(self) -> ConnectorEmulator:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ConnectorEmulator {', '.join(self.region_urls) or 'not started'}>"

    def start(self) -> None:
        """Open the listeners.

        Raises:
            OSError: a port is taken, or the certificate cannot be read.
            RuntimeError: the emulator was started before.
        """
        if self._timer is not None:
            raise RuntimeError("an emulator starts only once: create another one")
        self._timer = threading.Thread(
            target=self._hub.run_timer, name="emulator-timer", daemon=True
        )
        self._timer.start()
        try:
            self._regions.open(self._respond)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the listeners and connections, and wait for all threads."""
        self._hub.close()
        self._outbox.close()  # before the listeners, whose threads may wait for a webhook
        self._regions.close()
        if self._timer is not None:
            self._timer.join()

    @property
    def url(self) -> str:
        """The URL of the first region, "http://127.0.0.1:PORT".

        Raises:
            RuntimeError: the emulator is not started.
        """
        return self._regions.url

    @property
    def region_urls(self) -> list[str]:
        """The URLs of all regions."""
        return self._regions.urls

    @property
    def calls(self) -> list[Call]:
        """All calls, newest last."""
        return self._registry.calls()

    @property
    def requests(self) -> list[RecordedRequest]:
        """All RPCs received, failed ones included, newest last."""
        return self._journal.newest()[::-1]

    @property
    def webhooks(self) -> list[Delivery]:
        """All webhooks of Meta, LiveKit, and Twilio with their results, newest last."""
        return self._outbox.newest()[::-1]

    @property
    def dropped_regions(self) -> frozenset[int]:
        """The indexes of the regions that are down."""
        return self._regions.dropped

    def events_after(self, seen: int, timeout: float) -> tuple[list[tuple[float, str]], int]:
        """Wait up to `timeout` seconds for events after the first `seen`, for a transcript.

        Returns:
            The new events as (time, text), and how many there have been in all.
        """
        return self._journal.events_after(seen, timeout)

    def inbound_call(
        self,
        *,
        whatsapp_call_id: Optional[str] = None,
        whatsapp_phone_number_id: str = "106540352242922",
        to_phone_number: str = BUSINESS_NUMBER,
        from_phone_number: Optional[str] = None,
        from_name: str = "Alex Doe",
        user_id: Optional[str] = None,
        parent_user_id: str = "",
        username: str = "",
        sdp: Union[gen.SessionDescription, Mapping[str, str], None] = None,
    ) -> Call:
        """Have a user call the business; sends Meta's connect webhook with the offer.

        Args:
            whatsapp_call_id: the call's id; by default a new one.
            whatsapp_phone_number_id: Meta's id of the business's number.
            to_phone_number: the business's number in digits.
            from_phone_number: the user's number in digits; "" for a user who hides it. By default
                15551234567, or "" for a user with a username.
            from_name: the name in the user's profile.
            user_id: the user's business-scoped id; by default one that belongs to the number or
                the username.
            parent_user_id: the same for a group of businesses; "" for none.
            username: the user's name in WhatsApp; "" for none.
            sdp: the user's offer; by default one like Meta's.

        Returns:
            The call; pass its `sdp` to AcceptWhatsAppCall.

        Raises:
            ValueError: the id is in use.
            TypeError: sdp is not a session description.
        """
        number = from_phone_number
        if number is None:
            number = "" if username else "15551234567"
        offer = None if sdp is None else as_message(gen.SessionDescription, sdp, "sdp")
        call = Call(
            whatsapp_call_id or make_call_id(),
            Progress(Provider.WHATSAPP, Direction.INBOUND, bridged=False),
            sdp=offer or make_sdp("offer"),
            phone_number_id=whatsapp_phone_number_id,
            business_number=to_phone_number,
            user_number=number,
            user_name=from_name,
            user_id=make_user_id(number or username) if user_id is None else user_id,
            parent_user_id=parent_user_id,
            username=username,
        )
        return self._registry.place(call, Event.OFFER)

    def answer(self, call: Union[Call, str]) -> Call:
        """Have the user pick up an outbound call; sends Meta's status ACCEPTED.

        For a Twilio session it opens the stream, as Twilio does once the call is connected.
        """
        is_twilio = self._registry.get(call).provider is Provider.TWILIO
        return self._registry.apply(call, Event.STREAM if is_twilio else Event.ANSWER)

    def join(self, call: Union[Call, str]) -> Call:
        """Have the agent join the room of an active call, if `agent_joins` is False."""
        return self._registry.apply(call, Event.JOIN)

    def reject(self, call: Union[Call, str]) -> Call:
        """Have the user decline a ringing outbound call, or the business an inbound one.

        The Connector API cannot decline a call; apps do so through Meta's Graph API.
        """
        return self._registry.apply(call, Event.REJECT)

    def hang_up(self, call: Union[Call, str]) -> Call:
        """Have the user end a call; sends Meta's terminate webhook."""
        return self._registry.apply(call, Event.HANG_UP)

    def grant_call_permission(self, user: str, permanent: bool = False) -> None:
        """Have a user allow the business to call; sends Meta's webhook `call_permission_reply`.

        Args:
            user: the user's number in digits, or business-scoped user id.
            permanent: whether the permission lasts until it is revoked, not for 7 days.

        Raises:
            ValueError: the user is neither.
        """
        self._permissions.grant(user, permanent)

    def revoke_call_permission(self, user: str) -> None:
        """Have a user forbid calls, or decline the request; sends `call_permission_reply`.

        Takes and raises the same as `grant_call_permission`.
        """
        self._permissions.revoke(user)

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock ahead and run everything that is then due."""
        self._clock.advance(seconds)
        self._hub.run_due()
        with self._hub:
            self._hub.changed()  # a waiting Accept or Connect looks at the clock again

    def drop_region(self, index: int) -> None:
        """Take a region down: it closes the connection of every RPC and every list of regions."""
        self._regions.set_dropped(index, True)
        self._journal.note(f"region-{index} is down")

    def restore_region(self, index: int) -> None:
        """Bring a region up again."""
        self._regions.set_dropped(index, False)
        self._journal.note(f"region-{index} is up")

    def wait_for_webhooks(self, timeout: float = 5.0) -> bool:
        """Wait up to `timeout` seconds until all due webhooks are sent; return whether they are."""
        self._hub.run_due()
        return self._outbox.wait_until_idle(timeout)

    def redeliver(self, webhook: Delivery) -> None:
        """Send a webhook once more, as senders do if they miss the app's response."""
        self._outbox.redeliver(webhook)

    def verify_meta_webhook(self) -> bool:
        """Send Meta's GET handshake to your webhook; ValueError if `meta` has no url.

        Returns:
            True if it responded 200 with exactly the challenge.
        """
        return self._senders.verify_meta_webhook()

    def twilio_call(
        self, *, from_phone_number: str = "+15551234567", to_phone_number: str = "+15550783881"
    ) -> TwilioReply:
        """Have somebody call the business's Twilio number: post the voice webhook to your app.

        Args:
            from_phone_number: the caller, with a leading "+".
            to_phone_number: the number called, with a leading "+".

        Returns:
            Your app's response, whose TwiML names the stream.

        Raises:
            ValueError: `twilio` has no voice_url.
        """
        return self._senders.call_twilio(from_phone_number, to_phone_number)

    def _callee_of(self, request: gen.DialWhatsAppCallRequest) -> Union[Callee, MetaError]:
        callee = callee_of(request, self.numbers, self.dial_rule)
        if isinstance(callee, MetaError) or not self.require_call_permission:
            return callee
        return self._permissions.refusal(request.whatsapp_to_phone_number) or callee

    def _respond(self, region: Region, request: HTTPRequest) -> Reply:
        path, routes = request.path, self._routes
        if is_graph_path(path):
            return self._permissions.respond(request)
        matching = (r for r in routes if path == r or (r[-1] == "/" and path.startswith(r)))
        return routes[next(matching, "/")](region, request)

    def _page_settings(self) -> dict[str, object]:
        return {
            "instance": secrets.token_hex(16),
            "api_key": self.api_key,
            "meta": bool(self.meta.url),
            "twilio": bool(self.twilio.voice_url),
        }

    def _page_actions(self) -> dict[str, Action]:
        return {
            "inbound": self._call_from_page,
            "twilio": lambda _: self.twilio_call(),
            "grant": self.grant_call_permission,
            "revoke": self.revoke_call_permission,
            "verify": lambda _: self.verify_meta_webhook(),
            "answer": self.answer,
            "join": self.join,
            "reject": self.reject,
            "hang_up": self.hang_up,
            "redeliver": self._redeliver_by_id,
            "drop_region": lambda index: self.drop_region(int(index)),
            "restore_region": lambda index: self.restore_region(int(index)),
        }

    def _call_from_page(self, target: str) -> Call:
        """Have a user call who is described as "NUMBER_OR_USER_ID NAME"; "" for the default."""
        user, _, name = target.partition(" ")
        if not user:
            return self.inbound_call()
        number = user.lstrip("+")
        if number.isdigit():
            return self.inbound_call(from_phone_number=number, from_name=name)
        return self.inbound_call(from_phone_number="", user_id=user, from_name=name)

    def _redeliver_by_id(self, target: str) -> None:
        for webhook in self.webhooks:
            if str(webhook.number) == target:
                return self.redeliver(webhook)
        raise NotFound("the webhook is forgotten")
