"""The tutorial of docs/django.md: its files in an empty project, and calls through it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_connector_sync.emulator import (
    ConnectorEmulator,
    LiveKitWebhooks,
    MetaWebhooks,
    State,
    TwilioWebhooks,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "django.md"
EMULATED_URL = "http://127.0.0.1:7890"


def files() -> dict[str, str]:
    """Return the document's files, by path."""
    blocks = re.finditer(r"^```py (\S+)\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.M | re.S)
    return {block[1]: block[2] for block in blocks}


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def manage(project: Path, *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    result = subprocess.run(
        command, cwd=project, env=environment, text=True, capture_output=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def site_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def emulator(site_url: str) -> Iterator[ConnectorEmulator]:
    hooks = f"{site_url}/webhooks"
    with ConnectorEmulator(
        meta=MetaWebhooks(f"{hooks}/meta"),
        livekit=LiveKitWebhooks(f"{hooks}/livekit"),
        twilio=TwilioWebhooks(f"{hooks}/twilio/voice"),
    ) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, emulator: ConnectorEmulator) -> Path:
    """Create the document's project, with the URL of the running emulator."""
    start = [sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)]
    subprocess.run(start, check=True, timeout=60)
    written = files()
    assert EMULATED_URL in written["mysite/settings.py"]
    for path, content in written.items():
        content = content.replace(EMULATED_URL, emulator.url)
        if path == "mysite/settings.py":  # the one file that startproject made to be added to
            content = (tmp_path / path).read_text("utf-8") + content
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content, "utf-8")
    return tmp_path


@pytest.fixture
def server(project: Path, site_url: str, emulator: ConnectorEmulator) -> Iterator[None]:
    port = site_url.rpartition(":")[2]
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with open(project / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
    try:
        wait(lambda: accepts_connections(int(port)) or process.poll() is not None)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.usefixtures("server")
def test_an_empty_project_takes_calls(project: Path, emulator: ConnectorEmulator) -> None:
    assert "no issues" in manage(project, "check")
    assert "accepts the credentials" in manage(project, "connector", "check", "--ping")
    assert emulator.verify_meta_webhook()

    inbound = emulator.inbound_call()
    wait(lambda: inbound.state is State.ACTIVE)
    emulator.hang_up(inbound)
    wait(lambda: emulator.requests[-1].method.endswith("DisconnectWhatsAppCall"))
    assert emulator.requests[-1].outcome == "ok"

    assert "rings" in manage(project, "connector", "dial", "15551230001")
    outbound = emulator.answer(emulator.calls[-1])
    wait(lambda: outbound.state is State.ACTIVE)

    reply = emulator.twilio_call()
    assert emulator.calls[-1].room_name == f"call-{reply.call_sid}"
    assert emulator.calls[-1].connect_url in reply.body
    assert emulator.wait_for_webhooks()
    assert {webhook.results for webhook in emulator.webhooks} == {("200",)}


def test_the_documents_own_test_passes(project: Path) -> None:
    assert "Ran 1 test" in manage(project, "test", "calls")


def test_every_python_file_of_the_document_imports(project: Path) -> None:
    names = [name for name in files() if name.startswith("calls/") and "init" not in name]
    modules = [name[:-3].replace("/", ".") for name in (*names, "mysite/celery.py")]
    tasks = "mysite.celery.app.loader.import_default_modules(); print(*mysite.celery.app.tasks)"
    printed = manage(project, "shell", "-c", f"import {', '.join(modules)}; {tasks}")
    assert "livekit_connector.dial_whatsapp_call" in printed
