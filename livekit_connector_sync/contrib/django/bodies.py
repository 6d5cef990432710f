"""Reads request bodies, including chunked ones, which Django under WSGI takes for empty."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from ...webhooks import Reason, WebhookError

__all__ = ["MissingBody", "read_body"]

_CHUNK = 64 * 1024  # bytes


class MissingBody(WebhookError):
    """The server did not pass a chunked body to Django."""


def read_body(request: HttpRequest) -> bytes:
    """Return the body of a request.

    Some proxies send chunked bodies, without a Content-Length. Django reads no body then, unless it
    runs under ASGI: https://code.djangoproject.com/ticket/35838.

    Raises:
        MissingBody: the body is chunked, and the server does not decode it.
        RequestDataTooBig: the body is above DATA_UPLOAD_MAX_MEMORY_SIZE.
    """
    body = request.body
    environ = getattr(request, "environ", None)  # of WSGI
    is_chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if body or environ is None or not is_chunked:
        return body
    if not environ.get("wsgi.input_terminated"):
        raise MissingBody(
            Reason.MALFORMED_BODY,
            "the body is chunked, and this server does not pass it on; run the site with gunicorn "
            "or with ASGI, or let the proxy buffer requests",
        )
    stream, limit = environ["wsgi.input"], settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    content = bytearray()
    while chunk := stream.read(_CHUNK):
        content += chunk
        if limit is not None and len(content) > limit:
            raise RequestDataTooBig("the chunked body is above DATA_UPLOAD_MAX_MEMORY_SIZE")
    return bytes(content)
