"""Creates TwiML documents, the responses to Twilio's voice webhooks. Every value is escaped.

Source: https://www.twilio.com/docs/voice/twiml, /stream, /say and /reject
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional
from xml.sax.saxutils import escape, quoteattr

from .._runtime.redaction import hide_locals
from .arguments import check_text

__all__ = ["CONTENT_TYPE", "connect_stream", "http_url", "reject", "say"]

CONTENT_TYPE = "text/xml; charset=utf-8"
# Characters that XML 1.0 forbids even as escapes: https://www.w3.org/TR/xml/#charsets
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@hide_locals
def connect_stream(connect_url: str, parameters: Optional[Mapping[str, str]] = None) -> str:
    """Connect the call to the stream of a ConnectTwilioCall.

    Args:
        connect_url: the response's unchanged connect_url. It is for one call: don't store it.
        parameters: texts to pass with the stream's start message.

    Raises:
        ValueError: connect_url is not a WebSocket URL.
        TypeError: an argument has the wrong type.
    """
    _require_websocket(connect_url)
    if parameters is not None and not isinstance(parameters, Mapping):
        raise TypeError(
            f"parameters must be a mapping of names to texts, not {type(parameters).__name__}"
        )
    parameters = parameters or {}
    for text in (*parameters, *parameters.values()):
        check_text("each name and value of parameters", text)
    pairs = parameters.items()
    inner = "".join(f"<Parameter{_attributes(name=name, value=value)}/>" for name, value in pairs)
    stream = f"<Stream{_attributes(url=connect_url)}>{inner}</Stream>"
    return _response(f"<Connect>{stream}</Connect>")


def say(text: str, *, language: Optional[str] = None, voice: Optional[str] = None) -> str:
    """Speak a text to the caller, then hang up.

    Args:
        text: the text to speak.
        language: the language, such as "en-US"; Twilio's default if omitted.
        voice: the voice, such as "Polly.Joanna"; Twilio's default if omitted.

    Raises:
        TypeError: an argument has the wrong type.
    """
    attributes = _attributes(language=language or None, voice=voice or None)
    return _response(f"<Say{attributes}>{escape(_clean('text', text))}</Say><Hangup/>")


def reject(*, busy: bool = False) -> str:
    """Reject the call without picking it up; Twilio doesn't charge for it.

    Args:
        busy: True plays a busy tone. False tells the caller that the number is not in service.

    Raises:
        TypeError: busy is not a bool.
    """
    if not isinstance(busy, bool):
        raise TypeError(f"busy must be a bool, not {type(busy).__name__}")
    return _response(f'<Reject reason="{"busy" if busy else "rejected"}"/>')


@hide_locals
def http_url(connect_url: str) -> str:
    """Return the URL that serves a stream's TwiML, for Twilio's `calls.create(url=...)`.

    Args:
        connect_url: the connect_url of an outbound ConnectTwilioCall.

    Raises the same as `connect_stream`.
    """
    _require_websocket(connect_url)
    return f"http{connect_url[2:]}"


def _require_websocket(connect_url: str) -> None:
    check_text("connect_url", connect_url)
    if not connect_url.startswith(("wss://", "ws://")):  # ws on loopback, in tests
        raise ValueError("connect_url must be the wss:// URL of a ConnectTwilioCallResponse")


def _response(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verbs}</Response>\n'


def _attributes(**values: Optional[str]) -> str:
    return "".join(
        f" {name}={quoteattr(_clean(name, value))}"
        for name, value in values.items()
        if value is not None
    )


def _clean(name: str, text: str) -> str:
    check_text(name, text)
    return _FORBIDDEN.sub("", text)
