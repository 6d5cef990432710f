"""The regions of the emulator: a listener each, and the list of them at /settings/regions."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from typing import Callable, Optional

from ..server import Response
from .arguments import check_type
from .http_server import HTTPListener, HTTPRequest, Reply, json_response
from .mock_header import REGION_HEADER, read_directives

__all__ = ["Region", "Regions"]


@dataclass(frozen=True)
class Region:
    """One listener."""

    index: int  # clients start with region 0
    name: str
    url: str


class Regions:
    """The regions, and which of them are down."""

    def __init__(
        self, host: str, port: int, count: int, certificate: Optional[tuple[str, str]]
    ) -> None:
        if count < 1:
            raise ValueError(f"regions must be 1 or more, not {count}")
        if not 0 <= port <= 65535 - (count - 1 if port else 0):
            raise ValueError(f"port must be 0 to 65535, with room for {count}, not {port}")
        self.all: tuple[Region, ...] = ()
        self.dropped: frozenset[int] = frozenset()
        self._addresses = [(host, port + index if port else 0) for index in range(count)]
        self._certificate = certificate
        self._listeners: list[HTTPListener] = []

    @property
    def urls(self) -> list[str]:
        """The URLs of the regions; none if they are not open."""
        return [region.url for region in self.all]

    @property
    def url(self) -> str:
        """The URL of the first region; raises RuntimeError if the regions are not open."""
        if not self.all:
            raise RuntimeError("the emulator is not started: use it in a with statement")
        return self.all[0].url

    def open(self, respond: Callable[[Region, HTTPRequest], Reply]) -> None:
        """Listen on the addresses, a region each."""
        tls = _load_certificate(*self._certificate) if self._certificate is not None else None
        for host, port in self._addresses:
            self._listeners.append(HTTPListener(host, port, tls))
        self.all = tuple(
            Region(index, f"region-{index}", listener.origin)
            for index, listener in enumerate(self._listeners)
        )
        for region, listener in zip(self.all, self._listeners):
            listener.start(functools.partial(respond, region))

    def close(self) -> None:
        """Close the listeners and their connections."""
        for listener in self._listeners:
            listener.close()

    def set_dropped(self, index: int, dropped: bool) -> None:
        """Take a region down, or bring it up again."""
        check_type("index", index, int)
        if not 0 <= index < len(self.all):
            raise ValueError(f"there is no region {index}: use 0 to {len(self.all) - 1}")
        self.dropped = self.dropped | {index} if dropped else self.dropped - {index}

    def respond(self, region: Region, request: HTTPRequest) -> Optional[Response]:
        """Respond to GET /settings/regions: the regions that serve the project, nearest first."""
        if region.index in self.dropped:
            return None
        if request.method != "GET":
            return Response(405, {"Content-Type": "text/plain", "Allow": "GET"}, b"use GET\n")
        directives = read_directives(request.headers)
        if directives and directives.regions_status != 200:
            return Response(directives.regions_status, {}, b"")
        regions = [
            {"region": known.name, "url": known.url, "distance": str(known.index)}
            for known in self.all
            if directives is None or directives.is_served_by(known.name)
        ]
        headers = {"Cache-Control": "max-age=0", REGION_HEADER: str(region.index)}
        return json_response(200, {"regions": regions}, **headers)


def _load_certificate(certificate: str, key: str) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        tls.load_cert_chain(certificate, key)
    except OSError as exc:
        raise OSError(exc.errno, f"{exc.strerror or exc}: {certificate} and {key}") from exc
    # A Python client that reads in its own thread, as websockets does, can lose what it writes
    # while OpenSSL reads a session ticket.
    tls.num_tickets = 0
    return tls
