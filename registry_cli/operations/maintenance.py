"""Verify and repair a registry, collect garbage, and check the file system."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import replace
from ..core.names import Reference, Selector
from ..core.progress import SILENT, Progress
from ..core.records import Checkpoint
from ..core.results import CleanupItem, DoctorCheck, Problem, Verification
from ..core.values import OneOrMore, as_list
from ..errors import Damaged, NotFound, RegistryError
from ..rules.event_history import EventFilter, select_checkpoints
from ..store import history, reader
from ..store.filesystem import files, locking, removal
from ..store.layout import ModelLayout
from ..store.maintenance import doctor, gc, repair, restoration
from ..store.model_names import iter_model_names
from ..store.packs import pack_writer
from ..store.verify import verify
from ..trust.signatures import check_model, load_trust
from .context import model_not_found, open_model
from .transaction import make_event

if TYPE_CHECKING:
    from ..store.maintenance.restoration import Restorable
    from .context import RegistryContext
    from .search import OnDamage

#: How many files ``verify`` hashes at a time.
WORKERS = 4


def verify_models(
    context: RegistryContext,
    models: OneOrMore[str | Reference] | None = None,
    *,
    quick: bool = False,
    progress: Progress = SILENT,
    checkpoints: Iterable[Checkpoint] = (),
    signatures: bool = False,
    allowed_signers: str | os.PathLike[str] | None = None,
) -> Verification:
    """Verify models: what is stored against what was recorded, and the other way round.

    Problems are in the result, and never raised. If there is an index, the next list compares every document with it.

    Args:
        models: Names of models, or references to versions; all models by default. Of a version, its files and records
            are checked, and what concerns its model as a whole.
        quick: Leave out the digests of files.
        progress: Called with the number of bytes that were read.
        checkpoints: Lines that the histories must still hold, see :meth:`checkpoints`; one for each model that is named.
        signatures: Check the signatures, too.
        allowed_signers: The file of allowed signers; the registry's own by default.

    Raises:
        InvalidInput: A model that is named has no checkpoint.
        NotFound: There is no such model or version.
    """
    every = models is None
    only: dict[str, set[int]] = {}
    if models is None:
        chosen = sorted([*iter_model_names(context.layout), *verify.lost_models(context.layout)])
    else:
        references = [Reference.coerce(each) for each in as_list(models, "models")]
        chosen = _list_named(context, list(dict.fromkeys(each.model for each in references)))
        whole = {each.model for each in references if each.selector is None}
        for each in references:
            if each.selector is not None and each.model not in whole:
                only.setdefault(each.model, set()).add(_resolve_registered(context, each.model, each.selector))
    known = list(checkpoints)
    if known and not every:
        known = select_checkpoints(known, chosen)
    found = verify.verify(
        context.layout, chosen, quick=quick, progress=progress, workers=WORKERS, checkpoints=known, only=only
    )
    context.index.query(lambda index: index.forget_stamps(None if every else chosen), make=False)
    left = gc.find_abandoned_imports(context.layout, time.time(), gc.STALE) if every else ()
    words = "an incompletely imported model; 'registry gc' removes it"
    leftovers = [Problem("leftover", "warning", each.path, words, True) for each in left]
    found = replace(found, problems=(*found.problems, *leftovers)) if leftovers else found
    return _check_signatures(context, found, chosen, only, allowed_signers) if signatures else found


def _resolve_registered(context: RegistryContext, name: str, selector: Selector) -> int:
    """Resolve a selector; a number also where the folder of the version is missing although the history has it."""
    model = open_model(context, name)
    table = model.state().table
    try:
        return model.resolve(selector, table)
    except NotFound:
        registered = history.newest_first(model.paths, EventFilter(actions=frozenset({"registered"})))
        if selector.number is None or selector.number in table.deleted:
            raise
        if all(entry.event.version != selector.number for entry in registered):
            raise
        return selector.number


def _check_signatures(
    context: RegistryContext,
    found: Verification,
    models: list[str],
    only: Mapping[str, Collection[int]],
    allowed_signers: str | os.PathLike[str] | None,
) -> Verification:
    trust = load_trust(context.layout)
    if allowed_signers is not None:
        trust = replace(trust, allowed=Path(allowed_signers))
        if not trust.allowed.is_file():
            raise NotFound(f"file '{allowed_signers}' not found", "it lists the accepted signing keys")
    checked = [check_model(context.layout.model(name), trust, only.get(name)) for name in models]
    return replace(
        found,
        problems=(*found.problems, *(problem for each in checked for problem in each.problems)),
        signatures=sum(each.signatures for each in checked),
        unsigned=sum(each.unsigned for each in checked),
    )


def repair_models(
    context: RegistryContext,
    models: OneOrMore[str] | None = None,
    *,
    from_blobs: bool = False,
    dry_run: bool = False,
    progress: Progress = SILENT,
    on_damage: OnDamage = lambda _: None,
) -> list[CleanupItem]:
    """Repair what is derived (links, journal, stage table from its claims) and remove what is left over.

    Args:
        from_blobs: Restore missing or damaged files whose bytes the model still has; all its files are read for that.
        progress: Called with the number of bytes that were read.
        on_damage: Called with the error for a history with a line that cannot be restored.

    Returns:
        What was done, thing by thing.

    Raises:
        Damaged: Only a backup can repair it.
    """
    done: list[CleanupItem] = []
    for paths in _list_chosen(context, models):
        if locking.remove_unusable(paths.lock, context.root, dry_run=dry_run):
            done.append(CleanupItem("lock removed: not a regular file", str(paths.lock.relative_to(context.root))))
            if dry_run:
                continue
        lost = _find_restorable(paths, progress) if from_blobs else []  # slow, and needs no lock
        with _lock_model(context, paths, passing=models is None) as here:
            if not here:
                continue
            done += repair.restore_files(paths, context.modes, lost, dry_run=dry_run)
            mark = make_event(context, "repaired", None, None)
            done += repair.repair_model(paths, context.modes, mark, dry_run=dry_run)
            try:
                history.ensure_unbroken(paths)
            except Damaged as error:
                if not dry_run:
                    on_damage(Damaged(f"cannot repair: {error.message}", "restore history.jsonl from a backup"))
    return done


def count_restorable(context: RegistryContext, models: OneOrMore[str] | None = None) -> int:
    """Return how many missing files :meth:`repair` with ``from_blobs`` would probably restore; no file is read."""
    return sum(len(_find_restorable(paths, SILENT, quick=True)) for paths in _list_chosen(context, models))


def _find_restorable(paths: ModelLayout, progress: Progress, *, quick: bool = False) -> list[Restorable]:
    try:
        model = reader.ModelReader(paths)
        return restoration.find(model, model.state().table, quick=quick, progress=progress)
    except (RegistryError, FileNotFoundError):
        return []  # the stage table is repaired first, or the model was renamed just now


def collect_garbage(
    context: RegistryContext, models: OneOrMore[str] | None = None, *, age: float = gc.STALE, dry_run: bool = False
) -> list[CleanupItem]:
    """Remove leftover staging folders, trash, and blobs without a version.

    Args:
        age: Minimum age of unused staging folders, in seconds.
    """
    done: list[CleanupItem] = []
    for paths in _list_chosen(context, models):
        with _lock_model(context, paths, passing=models is None) as here:
            if not here:
                continue
            now = gc.server_time(paths.root, probe=not dry_run)
            found = list(gc.find_garbage(paths, now, age))
            unneeded = [context.root / each.path for each in found if not dry_run]
            taken = [pack_writer.move_garbage_to_trash(paths, context.modes, path) for path in unneeded]
        for path in taken:  # slow, and needs no lock
            removal.discard(path, context.root)
        if taken:  # their size is counted with the files that had them
            gc.remove_unreferenced_blobs(paths)
        done += [each for each in found if dry_run or not files.exists(context.root / each.path)]
    return done + (_remove_left_models(context, age, dry_run) if models is None else [])


def _remove_left_models(context: RegistryContext, age: float, dry_run: bool) -> list[CleanupItem]:
    """Remove what interrupted imports left beside the models."""
    if not any(gc.staging_of_models(context.layout)):
        return []
    now = gc.server_time(context.layout.models, probe=not dry_run)
    found = list(gc.find_abandoned_imports(context.layout, now, age))
    for leftover in found if not dry_run else ():
        removal.discard(context.root / leftover.path, context.root)
    return [each for each in found if dry_run or not files.exists(context.root / each.path)]


def run_doctor(context: RegistryContext) -> list[DoctorCheck]:
    """Check on the file system itself that locks, renames, links, syncs and modes work; each result says what to change."""
    return list(doctor.run_checks(context.layout, context.settings))


def _list_chosen(context: RegistryContext, models: OneOrMore[str] | None) -> list[ModelLayout]:
    chosen = iter_model_names(context.layout) if models is None else _list_named(context, models)
    return [context.layout.model(name) for name in chosen]


def _list_named(context: RegistryContext, models: OneOrMore[str] | None) -> list[str]:
    return [open_model(context, name).name for name in ([] if models is None else as_list(models, "models"))]


@contextmanager
def _lock_model(context: RegistryContext, paths: ModelLayout, *, passing: bool) -> Iterator[bool]:
    """Hold the lock of a model. One that was renamed meanwhile is :class:`NotFound`, or, ``passing``, not there."""
    with ExitStack() as stack:
        try:
            what = (paths.lock, paths.name, context.modes.file, context.lock_timeout, context.on_wait)
            stack.enter_context(locking.exclusive(*what))
        except FileNotFoundError:
            if reader.is_model(paths):
                raise
            if not passing:
                raise model_not_found(context, paths.name) from None
            yield False
            return
        yield True
