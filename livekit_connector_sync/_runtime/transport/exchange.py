"""One request and its response: what is known of it while it is under way, and how it ends."""

from __future__ import annotations

import contextvars
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..deadline import Deadline

CONNECTING = "connecting"
SENDING = "sending the request"
HEADERS = "waiting for the response headers"
BODY = "reading the response body"


@dataclass(eq=False)
class TransportError(Exception):
    """A request got no complete response."""

    reason: str  # what went wrong, without any secret
    phase: str  # what was going on
    maybe_sent: bool  # False only if no byte of the request can have reached a server
    timed_out: bool = False  # whether the deadline has passed
    broken: bool = False  # whether a response came, which exceeds our limits
    permanent: bool = False  # whether a setting is wrong, so that a retry cannot help


class NotSent(OSError):
    """There is no connection to send a request on; if `permanent`, there will not be one."""

    def __init__(self, reason: str, permanent: bool = True) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(eq=False, repr=False)  # a proxy's URL may hold a password
class State:
    """What a transport keeps from request to request. The options are a channel's."""

    session: Any = None
    verify: Any = None
    cert: Any = None
    proxies: Any = None
    own: Any = field(default=None, init=False)  # to send with if the caller gave no session
    closed: bool = field(default=False, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)


@dataclass(frozen=True)
class HttpResponse:
    """A complete HTTP response, or the beginning of a body that is too long (errors only)."""

    status: int
    headers: Mapping[str, str]  # by lower-case names, repeated ones joined with a comma
    body: bytes


@dataclass(eq=False, repr=False)  # the request holds secrets
class Exchange:
    """One request and its response, as the connection that carries it reports them."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Optional[bytes]
    deadline: Deadline  # of the whole exchange
    connect_deadline: Deadline  # of its connection

    phase: str = CONNECTING
    line: tuple[Any, ...] = ()  # host, port, method and target of what is sent
    proxy: Optional[str] = None  # its URL, which may hold a password
    tunnelled: bool = False  # the proxy was asked for a tunnel: TLS is with the server from then on
    silent: bool = False  # on a new connection, nothing has come back
    sent: bool = False  # a byte of the request may have left
    tracked: bool = False  # a connection of ours carries it, so `phase` and `sent` are known
    abandoned: bool = False  # the caller has returned: send nothing from now on
    response: Optional[HttpResponse] = None
    raw: Any = None  # the urllib3 response that we made of `response`

    def time_left(self) -> Optional[float]:
        """Return the seconds left of the phase, None for no limit; raise TimeoutError at 0."""
        deadline = self.connect_deadline if self.phase is CONNECTING else self.deadline
        left = deadline.remaining()
        if left is not None and left <= 0:
            raise socket.timeout("timed out")
        return left

    def start_sending(self) -> None:
        """Note that bytes leave from now on; raise TimeoutError if the caller waits no longer."""
        self.sent = True  # before the look at `abandoned`, which is set before a look at `sent`
        if self.abandoned:
            raise socket.timeout("timed out")


current: contextvars.ContextVar[Optional[Exchange]] = contextvars.ContextVar(
    "livekit_connector_sync.exchange", default=None
)
