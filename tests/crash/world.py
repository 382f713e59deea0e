"""Small registries that can be copied, compared and looked at: what every test in this folder stands on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from registry_cli import Registry
from registry_cli.core.observations import fold
from registry_cli.core.records import VersionRecord
from registry_cli.monitoring import observation_files
from registry_cli.operations.context import open_model
from registry_cli.store import journal
from registry_cli.store.layout import Layout
from registry_cli.store.model_names import iter_model_names
from registry_cli.store.packs import pack_reader
from registry_cli.store.reader import ModelReader

MOMENT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)

#: So many files are synced all at once here (see ``conftest``).
MANY = 8

#: What an empty table of stages looks like: a model that has no version either is what a death left of a registration.
_NOTHING: tuple[Any, ...] = ({}, {}, "", "", "")


def opened(root: Path) -> Registry:
    """A fresh registry; the time stands still, so that equal deeds leave equal bytes."""
    return Registry(root, now=lambda: MOMENT, lock_timeout=0.5)


def copied(source: Path, target: Path) -> Path:
    """A copy with the same modes and, unlike ``shutil.copytree``, the same hard links."""
    links: dict[int, Path] = {}
    _copy_folder(source, target, links)
    return target


def _copy_folder(source: Path, target: Path, links: dict[int, Path]) -> None:
    os.mkdir(target, 0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            place = target / entry.name
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                _copy_folder(Path(entry.path), place, links)
            elif entry.inode() in links:
                os.link(links[entry.inode()], place)
            else:
                links[entry.inode()] = place
                place.write_bytes(Path(entry.path).read_bytes())
                os.chmod(place, stat.S_IMODE(entry.stat().st_mode))
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode))


def wiped(root: Path) -> None:
    """Remove a registry, sealed folders and all."""
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)
    shutil.rmtree(root)


def fingerprint(root: Path) -> str:
    """One text for all that is on the disk: names, bytes, modes, which files are one file. Times don't count."""
    hasher = hashlib.sha256()
    first: dict[int, str] = {}
    for path, status in _walk(str(root)):
        name = path[len(str(root)) :]
        hasher.update(f"\0{name}\0{status.st_mode:o}\0".encode())
        if stat.S_ISLNK(status.st_mode):
            hasher.update(os.readlink(path).encode())
        elif stat.S_ISREG(status.st_mode):
            hasher.update(f"{first.setdefault(status.st_ino, name)}\0".encode())
            hasher.update(Path(path).read_bytes())
    return hasher.hexdigest()


def _walk(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    for child in sorted(os.listdir(folder)):
        path = f"{folder}/{child}"
        status = os.lstat(path)
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path)


def observed(root: Path) -> dict[str, Any]:
    """All that a reader can see of a registry: records, bytes, pointers. Raises when something can't be read."""
    registry = opened(root)
    models: dict[str, Any] = {}
    for name in registry.admin.model_names():
        model = open_model(registry.context, name)
        seen = model.state()
        table = seen.table
        state = (dict(table.stages), dict(table.aliases), str(table.archived), str(table.deleted), str(table.packed))
        versions = {number: _version(model, model.version(number, seen)) for number in model.numbers(table)}
        document = model.document()
        said = [document.get(key) for key in ("description", "tags", "annotations")]
        if versions or state != _NOTHING or any(said):
            models[name] = (versions, state, said)
    return models


def _version(model: ModelReader, record: VersionRecord) -> tuple[Any, ...]:
    """One version: its record as text (mappings in order); what is really in its files, or its pack, is its manifest."""
    folder = str(model.paths.files(record.number))
    digests = {
        path[len(folder) + 1 :]: hashlib.sha256(Path(path).read_bytes()).hexdigest()
        for path, status in (_walk(folder) if record.packed is None else ())
        if not stat.S_ISDIR(status.st_mode)
    }
    listed = {entry.path: entry.sha256 for entry in model.manifest(record)}
    if record.packed is not None:
        with contextlib.closing(pack_reader.members(model, record)) as members:
            digests = {entry.path: hashlib.sha256(content.read()).hexdigest() for entry, content in members}
    assert digests == listed, f"{record.ref}: the bytes are not those of the manifest"
    said = [dict(sorted(getattr(record, kind).items())) for kind in ("params", "metrics", "tags", "annotations")]
    event = record.event.document() if record.event else None
    observed = [each.encode() for each in fold(observation_files.iter_observations(model.paths, record.number))]
    return (record.digest, record.message, said, record.stages, record.aliases, record.archived, event, observed)


def without(state: dict[str, Any], message: str, tag: str) -> dict[str, Any]:
    """``state`` without the versions that have this message and the tags of this name."""
    models: dict[str, Any] = {}
    for name, (versions, table, said) in state.items():
        kept = {}
        for number, (digest, words, about, *rest) in versions.items():
            if words == message:
                continue
            tags = {key: value for key, value in about[2].items() if key != tag}
            kept[number] = (digest, words, [*about[:2], tags, about[3]], *rest)
        if kept or table != _NOTHING or any(said):
            models[name] = (kept, table, said)
    return models


@dataclass(frozen=True)
class Journals:
    """How often each event stands in the journals of a registry."""

    counts: Counter[str]

    @classmethod
    def of(cls, root: Path) -> Journals:
        layout = Layout(root)
        paths = (layout.model(name).history for name in iter_model_names(layout))
        return cls(Counter(entry.event.id for path in paths for entry in journal.oldest_first(path)))

    def require(self, ids: set[str]) -> None:
        """Each of ``ids`` is there, and no event twice."""
        assert ids <= self.counts.keys(), f"not in the journal: {sorted(ids - self.counts.keys())}"
        assert not [event for event, count in self.counts.items() if count > 1], f"twice in the journal: {self.counts}"
