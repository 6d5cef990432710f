"""Twilio's REST API, as far as outbound calls need it: create, fetch, and end a phone call.

The phone call serves the session of a ConnectTwilioCall, which its TwiML or its Url names.
Source: https://www.twilio.com/docs/voice/api/call-resource, /docs/api/errors
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from ..errors import NotFound
from ..server import Response
from .calls import Call, CallRegistry
from .http_client import check_url
from .http_server import HTTPRequest, json_response
from .hub import Hub
from .lifecycle import Event, State
from .regions import Region
from .twilio import TwilioWebhooks, duration_of, format_time, numbers_of, status_of

__all__ = ["TWILIO_API_PATH", "TwilioAPI"]

TWILIO_API_PATH = "/2010-04-01/Accounts/"
_CALLS = re.compile(rf"{TWILIO_API_PATH}[^/]+/Calls(?:/([^/.]+))?(?:\.json)?")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_INVALID_CALLER_ID = "+15005550001"  # Twilio's own number for tests of 21212
_MAX_TWIML = 4000  # characters


class _Refusal(Exception):
    """An error of Twilio's API; args are its code, its text, and the HTTP status if not 400."""


@dataclass
class TwilioAPI:
    """Responds to the requests of `twilio.rest.Client` about calls."""

    account: TwilioWebhooks
    registry: CallRegistry
    hub: Hub

    def respond(self, region: Region, request: HTTPRequest) -> Response:
        """Create, fetch, or update a phone call."""
        path = _CALLS.fullmatch(request.path)
        fields = {
            name: values[-1] if name != "StatusCallbackEvent" else " ".join(values)
            for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()
        }
        try:
            self._authorize(request)
            if path is None or (request.method, bool(path[1])) not in _METHODS:
                raise _Refusal(20404, "the emulator has only Calls: create, fetch, update", 404)
            with self.hub:
                if path[1] is None:
                    return json_response(201, {**self._create(fields), "status": "queued"})
                call = self._find(path[1])
                if request.method == "POST":
                    self._update(call, fields)
                return json_response(200, self._document(call))
        except _Refusal as exc:
            code, text, status = (*exc.args, 400)[:3]
            url = f"https://www.twilio.com/docs/errors/{code}"
            document = {"code": code, "message": text, "more_info": url, "status": status}
            return json_response(status, document)

    def _authorize(self, request: HTTPRequest) -> None:
        account = self.account.account_sid
        token = base64.b64encode(f"{account}:{self.account.auth_token}".encode()).decode()
        received = request.headers.get("authorization", "").encode()
        in_account = request.path.startswith(f"{TWILIO_API_PATH}{account}/")
        if not in_account or not hmac.compare_digest(received, f"Basic {token}".encode()):
            raise _Refusal(20003, "Authenticate", 401)

    def _create(self, fields: dict[str, str]) -> dict[str, Any]:
        to, caller_id = fields.get("To", ""), fields.get("From", "")
        if not _NUMBER.fullmatch(to):
            raise _Refusal(21211, f"The 'To' number {to} is not a valid phone number.")
        if not _NUMBER.fullmatch(caller_id) or caller_id == _INVALID_CALLER_ID:
            raise _Refusal(21212, f"The 'From' number {caller_id} is not a valid phone number.")
        own, token = self.account.phone_numbers, fields.get("CallToken")
        if own and caller_id not in own and token != self.account.call_token(caller_id):
            raise _Refusal(21210, f"Source phone number {caller_id} is not verified")
        callback = fields.get("StatusCallback", "")
        try:
            check_url("StatusCallback", callback)
        except ValueError as exc:
            raise _Refusal(21609, str(exc)) from None
        try:
            session = self.registry.get(urlsplit(_stream_url(fields)).path.rpartition("/")[2])
            if session.call_sid:
                raise ValueError(f"{session.id} serves {session.call_sid} already")
            self.registry.apply(
                session,
                Event.CREATE,
                call_sid=f"CA{secrets.token_hex(16)}",
                business_number=caller_id[1:],
                user_number=to[1:],
                status_callback=callback,
                status_events=tuple(fields.get("StatusCallbackEvent", "completed").split()),
            )
        except (NotFound, ValueError) as exc:  # Twilio would ring first, and then fail
            raise _Refusal(
                31920, f"the stream is not that of a new outbound ConnectTwilioCall: {exc}"
            ) from None
        return self._document(session)

    def _find(self, call_sid: str) -> Call:
        for call in self.registry.calls():
            if call.call_sid == call_sid:
                return call
        raise _Refusal(20404, f"The requested resource {call_sid} was not found", 404)

    def _update(self, call: Call, fields: dict[str, str]) -> None:
        status = fields.get("Status")
        if status not in ("canceled", "completed"):
            raise _Refusal(20001, "the emulator supports only Status=canceled and =completed")
        if call.state is State.ENDED or (status == "canceled" and call.state is State.ACTIVE):
            raise _Refusal(21220, f"Invalid call state: the call is {status_of(call)}.")
        self.registry.apply(call, Event.HANG_UP)

    def _document(self, call: Call) -> dict[str, Any]:
        account, (caller_id, to) = self.account.account_sid, numbers_of(call)
        return {
            "sid": call.call_sid,
            "account_sid": account,
            "api_version": "2010-04-01",
            "direction": "outbound-api",
            "from": caller_id,
            "to": to,
            "status": status_of(call),
            "date_created": _time(call, Event.CREATE),
            "start_time": _time(call, Event.STREAM),
            "end_time": _time(call, call.ended_by),
            "duration": str(duration_of(call)) if call.ended_by else None,
            "uri": f"{TWILIO_API_PATH}{account}/Calls/{call.call_sid}.json",
        }


_METHODS = (("POST", False), ("GET", True), ("POST", True))


def _stream_url(fields: dict[str, str]) -> str:
    """Return the URL of the stream that a new call connects to."""
    document = fields.get("Twiml")
    if document is None:
        url = fields.get("Url", "")
        if not url:
            raise _Refusal(21205, "Url parameter is required, or Twiml")
        return url  # of the session itself, which responds with TwiML that names its stream
    if len(document) > _MAX_TWIML:
        raise _Refusal(32018, f"Twiml has {len(document)} characters, at most {_MAX_TWIML} fit")
    try:
        stream = ElementTree.fromstring(document).find("./Connect/Stream")
    except ElementTree.ParseError as exc:
        raise _Refusal(12100, f"Document parse failure: {exc}") from None
    if stream is None:
        raise _Refusal(12100, "the emulator needs TwiML with <Connect><Stream url=connect_url>")
    return stream.get("url", "")


def _time(call: Call, event: Optional[Event]) -> Optional[str]:
    at = call.time_of(event) if event else None
    return None if at is None else format_time(at)
