"""Repairing what can be repaired safely: derived files, and the record of what is there. No artifact is touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, product
from pathlib import Path

from ...core.lazy_dataclass import replace
from ...core.records import Event, JournalEntry, StageTable
from ...core.results import CleanupItem
from ...errors import Damaged, RegistryError
from ...rules.deployments import replay
from .. import codec, journal, layout, reader
from ..codec import Redo
from ..filesystem import files, removal
from ..filesystem.files import Modes
from ..layout import ModelLayout
from ..packs import pack_writer
from ..reader import ModelReader, ModelState
from ..verify import verify_journal, verify_records
from ..writer import Writer
from . import gc, restoration
from .restoration import Restorable

_Events = Iterator[tuple[Event, int, int]]
#: The parts of a stage table that the event of a repair records.
_RECORDED = ("stages", "aliases", "archived", "deleted", "packed")


def repair_model(paths: ModelLayout, modes: Modes, mark: Event, *, dry_run: bool) -> Iterator[CleanupItem]:
    """Repair one model, under its lock, and yield each thing that was done, or with ``dry_run`` would be.

    In this order: the stage table from its newest claim, the journal, the claim from the stage table, the modes of
    what is sealed, the links, what is left over. What can't be repaired safely stays, and ``verify`` reports it.
    ``mark`` is the event for a journal that permanently lost lines.
    """
    state, older = _state(paths)
    repairer = _Repairer(paths, modes, state.table, dry_run)
    if older:
        words = f"stage table restored from the claim of revision {state.table.revision}"
        yield repairer.apply(lambda: repairer.writer.roll_forward(state.redo), words, paths.stages)
    yield from repairer.lines()
    yield from repairer.journal(mark)
    yield from repairer.deployments()
    yield from repairer.claim()
    yield from repairer.stray_claims()
    yield from repairer.seals()
    yield from repairer.links()
    now, root = gc.server_time(paths.root, probe=not dry_run), paths.registry
    for leftover in gc.find_garbage(paths, now, table=state.table):
        if not dry_run:
            removal.discard(pack_writer.move_garbage_to_trash(paths, modes, root / leftover.path), root)
        if dry_run or not files.exists(root / leftover.path):
            yield leftover


def restore_files(paths: ModelLayout, modes: Modes, lost: list[Restorable], *, dry_run: bool) -> Iterator[CleanupItem]:
    """Restore files whose bytes the model still has, under its lock, and yield each that was restored."""
    model = ModelReader(paths)
    for each in lost:
        words = "damaged file restored" if each.damaged else "missing file restored"
        if dry_run or restoration.restore(model, each, modes):
            yield CleanupItem(words, str((paths.files(each.number) / each.entry.path).relative_to(paths.registry)))


def _state(paths: ModelLayout) -> tuple[ModelState, bool]:
    """The newest stage table, and whether a claim has it: then ``stages.yaml`` is missing, torn or older."""
    known: ModelState | None = None
    with contextlib.suppress(RegistryError, OSError):
        known = reader.load_state(paths.stages, layout.STAGES)
    newest = max(_claims(paths), key=lambda state: state.table.revision, default=None)
    last = journal.last_entry(paths.history)
    recorded = last.revision if last else 0
    older = newest is not None and newest.table.revision > (known.table.revision if known else -1)
    known = newest if older else known
    if known is None or known.table.revision < recorded:
        raise Damaged(
            f"{paths.name}: cannot restore stages.yaml: no claim is as recent as the journal (revision {recorded})",
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
    """The repairs of one model whose stage table is ``table``."""

    def __init__(self, paths: ModelLayout, modes: Modes, table: StageTable, dry_run: bool) -> None:
        self.paths, self.modes, self.table, self.dry_run = paths, modes, table, dry_run
        self.root = paths.registry
        self.writer = Writer(paths, modes, table, None, 0)
        self.restored: set[str] = set()  # the ids of events whose lines were restored

    def apply(self, step: Callable[[], object], words: str, path: Path) -> CleanupItem:
        if not self.dry_run:
            step()
        return CleanupItem(words, str(path.relative_to(self.root)))

    def journal(self, mark: Event) -> Iterator[CleanupItem]:
        """End a torn last line, and append the events of versions and claims that are missing. No line is changed."""
        path = self.paths.history
        if journal.measure(path)[1]:
            yield self.apply(partial(_end_line, path), "journal: terminated the incomplete last line", path)
        last = journal.last_entry(path)
        for event, *counters in self._missing(last, mark):
            before = (last.highest, last.revision) if last else (0, 0)  # the counters of the journal never go back
            highest, revision = map(max, counters, before)
            last = journal.next_entry_of(self.paths, last, event, highest, revision)
            words = f"journal: added '{event.action}' of {event.at}"
            if event.action == "repaired":
                words = "journal: lines are permanently lost; added the current stage table"
            yield self.apply(partial(journal.append, path, last, self.modes.file), words, path)

    def lines(self) -> Iterator[CleanupItem]:
        """Restore lines of the journal that were changed or removed, each between two whole ones."""
        path = self.paths.history
        while number := journal.find_break(lines := journal.read_lines(path)):
            data = self._restore_line(lines, number)
            if data is None:
                return
            replace_file = partial(removal.replace, path, data, self.modes.file, self.root)
            yield self.apply(replace_file, f"journal: restored line {number}", path)
            if self.dry_run:
                return

    def _restore_line(self, lines: list[bytes], number: int) -> bytes | None:
        """The journal with this line restored, if a document or claim has its event: the line after has its hash."""
        before = next((entry for line in reversed(lines[: number - 1]) if (entry := journal.decode(line))), None)
        rest = enumerate(lines[number - 1 :], number - 1)
        end, after = next(((at, entry) for at, line in rest if (entry := journal.decode(line))), (0, None))
        if after is None:
            return None
        known = {entry.event.id for line in lines if (entry := journal.decode(line))}
        highest, revision = (before.highest, before.revision) if before else (0, 0)
        for event in (*(state.table.changed for state in _claims(self.paths)), *(each for _, each in self._carried())):
            if event is None or event.id in known:
                continue
            for counters in product({highest, event.version or 0}, {revision, revision + 1}):
                entry = journal.next_entry_of(self.paths, before, event, *counters)
                if entry.hash == after.prev:
                    self.restored.add(event.id)
                    return b"\n".join([*lines[: number - 1], journal.encode(entry), *lines[end:]])
        return None

    def _story(self) -> verify_journal.JournalReplay:
        data = b""
        with contextlib.suppress(FileNotFoundError):
            data = self.paths.history.read_bytes()
        story = verify_journal.replay(data, self.paths.name, verify_journal.ProblemCollector(self.paths.name))
        return story or verify_journal.JournalReplay()

    def _missing(self, last: JournalEntry | None, mark: Event) -> _Events:
        """Events of documents on the disk that the journal does not have, with the counters after them.

        Versions and tombstones first. Of the claims only those after the last line: an older one, appended now, would
        move a pointer back. Where claims are missing in between, ``mark`` records the table after the gap: so an
        interrupted repair can be continued.
        """
        known = {entry.event.id for entry in journal.oldest_first(self.paths.history)} | self.restored
        recorded = last.revision if last else 0
        states = {state.table.revision: state for state in (*_claims(self.paths), ModelState(self.table))}
        claims = [states[at] for at in sorted(states) if recorded < at <= self.table.revision]
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
                document = codec.table_document(state.table)
                detail = {key: document[key] for key in _RECORDED if key in document}
                with contextlib.suppress(RegistryError, OSError):  # verify reports what can't be read
                    detail |= {"deployments": found} if (found := ModelReader(self.paths).deployments(state)) else {}
                yield replace(mark, detail=detail), highest, state.table.revision - 1
            if state.table.changed:
                yield state.table.changed, highest, state.table.revision

    def _carried(self) -> Iterator[tuple[int, Event | None]]:
        """The numbers of all versions, and the events of them or their tombstones; None for an unreadable one."""
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
                yield number, None  # verify reports what can't be read

    def claim(self) -> Iterator[CleanupItem]:
        """Restore the copy of the stage table in its claim, if the journal confirms the table."""
        path, story = self.paths.claim(self.table.revision), self._story()
        right = not story.differences(self.table) and verify_journal.is_recorded(self.table, story)
        copied = any(state.table == self.table for state in _claims(self.paths))
        if not self.table.revision or not right or copied:
            return
        replace_claim = partial(removal.replace, path, codec.dump_table(self.table), self.modes.file, self.root)
        yield self.apply(replace_claim, "claim recreated from stages.yaml", path)

    def deployments(self) -> Iterator[CleanupItem]:
        """Write ``deployments.yaml`` again from the journal if it is missing or changed, and the result is what was sealed."""
        path, sealed = self.paths.deployments, self._story().sealed.get(layout.DEPLOYMENTS)
        events = [entry.event for entry in journal.oldest_first(self.paths.history)]
        data = Redo(layout.DEPLOYMENTS, codec.deployments_document(replay(events))).data()
        if sealed != hashlib.sha256(data).hexdigest():
            return
        if not files.exists(path) or path.is_symlink() or files.read(path, files.DOCUMENT_LIMIT, path.name) != data:
            write = partial(removal.replace, path, data, self.modes.file, self.root)
            yield self.apply(write, "deployments written again from the journal", path)

    def stray_claims(self) -> Iterator[CleanupItem]:
        """Remove copies of claims under the names of later revisions, which no commit made."""
        for path, revision in verify_records.stray_claims(self.paths, self.table.revision):
            remove = partial(removal.remove, path, self.root)
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
                yield from self.seal(path, self.modes.sealed_folder if stat.S_ISDIR(mode) else self.modes.sealed_file)
        for number in self.table.packed:
            pack = reader.pack_path(self.paths, number)
            if pack and os.lstat(pack).st_mode & 0o222 and not pack.is_symlink():
                yield from self.seal(pack, self.modes.sealed_file)

    def seal(self, path: Path, mode: int) -> Iterator[CleanupItem]:
        with contextlib.suppress(PermissionError):  # a teammate's: its owner can
            yield self.apply(partial(removal.change_mode, path, self.root, mode), "made read-only again", path)

    def links(self) -> Iterator[CleanupItem]:
        folder, stages = self.paths.links, self.table.stages
        wanted = {stage: f"../versions/{number}" for stage, number in stages.items()}
        here = {name: _target(folder / name) for name in files.list_folder(folder) if not name.startswith(".")}
        wrong = sorted(name for name in here.keys() | wanted.keys() if here.get(name) != wanted.get(name))
        if wrong and not self.dry_run:
            self.writer.refresh_links()
        for name in wrong:
            if self.dry_run or _target(folder / name) == wanted.get(name, ""):
                yield CleanupItem("link corrected", str((folder / name).relative_to(self.root)))


def _end_line(path: Path) -> None:
    with files.open_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC) as descriptor:
        files.write_all(descriptor, b"\n")
        os.fsync(descriptor)


def _target(path: Path) -> str:
    """Where a link leads; empty when there is nothing by that name."""
    if path.is_symlink():
        return os.readlink(path)
    return "no link" if files.exists(path) else ""
