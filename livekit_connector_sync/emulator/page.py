"""The page in the browser: what it shows, live, and what its buttons do.

The page is one HTML file; it gets the state as server-sent events and posts actions as JSON. Other
sites that a browser has open get neither, and no web page gets in under a name of its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union
from urllib.parse import urlsplit

from google.protobuf.message import Message

from ..errors import NotFound
from ..server import Response
from .http_server import HTTPRequest, Takeover
from .lifecycle import Direction, Event, Provider, State

if TYPE_CHECKING:
    from .calls import Call
    from .emulator import ConnectorEmulator
    from .outbox import Delivery

__all__ = ["Page"]

_SHOWN = 50  # requests, webhooks and ended calls on the page; live calls are shown all
_ACTION_HEADER = "x-emulator-action"
_HEARTBEAT = 15.0  # seconds
_EXCERPT = 400  # characters of a request; a session description alone has over a thousand
_SHORTEST_PAUSE = 0.05  # seconds between two states, so that a busy emulator is not a slow one
_HEADERS = {
    "X-Frame-Options": "DENY",  # no other site can have somebody press these buttons
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
}


class Page:
    """Answers the page's requests.

    Args:
        emulator: what the page shows and acts on.
        host: the name that the emulator listens at.
    """

    def __init__(self, emulator: ConnectorEmulator, host: str) -> None:
        self._emulator = emulator
        self._host = host
        self._instance = uuid.uuid4().hex
        self._actions: dict[str, Callable[[str], Optional[str]]] = {
            "inbound": lambda _: _silently(emulator.inbound_call()),
            "twilio": self._call_by_twilio,
            "verify": self._verify,
            "answer": lambda call: _silently(emulator.answer(call)),
            "join": lambda call: _silently(emulator.join(call)),
            "reject": lambda call: _silently(emulator.reject(call)),
            "hang_up": lambda call: _silently(emulator.hang_up(call)),
            "redeliver": self._redeliver,
            "drop_region": lambda index: emulator.drop_region(int(index)),
            "restore_region": lambda index: emulator.restore_region(int(index)),
        }

    def answer(self, request: HTTPRequest) -> Union[Response, Takeover, None]:
        """Return the answer to a request, None if it is not for the page."""
        routes: dict[tuple[str, str], Callable[[HTTPRequest], Union[Response, Takeover]]] = {
            ("GET", "/"): self._html,
            ("GET", "/emulator/events"): lambda _: Takeover(self._stream),
            ("POST", "/emulator/action"): self._act,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            return None
        if not _is_own(request, self._host):
            return _json(403, {"error": "the page is at an address of this machine only"})
        return route(request)

    def _html(self, request: HTTPRequest) -> Response:
        html = Path(__file__).with_name("page.html").read_bytes()
        return Response(200, {"Content-Type": "text/html; charset=utf-8", **_HEADERS}, html)

    def _act(self, request: HTTPRequest) -> Response:
        # A page of another site cannot set this header without a preflight that nobody answers.
        if _ACTION_HEADER not in request.headers:
            return _json(403, {"error": f"the header {_ACTION_HEADER} is missing"})
        try:
            document = json.loads(request.body)
            action, target = self._actions[document["action"]], str(document.get("target", ""))
        except (ValueError, KeyError, TypeError, RecursionError):
            return _json(400, {"error": f"no such action: take one of {', '.join(self._actions)}"})
        try:
            notice = action(target)
        except NotFound as exc:
            return _json(404, {"error": exc.message})
        except ValueError as exc:
            return _json(409, {"error": str(exc)})
        return _json(200, {"notice": notice} if notice else {})

    def _call_by_twilio(self, _: str) -> str:
        reply = self._emulator.twilio_call()
        if not reply.status:
            return "Your app does not answer Twilio's voice webhook: see below."
        return f"Your app answered Twilio with {reply.status}: {_cut(reply.body)}"

    def _verify(self, _: str) -> str:
        if self._emulator.verify_meta_webhook():
            return "Your app answered Meta's handshake: the webhook is verified."
        return "Your app did not answer Meta's handshake with 200 and the challenge."

    def _redeliver(self, target: str) -> None:
        sender, _, number = target.partition(" ")
        for webhook in self._emulator.webhooks:
            if (webhook.sender, str(webhook.number)) == (sender, number):
                return self._emulator.redeliver(webhook)
        raise NotFound("the webhook is forgotten")

    def _stream(self, connection: socket.socket) -> None:
        """Send the state whenever it is another, as server-sent events, until a side goes away."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        seen, sent = -1, ""
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            while True:
                state = json.dumps(
                    {"instance": self._instance, **state_of(self._emulator)}, separators=(",", ":")
                )
                line = ": ping" if state == sent else f"data: {state}"
                connection.sendall(f"{line}\n\n".encode())
                sent = state
                seen = self._emulator.wait_for_change(seen, _HEARTBEAT)
                if seen < 0:
                    return
                time.sleep(_SHORTEST_PAUSE)


def state_of(emulator: ConnectorEmulator) -> dict[str, Any]:
    """Return what the page shows, newest first; secrets and personal data are left out."""
    newest = emulator.newest(_SHOWN)
    requests = [
        {
            "time": request.time,
            "method": request.method.rpartition("/")[2],
            "request": _shown(request.request),
            "region": request.region,
            "outcome": request.outcome or "waiting",
            "message": request.message,
        }
        for request in newest.requests
    ]
    live = [call for call in newest.calls if call.state is not State.ENDED]
    ended = [call for call in newest.calls if call.state is State.ENDED]
    return {
        "url": emulator.url,
        "api_key": emulator.api_key,
        "live": [_call(call) for call in live],
        "ended": [_call(call) for call in ended],
        "more_calls": newest.call_count - len(newest.calls),
        "requests": requests,
        "request_count": newest.request_count,
        "webhooks": [_webhook(webhook) for webhook in newest.webhooks],
        "webhook_count": newest.webhook_count,
        "meta": bool(emulator.meta.url),
        "twilio": bool(emulator.twilio.voice_url),
        "regions": [
            {"index": index, "url": url, "down": index in emulator.dropped_regions}
            for index, url in enumerate(emulator.region_urls)
        ],
    }


def actions_for(call: Call) -> list[str]:
    """Return the buttons of a call."""
    if call.state is State.ENDED:
        return []
    actions = []
    if call.state is State.RINGING:
        if call.provider is Provider.TWILIO or call.direction is Direction.OUTBOUND:
            actions.append("answer")
        if call.provider is Provider.WHATSAPP:
            actions.append("reject")
    if call.state is State.ACTIVE and not call.progress.joined:
        actions.append("join")
    return [*actions, "hang_up"]


def hint_for(call: Call) -> str:
    """Return what a call waits for, in a few words."""
    if call.state is State.ANSWERED:
        return "waits for ConnectWhatsAppCall"
    if call.state is not State.RINGING:
        return ""
    if call.provider is Provider.TWILIO:
        return "waits for Twilio's stream"
    if call.direction is Direction.OUTBOUND:
        return "the user's phone rings"
    return "waits for AcceptWhatsAppCall"


_ENDINGS = {
    Event.HANG_UP: "the user hung up",
    Event.REJECT: "declined",
    Event.BUSY: "busy",
    Event.NO_ANSWER: "no answer",
    Event.DISCONNECT: "disconnected by your app",
    Event.LEAVE: "LiveKit left, the user's phone is still in the call",
    Event.NOT_CONNECTED: "nobody sent the SDP",
    Event.NOT_JOINED: "nobody joined the room",
}


def _call(call: Call) -> dict[str, Any]:
    number = call.user_number
    return {
        "id": call.id,
        "provider": call.provider,
        "direction": call.direction,
        "state": call.state,
        "ended_by": call.ended_by,
        "ending": _ENDINGS.get(call.ended_by, "") if call.ended_by else "",
        "hint": hint_for(call),
        "user": f"...{number[-4:]}" if number else "",
        "room": call.room_name,
        "agents": [agent.agent_name for agent in call.agents],
        "timeline": [{"time": at, "event": event} for at, event in call.timeline],
        "actions": actions_for(call),
    }


def _webhook(webhook: Delivery) -> dict[str, Any]:
    return {
        "id": f"{webhook.sender} {webhook.number}",
        "time": webhook.created,
        "what": f"{webhook.sender} {webhook.title}",
        "call": webhook.call_id,
        "results": list(webhook.results),
        "reason": "" if webhook.taken else _cut(webhook.answer),
        "taken": webhook.taken,
        "retrying": webhook.due is not None and not webhook.taken and bool(webhook.results),
    }


def _shown(request: Optional[Message]) -> str:
    # repr() leaves secrets and personal data out.
    return "not decoded" if request is None else _cut(repr(request))


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."


def _silently(_: object) -> None:
    return None


def _is_own(request: HTTPRequest, host: str) -> bool:
    """Tell requests for this machine from those under a foreign name, or from a foreign page."""
    asked = request.headers.get("host", "")
    origin = request.headers.get("origin")
    try:
        name = urlsplit(f"//{asked}").hostname or ""
        foreign = origin is not None and urlsplit(origin).netloc != asked
    except ValueError:
        return False
    if name not in (host.lower(), "localhost"):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False  # a name that its owner can point at this machine
    return not foreign


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(document).encode())
