"""Our client against a foreign Twirp server and foreign messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.requests_of import REQUESTS

import livekit_connector_sync as lk


@pytest.fixture(scope="module")
def stub():
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("foreign_server.py")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = process.stdout.readline().strip()
        with lk.Channel(
            f"http://127.0.0.1:{port}", lk.TokenCredentials("t"), retry=None
        ) as channel:
            yield lk.ConnectorStub(channel)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("rpc", REQUESTS)
def test_a_foreign_server_understands_all_calls(stub, rpc) -> None:
    response = getattr(stub, rpc)(REQUESTS[rpc])
    assert type(response).__name__ == f"{rpc}Response"
    for field, value in response.ListFields():
        assert value == (getattr(REQUESTS[rpc], field.name, "") or f"a {field.name}")


@pytest.mark.parametrize("code", list(lk.StatusCode))
def test_the_client_reads_each_twirp_code_of_a_foreign_server_and_its_metadata(stub, code) -> None:
    request = lk.ConnectTwilioCallRequest(room_name=f"fail:{code}")
    with pytest.raises(lk.TwirpError) as caught:
        stub.ConnectTwilioCall(request)
    error = caught.value
    assert type(error).code is error.code is code
    assert (error.message, error.metadata) == ("as asked", {"argument": "room_name"})
    assert error.status >= 400
