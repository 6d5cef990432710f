"""The errors of a failed call: one subclass of TwirpError for each Twirp code.

    TwirpError                   every failure of a call
     +-- Canceled, Unknown, InvalidArgument, Malformed, NotFound, BadRoute, AlreadyExists,
     |   PermissionDenied, Unauthenticated, ResourceExhausted, FailedPrecondition, Aborted,
     |   OutOfRange, Unimplemented, Internal, Unavailable, DataLoss
     +-- DeadlineExceeded         also a TimeoutError

Errors hold plain values only. They keep all their attributes when they are pickled, copied, or
stored in a Celery result backend, and they hold no request, response, token, or session. A wrong
configuration raises ValueError, not TwirpError.
"""

from __future__ import annotations

import enum
import inspect
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
    """Twirp's error codes. Each member equals its value on the wire, such as "not_found".

    Source: https://twitchtv.github.io/twirp/docs/spec_v7.html#error-codes
    """

    CANCELED = "canceled"
    """The operation was canceled."""
    UNKNOWN = "unknown"
    """The error has no other code, or a proxy between the client and the service caused it."""
    INVALID_ARGUMENT = "invalid_argument"
    """A field of the request is wrong, regardless of the state of the service."""
    MALFORMED = "malformed"
    """The service could not decode the request."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """The timeout of the client or of the service expired."""
    NOT_FOUND = "not_found"
    """The requested resource doesn't exist."""
    BAD_ROUTE = "bad_route"
    """The URL doesn't serve this service, method, or HTTP verb."""
    ALREADY_EXISTS = "already_exists"
    """The resource to create exists already."""
    PERMISSION_DENIED = "permission_denied"
    """The caller isn't allowed to do this: the token lacks a grant."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing, has expired, or isn't signed with the project's secret."""
    RESOURCE_EXHAUSTED = "resource_exhausted"
    """A quota or rate limit is exceeded."""
    FAILED_PRECONDITION = "failed_precondition"
    """The state of the service doesn't allow the operation now."""
    ABORTED = "aborted"
    """The operation conflicts with another one."""
    OUT_OF_RANGE = "out_of_range"
    """A value is outside the valid range."""
    UNIMPLEMENTED = "unimplemented"
    """The service doesn't support the method."""
    INTERNAL = "internal"
    """The service failed, or it broke the protocol."""
    UNAVAILABLE = "unavailable"
    """The service is unreachable or temporarily unavailable."""
    DATA_LOSS = "data_loss"
    """Data was lost or corrupted permanently; older servers send "dataloss"."""

    def __str__(self) -> str:
        return self.value

    @classmethod
    def _missing_(cls, value: object) -> Optional[StatusCode]:
        return cls.DATA_LOSS if value == "dataloss" else None


_MAX_PRINTED = 1000  # characters of a server's text that `str(error)` and log lines show


def printable(text: str) -> str:
    """Make a server's text safe for a log line or a terminal.

    Control characters, line separators, and lone surrogates are escaped, so that the text cannot
    forge a log line or control a terminal. Long texts are truncated.
    """
    cut = text if len(text) <= _MAX_PRINTED else f"{text[:_MAX_PRINTED]}..."
    if cut.isprintable():
        return cut
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )


class TwirpError(Exception):
    """A call failed.

    `except TwirpError` catches every failed call. To handle one kind of failure, catch a subclass
    or compare `error.code` with Twirp's value, such as "not_found".

    The constructor's arguments are the attributes; `code` is the subclass's by default.

    Source: https://twitchtv.github.io/twirp/docs/errors.html
    """

    code: StatusCode = StatusCode.UNKNOWN
    """The Twirp code."""
    message: str
    """What went wrong, in the service's words if it sent an error; up to 16,384 characters."""
    metadata: dict[str, str]
    """Details of the error; "argument" names a wrong field."""
    status: Optional[int]
    """The HTTP status of the response; None if there was no response."""
    request_id: Optional[str]
    """The X-Livekit-Request-Id header of all attempts."""
    method: Optional[str]
    """The RPC, such as "livekit.Connector/DialWhatsAppCall"."""
    attempts: int
    """How many attempts were started; 0 if the client rejected the request."""
    maybe_sent: bool
    """False only if no part of the request can have reached a server."""
    safe_to_retry: bool
    """True if a retry of the same call can't place it twice."""
    url: str
    """The URL of the last attempt; "" if nothing was sent."""

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
        # pickle and Celery's JSON backend rebuild an error as cls(*args), so args hold everything.
        # Set explicitly: OSError, a base of DeadlineExceeded, would keep only two of them.
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
        """Return an error of the subclass for a Twirp code.

        Args:
            code: a StatusCode or its value on the wire.
            message: what went wrong.
            **details: the other arguments of TwirpError.

        Raises:
            ValueError: the code is unknown.
        """
        return _CLASSES[StatusCode(code)](message, **details)

    def to_dict(self) -> dict[str, Any]:
        """Return the error's arguments, as JSON holds them; `from_code(**values)` restores it."""
        return dict(zip(inspect.signature(TwirpError).parameters, self.args))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__

    def __str__(self) -> str:
        facts = (
            self.method,
            f"HTTP {self.status}" if self.status is not None else None,
            f"attempts {self.attempts}" if self.attempts > 1 else None,
            f"request id {self.request_id}" if self.request_id else None,
        )
        shown = ", ".join(filter(None, facts))
        text = f"{self.code}: {printable(self.message)}" if self.message else str(self.code)
        return f"{text} ({shown})" if shown else text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Canceled(TwirpError):
    """The operation was canceled."""

    code = StatusCode.CANCELED


class Unknown(TwirpError):
    """The error has no other code, or a proxy between the client and the service caused it."""

    code = StatusCode.UNKNOWN


class InvalidArgument(TwirpError):
    """A field of the request is wrong; `metadata["argument"]` names it if it is known.

    `status` is None if the client rejected the request before it opened a connection.
    """

    code = StatusCode.INVALID_ARGUMENT


class Malformed(TwirpError):
    """The service could not decode the request."""

    code = StatusCode.MALFORMED


class DeadlineExceeded(TwirpError, TimeoutError):
    """The call's `timeout` expired (`status` is None), or a timeout of the service expired."""

    code = StatusCode.DEADLINE_EXCEEDED


class NotFound(TwirpError):
    """The call, room, or other resource doesn't exist."""

    code = StatusCode.NOT_FOUND


class BadRoute(TwirpError):
    """The URL doesn't serve this service or method. Only LiveKit Cloud serves the Connector."""

    code = StatusCode.BAD_ROUTE


class AlreadyExists(TwirpError):
    """The call is already accepted or connected."""

    code = StatusCode.ALREADY_EXISTS


class PermissionDenied(TwirpError):
    """The token lacks a grant that the RPC needs."""

    code = StatusCode.PERMISSION_DENIED


class Unauthenticated(TwirpError):
    """The token is missing, has expired, or isn't signed with the project's secret."""

    code = StatusCode.UNAUTHENTICATED


class ResourceExhausted(TwirpError):
    """A quota or rate limit is exceeded."""

    code = StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(TwirpError):
    """The state of the call doesn't allow the operation now."""

    code = StatusCode.FAILED_PRECONDITION


class Aborted(TwirpError):
    """The operation conflicts with another one."""

    code = StatusCode.ABORTED


class OutOfRange(TwirpError):
    """A value is outside the valid range."""

    code = StatusCode.OUT_OF_RANGE


class Unimplemented(TwirpError):
    """The service doesn't support the method."""

    code = StatusCode.UNIMPLEMENTED


class Internal(TwirpError):
    """The service failed, or it broke the protocol."""

    code = StatusCode.INTERNAL


class Unavailable(TwirpError):
    """The service is unreachable or temporarily unavailable."""

    code = StatusCode.UNAVAILABLE


class DataLoss(TwirpError):
    """Data was lost or corrupted permanently."""

    code = StatusCode.DATA_LOSS


_CLASSES: dict[StatusCode, type[TwirpError]] = {
    subclass.code: subclass for subclass in TwirpError.__subclasses__()
}
