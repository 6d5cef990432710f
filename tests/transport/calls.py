"""The call that the tests of the transport make, and a complete response to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from helpers.scripted import http
from requests.adapters import BaseAdapter, HTTPAdapter

import livekit_connector_sync as lk

META_KEY = "EAAGm0PX4ZCpsBAKZCthisIsMetasKey"
DIAL = lk.DialWhatsAppCallRequest(
    whatsapp_phone_number_id="106540352242922",
    whatsapp_to_phone_number="15551234567",
    whatsapp_api_key=META_KEY,
    whatsapp_cloud_api_version="23.0",
)
DIALLED = lk.DialWhatsAppCallResponse(whatsapp_call_id="wacid.1", room_name="support-17")
BODY = DIALLED.SerializeToString()
OK = http(BODY)

# Seconds by which a call may outlast its timeout here. The promise is a quarter of a second; a
# call that does not keep it lasts many times longer, and a busy machine must fail no test.
GRACE = 1.0


class Foreign(BaseAdapter):
    """An adapter that is not a subclass of requests' own."""

    def __init__(self) -> None:
        super().__init__()
        self._inner = HTTPAdapter()

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        return self._inner.send(request, *args, **options)

    def close(self) -> None:
        self._inner.close()


def refused(
    stub: lk.ConnectorStub,
    request: lk.DialWhatsAppCallRequest = DIAL,
    timeout: Optional[float] = 5.0,
    **options: Any,
) -> lk.TwirpError:
    """Make a call that fails within its timeout, and return the error."""
    started = time.monotonic()
    with pytest.raises(lk.TwirpError) as caught:
        stub.DialWhatsAppCall(request, timeout=timeout, **options)
    assert timeout is None or time.monotonic() - started < timeout + GRACE
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def works(stub: lk.ConnectorStub, **options: Any) -> None:
    """Make a call that succeeds."""
    assert stub.DialWhatsAppCall(DIAL, **options) == DIALLED


def locals_of_ours(error: BaseException) -> Iterator[str]:
    """Yield what a crash report would show of the package's frames."""
    traceback = error.__traceback__
    while traceback is not None:
        if "livekit_connector_sync" in traceback.tb_frame.f_code.co_filename:
            yield repr(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next


def run(program: str) -> str:
    """Run a program in an interpreter of its own, without warnings; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
