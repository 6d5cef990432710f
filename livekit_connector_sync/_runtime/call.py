"""The gRPC-style interface of a call: the callables of a stub, interceptors, and call details.

This module doesn't use HTTP: a callable passes its call to the channel that created it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, Protocol, Union

from ..errors import StatusCode
from .deadline import UNSET, Timeout, Unset
from .messages import as_message, name_type
from .method import MethodInfo, Request, Response
from .redaction import hide_locals
from .retry import RetryPolicy

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

Metadata: TypeAlias = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Call:
    """Details of a completed call; the second value of `with_call`.

    Args:
        code: always None, because a failed call raises TwirpError.
        trailing_metadata: the response's headers, as pairs with lower-case names.
        request_id: the X-Livekit-Request-Id of every attempt.
        attempts: the number of attempts.
        url: the server that responded.
    """

    code: Optional[StatusCode] = None
    trailing_metadata: tuple[tuple[str, str], ...] = ()
    request_id: str = ""
    attempts: int = 1
    url: str = ""


@dataclass(frozen=True)
class ClientCallDetails:
    """The details that an interceptor receives, and can change with `dataclasses.replace`.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        timeout: seconds for the whole call, None for no limit, UNSET for the channel's.
        metadata: additional request headers, as pairs.
        retry: the policy of this call, None for a single attempt, UNSET for the channel's.
    """

    method: str
    timeout: Timeout = UNSET
    metadata: tuple[tuple[str, str], ...] = ()
    retry: Union[RetryPolicy, Unset, None] = UNSET


class UnaryUnaryClientInterceptor:
    """Intercepts every call of a channel. Subclass it and override `intercept_unary_unary`.

    The interface is that of grpc.UnaryUnaryClientInterceptor, with a (response, call) pair instead
    of a future.
    """

    def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, Any], tuple[Any, Call]],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> tuple[Any, Call]:
        """Make the call, or return your own response instead.

        Args:
            continuation: continuation(details, request) makes the call and returns
                (response, call); it raises TwirpError if the call fails.
            client_call_details: the RPC, its timeout, headers and retry policy.
            request: the request message.

        Returns:
            The pair (response, call) for the caller.
        """
        raise NotImplementedError("override intercept_unary_unary in your interceptor")


class UnaryUnaryMultiCallable(Generic[Request, Response]):
    """One RPC of a stub, with the interface of grpc.UnaryUnaryMultiCallable."""

    def __init__(
        self,
        method: MethodInfo[Request, Response],
        invoke: Callable[
            [MethodInfo[Request, Response], Request, ClientCallDetails], tuple[Response, Call]
        ],
    ) -> None:
        self.method = method
        self._invoke = invoke

    @hide_locals
    def __call__(
        self,
        request: Request,
        timeout: Timeout = UNSET,
        metadata: Optional[Metadata] = None,
        *,
        retry: Union[RetryPolicy, Unset, None] = UNSET,
    ) -> Response:
        """Call the RPC and return its response.

        Args:
            request: the request message; the same message of livekit-protocol is accepted too.
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
        return self.with_call(request, timeout, metadata, retry=retry)[0]

    @hide_locals
    def with_call(
        self,
        request: Request,
        timeout: Timeout = UNSET,
        metadata: Optional[Metadata] = None,
        *,
        retry: Union[RetryPolicy, Unset, None] = UNSET,
    ) -> tuple[Response, Call]:
        """Call the RPC and return (response, call).

        The arguments and errors are the same as for `__call__`.
        """
        request = as_message(self.method.request_type, request)
        if not isinstance(metadata, (Iterable, type(None))) or isinstance(metadata, (str, Mapping)):
            raise TypeError(
                f"metadata must be (name, value) pairs, not {name_type(metadata)}: "
                'metadata=(("x-trace", "1"),)'
            )
        details = ClientCallDetails(self.method.full_name, timeout, tuple(metadata or ()), retry)
        return self._invoke(self.method, request, details)


class UnaryUnaryChannel(Protocol):
    """The channel interface that stubs need; `Channel` and `testing.FakeChannel` implement it."""

    def unary_unary(
        self, method: MethodInfo[Request, Response]
    ) -> UnaryUnaryMultiCallable[Request, Response]:
        """Return the callable of an RPC."""
        ...


def check_channel(channel: object) -> None:
    """Raise TypeError if an object is not a channel."""
    if isinstance(channel, type) or not callable(getattr(channel, "unary_unary", None)):
        given = name_type(channel)
        raise TypeError(f"channel must be a Channel, not {given}: pass Channel(url, credentials)")
