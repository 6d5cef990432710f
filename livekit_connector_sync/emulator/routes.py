"""Which part of the emulator answers a request, by its path."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

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
from .http_server import HTTPRequest, Takeover
from .journal import Journal, RecordedRequest
from .mock_header import Directives

__all__ = ["Answer", "Region", "Regions", "Routes"]

Answer = Union[Response, Takeover, None]


@dataclass(frozen=True)
class Region:
    """One listener.

    Args:
        index: its place in the list; 0 is the region that clients are pointed at.
        name: "region-0", ...
        url: its URL.
    """

    index: int
    name: str
    url: str


class Regions:
    """The regions of the emulator, and which of them are down."""

    def __init__(self) -> None:
        self.all: tuple[Region, ...] = ()
        self.dropped: frozenset[int] = frozenset()

    def drop(self, index: int) -> None:
        """Take a region down."""
        self.dropped |= {self._checked(index)}

    def restore(self, index: int) -> None:
        """Take a region up again."""
        self.dropped -= {self._checked(index)}

    def document(self, directives: Directives) -> bytes:
        """Return the body of /settings/regions, nearest first, pinned ones only."""
        regions = [
            {"region": region.name, "url": region.url, "distance": str(region.index)}
            for region in self.all
            if directives.serves(region.name)
        ]
        return json.dumps({"regions": regions}).encode("utf-8")

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self.all):
            raise ValueError(f"there is no region {index}: they are 0 to {len(self.all) - 1}")
        return index


class Routes:
    """Answers the requests of all regions.

    Args:
        twirp: serves the Connector.
        authorizer: checks tokens.
        regions: the listeners.
        journal: notes the RPCs.
        clock: tells the time.
        closing: set when the emulator shuts down; ends every wait.
        elsewhere: answers what is neither an RPC nor the list of regions; None if nothing does.
    """

    def __init__(
        self,
        twirp: TwirpApplication,
        authorizer: TokenAuthorizer,
        regions: Regions,
        journal: Journal,
        clock: Clock,
        closing: threading.Event,
        elsewhere: Callable[[HTTPRequest], Answer],
    ) -> None:
        self._twirp = twirp
        self._authorizer = authorizer
        self._regions = regions
        self._journal = journal
        self._clock = clock
        self._closing = closing
        self._elsewhere = elsewhere

    def answer(self, index: int, request: HTTPRequest) -> Answer:
        """Return the answer of a region to a request."""
        region = self._regions.all[index]
        if request.path.startswith("/twirp/"):
            return self._answer_rpc(region, request)
        if request.path == "/settings/regions":
            return self._answer_regions(region, request)
        if request.path == "/_test/health":
            return Response(200, {"Content-Type": "text/plain"}, b"ok")
        answer = self._elsewhere(request)
        if answer is not None:
            return answer
        return Response(404, {"Content-Type": "text/plain"}, b"404 page not found\n")

    def _answer_rpc(self, region: Region, request: HTTPRequest) -> Answer:
        method = self._twirp.method(request.path)
        number = self._journal.received(
            RecordedRequest(
                method=method.full_name if method is not None else request.path,
                request=_decoded(method, request),
                headers=request.headers,
                body=request.body,
                region=region.index,
                time=self._clock.now(),
            )
        )
        if region.index in self._regions.dropped:
            answer: Optional[Response] = None
        else:
            directives = mock_header.directives_of(request.headers)
            if directives is not None and method is not None:
                answer = self._mock_answer(directives, method, region, request)
            else:
                answer = self._twirp.respond(
                    request.method, request.path, request.headers, request.body
                )
        self._journal.finished(number, self._clock.now(), *_outcome(answer))
        return answer

    def _mock_answer(
        self,
        directives: Directives,
        method: MethodInfo[Any, Any],
        region: Region,
        request: HTTPRequest,
    ) -> Optional[Response]:
        """Answer as LiveKit's test server does: token, pinning, delay, failure, made-up message."""
        content_type = request.headers.get("content-type", "")
        try:
            message = decode_request(method, content_type, request.body)
            if not directives.skip_auth:
                self._authorizer(method, message, request.headers)
        except (Unauthenticated, PermissionDenied) as exc:
            return mock_header.error(status_for(exc.code), exc.code, f"mock: {exc.code}")
        except TwirpError as exc:
            return error_response(exc)
        if not directives.serves(region.name):
            return mock_header.turned_away()
        self._closing.wait(directives.seconds_to_wait(region.index))
        failed = mock_header.failure(directives, region.index)
        if failed is not None:
            return None if directives.fail_mode == "drop" else failed
        made_up = mock_header.mock_message(directives, method, message)
        answer = encode_response(content_type, made_up)
        return answer._replace(
            headers={**answer.headers, mock_header.REGION_HEADER: str(region.index)}
        )

    def _answer_regions(self, region: Region, request: HTTPRequest) -> Optional[Response]:
        if region.index in self._regions.dropped:
            return None
        directives = mock_header.directives_of(request.headers) or Directives()
        if request.method != "GET":
            return Response(405, {"Content-Type": "text/plain", "Allow": "GET"}, b"use GET\n")
        if directives.regions_status != 200:
            return Response(directives.regions_status, {}, b"")
        headers = {
            "Content-Type": "application/json",
            "Cache-Control": "max-age=0",
            mock_header.REGION_HEADER: str(region.index),
        }
        return Response(200, headers, self._regions.document(directives))


def _decoded(method: Optional[MethodInfo[Any, Any]], request: HTTPRequest) -> Optional[Message]:
    if method is None:
        return None
    try:
        return decode_request(method, request.headers.get("content-type", ""), request.body)
    except TwirpError:
        return None


def _outcome(answer: Optional[Response]) -> tuple[str, str]:
    """Return how an RPC ended, and the text of its error."""
    if answer is None:
        return "dropped", ""
    if answer.status == 200:
        return "ok", ""
    try:
        error = json.loads(answer.body)
        return str(error["code"]), str(error.get("msg", ""))
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}", answer.body.decode("utf-8", "replace").strip()
