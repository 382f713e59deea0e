"""Deployments: against copying and hashing the same file, and against the same command on an empty registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from registry_cli import Registry
from tests.benchmarks.measure import MIB, Bench, Row, in_turn, remove, room_for, run, shell, slower, write_random
from tests.benchmarks.scaling import clone, fill

TARGETS = 3


def deploy(bench: Bench) -> Iterator[Row]:
    """A large version to a target, for the first time and again."""
    room_for(bench, 3 * bench.large)
    origin = write_random(bench.folder / "large.bin", bench.large)
    root, copy = bench.fresh_registry("deployed"), bench.folder / "copy"
    (server,) = _write_targets(root, bench.folder, 1)
    run(bench.registry("deployed", "register", "big", str(origin)))

    def settle() -> None:
        remove(copy)
        if (server / "big").exists():
            run(bench.registry("deployed", "undeploy", "big", "--from", "target-0"))
        os.sync()

    size = f"{bench.large // MIB:,} MiB"
    words = bench.registry("deployed", "deploy", "big@1", "--to", "target-0")
    ours, digest, copied = in_turn(
        bench.rounds(8),
        lambda: run(words),
        lambda: run(["openssl", "dgst", "-sha256", origin]),
        lambda: shell('cp "$1" "$2"; sync "$2"', origin, copy),
        settle=settle,
    )
    remove(copy)
    floor = "slower of openssl, cp + fsync"
    yield Row("deploy", f"deploy {size}, durable", ours, floor, slower(digest, copied), 1.3)
    run(words)
    ours, start = in_turn(bench.rounds(12), lambda: run(words), lambda: run(bench.registry("deployed", "list")))
    yield Row("deploy", f"deploy {size} again", ours, "list", start, 1.2)
    for name in ("large.bin", "deployed", server.name):
        remove(bench.folder / name)


def deployments(bench: Bench) -> Iterator[Row]:
    """The deployments of a thousand models to three targets."""
    models = 100 if bench.quick else 1_000
    root = bench.fresh_registry("many")
    bench.fresh_registry("none")
    servers = _write_targets(root, bench.folder, TARGETS)
    fill(root, bench.folder, 1)
    for at in range(TARGETS):
        Registry.open(root).deployments.deploy("model-0@1", f"target-{at}")
    for at in range(1, models):
        clone(root / "models" / "model-0", root / "models" / f"model-{at}")
    cache = {"REGISTRY_CACHE": str(bench.folder / "cache")}
    ours, floor = in_turn(
        bench.rounds(12),
        lambda: run(bench.registry("many", "deployments"), cache),
        lambda: run(bench.registry("none", "deployments"), cache),
    )
    yield Row("deployments", f"deployments, {models:,} × {TARGETS}", ours, "of none", floor, 1.5)
    for name in ("many", "none", *(each.name for each in servers)):
        remove(bench.folder / name)


def _write_targets(root: Path, folder: Path, count: int) -> list[Path]:
    """Targets without a server; returns their folders."""
    servers = [folder / f"server-{at}" for at in range(count)]
    lines = ["format: 1", "targets:"]
    for at, server in enumerate(servers):
        server.mkdir(exist_ok=True)
        lines.append(f"  target-{at}: {{layout: plain, path: '{server}'}}")
    (root / "targets.yaml").write_text("\n".join(lines) + "\n")
    return servers
