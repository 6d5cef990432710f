"""Runs a contender in a separate process, which makes calls on request.

`Worker` controls the process, `python -m benchmarks.worker`, with lines of JSON. {"calls": n} makes
n calls in a row. {"threads": n, "seconds": s} makes calls in n threads for s seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional

from .contenders import CONTENDERS, RESPONSE, Target
from .integrations import INTEGRATIONS

__all__ = ["Worker", "environment"]


def environment(size: int, ca_bundle: Optional[str], home: str) -> dict[str, str]:
    """Return an environment with this many variables, the same on every machine."""
    found = {"PATH": os.defpath, "HOME": home, "PYTHONHASHSEED": "0"}
    if ca_bundle:
        found |= {"REQUESTS_CA_BUNDLE": ca_bundle, "SSL_CERT_FILE": ca_bundle}
    filler = {f"SERVICE_{number}_HOST": f"10.0.0.{number % 256}" for number in range(size)}
    return found | dict(list(filler.items())[: size - len(found)])


class Worker:
    """A contender's process.

    Args:
        contender: its name.
        url: where it calls.
        env: its whole environment.
        core: the core that it runs on; None for any.
    """

    def __init__(self, contender: str, url: str, env: dict[str, str], core: Optional[int]) -> None:
        self.contender = contender
        command = [sys.executable, "-m", "benchmarks.worker", contender, url]
        command += [] if core is None else [str(core)]
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cpu_per_call(self, calls: int) -> float:
        """Make calls in a row; return the CPU seconds of one, user and system."""
        return float(self._ask({"calls": calls})["cpu"]) / calls

    def calls_per_second(self, threads: int, seconds: float) -> float:
        """Make calls in threads for some time; return how many were done in a second."""
        return float(self._ask({"threads": threads, "seconds": seconds})["rate"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the contender {self.contender} failed: see above")
        response: dict[str, Any] = json.loads(line)
        return response


def _call_in_a_row(call: Callable[[], Any], calls: int) -> dict[str, float]:
    started = time.process_time()
    for _ in range(calls):
        call()
    return {"cpu": time.process_time() - started}


def _call_in_threads(call: Callable[[], Any], threads: int, seconds: float) -> dict[str, float]:
    started = 0.0

    def start() -> None:
        nonlocal started
        started = time.monotonic()

    ready = threading.Barrier(threads, start)

    def run(_: int) -> int:
        call()  # opens the thread's connection
        ready.wait(30)
        count = 0
        while time.monotonic() < started + seconds:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        calls = sum(pool.map(run, range(threads)))
    return {"rate": calls / (time.monotonic() - started)}


def main(contender: str, url: str, *core: str) -> None:
    """Read orders from stdin, and make the contender's calls."""
    if core:
        os.sched_setaffinity(0, map(int, core))
    made = {**CONTENDERS, **INTEGRATIONS}[contender]
    call = made.make(Target(url, os.environ.get("SSL_CERT_FILE")))
    response = call()
    if contender in CONTENDERS:  # the others check their calls themselves
        if not isinstance(response, bytes):
            response = response.SerializeToString()
        if response != RESPONSE:
            raise SystemExit(f"{contender} got a wrong response: {response!r}")
    for line in sys.stdin:
        order = json.loads(line)
        result = (
            _call_in_threads(call, **order) if "threads" in order else _call_in_a_row(call, **order)
        )
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
