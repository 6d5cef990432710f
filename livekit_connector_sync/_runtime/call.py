"""The shapes of a call, in gRPC's style: what a stub's method is, what an interceptor sees.

Nothing here knows HTTP: a multi-callable hands the call to whatever channel made it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, Protocol, Union

from ..errors import StatusCode
from .messages import as_message
from .method import MethodInfo, Request, Response

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

    from .retry import RetryPolicy

__all__ = [
    "UNSET",
    "Call",
    "ClientCallDetails",
    "Metadata",
    "Timeout",
    "UnaryUnaryChannel",
    "UnaryUnaryClientInterceptor",
    "UnaryUnaryMultiCallable",
    "Unset",
]


class Unset(enum.Enum):
    """The type of UNSET: tells "not given" from None, which means "no limit"."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.value


UNSET = Unset.UNSET
"""The value of an option that was not given."""

Timeout: TypeAlias = Union[float, Unset, None]
Metadata: TypeAlias = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Call:
    """How a call went; the second value of `with_call`.

    Args:
        code: None, as the call succeeded (a failed one raises TwirpError).
        trailing_metadata: the headers of the answer, as pairs with lower-case names.
        request_id: the X-Livekit-Request-Id that every attempt carried.
        attempts: how many attempts it took.
        url: where the answer came from.
    """

    code: Optional[StatusCode] = None
    trailing_metadata: tuple[tuple[str, str], ...] = ()
    request_id: str = ""
    attempts: int = 1
    url: str = ""


@dataclass(frozen=True)
class ClientCallDetails:
    """What an interceptor may look at and, by `dataclasses.replace`, change.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        timeout: seconds for the whole call, None for no limit, UNSET for the channel's.
        metadata: request headers beside those of the channel, as pairs.
        retry: the policy of this call, None for a single attempt, UNSET for the channel's.
    """

    method: str
    timeout: Timeout = UNSET
    metadata: tuple[tuple[str, str], ...] = ()
    retry: Union[RetryPolicy, Unset, None] = UNSET


class UnaryUnaryClientInterceptor:
    """Sees every call of a channel; subclass it and override `intercept_unary_unary`.

    Shape: grpc.UnaryUnaryClientInterceptor, with (response, call) in place of a future.
    """

    def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, Any], tuple[Any, Call]],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> tuple[Any, Call]:
        """Run the call, or answer in its place.

        Args:
            continuation: continuation(details, request) goes on with the call and returns
                (response, call); it raises TwirpError if the call fails.
            client_call_details: the RPC, its timeout, headers and retry policy.
            request: the request message.

        Returns:
            The pair (response, call) that the caller gets.
        """
        raise NotImplementedError("override intercept_unary_unary in your interceptor")


class UnaryUnaryMultiCallable(Generic[Request, Response]):
    """One RPC of a stub, ready to be called.

    Shape: grpc.UnaryUnaryMultiCallable.
    """

    def __init__(
        self,
        method: MethodInfo[Request, Response],
        invoke: Callable[
            [MethodInfo[Request, Response], Request, ClientCallDetails], tuple[Response, Call]
        ],
    ) -> None:
        self.method = method
        self._invoke = invoke

    def __call__(
        self,
        request: Request,
        timeout: Timeout = UNSET,
        metadata: Optional[Metadata] = None,
        *,
        retry: Union[RetryPolicy, Unset, None] = UNSET,
    ) -> Response:
        """Call the RPC and wait for its answer.

        Args:
            request: the request message; the same message of livekit-protocol serves too.
            timeout: seconds for the whole call, retries included; None for no limit; by default
                the channel's.
            metadata: request headers, as (name, value) pairs.
            retry: the policy of this call; None for a single attempt; by default the channel's.

        Returns:
            The response message.

        Raises:
            TwirpError: the call failed.
            TypeError: the request is not of the RPC's type.
            ValueError: the timeout is not positive, or a header cannot be sent.
        """
        request = as_message(self.method.request_type, request)  # for this frame, as below
        return self.with_call(request, timeout, metadata, retry=retry)[0]

    def with_call(
        self,
        request: Request,
        timeout: Timeout = UNSET,
        metadata: Optional[Metadata] = None,
        *,
        retry: Union[RetryPolicy, Unset, None] = UNSET,
    ) -> tuple[Response, Call]:
        """Call the RPC; return its response and how the call went.

        Takes and raises the same as calling the object itself.
        """
        # Of our own type from here on, whose repr() leaves out secrets where a crash report shows
        # what a frame holds.
        request = as_message(self.method.request_type, request)
        details = ClientCallDetails(self.method.full_name, timeout, tuple(metadata or ()), retry)
        return self._invoke(self.method, request, details)


class UnaryUnaryChannel(Protocol):
    """What a stub needs of a channel; `Channel` is one, and a test's fake can be."""

    def unary_unary(
        self, method: MethodInfo[Request, Response]
    ) -> UnaryUnaryMultiCallable[Request, Response]:
        """Return the callable of an RPC."""
        ...
