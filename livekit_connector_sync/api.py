"""The entry point with the official SDK's name and shape, minus `await`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Optional, TypeVar, Union

from ._gen import ConnectorClient
from ._runtime.deadline import UNSET, Timeout
from ._runtime.lazy_import import LazyModule
from ._runtime.redaction import hide_locals
from ._runtime.regions import FailoverPolicy
from .service import ServiceClient

if TYPE_CHECKING:
    import requests
else:
    requests = LazyModule("requests")

__all__ = ["LiveKitAPI"]

API = TypeVar("API", bound="LiveKitAPI")


class LiveKitAPI(ServiceClient):
    """LiveKit's server API, blocking.

    `api.connector.dial_whatsapp_call(...)` and the other methods take the same arguments as in the
    official `livekit.api.LiveKitAPI`. Close the API, or use it in a `with` block.

    The options are those of every client, such as `ConnectorClient`.
    """

    @functools.cached_property
    def connector(self) -> ConnectorClient:
        """The Connector: WhatsApp and Twilio calls."""
        return self._derive(ConnectorClient)

    @classmethod
    @hide_locals
    def with_token(
        cls: type[API],
        token: str,
        url: Optional[str] = None,
        *,
        timeout: Timeout = UNSET,
        session: Optional[requests.Session] = None,
        failover: Union[bool, FailoverPolicy] = True,
    ) -> API:
        """Return an API that sends a token signed elsewhere, as in the official SDK.

        `LiveKitAPI(url, token=...)` does the same and takes all options.

        Args:
            token: the token, with the grants of the calls that you make.
            url: the server; by default LIVEKIT_URL.
            timeout: as in LiveKitAPI.
            session: as in LiveKitAPI.
            failover: as in LiveKitAPI.

        Raises:
            ValueError: the URL is missing, or an option is wrong.
        """
        return cls(url, token=token, timeout=timeout, session=session, failover=failover)
