"""Start-up: what a person waits for when there is hardly anything to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import MIB, Bench, Row, Sample, in_turn, registry_command, run, write_random

FLOOR = [sys.executable, str(Path(__file__).with_name("floor.py")), "path", "churn"]
PYTHON = [sys.executable, "-c", "pass"]


def _store(bench: Bench) -> None:
    """A registry with a model that has ten versions and is in production."""
    bench.fresh_registry("starting")
    file = bench.folder / "starting.bin"
    for number in range(10):
        file.write_text(str(number))
        stage = ["--stage", "production"] if number == 9 else []
        run(bench.registry("starting", "register", "churn", str(file), *stage))


def start(bench: Bench) -> Iterator[Row]:
    """``registry --version`` and a TAB, against Python itself."""
    _store(bench)
    home = {"REGISTRY_HOME": str(bench.folder / "starting")}

    def tab(line: str) -> Sample:
        return run(registry_command(), {**home, "_REGISTRY_COMPLETE": "bash", "_REGISTRY_LINE": line})

    version, name, selector, floor = in_turn(
        bench.rounds(40),
        lambda: run([*registry_command(), "--version"]),
        lambda: tab("registry promote ch"),
        lambda: tab("registry path churn@pro"),
        lambda: run(PYTHON),
    )
    yield Row("start", "registry --version", version, "python -c pass", floor, 1.8)
    yield Row("start", "TAB after 'promote ch'", name, "python -c pass", floor, 1.8)
    yield Row("start", "TAB after 'path churn@pro'", selector, "python -c pass", floor, 1.8)


def path(bench: Bench) -> Iterator[Row]:
    """``registry path`` in a pipe, against Python itself."""
    _store(bench)
    ours, floor = in_turn(
        bench.rounds(40), lambda: run(bench.registry("starting", "path", "churn@production")), lambda: run(PYTHON)
    )
    yield Row("path", "registry path churn@production", ours, "python -c pass", floor, 3)


def register(bench: Bench) -> Iterator[Row]:
    """A common registration: 1 MB, 10 params, 10 metrics, 3 tags."""
    bench.fresh_registry("registering")
    file = bench.folder / "model.bin"
    options = [word for at in range(10) for word in ("-p", f"param{at}={at}", "-m", f"metric{at}={at / 7:.4f}")]
    options += [word for at in range(3) for word in ("-t", f"tag{at}=value{at}")]

    def once() -> Sample:
        write_random(file, MIB)
        return run(bench.registry("registering", "register", "churn", str(file), *options))

    ours, floor = in_turn(bench.rounds(30), once, lambda: run(FLOOR))
    yield Row("register", "register 1 MB, 10 params, 10 metrics, 3 tags", ours, "Typer app", floor, 1.8)
