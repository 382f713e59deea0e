"""Questions that concern many versions: from the index, against the same command on an empty registry."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from registry_cli import Registry
from tests.benchmarks.growing import multiply
from tests.benchmarks.measure import Bench, Row, Sample, Timing, in_turn, remove, run

PER_MODEL = 10
COMMANDS = (("list",), ("list", "--stage", "production"), ("search", "metrics.auc > 0.9"))
#: One version in so many is found by the query.
_HITS = 97


def scale(bench: Bench) -> Iterator[Row]:
    """A thousand models."""
    yield from _questions(bench, "scale", 100 if bench.quick else 1_000, PER_MODEL, 1.3)


def large_scale(bench: Bench) -> Iterator[Row]:
    """Ten thousand models, then one model of a hundred thousand versions."""
    yield from _questions(bench, "large", 1_000 if bench.quick else 10_000, PER_MODEL, 2.5)
    yield from _questions(bench, "large", 1, 10_000 if bench.quick else 100_000, 2)


def _questions(bench: Bench, part: str, models: int, versions: int, goal: float) -> Iterator[Row]:
    root, one = bench.fresh_registry("many"), bench.fresh_registry("one")
    bench.fresh_registry("none")
    cache = {"REGISTRY_CACHE": str(bench.folder / "cache")}
    fill(root, bench.folder, versions)
    fill(one, bench.folder, PER_MODEL)
    for at in range(1, models):
        clone(root / "models" / "model-0", root / "models" / f"model-{at}")
    _vary(root, models, versions)
    os.sync()
    time.sleep(3)  # what changed a moment ago would be read twice
    many = f"{models:,} × {versions:,}" if models > 1 else f"1 × {versions:,}"
    yield _build(bench, part, many, models * versions)
    for words in COMMANDS:
        ours, floor = in_turn(
            bench.rounds(12),
            lambda words=words: run(bench.registry("many", *words), cache),  # type: ignore[misc]
            lambda words=words: run(bench.registry("none", *words), cache),  # type: ignore[misc]
        )
        yield Row(part, f"{words[0]} {' '.join(words[1:])}".strip() + f", {many}", ours, "of none", floor, goal)
    ours, floor = in_turn(
        bench.rounds(20),
        lambda: run(bench.registry("many", "path", "model-0@production"), cache),
        lambda: run(bench.registry("one", "path", "model-0@production"), cache),
    )
    yield Row(part, f"path NAME@production, {many}", ours, f"of {PER_MODEL}", floor, 1.1)
    yield _memory(bench, part, many)
    for name in ("many", "none", "one"):
        remove(bench.folder / name)


def _build(bench: Bench, part: str, many: str, versions: int) -> Row:
    """The first index. Its goal is a rate, which the note shows: 5,000 versions a second."""
    remove(bench.folder / "cache")
    cache = {"REGISTRY_CACHE": str(bench.folder / "cache")}
    took = run(bench.registry("many", "search", "metrics.auc > 0.9"), cache)
    again = run(bench.registry("many", "search", "metrics.auc > 0.9"), cache)
    rate = versions / took.wall
    timing, base = (Timing.of([sample]) for sample in (took, again))
    return Row(
        part, f"first index, {many}", timing, "once it is there", base, None, f"{rate:,.0f} versions/s", rate >= 5_000
    )


def _memory(bench: Bench, part: str, many: str) -> Row:
    """A search that finds all of them, and the most memory that it takes: the goal is 100 MiB."""
    environment = {**os.environ, "REGISTRY_CACHE": str(bench.folder / "cache")}
    code = (
        "import sys; from registry_cli.cli.main import run; run(sys.argv[1:]);"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        "print(peak.split()[1], file=sys.stderr)"
    )

    def everything(name: str) -> tuple[Timing, int]:
        words = [sys.executable, "-c", code, "search", "-C", str(bench.folder / name)]
        began = time.perf_counter()
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - began
        return Timing.of([Sample(wall, wall)]), int(done.stderr.split()[-1]) // 1024

    ours, most = everything("many")
    note = f"{most} MiB at most"
    return Row(part, f"search for all, {many}", ours, "of none", everything("none")[0], None, note, most < 100)


def fill(root: Path, folder: Path, versions: int) -> None:
    """One model, with ten params, ten metrics and three tags a version, and one of them in production."""
    file = folder / "scaling.bin"
    file.write_bytes(os.urandom(1_000))
    registry = Registry.open(root)
    params = {f"param{at}": at * 1.5 for at in range(10)}
    metrics = {"auc": 0.51, **{f"metric{at}": at / 7 for at in range(9)}}
    registry.register(
        "model-0", [file], params=params, metrics=metrics, tags={"team": "crm", "run": "7", "note": "a b"}
    )
    registry.promote("model-0@1", "production")
    multiply(root, "model-0", versions)


def _vary(root: Path, models: int, versions: int) -> None:
    """Let one version in a hundred be better. It breaks their seals, which nobody looks at here."""
    places = ((at // versions, at % versions + 1) for at in range(0, models * versions, _HITS))
    for model, number in places:
        path = root / f"models/model-{model}/versions/{number}/version.yaml"
        text = path.read_text().replace("auc: 0.51", "auc: 0.95")
        path.parent.chmod(0o755)
        path.unlink()  # in the clones it is one file
        path.write_text(text)
        path.chmod(0o444)
        path.parent.chmod(0o555)


def clone(origin: Path, target: Path) -> None:
    """A model's folder again: what is sealed is linked, the rest copied."""
    for folder, _, names in os.walk(origin):
        place = target / Path(folder).relative_to(origin)
        place.mkdir()
        for name in names:
            source = Path(folder, name)
            if source.is_symlink():
                (place / name).symlink_to(os.readlink(source))
            elif source.stat().st_mode & 0o222:
                (place / name).write_bytes(source.read_bytes())
            else:
                os.link(source, place / name)
