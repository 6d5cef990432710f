"""A scripted HTTP server on a raw socket, which can also send malformed or incomplete responses.

Each request takes the next reply of the script; the last reply serves all later requests. A reply
is bytes, a step, or a list of steps: bytes are sent as they are, Drip sends them slowly, and STALL,
CLOSE and RESET do what their names say. After the last step the server reads the next request on
the same connection.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

OCTETS = "application/protobuf"


@dataclass(frozen=True)
class Request:
    """One request as the server read it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    def header(self, name: str) -> Optional[str]:
        """Return a header's value; fail if it was sent twice."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True)
class Drip:
    """Send data piece by piece."""

    data: bytes
    interval: float = 0.05
    size: int = 1


@dataclass(frozen=True)
class Act:
    """A step without data."""

    name: str


CLOSE = Act("close")
RESET = Act("reset")
STALL = Act("stall")
"""Do nothing until the server is closed."""

Step = Union[bytes, Drip, Act, Callable[[socket.socket], None]]
Steps = Union[bytes, Drip, Act, Sequence[Step]]
Reply = Union[Steps, Callable[[Request], Steps]]


def http(
    body: bytes = b"",
    status: Union[int, str] = "200 OK",
    content_type: Optional[str] = OCTETS,
    headers: Sequence[str] = (),
    framed: bool = True,
) -> bytes:
    """Return a whole response, with a Content-Length unless `framed` is False."""
    lines = [f"HTTP/1.1 {status} X" if isinstance(status, int) else f"HTTP/1.1 {status}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if framed:
        lines.append(f"Content-Length: {len(body)}")
    lines += headers
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def chunked(body: bytes, status: Union[int, str] = "200 OK", size: int = 5) -> bytes:
    """Return a whole response in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = http(status=status, headers=["Transfer-Encoding: chunked"], framed=False)
    return head + framed + b"0\r\n\r\n"


def ok(message: Any) -> bytes:
    """Return a 200 with a protobuf message."""
    return http(message.SerializeToString())


def twirp_error(
    status: int, code: str, message: str = "said so", headers: Sequence[str] = ()
) -> bytes:
    """Return an error as a Twirp server writes it."""
    body = json.dumps({"code": code, "msg": message}).encode()
    return http(body, status, "application/json", headers)


class ScriptedServer:
    """Serves the replies of a script on a free loopback port, from construction to `close()`.

    Args:
        script: the replies, one a request.
        greeting: steps on each new connection, before a request is read.
        tls: a server side TLS context.
        reads: False for a server that accepts connections and never reads.
    """

    def __init__(
        self,
        *script: Reply,
        greeting: Sequence[Step] = (),
        tls: Optional[ssl.SSLContext] = None,
        reads: bool = True,
    ) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.connections = 0
        self._greeting = greeting
        self._tls = tls
        self._reads = reads
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket()
        if not reads:  # small buffers, so that an upload soon stalls
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        self.host = "localhost" if tls else "127.0.0.1"
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hung_up_within(self, seconds: float) -> bool:
        """Return whether the clients close all their connections within some seconds."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End every connection and thread."""
        self._stopping.set()
        _shut(self._listener)
        self._acceptor.join(10)
        with self._lock:
            for sock in self._sockets:
                _shut(sock)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._stopping.is_set():
                    sock.close()
                    return
                number = self.connections
                self.connections += 1
                self._sockets.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                sock = self._handshake(sock)
            self._converse(sock, number)
        except (OSError, EOFError):
            pass
        finally:
            sock.close()

    def _handshake(self, sock: socket.socket) -> socket.socket:
        assert self._tls is not None
        wrapped = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._sockets.remove(sock)
            self._sockets.append(wrapped)
            if self._stopping.is_set():
                _shut(wrapped)
        try:
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def _converse(self, sock: socket.socket, number: int) -> None:
        if not self._perform(sock, self._greeting):
            return
        if not self._reads:
            self._stopping.wait()
            return
        with sock.makefile("rb") as stream:
            while True:
                request = _read_request(stream, number)
                if request is None:
                    return
                with self._lock:
                    self.requests.append(request)
                    reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                steps = reply(request) if callable(reply) else reply
                if isinstance(steps, (bytes, Drip, Act)):
                    steps = [steps]
                if not self._perform(sock, steps):
                    return

    def _perform(self, sock: socket.socket, steps: Sequence[Step]) -> bool:
        """Take the steps of a reply; return whether the connection stays open."""
        for step in steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            elif isinstance(step, Drip):
                for start in range(0, len(step.data), step.size):
                    sock.sendall(step.data[start : start + step.size])
                    if self._stopping.wait(step.interval):
                        return False
            elif step is STALL:
                self._stopping.wait()
                return False
            elif step is CLOSE:
                _shut(sock)
                return False
            elif step is RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif callable(step):
                step(sock)
        return True


def _read_request(stream: object, number: int) -> Optional[Request]:
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]
    line = readline()
    if not line:
        return None
    found = re.fullmatch(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n", line)
    if found is None:
        raise EOFError  # the beginning of a TLS handshake, for one
    method, target = found[1].decode(), found[2].decode()
    headers = []
    while True:
        line = readline()
        if not line:
            raise EOFError
        if line == b"\r\n":
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
    body = read(length)
    if len(body) != length:
        raise EOFError
    return Request(method, target, tuple(headers), body, number)


def _shut(sock: socket.socket) -> None:
    # On a TLS socket the method would first take the TLS layer away from the thread that reads.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
