"""Reading a model: no lock, no write, and it works on a read-only mount.

A reader sees what was committed. It opens a folder anew before it looks into it (a network file system shows new
entries only then), and follows claims that are not rolled forward yet (see ``writer``).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..core.lazy_dataclass import dataclass, replace
from ..core.names import Selector
from ..core.records import Event, FileEntry, ModelRecord, StageTable, VersionRecord
from ..errors import Conflict, Damaged, InvalidInput, NotFound, RegistryError
from ..rules import stages as rules
from . import codec, layout, manifest
from .codec import Redo
from .filesystem import files
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..core.records import JournalEntry

#: Up to so many files, the size of an artifact is compared each time its path is handed out.
QUICK_CHECK_FILES = 1_000
#: The latest version is looked for one by one among so many; then the folder is listed.
_NEAR = 1_000
_SHOWN = "run 'registry list'"


@dataclass(frozen=True, eq=False, repr=False)
class ModelState:
    """A model's stage table as committed; ``redo`` is a document that is committed but not yet in its place.

    ``claimed`` says that the table comes from a claim, and is not in ``stages.yaml`` yet.
    """

    table: StageTable
    redo: Redo | None = None
    claimed: bool = False


class ModelReader:
    """One model of a registry. :class:`NotFound` if it isn't there."""

    def __init__(self, paths: ModelLayout) -> None:
        self.paths = paths
        self.name = paths.name
        if not is_model(paths):
            raise NotFound(f"model '{paths.name}' not found", _SHOWN)

    def state(self) -> ModelState:
        """The stage table, following claims that are newer than ``stages.yaml``."""
        return read_state(self.paths)

    def document(self, state: ModelState | None = None) -> dict[str, Any]:
        """``model.yaml``, or the claim that will become it."""
        redo = (state or self.state()).redo
        if redo and redo.path == layout.MODEL:
            return dict(redo.document)
        return codec.load(self.paths.model, f"{self.name}: model.yaml")

    def numbers(self, table: StageTable, highest: int | None = None) -> list[int]:
        """The numbers of all versions that are not deleted, in order, up to ``highest``."""
        found = (layout.version_of(name) for name in files.list_folder(self.paths.versions))
        numbers = sorted(number for number in found if number is not None and number not in table.deleted)
        return numbers if highest is None else [number for number in numbers if number <= highest]

    def latest(self, table: StageTable) -> int | None:
        """The highest version that is not archived; None if there is none."""
        newest = highest(self.paths, table)
        nearest = max(newest - _NEAR, 0)
        for number in range(newest, nearest, -1):
            if number not in table.archived and number not in table.deleted and self._has(number):
                return number
        in_use = (number for number in self.numbers(table, nearest) if number not in table.archived)
        return max(in_use, default=None) if nearest else None

    def _has(self, number: int) -> bool:
        return files.exists(self.paths.version(number))

    def resolve(self, selector: Selector, table: StageTable) -> int:
        """The number of the version that ``selector`` selects.

        Raises :class:`NotFound`; :class:`Damaged` when a stage or alias points to a version that is gone.
        """
        if selector.latest:
            number = self.latest(table)
            if number is None:
                ensure_exists(self.paths, table)
                raise NotFound(f"{self.name} has no active version", "see 'registry versions NAME --all'")
            return number
        if selector.digest:
            number = self._by_digest(selector.digest, table)
        else:
            number = rules.resolve_selector(table, self.name, selector)
        files.refresh_folder(self.paths.versions)
        if number in table.deleted:
            raise NotFound(
                f"{self.name}@{number} was deleted{self._tombstone(number)}", "version numbers are never reused"
            )
        if not self._has(number):
            if selector.name:
                raise Damaged(
                    f"{selector.name} of {self.name} points to version {number}, which is missing",
                    f"run 'registry verify {self.name}' for details",
                )
            raise NotFound(f"version {self.name}@{number} not found", f"run 'registry versions {self.name}'")
        return number

    def _tombstone(self, number: int) -> str:
        try:
            event = Event.parse(codec.load(self.paths.tombstone(number), "tombstone")["event"])
        except (OSError, Damaged, KeyError, TypeError):
            return ""  # the message is only shorter without it; verify reports a damaged tombstone
        return _when_and_why(event)

    def _by_digest(self, prefix: str, table: StageTable) -> int:
        digests = {number: manifest.digest(self._manifest_bytes(number)) for number in self.numbers(table)}
        found = {number: digest for number, digest in digests.items() if digest.startswith(prefix)}
        if not found:
            raise NotFound(f"no version of {self.name} has a digest that begins with {prefix}")
        if (count := len(set(found.values()))) > 1:
            raise InvalidInput(f"{count} digests of {self.name} begin with {prefix}", "use more digits")
        return max(found)

    def with_digest(self, digest: str, table: StageTable) -> int | None:
        """The newest version with this digest; None if there is none. One without a manifest is passed over."""
        for number in reversed(self.numbers(table)):
            with contextlib.suppress(Damaged, NotFound):
                if manifest.digest(self._manifest_bytes(number)) == digest:
                    return number
        return None

    def sealed(self, number: int) -> VersionRecord:
        """Version ``number`` as it was registered."""
        what = f"{self.name}@{number}: {layout.VERSION}"
        try:
            if self.paths.version(number).is_symlink():
                raise Damaged(f"{self.name}@{number} is a symbolic link, which is not followed here")
            document = codec.load(self.paths.version_document(number), what)
        except FileNotFoundError:
            if self._has(number):
                raise Damaged(f"{what} is missing", f"run 'registry verify {self.name}' for details") from None
            raise NotFound(f"version {self.name}@{number} not found", "it was removed concurrently") from None
        except NotADirectoryError:
            raise Damaged(f"{self.name}@{number} is a file, where a folder should be") from None
        return codec.parse_version(document, self.name, number, what, str(self.paths.files(number)))

    def seal(self, number: int) -> str:
        """The sha256 of ``version.yaml``, which covers all that was registered of a version."""
        path = self.paths.version_document(number)
        return manifest.digest(files.read(path, files.DOCUMENT_LIMIT, f"{self.name}@{number}"))

    def version(self, number: int, state: ModelState, *, annotated: bool = True) -> VersionRecord:
        """Version ``number`` with its pointers, and with its later annotations unless ``annotated`` is false."""
        return self.combine(self.sealed(number), self.annotation(number, state) if annotated else None, state.table)

    def combine(self, sealed: VersionRecord, annotation: dict[str, Any] | None, table: StageTable) -> VersionRecord:
        """A version as it was registered, with its annotation and what the stage table has of it."""
        number = sealed.number
        return replace(
            sealed if annotation is None else codec.overlay(sealed, annotation, f"annotations/{number}.yaml"),
            stages=table.stages_of(number),
            aliases=table.aliases_of(number),
            archived=number in table.archived,
            packed=pack_size(self.paths, number) if number in table.packed else None,
        )

    def annotation(self, number: int, state: ModelState) -> dict[str, Any]:
        """The later annotations of a version: ``annotations/N.yaml``, or the claim that will become it."""
        path = self.paths.annotation(number)
        if state.redo and state.redo.path == self.paths.relative(path):
            return dict(state.redo.document)
        try:
            return codec.load(path, f"{self.name}: annotations/{number}.yaml")
        except FileNotFoundError:
            return {}

    def deployments(self, state: ModelState) -> Mapping[str, Any]:
        """The entries of ``deployments.yaml`` by target, or of the claim that will become it."""
        redo, what = state.redo, f"{self.name}: {layout.DEPLOYMENTS}"
        if redo and redo.path == layout.DEPLOYMENTS:
            return codec.parse_deployments(redo.document, what)
        if not files.exists(self.paths.deployments):  # as for most models
            return {}
        return codec.parse_deployments(codec.load(self.paths.deployments, what), what)

    def mentions(self, number: int, word: bytes) -> bool:
        """Whether ``annotations/N.yaml`` has these bytes: cheaper than to read it as a document."""
        try:
            return word in files.read(self.paths.annotation(number), files.DOCUMENT_LIMIT, f"annotations/{number}.yaml")
        except FileNotFoundError:
            return False

    def manifest(self, record: VersionRecord) -> tuple[FileEntry, ...]:
        """The files of a version. :class:`Damaged` when the manifest does not match its sealed digest."""
        data = self._manifest_bytes(record.number)
        if manifest.digest(data) != record.digest:
            raise Damaged(
                f"{record.ref}: {layout.MANIFEST} does not match its sealed digest", "run 'registry verify' for details"
            )
        return manifest.loads(data, f"{record.ref}: {layout.MANIFEST}")

    def sidecar(self, record: VersionRecord, name: str) -> bytes | None:
        """A file beside ``version.yaml``; None when the version has none. :class:`Damaged` when it is not what was sealed."""
        digest = codec.sidecar_digests(record.lineage).get(name)
        if digest is None:
            return None
        what = f"{record.ref}: {name}"
        try:
            data = files.read(self.paths.version(record.number) / name, files.DOCUMENT_LIMIT, what)
        except FileNotFoundError:
            self.refuse_deleted(record.number)
            raise Damaged(f"{what} is missing", "run 'registry verify' for details") from None
        if manifest.digest(data) != digest:
            raise Damaged(f"{what} does not match its sha256", "run 'registry verify' for details")
        return data

    def _manifest_bytes(self, number: int) -> bytes:
        try:
            return files.read(self.paths.manifest(number), manifest.LIMIT, f"{self.name}@{number}: {layout.MANIFEST}")
        except FileNotFoundError:
            self.refuse_deleted(number)
            raise Damaged(
                f"{self.name}@{number}: {layout.MANIFEST} is missing", "run 'registry verify' for details"
            ) from None

    def refuse_deleted(self, number: int) -> None:
        """Raise :class:`NotFound` if the version was deleted, or the model renamed, meanwhile: that is not damage."""
        if not is_model(self.paths):
            raise NotFound(f"model '{self.name}' not found", _SHOWN)
        if not self._has(number) and number in self.state().table.deleted:
            raise NotFound(f"{self.name}@{number} was deleted concurrently{self._tombstone(number)}")

    def check_size(self, record: VersionRecord) -> None:
        """Raise :class:`Damaged` unless the files of a version have the sealed count and size, :class:`Conflict` if packed."""
        if record.packed is not None:
            raise _is_packed(record)
        if self.paths.files(record.number).is_symlink():
            raise Damaged(f"the files of {record.ref} are a symbolic link, which is not followed here")
        count, size = files.measure(self.paths.files(record.number))
        if (count, size) != (record.files, record.size):
            self.refuse_deleted(record.number)
            if record.number in self.state().table.packed:
                raise _is_packed(record)
            raise Damaged(
                f"{record.ref} was changed: files: {count:,} (stored {record.files:,}), bytes: {size:,} (stored {record.size:,})",
                f"do not use it; run 'registry verify {record.model}' for details",
            )

    def record(self, state: ModelState | None = None, highest: int | None = None, updated: str = "") -> ModelRecord:
        """The record of the model, with versions up to ``highest``; ``updated`` is read from the journal unless given."""
        state = state or self.state()
        document, table = self.document(state), state.table
        numbers = self.numbers(table, highest)
        in_use = [number for number in numbers if number not in table.archived]
        return ModelRecord(
            name=self.name,
            created=str(document.get("created", "")),
            owner=str(document.get("owner", "")),
            description=str(document.get("description", "")),
            tags=document.get("tags") or {},
            annotations=document.get("annotations") or {},
            versions=len(in_use),
            archived=len(numbers) - len(in_use),
            latest=in_use[-1] if in_use else None,
            stages=dict(table.stages),
            aliases=dict(table.aliases),
            revision=table.revision,
            id=codec.model_id(document),
            updated=updated or self._last_change(table) or str(document.get("created", "")),
            formerly=codec.former_names(document),
        )

    def _last_change(self, table: StageTable) -> str:
        from . import journal

        try:
            last = journal.last_entry(self.paths.history)
        except (RegistryError, OSError):  # a damaged journal hides no model
            last = None
        return max(last.event.at if last else "", table.changed.at if table.changed else "")


class ModelSnapshot:
    """A model as it was committed at one moment: each of its documents is read once, when it is first needed.

    ``locked`` is one under the model's lock, after the recovery: then nothing is committed that the journal lacks.
    """

    def __init__(self, model: ModelReader, state: ModelState | None = None, *, locked: bool = False) -> None:
        self.model, self.state, self.locked = model, state or model.state(), locked
        self.name, self.paths, self.table = model.name, model.paths, self.state.table
        #: What ``history.read_entries`` has read, by what its lines contain, and the last line of the journal then.
        self.entries: dict[bytes, list[JournalEntry]] = {}
        self.last: JournalEntry | None = None
        self._sealed: dict[int, VersionRecord] = {}
        self._annotations: dict[int, dict[str, Any]] = {}
        self._text: bytes | None = None

    def resolve(self, selector: Selector) -> int:
        return self.model.resolve(selector, self.table)

    def sealed(self, number: int) -> VersionRecord:
        if number not in self._sealed:
            self._sealed[number] = self.model.sealed(number)
        return self._sealed[number]

    def annotation(self, number: int) -> dict[str, Any]:
        if number not in self._annotations:
            self._annotations[number] = self.model.annotation(number, self.state)
        return self._annotations[number]

    def version(self, number: int) -> VersionRecord:
        """Version ``number`` with everything that is known of it."""
        return self.model.combine(self.sealed(number), self.annotation(number), self.table)

    def text(self, what: str) -> bytes:
        """The bytes of ``model.yaml``, or of the claim that will become it; ``what`` is what messages call it."""
        if self._text is None:
            redo = self.state.redo
            if redo and redo.path == layout.MODEL:
                self._text = redo.data()
            else:
                self._text = files.read(self.paths.model, files.DOCUMENT_LIMIT, what)
        return self._text

    def document(self) -> dict[str, Any]:
        what = f"{self.name}: {layout.MODEL}"
        return codec.loads(self.text(what), what)

    def highest(self) -> int:
        """The highest number ever given to a version, 0 before the first."""
        return highest(self.paths, self.table, self.last)

    def under_lock(self, table: StageTable, last: JournalEntry | None) -> ModelSnapshot:
        """The model now that it is locked: this snapshot, if nothing was committed since, else a new one."""
        if table == self.table and self.state.redo is None and (not self.entries or self.last == last):
            self.locked, self._text = True, None  # people edit model.yaml without the lock
            return self
        return ModelSnapshot(self.model, ModelState(table), locked=True)


def _is_packed(record: VersionRecord) -> Conflict:
    return Conflict(
        f"{record.ref} is packed and has no folder of files",
        f"run 'registry restore {record.ref}' to unpack it, or 'registry fetch {record.ref}' to copy the files",
    )


def load_state(path: Path, what: str) -> ModelState:
    """The stage table in ``stages.yaml`` or in a claim; ``what`` names it in errors."""
    return ModelState(*codec.parse_table(codec.load(path, what, layout.DELETED_FORMAT), what))


def read_state(paths: ModelLayout) -> ModelState:
    """The committed stage table of a model: ``stages.yaml``, or the newest claim behind it."""
    what = f"{paths.name}: {layout.STAGES}"
    try:
        state = load_state(paths.stages, what)
    except FileNotFoundError:
        if not is_model(paths):
            raise NotFound(f"{paths.name} was renamed or removed concurrently", _SHOWN) from None
        raise Damaged(
            f"{what} is missing", f"run 'registry repair {paths.name}' to restore it from its claims"
        ) from None
    with contextlib.suppress(FileNotFoundError):
        while True:
            revision = state.table.revision + 1
            what = f"{paths.name}: {layout.CLAIM}{revision}"
            state = replace(load_state(paths.claim(revision), what), claimed=True)
            if state.table.revision != revision:
                raise Damaged(f"{what} claims to be revision {state.table.revision}")
    return state


def highest(paths: ModelLayout, table: StageTable, last: JournalEntry | None = None) -> int:
    """The highest number ever given to a version, 0 before the first; in constant time.

    The search starts from the number in the journal's last line, which is read unless it is given as ``last``. Without
    a journal the whole folder is listed.
    """
    if last is None:
        from . import journal

        last = journal.last_entry(paths.history)
    found = max(table.deleted.highest, table.archived.highest, *table.stages.values(), 0)
    if last is None:
        listed = (layout.version_of(name) for name in files.list_folder(paths.versions))
        return max(found, max((number for number in listed if number is not None), default=0))
    found = max(found, last.highest)
    files.refresh_folder(paths.versions)
    while files.exists(paths.version(found + 1)):
        found += 1
    return found


def is_model(paths: ModelLayout) -> bool:
    """Whether this folder is a model: it has a ``model.yaml``, and no folder on the way is a symbolic link."""
    try:
        folders = [paths.root, paths.root.parent] if "/" in paths.name else [paths.root]
        return not any(folder.is_symlink() for folder in folders) and files.exists(paths.model)
    except NotADirectoryError:
        return False


def is_deleted(paths: ModelLayout, table: StageTable | None = None) -> bool:
    """Whether a model was deleted as a whole, and no version was registered under its name since."""
    table = table or read_state(paths).table
    if not table.records_deletion:
        return False
    listed = (layout.version_of(name) for name in files.list_folder(paths.versions))
    return all(number is None or number in table.deleted for number in listed)


def ensure_exists(paths: ModelLayout, table: StageTable) -> None:
    """Raise :class:`NotFound` for a deleted model."""
    if table.changed is not None and is_deleted(paths, table):
        raise NotFound(
            f"model '{paths.name}' was deleted{_when_and_why(table.changed)}",
            f"'registry history {paths.name}' shows its history",
        )


def _when_and_why(event: Event) -> str:
    reason = f": {event.detail['reason']}" if event.detail.get("reason") else ""
    return f" on {event.at[:10]} by {event.by}{reason}"


def pack_path(paths: ModelLayout, number: int) -> Path | None:
    """The path of a version's pack, None if there is none."""
    packs = (paths.pack(number, suffix) for suffix in layout.PACK_SUFFIXES)
    return next((pack for pack in packs if files.exists(pack)), None)


def pack_size(paths: ModelLayout, number: int) -> int:
    """The size of a version's pack in bytes, 0 if it is missing, which ``verify`` reports."""
    pack = pack_path(paths, number)
    return os.lstat(pack).st_size if pack else 0
