"""The site's pages, and Meta's webhook."""

from __future__ import annotations

from calls import views
from django.urls import path

from livekit_connector_sync.contrib.django.views import MetaWebhookView

urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("calls", views.calls, name="calls"),
    path("calls/place", views.place, name="place"),
    path("calls/<int:pk>/accept", views.accept, name="accept"),
    path("calls/<int:pk>/hang-up", views.hang_up, name="hang_up"),
    # For all providers: path("webhooks/", include("livekit_connector_sync.contrib.django.urls"))
    path("webhooks/meta", MetaWebhookView.as_view(), name="meta"),
]
