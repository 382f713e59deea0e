"""Import versions from another tool, each of them once however often that is repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.progress import SILENT, Progress
from ..core.records import StageTable
from ..core.results import ImportResult
from ..errors import Conflict, Indeterminate, LockTimeout, RegistryError, indeterminate
from ..store import creation, reader
from ..store.reader import ModelReader
from .transaction import ensure_not_former_name, make_event

if TYPE_CHECKING:
    from ..core.values import OneOrMore
    from ..interop.imported_version import ImportedVersion
    from .context import RegistryContext
    from .import_plan import Arrival, Choice


OnEach = Callable[[ImportResult], None]


@contextlib.contextmanager
def import_in_turn(found: list[ImportResult]) -> Iterator[None]:
    """One after the other: after the first that came in, whatever stops the rest is :class:`Indeterminate`.

    It is gone on with by repeating all of it, without any request id to be remembered.
    """
    try:
        yield
    except BaseException as error:
        partly = any(each.status == "imported" for each in found)
        if not partly and not isinstance(error, Indeterminate):
            raise
        told = (
            error if isinstance(error, Indeterminate) else indeterminate("a part of it is in the registry", "", error)
        )
        told.hint, told.request_id = "repeat the import: what is here already is skipped", ""
        if told is error:
            raise
        raise told from error


@contextlib.contextmanager
def after_import(ref: str) -> Iterator[None]:
    """What is inside comes after the commit of ``ref``: whatever stops it says that this is here."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Indeterminate):
            raise
        raise indeterminate(f"{ref} is in the registry", "", error) from error


def ignore_outcome(_: ImportResult) -> None:
    """Who is told of each version as it comes in, when nobody wants to be."""


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
    from .import_plan import Choice, make_arrival
    from .register import make_file_selection

    unsafe = values.line(unsafe, "reason") if unsafe else ""
    selection = make_file_selection(context, exclude, include)
    choice = Choice(name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, selection, reuse_name)
    listed = list(incoming)
    choice.refuse_several({each.model for each in listed})
    arrivals = [make_arrival(each, choice, context.author) for each in listed]
    if arrivals and (unused := selection.unused()):
        report = arrivals[-1].report
        arrivals[-1] = replace(arrivals[-1], report=replace(report, warnings=(*report.warnings, *unused)))
    return _import_all(context, arrivals, choice, progress, on_each)


def _import_all(
    context: RegistryContext, arrivals: list[Arrival], choice: Choice, progress: Progress, on_each: OnEach
) -> list[ImportResult]:
    from .import_plan import Forward

    names = dict.fromkeys(each.model for each in arrivals)
    for name in names:
        ensure_not_former_name(context, name, choice.reuse_name)
    strangers = {name for name in names if _is_unrelated(context, name, arrivals, choice)}
    progress.expect(sum(each.size for each in arrivals))
    passing = Forward(progress)
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


def _is_unrelated(context: RegistryContext, name: str, arrivals: Iterable[Arrival], choice: Choice) -> bool:
    """Whether a model of this name is here that nothing may be added to: then its versions are to be left out.

    :class:`Conflict` if that was not asked for. What an interrupted import of the same began is gone on with.
    """
    from .register import find_registered

    paths = context.layout.model(name)
    creation.refuse_collision(context.layout, name)
    if choice.merge or not reader.is_model(paths):
        return False
    if any(find_registered(paths, choice.identity(each.key)) for each in arrivals if each.model == name):
        return False
    if choice.skip_existing:
        return True
    raise Conflict(f"there is a model {name} already", "add to it with --merge, or choose another name with --as")


def _import_one(
    context: RegistryContext, each: Arrival, choice: Choice, progress: Progress, highest: dict[str, int]
) -> ImportResult:
    """Let one version come in, unless it did before."""
    from .register import find_registered, make_import_examination, store_version

    identity = choice.identity(each.key)
    before = find_registered(context.layout.model(each.model), identity)
    if before is not None:
        return repeat_import(context, each, before.number, choice)
    if each.error:
        return each.outcome("failed", each.error.message, code=each.error.exit_code)
    if choice.dry_run:
        return each.outcome("planned", number=expect_number(context, each, highest))
    event = make_event(context, "registered", None, identity, imported=each.key)
    look = make_import_examination(context, each.record, choice.unsafe)
    try:
        outcome = store_version(context,
            each.record, event, look, number=each.number, if_new=choice.skip_existing, progress=progress,
            reuse_name=choice.reuse_name, **each.wanted,
        )  # fmt: skip
    except (Indeterminate, LockTimeout):
        raise
    except RegistryError as error:
        return each.outcome("failed", error.message, code=error.exit_code)
    if outcome.why:
        return each.outcome("skipped", outcome.why, number=outcome.number)
    with after_import(f"{each.model}@{outcome.number}"):
        return each.outcome("imported", number=outcome.number, lost=set_pointers(context, each, outcome.number, choice))


def repeat_import(context: RegistryContext, each: Arrival, number: int, choice: Choice) -> ImportResult:
    """What came in before: its pointers may not have, if that was interrupted."""
    if number in ModelReader(context.layout.model(each.model)).state().table.deleted:
        return each.outcome("skipped", f"it came in before as {each.model}@{number}, which was deleted")
    lost = () if choice.dry_run else set_pointers(context, each, number, choice)
    return each.outcome("skipped", "it came in before", number=number, lost=lost)


def expect_number(context: RegistryContext, each: Arrival, highest: dict[str, int]) -> int:
    """The number that a version would get."""
    from ..store import writer

    if each.model not in highest:
        paths = context.layout.model(each.model)
        table = ModelReader(paths).state().table if reader.is_model(paths) else StageTable()
        highest[each.model] = reader.highest(paths, table) if reader.is_model(paths) else 0
    highest[each.model] = writer.number_for(each.number, highest[each.model])
    return highest[each.model]


def set_pointers(context: RegistryContext, each: Arrival, number: int, choice: Choice) -> tuple[str, ...]:
    """Let the stages and aliases of the origin point to the version, where that was asked for; what did not come to be."""
    from .archive import archive
    from .pointers import promote, set_alias

    ref = f"{each.model}@{number}"
    promoted = partial(promote, context, ref, reason=f"as in {each.key}", verify=False)
    aliased = partial(set_alias, context, ref)
    retired = partial(archive, context, [ref], reason=f"as in {each.key}")
    pointers: list[tuple[str, str, bool, Callable[..., object]]] = [
        *(("stage", name, choice.stages, partial(promoted, name)) for name in each.stages),
        *(("alias", name, choice.aliases, partial(aliased, name)) for name in each.aliases),
        *(("stage", "archived", choice.stages, retired) for _ in (1,) if each.archived),
    ]
    lost = []
    for kind, name, wanted, deed in pointers:
        if not wanted:
            lost.append(f"{kind} {name} (only with --{'stages' if kind == 'stage' else 'aliases'})")
            continue
        try:
            deed(request_id=choice.pointed(each.key, f"{kind}:{name}"))
        except (Indeterminate, LockTimeout):
            raise
        except RegistryError as error:
            lost.append(f"{kind} {name}: {error.message}")
    return tuple(lost)
