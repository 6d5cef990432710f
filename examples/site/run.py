"""Run the example site: `python examples/site/run.py`, then open the URL that it prints.

It starts redis-server, gunicorn, and a Celery worker as child processes. In this process, it runs
an emulator of LiveKit, WhatsApp, and the people at the phones. Ctrl-C stops everything and removes
all files.
It needs redis-server, and `pip install "livekit-connector-sync[django,celery]" gunicorn`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Optional

from livekit_connector_sync.emulator import ConnectorEmulator, MetaWebhooks

HERE = Path(__file__).parent
TIMEOUT = 30.0  # seconds for a child to start or to stop
APP_SECRET = "emulated-app-secret"


@dataclass
class Child:
    """A child process and its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """Stop the process and wait until it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> Child:
    """Start a child in its own session, so that Ctrl-C reaches only this process."""
    log = folder / f"{name}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=HERE, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    return Child(name, process, log)


def listens(port: int) -> bool:
    """Return whether a process listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(child: Child, port: int) -> None:
    """Wait until a child listens on a port."""
    deadline = time.monotonic() + TIMEOUT
    while not listens(port):
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(failure(child))
        time.sleep(0.05)


def wait_for_worker(child: Child) -> None:
    """Wait until the worker accepts tasks."""
    deadline = time.monotonic() + TIMEOUT
    while b" ready." not in child.log.read_bytes():
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(failure(child))
        time.sleep(0.05)


def failure(child: Child) -> str:
    """Return the error message for a child that does not run."""
    return f"{child.name} does not run:\n{child.log.read_text('utf-8', 'replace')[-4000:]}"


@contextlib.contextmanager
def running(
    port: int, phone_port: int
) -> Iterator[tuple[str, ConnectorEmulator, dict[str, Child]]]:
    """Run everything; yield the site's URL, the emulator, and the children."""
    site_port, redis_port = port or free_port(), free_port()
    site_url = f"http://127.0.0.1:{site_port}"
    meta = MetaWebhooks(url=f"{site_url}/webhooks/meta", app_secret=APP_SECRET)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="switchboard-")))
        emulator = stack.enter_context(ConnectorEmulator(port=phone_port, meta=meta))
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "switchboard.settings",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "SITE_DATA": str(folder),
            "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "PHONE_URL": emulator.url,
            "LIVEKIT_URL": emulator.url,
            "LIVEKIT_API_KEY": emulator.api_key,
            "LIVEKIT_API_SECRET": emulator.api_secret,
            "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
            "WHATSAPP_API_KEY": "an-access-token-of-meta",
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": meta.verify_token,
        }
        children: dict[str, Child] = {}

        def child(name: str, *command: str) -> Child:
            started = start(name, list(command), environment, folder)
            stack.callback(started.stop)
            children[name] = started
            return started

        redis = child(
            *("redis", "redis-server", "--port", str(redis_port), "--bind", "127.0.0.1"),
            # Claims must survive a crash. All files are in the folder that is deleted at exit.
            *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(folder)),
        )
        wait_for_port(redis, redis_port)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=HERE,
            env=environment,
            check=True,
        )
        celery = [sys.executable, "-m", "celery", "-A", "switchboard", "worker"]
        worker = child("celery", *celery, "-Q", "calls,celery", "-c", "4", "-l", "INFO")
        gunicorn = [sys.executable, "-m", "gunicorn", "switchboard.wsgi"]
        web = child("gunicorn", *gunicorn, "--workers", "2", "--bind", f"127.0.0.1:{site_port}")
        wait_for_port(web, site_port)
        wait_for_worker(worker)
        yield site_url, emulator, children


def interrupt(signum: int, frame: Optional[FrameType]) -> None:
    """Stop as with Ctrl-C."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the site until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Run the example site and everything it needs.")
    parser.add_argument(
        "--port", type=int, default=8000, help="the site's port; 0 for any free port"
    )
    parser.add_argument(
        "--phone-port", type=int, default=0, help="the phone's port; 0 for any free port"
    )
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is missing: install your system's package redis-server")
    if options.port and listens(options.port):
        raise SystemExit(f"port {options.port} is taken: pass --port with another one")
    signal.signal(signal.SIGTERM, interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        with running(options.port, options.phone_port) as (site_url, emulator, children):
            print(f"the site    {site_url}")
            print(f"the phone   {emulator.url}  (pick up here, and call the site)")
            print("press Ctrl-C to stop", flush=True)
            while True:
                for child in children.values():
                    if child.process.poll() is not None:
                        raise SystemExit(failure(child))
                time.sleep(0.5)


if __name__ == "__main__":
    main()
