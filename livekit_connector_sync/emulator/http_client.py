"""Sends HTTP requests to the developer's app; closing the emulator aborts them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

__all__ = ["HTTPClient", "check_url"]

_TIMEOUT = 10.0  # seconds to connect, and seconds between two reads of the response
_MAX_READ = 1_000_000  # bytes of a response's body
# These characters stay as they are in a target (RFC 3986, section 2); the rest is percent-encoded.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=-._~"


def check_url(name: str, url: str) -> None:
    """Check the URL of an app's webhook.

    Args:
        name: the name of the URL in the error.
        url: the URL; "" for none.

    Raises:
        ValueError: it is not an http or https URL.
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


class HTTPClient:
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
            url: a checked URL. TLS certificates are not verified: a local app has its own.
            headers: the request's headers.
            body: the request's body.

        Returns:
            The HTTP status as text and the response's body; without a response, the name of the
            exception and its text.
        """
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        # http.client does the Host header and the framing; close() needs the socket.
        connection = http.client.HTTPConnection(parts.netloc.rpartition("@")[2], timeout=_TIMEOUT)
        try:
            with self._connect(host, port, tls=parts.scheme == "https") as connection.sock:
                path = quote(target, safe=_URL_CHARACTERS)
                connection.request(method, path, body, dict(headers))
                response = connection.getresponse()
                return str(response.status), response.read(_MAX_READ)
        except (OSError, http.client.HTTPException) as exc:
            return type(exc).__name__, str(exc).encode()
        finally:
            connection.close()

    def close(self) -> None:
        """Abort the running requests and refuse new ones.

        Call it again for a socket that could not be shut down yet.
        """
        with self._lock:
            self._closing = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    # SSLSocket.shutdown would also drop the TLS layer under its reader.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _connect(self, host: str, port: int, tls: bool) -> Iterator[socket.socket]:
        sock = self._open_socket(host, port)
        try:
            if tls:
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
            self._close_socket(sock)

    def _open_socket(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of a host that accepts.

        socket.create_connection does not show the socket before it is connected, so that close()
        could not abort a connection attempt.
        """
        error = OSError(f"{host} has no address")
        for *kind, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(*kind)
            sock.settimeout(_TIMEOUT)
            with self._lock:
                if self._closing:
                    sock.close()
                    raise ConnectionAbortedError("the emulator is closing")
                self._sockets.add(sock)
            try:
                sock.connect(address)
                return sock
            except OSError as exc:
                error = exc
                self._close_socket(sock)
        raise error

    def _close_socket(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)
        sock.close()
