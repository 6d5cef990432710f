"""Reads the body of a webhook in JSON; `_runtime.fields` reads its fields."""

from __future__ import annotations

import json
from typing import Any

from .arguments import Body, read_body
from .errors import Reason, WebhookError


def parse_object(body: Body) -> dict[str, Any]:
    """Parse a body; raise WebhookError if it is not a JSON object."""
    content = read_body(body)
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WebhookError(Reason.MALFORMED_BODY, "the body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise WebhookError(Reason.MALFORMED_BODY, "the body is not a JSON object")
    return document
