"""Monitoring and the report: against reading the same lines as JSON, and against listing the same models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from registry_cli import Registry
from tests.benchmarks.measure import Bench, Row, in_turn, remove, run
from tests.benchmarks.scaling import PER_MODEL, clone, fill

RULES = "monitor: {auc: {min: 0.5, window: 3650d}}\n"
#: What any program must do that reads the files of observations.
_LOADS = "import glob, json, sys\nfor path in glob.glob(sys.argv[1]):\n    for line in open(path): json.loads(line)"


def monitor(bench: Bench) -> Iterator[Row]:
    """``monitor`` over a hundred models with ten thousand observations each, and one more observation of the last."""
    models, points = (10, 1_000) if bench.quick else (100, 10_000)
    root = bench.fresh_registry("observed")
    with (root / "registry.yaml").open("a") as settings:
        settings.write(RULES)
    fill(root, bench.folder, 1)
    _observe(root, points)
    for at in range(1, models):
        clone(root / "models" / "model-0", root / "models" / f"model-{at}")
    pattern = str(root / "models" / "*" / "observations" / "1" / "*.jsonl")
    ours, floor = in_turn(
        bench.rounds(4),
        lambda: run(bench.registry("observed", "monitor")),
        lambda: run([sys.executable, "-c", _LOADS, pattern]),
    )
    yield Row("monitor", f"monitor, {models} × {points:,} observations", ours, "json.loads", floor, 3)
    one = bench.fresh_registry("one")
    fill(one, bench.folder, 1)
    ours, floor = in_turn(
        bench.rounds(12),
        lambda: run(bench.registry("observed", "observe", "model-0@1", "auc=0.9", "--n", "10")),
        lambda: run(bench.registry("one", "observe", "model-0@1", "auc=0.9", "--n", "10")),
    )
    yield Row("monitor", f"observe, after {points:,} observations", ours, "of none", floor, 1.2)
    for name in ("observed", "one"):
        remove(bench.folder / name)


def report(bench: Bench) -> Iterator[Row]:
    """The pages of a thousand models with ten versions each."""
    models = 100 if bench.quick else 1_000
    root = bench.fresh_registry("many")
    fill(root, bench.folder, PER_MODEL)
    for at in range(1, models):
        clone(root / "models" / "model-0", root / "models" / f"model-{at}")
    page, folder = bench.folder / "report.html", bench.folder / "pages"
    cache = {"REGISTRY_CACHE": str(bench.folder / "cache")}
    ours, pages, floor = in_turn(
        bench.rounds(4),
        lambda: run(bench.registry("many", "report", "-o", str(page)), cache),
        lambda: run(bench.registry("many", "report", "-o", str(folder)), cache),
        lambda: run(bench.registry("many", "list", "--json", "--no-index"), cache),
    )
    size = page.stat().st_size / 1e6
    whole = f"{models:,} × {PER_MODEL}"
    yield Row("report", f"report to one file, {whole}", ours, "list --json", floor, 3, f"{size:.1f} MB", size <= 5)
    yield Row("report", f"report to a folder, {whole}", pages, "list --json", floor, 3)
    for name in ("many", "pages", "report.html"):
        remove(bench.folder / name)


def _observe(root: Path, points: int) -> None:
    """One observation through the registry; the others are lines like it."""
    Registry.open(root).monitoring.observe("model-0@1", {"auc": 0.9}, samples=100)
    file = next((root / "models/model-0/observations/1").glob("*.jsonl"))
    line = json.loads(file.read_text())
    day = line["at"][:10]
    times = (f"{day}T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.{at // 86_400:03}Z" for at in range(points - 1))
    with file.open("a") as stream:
        for at, time in enumerate(times):
            changed = {**line, "at": time, "value": 0.9 + at % 7 / 100}
            stream.write(json.dumps(changed, separators=(",", ":")) + "\n")
