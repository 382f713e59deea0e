"""Import versions: from a bundle, or from another tool, each of them once however often that is repeated."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Union

from ...core import values
from ...core.lazy_dataclass import replace
from ...core.progress import SILENT, Progress
from ...core.results import ImportResult
from ...errors import Conflict, Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, RegistryError
from ...interop import tools
from ...interop.bundle import bundle_reader
from ...store import creation, reader
from ..register import find_registered, make_file_selection, make_import_analysis, store_version
from ..transaction import ensure_not_former_name, make_event
from .bundle_importer import BundleImporter
from .import_plan import (
    ForwardingProgress,
    ImportOptions,
    OnEach,
    PlannedImport,
    after_import,
    expect_number,
    import_in_turn,
    plan_import,
    repeat_import,
    set_pointers,
)

if TYPE_CHECKING:
    from ...core.values import OneOrMore
    from ...interop.imported_version import ImportedVersion
    from ..context import RegistryContext


class BinaryReader(Protocol):
    """The stream of a bundle: a binary file, the file of a socket, a buffer."""

    def read(self, most: int, /) -> bytes: ...


Source = Union[str, "os.PathLike[str]", BinaryReader]


def import_from(
    context: RegistryContext,
    source: Source,
    *,
    name: str | None = None,
    only: str | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    merge: bool = False,
    skip_existing: bool = False,
    stages: bool = False,
    aliases: bool = False,
    exclude: OneOrMore[str] = (),
    include: OneOrMore[str] = (),
    unsafe: str = "",
    reuse_name: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
    progress: Progress = SILENT,
    on_each: OnEach = lambda _: None,
) -> list[ImportResult]:
    """Import the versions and models of a bundle or of another tool.

    What was imported before is skipped, so an interrupted import is continued by repeating it.

    A bundle is read to the end and compared before the first of it appears. A whole model comes with its history,
    numbers, stages and aliases; into a model that exists (``merge``) its versions are added as new ones.

    Everything else becomes a new version, with its author and time. It keeps its number if that is higher than all
    numbers given here. A version that is refused does not stop the others: its ``status`` is ``failed``.

    Args:
        source: The path of a bundle, or a stream with one; or ``mlflow:PATH``, ``bentoml:PATH``, ``hf:PATH``,
            ``dvc:PATH``.
        name: Another name for the model, if there is only one.
        only: One model of another tool, by its name there.
        artifacts: A folder in which the files of MLflow's versions may lie besides.
        merge: Add to models that exist.
        skip_existing: Leave out files that the model has, and models that exist and are not merged into.
        stages: Promote what was in a stage there, if the policy allows it.
        aliases: Set the aliases that it had there.
        exclude: Globs of files of another tool to leave out, as for :meth:`register`.
        include: Globs of files of another tool to take all the same.
        unsafe: Why files that the scan would refuse are imported; it is recorded.
        reuse_name: Allow a new model to have a name that another one had before.
        progress: Called with the number of bytes that were read.
        on_each: Called with each result as soon as there is one.

    Returns:
        What became of each version, or of each whole model, in the order of the source.

    Raises:
        Damaged: The bundle is not whole or not consistent; nothing was imported.
        Refused: Something in the bundle must not be imported; nothing was.
        Conflict: A model exists, and neither ``merge`` nor ``skip_existing`` is set.
    """
    unsafe = values.line(unsafe, "reason") if unsafe else ""
    scheme, place = tools.split_source(source) if isinstance(source, str) else ("", "")
    selection = make_file_selection(context, exclude, include) if scheme else None
    options = ImportOptions(
        name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, selection, reuse_name
    )
    if scheme:
        return import_versions(context, tools.read(scheme, place, only, artifacts), options, progress, on_each)
    if exclude or include:
        raise InvalidInput(
            "`exclude` and `include` only apply to other tools", "a bundle is always imported completely"
        )
    if only is not None or artifacts is not None:
        raise InvalidInput("`only` and `artifacts` only apply to other tools", "remove them for a bundle")
    return _import_bundle(context, source, options, progress, on_each)


def _import_bundle(
    context: RegistryContext, source: Source, choice: ImportOptions, progress: Progress, on_each: OnEach
) -> list[ImportResult]:
    with _open_source(source) as (read, what, again):
        try:
            opened = bundle_reader.BundleReader(read, what)
            importer = BundleImporter(context, choice, opened.contents, progress, on_each)
            called = [choice.name or part.name for part in opened.contents.models]
            for each in dict.fromkeys(called):
                ensure_not_former_name(context, each, choice.reuse_name, but=called)
            importer.ensure_space()
            if choice.dry_run:
                opened.drain(progress)
                return importer.plan()
            several = again is not None and sum(part.whole for part in opened.contents.models) > 1
            if again is not None and several:  # read twice, written once
                opened.drain(progress)
                again()
                opened = bundle_reader.BundleReader(read, what)
                importer = BundleImporter(context, choice, opened.contents, progress, on_each)
            return importer.run(opened, eager=several)
        except Damaged as error:
            raise bundle_reader.without_repair_hint(error) from None


ReadBytes = Callable[[int], bytes]


@contextlib.contextmanager
def _open_source(source: Source) -> Iterator[tuple[ReadBytes, str, Callable[[], object] | None]]:
    """Yield a function that reads the source, its name, and one that rewinds it; None for a stream."""
    if not isinstance(source, (str, os.PathLike)):
        yield source.read, "the bundle", None
        return
    path = Path(source)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"bundle '{source}' not found", "give a file written by 'registry export'") from None
    except ValueError:
        raise InvalidInput(f"'{source}' is not a valid path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise InvalidInput(f"'{source}' is a folder", "give a file written by 'registry export'")
        again = partial(os.lseek, descriptor, 0, os.SEEK_SET) if stat.S_ISREG(mode) else None
        yield partial(os.read, descriptor), path.name, again
    finally:
        os.close(descriptor)


def import_versions(
    context: RegistryContext,
    incoming: Iterable[ImportedVersion],
    choice: ImportOptions,
    progress: Progress = SILENT,
    on_each: OnEach = lambda _: None,
) -> list[ImportResult]:
    """Import the versions of another tool; return the results in their order."""
    listed = list(incoming)
    choice.ensure_one_model({each.model for each in listed})
    arrivals = [plan_import(each, choice, context.author) for each in listed]
    if arrivals and choice.selection and (unused := choice.selection.unused()):
        report = arrivals[-1].report
        arrivals[-1] = replace(arrivals[-1], report=replace(report, warnings=(*report.warnings, *unused)))
    return _import_all(context, arrivals, choice, progress, on_each)


def _import_all(
    context: RegistryContext, arrivals: list[PlannedImport], choice: ImportOptions, progress: Progress, on_each: OnEach
) -> list[ImportResult]:
    names = dict.fromkeys(each.model for each in arrivals)
    for name in names:
        ensure_not_former_name(context, name, choice.reuse_name)
    strangers = {name for name in names if _conflicts_with_existing(context, name, arrivals, choice)}
    progress.expect(sum(each.size for each in arrivals))
    passing = ForwardingProgress(progress)
    found: list[ImportResult] = []
    highest: dict[str, int] = {}  # with a dry run: of the numbers that would have been given
    with import_in_turn(found):
        for each in arrivals:
            if each.model in strangers:
                done = each.outcome("skipped", f"model {each.model} already exists")
            else:
                done = _import_one(context, each, choice, passing, highest)
            if done.status != "imported":
                progress(each.size)
            found.append(done)
            on_each(done)
    return found


def _conflicts_with_existing(
    context: RegistryContext, name: str, arrivals: Iterable[PlannedImport], choice: ImportOptions
) -> bool:
    """Return whether the versions of a model are left out, since a model of this name exists.

    Raises :class:`Conflict` without ``skip_existing``. An interrupted import of the same source is continued.
    """
    paths = context.layout.model(name)
    creation.ensure_name_is_free(context.layout, name)
    if choice.merge or not reader.is_model(paths) or reader.is_deleted(paths):
        return False
    if any(find_registered(paths, choice.version_request_id(each.key)) for each in arrivals if each.model == name):
        return False
    if choice.skip_existing:
        return True
    raise Conflict(f"model {name} already exists", "add to it with `merge`, or choose another `name`")


def _import_one(
    context: RegistryContext, each: PlannedImport, choice: ImportOptions, progress: Progress, highest: dict[str, int]
) -> ImportResult:
    """Import one version, unless it was imported before."""
    identity = choice.version_request_id(each.key)
    before = find_registered(context.layout.model(each.model), identity)
    if before is not None:
        return repeat_import(context, each, before.number, choice)
    if each.error:
        return each.outcome("failed", each.error.message, code=each.error.exit_code)
    if choice.dry_run:
        return each.outcome("planned", number=expect_number(context, each, highest))
    event = make_event(context, "registered", None, identity, imported=each.key)
    look = make_import_analysis(context, each.record, choice.unsafe)
    try:
        outcome = store_version(context,
            each.record, event, each.sources, look, number=each.number, if_new=choice.skip_existing,
            reuse_name=choice.reuse_name, progress=progress,
        )  # fmt: skip
    except (Indeterminate, LockTimeout):
        raise
    except RegistryError as error:
        return each.outcome("failed", error.message, code=error.exit_code)
    if outcome.why:
        return each.outcome("skipped", outcome.why, number=outcome.number)
    with after_import(f"{each.model}@{outcome.number}"):
        return each.outcome("imported", number=outcome.number, lost=set_pointers(context, each, outcome.number, choice))
