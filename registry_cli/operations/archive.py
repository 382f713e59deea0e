"""Archive, restore and delete versions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Union

from .. import operations
from ..core import names
from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.records import MODEL_DELETED, JournalEntry
from ..core.results import VersionsChanged
from ..core.values import OneOrMore, as_list
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, Indeterminate, InvalidInput, indeterminate
from ..rules import retention as lineages
from ..rules import rollback
from ..rules import stages as rules
from ..rules.deployments import check_not_deployed
from ..store import codec, history
from ..store.filesystem import removal
from ..store.maintenance import gc
from ..store.packs import pack_format, pack_writer
from ..store.reader import ModelReader, ensure_exists
from ..store.writer import Writer
from .context import open_model
from .pack import PackRequest, find_packed, pack_versions, remove_packs, restore_files, unpack_versions
from .transaction import make_event, resolve_target, take_snapshot, transaction

if TYPE_CHECKING:
    from ..store.reader import ModelSnapshot
    from .context import RegistryContext

References = OneOrMore[Union[str, Reference]]


def archive(
    context: RegistryContext,
    refs: References,
    *,
    reason: str = "",
    force: bool = False,
    compress: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
    progress: Progress = SILENT,
) -> list[VersionsChanged]:
    """Archive versions: they are kept, hidden, and can be restored. One change per model.

    Args:
        force: Also versions that a rollback would go to; needs a ``reason``.
        compress: ``gzip`` or ``zstd``: pack each version after that, in a change of its own.
        progress: Called with the number of bytes that were packed.

    Returns:
        One outcome per model, followed by that of packing.

    Raises:
        Conflict: A stage or alias points to a version, or a rollback would go to it.
        Damaged: The files of a version are not as they were stored; it is not packed.
        Refused: zstd is not available.
    """
    _check_force(force, reason)
    if compress:
        pack_format.ensure_supported(compress)
    wanted = PackRequest(
        compress, request_id or os.urandom(16).hex(), request_id is not None, reason, progress=progress
    )
    by_model = _group_by_model(refs)
    if len(by_model) > 1 and not dry_run:  # what can't be done is refused before the first commit
        archive(
            context,
            chain.from_iterable(by_model.values()),
            force=force,
            reason=reason,
            compress=compress,
            dry_run=True,
            request_id=request_id,
        )
    with commit_in_turn(wanted.request_id, dry_run) as outcomes:
        for name, references in by_model.items():
            if request_id and compress:
                names.request_id(f"{request_id}:packed:{10**9}")
            numbers = _archive_model(context, name, references, wanted, force, dry_run, outcomes)
            if compress:
                pack_versions(context, name, numbers, wanted, outcomes, dry_run=dry_run)
    return outcomes


def _archive_model(
    context: RegistryContext,
    name: str,
    refs: list[Reference],
    wanted: PackRequest,
    force: bool,
    dry_run: bool,
    outcomes: list[VersionsChanged],
) -> VersionRanges:
    """Archive versions of one model; those that are to be packed then."""
    with transaction(context, name, wanted.request_id if wanted.given else None, "archived") as (writer, done_before):
        if done_before:
            outcomes.append(_repeated(writer, done_before))
            return VersionRanges.parse(str(done_before.event.detail.get("compress", "")))
        every = _resolve_numbers(writer, refs)
        numbers, packed = every - writer.table.archived, writer.table.packed - find_packed(context, name, wanted)
        if wanted.kind:  # before the commit: packing comes after it
            for number in every - packed:
                pack_writer.ensure_owned(context.layout.model(name), number)
        snapshot = take_snapshot(writer)
        overridden = _guarded_targets(context, snapshot, numbers, force)
        check_not_deployed(snapshot.model.deployments(snapshot.state), name, numbers, "archived")
        table = rules.archive(writer.table, name, numbers)
        detail = {"reason": wanted.reason, **_forced_detail(overridden)}
        detail |= {"compress": str(every - packed)} if wanted.kind else {}
        event = make_event(context, "archived", None, wanted.request_id, versions=str(numbers), **detail)
        if numbers and not dry_run:
            table = writer.move(table, event)
        done = VersionsChanged(name, "archived", tuple(numbers), table.revision, bool(numbers), overridden=overridden)
        outcomes.append(done)
        return every - packed


def restore(
    context: RegistryContext,
    refs: References,
    *,
    dry_run: bool = False,
    request_id: str | None = None,
    progress: Progress = SILENT,
) -> list[VersionsChanged]:
    """Bring archived versions back into use; packed ones are unpacked, each byte compared.

    Raises:
        Damaged: A pack is not as it was stored; nothing of that model is restored then.
    """
    request = request_id or os.urandom(16).hex()
    by_model = _group_by_model(refs)
    if len(by_model) > 1 and not dry_run:
        restore(context, chain.from_iterable(by_model.values()), dry_run=True, request_id=request_id)
    with commit_in_turn(request, dry_run) as outcomes:
        for name, references in by_model.items():
            with contextlib.ExitStack() as stack:
                staged = {} if dry_run else unpack_versions(context, stack, name, references, progress)
                trash: list[Path] = []
                with transaction(context, name, request_id, "restored") as (writer, done):
                    if done:
                        outcomes.append(_repeated(writer, done))
                        continue
                    table = writer.table
                    numbers = _resolve_numbers(writer, references)
                    numbers = numbers - (numbers - (table.archived | table.packed))
                    packed = numbers - (numbers - table.packed)
                    event = make_event(context, "restored", None, request, versions=str(numbers), packed=str(packed))
                    if numbers and not dry_run:
                        trash += restore_files(context, writer, packed, staged)
                        table = writer.move(rules.restore(table, numbers), event)
                        trash += remove_packs(writer, packed, staged)
                    outcomes.append(VersionsChanged(name, "restored", tuple(numbers), table.revision, bool(numbers)))
            for each in trash:  # slow, and needs no lock
                removal.discard(each, context.root)
    return outcomes


def delete(
    context: RegistryContext,
    refs: References,
    *,
    model: bool = False,
    reason: str = "",
    force: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
) -> list[VersionsChanged]:
    """Delete versions permanently. A tombstone keeps what was known of each; its number is not used again.

    All are checked before the first is deleted; each is a change of its own.

    Args:
        model: ``refs`` are names of models: delete each with all of its versions. Its history stays, and its name can
            only be used again with ``reuse_name``: version numbers continue then.
        force: Also versions that a rollback would go to, or models that versions of others were made from; needs a
            ``reason``.

    Raises:
        Conflict: A stage or alias points to a version, a rollback would go to it, or versions of other models were made
            from a version of the model.
    """
    _check_force(force, reason)
    request = request_id or os.urandom(16).hex()
    by_model = {names.model_name(str(each)): [] for each in as_list(refs, "refs")} if model else _group_by_model(refs)
    if len(by_model) > 1 and not dry_run:
        every = list(by_model) if model else list(chain.from_iterable(by_model.values()))
        delete(context, every, model=model, force=force, reason=reason, dry_run=True, request_id=request_id)
    with commit_in_turn(request, dry_run) as outcomes:
        for name, references in by_model.items():
            if model:
                children = _list_children(context, name, by_model)  # slow, and needs no lock
                _delete_model(context, name, children, reason, force, dry_run, request_id, outcomes)
                continue
            if request_id:
                names.request_id(make_event_id(request_id, len(references), len(references) > 1))
            trash: list[Path] = []
            event_id = make_event_id(request_id, 1, len(references) > 1) if request_id else None
            with transaction(context, name, event_id, "deleted") as (writer, done):
                if done:  # the references are not looked up again: 'latest' would mean another version by now
                    numbers = VersionRanges.parse(str(done.event.detail.get("versions", done.event.version)))
                    left = numbers - writer.table.deleted
                else:
                    numbers = left = _resolve_numbers(writer, references)
                overridden = ensure_deletable(context, writer, take_snapshot(writer), left, force)
                if not dry_run:
                    several = {"versions": str(numbers)} if len(references) > 1 else {}
                    detail = {"reason": reason, **_forced_detail(overridden), **several}
                    trash = delete_numbers(context, writer, numbers, left, request, detail)
                revision = writer.table.revision
                outcomes.append(
                    VersionsChanged(name, "deleted", tuple(numbers), revision, bool(left), overridden=overridden)
                )
            gc.remove_trash(context.layout.model(name), trash)  # slow, and needs no lock
    return outcomes


def _delete_model(
    context: RegistryContext,
    name: str,
    children: list[str],
    reason: str,
    force: bool,
    dry_run: bool,
    request_id: str | None,
    outcomes: list[VersionsChanged],
) -> None:
    """Delete the versions of a model one after another, and then the model, under one lock."""
    request = request_id or os.urandom(16).hex()
    event_id = f"{request}:1" if request_id else None
    trash: list[Path] = []
    with transaction(context, name, event_id, "deleted", reuse_name=True) as (writer, first):
        if done := writer.done_before(request, MODEL_DELETED) if request_id else None:
            outcomes.append(_repeated(writer, done))
            return
        ensure_exists(writer.paths, writer.table)
        if pointers := [*writer.table.stages, *writer.table.aliases]:
            raise Conflict(
                f"model '{name}' can't be deleted: {' and '.join(pointers)} {'points' if len(pointers) == 1 else 'point'} to its versions",
                "clear stages with 'registry demote', aliases with 'registry alias --remove'",
            )
        if children and not force:
            more = f" and {len(children) - 3:,} more" if len(children) > 3 else ""
            raise Conflict(
                f"model '{name}' can't be deleted: it is a parent of {', '.join(children[:3])}{more}",
                "delete those first, or add `force` and a `reason`",
            )
        left = VersionRanges.from_numbers(ModelReader(writer.paths).numbers(writer.table))
        begun = first.event.detail.get("versions", "") if first else ""  # by this request, which was interrupted
        numbers = VersionRanges.parse(str(begun)) | left
        names.request_id(f"{request}:{len(numbers)}")
        overridden = ensure_deletable(context, writer, take_snapshot(writer), left, force)
        if children:
            overridden = (*overridden, f"parent of {', '.join(children)}")
        if not dry_run:
            detail = {"versions": str(numbers), "reason": reason, **_forced_detail(overridden)}
            trash = delete_numbers(context, writer, numbers, left, request, detail)
            writer.move(writer.table, make_event(context, MODEL_DELETED, None, request, **detail))
        revision = writer.table.revision
        outcomes.append(VersionsChanged(name, MODEL_DELETED, tuple(numbers), revision, overridden=overridden))
    gc.remove_trash(context.layout.model(name), trash)  # slow, and needs no lock


def _list_children(context: RegistryContext, name: str, but: Container[str]) -> list[str]:
    """The versions of other models, none of ``but``, that were made from one of this model."""
    document = open_model(context, name).document()
    identity, called = codec.model_id(document), (name, *codec.former_names(document))
    return [
        version.ref
        for version in operations.search.search_versions(context, archived=True)
        if version.model not in but
        and any(lineages.refers_to(parent, version, identity, called) for parent in lineages.iter_parents(version))
    ]


def ensure_deletable(
    context: RegistryContext, writer: Writer, snapshot: ModelSnapshot, numbers: VersionRanges, force: bool
) -> tuple[str, ...]:
    """Raise unless all can be deleted; return the safeguards that ``force`` overrides."""
    overridden = _guarded_targets(context, snapshot, numbers, force)
    check_not_deployed(snapshot.model.deployments(snapshot.state), snapshot.name, numbers, "deleted")
    table = writer.table
    for number in numbers:
        table = rules.delete(table, writer.paths.name, number)
        writer.ensure_removable(number)
    return overridden


def delete_numbers(
    context: RegistryContext,
    writer: Writer,
    numbers: VersionRanges,
    left: VersionRanges,
    request: str,
    detail: Mapping[str, object],
) -> list[Path]:
    """Write tombstones, the oldest first; return the folders to remove. Each event names all versions of the request."""
    several = "versions" in detail
    trash = []
    for at, number in enumerate(numbers, 1):
        if number not in left:
            continue
        event = make_event(context, "deleted", number, make_event_id(request, at, several), **detail)
        redo = writer.build_tombstone(number, event)
        packed = number in writer.table.packed
        writer.move(rules.delete(writer.table, writer.paths.name, number), event, redo)
        if folder := writer.move_to_trash(number):
            trash.append(folder)
        if packed:
            trash += pack_writer.move_packs_to_trash(writer.paths, number)
    return trash


def _resolve_numbers(writer: Writer, refs: list[Reference]) -> VersionRanges:
    return VersionRanges.from_numbers(resolve_target(writer, ref) for ref in refs)


def _guarded_targets(
    context: RegistryContext, snapshot: ModelSnapshot, numbers: VersionRanges, force: bool
) -> tuple[str, ...]:
    """Raise for versions that a rollback would go to; with ``force`` return them instead."""
    if not force:
        ensure_no_rollback_targets(context, snapshot, numbers)
        return ()
    chains = history.stage_timelines(history.read_entries(snapshot, history.STAGE), context.stages)
    found = rollback.find_rollback_targets(snapshot.table, numbers, chains)
    return tuple(f"rollback target of {stage} ({snapshot.name}@{number})" for stage, number in found.items())


def ensure_no_rollback_targets(context: RegistryContext, snapshot: ModelSnapshot, numbers: VersionRanges) -> None:
    chains = history.stage_timelines(history.read_entries(snapshot, history.STAGE), context.stages)
    rollback.check_rollback_targets(snapshot.table, snapshot.name, numbers, chains)


def _repeated(writer: Writer, entry: JournalEntry) -> VersionsChanged:
    """Return the result of a request that was carried out before."""
    numbers = VersionRanges.parse(str(entry.event.detail.get("versions", "")))
    return VersionsChanged(writer.paths.name, entry.event.action, tuple(numbers), entry.revision, False)


def make_event_id(request_id: str, at: int, several: bool) -> str:
    """The id of the event number ``at`` of a request: of one that deletes several versions, each has its own."""
    return f"{request_id}:{at}" if several else request_id


def _group_by_model(refs: References) -> dict[str, list[Reference]]:
    """The references of each model; a bare name is refused."""
    grouped: dict[str, list[Reference]] = {}
    for ref in as_list(refs, "refs"):
        reference = Reference.parse_version(ref)
        grouped.setdefault(reference.model, []).append(reference)
    return grouped


@contextlib.contextmanager
def commit_in_turn(request_id: str, dry_run: bool) -> Iterator[list[VersionsChanged]]:
    """Collect the outcomes of successive commits: after the first, an error becomes :class:`Indeterminate`."""
    outcomes: list[VersionsChanged] = []
    try:
        yield outcomes
    except BaseException as error:
        started = isinstance(error, Indeterminate) or any(each.changed for each in outcomes)
        if dry_run or not started or getattr(error, "request_id", "") == request_id:
            raise
        raise indeterminate("the change is committed, completely or in part", request_id, error) from error


def _forced_detail(overridden: tuple[str, ...]) -> dict[str, object]:
    return {"forced": True, "failed": list(overridden)} if overridden else {}


def _check_force(force: bool, reason: str) -> None:
    if force and not reason:
        raise InvalidInput("`force` requires `reason`", "the reason is recorded in the history")
