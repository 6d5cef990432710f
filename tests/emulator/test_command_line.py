"""The command line in a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync import cli


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_emulator_until_interrupted(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "livekit_connector_sync.emulator"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--regions", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    with process, process.stdout as output, contextlib.ExitStack() as cleanup:
        cleanup.callback(process.kill)
        shown = ""
        for line in output:
            shown += line
            if line.startswith("Page:"):
                break
        exports = dict(re.findall(r"export (\w+)=(.*)", shown))
        with lk.ConnectorClient(
            exports["LIVEKIT_URL"], exports["LIVEKIT_API_KEY"], exports["LIVEKIT_API_SECRET"]
        ) as client:
            client.connect_twilio_call(
                twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND", room_name="desk"
            )
        for line in output:
            if "ConnectTwilioCall: ok" in line:
                break
        process.send_signal(number)
        assert output.read().strip() == "Stopped."
        process.wait(10)
    assert process.returncode == 0
    assert "region-1" in shown


def test_what_cannot_start_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emulator", "--regions", "0"]) == 1
    assert "regions must be 1 or more" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["emulator", "--help"])
    assert caught.value.code == 0
    assert "--meta-webhook" in capsys.readouterr().out
