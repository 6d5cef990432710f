"""The page in the browser: what it shows, live, and what its buttons do.

The page is one HTML file. It receives the state as server-sent events and posts actions as JSON.
Other web sites that are open in the browser get neither: the HTTP server rejects requests for
other names, and actions need a header.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Callable

from ..errors import NotFound
from ..server import Response
from .calls import Call, CallRegistry
from .http_server import HTTPRequest, Reply, json_response, text_response
from .hub import Hub
from .journal import Journal, RecordedRequest
from .lifecycle import Direction, Event, Provider, State
from .outbox import Delivery, Outbox
from .regions import Region, Regions
from .twilio import TwilioReply

__all__ = ["Action", "Page"]

_MAX_ENTRIES = 50  # requests, webhooks, and ended calls on the page; it shows all live calls
_ACTION_HEADER = "x-emulator-action"
_HEARTBEAT = 15.0  # seconds
_EXCERPT = 400  # characters of a request; a session description alone has over a thousand
_MIN_PAUSE = 0.05  # seconds between two updates, so that they do not slow a busy emulator down
_HEADERS = {
    "X-Frame-Options": "DENY",  # so that no other site can trick somebody into pressing a button
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
}

Action = Callable[[str], object]
"""What a button does: takes its target, such as a call's id."""


@dataclass
class Page:
    """Responds to the page's requests."""

    hub: Hub
    registry: CallRegistry
    journal: Journal
    outbox: Outbox
    regions: Regions
    actions: Mapping[str, Action]  # what the buttons do
    settings: Mapping[str, Any]  # the part of the state that never changes

    def respond(self, region: Region, request: HTTPRequest) -> Reply:
        """Respond to a request for the page."""
        routes: dict[tuple[str, str], Callable[[HTTPRequest], Reply]] = {
            ("GET", "/"): self._html,
            ("GET", "/emulator/events"): lambda _: self._stream,
            ("POST", "/emulator/action"): self._act,
        }
        route = routes.get((request.method, request.path))
        return route(request) if route else text_response(404, "404 page not found")

    def _html(self, request: HTTPRequest) -> Response:
        folder = resources.files("livekit_connector_sync.emulator")
        html = folder.joinpath("page.html").read_bytes()
        return Response(200, {"Content-Type": "text/html; charset=utf-8", **_HEADERS}, html)

    def _act(self, request: HTTPRequest) -> Response:
        # Another site's page cannot set this header without a preflight, which fails here.
        if _ACTION_HEADER not in request.headers:
            return json_response(403, {"error": f"the header {_ACTION_HEADER} is missing"})
        try:
            document = json.loads(request.body)
            action, target = self.actions[document["action"]], str(document.get("target", ""))
        except (ValueError, KeyError, TypeError, RecursionError):
            return json_response(400, {"error": f"unknown action: use {', '.join(self.actions)}"})
        try:
            notice = _notice(action(target))
        except NotFound as exc:
            return json_response(404, {"error": exc.message})
        except ValueError as exc:
            return json_response(409, {"error": str(exc)})
        return json_response(200, {"notice": notice} if notice else {})

    def _stream(self, connection: socket.socket) -> None:
        """Send the state as server-sent events whenever it changes, until either side closes."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        sent = ""
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            while not self.hub.closing:
                seen = self.hub.version
                state = json.dumps(self._state(), separators=(",", ":"))
                line = ": ping" if state == sent else f"data: {state}"
                connection.sendall(f"{line}\n\n".encode())
                sent = state
                with self.hub:
                    if self.hub.version == seen and not self.hub.closing:
                        self.hub.wait(_HEARTBEAT)  # for any change
                time.sleep(_MIN_PAUSE)

    def _state(self) -> dict[str, Any]:
        """Return what the page shows, newest first, without secrets and personal data."""
        with self.hub:
            live, ended, more = self.registry.newest(_MAX_ENTRIES)
            return {
                **self.settings,
                "url": self.regions.url,
                "live": [_call(call) for call in live],
                "ended": [_call(call) for call in ended],
                "more_calls": more,
                "requests": [_request(request) for request in self.journal.newest(_MAX_ENTRIES)],
                "request_count": self.journal.request_count,
                "webhooks": [_webhook(webhook) for webhook in self.outbox.newest(_MAX_ENTRIES)],
                "webhook_count": self.outbox.count,
                "regions": [
                    {"index": index, "url": url, "down": index in self.regions.dropped}
                    for index, url in enumerate(self.regions.urls)
                ],
            }


def _notice(result: object) -> str:
    """Return the text to show for the result of an action."""
    if result is True:
        return "Your app answered Meta's handshake: the webhook is verified."
    if result is False:
        return "Your app did not answer Meta's handshake with 200 and the challenge."
    if isinstance(result, TwilioReply) and result.status:
        return f"Your app answered Twilio with {result.status}: {_cut(result.body)}"
    if isinstance(result, TwilioReply):
        return "Your app does not answer Twilio's voice webhook: see below."
    return ""


def _hint_and_buttons(call: Call) -> tuple[str, list[str]]:
    """Return what a call waits for, and which buttons it has."""
    if call.state is State.ENDED:
        return "", []
    join = ["join"] if call.progress.connected and not call.progress.joined else []
    if call.state is State.ACTIVE:
        return "", [*join, "hang_up"]
    if call.state is State.ANSWERED:
        return "waits for ConnectWhatsAppCall", ["hang_up"]
    if call.provider is Provider.TWILIO:
        return "waits for Twilio's stream", ["answer", "hang_up"]
    if call.direction is Direction.OUTBOUND:
        return "the user's phone rings", ["answer", "reject", *join, "hang_up"]
    return "waits for AcceptWhatsAppCall", ["reject", "hang_up"]


_ENDINGS = {
    Event.HANG_UP: "the user hung up",
    Event.REJECT: "declined",
    Event.BUSY: "busy",
    Event.NO_ANSWER: "no answer",
    Event.DISCONNECT: "disconnected by your app",
    Event.LEAVE: "LiveKit left; the user's phone is still in the call",
    Event.NOT_CONNECTED: "nobody sent the SDP",
    Event.NOT_JOINED: "nobody joined the room",
}


def _call(call: Call) -> dict[str, Any]:
    hint, buttons = _hint_and_buttons(call)
    return {
        "id": call.id,
        "provider": call.provider,
        "direction": call.direction,
        "state": call.state,
        "ended_by": call.ended_by,
        "ending": _ENDINGS.get(call.ended_by, "") if call.ended_by else "",
        "hint": hint,
        "user": _shorten(call.user_number) or _shorten(call.user_id, "user id "),
        "room": call.room_name,
        "agents": [agent.agent_name for agent in call.agents],
        "timeline": [{"time": at, "event": event} for at, event in call.timeline],
        "actions": buttons,
    }


def _request(request: RecordedRequest) -> dict[str, Any]:
    return {
        "time": request.time,
        "method": request.method.rpartition("/")[2],
        # repr() redacts secrets and personal data.
        "request": _cut(repr(request.request)) if request.request is not None else "not decoded",
        "region": request.region,
        "outcome": request.outcome or "waiting",
        "message": request.message,
    }


def _webhook(webhook: Delivery) -> dict[str, Any]:
    return {
        "id": str(webhook.number),
        "time": webhook.created,
        "what": f"{webhook.sender} {webhook.title}",
        "call": webhook.call_id,
        "results": list(webhook.results),
        "reason": "" if webhook.taken else _cut(webhook.answer),
        "taken": webhook.taken,
        "retrying": webhook.due is not None and not webhook.taken and bool(webhook.results),
    }


def _shorten(user: str, kind: str = "") -> str:
    return f"{kind}...{user[-4:]}" if user else ""


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
