"""A Twilio session's URL: TwiML over HTTP, and the media stream as a WebSocket."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import Call, ConnectorEmulator


@pytest.fixture
def session(emulator: ConnectorEmulator, client: lk.ConnectorClient) -> Iterator[Call]:
    client.connect_twilio_call(
        twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
    )
    return emulator.calls[0]


def say(stream: ClientConnection, event: str) -> None:
    stream.send(json.dumps({"event": event, "streamSid": "MZ1"}))


def wait_for(call: Call, state: str) -> None:
    deadline = time.monotonic() + 5
    while call.state != state and time.monotonic() < deadline:
        time.sleep(0.005)
    assert call.state == state


@pytest.mark.parametrize("body", [None, b"CallSid=CA1"], ids=["GET", "POST"])
def test_twiml(session: Call, body: bytes) -> None:
    url = session.connect_url.replace("ws:", "http:", 1)
    with urllib.request.urlopen(url, body) as answer:
        assert answer.headers["Content-Type"] == "text/xml"
        stream = ElementTree.fromstring(answer.read()).find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == session.connect_url


def test_a_stream_that_stops(session: Call) -> None:
    with connect(session.connect_url) as stream:
        say(stream, "connected")
        say(stream, "start")
        wait_for(session, "active")
        say(stream, "media")
        say(stream, "stop")
        wait_for(session, "ended")


def test_a_stream_whose_connection_breaks(session: Call) -> None:
    with connect(session.connect_url) as stream:
        say(stream, "start")
        wait_for(session, "active")
    wait_for(session, "ended")


def test_a_stream_that_is_hung_up(session: Call, emulator: ConnectorEmulator) -> None:
    with connect(session.connect_url) as stream:
        say(stream, "start")
        wait_for(session, "active")
        say(stream, "media")
        emulator.hang_up(session)
        with pytest.raises(ConnectionClosedOK):
            stream.recv(timeout=5)


def test_messages_after_the_stop_are_ignored(session: Call) -> None:
    with connect(session.connect_url) as stream:
        say(stream, "start")
        say(stream, "stop")
        with contextlib.suppress(ConnectionClosedOK):  # the close frame may arrive first
            say(stream, "start")
        assert list(stream) == []
        assert stream.protocol.close_code == 1000
    assert session.state == "ended"


@pytest.mark.parametrize("ended", ["hung up", "timed out"])
def test_an_open_stream_without_a_start_ends_with_the_session(
    session: Call, emulator: ConnectorEmulator, ended: str
) -> None:
    with connect(session.connect_url) as stream:
        say(stream, "connected")
        if ended == "hung up":
            emulator.hang_up(session)
        else:
            emulator.advance(3600)
        assert session.state == "ended"
        with pytest.raises(ConnectionClosedOK):
            stream.recv(timeout=5)


def test_a_session_serves_one_stream(session: Call) -> None:
    with connect(session.connect_url) as first, connect(session.connect_url) as second:
        say(first, "start")
        wait_for(session, "active")
        say(second, "start")
        with pytest.raises(Exception, match="1008"):
            second.recv(timeout=5)
        assert session.state == "active"
        with pytest.raises(InvalidStatus, match="409"):
            connect(session.connect_url)


def test_no_such_session(emulator: ConnectorEmulator) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(f"{emulator.url}/twilio/TW_NONE")
    caught.value.close()
