"""The verbs that answer for many versions at once: from the index where there is one, else from the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..core.lazy_dataclass import replace
from ..core.records import Glance, ModelRecord, Overview, RegistryRecord, VersionRecord
from ..core.times import resolve_time, utc_now
from ..errors import Damaged, NotFound, RegistryError
from ..store import layout
from ..store.model_names import iter_model_names
from ..store.reader import ModelReader, State
from .opened import OpenRegistry, as_it_was

if TYPE_CHECKING:
    from ..index.index import Index, UnreadableDocument

#: What is told of documents that can't be read; the answer goes on without them.
OnDamage = Callable[[RegistryError], None]
_METRICS = 3


class Wanted(NamedTuple):
    """Which versions, in which order: ``model`` None for all, the archived ones too with ``archived``."""

    model: str | None
    where: str | Sequence[str]
    archived: bool
    sort: str
    limit: int | None


def raise_it(error: RegistryError) -> None:
    """What is done about damage when nobody asked to be told."""
    raise error


class Listing(OpenRegistry):
    """A registry, for questions that concern many of its models or versions."""

    def info(self) -> RegistryRecord:
        """The registry as a whole. ``size`` is what its versions add up to in bytes, shared files counted each time."""
        models = versions = archived = size = packed = packed_size = 0
        for _ in iter_model_names(self._layout):
            models += 1
        for version in self.search(archived=True):
            versions += 1
            archived += version.archived
            size += version.size
            packed += version.packed is not None
            packed_size += version.packed or 0
        settings = self.settings
        return RegistryRecord(
            str(self.root), settings.id, layout.FORMAT, settings.shared, settings.stages, settings.created,
            models, versions, archived, size, packed, packed_size,
        )  # fmt: skip

    def model_names(self) -> list[str]:
        """The names of all models, in order."""
        return list(iter_model_names(self._layout))

    def models(self, *, as_of: str | datetime | None = None, on_damage: OnDamage = raise_it) -> Iterator[ModelRecord]:
        """Every model, in the order of names; as it was at a time, if one is given.

        ``on_damage`` is told of each document that can't be read; the rest is listed.
        """
        return (each.model for each in self.overview(as_of=as_of, on_damage=on_damage, glances=False))

    def overview(
        self, *, as_of: str | datetime | None = None, on_damage: OnDamage = raise_it, glances: bool = True
    ) -> Iterator[Overview]:
        """As :meth:`models`, with what a list shows of the versions that are the latest or hold a stage.

        Without ``glances`` nothing is shown of them, and none is looked at.
        """
        if as_of is None:
            answer = self._asked(lambda index: self._overview_of(index, glances))
            if answer is not None:
                yield from answer[0]
                _tell(answer[1], on_damage)
                return
        then = resolve_time(as_of)
        for name in iter_model_names(self._layout):
            try:
                if overview := self._overview(name, then, on_damage, glances):
                    yield overview
            except RegistryError as error:
                on_damage(error)

    def _overview_of(self, index: Index, glances: bool) -> tuple[list[Overview], list[UnreadableDocument]]:
        index.refresh(progress=self._progress)
        found, unreadable = list(index.overview(glances=glances)), index.unreadable()
        shown = (
            {(each.model.name, number) for each in found for number in _shown(each.model)}
            if unreadable and glances
            else set()
        )
        return found, [each for each in unreadable if each.version is None or (each.model, each.version) in shown]

    def _overview(self, name: str, then: str | None, on_damage: OnDamage, glances: bool) -> Overview | None:
        model = self._model(name)
        state = model.state()
        past = self._past(model, state, then)
        if past is None:
            return None
        record = model.record(past[0], past[1])
        shown = {}
        for number in _shown(record) if glances else ():
            try:
                version = model.version(number, state)
            except NotFound:
                continue
            except Damaged as error:
                on_damage(error)
                continue
            shown[number] = Glance(version.created, dict(list(version.metrics.items())[:_METRICS]))
        return Overview(record, shown)

    def _past(self, model: ModelReader, state: State, then: str | None) -> tuple[State, int | None] | None:
        """The state of a model at a time, and the highest number then; None when it was not there yet."""
        if then is None:
            return state, None
        from ..store import chronicle

        past = chronicle.past(model.paths, then)
        if past is None:
            return None
        return replace(state, table=as_it_was(past.table, state.table)), past.highest

    def model(self, name: str, *, as_of: str | datetime | None = None) -> ModelRecord:
        """One model. Raises :class:`NotFound`."""
        model = self._model(name)
        past = self._past(model, model.state(), resolve_time(as_of))
        if past is None:
            raise NotFound(f"there was no model '{name}' yet at {resolve_time(as_of)}")
        return model.record(*past)

    def versions(
        self,
        name: str,
        *,
        archived: bool = False,
        where: str | Sequence[str] = "",
        sort: str = "",
        limit: int | None = None,
        as_of: str | datetime | None = None,
        on_damage: OnDamage = raise_it,
    ) -> list[VersionRecord]:
        """The versions of a model, the newest first unless ``sort`` says otherwise; see :meth:`search`.

        With ``as_of``, those that were there then, with the stages, aliases and archive of that time.
        """
        self._model(name)
        wanted = Wanted(name, where, archived, sort, limit)
        then = resolve_time(as_of)
        return list(self._found(wanted, then, on_damage))

    def search(
        self,
        where: str | Sequence[str] = "",
        *,
        archived: bool = False,
        sort: str = "",
        limit: int | None = None,
        as_of: str | datetime | None = None,
        on_damage: OnDamage = raise_it,
    ) -> Iterator[VersionRecord]:
        """The versions of all models that the query ``where`` selects (or each of several), at most ``limit``.

        The archived ones are left out unless asked for, or unless the query speaks of ``archived``. They come model
        by model, the newest first, or as ``sort`` says: ``metrics.auc:desc,created``. With ``as_of``, those that were
        there then, with the stages, aliases and archive of that time. ``on_damage`` is told of what
        can't be read; the rest is found. Raises :class:`InvalidInput` for a slip in a query.
        """
        return self._found(Wanted(None, where, archived, sort, limit), resolve_time(as_of), on_damage)

    def unknown_names(
        self, where: str | Sequence[str], *, model: str | None = None, as_of: str | datetime | None = None
    ) -> tuple[str, ...]:
        """The stages, aliases, models and groups in a query that do not exist, in sentences with the nearest that does.

        Args:
            where: A query, or several.
            model: Only the aliases of this model count.
            as_of: Aliases as they were at this time.

        Returns:
            One sentence for each name that is compared with ``=``, ``!=`` or ``in``; none if all are known.

        Raises:
            InvalidInput: It is not a query.
            NotFound: There is no such model.
        """
        from .unknown_names import UnknownNames

        texts = [text for text in ([where] if isinstance(where, str) else where) if text.strip()]
        return UnknownNames(self, model, as_of).describe(texts)

    def _found(self, wanted: Wanted, then: str | None, on_damage: OnDamage) -> Iterator[VersionRecord]:
        from .selecting import Selection

        selection = Selection(wanted, utc_now())
        a_few = wanted.model is not None and wanted.limit is not None and not (selection.query or selection.ordering)
        if then is None and not a_few:  # the newest few of one model are read faster than a new index is made
            answer = self._asked(lambda index: selection.ask(index, self._progress))
            if answer is not None:
                _tell(answer[1], on_damage)
                return answer[0]
        return selection.pick(self._records(wanted.model, then, on_damage))

    def _records(self, name: str | None, then: str | None, on_damage: OnDamage) -> Iterator[VersionRecord]:
        """Every version of a model, or of all, from the files, the newest of each first."""
        for each in [name] if name else iter_model_names(self._layout):
            try:
                model = self._model(each)
                past = self._past(model, model.state(), then)
            except RegistryError as error:
                on_damage(error)
                continue
            if past is None:
                continue
            for number in reversed(model.numbers(past[0].table, past[1])):
                try:
                    yield model.version(number, past[0])
                except NotFound:  # somebody deleted it while we looked
                    continue
                except Damaged as error:
                    on_damage(error)


def _shown(model: ModelRecord) -> list[int]:
    """The versions of a model that a list shows something of."""
    return sorted({number for number in (model.latest, *model.stages.values()) if number is not None})


def _tell(unreadable: Iterable[UnreadableDocument], on_damage: OnDamage) -> None:
    for each in unreadable:
        on_damage(Damaged(each.message, each.hint))
