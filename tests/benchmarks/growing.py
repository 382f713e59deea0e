"""Growth: many writers, many versions, many models."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from registry_cli import Registry
from registry_cli.core.records import Event
from registry_cli.store import journal, reader
from registry_cli.store.layout import Layout
from tests.benchmarks.measure import Bench, Row, Sample, in_turn, remove, run

WRITERS, EACH = 8, 25


def _write(start: Barrier, root: Path, model: str, files: list[Path]) -> None:
    """The life of one writer. It opens the registry before the start: what counts is registering."""
    registry = Registry(root, lock_timeout=120)
    start.wait()
    for file in files:
        registry.register(model, [file], metrics={"auc": 0.9})


def _race(root: Path, jobs: list[tuple[str, list[Path]]]) -> Sample:
    """Let writers register, each in a process of its own; from the start of all to the end of the last."""
    context = get_context("spawn")
    start = context.Barrier(len(jobs) + 1)
    before = os.times()
    processes = [context.Process(target=_write, args=(start, root, model, files)) for model, files in jobs]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    wall = time.perf_counter() - began
    if any(process.exitcode for process in processes):
        raise RuntimeError("a writer failed")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(wall, cpu)


def many(bench: Bench) -> Iterator[Row]:
    """Eight writers on one model, against the same registrations by two writers that never meet."""
    total = WRITERS * EACH
    files = []
    for at in range(total):
        files.append(bench.folder / f"writer{at}.bin")
        files[-1].write_bytes(os.urandom(10_000))
    kept: list[int] = []

    def together() -> Sample:
        root = bench.fresh_registry("together")
        sample = _race(root, [("churn", files[at::WRITERS]) for at in range(WRITERS)])
        numbers = [version.number for version in Registry.open(root).versions("churn")]
        kept.append(len(numbers) if numbers == list(range(total, 0, -1)) else 0)
        return sample

    def apart() -> Sample:
        root = bench.fresh_registry("apart")
        return _race(root, [(f"churn{at}", files[at::2]) for at in range(2)])

    ours, floor = in_turn(bench.rounds(6), together, apart, settle=os.sync)
    note = f"{min(kept)} of {total} kept"
    work = f"{WRITERS} processes × {EACH} registrations, one model"
    yield Row("many", work, ours, "2 processes, 2 models", floor, 1.5, note, sound=min(kept) == total)
    for name in ("together", "apart"):
        remove(bench.folder / name)
    for file in files:
        file.unlink()


def multiply(root: Path, model: str, wanted: int) -> None:
    """Let a model that has versions have ``wanted`` of them: copies of the newest, with a journal that fits."""
    paths = Layout(root).model(model)
    table = reader.read_state(paths).table
    last = journal.last_entry(paths.history)
    assert last is not None
    newest = last.highest
    record = reader.ModelReader(paths).sealed(newest)
    assert record.event is not None
    pattern = paths.version_document(newest).read_text()
    lines = []
    for number in range(newest + 1, wanted + 1):
        event = Event(os.urandom(16).hex(), record.created, record.author, record.event.host, "registered", number, {})
        document = pattern.replace(f"version: {newest}", f"version: {number}").replace(record.event.id, event.id)
        folder = paths.version(number)
        folder.mkdir()
        paths.version_document(number).write_text(document)
        paths.manifest(number).write_bytes(paths.manifest(newest).read_bytes())
        paths.files(number).mkdir()
        for file in paths.files(newest).iterdir():
            (paths.files(number) / file.name).write_bytes(file.read_bytes())
        for path in (*paths.files(number).iterdir(), paths.version_document(number), paths.manifest(number)):
            path.chmod(0o444)
        paths.files(number).chmod(0o555)
        folder.chmod(0o555)
        seal = hashlib.sha256(document.encode()).hexdigest()
        last = journal.next_entry(last, event, number, table.revision, seal)
        lines.append(journal.encode(last) + b"\n")
    with paths.history.open("ab") as stream:
        stream.writelines(lines)
    os.sync()


def growth(bench: Bench) -> Iterator[Row]:
    """What registering costs when there are many versions already."""
    high = 2_000 if bench.quick else 10_000
    root = bench.fresh_registry("growth")
    registry = Registry.open(root)
    file = bench.folder / "growth.bin"

    def once(model: str) -> Sample:
        file.write_bytes(os.urandom(10_000))
        cpu, wall = time.process_time(), time.perf_counter()
        registry.register(model, [file], params={"depth": 6}, metrics={"auc": 0.9})
        return Sample(time.perf_counter() - wall, time.process_time() - cpu)

    for model in ("young", "old"):
        for _ in range(10):
            once(model)
        registry.promote(f"{model}@10", "production")
    multiply(root, "old", high)
    old, young = in_turn(bench.rounds(80), lambda: once("old"), lambda: once("young"))
    yield Row("growth", f"register at version {high:,}", old, "at version 10", young, 1.1, "library, 10 kB")

    def command(model: str) -> Sample:
        file.write_bytes(os.urandom(10_000))
        return run(bench.registry("growth", "register", model, str(file), "-p", "depth=6", "-m", "auc=0.9"))

    old, young = in_turn(bench.rounds(20), lambda: command("old"), lambda: command("young"))
    yield Row("growth", f"register at version {high:,}, the command", old, "at version 10", young, 1.1)

    def path(model: str) -> Sample:
        return run(bench.registry("growth", "path", f"{model}@latest"))

    old, young = in_turn(bench.rounds(20), lambda: path("old"), lambda: path("young"))
    yield Row("growth", f"path NAME@latest of {high:,} versions", old, "of 10", young)
    remove(root)
