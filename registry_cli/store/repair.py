"""Mending what is safe to mend: derived files, and the record of what is there. No artifact is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import Damaged, RegistryError
from ..records import Event, Freed, JournalEntry, StageTable
from . import codec, collect, documents, files, journal, layout, reader
from .layout import Layout, ModelLayout
from .modes import Modes
from .reader import ModelReader, State
from .writer import Writer


def mend(root: Layout, paths: ModelLayout, modes: Modes, *, dry_run: bool) -> Iterator[Freed]:
    """Mend one model, under its lock; each thing done is told. With ``dry_run`` only told.

    In this order: the stage table from its newest claim, the journal, the modes of sealed files, the links, what is
    left over. What can't be mended safely stays for a person: ``verify`` keeps naming it.
    """
    yield from _mend_table(root, paths, modes, dry_run)
    yield from _mend_journal(root, paths, modes, dry_run)
    yield from _mend_modes(root, paths, modes, dry_run)
    yield from _mend_links(root, paths, modes, dry_run)
    for leftover in collect.garbage(root, paths, time.time()):
        if not dry_run:
            files.remove(root.root / leftover.path)
        yield leftover


def _at(root: Layout, path: Path) -> str:
    return str(path.relative_to(root.root))


def _mend_table(root: Layout, paths: ModelLayout, modes: Modes, dry_run: bool) -> Iterator[Freed]:
    """``stages.yaml`` that is missing, torn or older than a claim: take the newest claim that is whole."""
    try:
        known = codec.parse_table(codec.load(paths.stages, layout.STAGES), layout.STAGES)[0].revision
    except (RegistryError, OSError):
        known = -1
    newest = _newest_claim(paths)
    last = journal.last_entry(paths.history)
    told = last.revision if last else 0
    if newest is None or newest.table.revision <= known or newest.table.revision < told:
        if known < 0 or known < told:
            raise Damaged(
                f"{paths.name}: stages.yaml can't be restored: no claim is as new as the journal (revision {told})",
                "restore stages.yaml from a backup",
            )
        return
    if not dry_run:
        if newest.redo:
            files.replace(paths.root / newest.redo.path, documents.dumps(newest.redo.document), modes.file)
        files.replace(paths.stages, documents.dumps(codec.table_document(newest.table)), modes.file)
    yield Freed(f"stage table restored from the claim of revision {newest.table.revision}", _at(root, paths.stages))


def _newest_claim(paths: ModelLayout) -> State | None:
    found: list[State] = []
    for name in files.list_folder(paths.root):
        revision = name.removeprefix(layout.CLAIM)
        if revision == name or not revision.isdigit():
            continue
        try:
            state = State(*codec.parse_table(codec.load(paths.root / name, name), name))
        except (RegistryError, OSError):
            continue
        if state.table.revision == int(revision):
            found.append(state)
    return max(found, key=lambda state: state.table.revision, default=None)


def _mend_journal(root: Layout, paths: ModelLayout, modes: Modes, dry_run: bool) -> Iterator[Freed]:
    """A torn last line gets its newline; events that the versions and the claims carry are added, none is changed."""
    yield from _end_torn_line(root, paths, dry_run)
    known = {entry.event.id for entry in journal.oldest_first(paths.history)}
    last = journal.last_entry(paths.history)
    table = reader.read_state(paths).table
    for event, highest, revision in _events(paths, table):
        if event.id in known:
            continue
        entry = _behind(last, event, highest, revision)
        if not dry_run:
            journal.append(paths.history, entry, modes.file)
        last = entry
        yield Freed(f"journal: added '{event.action}' of {event.at}", _at(root, paths.history))


def _behind(last: JournalEntry | None, event: Event, highest: int, revision: int) -> JournalEntry:
    """An entry that never lets the counters of the journal go back."""
    if last:
        highest, revision = max(highest, last.highest), max(revision, last.revision)
    return journal.following(last, event, highest, revision)


def _end_torn_line(root: Layout, paths: ModelLayout, dry_run: bool) -> Iterator[Freed]:
    try:
        descriptor = os.open(paths.history, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            if not dry_run:
                files.write_all(descriptor, b"\n")
                os.fsync(descriptor)
            yield Freed("journal: ended its torn last line", _at(root, paths.history))
    finally:
        os.close(descriptor)


def _events(paths: ModelLayout, table: StageTable) -> Iterator[tuple[Event, int, int]]:
    """Every event that something on the disk carries, with the counters after it: versions, tombstones, claims."""
    model = ModelReader(paths)
    highest = 0
    for number in sorted({*model.numbers(table), *table.deleted}):
        highest = max(highest, number)
        event = _sealed_event(model, number, number in table.deleted)
        if event is not None:
            yield event, highest, 0
    for revision in range(max(1, table.revision - layout.CLAIMS_KEPT), table.revision):
        try:
            claim, _ = codec.parse_table(codec.load(paths.claim(revision), layout.CLAIM), layout.CLAIM)
        except (RegistryError, OSError):
            continue
        if claim.changed is not None:
            yield claim.changed, highest, revision
    if table.changed is not None:
        yield table.changed, highest, table.revision


def _sealed_event(model: ModelReader, number: int, deleted: bool) -> Event | None:
    try:
        if not deleted:
            return model.sealed(number).event
        document = codec.load(model.paths.tombstone(number), "tombstone")["version"]
        return Event.parse(document["event"])
    except (RegistryError, OSError, KeyError, TypeError):
        return None  # verify names what can't be read


def _mend_modes(root: Layout, paths: ModelLayout, modes: Modes, dry_run: bool) -> Iterator[Freed]:
    model = ModelReader(paths)
    for number in model.numbers(model.state().table):
        for path in sorted(paths.files(number).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o222:
                if not dry_run:
                    path.chmod(modes.sealed_file)
                yield Freed("made read-only again", _at(root, path))


def _mend_links(root: Layout, paths: ModelLayout, modes: Modes, dry_run: bool) -> Iterator[Freed]:
    table = reader.read_state(paths).table
    wanted = {stage: f"../versions/{number}" for stage, number in table.stages.items()}
    here = {name: _target(paths.links / name) for name in files.list_folder(paths.links) if not name.startswith(".")}
    wrong = sorted(name for name in here.keys() | wanted.keys() if here.get(name) != wanted.get(name))
    if wrong and not dry_run:
        Writer(paths, modes, table, None, 0).refresh_links()
    for name in wrong:
        yield Freed("link set right", _at(root, paths.links / name))


def _target(path: Path) -> str:
    return os.readlink(path) if path.is_symlink() else "no link"
