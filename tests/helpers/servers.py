"""Real web servers that run an app, and requests to them, byte by byte."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 30.0  # seconds for a server to start or to stop
TESTS = Path(__file__).parents[1]


class Server:
    """A server that runs, and its log."""

    def __init__(self, name: str, port: int, log: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def listens(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def post(self, target: str, headers: Mapping[str, str], body: bytes, pieces: int = 0) -> int:
        """Send exactly these bytes, in chunks if `pieces` is a number; return the status."""
        lines = {"Host": "internal", "Connection": "close", **headers}
        lines.update({"Transfer-Encoding": "chunked"} if pieces else {"Content-Length": len(body)})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        if pieces:
            step = -(-len(body) // pieces)
            parts = [body[at : at + step] for at in range(0, len(body), step)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
        request = f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        with socket.create_connection(("127.0.0.1", self._port), 20) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as response:
                return int(response.readline().split()[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_server(
    name: str, words: list[str], cwd: Path, folder: Path, port: int = 0, **environment: str
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        name: what to call it.
        words: the arguments of Python; "{}" stands for the port.
        cwd: the folder of the app.
        folder: an empty folder for the log.
        port: the port; by default an unused one.
        **environment: more environment variables.
    """
    port = port or free_port()
    command = [sys.executable, *(word.format(port) for word in words)]
    inherited = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
    paths = {
        "PYTHONPATH": str(TESTS),
        "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env={**inherited, **paths, **environment}, stdout=log, stderr=log
        )
    running = Server(name, port, folder / "log")
    deadline = time.monotonic() + PATIENCE
    try:
        while not running.listens():
            assert process.poll() is None, running.log
            assert time.monotonic() < deadline, running.log
            time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE)
