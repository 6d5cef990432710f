"""Run the benchmark: `python -m benchmarks [--quick] [--only calls]`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path

from . import report
from .contenders import BASE, CONTENDERS
from .integrations import REDIS_URL
from .measure import Bench
from .server import emulator, nginx, redis_server, slow_server

_IMPORTS = {
    "livekit_connector_sync": "import livekit_connector_sync",
    "the same and what a first call loads": (
        "import livekit_connector_sync, livekit_connector_sync._runtime.transport.client, jwt"
    ),
    "livekit.api": "import livekit.api",
    "requests, jwt and livekit-protocol's connector messages": (
        "import requests, jwt, livekit.protocol.connector_whatsapp"
    ),
}
_NEEDED = ("aiohttp", "asgiref", "celery", "django", "livekit", "matplotlib", "trustme")
_SECTIONS = (
    *("calls", "environment", "connections", "threads"),
    *("webhooks", "tasks", "emulator", "imports"),
)


def main() -> None:
    """Measure and print the results; a full run also writes them to files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing is written")
    parser.add_argument("--only", choices=_SECTIONS, action="append", help="these parts only")
    arguments = parser.parse_args()
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"{', '.join(missing)} missing: pip install -r requirements-bench.txt")
    quick = arguments.quick
    wanted = arguments.only or (("calls",) if quick else _SECTIONS)

    cores = sorted(os.sched_getaffinity(0))
    client_core, server_core = cores[0], cores[-1]
    found = report.Results(cores=len(cores))
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        nginx(Path(folder), server_core) as server,
    ):
        bench = Bench(client_core, folder, rounds=20 if quick else 50, turn=0.02 if quick else 0.05)
        names = [name for name in CONTENDERS if name != BASE]
        if "calls" in wanted:
            found.http = bench.calls(server.http, None, names)
            found.tls = bench.calls(server.https, server.ca_bundle, names)
        if "environment" in wanted:
            found.environment = bench.environment_sizes(
                server, ("ours", "ours_session", "session_post"), (38, 100, 400)
            )
        if "connections" in wanted:
            found.connections = bench.new_connections(
                server, ("session_post", "ours", "ours_session")
            )
        if "threads" in wanted:
            with slow_server(Path(folder), server_core) as url:
                found.threads = bench.threads(
                    url,
                    ("session_post", "ours", "ours_session"),
                    (1, 16, 64) if quick else (1, 4, 16, 32, 64),
                    seconds=0.5,
                    rounds=3 if quick else 9,
                )
        if "webhooks" in wanted:
            found.webhooks = bench.compare("", ("django_plain", "django"))
        if "tasks" in wanted:
            with redis_server(Path(folder), server_core) as url:
                names = ["celery_plain", "celery"]
                found.tasks = bench.compare(server.http, names, **{REDIS_URL: url})
        if "emulator" in wanted:
            with emulator(Path(folder)) as url:
                rounds = 3 if quick else 9
                found.emulator = bench.load(url, "emulator_load", 64, 1.0, rounds)
        if "imports" in wanted:
            found.imports = bench.imports(_IMPORTS)
    print(report.markdown(found))
    if not quick and not arguments.only:
        report.write(found)


if __name__ == "__main__":
    main()
