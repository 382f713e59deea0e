"""Import versions: from a bundle, or from another tool, each of them once however often that is repeated."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.progress import SILENT, Progress
from ..core.results import ImportResult
from ..errors import Conflict, Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, RegistryError
from ..store import creation, reader
from .import_plan import (
    ForwardingProgress,
    ImportOptions,
    OnEach,
    PlannedImport,
    after_import,
    expect_number,
    ignore_outcome,
    import_in_turn,
    plan_import,
    repeat_import,
    set_pointers,
)
from .register import find_registered, make_file_selection, make_import_analysis, store_version
from .transaction import ensure_not_former_name, make_event

if TYPE_CHECKING:
    from ..core.values import OneOrMore
    from ..interop.imported_version import ImportedVersion
    from .context import RegistryContext


class BinaryReader(Protocol):
    """What gives a bundle's bytes: a binary file, a socket's file, a buffer."""

    def read(self, most: int, /) -> bytes: ...


Source = Union[str, "os.PathLike[str]", BinaryReader]


def import_from(
    context: RegistryContext,
    /,
    source: Source,
    *,
    only: str | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    **options: Any,
) -> list[ImportResult]:
    """:meth:`import_versions` or :meth:`import_bundle`, of a source as the command line names it: ``mlflow:PATH`` and
    the like, the path of a bundle, or a stream with one.

    With ``only``, one model of another tool, by the name that it has there. ``artifacts`` is a folder besides in which
    the files of MLflow's versions may lie. ``options`` are those of these two methods; ``exclude`` and ``include`` are
    for other tools only.
    """
    if isinstance(source, str):
        from ..interop import tools

        scheme, place = tools.split_source(source)
        if scheme:
            return import_versions(context, tools.read(scheme, place, only, artifacts), **options)
    if any([options.pop("exclude", ()), options.pop("include", ())]):
        raise InvalidInput("--exclude and --include are for what other tools have", "a bundle is imported whole")
    if only is not None or artifacts is not None:
        raise InvalidInput("--only and --artifacts are for what other tools have", "leave them out for a bundle")
    return import_bundle(context, source, **options)


def import_bundle(
    context: RegistryContext,
    source: Source,
    *,
    name: str | None = None,
    merge: bool = False,
    skip_existing: bool = False,
    stages: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
    unsafe: str = "",
    reuse_name: bool = False,
    progress: Progress = SILENT,
    on_each: OnEach = ignore_outcome,
) -> list[ImportResult]:
    """Take in what a bundle holds; what became of each version, or of each whole model.

    A whole model comes with its history, its numbers, its stages and aliases, as it was; whatever a policy here
    would say of its stages is told. A model that is here already can only be added to (``merge``): then its versions
    become new versions, as single ones do; see :meth:`import_versions` for these and for the options.

    Everything is read to the end and compared before the first of it appears. Of a file with several whole models
    each then appears as soon as it is there, so that what was interrupted need not begin anew. With ``unsafe``, a
    version of a whole model that the scan would refuse gets the annotation ``unsafe``, as soon as the model is there.

    Raises :class:`Damaged` or :class:`Refused` for a bundle that can't be believed, with nothing taken in, and
    :class:`Conflict` for a model that is here and not merged into.
    """
    from ..interop.bundle import bundle_reader
    from .bundle_importer import BundleImporter

    unsafe = values.line(unsafe, "reason") if unsafe else ""
    choice = ImportOptions(
        name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, reuse_name=reuse_name
    )
    with _open_source(source) as (read, what, again):
        try:
            opened = bundle_reader.BundleReader(read, what)
            importer = BundleImporter(context, choice, opened.contents, progress, on_each)
            called = [choice.name or part.name for part in opened.contents.models]
            for each in dict.fromkeys(called):
                ensure_not_former_name(context, each, reuse_name, but=called)
            importer.ensure_space()
            if dry_run:
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
    """What reads a source, its name, and what begins anew; None for a stream, which can be read only once."""
    if not isinstance(source, (str, os.PathLike)):
        yield source.read, "the bundle", None
        return
    path = Path(source)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no bundle '{source}'", "name a file that registry export wrote") from None
    except ValueError:
        raise InvalidInput(f"'{source}' is no path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise InvalidInput(f"'{source}' is a folder", "name a file that registry export wrote")
        again = partial(os.lseek, descriptor, 0, os.SEEK_SET) if stat.S_ISREG(mode) else None
        yield partial(os.read, descriptor), path.name, again
    finally:
        os.close(descriptor)


def import_versions(
    context: RegistryContext,
    incoming: Iterable[ImportedVersion],
    *,
    name: str | None = None,
    merge: bool = False,
    skip_existing: bool = False,
    stages: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
    unsafe: str = "",
    exclude: OneOrMore[str] = (),
    include: OneOrMore[str] = (),
    reuse_name: bool = False,
    progress: Progress = SILENT,
    on_each: OnEach = ignore_outcome,
) -> list[ImportResult]:
    """Make versions of what another tool has; what became of each, in the order in which they came.

    The request id of each is made from its key (and ``request_id``, if given): what came in before is skipped, so
    an import that was interrupted is gone on with by repeating it. A version keeps its number if that is higher
    than all that were given here, and who made it, and when. ``name`` is another name for the model, if there is
    only one. Without ``merge`` nothing is added to a model that something else made. With ``skip_existing``, files
    that the model has already are not stored again, and models that are not merged into are left out. Stages and
    aliases of the origin are only told, unless asked for; the policy of a stage lets in whom it likes. ``unsafe``
    says why what the scan would refuse is to come in, and is recorded. ``exclude`` and ``include`` choose files as for
    :meth:`register`. With ``reuse_name`` a new model may get a name that another one had before.

    A version that is refused does not stop the others: its ``status`` is ``failed``. Raises :class:`Conflict`,
    :class:`InvalidInput`, :class:`LockTimeout` or :class:`Indeterminate` for what stops all of it.
    """
    unsafe = values.line(unsafe, "reason") if unsafe else ""
    selection = make_file_selection(context, exclude, include)
    choice = ImportOptions(
        name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, selection, reuse_name
    )
    listed = list(incoming)
    choice.ensure_one_model({each.model for each in listed})
    arrivals = [plan_import(each, choice, context.author) for each in listed]
    if arrivals and (unused := selection.unused()):
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
                done = each.outcome("skipped", f"there is a model {each.model} already")
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
    """Whether a model of this name is here that nothing may be added to: then its versions are to be left out.

    :class:`Conflict` if that was not asked for. What an interrupted import of the same began is gone on with.
    """
    paths = context.layout.model(name)
    creation.ensure_name_is_free(context.layout, name)
    if choice.merge or not reader.is_model(paths):
        return False
    if any(find_registered(paths, choice.version_request_id(each.key)) for each in arrivals if each.model == name):
        return False
    if choice.skip_existing:
        return True
    raise Conflict(f"there is a model {name} already", "add to it with --merge, or choose another name with --as")


def _import_one(
    context: RegistryContext, each: PlannedImport, choice: ImportOptions, progress: Progress, highest: dict[str, int]
) -> ImportResult:
    """Let one version come in, unless it did before."""
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
