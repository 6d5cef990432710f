"""The page in the browser: what it shows, live, and what its buttons do.

The page is one HTML file; it gets the state as server-sent events and posts actions as JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from google.protobuf.message import Message

from ..errors import NotFound
from ..server import Response
from .http_server import HTTPRequest, Takeover
from .lifecycle import Direction, Provider, State

if TYPE_CHECKING:
    from .emulator import ConnectorEmulator
    from .exchange import Call

__all__ = ["Page"]

_SHOWN = 50  # calls, requests and webhooks on the page
_ACTION_HEADER = "x-emulator-action"
_HEARTBEAT = 15.0  # seconds
_EXCERPT = 400  # characters of a request; a session description alone has over a thousand
_SHORTEST_PAUSE = 0.05  # seconds between two states, so that a busy emulator is not a slow one


class Page:
    """Answers the page's requests.

    Args:
        emulator: what the page shows and acts on.
    """

    def __init__(self, emulator: ConnectorEmulator) -> None:
        self._emulator = emulator
        self._actions: dict[str, Callable[[str], object]] = {
            "inbound": lambda _: emulator.inbound_call(),
            "answer": emulator.answer,
            "join": emulator.join,
            "reject": emulator.reject,
            "hang_up": emulator.hang_up,
            "drop_region": lambda index: emulator.drop_region(int(index)),
            "restore_region": lambda index: emulator.restore_region(int(index)),
        }

    def answer(self, request: HTTPRequest) -> Union[Response, Takeover, None]:
        """Return the answer to a request, None if it is not for the page."""
        if request.method == "GET" and request.path == "/":
            html = Path(__file__).with_name("page.html").read_bytes()
            return Response(200, {"Content-Type": "text/html; charset=utf-8"}, html)
        if request.method == "GET" and request.path == "/emulator/events":
            return Takeover(self._stream)
        if request.method == "POST" and request.path == "/emulator/action":
            return self._act(request)
        return None

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
            action(target)
        except NotFound as exc:
            return _json(404, {"error": exc.message})
        except ValueError as exc:
            return _json(409, {"error": str(exc)})
        return _json(200, {})

    def _stream(self, connection: socket.socket) -> None:
        """Send the state at every change, as server-sent events, until either side goes away."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        seen = -1
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            while True:
                state = json.dumps(state_of(self._emulator), separators=(",", ":"))
                connection.sendall(f"data: {state}\n\n".encode())
                seen = self._emulator.wait_for_change(seen, _HEARTBEAT)
                if seen < 0:
                    return
                time.sleep(_SHORTEST_PAUSE)


def state_of(emulator: ConnectorEmulator) -> dict[str, Any]:
    """Return what the page shows, newest first; secrets and personal data are left out."""
    requests = [
        {
            "time": request.time,
            "method": request.method.rpartition("/")[2],
            "request": _shown(request.request),
            "region": request.region,
            "outcome": request.outcome or "waiting",
        }
        for request in reversed(emulator.requests[-_SHOWN:])
    ]
    webhooks = [
        {
            "time": webhook.created,
            "sender": webhook.sender,
            "what": webhook_title(webhook.sender, webhook.body),
            "results": list(webhook.results),
            "taken": webhook.taken,
            "retrying": webhook.due is not None and bool(webhook.results),
        }
        for webhook in reversed(emulator.webhooks[-_SHOWN:])
    ]
    return {
        "url": emulator.url,
        "calls": [_call(call) for call in reversed(emulator.calls[-_SHOWN:])],
        "requests": requests,
        "webhooks": webhooks,
        "regions": [
            {"index": index, "url": url, "down": index in emulator.dropped_regions}
            for index, url in enumerate(emulator.region_urls)
        ],
    }


def webhook_title(sender: str, body: bytes) -> str:
    """Return what a webhook is about, in a few words."""
    document = json.loads(body)
    if sender == "livekit":
        return str(document["event"])
    value = document["entry"][0]["changes"][0]["value"]
    if "calls" in value:
        return f"calls {value['calls'][0]['event']}"
    return f"status {value['statuses'][0]['status']}"


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


def _call(call: Call) -> dict[str, Any]:
    number = call.user_number
    return {
        "id": call.id,
        "provider": call.provider,
        "direction": call.direction,
        "state": call.state,
        "ended_by": call.ended_by,
        "user": f"...{number[-4:]}" if number else "",
        "room": call.room_name,
        "agents": [agent.agent_name for agent in call.agents],
        "timeline": [{"time": at, "event": event} for at, event in call.timeline],
        "actions": actions_for(call),
    }


def _shown(request: Optional[Message]) -> str:
    if request is None:
        return "not decoded"
    text = repr(request)  # which leaves secrets and personal data out
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(document).encode())
