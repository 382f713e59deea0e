"""Bringing in what others have: each of their versions becomes one of ours, once, however often that is repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.progress import SILENT, Progress
from ..core.records import StageTable
from ..core.results import Imported
from ..errors import Conflict, Indeterminate, LockTimeout, RegistryError, indeterminate
from ..store import creation, reader
from ..store.reader import ModelReader
from .archiving import Archiving
from .arriving import Arrival, Choice, Forward, arrival
from .describing import Describing
from .registering import Registering

if TYPE_CHECKING:
    from ..core.values import OneOrMore
    from ..exchange.records import Incoming


OnEach = Callable[[Imported], None]


@contextlib.contextmanager
def in_turn(found: list[Imported]) -> Iterator[None]:
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
def arrived(ref: str) -> Iterator[None]:
    """What is inside comes after the commit of ``ref``: whatever stops it says that this is here."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Indeterminate):
            raise
        raise indeterminate(f"{ref} is in the registry", "", error) from error


def untold(_: Imported) -> None:
    """Who is told of each version as it comes in, when nobody wants to be."""


class Exchanging(Registering, Archiving, Describing):
    """``import_versions``: what another tool has, a version at a time."""

    def import_versions(
        self,
        incoming: Iterable[Incoming],
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
        on_each: OnEach = untold,
    ) -> list[Imported]:
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
        selection = self._selection(exclude, include)
        choice = Choice(name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, selection, reuse_name)
        listed = list(incoming)
        choice.refuse_several({each.model for each in listed})
        arrivals = [arrival(each, choice, self._author) for each in listed]
        if arrivals and (unused := selection.unused()):
            report = arrivals[-1].report
            arrivals[-1] = replace(arrivals[-1], report=replace(report, warnings=(*report.warnings, *unused)))
        return self._bring_in(arrivals, choice, progress, on_each)

    def _bring_in(self, arrivals: list[Arrival], choice: Choice, progress: Progress, on_each: OnEach) -> list[Imported]:
        names = dict.fromkeys(each.model for each in arrivals)
        for name in names:
            self._refuse_former(name, choice.reuse_name)
        strangers = {name for name in names if self._is_strange(name, arrivals, choice)}
        progress.expect(sum(each.size for each in arrivals))
        passing = Forward(progress)
        found: list[Imported] = []
        highest: dict[str, int] = {}  # with a dry run: of the numbers that would have been given
        with in_turn(found):
            for each in arrivals:
                if each.model in strangers:
                    done = each.outcome("skipped", f"there is a model {each.model} already")
                else:
                    done = self._arrive(each, choice, passing, highest)
                if done.status != "imported":
                    progress(each.size)
                found.append(done)
                on_each(done)
        return found

    def _is_strange(self, name: str, arrivals: Iterable[Arrival], choice: Choice) -> bool:
        """Whether a model of this name is here that nothing may be added to: then its versions are to be left out.

        :class:`Conflict` if that was not asked for. What an interrupted import of the same began is gone on with.
        """
        paths = self._layout.model(name)
        creation.refuse_collision(self._layout, name)
        if choice.merge or not reader.is_model(paths):
            return False
        if any(self._registered_before(paths, choice.identity(each.key)) for each in arrivals if each.model == name):
            return False
        if choice.skip_existing:
            return True
        raise Conflict(f"there is a model {name} already", "add to it with --merge, or choose another name with --as")

    def _arrive(self, each: Arrival, choice: Choice, progress: Progress, highest: dict[str, int]) -> Imported:
        """Let one version come in, unless it did before."""
        identity = choice.identity(each.key)
        before = self._registered_before(self._layout.model(each.model), identity)
        if before is not None:
            return self._again(each, before.number, choice)
        if each.error:
            return each.outcome("failed", each.error.message, code=each.error.exit_code)
        if choice.dry_run:
            return each.outcome("planned", number=self._expected(each, highest))
        event = self._event("registered", None, identity, imported=each.key)
        look = self._arriving(each.record, choice.unsafe)
        try:
            outcome = self._store(
                each.record, event, look, number=each.number, if_new=choice.skip_existing, progress=progress,
                reuse_name=choice.reuse_name, **each.wanted,
            )  # fmt: skip
        except (Indeterminate, LockTimeout):
            raise
        except RegistryError as error:
            return each.outcome("failed", error.message, code=error.exit_code)
        if outcome.why:
            return each.outcome("skipped", outcome.why, number=outcome.number)
        with arrived(f"{each.model}@{outcome.number}"):
            return each.outcome("imported", number=outcome.number, lost=self._point_at(each, outcome.number, choice))

    def _again(self, each: Arrival, number: int, choice: Choice) -> Imported:
        """What came in before: its pointers may not have, if that was interrupted."""
        if number in ModelReader(self._layout.model(each.model)).state().table.deleted:
            return each.outcome("skipped", f"it came in before as {each.model}@{number}, which was deleted")
        lost = () if choice.dry_run else self._point_at(each, number, choice)
        return each.outcome("skipped", "it came in before", number=number, lost=lost)

    def _expected(self, each: Arrival, highest: dict[str, int]) -> int:
        """The number that a version would get."""
        from ..store import writer

        if each.model not in highest:
            paths = self._layout.model(each.model)
            table = ModelReader(paths).state().table if reader.is_model(paths) else StageTable()
            highest[each.model] = reader.highest(paths, table) if reader.is_model(paths) else 0
        highest[each.model] = writer.number_for(each.number, highest[each.model])
        return highest[each.model]

    def _point_at(self, each: Arrival, number: int, choice: Choice) -> tuple[str, ...]:
        """Let the stages and aliases of the origin point to the version, where that was asked for; what did not come to be."""
        ref = f"{each.model}@{number}"
        promoted = partial(self.promote, ref, reason=f"as in {each.key}", verify=False)
        aliased = partial(self.set_alias, ref)
        retired = partial(self.archive, [ref], reason=f"as in {each.key}")
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
