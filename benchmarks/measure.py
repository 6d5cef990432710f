"""The measurements. Contenders take turns, and the results are medians over the rounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from .contenders import BASE
from .server import Nginx
from .slow_server import DELAY
from .worker import Worker, environment

__all__ = ["Bench", "Cost", "Import", "Throughput"]

ENVIRONMENT_SIZE = 38  # variables; what a small container has
_WARM_UP = 10  # calls
_MIN_CALLS = 3  # calls of a turn


@dataclass(frozen=True)
class Cost:
    """CPU time of a call: seconds, and the ratio to the first contender's in the same round."""

    seconds: float
    ratio: float


@dataclass(frozen=True)
class Throughput:
    """Calls per second: the share of the server's maximum, and the ratio to the first contender."""

    share: float
    ratio: float


@dataclass(frozen=True)
class Import:
    """The cost of an import in a new process: CPU seconds, and the process's memory in bytes."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Bench:
    """How to measure.

    Args:
        core: the core that the contenders run on.
        home: an empty folder, the contenders' HOME.
        rounds: turns of each contender; slow measurements take a quarter of them.
        turn: the approximate CPU seconds of a turn.
    """

    core: int
    home: str
    rounds: int
    turn: float

    @property
    def few_rounds(self) -> int:
        return self.rounds // 4

    def calls(self, url: str, ca_bundle: Optional[str], names: Sequence[str]) -> dict[str, Cost]:
        """Measure a call over an open connection, relative to the base."""
        env = environment(ENVIRONMENT_SIZE, ca_bundle, self.home)
        with self._workers({name: (name, url, env) for name in (BASE, *names)}) as workers:
            return self._take_turns(workers, self.rounds)

    def environment_sizes(
        self, server: Nginx, names: Sequence[str], sizes: Sequence[int]
    ) -> dict[str, dict[int, float]]:
        """Measure a call in larger environments, relative to the smallest."""
        ratios = {}
        for name in names:
            jobs = {
                str(size): (name, server.http, environment(size, None, self.home)) for size in sizes
            }
            with self._workers(jobs) as workers:
                costs = self._take_turns(workers, self.rounds)
            ratios[name] = {size: costs[str(size)].ratio for size in sizes}
        return ratios

    def new_connections(self, server: Nginx, names: Sequence[str]) -> dict[str, Cost]:
        """Measure a call that opens a TLS connection, relative to the first contender's."""
        env = environment(ENVIRONMENT_SIZE, server.ca_bundle, self.home)
        with self._workers({name: (name, server.https_closing, env) for name in names}) as workers:
            return self._take_turns(workers, self.few_rounds)

    def threads(
        self, url: str, names: Sequence[str], threads: Sequence[int], seconds: float, rounds: int
    ) -> dict[str, dict[int, Throughput]]:
        """Measure calls per second against the slow server, by contender and number of threads."""
        env = environment(ENVIRONMENT_SIZE, None, self.home)
        found: dict[str, dict[int, Throughput]] = {name: {} for name in names}
        with self._workers({name: (name, url, env) for name in names}) as workers:
            for count in threads:
                turns = [
                    {name: workers[name].calls_per_second(count, seconds) for name in names}
                    for _ in range(rounds)
                ]
                for name in names:
                    found[name][count] = Throughput(
                        statistics.median(rates[name] for rates in turns) * DELAY / count,
                        statistics.median(rates[name] / rates[names[0]] for rates in turns),
                    )
        return found

    def compare(self, url: str, names: Sequence[str], **variables: str) -> dict[str, Cost]:
        """Measure contenders relative to the first one, with these environment variables added."""
        env = {**environment(ENVIRONMENT_SIZE, None, self.home), **variables}
        with self._workers({name: (name, url, env) for name in names}) as workers:
            return self._take_turns(workers, self.rounds)

    def load(self, url: str, name: str, threads: int, seconds: float, rounds: int) -> float:
        """Measure calls per second with many threads, on any core."""
        worker = Worker(name, url, environment(ENVIRONMENT_SIZE, None, self.home), None)
        try:
            rates = [worker.calls_per_second(threads, seconds) for _ in range(rounds)]
        finally:
            worker.close()
        return statistics.median(rates)

    def imports(self, statements: Mapping[str, str]) -> dict[str, Import]:
        """Measure new processes that run an import."""
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in statements}
        for number in range(self.few_rounds + 1):
            for name, statement in statements.items():
                sample = self._fresh_process(statement)
                if number:  # the first one compiles
                    samples[name].append(sample)
        return {
            name: Import(*(statistics.median(column) for column in zip(*found)))
            for name, found in samples.items()
        }

    def _fresh_process(self, statement: str) -> tuple[float, float]:
        process = subprocess.run(
            [sys.executable, "-c", _IMPORTER, statement],
            env=environment(ENVIRONMENT_SIZE, None, self.home),
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
            check=True,
            stdout=subprocess.PIPE,
        )
        seconds, memory = json.loads(process.stdout)
        return seconds, memory

    @contextmanager
    def _workers(
        self, jobs: Mapping[str, tuple[str, str, dict[str, str]]]
    ) -> Iterator[dict[str, Worker]]:
        workers: dict[str, Worker] = {}
        try:
            for key, (contender, url, env) in jobs.items():
                workers[key] = Worker(contender, url, env, self.core)
            yield workers
        finally:
            for worker in workers.values():
                worker.close()

    def _take_turns(self, workers: Mapping[str, Worker], rounds: int) -> dict[str, Cost]:
        """Return each worker's cost; the ratios are relative to the first worker."""
        calls = {}
        for key, worker in workers.items():
            worker.cpu_per_call(_WARM_UP)
            calls[key] = max(_MIN_CALLS, round(self.turn / worker.cpu_per_call(_WARM_UP)))
        first = next(iter(workers))
        turns = []
        for number in range(rounds):
            # Rotate the order, so that no contender is always first.
            order = list(workers)
            order = order[number % len(order) :] + order[: number % len(order)]
            turns.append({key: workers[key].cpu_per_call(calls[key]) for key in order})
        return {
            key: Cost(
                statistics.median(seconds[key] for seconds in turns),
                statistics.median(seconds[key] / seconds[first] for seconds in turns),
            )
            for key in workers
        }


_IMPORTER = """
import sys, time
started = time.process_time()
exec(sys.argv[1])
seconds = time.process_time() - started
with open("/proc/self/status") as status:
    memory = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
print([seconds, memory])
"""
