"""Bytes: one large file, and many small ones, in and out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.benchmarks.measure import (
    MIB,
    Bench,
    Row,
    Sample,
    in_turn,
    remove,
    room_for,
    run,
    shell,
    slower,
    used,
    write_random,
)

FILES, SIZE = 2_000, 4096


def _words(size: int) -> str:
    return f"{size // MIB // 1024} GiB" if size >= 1024 * MIB else f"{size // MIB} MiB"


def large(bench: Bench) -> Iterator[Row]:
    """A large file: stored, stored again, and fetched."""
    room_for(bench, 4 * bench.large)
    origin = write_random(bench.folder / "large.bin", bench.large)
    yield _stored(bench, origin)
    yield _again(bench, origin)
    yield _fetched(bench, origin)
    for name in ("large.bin", "large"):
        remove(bench.folder / name)


def _openssl(path: Path) -> Sample:
    return run(["openssl", "dgst", "-sha256", path])


def _stored(bench: Bench, origin: Path) -> Row:
    copy = bench.folder / "copy"

    def settle() -> None:
        remove(copy)
        bench.fresh_registry("large")
        os.sync()

    ours, digest, copied = in_turn(
        bench.rounds(8),
        lambda: run(bench.registry("large", "register", "big", str(origin))),
        lambda: _openssl(origin),
        lambda: shell('cp "$1" "$2"; sync "$2"', origin, copy),
        settle=settle,
    )
    remove(copy)
    note = f"openssl {digest.wall:.2f} s, cp + fsync {copied.wall:.2f} s"
    floor = "slower of openssl, cp + fsync"
    work = f"register {_words(bench.large)}, durable"
    return Row("large", work, ours, floor, slower(digest, copied), 1.3, note)


def _again(bench: Bench, origin: Path) -> Row:
    store = bench.fresh_registry("large")
    run(bench.registry("large", "register", "big", str(origin)))
    before = used(store / "models" / "big" / "versions")
    ours, digest = in_turn(
        bench.rounds(8),
        lambda: run(bench.registry("large", "register", "big", str(origin))),
        lambda: _openssl(origin),
        settle=os.sync,
    )
    versions = store / "models" / "big" / "versions"
    number = len(list(versions.iterdir())) - 1
    added = (used(versions) - before) // number
    contents = {os.stat(path).st_ino for path in versions.glob("*/files/large.bin")}
    note = f"{len(contents) - 1} copies added; {added / 1024:.0f} KiB of records each"
    work = f"register the same {_words(bench.large)} again"
    return Row("large", work, ours, "openssl", digest, 1.2, note, sound=len(contents) == 1)


def _fetched(bench: Bench, origin: Path) -> Row:
    out, copy = bench.folder / "out", bench.folder / "copy"

    def settle() -> None:
        remove(out)
        remove(copy)
        os.sync()

    ours, digest, copied = in_turn(
        bench.rounds(8),
        lambda: run(bench.registry("large", "fetch", "big@1", "-o", str(out))),
        lambda: _openssl(origin),
        lambda: run(["cp", origin, copy]),
        settle=settle,
    )
    settle()
    note = f"openssl {digest.wall:.2f} s, cp {copied.wall:.2f} s"
    work = f"fetch {_words(bench.large)}, verified"
    return Row("large", work, ours, "slower of openssl, cp", slower(digest, copied), 1.2, note)


def small(bench: Bench) -> Iterator[Row]:
    """Many small files, against ``cp -r`` and one sync of the file system."""
    room_for(bench, 40 * FILES * SIZE)
    origin = bench.folder / "small"
    for at in range(FILES):
        path = origin / f"{at % 20:02}" / f"{at}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    bench.fresh_registry("many-files")
    number = count()
    copies = bench.folder / "copies"
    copies.mkdir()
    ours, copied = in_turn(
        bench.rounds(12),
        lambda: run(bench.registry("many-files", "register", f"model{next(number)}", str(origin))),
        lambda: shell('cp -r "$1" "$2"; sync -f "$2"', origin, copies / str(next(number))),
        settle=os.sync,
    )
    yield Row("small", f"register {FILES:,} files of 4 KiB, durable", ours, "cp -r; sync -f", copied, 4)
    for path in (origin, copies, bench.folder / "many-files"):
        remove(path)
