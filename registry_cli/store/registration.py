"""Registering a version: stage before the lock, commit under it, tidy up by looking at the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from ..core.lazy_dataclass import dataclass, replace
from ..core.progress import SILENT, Progress
from ..core.records import FileEntry, VersionRecord
from ..errors import Conflict, NotFound, RegistryError, explain, indeterminate
from . import manifest
from . import staging as ingest
from .creation import make_skeleton, remove_skeleton
from .filesystem import copying, removal
from .filesystem.files import Modes
from .layout import Layout, ModelLayout
from .reader import ModelReader, ModelState, is_model
from .source_files import SourceFile
from .staging import CopyOptions, StagingFolder
from .writer import Writer

#: Takes the model's lock, makes the model if it isn't there and that is wanted, recovers it.
Locked = Callable[[bool], "contextlib.AbstractContextManager[Writer]"]

#: So many times the folders of a model are made that a rename takes away.
_ATTEMPTS = 100


@dataclass(frozen=True, eq=False, repr=False)
class RegisterRequest:
    """What is to be registered. ``describe`` gives the record of a version for a number and what is staged.

    ``examine`` looks at the staged files, before the lock: it may refuse them, and what it finds is for ``describe``.
    ``repeatable`` says that the request may have been carried out before: only then the journal is searched for it.
    ``if_new`` takes any version with just these files instead. ``number`` is the one that it had elsewhere: it is kept
    if it is higher than all that were given here. ``bring`` fills the staging folder in place of ``sources``.
    """

    describe: Callable[[int], VersionRecord]
    request_id: str
    sources: Sequence[SourceFile] = ()
    repeatable: bool = True
    if_changed: bool = False
    how: str = "copy"
    progress: Progress = SILENT
    examine: Callable[[StagingFolder], None] = lambda _: None
    if_new: bool = False
    number: int | None = None
    bring: Callable[[StagingFolder, CopyOptions], None] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class RegisterOutcome:
    """``number`` of the version; ``why`` is empty when it is new, else why an earlier one was taken.

    ``warnings`` tell of files that were to be moved and are still there.
    """

    number: int
    why: str = ""
    added: int = 0
    warnings: tuple[str, ...] = ()


UNCHANGED = "unchanged"
KNOWN = "these files are here already"
REPEATED = "request was carried out before"


def register(
    root: Layout, paths: ModelLayout, modes: Modes, request: RegisterRequest, locked: Locked
) -> RegisterOutcome:
    """Carry out ``request``. Nothing that is slow happens under the lock.

    Raises what went wrong when nothing happened; :class:`Indeterminate` when the version is there, or may be.
    """
    newest = _latest_record(paths)
    if request.if_changed and newest and _is_same_as(newest, request.sources):
        return RegisterOutcome(newest.number, UNCHANGED)
    with stage(root, paths, modes, request, newest) as staging:
        return commit(staging, request, locked)


@contextlib.contextmanager
def stage(
    root: Layout, paths: ModelLayout, modes: Modes, request: RegisterRequest, newest: VersionRecord | None = None
) -> Iterator[StagingFolder]:
    """The files of a wish in a staging folder, examined. It is removed in the end, unless it became a version."""
    staging, whole = _make_staging(root, paths, modes), False
    try:
        near = paths.files(newest.number) if newest else None
        intake = CopyOptions(paths, modes, near, request.how, request.progress)
        if request.bring:
            request.bring(staging, intake)
        else:
            ingest.fill(staging, request.sources, intake)
        request.examine(staging)
        whole = True
        yield staging
    except RegistryError:
        raise
    except BaseException as error:
        if not _is_there(staging):
            if isinstance(error, FileNotFoundError) and (not whole or _is_inside(error, staging)):
                kind = Conflict if is_model(paths) else NotFound  # where it has that name again, it is another model
                raise kind(f"{paths.name} was renamed while the version came in", "registry list tells more") from None
            raise indeterminate(f"{paths.name}: the version is registered", request.request_id, error) from error
        raise
    finally:
        if _is_there(staging):
            staging.abandon()
            remove_skeleton(root, paths, modes)


def commit(staging: StagingFolder, request: RegisterRequest, locked: Locked) -> RegisterOutcome:
    """Make a version of what is staged, unless one is taken that is there already."""
    with locked(staging.first) as writer:
        outcome = _commit(writer, staging, request)
    if request.how == "move" and not outcome.why:
        return replace(outcome, warnings=tuple(_remove_sources(staging)))
    return outcome


def _remove_sources(staging: StagingFolder) -> Iterator[str]:
    """Remove the user's files that were stored. What can't be removed, or is not what was stored, stays and is named."""
    for origin, before in staging.sources:
        try:
            removal.remove_exactly(origin, before[:2], check=lambda status: copying.state_of(status) == before)  # noqa: B023
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"'{origin}' is stored, but was not removed: {explain(error)}"


def _commit(writer: Writer, staging: StagingFolder, request: RegisterRequest) -> RegisterOutcome:
    if request.repeatable and (before := writer.done_before(request.request_id, "registered")):
        return RegisterOutcome(before.event.version or 0, REPEATED)
    if request.if_changed and (same := _latest_if_same(writer, staging.entries)):
        return RegisterOutcome(same, UNCHANGED)
    if request.if_new and (known := find_version_with_files(writer, staging.entries)):
        return RegisterOutcome(known, KNOWN)
    if request.number:
        writer.skip_numbers(request.number, request.describe(request.number).event)
    record = writer.publish(staging, lambda number: writer.with_hash(request.describe(number), staging))
    return RegisterOutcome(record.number, added=staging.added)


def _latest_if_same(writer: Writer, entries: Sequence[FileEntry]) -> int | None:
    """The latest version, if it has just these files: somebody else may have registered them while we copied."""
    model = ModelReader(writer.paths)
    number = model.latest(writer.table)
    if number is None:
        return None
    same = model.version(number, ModelState(writer.table)).digest == manifest.digest(manifest.dumps(entries))
    return number if same else None


def find_version_with_files(writer: Writer, entries: Sequence[FileEntry]) -> int | None:
    """The newest version that has just these files."""
    return ModelReader(writer.paths).with_digest(manifest.digest(manifest.dumps(entries)), writer.table)


def _is_there(staging: StagingFolder) -> bool:
    """Whether the staging folder is still ours to remove. When the disk doesn't say, it is not."""
    try:
        return staging.is_there()
    except OSError:
        return False


def _is_inside(error: OSError, staging: StagingFolder) -> bool:
    """Whether a file was missed that only a staging folder holds: then it was taken away, and is no version."""
    return str(error.filename).startswith(f"{staging.folder}/")


def _make_staging(root: Layout, paths: ModelLayout, modes: Modes) -> StagingFolder:
    first = not is_model(paths)
    for _ in range(_ATTEMPTS):  # a rename, or who gave up, may take the folders away between the two steps
        with contextlib.suppress(FileNotFoundError):
            make_skeleton(root, paths, modes)
            return StagingFolder.make(paths, first=first)
    raise Conflict(f"{paths.name} is being renamed all the time", "try again")


def _latest_record(paths: ModelLayout) -> VersionRecord | None:
    """The latest version, to compare with; None if there is none that can be read."""
    if not is_model(paths):
        return None
    model = ModelReader(paths)
    state = model.state()
    number = model.latest(state.table)
    return None if number is None else model.version(number, state)


def _is_same_as(newest: VersionRecord, sources: Sequence[SourceFile]) -> bool:
    """Whether ``sources`` are what the newest version holds. They are only read when count and size fit."""
    if any(source.origin is None for source in sources):
        return False
    if (len(sources), sum(source.size for source in sources)) != (newest.files, newest.size):
        return False
    entries = []
    for source in sources:
        assert source.origin is not None  # noqa: S101 - looked at above
        with ingest.open_source(source.origin) as descriptor:
            entries.append(FileEntry(source.path, copying.copy_and_hash(descriptor, None, source.size)[0]))
    return manifest.digest(manifest.dumps(entries)) == newest.digest
