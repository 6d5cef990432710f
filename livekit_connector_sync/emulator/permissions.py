"""Meta's Graph API: who may be called, the requests for it, and the rejection of a call.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/calling/user-call-permissions
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from ..errors import TwirpError
from ..server import Response
from .calls import BUSINESS_NUMBER, CallRegistry
from .http_server import HTTPRequest, json_response
from .hub import Hub
from .journal import Journal
from .lifecycle import Direction, Event
from .meta import MetaWebhooks
from .outbox import Outbox
from .refusals import META_ERRORS, MetaError

__all__ = ["CallPermissions", "is_graph_path"]

_PATH = re.compile(r"/v[0-9]+\.[0-9]+/([0-9]+)/(call_permissions|messages|calls)")
_USER = re.compile(r"[0-9]+|[A-Z]{2}\.[0-9A-Za-z.]+")
_DAY = 86_400.0  # seconds
_WEEK = 7 * _DAY
_PERIODS = {"PT24H": _DAY, "P7D": _WEEK}
_REQUEST_LIMITS = {"PT24H": 1, "P7D": 2}
_CALL_LIMITS = {"PT24H": 100}


class _Refused(Exception):
    """Its one argument is the MetaError that Graph responds with."""


@dataclass
class _User:
    """What Meta knows of the business and one user."""

    granted_until: float = 0.0  # seconds since 1970; infinite for a permanent permission
    requests: list[float] = field(default_factory=list)  # when they were sent
    checks: list[float] = field(default_factory=list)
    request_id: str = ""  # the request that waits for the user's reply
    phone_number_id: str = "106540352242922"  # the business's number that asked


@dataclass(eq=False)
class CallPermissions:
    """Responds as Graph's three endpoints, and keeps the state of each user."""

    registry: CallRegistry
    hub: Hub
    journal: Journal
    outbox: Outbox
    meta: MetaWebhooks
    max_checks: int  # of one user in 24 hours
    _users: defaultdict[str, _User] = field(default_factory=lambda: defaultdict(_User))

    def refusal(self, user: str) -> Optional[MetaError]:
        """Return the error with which Meta refuses a call to a user, None if it is allowed."""
        with self.hub:
            if self._users[user].granted_until <= self.hub.now():
                return META_ERRORS[138006]
            limits = self._limits(_CALL_LIMITS, self._connected(user))
            return META_ERRORS[138012] if _is_reached(limits) else None

    def grant(self, user: str, permanent: bool) -> None:
        """Have a user grant the permission; sends Meta's webhook."""
        with self.hub:
            until = math.inf if permanent else self.hub.now() + _WEEK
            ends = {} if permanent else {"expiration_timestamp": int(until)}
            self._reply(user, until, {"response": "accept", "is_permanent": permanent, **ends})

    def revoke(self, user: str) -> None:
        """Have a user revoke the permission, or decline the request; sends Meta's webhook."""
        with self.hub:
            self._reply(user, 0.0, {"response": "reject", "is_permanent": False})

    def respond(self, request: HTTPRequest) -> Response:
        """Respond to a request for one of the three endpoints."""
        with self.hub:
            try:
                status, outcome, document = 200, "ok", self._result(request)
            except _Refused as exc:
                error: MetaError = exc.args[0]
                status, outcome = error.status, f"(#{error.code}) {error.text}"
                fields = {"message": outcome, "type": "OAuthException", "code": error.code}
                document = {"error": {**fields, "fbtrace_id": f"A{secrets.token_urlsafe(16)}"}}
            self.journal.note(f"graph {request.path.rpartition('/')[2]}: {outcome}")
        return json_response(status, document)

    def _result(self, request: HTTPRequest) -> dict[str, Any]:
        phone_number_id, endpoint = request.path.split("/")[2:]
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _Refused(META_ERRORS[190])
        if request.method != ("GET" if "_" in endpoint else "POST"):
            raise _Refused(MetaError(100, f"Unsupported {request.method.lower()} request"))
        if endpoint == "call_permissions":
            return self._check(request)
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or document.get("messaging_product") != "whatsapp":
            raise _invalid('the body must be a JSON object with "messaging_product": "whatsapp"')
        if endpoint == "calls":
            return self._reject(document)
        return self._request(phone_number_id, document)

    def _check(self, request: HTTPRequest) -> dict[str, Any]:
        target = request.head.split(b" ", 2)[1].decode("latin-1")
        query = parse_qs(urlsplit(target).query)
        names = [name for name in ("user_wa_id", "recipient") if name in query]
        if len(names) != 1:
            raise _invalid("give either user_wa_id or recipient")
        name, now = query[names[0]][0], self.hub.now()
        user = self._users[name]
        user.checks = [at for at in user.checks if at > now - _DAY]
        if len(user.checks) >= self.max_checks:
            raise _Refused(META_ERRORS[613])
        user.checks.append(now)
        permission: dict[str, Any] = {"status": "no_permission"}
        if math.isinf(user.granted_until):
            permission = {"status": "permanent"}
        elif user.granted_until > now:
            permission = {"status": "temporary", "expiration_time": int(user.granted_until)}
        requests = self._request_limits(name)
        calls = self._limits(_CALL_LIMITS, self._connected(name))
        may_request = not _is_reached(requests) and permission["status"] != "permanent"
        may_call = not _is_reached(calls) and permission["status"] != "no_permission"
        return {
            "messaging_product": "whatsapp",
            "permission": permission,
            "actions": [
                _action("send_call_permission_request", may_request, requests),
                _action("start_call", may_call, calls),
            ],
        }

    def _request(self, phone_number_id: str, document: dict[str, Any]) -> dict[str, Any]:
        """Send a user the request for the permission."""
        user = document.get("to") or document.get("recipient")
        interactive = document.get("interactive") if document.get("type") == "interactive" else None
        kind = "call_permission_request"
        if not isinstance(interactive, dict) or interactive.get("type") != kind:
            raise _invalid(f"the emulator serves only messages of type {kind}")
        text = interactive.get("body")
        if not isinstance(user, str) or not isinstance(text, dict) or not text.get("text"):
            raise _invalid("to or recipient, and interactive.body.text, are required")
        known = self._users[user]
        if math.isinf(known.granted_until):
            raise _Refused(META_ERRORS[138017])
        if _is_reached(self._request_limits(user)):
            raise _Refused(META_ERRORS[138009])
        known.requests.append(self.hub.now())
        known.phone_number_id = phone_number_id
        known.request_id = _message_id()
        self.hub.changed()
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": user} if "." in user else {"input": user, "wa_id": user}],
            "messages": [{"id": known.request_id}],
        }

    def _reject(self, document: dict[str, Any]) -> dict[str, Any]:
        if document.get("action") != "reject":
            raise _invalid("the emulator serves only the action reject")
        try:
            call = self.registry.get(str(document.get("call_id")))
            if call.direction is not Direction.INBOUND or not call.whatsapp_call_id:
                raise _invalid("only an inbound call can be rejected")
            self.registry.apply(call, Event.REJECT)
        except (TwirpError, ValueError) as exc:
            raise _invalid(str(exc)) from None
        return {"messaging_product": "whatsapp", "success": True}

    def _reply(self, name: str, granted_until: float, reply: dict[str, Any]) -> None:
        """Record a user's reply, and send its webhook."""
        if not _USER.fullmatch(name):
            raise ValueError(f"user must be a number in digits, or a user id, not {name!r}")
        user = self._users[name]
        user.granted_until = granted_until
        request_id, user.request_id = user.request_id, ""
        message = {
            **({"from_user_id": name} if "." in name else {"from": name}),
            "id": _message_id(),
            "timestamp": str(int(self.hub.now())),
            "type": "interactive",
            "interactive": {
                "type": "call_permission_reply",
                "call_permission_reply": {**reply, "response_source": "user_action"},
            },
        }
        if request_id:
            message["context"] = {"from": BUSINESS_NUMBER, "id": request_id}
        identity = {"user_id": name} if "." in name else {"wa_id": name}
        self.journal.note(f"call permission: {reply['response']}")
        webhook = self.meta.make_webhook(
            f"permission {reply['response']}",
            "messages",
            BUSINESS_NUMBER,
            user.phone_number_id,
            contacts=[{"profile": {"name": "Alex Doe"}, **identity}],
            messages=[message],
        )
        self.outbox.put("meta", webhook, "", f"permission {name}", self.meta.duplicates)

    def _request_limits(self, name: str) -> list[dict[str, Any]]:
        # A connected call starts the count anew.
        since = max(self._connected(name), default=0.0)
        sent = [at for at in self._users[name].requests if at > since]
        return self._limits(_REQUEST_LIMITS, sent)

    def _limits(self, allowed: dict[str, int], times: list[float]) -> list[dict[str, Any]]:
        """Return the limits of an action that happened at some times."""
        now, limits = self.hub.now(), []
        for period, most in allowed.items():
            recent = [at for at in sorted(times) if at > now - _PERIODS[period]]
            limit = {"time_period": period, "max_allowed": most, "current_usage": len(recent)}
            if len(recent) >= most:
                limit["limit_expiration_time"] = int(recent[-most] + _PERIODS[period])
            limits.append(limit)
        return limits

    def _connected(self, user: str) -> list[float]:
        """Return when the calls with a user were connected."""
        calls = [call for call in self.registry.calls() if call.user_number == user]
        times = [call.time_of(Event.ACCEPT, Event.CONNECT) for call in calls]
        return [at for at in times if at is not None]


def is_graph_path(path: str) -> bool:
    """Return whether a path is one of the three endpoints."""
    return _PATH.fullmatch(path) is not None


def _is_reached(limits: list[dict[str, Any]]) -> bool:
    return any("limit_expiration_time" in limit for limit in limits)


def _action(name: str, allowed: bool, limits: list[dict[str, Any]]) -> dict[str, Any]:
    return {"action_name": name, "can_perform_action": allowed, "limits": limits}


def _invalid(details: str) -> _Refused:
    return _Refused(MetaError(100, f"Invalid parameter: {details}"))


def _message_id() -> str:
    return f"wamid.{secrets.token_hex(16).upper()}"
