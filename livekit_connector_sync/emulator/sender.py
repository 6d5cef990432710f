"""Sends HTTP requests to the developer's app, and breaks them off when the emulator closes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

__all__ = ["Sender", "checked_url"]

_TIMEOUT = 10.0  # seconds that the app has, each for connecting and for its answer
_MOST_READ = 1_000_000  # bytes of an answer
# What stands in a target as it is (RFC 3986, section 2); everything else is percent-encoded.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=-._~"


def checked_url(name: str, url: str) -> None:
    """Check the URL of an app's webhook.

    Args:
        name: what to call it in the error.
        url: the URL; an empty one stands for none.

    Raises:
        ValueError: it is no http or https URL.
    """
    if not url:
        return
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        valid = False
    if not valid or any(character <= " " for character in url):
        raise ValueError(f'{name} is {url!r}: write it as "http://127.0.0.1:8000/webhooks"')


class Sender:
    """Sends requests from any thread until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closing = False

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[str, bytes]:
        """Send one request.

        Args:
            method: "GET" or "POST".
            url: a checked URL; certificates of local apps are not checked.
            headers: its headers.
            body: its body.

        Returns:
            The HTTP status as text and the answer's body; without an answer, the name of the
            exception and its text.
        """
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        # The Host header and the framing are its business, the socket is ours.
        connection = http.client.HTTPConnection(parts.netloc.rpartition("@")[2], timeout=_TIMEOUT)
        try:
            with self._connected(host, port, tls=parts.scheme == "https") as connection.sock:
                path = quote(target, safe=_URL_CHARACTERS)
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                return str(answer.status), answer.read(_MOST_READ)
        except (OSError, http.client.HTTPException) as exc:
            return type(exc).__name__, str(exc).encode()
        finally:
            connection.close()

    def close(self) -> None:
        """Break off what is under way, and send nothing any more.

        May be called again, for a socket that could not be shut down a moment ago.
        """
        with self._lock:
            self._closing = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    # On a TLS socket its own method would take the TLS layer away.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _connected(self, host: str, port: int, tls: bool) -> Iterator[socket.socket]:
        sock = self._connect(host, port)
        try:
            if tls:
                # A developer's app on this machine has a certificate of its own making, if any.
                context = ssl._create_unverified_context()
                with self._lock:
                    plain = sock
                    sock = context.wrap_socket(
                        plain, server_hostname=host, do_handshake_on_connect=False
                    )
                    self._sockets.discard(plain)
                    self._sockets.add(sock)
                    sock.settimeout(0.0 if self._closing else _TIMEOUT)
                sock.do_handshake()
            yield sock
        finally:
            self._drop(sock)

    def _connect(self, host: str, port: int) -> socket.socket:
        """Return a connected socket, to the first of the host's addresses that takes it."""
        error: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(_TIMEOUT)
            with self._lock:
                if self._closing:
                    sock.close()
                    raise ConnectionAbortedError("the emulator is closing")
                self._sockets.add(sock)
            try:
                sock.connect(address)
            except OSError as exc:
                error = exc
                self._drop(sock)
            else:
                return sock
        raise error

    def _drop(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)
        sock.close()
