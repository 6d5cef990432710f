"""Writes the results and the targets as Markdown and as a chart."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Optional

from .contenders import BASE, CONTENDERS
from .integrations import INTEGRATIONS
from .measure import Cost, Import, Throughput

__all__ = ["Results", "markdown", "write"]

_RESULTS = Path(__file__).parent / "results"
_PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- measured: written by make bench -->\n", "<!-- end of measured -->\n"
_PACKAGES = ("requests", "urllib3", "protobuf", "PyJWT", "livekit-api", "aiohttp", "asgiref")


@dataclass
class Results:
    """The results of the benchmark's parts; empty for a part that was not run."""

    cores: int
    http: dict[str, Cost] = field(default_factory=dict)
    tls: dict[str, Cost] = field(default_factory=dict)
    environment: dict[str, dict[int, float]] = field(default_factory=dict)
    connections: dict[str, Cost] = field(default_factory=dict)
    threads: dict[str, dict[int, Throughput]] = field(default_factory=dict)
    webhooks: dict[str, Cost] = field(default_factory=dict)
    tasks: dict[str, Cost] = field(default_factory=dict)
    emulator: Optional[float] = None
    imports: dict[str, Import] = field(default_factory=dict)


@dataclass(frozen=True)
class _Target:
    what: str
    measured: float
    limit: float
    stretch: Optional[float] = None
    at_least: bool = False

    def row(self) -> tuple[str, ...]:
        reached = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        sign = "at least" if self.at_least else "at most"
        stretch = "" if self.stretch is None else f" (stretch {self.stretch:g})"
        verdict = "met" if reached else "**not met**"
        if reached and self.stretch is not None and self.measured <= self.stretch:
            verdict = "stretch met"
        measured = f"{self.measured:.3f}" if self.measured < 100 else f"{self.measured:.0f}"
        return self.what, measured, f"{sign} {self.limit:.4g}{stretch}", verdict


def _targets(found: Results) -> Iterator[_Target]:
    for scheme, costs in (("http", found.http), ("TLS", found.tls)):
        if not costs:
            continue
        ours, on_users = costs["ours"].ratio, costs["ours_session"].ratio
        yield _Target(f"{scheme}: our session, to the base", ours, 1.45, 1.35)
        yield _Target(f"{scheme}: a user's session, to the base", on_users, 1.5)
        background = ours / costs["background"].ratio
        yield _Target(f"{scheme}: to livekit-api on a background loop", background, 0.65)
        to_sync = ours / costs["async_to_sync"].ratio
        yield _Target(f"{scheme}: to `async_to_sync` per call", to_sync, 1 / 3)
    for name, ratios in found.environment.items():
        if name.startswith("ours"):
            what = f"400 environment variables to 38: {CONTENDERS[name].plain_label}"
            yield _Target(what, ratios[400], 1.1)
    if found.connections:
        what = "new TLS connection, to a plain `Session`'s"
        yield _Target(what, found.connections["ours"].ratio, 0.2)
    if found.threads:
        what = "64 threads: share of what the server allows"
        for name, limit in (("ours", 0.9), ("ours_session", 0.8)):
            share = found.threads[name][64].share
            yield _Target(f"{what}, {CONTENDERS[name].plain_label}", share, limit, at_least=True)
    if found.webhooks:
        what = "a webhook of Meta to a receiver, to a plain view"
        yield _Target(what, found.webhooks["django"].ratio, 2.0)
    if found.emulator is not None:
        what = "emulator: calls/s with 64 threads of another process"
        yield _Target(what, found.emulator, 2000, at_least=True)
    if found.imports:
        ours_import, theirs = found.imports["livekit_connector_sync"], found.imports["livekit.api"]
        yield _Target("import, to `import livekit.api`", ours_import.seconds / theirs.seconds, 0.65)
        memory = ours_import.memory / theirs.memory
        yield _Target("memory after the import, to `import livekit.api`", memory, 0.65)


def markdown(found: Results) -> str:
    """Return the results as Markdown tables."""
    parts = [_circumstances(found)]
    targets = [target.row() for target in _targets(found)]
    parts.append(_table(("target", "measured", "wanted", ""), targets))
    if found.http and found.tls:
        parts.append("One call, CPU time; the ratio is to the base, in the same round.")
        parts.append(
            _table(
                ("contender", "http", "TLS", "http, µs", "TLS, µs"),
                [
                    (
                        contender.label,
                        f"{found.http[name].ratio:.2f}",
                        f"{found.tls[name].ratio:.2f}",
                        f"{found.http[name].seconds * 1e6:.0f}",
                        f"{found.tls[name].seconds * 1e6:.0f}",
                    )
                    for name, contender in CONTENDERS.items()
                ],
            )
        )
    if found.threads:
        counts = list(next(iter(found.threads.values())))
        parts.append(
            "Threads against a server that takes 20 ms: calls/s as a share of threads/20 ms."
        )
        parts.append(
            _table(
                (
                    "contender",
                    *(f"{count} threads" if count > 1 else "1 thread" for count in counts),
                ),
                [
                    (CONTENDERS[name].label, *(f"{shares[count].share:.0%}" for count in counts))
                    for name, shares in found.threads.items()
                ],
            )
        )
    if found.environment:
        sizes = list(next(iter(found.environment.values())))
        parts.append(f"Variables in the environment: cost of a call, to its own with {sizes[0]}.")
        parts.append(
            _table(
                ("contender, variables", *map(str, sizes)),
                [
                    (CONTENDERS[name].label, *(f"{ratios[size]:.2f}" for size in sizes))
                    for name, ratios in found.environment.items()
                ],
            )
        )
    if found.connections:
        parts.append("A call that opens a new TLS connection (the server closes each), CPU time.")
        parts.append(
            _table(
                ("contender", "ms", "to a plain `Session`'s"),
                [
                    (CONTENDERS[name].label, f"{cost.seconds * 1e3:.2f}", f"{cost.ratio:.2f}")
                    for name, cost in found.connections.items()
                ],
            )
        )
    for title, costs in (
        ("A webhook of Meta from Django's WSGI handler to a receiver, CPU time.", found.webhooks),
        ("A task of Celery from `delay()` to its end, CPU time of both sides.", found.tasks),
    ):
        if costs:
            parts.append(title)
            parts.append(
                _table(
                    ("contender", "ms", "to the plain one"),
                    [
                        (INTEGRATIONS[name].label, f"{cost.seconds * 1e3:.2f}", f"{cost.ratio:.2f}")
                        for name, cost in costs.items()
                    ],
                )
            )
    if found.imports:
        parts.append("Import in a fresh process: CPU time, and memory of the whole process.")
        parts.append(
            _table(
                ("import", "ms", "MB"),
                [
                    (name, f"{cost.seconds * 1e3:.0f}", f"{cost.memory / 1e6:.0f}")
                    for name, cost in found.imports.items()
                ],
            )
        )
    return "\n\n".join(parts) + "\n"


def write(found: Results) -> None:
    """Write table and chart to benchmarks/results, and the table into docs/performance.md."""
    text = markdown(found)
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "results.md").write_text(text, encoding="utf-8")
    _draw(found, _RESULTS / "results.svg")
    page = _PAGE.read_text(encoding="utf-8")
    block = re.compile(f"(?s)(?<={re.escape(_BEGIN)}).*?(?={re.escape(_END)})")
    _PAGE.write_text(block.sub(lambda _: f"\n{text}\n", page), encoding="utf-8")


def _circumstances(found: Results) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"Measured {date.today().isoformat()} on {platform.system()} with {found.cores} cores, "
        f"{platform.python_implementation()} {platform.python_version()}; {packages}."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _draw(found: Results, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "livekit_connector_sync"
    from matplotlib import pyplot

    figure, (costs, threads, paths) = pyplot.subplots(
        1, 3, figsize=(15, 5), width_ratios=(6, 4, 3), layout="constrained"
    )
    names = [name for name in reversed(CONTENDERS) if name in found.http]
    for offset, label, measured in ((0.2, "http", found.http), (-0.2, "TLS", found.tls)):
        bars = costs.barh(
            [index + offset for index in range(len(names))],
            [measured[name].ratio for name in names],
            height=0.38,
            label=label,
        )
        costs.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    costs.set_yticks(range(len(names)), [CONTENDERS[name].plain_label for name in names])
    costs.axvline(1, color="grey", linewidth=0.8)
    costs.set_title(f"CPU time of a call, {CONTENDERS[BASE].plain_label} = 1", loc="left")
    costs.margins(x=0.08)
    costs.legend()

    for name, shares in found.threads.items():
        threads.plot(
            list(shares),
            [100 * throughput.share for throughput in shares.values()],
            marker="o",
            label=CONTENDERS[name].plain_label,
        )
        threads.set_xticks(list(shares))
    threads.set_ylim(0, 100)
    threads.set_xlabel("threads")
    threads.set_title("calls/s, 20 ms server, % of possible", loc="left")
    threads.legend()

    ratios = {
        "Django:\na webhook": found.webhooks["django"].ratio,
        "Celery:\na dial task": found.tasks["celery"].ratio,
    }
    bars = paths.bar(list(ratios), list(ratios.values()), width=0.5)
    paths.bar_label(bars, fmt="%.2f", padding=2)
    paths.axhline(1, color="grey", linewidth=0.8)
    paths.set_title("CPU time, without us = 1", loc="left")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
