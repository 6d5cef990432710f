"""The RPCs at /twirp/: recorded, then run, or answered from the X-Lk-Mock header."""

from __future__ import annotations

import json
import threading
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
from .clock import Clock
from .http_server import HTTPRequest
from .journal import Journal, RecordedRequest
from .mock_header import Directives
from .regions import Region, Regions

__all__ = ["Rpcs"]


class Rpcs:
    """Responds to the RPCs of all regions.

    Args:
        application: runs the RPCs.
        authorizer: checks the tokens of mocked RPCs.
        regions: which regions are down.
        journal: records the RPCs.
        clock: the emulator's clock.
        closing: set when the emulator closes; ends every delay.
    """

    def __init__(
        self,
        application: TwirpApplication,
        authorizer: TokenAuthorizer,
        regions: Regions,
        journal: Journal,
        clock: Clock,
        closing: threading.Event,
    ) -> None:
        self._application = application
        self._authorizer = authorizer
        self._regions = regions
        self._journal = journal
        self._clock = clock
        self._closing = closing

    def respond(self, region: Region, request: HTTPRequest) -> Optional[Response]:
        """Run an RPC and record it."""
        method = self._application.method(request.path)
        record = RecordedRequest(
            method=method.full_name if method is not None else request.path,
            request=_decode(method, request),
            headers=request.headers,
            body=request.body,
            region=region.index,
            time=self._clock.now(),
        )
        self._journal.start(record)
        directives = mock_header.read_directives(request.headers)
        if region.index in self._regions.dropped:
            response = None
        elif directives is not None and method is not None:
            response = self._mock_response(directives, method, region, request)
        else:
            response = self._application.respond(
                request.method, request.path, request.headers, request.body
            )
        self._journal.finish(record, *_outcome(response))
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
                self._authorizer(method, message, request.headers)
        except (Unauthenticated, PermissionDenied) as exc:
            return mock_header.mock_error(status_for(exc.code), exc.code, f"mock: {exc.code}")
        except TwirpError as exc:
            return error_response(exc)
        if not directives.is_served_by(region.name):
            return mock_header.pinned_elsewhere()
        self._closing.wait(directives.delay(region.index))
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
