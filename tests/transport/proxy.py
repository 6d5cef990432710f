"""A small HTTP proxy: CONNECT, and requests with a whole URL."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
from typing import Optional
from urllib.parse import urlsplit

from helpers.scripted import Request, ScriptedServer, Step


class Proxy(ScriptedServer):
    """Forwards requests, or rejects them.

    Args:
        refusal: the reply to every request; by default it forwards.
        tls: a server side TLS context, for a proxy that is spoken to over TLS.
    """

    def __init__(
        self, refusal: Optional[bytes] = None, tls: Optional[ssl.SSLContext] = None
    ) -> None:
        super().__init__(self._respond, tls=tls)
        self._refusal = refusal

    def _respond(self, request: Request) -> list[Step]:
        if self._refusal is not None:
            return [self._refusal]
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
            established = b"HTTP/1.1 200 Connection established\r\nVia: a proxy\r\n\r\n"
            return [established, functools.partial(tunnel, (host, int(port)))]
        parts = urlsplit(request.target)
        assert parts.hostname
        lines = [f"{request.method} {parts.path} HTTP/1.1", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        with socket.create_connection((parts.hostname, parts.port or 80)) as upstream:
            upstream.sendall(head.encode("latin-1") + request.body)
            upstream.shutdown(socket.SHUT_WR)
            return [b"".join(iter(functools.partial(upstream.recv, 65536), b""))]


def tunnel(address: tuple[str, int], client: socket.socket) -> None:
    """Carry bytes both ways until one end closes."""
    with socket.create_connection(address) as upstream, contextlib.suppress(OSError):
        ends = {client: upstream, upstream: client}
        while True:
            for source in select.select(ends, [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                ends[source].sendall(data)
