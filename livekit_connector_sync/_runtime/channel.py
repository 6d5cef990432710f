"""A channel to a LiveKit server: the options, credentials, and connections that calls share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union
from urllib.parse import urlsplit

from .call import Call, ClientCallDetails, UnaryUnaryClientInterceptor, UnaryUnaryMultiCallable
from .credentials import Credentials
from .deadline import UNSET, Timeout, Unset, check_timeout, choose_timeout
from .execution import Execution
from .forking import reset_after_fork
from .lazy_import import LazyModule
from .messages import as_message, name_type
from .method import MethodInfo, Request, Response
from .redaction import hide_locals
from .regions import Endpoint, FailoverPolicy, choose_policy
from .retry import RetryPolicy, RetryThrottle
from .transport import Transport
from .twirp import join_metadata
from .validation import normalize_url

if TYPE_CHECKING:
    import requests

else:
    requests = LazyModule("requests")

_SINGLE_ATTEMPT = RetryPolicy(max_attempts=1)


class Channel:
    """A connection to a LiveKit server, shared by any number of stubs, threads, and forks.

    A channel opens no socket before the first call. Close it, or use it in a `with` block.

    Args:
        url: the server, as "https://..." or "wss://...". It may have a path; a query is ignored.
        credentials: ApiKeyCredentials or TokenCredentials.
        timeout: seconds for a whole call, retries included; None for no limit. By default 10, and
            longer for a call that waits until somebody picks up.
        retry: the retry policy; None to make a single attempt.
        failover: True: retry in another region if the server is LiveKit Cloud's. False: never. A
            FailoverPolicy: for other domains.
        session: a requests.Session to send with, for its proxies, adapters, headers, hooks, and
            cookies; by default the channel has its own.
        interceptors: intercept every call, the first one first.
        verify: False, or the path of a CA bundle; overrides the session and the environment.
        cert: the path of a client certificate, or a (certificate, key) pair.
        proxies: proxies by scheme, as in requests; override the session and the environment.

    Raises:
        ValueError: an option has a wrong value; the text names it.
    """

    @hide_locals
    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout: Timeout = UNSET,
        retry: Optional[RetryPolicy] = RetryPolicy(),  # noqa: B008 - frozen
        failover: Union[bool, FailoverPolicy] = True,
        session: Optional[requests.Session] = None,
        interceptors: Sequence[UnaryUnaryClientInterceptor] = (),
        verify: Union[bool, str, os.PathLike[str], None] = None,
        cert: Union[str, os.PathLike[str], tuple[str, str], None] = None,
        proxies: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.url = normalize_url(url)
        self._credentials = _require("credentials", credentials, "token", "ApiKeyCredentials(...)")
        self._timeout = timeout if isinstance(timeout, Unset) else check_timeout(timeout)
        self._retry = check_retry(retry)
        policy = choose_policy(failover)
        domain = policy.domain_of(urlsplit(self.url).hostname or "") if policy else None
        self._endpoint = Endpoint(self.url, domain, policy is not None and policy.allow_http)
        if not isinstance(interceptors, Iterable):
            raise ValueError(
                f"interceptors must be a list or tuple of them, not {name_type(interceptors)}"
            )
        self._interceptors = tuple(
            _require("each of interceptors", each, "intercept_unary_unary", "an interceptor")
            for each in interceptors
        )
        self._throttle = RetryThrottle()
        self._transport = Transport(session, verify, cert, proxies)
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"Channel({self.url!r}, {self._credentials!r})"

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel's connections. A session that you passed stays open."""
        self._transport.close()

    def reset_after_fork(self) -> None:
        """Replace locks and drop connections. The package calls this in every forked child."""
        self._throttle.reset_after_fork()
        self._transport.reset_after_fork()

    def unary_unary(
        self, method: MethodInfo[Request, Response]
    ) -> UnaryUnaryMultiCallable[Request, Response]:
        """Return the callable of an RPC, as stubs use it."""
        return UnaryUnaryMultiCallable(method, self._invoke)

    def _invoke(
        self,
        method: MethodInfo[Request, Response],
        request: Request,
        details: ClientCallDetails,
    ) -> tuple[Response, Call]:
        continuation: Callable[[ClientCallDetails, Any], tuple[Any, Call]] = functools.partial(
            self._call, method
        )
        for interceptor in reversed(self._interceptors):
            continuation = functools.partial(_intercept, interceptor, continuation)
        return continuation(details, request)

    @hide_locals  # an interceptor may report an error before the caller sees it
    def _call(
        self,
        method: MethodInfo[Request, Response],
        details: ClientCallDetails,
        request: Request,
    ) -> tuple[Response, Call]:
        message = as_message(method.request_type, request)
        if self._transport.closed:
            raise ValueError("the channel is closed: make another one")
        self._transport.check_session()
        retry = self._retry if isinstance(details.retry, Unset) else check_retry(details.retry)
        return Execution(
            method,
            message,
            endpoint=self._endpoint,
            credentials=self._credentials,
            transport=self._transport,
            throttle=self._throttle,
            policy=_SINGLE_ATTEMPT if retry is None else retry,
            timeout=choose_timeout(method, message, details.timeout, self._timeout),
            metadata=join_metadata(details.metadata),
        ).run()


def _require(what: str, value: Any, attribute: str, wanted: str) -> Any:
    """Return a value; raise ValueError if it lacks the attribute, or is a class."""
    if isinstance(value, type) or not hasattr(value, attribute):
        raise ValueError(f"{what} must be {wanted}, not {name_type(value)}")
    return value


def check_retry(retry: Any) -> Optional[RetryPolicy]:
    """Check a retry policy, or None for a single attempt; raise ValueError for other values."""
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise ValueError(f"retry must be a RetryPolicy, or None, not {name_type(retry)}")
    return retry


def _intercept(
    interceptor: UnaryUnaryClientInterceptor,
    continuation: Callable[[ClientCallDetails, Any], tuple[Any, Call]],
    details: ClientCallDetails,
    request: Any,
) -> tuple[Any, Call]:
    result: Any = interceptor.intercept_unary_unary(continuation, details, request)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"{type(interceptor).__name__}.intercept_unary_unary must return (response, call), as"
            f" continuation() does, not {name_type(result)}; the call itself may have been made"
        )
    return result
