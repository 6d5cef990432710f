"""https and wss, with a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from websockets.sync.client import connect

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator


def test_a_call_over_https_and_a_stream_over_wss(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    bundle, chain, key = (str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(bundle)
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    with ConnectorEmulator(certificate=(chain, key)) as emulator:
        assert emulator.url.startswith("https://")
        with lk.ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, verify=bundle
        ) as client:
            session = client.connect_twilio_call(twilio_call_direction=0, room_name="desk")
        assert session.connect_url.startswith("wss://")
        context = ssl.create_default_context(cafile=bundle)
        with connect(session.connect_url, ssl=context) as stream:
            stream.send('{"event": "start"}')
            stream.send('{"event": "stop"}')
            assert list(stream) == []
        assert emulator.calls[0].state == "ended"
        with lk.ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, verify=bundle, proxies={}
        ) as client:
            session = client.connect_twilio_call(twilio_call_direction=0, room_name="desk")
        with connect(session.connect_url, ssl=context) as stream:
            stream.send('{"event": "start"}')
            while emulator.calls[1].state != "active":
                stream.send('{"event": "media"}')
            emulator.hang_up(emulator.calls[1])
            assert list(stream) == []
            assert stream.protocol.close_code == 1000


def test_an_invalid_certificate_is_named(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for path in (garbage, tmp_path / "nowhere.pem"):
        with pytest.raises(OSError, match=rf"{path.name} and {path}"):
            ConnectorEmulator(certificate=(str(path), str(path))).start()
