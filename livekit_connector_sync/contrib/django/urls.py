"""URLs of the webhooks, to include: path("webhooks/", include("....contrib.django.urls")).

Names: `livekit_connector:meta`, `:twilio-voice`, `:twilio-status` and `:livekit`; all but the last
also take an alias.
"""

from __future__ import annotations

from django.urls import path

from .views import LiveKitWebhookView, MetaWebhookView, TwilioStatusView, TwilioVoiceView

__all__ = ["app_name", "urlpatterns"]

app_name = "livekit_connector"
urlpatterns = [
    path("meta", MetaWebhookView.as_view(), name="meta"),
    path("twilio/voice", TwilioVoiceView.as_view(), name="twilio-voice"),
    path("twilio/status", TwilioStatusView.as_view(), name="twilio-status"),
    path("livekit", LiveKitWebhookView.as_view(), name="livekit"),
    path("<str:alias>/meta", MetaWebhookView.as_view(), name="meta"),
    path("<str:alias>/twilio/voice", TwilioVoiceView.as_view(), name="twilio-voice"),
    path("<str:alias>/twilio/status", TwilioStatusView.as_view(), name="twilio-status"),
]
