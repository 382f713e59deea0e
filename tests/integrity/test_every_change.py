"""Random damage, hundreds of times: whatever changes in a store, the full check says that something did."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Registry, RegistryError
from registry_cli.core.yaml import documents
from tests.integrity.conftest import Store

#: 12 times 40 changes; the numbers seed the random choices, so that a failure comes again.
ROUNDS = range(12)
CHANGES = 40


def flip(data: bytes, chance: random.Random) -> bytes:
    bit = chance.randrange(len(data) * 8)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.choice((0, len(data) - 1, chance.randrange(len(data))))]


def delete(data: bytes, chance: random.Random) -> None:
    return None


def why_it_does_not_matter(store: Store, path: str, before: bytes, after: bytes | None) -> str:
    """Why nobody need be told of this change; empty for a change that verify must find.

    - ``.lock`` has no content, and is made again when it is missing.
    - ``registry.yaml`` and ``model.yaml`` are for people to edit: no record says what is right. What can't be read
      any more is found all the same, by whoever opens it, and so is a file that is gone.
    - ``.schemas/`` is for the editors of people; nothing is read from there.
    - Claims behind the newest are kept for writers that are late, and read by nobody.
    - A blob that is gone is a lost chance to store equal contents once. (A changed one is a changed artifact: both
      names lead to the same bytes.)
    - A document that reads the same (a missing last newline, ``1.0E-05``) says the same. ``version.yaml``,
      annotations and tombstones are held to the last byte nevertheless.
    - A journal whose last newline is missing has all its lines; the next writer begins a new one.
    """
    name = path.rpartition("/")[2]
    table = name == "stages.yaml" or name.startswith(".stages-")
    reasons = {
        "no content": name == ".lock",
        "for people to edit": name in ("registry.yaml", "model.yaml") and after is not None,
        "for editors": path.startswith(".schemas/"),
        "a claim behind the newest": name.startswith(".stages-") and is_old(store, path),
        "an index": "/blobs/" in path and after is None,
        "reads the same": table and after is not None and reads_the_same(before, after),
        "every line is there": name == "history.jsonl" and after == before[:-1],
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def is_old(store: Store, path: str) -> bool:
    folder, _, revision = path.partition("/.stages-")
    return int(revision) < store.reg.model(folder.removeprefix("models/")).revision


def reads_the_same(before: bytes, after: bytes) -> bool:
    try:
        return bool(documents.loads(before, "before") == documents.loads(after, "after"))
    except RegistryError:
        return False


def problems(store: Store) -> int:
    try:
        return len(Registry.open(store.root).admin.verify().problems)
    except RegistryError:
        return 1  # the registry can't be opened: nobody overlooks that


@pytest.mark.parametrize("seed", ROUNDS)
def test_every_change_that_matters_is_found(copied: Callable[[], Store], seed: int) -> None:
    chance = random.Random(seed)
    store = copied()
    paths = sorted(path for path in store.root.rglob("*") if path.is_file() and not path.is_symlink())
    harmless: dict[str, int] = {}
    found = 0
    for _ in range(CHANGES):
        path = chance.choice(paths)
        relative = path.relative_to(store.root).as_posix()
        before, mode = path.read_bytes(), path.stat().st_mode
        change: Callable[[bytes, random.Random], bytes | None] = chance.choice((flip, flip, truncate, delete))
        after = change(before, chance) if before else None
        reason = why_it_does_not_matter(store, relative, before, after)
        with changed(path, after):
            if reason:
                harmless[reason] = harmless.get(reason, 0) + 1
            else:
                assert problems(store), f"{change.__name__} of {relative} was not found"
                found += 1
        assert path.read_bytes() == before
        assert path.stat().st_mode == mode
    assert store.reg.admin.verify().problems == (), "all is as before, and nothing is told"
    assert found >= CHANGES // 2, harmless


@contextlib.contextmanager
def changed(path: Path, after: bytes | None) -> Iterator[None]:
    """The file with other contents, or without a name; afterwards as it was: same inode, same mode, same links."""
    folder, mode, before = path.parent, path.stat().st_mode & 0o7777, path.read_bytes()
    around = folder.stat().st_mode & 0o7777
    aside = next(above for above in path.parents if above.name.startswith("copy-")).parent / "aside"
    folder.chmod(0o700)
    if after is None:
        path.rename(aside)
    else:
        overwrite(path, after, mode)
    folder.chmod(around)
    yield
    folder.chmod(0o700)
    if after is None:
        aside.rename(path)
    else:
        overwrite(path, before, mode)
    folder.chmod(around)


def overwrite(path: Path, data: bytes, mode: int) -> None:
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)


def test_copies_are_sound(copied: Callable[[], Store]) -> None:
    for _ in range(3):
        assert copied().reg.admin.verify().problems == ()
