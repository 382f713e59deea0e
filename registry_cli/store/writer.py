"""Changing a model: the write protocol. There are two commits in all the store.

- A version appears: its folder, filled and on the disk, is renamed to its number.
- A claim appears: ``.stages-<G+1>`` is linked to a stage table of revision G+1. Everything that is pointed, archived,
  deleted or said of a version later is such a claim. It is put-if-absent, so that two writers that got past a lock
  which a file system didn't keep collide instead of losing an update.

Each carries its own event. The journal, the links in ``stages/`` and ``blobs/`` are derived, and written after it.
Whether a commit happened is decided by looking at the disk (by inode), never by a flag: an error or a signal may
arrive between the system call and the next line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ..core.lazy_dataclass import dataclass, field, replace
from ..core.records import Event, FileEntry, JournalEntry, StageTable, VersionRecord
from ..core.version_ranges import VersionRanges
from ..core.yaml import documents
from ..errors import Conflict, RegistryError, indeterminate
from . import codec, history, journal, layout, manifest, reader
from .codec import Redo
from .filesystem import files, removal
from .filesystem.files import Modes
from .filesystem.removal import uninterrupted
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from .staging import StagingFolder

_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})
#: So many numbers at most are left out, for a version to keep the one that it had elsewhere.
MOST_PASSED_OVER = 10_000


def number_for(wanted: int | None, highest: int) -> int:
    """The number that a version gets which had ``wanted`` elsewhere, where ``highest`` was the last that was given."""
    return wanted if wanted and highest < wanted <= highest + MOST_PASSED_OVER else highest + 1


@dataclass
class Writer:
    """A model under its lock, recovered: ``table``, ``last`` and ``highest`` are what is on the disk.

    ``committed`` are the events of the completed commits.
    """

    paths: ModelLayout
    modes: Modes
    table: StageTable
    last: JournalEntry | None
    highest: int
    committed: list[Event] = field(default_factory=list)

    @classmethod
    def recover(cls, paths: ModelLayout, modes: Modes) -> Writer:
        """The first step of every write: finish what the writer before could not. O(1), and needs the lock.

        A newer claim is rolled forward; the event of the newest version and of the stage table is written to the
        journal if its last line does not know it. More than that no crash explains: it raises :class:`Damaged`.
        """
        state = reader.read_state(paths)
        writer = cls(paths, modes, state.table, journal.last_entry(paths.history), 0)
        if state.claimed:
            writer.roll_forward(state.redo)
        writer.highest = reader.highest(paths, state.table, writer.last)
        missing = history.pending_entries(paths, writer.table, writer.highest, writer.last)
        if missing:
            files.fsync_folder(paths.versions)  # the writer that died may not have come to this
            files.fsync_folder(paths.root)
        for entry in missing:
            writer._write(entry)
        writer.refresh_links()  # readers that follow them must not wait for the next change of a stage
        return writer

    def _append(self, event: Event | None, highest: int, revision: int) -> None:
        self._write(journal.next_entry_of(self.paths, self.last, event, highest, revision))

    def _write(self, entry: JournalEntry) -> None:
        journal.append(self.paths.history, entry, self.modes.file)
        self.last = entry

    def done_before(self, event_id: str, action: str) -> JournalEntry | None:
        """The entry of a request that was carried out before; :class:`Conflict` if it recorded another action."""
        entry = journal.find(self.paths.history, event_id)
        if entry and entry.event.action != action:
            raise Conflict(
                f"request {event_id} was already used for '{entry.event.action}' of {self.paths.name}",
                "use a request id for one request only",
            )
        return entry

    def skip_numbers(self, number: int, because: Event | None) -> None:
        """Let ``number``, which a version had elsewhere, be the next one, if it is higher than all here, and not too far.

        A line of the journal says that the numbers in between are never given; each has to be looked for.
        """
        if because is None or number == self.highest + 1 or number_for(number, self.highest) != number:
            return
        passed = str(VersionRanges(((self.highest + 1, number - 1),)))
        event = replace(because, id=f"{because.id}:numbers", action="passed-over", version=None)
        self._append(replace(event, detail={"versions": passed}), number - 1, self.table.revision)
        self.highest = number - 1

    def publish(self, staging: StagingFolder, record: VersionRecord) -> VersionRecord:
        """Make the staging folder a version with the next number; return ``record`` completed.

        Raises what went wrong when nothing happened, :class:`Indeterminate` when the version is there all the same.
        """
        data = manifest.dumps(staging.entries)
        files.write_new(staging.folder / layout.MANIFEST, data, self.modes.sealed_file)
        record = replace(record, digest=manifest.digest(data), size=staging.size, files=len(staging.entries))
        number = self.highest + 1
        while True:
            record = replace(record, number=number, event=record.event and replace(record.event, version=number))
            document = documents.dumps(codec.version_document(record))
            files.write_new(staging.folder / layout.VERSION, document, self.modes.sealed_file)
            removal.change_mode(staging.folder, self.paths.registry, self.modes.sealed_folder)
            files.fsync_folder(staging.folder)
            if self._commit_version(staging, record):
                return record
            removal.change_mode(staging.folder, self.paths.registry, 0o700)
            removal.remove(staging.folder / layout.VERSION, self.paths.registry)
            number += 1

    def _commit_version(self, staging: StagingFolder, record: VersionRecord) -> bool:
        """The rename, and what follows it. False when a writer that got past the lock has taken the number."""
        with uninterrupted():
            try:
                os.rename(staging.folder, self.paths.version(record.number))  # COMMIT
                files.fsync_folder(self.paths.versions)
                self.highest = record.number
                self._append(record.event, self.highest, self.table.revision)
                self.committed += [record.event] if record.event else []
            except BaseException as error:
                if not staging.is_there():
                    request_id = record.event.id if record.event else ""
                    raise indeterminate(f"{record.ref} is registered", request_id, error) from error
                if isinstance(error, OSError) and error.errno in _TAKEN:
                    return False
                raise
        self.link_blobs(self.paths.files(record.number), staging.entries)
        return True

    def link_blobs(self, folder: Path, entries: Iterable[FileEntry]) -> None:
        """Link files into ``blobs/`` by their digest. Derived: what can't be linked is only stored twice."""
        for entry in entries:
            blob = self.paths.blob(entry.sha256)
            with contextlib.suppress(OSError):
                if not files.exists(blob):
                    files.make_folder(blob.parent, self.modes.folder)
                    os.link(folder / entry.path, blob, follow_symlinks=False)

    def move(self, table: StageTable, event: Event, redo: Redo | None = None) -> StageTable:
        """Commit ``table`` as the next revision, with its event, and with the document of ``redo``.

        Raises what went wrong when nothing happened (:class:`Conflict` when a writer that got past the lock was
        faster), :class:`Indeterminate` when it is committed all the same.
        """
        table = table.with_(revision=self.table.revision + 1, changed=event)
        claim = self.paths.claim(table.revision)
        temporary = self.paths.root / layout.temporary_name()
        written: removal.Identity | None = None
        try:
            try:
                files.write_new(temporary, codec.dump_table(table, redo), self.modes.file)
                written = removal.identity(os.lstat(temporary))
                self._commit_claim(temporary, claim, table, redo)
            finally:
                removal.discard(temporary, self.paths.registry)
            removal.discard(self.paths.claim(table.revision - layout.CLAIMS_KEPT), self.paths.registry)
            self.refresh_links()
        except BaseException as error:
            mine = written is not None and removal.is_at(claim, written) is not False
            if isinstance(error, Conflict) or not mine:
                raise
            raise indeterminate(f"the change of {self.paths.name} is committed", event.id, error) from error
        return table

    def _commit_claim(self, temporary: Path, claim: Path, table: StageTable, redo: Redo | None) -> None:
        with uninterrupted():
            try:
                files.publish_new(temporary, claim)  # COMMIT
            except FileExistsError:
                message = f"{self.paths.name} was changed concurrently"
                raise Conflict(message, "check it and retry") from None
            if not self._was_finished_by_others(claim, table):
                self.table = table
                self.roll_forward(redo)
                self._append(table.changed, self.highest, table.revision)
            self.committed += [table.changed] if table.changed else []

    def _was_finished_by_others(self, claim: Path, table: StageTable) -> bool:
        """Whether other writers, past a broken lock, rolled our claim forward, as after a crash.

        After a long pause its name may be free only because the first claim of that revision was pruned. Readers are
        past that revision and never follow it: it changes nothing, and is a :class:`Conflict`.
        """
        known = reader.load_state(self.paths.stages, layout.STAGES).table
        if known.revision < table.revision:
            return False
        pruned = known.revision >= table.revision + layout.CLAIMS_KEPT
        if pruned and not (table.changed and journal.find(self.paths.history, table.changed.id)):
            removal.discard(claim, self.paths.registry)
            raise Conflict(f"{self.paths.name} was changed concurrently", "check it and retry")
        self.table, self.last = known, journal.last_entry(self.paths.history)
        return True

    def roll_forward(self, redo: Redo | None) -> None:
        """Write what the newest claim commits to where readers look first. Can be repeated."""
        files.fsync_folder(self.paths.root)  # the claim is on the disk before anything that follows from it
        if redo:
            removal.replace(self.paths.root / redo.path, redo.data(), self.modes.file, self.paths.registry)
        removal.replace(self.paths.stages, codec.dump_table(self.table), self.modes.file, self.paths.registry)

    def refresh_links(self) -> None:
        """Make the links in ``stages/``, for readers without this program. Derived."""
        wanted = {stage: f"../versions/{number}" for stage, number in self.table.stages.items()}
        removal.refresh_links(self.paths.links, wanted, self.paths.registry)

    def ensure_removable(self, number: int) -> None:
        """Raise an error, before anything is committed, if only its owner may remove a folder (``versions/`` is sticky)."""
        folder, around = os.stat(self.paths.version(number)), os.stat(self.paths.versions)
        if around.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, around.st_uid):
            raise RegistryError(
                f"{self.paths.name}@{number} belongs to another user; only the owner can remove its files",
                "archive it instead or ask its owner",
            )

    def build_tombstone(self, number: int, event: Event) -> Redo:
        """The tombstone of a version that is about to be deleted: its documents, as far as they can be read."""
        document: dict[str, object] = {"format": layout.FORMAT}
        try:
            document["version"] = codec.load(self.paths.version_document(number), layout.VERSION)
        except (OSError, RegistryError) as error:
            document["version"] = {"version": number, "unreadable": str(error)}
        try:
            document["said"] = reader.ModelReader(self.paths).annotation(number, reader.ModelState(self.table))
        except (OSError, RegistryError) as error:
            document["said"] = {"unreadable": str(error)}
        document["event"] = event.document()
        return Redo(self.paths.relative(self.paths.tombstone(number)), document)

    def move_to_trash(self, number: int) -> Path | None:
        """Move the folder of a deleted version to the trash; what is returned can be removed without the lock."""
        trash = self.paths.versions / layout.trash_name()
        try:
            removal.rename(self.paths.version(number), trash, self.paths.registry)
        except OSError:
            return None  # it is gone, or stays for ``gc``: its tombstone is what counts
        with contextlib.suppress(OSError):
            files.fsync_folder(self.paths.versions)
        return trash
