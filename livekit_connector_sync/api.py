"""The entry point with the official SDK's name and shape, minus `await`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Union

from ._gen import ConnectorClient
from ._runtime.call import UNSET, Timeout, UnaryUnaryClientInterceptor
from ._runtime.regions import FailoverPolicy
from ._runtime.retry import RetryPolicy

if TYPE_CHECKING:
    import requests
    from typing_extensions import Self

__all__ = ["LiveKitAPI"]


class LiveKitAPI:
    """LiveKit's server API, blocking.

    `api.connector.dial_whatsapp_call(...)` and the other calls take what the official
    `livekit.api.LiveKitAPI` takes. Close it, or use it in a `with` block.

    Args:
        url: the server, as "https://..." or "wss://..."; by default LIVEKIT_URL.
        api_key: the project's API key; by default LIVEKIT_API_KEY.
        api_secret: the project's API secret; by default LIVEKIT_API_SECRET.
        token: a token that somebody else signed, in place of key and secret; by default
            LIVEKIT_TOKEN. A credential given here switches every one in the environment off.
        timeout: seconds for a whole call, retries included; None for no limit; 10 by default, and
            longer by default for a call that waits until it is answered.
        retry: the retry policy; None for single attempts.
        failover: True to go on in another region where the server is LiveKit Cloud's, False not
            to, a FailoverPolicy for other domains.
        session: a requests.Session to send with; by default the client has its own.
        interceptors: see every call, the first one first.
        verify: False, or the path of a CA bundle.
        cert: the path of a client certificate, or a (certificate, key) pair.
        proxies: proxies by scheme, as in requests.
        validate: check required fields before anything is sent.

    Raises:
        ValueError: the URL or the credentials are missing, or an option is wrong.
    """

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
        self.connector = ConnectorClient(
            url,
            api_key,
            api_secret,
            token=token,
            timeout=timeout,
            retry=retry,
            failover=failover,
            session=session,
            interceptors=interceptors,
            verify=verify,
            cert=cert,
            proxies=proxies,
            validate=validate,
        )
        """The Connector: WhatsApp and Twilio calls."""

    @classmethod
    def with_token(
        cls,
        token: str,
        url: Optional[str] = None,
        *,
        timeout: Timeout = UNSET,
        session: Optional[requests.Session] = None,
        failover: Union[bool, FailoverPolicy] = True,
    ) -> Self:
        """Return an API that sends a token which somebody else signed, as in the official SDK.

        `LiveKitAPI(url, token=...)` does the same, and takes the other options too.

        Args:
            token: the token; it must hold the grants of the calls that it is used for.
            url: the server; by default LIVEKIT_URL.
            timeout: as in LiveKitAPI.
            session: as in LiveKitAPI.
            failover: as in LiveKitAPI.

        Raises:
            ValueError: the URL is missing, or an option is wrong.
        """
        return cls(url, token=token, timeout=timeout, session=session, failover=failover)

    def close(self) -> None:
        """Close the connections."""
        self.connector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LiveKitAPI({self.connector.channel!r})"
