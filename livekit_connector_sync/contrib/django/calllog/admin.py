"""The call log in the admin, read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import CallRecord

__all__ = ["CallRecordAdmin"]


@admin.register(CallRecord)
class CallRecordAdmin(admin.ModelAdmin):
    """Lists calls, newest first."""

    list_display = (
        "call_id",
        "provider",
        "direction",
        "from_number",
        "to_number",
        "username",
        "user_id",
        "status",
        "created_at",
        "duration",
    )
    list_filter = ("provider", "direction", "status", "alias")
    search_fields = (
        "call_id",
        "from_number",
        "to_number",
        "user_id",
        "username",
        "contact_name",
        "callback_data",
    )
    date_hierarchy = "created_at"

    # Only webhooks add and change calls.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
