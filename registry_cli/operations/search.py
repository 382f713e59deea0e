"""List and search models and versions: from the index where there is one, else from the files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import RecordList
from ..core.names import is_model_name
from ..core.records import ModelRecord, ModelSummary, RegistryRecord, VersionRecord, VersionSummary
from ..core.text import find_nearest, suggest
from ..core.times import resolve_time, utc_now
from ..errors import Damaged, NotFound, RegistryError
from ..store import codec, layout, model_names, reader
from ..store.filesystem import files
from ..store.model_names import iter_model_names
from .context import load_past, open_model, open_snapshot

if TYPE_CHECKING:
    from typing import Any

    from ..core.progress import Progress
    from ..index.index import Index, UnreadableDocument
    from ..query.fields import QueryField
    from ..store.reader import ModelSnapshot
    from .context import RegistryContext

#: What is told of documents that can't be read; the answer goes on without them.
OnDamage = Callable[[RegistryError], None]
_METRICS = 3


def raise_error(error: RegistryError) -> None:
    """Raise the error: what is done about damage by default."""
    raise error


def get_info(context: RegistryContext) -> RegistryRecord:
    """Return the registry as a whole. ``size`` is the sum over its versions in bytes, shared files counted each time."""
    versions = archived = size = packed = packed_size = 0
    models = len(list_model_names(context))
    for version in search_versions(context, archived=True):
        versions += 1
        archived += version.archived
        size += version.size
        packed += version.packed is not None
        packed_size += version.packed or 0
    settings = context.settings
    return RegistryRecord(
        str(context.root), settings.id, layout.FORMAT, settings.shared, settings.stages, settings.created,
        models, versions, archived, size, packed, packed_size, *_count_deployments(context),
    )  # fmt: skip


def _count_deployments(context: RegistryContext) -> tuple[int, int]:
    """How many there are, and how many are not ok by the record; what can't be read, ``verify`` reports."""
    entries: list[Mapping[str, Any]] = []
    for name in list_model_names(context):
        paths = context.layout.model(name)
        if files.exists(paths.deployments):
            with contextlib.suppress(RegistryError, OSError):
                document = codec.load(paths.deployments, layout.DEPLOYMENTS)
                entries += codec.parse_deployments(document, layout.DEPLOYMENTS).values()
    bad = sum(
        bool(each.get("pending")) or each.get("state") == "failed" or each.get("check", "ok") != "ok"
        for each in entries
    )
    return len(entries), bad


def list_model_names(context: RegistryContext) -> list[str]:
    """Return the names of all models, in order; not those of deleted ones."""
    return [name for name in iter_model_names(context.layout) if not _is_deleted(context, name)]


def _is_deleted(context: RegistryContext, name: str) -> bool:
    try:
        return reader.is_deleted(context.layout.model(name))
    except (RegistryError, OSError):  # whoever reads the model reports that
        return False


def list_models(
    context: RegistryContext, *, as_of: str | datetime | None = None, sort: str = "", on_damage: OnDamage = raise_error
) -> RecordList[ModelRecord]:
    """Return all models, now or at a time: in the order of names, or as :meth:`AdminOperations.overview` sorts them."""
    found = iter_overview(context, as_of=as_of, on_damage=on_damage, glances=False, sort=sort)
    return RecordList(each.model for each in found)


def iter_overview(
    context: RegistryContext,
    *,
    as_of: str | datetime | None = None,
    on_damage: OnDamage = raise_error,
    glances: bool = True,
    sort: str = "",
) -> Iterator[ModelSummary]:
    """Iterate over all models in the order of names, with a summary of the latest version and of those that hold a stage.

    Args:
        as_of: The models as they were at this time.
        on_damage: Called with the error of each document that can't be read.
        glances: False leaves the summaries out; no version is read then.
        sort: ``name``, ``owner``, or ``created``, ``updated``, ``versions``, of which the newest and the most come first;
            also with ``:asc`` or ``:desc``.

    Raises:
        InvalidInput: The models can't be sorted so.
    """
    if sort:
        from ..query.query import parse_model_sort

        key, descending = parse_model_sort(sort)
        found = iter_overview(context, as_of=as_of, on_damage=on_damage, glances=glances)
        yield from sorted(found, key=lambda each: getattr(each.model, key), reverse=descending)
        return
    if as_of is None:
        answer = context.index.query(lambda index: _query_overview(context, index, glances))
        if answer is not None:
            yield from answer[0]
            _report_unreadable(answer[1], on_damage)
            return
    then = resolve_time(as_of, context.clock)
    for name in iter_model_names(context.layout):
        try:
            if overview := _read_overview(context, name, then, on_damage, glances):
                yield overview
        except RegistryError as error:
            on_damage(error)


def _query_overview(
    context: RegistryContext, index: Index, glances: bool
) -> tuple[list[ModelSummary], list[UnreadableDocument]]:
    index.refresh(progress=context.index.progress)
    found, unreadable = list(index.overview(glances=glances)), index.unreadable()
    concerned = found if unreadable and glances else []
    shown = {(each.model.name, number) for each in concerned for number in _list_shown(each.model)}
    return found, [each for each in unreadable if each.version is None or (each.model, each.version) in shown]


def _read_overview(
    context: RegistryContext, name: str, then: str | None, on_damage: OnDamage, glances: bool
) -> ModelSummary | None:
    now = open_snapshot(context, name, deleted=True)
    past = _as_of(now, then)
    if past is None:
        return None
    record = now.model.record(past[0].state, *past[1:])
    shown = {}
    for number in _list_shown(record) if glances else ():
        try:
            version = now.version(number)
        except NotFound:
            continue
        except Damaged as error:
            on_damage(error)
            continue
        shown[number] = VersionSummary(version.created, dict(list(version.metrics.items())[:_METRICS]))
    return ModelSummary(record, shown)


def _as_of(snapshot: ModelSnapshot, then: str | None) -> tuple[ModelSnapshot, int | None, str] | None:
    """A model at a time, the highest number and the last change then; None when it was not there."""
    if then is None:
        return None if reader.is_deleted(snapshot.paths, snapshot.table) else (snapshot, None, "")
    found = load_past(snapshot, then)
    return None if found is None else (found[1], found[0].highest, found[0].updated)


def get_model(context: RegistryContext, name: str, *, as_of: str | datetime | None = None) -> ModelRecord:
    """Return a model, now or at a time."""
    then = resolve_time(as_of, context.clock)
    snapshot = open_snapshot(context, name, deleted=then is not None)
    past = _as_of(snapshot, then)
    if past is None:
        reader.ensure_exists(snapshot.paths, snapshot.table)
        raise NotFound(f"model '{name}' did not exist at {then}")
    return past[0].model.record(past[0].state, *past[1:])


def list_versions(
    context: RegistryContext,
    name: str,
    *,
    archived: bool = False,
    where: str | Sequence[str] = "",
    sort: str = "",
    limit: int | None = None,
    as_of: str | datetime | None = None,
    on_damage: OnDamage = raise_error,
) -> RecordList[VersionRecord]:
    """Return the versions of a model, the newest first unless ``sort`` says otherwise; see :meth:`search`.

    With ``as_of``, the versions of that time with their stages, aliases and archive of that time.
    """
    open_model(context, name)
    search = SearchExecution(name, where, archived, sort, limit)
    found = RecordList(_find_versions(context, search, resolve_time(as_of, context.clock), on_damage))
    if not found and as_of is None:
        open_snapshot(context, name)  # or it was deleted
    return found


def search(
    context: RegistryContext,
    where: str | Sequence[str] = "",
    *,
    archived: bool = False,
    sort: str = "",
    limit: int | None = None,
    as_of: str | datetime | None = None,
    on_damage: OnDamage = raise_error,
) -> RecordList[VersionRecord]:
    """Return the versions of all models that match a query; see :meth:`iter_search`."""
    found = search_versions(context, where, archived=archived, sort=sort, limit=limit, as_of=as_of, on_damage=on_damage)
    return RecordList(found)


def search_versions(
    context: RegistryContext,
    where: str | Sequence[str] = "",
    *,
    archived: bool = False,
    sort: str = "",
    limit: int | None = None,
    as_of: str | datetime | None = None,
    on_damage: OnDamage = raise_error,
) -> Iterator[VersionRecord]:
    """Iterate over the versions of all models that match a query, without holding all of them in memory.

    Args:
        where: A query, or several that must all match.
        archived: Include archived versions; a query about ``archived`` includes them anyway.
        sort: For example ``metrics.auc:desc,created``; otherwise model by model, the newest first.
        limit: At most so many.
        as_of: The versions of this time, with their stages, aliases and archive of that time.
        on_damage: Called with the error of each document that can't be read.

    Raises:
        InvalidInput: A query or the sort order is not valid.
    """
    search = SearchExecution(None, where, archived, sort, limit)
    return _find_versions(context, search, resolve_time(as_of, context.clock), on_damage)


def find_unknown_names(
    context: RegistryContext,
    where: str | Sequence[str],
    *,
    model: str | None = None,
    as_of: str | datetime | None = None,
    fields: Iterable[QueryField] = (),
) -> tuple[str, ...]:
    """The stages, aliases, models and groups in a query that do not exist, in sentences with the nearest that does.

    Args:
        where: A query, or several.
        fields: Params, metrics and tags; those that no version has, but a similar one, are named, too.
        model: Only the aliases of this model count.
        as_of: Aliases as they were at this time.

    Returns:
        One sentence for each name that is compared with ``=``, ``!=`` or ``in``; none if all are known.

    Raises:
        InvalidInput: It is not a query.
        NotFound: There is no such model.
    """
    from ..query import query

    texts = [text for text in ([where] if isinstance(where, str) else where) if text.strip()]
    named = dict.fromkeys(query.parse_all(texts).names) if texts else ()
    known = KnownNames(context, model, as_of)
    unknown = [known.describe_unknown(kind, name) for kind, name in named if not known.is_known(kind, name)]
    return (*unknown, *filter(None, map(known.describe_unknown_field, fields)))


def _find_versions(
    context: RegistryContext, search: SearchExecution, then: str | None, on_damage: OnDamage
) -> Iterator[VersionRecord]:
    a_few = search.model is not None and search.limit is not None and not (search.query or search.ordering)
    if then is None and not a_few:  # the newest few of one model are read faster than a new index is made
        answer = context.index.query(lambda index: search.run_on_index(index, context.index.progress))
        if answer is not None:
            _report_unreadable(answer[1], on_damage)
            return answer[0]
    return search.filter_records(_iter_records(context, search.model, then, on_damage))


def _iter_records(
    context: RegistryContext, name: str | None, then: str | None, on_damage: OnDamage
) -> Iterator[VersionRecord]:
    """Every version of a model, or of all, from the files, the newest of each first."""
    for each in [name] if name else iter_model_names(context.layout):
        try:
            past = _as_of(open_snapshot(context, each, deleted=True), then)
        except RegistryError as error:
            on_damage(error)
            continue
        if past is None:
            continue
        model, state = past[0].model, past[0].state
        for number in reversed(model.numbers(state.table, past[1])):
            try:
                yield model.version(number, state)
            except NotFound:  # somebody deleted it while we looked
                continue
            except Damaged as error:
                on_damage(error)


def _list_shown(model: ModelRecord) -> list[int]:
    """The versions of a model that a list shows something of."""
    return sorted({number for number in (model.latest, *model.stages.values()) if number is not None})


def _report_unreadable(unreadable: Iterable[UnreadableDocument], on_damage: OnDamage) -> None:
    for each in unreadable:
        on_damage(Damaged(each.message, each.hint))


#: So many records are made before the first is printed, so that a damaged index is noticed; the rest one by one.
_AT_ONCE = 2_000


class SearchExecution:
    """A parsed query. Raises :class:`InvalidInput` for a mistake in it."""

    def __init__(
        self, model: str | None, where: str | Sequence[str], archived: bool, sort: str, limit: int | None
    ) -> None:
        from ..query.query import parse_all, parse_sort

        self.model, self.limit, self.now = model, limit, utc_now()
        texts = [text for text in ([where] if isinstance(where, str) else where) if text.strip()]
        self.query = parse_all(texts) if texts else None
        self.ordering = parse_sort(sort) if sort else None
        self.all = archived or (self.query is not None and "archived" in self.query.fields)

    def run_on_index(
        self, index: Index, progress: Progress
    ) -> tuple[Iterator[VersionRecord], list[UnreadableDocument]]:
        """The answer of the index, brought up to date before; the first ones are there already, the rest is read on."""
        from ..index.index import VersionCondition

        texts: list[str] = [] if self.all else ["v.archived = 0"]
        parameters: list[object] = []
        if self.model is not None:
            texts.append("v.model = ?")
            parameters.append(self.model)
        if self.query:
            text, values = self.query.sql(self.now)
            texts.append(f"({text})")
            parameters += values
        order, order_values = self.ordering.sql(self.now) if self.ordering else (VersionCondition().order, ())
        condition = VersionCondition(
            " AND ".join(texts) or "1",
            parameters,
            order,
            order_values,
            self.limit,
            self.query.functions if self.query else {},
        )

        index.refresh(self.model, progress)
        found = index.versions(condition)
        if self.query and self.query.functions:
            with self.query.bounded():
                found = iter(list(found))
        first = list(islice(found, _AT_ONCE))
        unreadable = [each for each in index.unreadable(self.model) if each.what != "document"]
        return chain(first, found), unreadable

    def filter_records(self, records: Iterable[VersionRecord]) -> Iterator[VersionRecord]:
        """Return the matching records, in their order unless another was asked for."""
        found: Iterable[VersionRecord] = (
            record
            for record in records
            if (self.all or not record.archived) and (self.query is None or self.query.matches(record, self.now))
        )
        if self.query and self.query.functions:
            with self.query.bounded():
                found = list(found)
        if self.ordering:
            found = self.ordering.sorted(found, self.now)
        return islice(found, self.limit)


class KnownNames:
    """The names of stages, aliases, models and groups. Models are read only if a name needs it."""

    def __init__(self, context: RegistryContext, model: str | None, as_of: str | datetime | None) -> None:
        self._context, self._model, self._as_of = context, model, as_of

    def is_known(self, kind: str, name: str) -> bool:
        # a stage that was renamed in the settings is still in the tables of models
        return name in self._known(kind) or (kind == "stage" and any(name in each.stages for each in self._models))

    def _known(self, kind: str) -> Sequence[str]:
        if kind == "stage":
            return self._context.stages
        if kind == "alias":
            return sorted({alias for each in self._models for alias in each.aliases})
        names = list_model_names(self._context)
        return names if kind == "model" else sorted({group for name in names if (group := name.rpartition("/")[0])})

    @cached_property
    def _models(self) -> list[ModelRecord]:
        if self._model is not None:
            return [get_model(self._context, self._model, as_of=self._as_of)]
        return list_models(self._context, as_of=self._as_of, on_damage=lambda _: None)

    @cached_property
    def _fields(self) -> Iterable[str]:
        names = self._context.index.query(lambda index: index.field_names())
        if names is not None:
            return names
        records = _iter_records(self._context, self._model, None, lambda _: None)
        families = ("params", "metrics", "tags", "annotations")
        return {f"{each}.{key}" for version in records for each in families for key in getattr(version, each)}

    def describe_unknown_field(self, field: QueryField) -> str:
        """A sentence on a field that no version has; empty if one has it, or none has a similar one."""
        family = f"{field.family}."
        keys = [name.removeprefix(family) for name in self._fields if name.startswith(family)]
        near = "" if field.key in keys else find_nearest(field.key, keys)
        return f"no version has {field.name}; did you mean '{family}{near}'?" if near else ""

    def describe_unknown(self, kind: str, name: str) -> str:
        known, root = self._known(kind), self._context.layout
        now = model_names.find_renamed_model(root, name) if kind == "model" and is_model_name(name) else None
        hint = f"it was renamed to '{now}'" if now else suggest(name, known)
        if not hint and kind == "stage":
            hint = f"available: {', '.join(known)}"
        article = "an" if kind == "alias" else "a"
        return f"the query refers to {article} {kind} '{name}' that does not exist{hint and f'; {hint}'}"
