"""Meta's side: the `calls` webhooks that a WhatsApp call brings to the developer's app.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/calling (user-initiated and
business-initiated calls), https://developers.facebook.com/docs/graph-api/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from .lifecycle import Direction, Event
from .sender import checked_url

if TYPE_CHECKING:
    from .calls import Call

__all__ = ["MetaWebhooks", "bodies", "envelope", "is_taken", "signature"]

RETRY_DELAYS = (0.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, *(86400.0,) * 6)
"""Seconds between deliveries of an update that was not taken: at once, then up to a week."""


@dataclass(frozen=True)
class MetaWebhooks:
    """Where and how Meta's webhooks are sent.

    Args:
        url: the developer's webhook; empty to send nothing.
        app_secret: signs every body (X-Hub-Signature-256).
        verify_token: sent in the GET handshake.
        account_id: the WhatsApp Business account.
        business_number: the number that the webhooks show, in digits.
        status_as_list: write the status of a terminate as a list, as Meta's page prints it; real
            webhooks have a plain text.
        omit_direction: leave the direction out of connect, as Meta's first sample does.
        duplicates: how many more times to deliver each update.

    Raises:
        ValueError: the url is none, or the number is negative.
    """

    url: str = ""
    app_secret: str = field(default="emulated-app-secret", repr=False)
    verify_token: str = field(default="emulated-verify-token", repr=False)
    account_id: str = "102290129340398"
    business_number: str = "15550783881"
    status_as_list: bool = False
    omit_direction: bool = False
    duplicates: int = 0

    def __post_init__(self) -> None:
        checked_url("MetaWebhooks.url", self.url)
        if self.duplicates < 0:
            raise ValueError(f"MetaWebhooks.duplicates must be 0 or more, not {self.duplicates}")


def is_taken(result: str) -> bool:
    """Return whether a delivery's result says that the app took it."""
    return result == "200"


def signature(body: bytes, app_secret: str) -> str:
    """Return the X-Hub-Signature-256 header of a body.

    Apart from `webhooks`, which it puts to the test: a mistake here does not hide one there.
    """
    return f"sha256={hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()}"


def bodies(call: Call, event: Event, at: float, config: MetaWebhooks) -> Iterable[bytes]:
    """Return the webhook bodies that an event of a WhatsApp call brings, in order.

    Args:
        call: the call, as it is after the event.
        event: what happened.
        at: when, in seconds since 1970.
        config: the account and the variations.
    """
    if event is Event.DIAL:
        yield _status(call, "RINGING", at, config)
    elif event is Event.OFFER or event is Event.ANSWER:
        yield _update(call, config, calls=[_connect(call, at, config)], contacts=_contacts(call))
    elif event is Event.CONNECT:
        yield _status(call, "ACCEPTED", at, config)
    elif call.ended_by is event:
        if event is Event.REJECT and call.direction is Direction.OUTBOUND:
            yield _status(call, "REJECTED", at, config)
        errors = _errors(event)
        terminate = _terminate(call, at, config)
        yield _update(call, config, calls=[{**terminate, **errors}], **errors)


def envelope(value: dict[str, Any], account_id: str) -> bytes:
    """Return the body of a webhook with one update."""
    change = {"field": "calls", "value": value}
    document = {
        "object": "whatsapp_business_account",
        "entry": [{"id": account_id, "changes": [change]}],
    }
    return json.dumps(document, separators=(",", ":")).encode("utf-8")


def _update(call: Call, config: MetaWebhooks, **parts: Any) -> bytes:
    metadata = {
        "display_phone_number": _business_number(call, config),
        "phone_number_id": call.phone_number_id,
    }
    value = {"messaging_product": "whatsapp", "metadata": metadata}
    return envelope({**value, **{k: v for k, v in parts.items() if v}}, config.account_id)


def _connect(call: Call, at: float, config: MetaWebhooks) -> dict[str, Any]:
    update = {
        **_parties(call, config),
        "event": "connect",
        "timestamp": str(int(at)),
        "direction": _meta_direction(call),
        "session": {"sdp_type": call.sdp.type, "sdp": call.sdp.sdp},
    }
    if call.direction is Direction.OUTBOUND:
        update["connection"] = {"webrtc": {"sdp": call.sdp.sdp}}
    if config.omit_direction:
        del update["direction"]
    return {**update, **_callback_data(call)}


def _terminate(call: Call, at: float, config: MetaWebhooks) -> dict[str, Any]:
    status = "COMPLETED" if call.progress.picked_up else "FAILED"
    update: dict[str, Any] = {
        **_parties(call, config),
        "event": "terminate",
        "direction": _meta_direction(call),
        "timestamp": str(int(at)),
        "status": [status] if config.status_as_list else status,
    }
    started = call.time_of(Event.ACCEPT, Event.CONNECT)
    if started is not None:
        update["start_time"] = str(int(started))
        update["end_time"] = str(int(at))
        update["duration"] = int(at) - int(started)
    return {**update, **_callback_data(call)}


def _status(call: Call, status: str, at: float, config: MetaWebhooks) -> bytes:
    update = {
        "id": call.id,
        "timestamp": str(int(at)),
        "type": "call",
        "status": status,
        "recipient_id": call.user_number,
        **_callback_data(call),
    }
    return _update(call, config, statuses=[update])


def _errors(event: Event) -> dict[str, Any]:
    if event is not Event.NOT_CONNECTED:
        return {}
    text = "Call connect timed out: the SDP was applied too late"
    return {"errors": [{"code": 138007, "title": text, "message": text}]}


def _parties(call: Call, config: MetaWebhooks) -> dict[str, str]:
    business = _business_number(call, config)
    inbound = call.direction is Direction.INBOUND
    return {
        "id": call.id,
        "to": business if inbound else call.user_number,
        "from": call.user_number if inbound else business,
    }


def _contacts(call: Call) -> Optional[list[dict[str, Any]]]:
    if call.direction is Direction.OUTBOUND:
        return None
    return [{"profile": {"name": call.user_name}, "wa_id": call.user_number}]


def _meta_direction(call: Call) -> str:
    return "USER_INITIATED" if call.direction is Direction.INBOUND else "BUSINESS_INITIATED"


def _business_number(call: Call, config: MetaWebhooks) -> str:
    return call.business_number or config.business_number


def _callback_data(call: Call) -> dict[str, str]:
    return {"biz_opaque_callback_data": call.callback_data} if call.callback_data else {}
