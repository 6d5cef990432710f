"""The servers that the contenders use: nginx with a fixed response, a slow one, and others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import certifi

from .contenders import API_KEY, API_SECRET, RESPONSE

__all__ = ["Nginx", "emulator", "nginx", "redis_server", "slow_server"]

_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ }}
    default_type application/protobuf;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        return 200 "{response}";
    }}
    server {{
        listen 127.0.0.1:{closing} ssl;
        keepalive_timeout 0;
        return 200 "{response}";
    }}
}}
"""


class Nginx:
    """A running nginx: its URLs, and the CA bundle with its certificate."""

    def __init__(self, folder: Path) -> None:
        ports = _free_ports(3)
        self.http = f"http://127.0.0.1:{ports[0]}"
        self.https = f"https://127.0.0.1:{ports[1]}"
        self.https_closing = f"https://127.0.0.1:{ports[2]}"  # closes after every response
        self.ca_bundle = _write_certificate(folder)
        response = RESPONSE.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
        config = _CONFIG.format(
            folder=folder, http=ports[0], https=ports[1], closing=ports[2], response=response
        )
        (folder / "nginx.conf").write_text(config, newline="")
        self.ports = ports


@contextmanager
def nginx(folder: Path, core: int) -> Iterator[Nginx]:
    """Run nginx on a core of its own.

    Args:
        folder: an empty folder for its files.
        core: the number of the core.

    Raises:
        SystemExit: nginx is not installed, or does not start.
    """
    # Debian installs it into a folder that only root's PATH has.
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is missing: apt-get install nginx-light (or nginx)")
    server = Nginx(folder)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with _run_command(command, core, server.ports, folder / "nginx.log"):
        yield server


@contextmanager
def slow_server(folder: Path, core: int) -> Iterator[str]:
    """Run a server that responds after 20 ms, on a core of its own; return its URL."""
    (port,) = _free_ports(1)
    command = [sys.executable, "-m", "benchmarks.slow_server", str(port)]
    with _run_command(command, core, [port], folder / "slow_server.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def redis_server(folder: Path, core: int) -> Iterator[str]:
    """Run a Redis on a core of its own; return its URL.

    Raises:
        SystemExit: redis-server is not installed, or does not start.
    """
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is missing: apt-get install redis-server")
    (port,) = _free_ports(1)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with _run_command(command, core, [port], folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """Run the emulator on any core; return its URL."""
    (port,) = _free_ports(1)
    command = [sys.executable, "-m", "livekit_connector_sync.emulator", "--port", str(port)]
    command += ["--api-key", API_KEY, "--api-secret", API_SECRET]
    with _run_command(command, None, [port], folder / "emulator.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _run_command(
    command: list[str], core: Optional[int], ports: list[int], log: Path
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        end = time.monotonic() + 10
        while not all(map(_accepts, ports)):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} does not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _write_certificate(folder: Path) -> str:
    """Write nginx's certificate; return the path of a CA bundle as large as a real one."""
    import trustme  # here, so that `main` can say first that it is missing

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    bundle = folder / "ca.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    return str(bundle)
