"""What a call raises when it fails: one class per Twirp code, all below TwirpError.

    TwirpError                   every failure of a call
     +-- Canceled, Unknown, InvalidArgument, Malformed, NotFound, BadRoute, AlreadyExists,
     |   PermissionDenied, Unauthenticated, ResourceExhausted, FailedPrecondition, Aborted,
     |   OutOfRange, Unimplemented, Internal, Unavailable, DataLoss
     +-- DeadlineExceeded         is a TimeoutError too

Errors hold plain values only: they pickle, copy and cross Celery's result backends whole, and no
request, response, token or session can be reached from one. Mistakes in configuration are
ValueError, not TwirpError.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Optional

__all__ = [
    "Aborted",
    "AlreadyExists",
    "BadRoute",
    "Canceled",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "Internal",
    "InvalidArgument",
    "Malformed",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "StatusCode",
    "TwirpError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
]


class StatusCode(str, enum.Enum):
    """Twirp's error codes; each member equals its spelling on the wire.

    Source: https://twitchtv.github.io/twirp/docs/spec_v7.html#error-codes
    """

    CANCELED = "canceled"
    """The operation was cancelled."""
    UNKNOWN = "unknown"
    """The error has no other code, or came from something between us and the service."""
    INVALID_ARGUMENT = "invalid_argument"
    """A field of the request is wrong whatever the state of the system."""
    MALFORMED = "malformed"
    """The service could not decode the request."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """Time ran out, here or in the service."""
    NOT_FOUND = "not_found"
    """The thing asked for is not there."""
    BAD_ROUTE = "bad_route"
    """No such service, method or HTTP verb at this URL."""
    ALREADY_EXISTS = "already_exists"
    """The thing to be made is there already."""
    PERMISSION_DENIED = "permission_denied"
    """The caller is known and may not do this: a grant is missing from the token."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing, expired or not signed with this project's secret."""
    RESOURCE_EXHAUSTED = "resource_exhausted"
    """A quota or rate limit is used up."""
    FAILED_PRECONDITION = "failed_precondition"
    """The state of the system does not allow it now."""
    ABORTED = "aborted"
    """A conflict with another operation."""
    OUT_OF_RANGE = "out_of_range"
    """Past the end of a valid range."""
    UNIMPLEMENTED = "unimplemented"
    """The service knows the method and does not offer it."""
    INTERNAL = "internal"
    """An invariant of the service or of the protocol is broken."""
    UNAVAILABLE = "unavailable"
    """The service cannot be reached or cannot serve now."""
    DATA_LOSS = "data_loss"
    """Data was lost or corrupted beyond repair (older servers write "dataloss")."""

    def __str__(self) -> str:
        return self.value

    @classmethod
    def _missing_(cls, value: object) -> Optional[StatusCode]:
        return cls.DATA_LOSS if value == "dataloss" else None


MAX_PRINTED = 1000
"""Characters of a server's text that `str(error)` and log lines show."""


def printable(text: str, limit: int = MAX_PRINTED) -> str:
    """Return a server's text for a log line or a terminal.

    Control characters, line separators, and lone surrogates are escaped, so that the text cannot
    forge a log line or drive a terminal. A text longer than `limit` characters is cut.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}..."
    if cut.isprintable():
        return cut
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )


class TwirpError(Exception):
    """A call failed.

    `except TwirpError` catches every failure of a call; its subclasses tell them apart, and so
    does `error.code`, which compares equal to Twirp's own spelling ("not_found").

    Args:
        message: what went wrong, in the service's own words if it sent any; up to 16,384
            characters.
        metadata: the error's details, text to text; "argument" names a wrong field.
        status: the HTTP status of the answer, None if there was none.
        request_id: the X-Livekit-Request-Id that every attempt carried.
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        attempts: how many attempts were started; 0 if nothing was sent at all.
        maybe_sent: False only if no byte of the request can have reached a server.
        safe_to_retry: True if repeating this very call cannot place it twice.
        code: the Twirp code; each subclass has its own.
        url: where the last attempt went; "" if nothing was sent.

    Source: https://twitchtv.github.io/twirp/docs/errors.html
    """

    code: StatusCode = StatusCode.UNKNOWN

    def __init__(
        self,
        message: str = "",
        metadata: Optional[Mapping[str, str]] = None,
        status: Optional[int] = None,
        request_id: Optional[str] = None,
        method: Optional[str] = None,
        attempts: int = 0,
        maybe_sent: bool = False,
        safe_to_retry: bool = False,
        code: Optional[str] = None,
        url: str = "",
    ) -> None:
        if code is not None:
            self.code = StatusCode(code)
        self.message = message
        self.metadata = dict(metadata or {})
        self.status = status
        self.request_id = request_id
        self.method = method
        self.attempts = attempts
        self.maybe_sent = maybe_sent
        self.safe_to_retry = safe_to_retry
        self.url = url
        # pickle and Celery's JSON backend both rebuild an error as cls(*args), so args hold it
        # all; set by hand because OSError, a base of DeadlineExceeded, would keep two of them.
        self.args = (
            message,
            self.metadata,
            status,
            request_id,
            method,
            attempts,
            maybe_sent,
            safe_to_retry,
            self.code.value,
            url,
        )

    @staticmethod
    def from_code(code: str, message: str = "", **details: Any) -> TwirpError:
        """Return an error of the class that belongs to a Twirp code.

        Args:
            code: a StatusCode or its spelling on the wire.
            message: what went wrong.
            **details: the other arguments of TwirpError.

        Raises:
            ValueError: Twirp has no such code.
        """
        return _CLASSES[StatusCode(code)](message, **details)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__

    def __str__(self) -> str:
        facts = [
            text
            for text in (
                self.method,
                f"HTTP {self.status}" if self.status is not None else None,
                f"attempts {self.attempts}" if self.attempts > 1 else None,
                f"request id {self.request_id}" if self.request_id else None,
            )
            if text
        ]
        text = f"{self.code}: {printable(self.message)}" if self.message else str(self.code)
        return f"{text} ({', '.join(facts)})" if facts else text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Canceled(TwirpError):
    """The operation was cancelled."""

    code = StatusCode.CANCELED


class Unknown(TwirpError):
    """The error has no other code, or came from something between us and the service."""

    code = StatusCode.UNKNOWN


class InvalidArgument(TwirpError):
    """A field of the request is wrong; `metadata["argument"]` names it where it is known.

    `status` is None if the client refused the request before it opened a socket.
    """

    code = StatusCode.INVALID_ARGUMENT


class Malformed(TwirpError):
    """The service could not decode the request."""

    code = StatusCode.MALFORMED


class DeadlineExceeded(TwirpError, TimeoutError):
    """Time ran out: the call's `timeout` here (`status` is None), or a wait in the service."""

    code = StatusCode.DEADLINE_EXCEEDED


class NotFound(TwirpError):
    """The call, room or other thing asked for is not there."""

    code = StatusCode.NOT_FOUND


class BadRoute(TwirpError):
    """No such service or method at this URL: only LiveKit Cloud runs the Connector."""

    code = StatusCode.BAD_ROUTE


class AlreadyExists(TwirpError):
    """The call is accepted or connected already."""

    code = StatusCode.ALREADY_EXISTS


class PermissionDenied(TwirpError):
    """The token lacks the grant that the RPC needs."""

    code = StatusCode.PERMISSION_DENIED


class Unauthenticated(TwirpError):
    """The token is missing, expired or not signed with this project's secret."""

    code = StatusCode.UNAUTHENTICATED


class ResourceExhausted(TwirpError):
    """A quota or rate limit is used up."""

    code = StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(TwirpError):
    """The state of the call does not allow it now."""

    code = StatusCode.FAILED_PRECONDITION


class Aborted(TwirpError):
    """A conflict with another operation."""

    code = StatusCode.ABORTED


class OutOfRange(TwirpError):
    """Past the end of a valid range."""

    code = StatusCode.OUT_OF_RANGE


class Unimplemented(TwirpError):
    """The service knows the method and does not offer it."""

    code = StatusCode.UNIMPLEMENTED


class Internal(TwirpError):
    """An invariant of the service or of the protocol is broken."""

    code = StatusCode.INTERNAL


class Unavailable(TwirpError):
    """The service cannot be reached, or cannot serve now."""

    code = StatusCode.UNAVAILABLE


class DataLoss(TwirpError):
    """Data was lost or corrupted beyond repair."""

    code = StatusCode.DATA_LOSS


_CLASSES: dict[StatusCode, type[TwirpError]] = {
    subclass.code: subclass for subclass in TwirpError.__subclasses__()
}
