"""CallingClient: the permission to call a user, the request for it, and the rejection of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import urlencode, urlsplit

from .._runtime import fields
from .._runtime.channel import check_retry
from .._runtime.deadline import check_timeout
from .._runtime.forking import reset_after_fork
from .._runtime.redaction import HoldsSecret, hide_locals
from .._runtime.retry import RetryPolicy
from .._runtime.validation import FORMATS
from ..errors import InvalidArgument
from .graph import Graph, GraphCall
from .permission import CallPermission, parse_permission

__all__ = ["CallingClient"]

Result = TypeVar("Result")

_EXAMPLE = "https://graph.facebook.com"
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}", re.ASCII)


class CallingClient(HoldsSecret):
    """Asks Meta's Graph API what a business may do, and does what LiveKit's Connector cannot.

    Use one client for all threads. It opens no socket before the first call, works in forked
    processes, and is a context manager. It retries only `call_permission`, which changes nothing.

    Args:
        phone_number_id: Meta's id of the business's number, in digits.
        access_token: Meta's access token; LiveKit's requests call it `whatsapp_api_key`.
        api_version: the version of Meta's API, such as "23.0".
        url: the server, without the version.
        timeout: seconds for a whole call, retries included; None for no limit.
        retry: the retry policy of `call_permission`; None for single attempts.

    Raises:
        ValueError: an option is wrong; the text names it.
    """

    @hide_locals
    def __init__(
        self,
        phone_number_id: str,
        access_token: str,
        *,
        api_version: str,
        url: str = _EXAMPLE,
        timeout: Optional[float] = 10.0,
        retry: Optional[RetryPolicy] = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        _check_str("phone_number_id", phone_number_id, " of digits")
        _check_str("access_token", access_token)
        _check_str("api_version", api_version, ' such as "23.0"')
        _check_str("url", url, f' such as "{_EXAMPLE}"')
        if not re.fullmatch("[0-9]+", phone_number_id):
            raise ValueError(
                "phone_number_id must be in digits: it is Meta's id of your number, which its "
                "webhooks call phone_number_id, not the number itself"
            )
        _check_access_token(access_token)
        remedy = FORMATS["cloud_api_version"](api_version)
        if remedy is not None:
            raise ValueError(f"api_version is malformed: {remedy}")
        url = url.strip().rstrip("/")
        fault = _fault_of_url(url)
        if fault is not None:  # the URL is not quoted, as it may hold a secret
            raise ValueError(f'url must look like "{_EXAMPLE}": {fault}')
        self.phone_number_id = phone_number_id
        self.url = f"{url}/v{api_version}/{phone_number_id}"
        self._closed = False
        self._graph = Graph(
            self.url,
            access_token,
            check_timeout(timeout),
            check_retry(retry) or RetryPolicy(max_attempts=1),
        )
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"CallingClient({self.url!r})"

    def __enter__(self) -> CallingClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client's connections."""
        self._closed = True
        self._graph.transport.close()

    def reset_after_fork(self) -> None:
        """Drop locks and connections in a forked child. The package calls this there."""
        self._graph.transport.reset_after_fork()

    @hide_locals
    def call_permission(self, user: str) -> CallPermission:
        """Ask whether the business may call a user.

        Meta limits how often you may ask (code 613): ask before a call, not for a list of users.

        Args:
            user: the user's number in digits, or business-scoped user id ("US.1349...").

        Returns:
            The permission. If Meta could not be asked, there is an error instead.

        Raises:
            TwirpError: the call failed; `meta_error` tells what Meta said.
            ValueError: the client is closed.
        """
        name = "user_wa_id" if _is_number(user) else "recipient"
        query = urlencode({name: user})
        return self._send("call_permission", "call_permissions", parse_permission, user, query)

    @hide_locals
    def request_call_permission(self, user: str, text: str) -> str:
        """Send a user a message that asks for the permission to call.

        Meta allows it within 24 hours of the user's last message, once a day and twice a week (code
        138009). The user's choice arrives as a webhook of the field `messages`.

        Args:
            user: as in `call_permission`.
            text: what the message says.

        Returns:
            The message's id, which the webhook has as `context.id`.

        Raises the same as `call_permission`.
        """
        recipient = {"to" if _is_number(user) else "recipient": user}
        _check_text("text", text)
        interactive = {
            "type": "call_permission_request",
            "action": {"name": "call_permission_request"},
            "body": {"text": text},
        }
        document = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **recipient,
            "type": "interactive",
            "interactive": interactive,
        }
        name = "request_call_permission"
        return self._send(name, "messages", _message_id, user, document=document)

    @hide_locals
    def reject_call(self, call_id: str) -> None:
        """Reject an inbound call that rings.

        Args:
            call_id: the call's id from Meta's webhook, "wacid...".

        Raises the same as `call_permission`.
        """
        _check_text("call_id", call_id)
        document = {"messaging_product": "whatsapp", "call_id": call_id, "action": "reject"}
        self._send("reject_call", "calls", _check_success, document=document)

    def _send(
        self,
        name: str,
        path: str,
        parse: Callable[[object], Result],
        user: str = "",
        query: str = "",
        document: Optional[Mapping[str, Any]] = None,
    ) -> Result:
        if self._closed:
            raise ValueError("the client is closed: make another one")
        return GraphCall(self._graph, name, path, parse, user, query, document).run()


def _check_str(name: str, value: object, wanted: str = "") -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a str{wanted}, not {type(value).__name__}")


def _check_access_token(token: str) -> None:
    if not token.strip():
        raise ValueError("access_token is empty: pass the token of Meta's app or system user")
    if token.lower().startswith("bearer "):
        raise ValueError('access_token begins with "Bearer ": pass the bare token')
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("access_token has white space or characters beyond ASCII: strip() it")


def _fault_of_url(url: str) -> Optional[str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port is malformed"
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "it needs a scheme, https, and a host"
    if re.search(r"[\s\\\x00-\x1f\x7f-\x9f]", url):
        return "it contains white space, a control character, or a backslash"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "it must not contain a user name, a password, or a query"
    if re.search(r"/v[0-9]+(\.[0-9]+)?$", parts.path):
        return "it must not contain the version, which is api_version"
    if parts.scheme == "http" and (host == "facebook.com" or host.endswith(".facebook.com")):
        return "http would send the access token in clear, so use https"
    return None


def _is_number(user: object) -> bool:
    """Return whether a user is a number, not a business-scoped user id.

    Raises:
        InvalidArgument: it is neither.
    """
    if not isinstance(user, str):
        raise _invalid("user", f"must be a str, not {type(user).__name__}")
    if _USER_ID.fullmatch(user):
        return False
    remedy = FORMATS["phone_number"](user)
    if remedy is not None:
        raise _invalid("user", f'is malformed: {remedy}, or a user id such as "US.13491208655"')
    return True


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        shown = "an empty one" if isinstance(value, str) else type(value).__name__
        raise _invalid(name, f"must be a text, not {shown}")


def _invalid(argument: str, fault: str) -> InvalidArgument:
    return InvalidArgument(f"{argument} {fault}", {"argument": argument}, safe_to_retry=True)


def _message_id(document: object) -> str:
    ids = [fields.text(message, "id") for message in fields.mappings(document, "messages")]
    if not ids or not ids[0]:
        raise ValueError("the response has no message id; the message may have been sent")
    return ids[0]


def _check_success(document: object) -> None:
    if not isinstance(document, dict) or document.get("success") is not True:
        raise ValueError("the response does not say that the call was rejected")
