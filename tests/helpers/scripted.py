"""A server that answers each request as the test's script says, and notes what it received."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

Answer = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Received:
    head: str
    body: bytes

    def header(self, name: str) -> Optional[str]:
        found = re.search(rf"^{name}: (.*?)\r?$", self.head, re.IGNORECASE | re.MULTILINE)
        return found.group(1) if found else None


def http(
    status: int, body: bytes = b"", content_type: str = "text/plain", **headers: str
) -> Answer:
    """Answer with a well-formed response."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def ok(message) -> Answer:
    return http(200, message.SerializeToString(), "application/protobuf")


def twirp_error(status: int, code: str, message: str = "said so", **headers: str) -> Answer:
    body = json.dumps({"code": code, "msg": message}).encode()
    return http(status, body, "application/json", **headers)


def raw(data: bytes) -> Answer:
    """Send bytes and close."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        close(connection)

    return answer


def close(connection: socket.socket) -> None:
    """Close without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Reset the connection without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def stall(connection: socket.socket) -> None:
    """Never answer; the client hangs up."""
    connection.recv(1)


class ScriptedServer:
    """Answers requests one after the other, whatever connection they come on.

    The last answer of the script is given to every further request.
    """

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.received: list[Received] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> ScriptedServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def hung_up_within(self, seconds: float) -> bool:
        """Tell whether the clients end all their connections in so many seconds."""
        for thread in self._threads[1:]:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads[1:])

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while True:
                    request = _read(connection)
                    if request is None:
                        return
                    with self._lock:
                        turn = min(len(self.received), len(self.script) - 1)
                        self.received.append(request)
                    self.script[turn](connection)
            except OSError:
                return


def _read(connection: socket.socket) -> Optional[Received]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    request = Received(head.decode("latin-1"), b"")
    length = int(request.header("content-length") or 0)
    while len(body) < length:
        body += connection.recv(65536)
    return Received(request.head, body)
