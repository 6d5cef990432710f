"""The RPCs at /twirp/: recorded, then run, or answered from the X-Lk-Mock header."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional

from google.protobuf.message import Message

from .._runtime.method import MethodInfo
from ..errors import PermissionDenied, TwirpError, Unauthenticated
from ..server import (
    Response,
    TokenAuthorizer,
    TwirpApplication,
    decode_request,
    encode_response,
    error_response,
    status_for,
)
from . import mock_header
from .http_server import HTTPRequest, text_response
from .hub import Hub
from .journal import Journal, RecordedRequest
from .mock_header import Directives
from .regions import Region, Regions

__all__ = ["Rpcs"]


@dataclass
class Rpcs:
    """Responds to the RPCs of all regions."""

    application: TwirpApplication
    authorizer: TokenAuthorizer
    regions: Regions
    journal: Journal
    hub: Hub

    def respond(self, region: Region, request: HTTPRequest) -> Optional[Response]:
        """Run an RPC and record it."""
        method = self.application.method(request.path)
        name = method.full_name if method is not None else request.path
        message, now = _decode(method, request), self.hub.now()
        record = RecordedRequest(name, message, request.headers, request.body, region.index, now)
        self.journal.start(record)
        directives = mock_header.read_directives(request.headers)
        if region.index in self.regions.dropped:
            response = None
        elif directives is not None and method is not None:
            response = self._mock_response(directives, method, region, request)
        else:
            response = self.application.respond(
                request.method, request.path, request.headers, request.body
            )
        self.journal.finish(record, *_outcome(response))
        return response

    def _mock_response(
        self,
        directives: Directives,
        method: MethodInfo[Any, Any],
        region: Region,
        request: HTTPRequest,
    ) -> Optional[Response]:
        """Respond as LiveKit's test server does: token, pinning, delay, failure, mock message."""
        content_type = request.headers.get("content-type", "")
        try:
            message = decode_request(method, content_type, request.body)
            if not directives.skip_auth:
                self.authorizer(method, message, request.headers)
        except (Unauthenticated, PermissionDenied) as exc:
            return mock_header.mock_error(status_for(exc.code), exc.code, f"mock: {exc.code}")
        except TwirpError as exc:
            return error_response(exc)
        if not directives.is_served_by(region.name):
            return text_response(451, "project not allowed in this region.")
        with self.hub:
            self.hub.wait_for(lambda: self.hub.closing, directives.delay(region.index))
        if region.index in directives.fail_regions:
            return None if directives.fail_mode == "drop" else mock_header.mock_failure(directives)
        response = encode_response(
            content_type, mock_header.mock_message(directives, method, message)
        )
        response.headers[mock_header.REGION_HEADER] = str(region.index)
        return response


def _decode(method: Optional[MethodInfo[Any, Any]], request: HTTPRequest) -> Optional[Message]:
    if method is None:
        return None
    try:
        return decode_request(method, request.headers.get("content-type", ""), request.body)
    except TwirpError:
        return None


def _outcome(response: Optional[Response]) -> tuple[str, str]:
    """Return how an RPC ended, and the text of its error."""
    if response is None:
        return "dropped", ""
    if response.status == 200:
        return "ok", ""
    try:
        error = json.loads(response.body)
        return str(error["code"]), str(error.get("msg", ""))
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status}", response.body.decode("utf-8", "replace").strip()
