"""LiveKit's webhook view."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Optional

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from ...._runtime.redaction import hide_locals
from ....webhooks import Reason, WebhookError, livekit
from ....webhooks.arguments import read_secrets
from ...django_settings import clients, get_settings
from .. import signals
from .base import WebhookView, get_header

__all__ = ["LiveKitWebhookView"]

logger = logging.getLogger(__name__)


class LiveKitWebhookView(WebhookView):
    """LiveKit's webhook; one URL serves every alias, because the token names the project."""

    provider = "livekit"
    endpoint = "livekit"
    secret_option = "API_SECRET"
    signal = signals.livekit_event
    keys: Optional[Mapping[str, str]] = None
    """Secrets by API key that may sign; by default those of every alias's settings. With `secret`
    instead, the alias's API_KEY signs with that secret."""

    @hide_locals
    def receive(
        self, request: HttpRequest, body: bytes
    ) -> Iterable[tuple[livekit.WebhookEvent, str]]:
        """Verify a request and return its event."""
        keys = self.signing_keys()
        if not keys and self.webhook_secret() is None:
            return [(livekit.parse(body), self.alias)]
        secrets = {key: secret for key, (secret, _) in keys.items()}
        key = livekit.verify(body, get_header(request, livekit.SIGNATURE_HEADER), secrets)
        return [(livekit.parse(body), keys[key][1])]

    def refuse(self, error: WebhookError) -> HttpResponse:
        """Return the response to a request that `receive` rejected."""
        if error.reason is Reason.MISSING_SIGNATURE:
            logger.warning(
                "Apache's mod_wsgi removes the Authorization header: set WSGIPassAuthorization On"
            )
        return super().refuse(error)

    def signing_keys(self) -> dict[str, tuple[str, str]]:
        """Return the secrets that may sign, each with its alias, by API key.

        Raises:
            ImproperlyConfigured: the view has a `secret`, and the alias has no API_KEY.
        """
        own = get_settings(self.alias)
        given = self.keys
        if given is None and self.secret:
            if not own.api_key:
                raise ImproperlyConfigured(
                    f"{type(self).__name__} has a secret, but alias {self.alias!r} has no API_KEY: "
                    "pass `keys` to the view instead"
                )
            (secret,) = read_secrets("secret", self.secret)
            given = {own.api_key: secret}
        if given is not None:
            return {key: (secret, self.alias) for key, secret in given.items()}
        keys: dict[str, tuple[str, str]] = {}
        for alias, settings in {self.alias: own, **clients.all_settings()}.items():
            for key, secret in settings.webhook_keys().items():
                keys.setdefault(key, (secret, alias))
        return keys
