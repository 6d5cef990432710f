"""Meta's webhook view."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

from ...._runtime.redaction import hide_locals
from ....webhooks import WebhookError, meta
from ....webhooks.arguments import Secrets
from ...django_settings import clients, get_settings
from .. import signals
from ..delivery import is_first_delivery, is_recorded
from .base import Event, WebhookView, get_header

__all__ = ["MetaWebhookView"]

logger = logging.getLogger(__name__)


class MetaWebhookView(WebhookView):
    """Meta's webhook: the GET handshake, and updates about WhatsApp calls.

    An update belongs to the alias with its WHATSAPP_PHONE_NUMBER_ID, unless that alias has other
    secrets as its META_APP_SECRET. Otherwise it belongs to the view's alias.

    Meta promises no order between webhooks. When a call ends, the view records its id in the cache
    for 8 days, and drops a CallConnect of the call that arrives later.
    """

    provider = "meta"
    endpoint = "meta"
    secret_option = "META_APP_SECRET"
    verify_token: Optional[Secrets] = None
    """The verify token of the handshake, or several; by default META_VERIFY_TOKEN."""
    max_age = 120.0
    """Seconds after which an SDP offer or answer is dropped: the other side has given up by then.
    """
    too_big_status = 200  # otherwise Meta would retry it for a week

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Respond to the handshake.

        Raises:
            ImproperlyConfigured: the alias has no META_VERIFY_TOKEN, or does not exist.
        """
        self.check_alias()
        token = self.verify_token or get_settings(self.alias).meta_verify_token
        if not token:
            raise ImproperlyConfigured(
                f"LIVEKIT_CONNECTOR: META_VERIFY_TOKEN of alias {self.alias!r} is missing"
            )
        try:
            challenge = meta.handshake(request.GET, token)
        except WebhookError as exc:
            logger.warning("meta handshake rejected (%s): %s", exc.reason, exc)
            return HttpResponse(status=403)
        headers = {"X-Content-Type-Options": "nosniff"}  # the challenge is the client's text
        return HttpResponse(challenge.encode(), content_type="text/plain", headers=headers)

    @hide_locals
    def receive(self, request: HttpRequest, body: bytes) -> Iterable[tuple[meta.Event, str]]:
        """Verify a request and return its events."""
        secret = self.webhook_secret()
        if secret is not None:
            meta.verify(body, get_header(request, meta.SIGNATURE_HEADER), secret)
        return [(event, self.alias_of(event)) for event in meta.parse(body)]

    @hide_locals
    def alias_of(self, event: meta.Event) -> str:
        """Return the alias with an event's number, among those with the same Meta app."""
        own = get_settings(self.alias)
        own_secrets = _list_secrets(self.secret or own.meta_app_secret)
        for alias, settings in {self.alias: own, **clients.all_settings()}.items():
            secrets = _list_secrets(settings.meta_app_secret)
            same_app = alias == self.alias or not secrets or secrets & own_secrets
            if same_app and settings.whatsapp_phone_number_id == event.phone_number_id:
                return alias
        return self.alias

    def is_due(self, event: Event) -> bool:
        """Return whether to handle an event: whether it is new, not too old, and of a live call."""
        if isinstance(event, (meta.CallConnect, meta.CallTerminate)):
            mark = f"{event.whatsapp_call_id}:ended"
            record = get_settings(self.alias).cache, self.endpoint, self.alias, mark
            if isinstance(event, meta.CallTerminate):
                # Not the record of the webhook, which RetryLater deletes.
                is_first_delivery(*record)
            elif event.age() > self.max_age:
                logger.warning("meta webhook dropped, %.0f s late: %s", event.age(), event.key)
                return False
            elif is_recorded(*record):
                logger.warning("meta webhook dropped, its call has ended: %s", event.key)
                return False
        return super().is_due(event)

    def signals_of(self, event: Any) -> Sequence[Signal]:
        """Return the signals of an event."""
        if isinstance(event, meta.CallConnect):
            inbound = event.direction is meta.Direction.INBOUND
            return (signals.whatsapp_call_offered if inbound else signals.whatsapp_call_answered,)
        if isinstance(event, meta.CallStatus):
            accepted = [signals.whatsapp_call_accepted] if event.status == "ACCEPTED" else []
            return (*accepted, signals.whatsapp_call_status)
        if isinstance(event, meta.CallTerminate):
            return (signals.whatsapp_call_ended,)
        if isinstance(event, meta.CallPermissionReply):
            return (signals.whatsapp_call_permission,)
        return (signals.whatsapp_other,)


@hide_locals
def _list_secrets(secrets: Optional[Secrets]) -> set[str]:
    return {secrets} if isinstance(secrets, str) else set(secrets or ())
