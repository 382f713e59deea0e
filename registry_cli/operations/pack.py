"""Compress archived versions and unpack them: all but the last step of each is done before the lock is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import dataclass, replace
from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.records import StageTable
from ..core.results import VersionsChanged
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, NotFound, RegistryError
from ..rules import stages as rules
from ..store import journal, reader
from ..store.filesystem import removal
from ..store.maintenance import gc
from ..store.packs import pack_writer
from ..store.writer import Writer
from .context import open_model
from .transaction import make_event, transaction

if TYPE_CHECKING:
    from pathlib import Path

    from ..store.packs.pack_writer import Pack
    from ..store.staging import StagingFolder
    from .context import RegistryContext

#: What the ids of the events of packing have behind that of their request, before the number of the version.
_SUFFIX = ":packed:"


@dataclass(frozen=True, eq=False, repr=False)
class PackRequest:
    """How and why versions are to be packed, under which request; ``given`` says that it may have been made before."""

    kind: str
    request_id: str
    given: bool
    reason: str = ""
    progress: Progress = SILENT


def find_packed(context: RegistryContext, name: str, wanted: PackRequest) -> VersionRanges:
    """The versions that this request has packed already."""
    if not wanted.given:
        return VersionRanges()
    entries = journal.oldest_first(context.layout.model(name).history, f'"id":"{wanted.request_id}{_SUFFIX}'.encode())
    return VersionRanges.from_numbers(entry.event.version or 0 for entry in entries if entry.event.action == "packed")


def pack_versions(
    context: RegistryContext,
    name: str,
    numbers: VersionRanges,
    wanted: PackRequest,
    outcomes: list[VersionsChanged],
    *,
    dry_run: bool = False,
) -> None:
    """Pack versions, each in a change of its own. The last of ``outcomes`` is updated after each."""
    model = open_model(context, name)
    table = model.state().table
    outcomes.append(VersionsChanged(name, "packed", tuple(numbers), table.revision, False))
    for number in numbers:
        if not dry_run:
            _pack_one(context, name, number, wanted, outcomes)
        elif number not in table.packed:
            pack_writer.ensure_owned(model.paths, number)
            _count_packed(outcomes, pack_writer.estimate_savings(model, number), table.revision)


def _count_packed(outcomes: list[VersionsChanged], freed: int, revision: int) -> None:
    so_far = outcomes[-1]
    outcomes[-1] = replace(so_far, revision=revision, changed=True, freed=so_far.freed + freed)


def _leave_out(outcomes: list[VersionsChanged], number: int) -> None:
    outcomes[-1] = replace(outcomes[-1], versions=tuple(each for each in outcomes[-1].versions if each != number))


def _pack_one(
    context: RegistryContext, name: str, number: int, wanted: PackRequest, outcomes: list[VersionsChanged]
) -> None:
    """Nothing is done to one that is packed already, nor to one that was restored or deleted meanwhile."""
    model = open_model(context, name)
    state = model.state()
    if number in state.table.packed:
        return
    try:
        rules.pack(state.table, name, number)
        pack_writer.ensure_owned(model.paths, number)
        before = gc.freed_by(model.paths, [number])[number]
        pack = pack_writer.write_pack(model, model.version(number, state), wanted.kind, context.modes, wanted.progress)
    except (Conflict, NotFound):
        _leave_out(outcomes, number)
        return
    try:
        event_id = f"{wanted.request_id}{_SUFFIX}{number}" if wanted.given else None
        with transaction(context, name, event_id, "packed") as (writer, done):
            if number in writer.table.packed or done:
                return  # this request packed it, and somebody restored it since: it is not packed again
            if number not in writer.table.archived:
                _leave_out(outcomes, number)
                return
            _commit_pack(context, writer, rules.pack(writer.table, name, number), pack, wanted)
            _count_packed(outcomes, before - pack.size, writer.table.revision)
            there = reader.pack_path(model.paths, number)  # unless somebody got past a broken lock
            trash = pack_writer.move_files_to_trash(model.paths, context.modes, number) if there else None
    finally:
        removal.discard(pack.temporary, context.root)
    gc.remove_packed(model.paths, [trash] if trash else [], number)


def _commit_pack(context: RegistryContext, writer: Writer, table: StageTable, pack: Pack, wanted: PackRequest) -> None:
    event = make_event(
        context, "packed", pack.number, f"{wanted.request_id}{_SUFFIX}{pack.number}", reason=wanted.reason
    )
    try:
        pack.commit()
        writer.move(table, event)
    except BaseException:
        with contextlib.suppress(OSError, RegistryError):  # nobody names it: don't leave it on a full disk
            if pack.number not in reader.read_state(writer.paths).table.packed:
                for trash in pack_writer.move_packs_to_trash(writer.paths, pack.number):
                    removal.discard(trash, context.root)
        raise


def unpack_versions(
    context: RegistryContext, stack: contextlib.ExitStack, name: str, refs: Iterable[Reference], progress: Progress
) -> dict[int, StagingFolder]:
    """Unpack versions into staging folders, which are removed when ``stack`` is closed."""
    model = open_model(context, name)
    state = model.state()
    staged: dict[int, StagingFolder] = {}
    for ref in refs if state.table.packed else ():
        try:
            number = model.resolve(ref.or_latest(), state.table)
        except NotFound:
            continue  # under the lock it may be the repetition of a request that was carried out
        if number in state.table.packed and number not in staged:
            pack_writer.ensure_owned(model.paths, number)
            staged[number] = pack_writer.unpack(model, model.version(number, state), context.modes, progress)
            stack.callback(staged[number].abandon)
    return staged


def restore_files(
    context: RegistryContext, writer: Writer, numbers: VersionRanges, staged: dict[int, StagingFolder]
) -> list[Path]:
    """Move unpacked files into place, before the commit; return what to remove after it."""
    if late := [number for number in numbers if number not in staged]:
        raise Conflict(f"{writer.paths.name}@{late[0]} was packed concurrently", "try again")
    trash = (pack_writer.restore_files(writer.paths, context.modes, number, staged[number]) for number in numbers)
    return [each for each in trash if each]


def remove_packs(writer: Writer, numbers: VersionRanges, staged: dict[int, StagingFolder]) -> list[Path]:
    """After the commit: link the files to blobs, and move the packs to the trash."""
    for number in numbers:
        writer.link_blobs(writer.paths.files(number), staged[number].entries)
    return [trash for number in numbers for trash in pack_writer.move_packs_to_trash(writer.paths, number)]
