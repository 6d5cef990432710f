"""The command line in its own process."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import urllib.request
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


def test_a_failed_start_names_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emulator", "--regions", "0"]) == 1
    assert "regions must be 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--port", "99999"], ["--port", "-1"], ["--port", "65535", "--regions", "2"]],
)
def test_an_invalid_port(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emulator", *arguments]) == 1
    assert f"not {arguments[1]}" in capsys.readouterr().err


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["emulator", "--port", port]) == 1
    assert f"port {port}" in capsys.readouterr().err


def test_a_closed_stdout_ends_the_emulator() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "livekit_connector_sync.emulator", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, contextlib.ExitStack() as cleanup:
        cleanup.callback(process.kill)
        url = next(line for line in process.stdout if "LIVEKIT_URL" in line).partition("=")[2]
        process.stdout.close()
        with contextlib.suppress(OSError):
            for _ in range(2):
                urllib.request.urlopen(
                    urllib.request.Request(
                        f"{url.strip()}/emulator/action",
                        b'{"action": "inbound"}',
                        {"X-Emulator-Action": "1"},
                    ),
                    timeout=5,
                ).close()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["emulator", "--help"])
    assert caught.value.code == 0
    assert "--meta-webhook" in capsys.readouterr().out
