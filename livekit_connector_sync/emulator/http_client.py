"""Sends HTTP requests to the developer's app; closing the emulator aborts them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

__all__ = ["HTTPClient", "check_url"]

_TIMEOUT = 10.0  # seconds to connect, and seconds between two reads of the response
_MAX_READ = 1_000_000  # bytes of a response's body
# These characters stay as they are in a target (RFC 3986, section 2); the rest is percent-encoded.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=-._~"


def check_url(name: str, url: str) -> None:
    """Raise ValueError, with the name, if an app's webhook is not an http or https URL, or ""."""
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
        self._connections: set[_Connection] = set()
        self._closing = False

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[str, bytes]:
        """Send one request; TLS certificates are not verified: a local app has its own.

        Returns:
            The HTTP status as text and the response's body; without a response, the name of the
            exception and its text.
        """
        parts = urlsplit(url)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection = _Connection(parts.netloc.rpartition("@")[2], parts.scheme == "https")
        self._connections.add(connection)
        try:
            if self._closing:
                raise ConnectionAbortedError("the emulator is closing")
            connection.request(method, quote(target, safe=_URL_CHARACTERS), body, dict(headers))
            response = connection.getresponse()
            return str(response.status), response.read(_MAX_READ)
        except (OSError, http.client.HTTPException) as exc:
            return type(exc).__name__, str(exc).encode()
        finally:
            self._connections.discard(connection)
            connection.close()

    def close(self) -> None:
        """Abort the running requests and refuse new ones.

        Call it until they have ended: a socket that does not connect yet cannot be shut down.
        """
        self._closing = True
        for connection in self._connections.copy():
            connection.abort()


class _Connection(http.client.HTTPConnection):
    """Sets `sock` before it connects, so that another thread can abort the attempt.

    socket.create_connection shows the socket only once it is connected.
    """

    def __init__(self, address: str, tls: bool) -> None:
        self.default_port = http.client.HTTPS_PORT if tls else http.client.HTTP_PORT
        super().__init__(address, timeout=_TIMEOUT)
        self.tls = tls
        self.aborted = False

    def connect(self) -> None:
        error = OSError(f"{self.host} has no address")
        for *kind, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            self.sock = socket.socket(*kind)
            self.sock.settimeout(self.timeout)
            try:
                if self.aborted:
                    raise ConnectionAbortedError("the emulator is closing")
                self.sock.connect(address)
                break
            except OSError as exc:
                self.sock.close()
                error = exc
        else:
            raise error
        if self.tls:
            # Wrapping detaches the plain socket, so abort() must know the wrapped one before the
            # handshake waits for the app.
            self.sock = ssl._create_unverified_context().wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def abort(self) -> None:
        """Break the connection; another thread gets an OSError."""
        self.aborted = True
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # closed, or not connecting yet
                # SSLSocket.shutdown would also drop the TLS layer under its reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
