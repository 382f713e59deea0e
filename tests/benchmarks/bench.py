"""`make bench`: the work that users wait for, each as a ratio to its floor in the same run.

make bench                      everything (some minutes, 4 GB of disk in .bench)
make bench BENCH='--only start --runs 21'
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from registry_cli import Registry

from .measure import Figure, command, interleaved, table

PYTHON = sys.executable
REGISTRY = str(Path(PYTHON).parent / "registry")
FLOOR = command(PYTHON, str(Path(__file__).parent / "floor.py"), "path", "churn")
GIB = 1 << 30


class Bench:
    """A folder to work in, and how often each thing is run."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder, self.runs = folder, runs

    def registry(self, name: str) -> Registry:
        return Registry.init(self.folder / name)

    def file(self, name: str, size: int) -> Path:
        path = self.folder / name
        if not path.exists():
            with path.open("wb") as stream:
                for _ in range(0, size, 1 << 20):
                    stream.write(os.urandom(min(size, 1 << 20)))
        return path


def start(bench: Bench) -> Iterator[Figure]:
    """Start-up, completion, and the two commands that scripts run all day."""
    bare = command(PYTHON, "-c", "pass")
    ours, floor = interleaved(command(REGISTRY, "--version"), [bare], bench.runs * 3)
    yield Figure("registry --version", ours, "python -c pass", floor, 2.5)
    registry = bench.registry("start")
    model = bench.file("mb.bin", 1_000_000)
    registry.register("churn", [model], stage="production")
    complete = {"_REGISTRY_COMPLETE": "bash", "_REGISTRY_LINE": f"registry -C {registry.root} path churn@pro"}
    ours, floor = interleaved(command(REGISTRY, environment=complete), [bare], bench.runs * 3)
    yield Figure("one TAB", ours, "python -c pass", floor, 2.5)
    ours, floor = interleaved(
        command(REGISTRY, "-C", str(registry.root), "path", "churn@production"), [FLOOR], bench.runs * 3
    )
    yield Figure("path churn@production", ours, "a Typer app that prints a line", floor, 1.3)
    said = [word for n in range(10) for word in ("-p", f"p{n}={n}", "-m", f"m{n}=0.{n}1")]
    tags = ["-t", "a=1", "-t", "b=2", "-t", "c=3"]
    register = command(REGISTRY, "-C", str(registry.root), "register", "churn", str(model), *said, *tags)
    ours, floor = interleaved(register, [FLOOR], bench.runs * 3)
    yield Figure("register 1 MB with 23 values", ours, "a Typer app that prints a line", floor, 1.8)


def large(bench: Bench) -> Iterator[Figure]:
    """One file of 1 GiB: in, in again, out."""
    if shutil.disk_usage(bench.folder).free < 6 * GIB:
        print("skipped: 1 GiB (less than 6 GiB are free)", file=sys.stderr)
        return
    source, copy = bench.file("gib.bin", GIB), bench.folder / "copy"
    digest = command("openssl", "dgst", "-sha256", str(source))
    durable = command("sh", "-c", f"cp '{source}' '{copy}' && sync '{copy}'")
    runs = max(3, bench.runs)

    def clean() -> None:
        for name in ("once", "copy", "fetched"):
            _remove(bench.folder / name)

    ours, floor = interleaved(lambda: _register_new(bench, source), [digest, durable], runs, clean)
    yield Figure("register 1 GiB, durable", ours, "slower of openssl sha256, cp + sync", floor, 1.3)
    registry = bench.registry("again")
    registry.register("big", [source])
    added = registry.register("big", [source]).added
    ours, floor = interleaved(lambda: _discard(registry.register("big", [source])), [digest], runs)
    yield Figure("register the same 1 GiB again", ours, "openssl sha256", floor, 1.2, f"{added} bytes added")
    plain = command("cp", str(source), str(copy))
    ours, floor = interleaved(
        lambda: _discard(registry.fetch("big@1", bench.folder / "fetched")), [digest, plain], runs, clean
    )
    yield Figure("fetch 1 GiB, verified", ours, "slower of openssl sha256, cp", floor, 1.3)


def _discard(_: object) -> None:
    """A result that only its making matters of."""


def _register_new(bench: Bench, source: Path) -> None:
    bench.registry("once").register("big", [source])


def _remove(path: Path) -> None:
    subprocess.run(["chmod", "-R", "u+w", str(path)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(path)], check=True)


def small(bench: Bench) -> Iterator[Figure]:
    """2,000 files of 4 KiB."""
    folder = bench.folder / "many"
    folder.mkdir()
    for number in range(2_000):
        (folder / f"part-{number:04}.bin").write_bytes(os.urandom(4096))
    copy = bench.folder / "many-copy"

    def clean() -> None:
        _remove(bench.folder / "once")
        _remove(copy)

    copied = command("sh", "-c", f"cp -r '{folder}' '{copy}' && sync -f '{copy}'")
    ours, floor = interleaved(lambda: _register_new(bench, folder), [copied], max(3, bench.runs), clean)
    yield Figure("register 2,000 files of 4 KiB, durable", ours, "cp -r, sync -f", floor, 6)


def _register_often(root: str, source: str, model: str, count: int) -> None:
    registry = Registry.open(root)
    for _ in range(count):
        registry.register(model, [source])


def _race(root: Path, source: Path, jobs: list[tuple[str, int]]) -> None:
    workers = [
        get_context("spawn").Process(target=_register_often, args=(str(root), str(source), model, count))
        for model, count in jobs
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def writers(bench: Bench) -> Iterator[Figure]:
    """8 processes x 25 registrations into one model, against 2 processes x 100 into two."""
    source = bench.file("kb.bin", 1024)
    made: list[int] = []

    def crowd() -> None:
        registry = bench.registry("crowd")
        _race(registry.root, source, [("one", 25)] * 8)
        made.append(len(registry.versions("one")))

    def apart() -> None:
        _race(bench.registry("apart").root, source, [("a", 100), ("b", 100)])

    def clean() -> None:
        _remove(bench.folder / "crowd")
        _remove(bench.folder / "apart")

    ours, floor = interleaved(crowd, [apart], 3, clean)
    yield Figure(
        "8 processes x 25 registrations", ours, "2 processes x 100, 2 models", floor, 1.5, f"{min(made)} of 200"
    )


def growth(bench: Bench) -> Iterator[Figure]:
    """What a registration costs when there are 10,000 versions already."""
    source = bench.file("kb.bin", 1024)
    registry = bench.registry("growth")
    for _ in range(10):
        registry.register("few", [source])
    for _ in range(10_000):
        registry.register("many", [source])
    ours, floor = interleaved(
        lambda: _discard(registry.register("many", [source])),
        [lambda: _discard(registry.register("few", [source]))],
        200,
    )
    yield Figure("register at version 10,000", ours, "at version 10", floor, 1.2)
    program = [REGISTRY, "-C", str(registry.root)]
    ours, floor = interleaved(
        command(*program, "path", "many@latest"), [command(*program, "path", "few@latest")], bench.runs * 3
    )
    yield Figure("path NAME@latest at version 10,000", ours, "at version 10", floor, 1.2)


def listing(bench: Bench) -> Iterator[Figure]:
    """1,000 models x 10 versions. Without an index yet, `list` reads every model's documents."""
    source = bench.file("kb.bin", 1024)
    full, empty = bench.registry("full"), bench.registry("empty")
    for number in range(1_000):
        for _ in range(10):
            full.register(f"model-{number:04}", [source])
    ours, floor = interleaved(
        command(REGISTRY, "-C", str(full.root), "list"), [command(REGISTRY, "-C", str(empty.root), "list")], bench.runs
    )
    yield Figure("list, 1,000 models x 10 versions", ours, "list, empty", floor, 1.5, "no index yet")
    full.promote("model-0500@5", "production")
    resolve = command(REGISTRY, "-C", str(full.root), "path", "model-0500@production")
    ours, floor = interleaved(resolve, [FLOOR], bench.runs * 3)
    yield Figure("path among 1,000 models x 10", ours, "a Typer app that prints a line", floor, 1.3)


PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "start": start,
    "large": large,
    "small": small,
    "writers": writers,
    "growth": growth,
    "listing": listing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part only (may be repeated)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    folder = options.folder.absolute()
    figures: list[Figure] = []
    for name in options.only or PARTS:
        _remove(folder)
        folder.mkdir(parents=True)
        print(f"measuring: {name} …", file=sys.stderr)
        figures += PARTS[name](Bench(folder, options.runs))
    _remove(folder)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps([{**asdict(f), "ratio": f.ratio, "met": f.met} for f in figures], indent=1))


if __name__ == "__main__":
    main()
