"""Registering a version: stage before the lock, commit under it, clean up by looking at the disk."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..core.lazy_dataclass import dataclass
from ..core.progress import Progress
from ..core.records import FileEntry, VersionRecord
from ..errors import Conflict, InvalidInput, NotFound, RegistryError, explain, indeterminate
from . import manifest, reader
from . import staging as ingest
from .creation import make_skeleton, remove_skeleton
from .filesystem import copying, files, removal
from .filesystem.files import Modes
from .layout import Layout, ModelLayout
from .reader import ModelReader, is_model
from .source_files import SourceFile
from .staging import StagingFolder
from .writer import Writer

#: How often the folders of a model are made again when a concurrent rename takes them away.
_ATTEMPTS = 100


@dataclass(frozen=True, eq=False, repr=False)
class RegisterOutcome:
    """``number`` of the version; ``why`` is empty when it is new, else why an earlier one was taken.

    ``warnings`` name files that were to be moved and are still there.
    """

    number: int
    why: str = ""
    added: int = 0
    warnings: tuple[str, ...] = ()


UNCHANGED = "unchanged"
KNOWN = "these files are already registered"
REPEATED = "this request was already executed"


@contextlib.contextmanager
def open_staging(root: Layout, paths: ModelLayout, modes: Modes, request_id: str) -> Iterator[StagingFolder]:
    """Make an empty staging folder for a new version; remove it in the end, unless it became a version.

    Raises:
        Conflict: The model was renamed meanwhile.
        NotFound: The model was renamed meanwhile, and has no successor of its name.
        Indeterminate: An error came after the commit, or after what may have been the commit.
    """
    staging = _make_staging(root, paths, modes)
    try:
        yield staging
    except RegistryError:
        raise
    except BaseException as error:
        if not staging.is_there():
            # A file is missing that only a staging folder has: the folder was removed, it did not become a version.
            inside = isinstance(error, OSError) and str(error.filename).startswith(f"{staging.folder}/")
            if isinstance(error, FileNotFoundError) and (not staging.complete or inside):
                kind = Conflict if is_model(paths) else NotFound  # where it has that name again, it is another model
                raise kind(f"{paths.name} was renamed during the registration", "see 'registry list'") from None
            raise indeterminate(f"{paths.name}: the version is registered", request_id, error) from error
        raise
    finally:
        if staging.is_there():  # when the disk doesn't say, it is not ours to remove
            staging.abandon()
            remove_skeleton(root, paths, modes)


def commit(
    writer: Writer,
    staging: StagingFolder,
    record: VersionRecord,
    *,
    repeatable: bool = True,
    if_changed: bool = False,
    if_new: bool = False,
    number: int | None = None,
) -> RegisterOutcome:
    """Make a version of what is staged, unless an existing version is taken instead. Under the lock.

    Args:
        writer: The model, locked and recovered.
        staging: The files, complete and on the disk.
        record: The version without its number, digest, size and count of files, with its event.
        repeatable: The request may have been carried out before: search the journal for it.
        if_changed: Take the latest version if it has exactly these files.
        if_new: Take any version that has exactly these files.
        number: The number that the version had elsewhere, kept if it is higher than all that were given here.
    """
    if repeatable and record.event and (before := writer.done_before(record.event.id, "registered")):
        return RegisterOutcome(before.event.version or 0, REPEATED)
    if if_changed or if_new:
        digest, model = manifest.digest(manifest.dumps(staging.entries)), ModelReader(writer.paths)
        if if_changed and (latest := model.latest(writer.table)) and model.sealed(latest).digest == digest:
            return RegisterOutcome(latest, UNCHANGED)  # somebody else may have registered them while we copied
        if if_new and (known := model.with_digest(digest, writer.table)):
            return RegisterOutcome(known, KNOWN)
    if number and record.event:
        writer.skip_numbers(number, record.event)
    return RegisterOutcome(writer.publish(staging, record).number, added=staging.added)


class Preview(NamedTuple):
    """The version that files would become; ``added`` are the bytes that would be stored anew."""

    number: int
    entries: list[FileEntry]
    size: int
    added: int


def preview(root: Layout, paths: ModelLayout, sources: Sequence[SourceFile], how: str, progress: Progress) -> Preview:
    """Hash the files where they are, and find the number that they would get; nothing is written."""
    entries, size, added = [], 0, 0
    progress.expect(sum(source.size for source in sources))
    for source in sources:
        if source.origin is None:
            raise InvalidInput("standard input can't be read in a dry run", "write it to a file first")
        with ingest.open_source(source.origin) as descriptor:
            before = copying.file_state(descriptor)
            sha256, read = copying.copy_and_hash(descriptor, None, source.size, progress)
            copying.ensure_unchanged(descriptor, before, source.path)
        entries.append(FileEntry(source.path, sha256))
        size += read
        added += read if how == "copy" and not files.exists(paths.blob(sha256)) else 0
    place = next(each for each in (paths.versions, paths.root, paths.root.parent, root.models) if files.exists(each))
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    ingest.ensure_free(place, added)
    number = reader.highest(paths, reader.read_state(paths).table) + 1 if is_model(paths) else 1
    return Preview(number, entries, size, added)


def remove_sources(staging: StagingFolder) -> Iterator[str]:
    """Remove the user's files that were stored. What can't be removed, or is not what was stored, stays and is named."""
    for origin, before in staging.sources:
        try:
            removal.remove_exactly(origin, before[:2], check=lambda status: copying.state_of(status) == before)  # noqa: B023
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"'{origin}' is stored, but was not removed: {explain(error)}"


def _make_staging(root: Layout, paths: ModelLayout, modes: Modes) -> StagingFolder:
    first = not is_model(paths)
    for _ in range(_ATTEMPTS):  # a rename, or who gave up, may take the folders away between the two steps
        with contextlib.suppress(FileNotFoundError):
            make_skeleton(root, paths, modes)
            return StagingFolder.make(paths, first=first)
    raise Conflict(f"{paths.name} is being renamed continuously", "try again")


def read_latest(paths: ModelLayout) -> VersionRecord | None:
    """The latest version, to compare with; None if there is none."""
    if not is_model(paths):
        return None
    model = ModelReader(paths)
    state = model.state()
    number = model.latest(state.table)
    return None if number is None else model.version(number, state)


def has_same_files(newest: VersionRecord, sources: Sequence[SourceFile]) -> bool:
    """Whether ``sources`` are what the newest version holds. They are only read when count and size fit."""
    if (len(sources), sum(source.size for source in sources)) != (newest.files, newest.size):
        return False
    entries = []
    for source in sources:
        if source.origin is None:
            return False
        with ingest.open_source(source.origin) as descriptor:
            entries.append(FileEntry(source.path, copying.copy_and_hash(descriptor, None, source.size)[0]))
    return manifest.digest(manifest.dumps(entries)) == newest.digest


#: What can be stored of a version after it was registered; all else is sealed.
LATER = ("metrics", "tags", "annotations")
#: The ids of the models that ``parents`` names; a part of these, and reported as such.
_IDENTITIES = "parent_models"


class Unstored(NamedTuple):
    """What a version does not have: ``later`` can be stored now, by kind; ``sealed`` names what can't be changed."""

    later: dict[str, dict[str, Any]]
    sealed: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of it: ``metrics.auc``, ``tags.team``, ``params.depth``, ``message``, ``lineage.parents``."""
        return (*(f"{kind}.{name}" for kind, given in self.later.items() for name in given), *self.sealed)


def compare_unstored(given: VersionRecord, version: VersionRecord, lineage: Mapping[str, Any]) -> Unstored:
    """What of a registration ``version``, which holds the same files, does not have as it is now.

    ``given`` is the record of the registration; ``lineage`` was given for it, and does not come from the capture.
    """
    later = {kind: dict(_iter_differing(getattr(given, kind), getattr(version, kind))) for kind in LATER}
    sealed = [f"params.{name}" for name, _ in _iter_differing(given.params, version.params)]
    if given.message and given.message != version.message:
        sealed.append("message")
    compared = {name: value for name, value in lineage.items() if name != _IDENTITIES}
    sealed += _iter_lineage_differences(compared, version.lineage, "lineage")
    if "lineage.parents" not in sealed and _has_other_parents(lineage, version.lineage):
        sealed.append("lineage.parents")
    return Unstored({kind: found for kind, found in later.items() if found}, tuple(sealed))


def _has_other_parents(given: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether parents of the same names are other models; those that were stored before models had ids are equal."""
    ids, stored = given.get(_IDENTITIES), there.get(_IDENTITIES)
    if not isinstance(ids, Mapping) or not isinstance(stored, Mapping):
        return False
    return any(stored.get(ref, identity) != identity for ref, identity in ids.items())


def _iter_differing(given: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in given.items() if name not in there or not _is_same(value, there[name]))


def _is_same(value: Any, stored: Any) -> bool:
    """Whether two values are equal; unlike in Python, ``true`` is not 1."""
    return bool(value == stored) and isinstance(value, bool) == isinstance(stored, bool)


def _iter_lineage_differences(given: Mapping[str, Any], there: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in given.items():
        stored = there.get(name)
        if isinstance(value, Mapping) and isinstance(stored, Mapping):
            yield from _iter_lineage_differences(value, stored, f"{path}.{name}")
        elif not _is_same(value, stored) and not (isinstance(stored, str) and stored.startswith(f"{value} ")):
            yield f"{path}.{name}"  # of 'sklearn', what is stored may be 'sklearn 1.5.2'
