"""Mending what is safe to mend: derived files, and the record of what is there. No artifact is touched."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.lazy_dataclass import replace
from ...core.records import Event, JournalEntry, StageTable
from ...core.results import CleanupItem
from ...core.yaml import documents
from ...errors import Damaged, RegistryError
from .. import codec, journal, layout, reader
from ..filesystem import files, removal
from ..filesystem.files import Modes
from ..layout import Layout, ModelLayout
from ..packs import pack_writer
from ..reader import ModelReader, ModelState
from ..verify import verify_contents, verify_journal, verify_records
from ..writer import Writer
from . import gc

if TYPE_CHECKING:
    from .restoration import Restorable

_Events = Iterator[tuple[Event, int, int]]


def repair_model(
    root: Layout, paths: ModelLayout, modes: Modes, mark: Event, *, dry_run: bool
) -> Iterator[CleanupItem]:
    """Mend one model, under its lock; each thing done is told. With ``dry_run`` only told.

    In this order: the stage table from its newest claim, the journal, the claim from the stage table, the modes of
    what is sealed, the links, what is left over. What can't be mended safely stays for a person: ``verify`` keeps
    naming it. ``mark`` is the event that a journal gets some of whose lines are lost for good.
    """
    state, older = _state(paths)
    each = _Repairer(root, paths, modes, state.table, dry_run)
    if older:
        yield each.apply(lambda: each.restore_table(state), each.table_words, paths.stages)
    yield from each.journal(mark)
    yield from each.claim()
    yield from each.stray_claims()
    yield from each.seals()
    yield from each.links()
    now = gc.server_time(paths.root, probe=not dry_run)
    for leftover in gc.find_garbage(root, paths, now, table=state.table):
        if not dry_run:
            removal.discard(pack_writer.move_garbage_to_trash(paths, modes, root.root / leftover.path), root.root)
        if dry_run or not files.exists(root.root / leftover.path):
            yield leftover


def restore_files(
    root: Layout, paths: ModelLayout, modes: Modes, lost: list[Restorable], *, dry_run: bool
) -> Iterator[CleanupItem]:
    """Restore files whose bytes the model still has, under its lock; each that was restored is told."""
    from . import restoration

    model = ModelReader(paths)
    for each in lost:
        words = "damaged file restored" if each.damaged else "missing file restored"
        if dry_run or restoration.restore(model, each, modes):
            yield CleanupItem(words, str((paths.files(each.number) / each.entry.path).relative_to(root.root)))


def _state(paths: ModelLayout) -> tuple[ModelState, bool]:
    """The stage table that is right, and whether ``stages.yaml`` is missing, torn or older: then a claim has it."""
    known: ModelState | None = None
    with contextlib.suppress(RegistryError, OSError):
        known = reader.load_state(paths.stages, layout.STAGES)
    newest = max(_claims(paths), key=lambda state: state.table.revision, default=None)
    last = journal.last_entry(paths.history)
    recorded = last.revision if last else 0
    if newest and newest.table.revision > (known.table.revision if known else -1):
        known, older = newest, True
    else:
        older = False
    if known is None or known.table.revision < recorded:
        raise Damaged(
            f"{paths.name}: stages.yaml can't be restored: no claim is as new as the journal (revision {recorded})",
            "restore stages.yaml from a backup",
        )
    return known, older


def _claims(paths: ModelLayout) -> Iterator[ModelState]:
    """Every claim that is whole."""
    for name in files.list_folder(paths.root):
        if (revision := layout.revision_of(name)) is not None:
            with contextlib.suppress(RegistryError, OSError):
                state = reader.load_state(paths.root / name, name)
                if state.table.revision == revision:
                    yield state


class _Repairer:
    """What is done, or would be done, to one model whose stage table is ``table``."""

    def __init__(self, root: Layout, paths: ModelLayout, modes: Modes, table: StageTable, dry_run: bool) -> None:
        self.root, self.paths, self.modes, self.table, self.dry_run = root, paths, modes, table, dry_run
        self.table_words = f"stage table restored from the claim of revision {table.revision}"

    def apply(self, step: Callable[[], object], words: str, path: Path) -> CleanupItem:
        if not self.dry_run:
            step()
        return CleanupItem(words, str(path.relative_to(self.root.root)))

    def restore_table(self, state: ModelState) -> None:
        if state.redo:
            path = self.paths.root / state.redo.path
            removal.replace(path, state.redo.data(), self.modes.file, self.root.root)
        data = documents.dumps(codec.table_document(state.table))
        removal.replace(self.paths.stages, data, self.modes.file, self.root.root)

    def journal(self, mark: Event) -> Iterator[CleanupItem]:
        """A torn last line gets its newline; events that the versions and the claims carry are added, none is changed."""
        path = self.paths.history
        if _is_torn(path):
            yield self.apply(lambda: _end_line(path), "journal: ended its torn last line", path)
        last = journal.last_entry(path)
        for event, highest, revision in self._missing(last, mark):
            last = _behind(last, self.paths, event, highest, revision)
            yield self.apply(lambda entry=last: self._append(entry), _added(event), path)  # type: ignore[misc]

    def _append(self, entry: JournalEntry) -> None:
        journal.append(self.paths.history, entry, self.modes.file)

    def _story(self) -> verify_journal.JournalReplay:
        data = b""
        with contextlib.suppress(FileNotFoundError):
            data = self.paths.history.read_bytes()
        story = verify_journal.replay(data, self.paths.name, verify_contents.ProblemCollector(self.paths.name))
        return story or verify_journal.JournalReplay()

    def _missing(self, last: JournalEntry | None, mark: Event) -> _Events:
        """Events that something on the disk carries and the journal does not tell, with the counters after them.

        Versions and tombstones first. Of the claims only those behind the last line: an older one, told now, would
        tell that a pointer went back. Where claims are missing in between, ``mark`` tells what the table was behind
        the gap: so an interrupted repair can be gone on with.
        """
        known = {entry.event.id for entry in journal.oldest_first(self.paths.history)}
        recorded = last.revision if last else 0
        claims = sorted(self._later(recorded), key=lambda state: state.table.revision)
        known |= {state.table.changed.id for state in claims if state.table.changed}
        highest = 0
        for number, event in self._carried():
            highest = max(highest, number)
            if event is not None and event.id not in known:
                yield event, highest, 0
        revisions = [recorded, *(state.table.revision for state in claims)]
        gaps = [after for before, after in pairwise(revisions) if after != before + 1]
        for state in claims:
            if gaps and state.table.revision == gaps[-1]:
                yield replace(mark, detail=_snapshot(state.table)), highest, state.table.revision - 1
            if state.table.changed:
                yield state.table.changed, highest, state.table.revision

    def _later(self, revision: int) -> list[ModelState]:
        later = {state.table.revision: state for state in (*_claims(self.paths), ModelState(self.table))}
        return [state for at, state in later.items() if revision < at <= self.table.revision]

    def _carried(self) -> Iterator[tuple[int, Event | None]]:
        """The numbers of all versions, and the events that they or their tombstones carry; None for an unreadable one."""
        model = ModelReader(self.paths)
        for number in sorted({*model.numbers(self.table), *self.table.deleted}):
            try:
                if number not in self.table.deleted:
                    yield number, model.sealed(number).event
                    continue
                tombstone = codec.load(self.paths.tombstone(number), "tombstone")
                yield number, Event.parse(tombstone["version"]["event"])
                yield number, Event.parse(tombstone["event"])
            except (RegistryError, OSError, KeyError, TypeError):
                yield number, None  # verify names what can't be read

    def claim(self) -> Iterator[CleanupItem]:
        """The copy of the stage table in its claim, when the journal says that it is the table that is right."""
        path, story = self.paths.claim(self.table.revision), self._story()
        right = not story.differences(self.table) and verify_journal.is_recorded(self.table, story)
        copied = any(state.table == self.table for state in _claims(self.paths))
        if not self.table.revision or not right or copied:
            return
        data = documents.dumps(codec.table_document(self.table))
        yield self.apply(
            lambda: removal.replace(path, data, self.modes.file, self.root.root),
            "claim made again from stages.yaml",
            path,
        )

    def stray_claims(self) -> Iterator[CleanupItem]:
        """Claims of later revisions that say they are an earlier one: copies, which no commit made."""
        for path, revision in verify_records.stray_claims(self.paths, self.table.revision):
            remove = partial(removal.remove, path, self.root.root)
            yield self.apply(remove, f"a copy of the claim of revision {revision} removed", path)

    def seals(self) -> Iterator[CleanupItem]:
        for number in ModelReader(self.paths).numbers(self.table):
            folder = self.paths.version(number)
            if folder.is_symlink() or not folder.is_dir():
                continue
            inside = sorted((Path(path), status.st_mode) for path, status in files.iter_tree(folder))
            for path, mode in ((folder, os.lstat(folder).st_mode), *inside):
                if stat.S_ISLNK(mode) or not mode & 0o222:
                    continue
                sealed = self.modes.sealed_folder if stat.S_ISDIR(mode) else self.modes.sealed_file
                yield from self.seal(path, sealed)
        for number in self.table.packed:
            pack = reader.pack_path(self.paths, number)
            if pack and os.lstat(pack).st_mode & 0o222 and not pack.is_symlink():
                yield from self.seal(pack, self.modes.sealed_file)

    def seal(self, path: Path, mode: int) -> Iterator[CleanupItem]:
        with contextlib.suppress(PermissionError):  # a teammate's: its owner can
            yield self.apply(lambda: removal.change_mode(path, self.root.root, mode), "made read-only again", path)

    def links(self) -> Iterator[CleanupItem]:
        folder, stages = self.paths.links, self.table.stages
        wanted = {stage: f"../versions/{number}" for stage, number in stages.items()}
        here = {name: _target(folder / name) for name in files.list_folder(folder) if not name.startswith(".")}
        wrong = sorted(name for name in here.keys() | wanted.keys() if here.get(name) != wanted.get(name))
        if wrong and not self.dry_run:
            Writer(self.paths, self.modes, self.table, None, 0).refresh_links()
        for name in wrong:
            if self.dry_run or _target(folder / name) == wanted.get(name, ""):
                yield CleanupItem("link set right", str((folder / name).relative_to(self.root.root)))


def _behind(last: JournalEntry | None, paths: ModelLayout, event: Event, highest: int, revision: int) -> JournalEntry:
    """An entry that never lets the counters of the journal go back."""
    if last:
        highest, revision = max(highest, last.highest), max(revision, last.revision)
    return journal.next_entry(last, event, highest, revision, journal.document_digest(paths, event))


def _added(event: Event) -> str:
    if event.action == "repaired":
        return "journal: lines are lost for good; added what the stage table was behind them"
    return f"journal: added '{event.action}' of {event.at}"


def _snapshot(table: StageTable) -> dict[str, object]:
    return {
        "stages": dict(table.stages),
        "aliases": dict(table.aliases),
        "archived": str(table.archived),
        "deleted": str(table.deleted),
        **({"packed": str(table.packed)} if table.packed else {}),
    }


def _is_torn(path: Path) -> bool:
    try:
        with files.open_file(path, path.name) as descriptor:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            return bool(end) and os.pread(descriptor, 1, end - 1) != b"\n"
    except FileNotFoundError:
        return False


def _end_line(path: Path) -> None:
    with files.open_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC) as descriptor:
        files.write_all(descriptor, b"\n")
        os.fsync(descriptor)


def _target(path: Path) -> str:
    """Where a link leads; empty when there is nothing by that name."""
    if path.is_symlink():
        return os.readlink(path)
    return "no link" if files.exists(path) else ""
