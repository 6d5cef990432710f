"""The contract between generated and handwritten code: all that a generated module imports.

A generated module declares which fields are sensitive, enums and, for each service, a stub, a
servicer, and a client. All behavior is here.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar, Union, cast

from google.protobuf.duration_pb2 import Duration

from ._runtime.call import (
    Call,
    UnaryUnaryChannel,
    UnaryUnaryClientInterceptor,
    UnaryUnaryMultiCallable,
    check_channel,
)
from ._runtime.channel import Channel, check_retry
from ._runtime.credentials import (
    ApiKeyCredentials,
    Credentials,
    TokenCredentials,
    check_key,
    check_token,
)
from ._runtime.deadline import UNSET, Timeout, Unset, check_timeout
from ._runtime.lazy_import import LazyModule
from ._runtime.messages import as_message, build, name_type
from ._runtime.method import Grant, MethodInfo, Request, Response
from ._runtime.proto_enum import ProtoEnum
from ._runtime.redaction import hide_locals, mark_sensitive
from ._runtime.regions import FailoverPolicy
from ._runtime.retry import RetryPolicy
from ._runtime.validation import check_request, check_url
from .errors import Unimplemented

if TYPE_CHECKING:
    import requests
    from typing_extensions import ParamSpec, TypeAlias

    Arguments = ParamSpec("Arguments")
    # Aliases, because jedi completes no keywords of what is annotated as a Callable itself.
    Method: TypeAlias = Callable[Arguments, Response]
    Paired: TypeAlias = Callable[Arguments, tuple[Response, Call]]
else:
    requests = LazyModule("requests")
    Arguments, Method, Paired = ..., Callable, Callable

__all__ = [
    "UNSET",
    "DurationLike",
    "Grant",
    "LazyModule",
    "MessageLike",
    "MethodInfo",
    "ProtoEnum",
    "Retry",
    "ServiceClient",
    "Servicer",
    "ServicerContext",
    "Timeout",
    "UnaryUnaryChannel",
    "UnaryUnaryMultiCallable",
    "check_channel",
    "mark_sensitive",
    "with_call",
]

_CREDENTIALS = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_TOKEN")

Client = TypeVar("Client", bound="ServiceClient")

DurationLike: TypeAlias = Union[float, timedelta, Duration]
"""What a Duration field takes: seconds, a timedelta, or the message."""
MessageLike: TypeAlias = Mapping[str, Any]
"""What a message field takes besides the message: a mapping of its fields."""
Retry: TypeAlias = Union[RetryPolicy, Unset, None]
Init = TypeVar("Init", bound=Callable[..., None])


@dataclass(frozen=True)
class ServicerContext:
    """What a servicer's method knows about a call in addition to its request.

    Args:
        method: the RPC, as "livekit.Connector/DialWhatsAppCall".
        headers: the request's headers, names in lower case.
        claims: the verified claims of the caller's token, None if no token was verified.
    """

    method: str
    headers: Mapping[str, str]
    claims: Optional[Mapping[str, Any]] = None


class Servicer:
    """Base of the generated servicers. METHODS lists the RPCs that a server routes to it."""

    METHODS: ClassVar[tuple[MethodInfo[Any, Any], ...]] = ()

    def unimplemented(self, method: MethodInfo[Any, Any]) -> Unimplemented:
        """Return the error of an RPC that the servicer does not override."""
        return Unimplemented(
            f"{type(self).__name__} does not implement {method.name}", method=method.full_name
        )


def _check_options(init: Init) -> Init:
    """Make a constructor name an unknown keyword, the class that was called, and a likely name."""
    names = inspect.signature(init).parameters
    positional = sum(each.kind is each.POSITIONAL_OR_KEYWORD for each in names.values()) - 1

    @functools.wraps(init)
    def checked(self: object, *args: Any, **kwargs: Any) -> None:
        if len(args) > positional:
            taken = ", ".join(list(names)[1 : positional + 1])
            raise TypeError(f"{type(self).__name__} takes {taken}; pass the rest by name")
        for name in kwargs:
            if name not in names:
                import difflib  # at the first mistake: it is slow to import

                near = difflib.get_close_matches(name, names, 1)
                hint = f": did you mean {near[0]}?" if near else ""
                raise TypeError(f"{type(self).__name__} has no option {name!r}{hint}")
        init(self, *args, **kwargs)

    return cast(Init, checked)


class ServiceClient:
    """Base of the generated clients and of LiveKitAPI: a channel with the client options.

    Args:
        url: the server, as "https://..." or "wss://..."; by default LIVEKIT_URL.
        api_key: the project's API key; by default LIVEKIT_API_KEY.
        api_secret: the project's API secret; by default LIVEKIT_API_SECRET.
        token: a token signed elsewhere, instead of key and secret; by default LIVEKIT_TOKEN. If
            you pass any credential, none is read from the environment.
        timeout: seconds for a whole call, retries included; None for no limit. By default 10, and
            longer for a call that waits until somebody picks up.
        retry: the retry policy; None for single attempts.
        failover: True: retry in another region if the server is LiveKit Cloud's. False: never. A
            FailoverPolicy: for other domains.
        session: a requests.Session to send with; by default the client has its own.
        interceptors: intercept every call, the first one first.
        verify: False, or the path of a CA bundle.
        cert: the path of a client certificate, or a (certificate, key) pair.
        proxies: proxies by scheme, as in requests.
        validate: check required fields before anything is sent.

    Raises:
        ValueError: the URL or the credentials are missing, or an option is wrong.
    """

    # What calls use that pass no timeout or retry; see with_options.
    _timeout: Timeout = UNSET
    _retry: Retry = UNSET
    _returns_call = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The methods of generated clients take secrets as keywords.
        for name, value in list(vars(cls).items()):
            if not name.startswith("_") and isinstance(value, FunctionType):
                setattr(cls, name, hide_locals(value))

    @hide_locals
    @_check_options
    def __init__(
        self,
        url: Optional[str] = None,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        *,
        token: Optional[str] = None,
        timeout: Timeout = UNSET,
        retry: Optional[RetryPolicy] = RetryPolicy(),  # noqa: B008 - frozen
        failover: Union[bool, FailoverPolicy] = True,
        session: Optional[requests.Session] = None,
        interceptors: Sequence[UnaryUnaryClientInterceptor] = (),
        verify: Union[bool, str, os.PathLike[str], None] = None,
        cert: Union[str, os.PathLike[str], tuple[str, str], None] = None,
        proxies: Optional[Mapping[str, str]] = None,
        validate: bool = True,
    ) -> None:
        _check_validate(validate)
        url, credentials = from_environment(url, api_key, api_secret, token)
        self._own_channel: Optional[Channel] = Channel(
            url,
            credentials,
            timeout=timeout,
            retry=retry,
            failover=failover,
            session=session,
            interceptors=interceptors,
            verify=verify,
            cert=cert,
            proxies=proxies,
        )
        self._channel: UnaryUnaryChannel = self._own_channel
        self._validate = validate

    @classmethod
    def from_channel(
        cls: type[Client], channel: UnaryUnaryChannel, *, validate: bool = True
    ) -> Client:
        """Return a client over an existing channel, which the client does not close.

        Args:
            channel: a Channel, or another object that returns the callables of RPCs.
            validate: check required fields before anything is sent.

        Raises:
            TypeError: channel is not a channel.
        """
        check_channel(channel)
        _check_validate(validate)
        client = cls.__new__(cls)
        client._channel = channel
        client._own_channel = None
        client._validate = validate
        return client

    @property
    def channel(self) -> UnaryUnaryChannel:
        """The client's channel."""
        return self._channel

    def with_options(self: Client, *, timeout: Timeout = UNSET, retry: Retry = UNSET) -> Client:
        """Return a client over the same channel, whose calls have other defaults.

        The new client shares the connections of this one. Only closing this one closes them.

        Args:
            timeout: seconds for a whole call, retries included; None for no limit. By default as
                in this client.
            retry: the retry policy; None for single attempts. By default as in this client.

        Raises:
            ValueError: an option is wrong.
        """
        timeout = self._timeout if isinstance(timeout, Unset) else check_timeout(timeout)
        retry = self._retry if isinstance(retry, Unset) else check_retry(retry)
        return self._derive(type(self), _timeout=timeout, _retry=retry)

    def _with_call(self: Client) -> Client:
        """Return a client whose methods return (response, call): `with_call` gives their types."""
        return self._derive(type(self), _returns_call=True)

    def _derive(self, kind: type[Client], **options: Any) -> Client:
        """Return a client over the same channel with other options."""
        client = kind.__new__(kind)
        vars(client).update({**vars(self), "_own_channel": None, **options})
        for name in vars(self):
            if isinstance(getattr(type(self), name, None), functools.cached_property):
                del vars(client)[name]  # made with the old options
        return client

    def close(self) -> None:
        """Close the client's connections. A channel passed to `from_channel` stays open."""
        if self._own_channel is not None:
            self._own_channel.close()

    def __enter__(self: Client) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._channel!r})"

    def _call(
        self,
        method: MethodInfo[Request, Response],
        arguments: dict[str, Any],
        timeout: Timeout,
        retry: Retry,
        extra_headers: Optional[Mapping[str, str]],
    ) -> Response:
        """Build the request from the caller's arguments, check it, and send it.

        `arguments` are `request` and the request's fields.
        """
        message = _request_of(method, **arguments)
        if self._validate:
            check_request(method, message)
        if not isinstance(extra_headers, (Mapping, type(None))):
            raise TypeError(
                f"extra_headers must be a mapping of names to texts, not {name_type(extra_headers)}"
            )
        send: Any = self._channel.unary_unary(method)
        if self._returns_call:
            send = send.with_call  # and `with_call` says what it returns
        response: Response = send(
            message,
            self._timeout if isinstance(timeout, Unset) else timeout,
            tuple((extra_headers or {}).items()),
            retry=self._retry if isinstance(retry, Unset) else retry,
        )
        return response


def with_call(method: Method[Arguments, Response]) -> Paired[Arguments, Response]:
    """Give a method of a client that returns (response, call) its type."""
    return method  # type: ignore[return-value]


def _request_of(
    method: MethodInfo[Request, Response], /, request: Optional[Request], **fields: Any
) -> Request:
    given = {name: value for name, value in fields.items() if value is not None}
    if request is not None:
        if given:
            raise TypeError(
                f"{method.name} takes a request or its fields as keywords, not both: got "
                f"{', '.join(given)} as well"
            )
        return as_message(method.request_type, request)
    for name in method.no_default:
        if name not in given:
            raise TypeError(f"{method.name} needs {name}: it has no default that is safe to assume")
    return build(method.request_type, given)


def _check_validate(validate: object) -> None:
    if not isinstance(validate, bool):
        raise ValueError(f"validate must be True or False, not {validate!r}")


@hide_locals
def from_environment(
    url: Optional[str], api_key: Optional[str], api_secret: Optional[str], token: Optional[str]
) -> tuple[str, Credentials]:
    """Return URL and credentials, read from the environment if they are not given.

    Raises:
        ValueError: something is missing, or contradicts the rest; the text names it.
    """
    if callable(getattr(url, "unary_unary", None)):
        raise ValueError("url must be a str; to use a channel, call from_channel(channel)")
    name, url = ("url", url) if url else ("LIVEKIT_URL", os.environ.get("LIVEKIT_URL"))
    if not url:
        raise ValueError("url is missing: pass it, or set LIVEKIT_URL")
    check_url(name, url)
    key_name, secret_name, token_name = "api_key", "api_secret", "token"
    if not (api_key or api_secret or token):
        key_name, secret_name, token_name = _CREDENTIALS
        api_key, api_secret, token = map(os.environ.get, _CREDENTIALS)
        if token:
            api_key = api_secret = None
    if token:
        if api_key or api_secret:
            raise ValueError("pass a token, or api_key and api_secret, not both")
        check_token(token_name, token)
        return url, TokenCredentials(token)
    if not api_key and not api_secret:
        raise ValueError(
            "credentials are missing: pass api_key and api_secret, or token, or set "
            "LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_TOKEN"
        )
    if not api_key or not api_secret:
        given, missing = (key_name, secret_name) if api_key else (secret_name, key_name)
        raise ValueError(f"{missing} is missing: {given} is set without it")
    check_key(key_name, api_key)
    check_key(secret_name, api_secret)
    return url, ApiKeyCredentials(api_key, api_secret)
