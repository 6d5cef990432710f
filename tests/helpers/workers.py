"""Helpers for tests with Redis and Celery workers: processes, waits, and a counting emulator."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

from celery import Celery

from livekit_connector_sync.emulator import Callee, ConnectorEmulator

WORKER_APP = Path(__file__).parents[1] / "celery"  # the folder of calls_app.py
PATIENCE = 30.0  # seconds; nothing here takes that long


def wait_until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
    """Return what the condition returns as soon as it is true."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout:g} s for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait until it is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis on a free port of loopback; yield its URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with open(folder / "redis.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            wait_until(lambda: accepts_connections(port), "redis-server")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(process)


class Switchboard:
    """An emulator that counts dials, and can delay or reject them."""

    def __init__(self) -> None:
        self.emulator = ConnectorEmulator(dial_rule=self._rule, max_calls=100_000)
        self.going_on = threading.Event()
        self.going_on.set()
        self.errors: list[Exception] = []
        self.under_way = 0

    def _rule(self, request: Any) -> Optional[Callee]:
        self.under_way += 1
        if self.errors:
            raise self.errors.pop(0)
        self.going_on.wait(PATIENCE)
        return None

    @property
    def dials(self) -> list[Any]:
        """The dials received, failed ones included."""
        return [r for r in self.emulator.requests if r.method.endswith("/DialWhatsAppCall")]


class Worker:
    """A `celery worker` process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """The output so far."""
        return self._log.read_text("utf-8", "replace")

    def children(self) -> list[int]:
        """The pids of its pool."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in Path(path).read_text().split()]

    def kill(self) -> None:
        """Kill the worker and then its pool, as a power failure would."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        for pid in children:
            os.kill(pid, signal.SIGKILL)


class Site:
    """A Celery app in the test's process, and the workers that serve it."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.conf: dict[str, Any] = {
            "broker_url": redis_url,
            "result_backend": redis_url,
            "broker_connection_retry_on_startup": True,
            "worker_hijack_root_logger": False,
        }
        self.workers: list[Worker] = []
        self._folder = folder
        self.app = Celery("calls", set_as_current=True)

    def configure(self, **conf: Any) -> None:
        """Configure the app and the workers that are started from now on."""
        self.conf.update(conf)
        self.app.conf.update(self.conf)

    def start_worker(
        self,
        pool: str = "prefork",
        concurrency: int = 2,
        app: str = "calls_app",
        folder: Path = WORKER_APP,
        queue: str = "celery",
        **env: str,
    ) -> Worker:
        """Start a worker and wait until it is ready."""
        number = len(self.workers)
        log = self._folder / f"worker-{number}.log"
        command = [sys.executable, "-m", "celery", "-A", app, "worker", "-P", pool]
        command += ["-c", str(concurrency), "-n", f"w{number}@%h", "-l", "INFO", "-O", "fair"]
        command += ["-Q", queue, "--without-gossip", "--without-mingle"]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "CELERY_CONF": json.dumps(self.conf), **env},
                stdout=output,
                stderr=output,
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        wait_until(lambda: " ready." in worker.log or process.poll() is not None, "a worker")
        assert process.poll() is None, worker.log
        return worker

    def close(self) -> None:
        """End the workers and the app's connections."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        for worker in self.workers:
            stop(worker.process)
        # Garbage-collected results unsubscribe, and would open a new connection to do so. Collect
        # them first, and then close the connections that Celery leaves open.
        gc.collect()
        self.app.backend.result_consumer.stop()
        self.app.backend.client.connection_pool.disconnect()
        self.app.close()
