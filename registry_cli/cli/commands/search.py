"""Selecting versions: versions, search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ...core.records import VersionRecord
from ...core.times import utc_now
from ..command import argument, command, flag, option
from ..formatting import (
    escape,
    format_age,
    format_metrics,
    format_numbers,
    format_size,
    format_time,
    list_pointers,
    shorten,
)
from ..options import (
    AsOf,
    Model,
    Texts,
    Where,
    iter_watched,
    list_keyed_fields,
    parse_model_name,
    warn_of_missing_fields,
    warn_of_unknown_names,
)
from ..session import Output, Session, TableView

if TYPE_CHECKING:
    from ...query.query import QueryField

#: So many metrics are shown before the author and the size.
_METRICS_FIRST = 3
#: The names of the columns in csv.
_NAMES = ("ref", "stages", "aliases", "archived", "created", "author", "size", "metrics", "tags", "message")
#: The most rows on a terminal; a pipe gets all.
_ROWS_SHOWN = 1_000
Every = Annotated[bool, flag("--all -a", "Include archived versions.")]


class ListOptions(NamedTuple):
    """Which versions to list, and how."""

    stage: Annotated[str | None, option("--stage", "STAGE", "Only the version in this stage.")] = None
    alias: Annotated[str | None, option("--alias", "ALIAS", "Only the version with this alias.")] = None
    tag: Annotated[
        Texts, option("--tag -t", "KEY[=VALUE]", "Only versions with this tag (repeatable; all must match).")
    ] = None
    sort: Annotated[str | None, option("--sort", "FIELD[:desc],...", "Sort by fields: metrics.auc:desc,created.")] = (
        None
    )
    columns: Annotated[
        str | None, option("--columns", "FIELD,...", "Show these fields: model,version,metrics.auc.")
    ] = None
    limit: Annotated[int | None, option("--limit", "N", "Show at most N.", min=1)] = None

    def make_queries(self, where: str) -> list[str]:
        """Combine an expression and the shorthand options into queries that must all match."""
        parts = [where]
        parts += [f"stage = {_quote(self.stage)}"] if self.stage is not None else []
        parts += [f"alias = {_quote(self.alias)}"] if self.alias is not None else []
        for tag in self.tag or ():
            key, mark, value = tag.partition("=")
            field = 'tags."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
            parts.append(f"{field} = {_quote(value)}" if mark else f"{field} exists")
        return [part for part in parts if part.strip()]


@command("versions", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def versions(
    cx: Session, name: Model, every: Every = False, where: Where = None, *, listed: ListOptions, as_of: AsOf = None
) -> None:
    """List the versions of a model.

    Newest first, side by side with their metrics.

    In a pipe: ref, stages, aliases, archived, created, author, size, metrics, tags, message, or the fields given with
    --columns; separated by tabs.

    Examples:
        registry versions churn
        registry versions churn --where 'metrics.auc >= 0.9' --sort metrics.auc:desc --limit 5
        registry versions churn --all -q
        registry versions churn --as-of '7d ago'
    """
    model = parse_model_name(name)
    damage = cx.collect_damage()
    queries, reader = listed.make_queries(where or ""), cx.reader()
    warn_of_unknown_names(cx, reader, queries, model, as_of)
    found = reader.versions(
        model, archived=every, where=queries, sort=listed.sort or "", limit=listed.limit, as_of=as_of, on_damage=damage
    )
    nothing = f"No active versions of {escape(model)}; run 'registry versions {escape(model)} --all'."
    missing = list_keyed_fields(queries, listed.sort, listed.columns)
    nothing = "No versions match." if queries or as_of else nothing
    _list(cx, iter_watched(found, missing), listed.columns, nothing, single=True)
    warn_of_missing_fields(cx, reader, missing)
    damage.raise_found()


@command("search", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def search(
    cx: Session,
    expr: Annotated[str, argument("[EXPR]", "A query (default: every version).")] = "",
    every: Every = False,
    *,
    listed: ListOptions,
) -> None:
    """Search versions of all models with a query.

    The query language is described in `registry help query`.

    Fields: model, group, version, stage, alias, archived, author, created, age, size, files, format, digest, message,
    params.X, metrics.X, tags.X, annotations.X, lineage.X. Operators: = != < <= > >= ~ like in contains exists and or
    not. Values: 0.9, 'text', true, 2026-11-01, 30d, 1GB. Missing fields never match. Archived versions are included
    with --all, or if the query mentions 'archived'.

    In a pipe: as versions.

    Examples:
        registry search "metrics.auc >= 0.9 and stage = production"
        registry search 'age < 30d and tags.team = crm' --sort metrics.auc:desc --limit 10
        registry search 'params.model ~ "^xgb"' --columns model,version,metrics.auc
        registry search 'archived and age > 1y' -q | registry delete - --yes
    """
    damage = cx.collect_damage()
    queries, reader = listed.make_queries(expr), cx.reader()
    warn_of_unknown_names(cx, reader, queries)
    found = reader.iter_search(queries, archived=every, sort=listed.sort or "", limit=listed.limit, on_damage=damage)
    missing = list_keyed_fields(queries, listed.sort, listed.columns)
    _list(cx, iter_watched(found, missing), listed.columns, "No versions match.", single=False)
    warn_of_missing_fields(cx, reader, missing)
    damage.raise_found()


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _list(cx: Session, found: Iterable[VersionRecord], columns: str | None, nothing: str, *, single: bool) -> None:
    versions = iter(found)
    refs = (version.ref for version in versions)
    if columns is None:
        draw_all = lambda: _draw_versions(list(versions), single)  # noqa: E731
        rows = map(_format_row, versions)
        cx.show(Output("versions", versions, refs, rows=rows, draw=draw_all, empty=nothing, names=_NAMES))
        return
    from ...query import query

    names = [name.strip() for name in query.split_fields(columns)]
    fields = [query.parse_field(name) for name in names]
    now = utc_now()

    def row(version: VersionRecord) -> list[Any]:
        return [field.value(version, now) for field in fields]

    def draw() -> TableView:
        all_ = list(versions)
        shown = [_format_column(field, all_, [row(version)[at] for version in all_]) for at, field in enumerate(fields)]
        return TableView(names, [list(cells) for cells in zip(*shown, strict=True)], chosen=True)

    cx.show(Output("versions", versions, refs, rows=map(row, versions), draw=draw, empty=nothing, names=names))


def _format_column(field: QueryField, versions: Sequence[VersionRecord], values: Sequence[Any]) -> list[str]:
    """Format the cells of a requested column for a person."""
    if field.name == "age":
        return [format_age(version.created) for version in versions]
    if field.name == "size":
        return [format_size(version.size) for version in versions]
    values = [",".join(value) if isinstance(value, (list, tuple)) else value for value in values]
    texts = [format_time(value) for value in values] if field.name == "created" else format_numbers(values)
    return ["-" if value in (None, "") else text for value, text in zip(values, texts, strict=True)]


def _format_row(version: VersionRecord) -> Sequence[Any]:
    return (
        version.ref, version.stages, version.aliases, version.archived, version.created, version.author, version.size,
        version.metrics, version.tags, version.message,
    )  # fmt: skip


def _draw_versions(found: list[VersionRecord], single: bool) -> TableView:
    counts = Counter(name for version in found for name in version.metrics)
    metrics = [name for name, _ in counts.most_common()]
    columns = ("version" if single else "ref", "stage", *metrics, "size", "age", "author", "tags", "message")
    above = found[:_ROWS_SHOWN]
    texts = format_metrics([version.metrics for version in above])
    rows = [
        _format_cells(version, [text.get(name, "-") for name in metrics], single)
        for version, text in zip(above, texts, strict=True)
    ]
    filled = [any(row[at] for row in rows) for at in range(len(columns))]
    if not all(filled[-2:]):  # no version has tags, or none a message
        kept = [at for at in range(len(columns)) if filled[at] or at < len(columns) - 2]
        columns, rows = tuple(columns[at] for at in kept), [[row[at] for at in kept] for row in rows]
    places = range(2, 2 + len(metrics))
    tags, author, size = (
        [columns.index(name, places.stop)] if name in columns[places.stop :] else []
        for name in ("tags", "author", "size")
    )
    optional = [*tags, *reversed(places[_METRICS_FIRST:]), *author, *size, *reversed(places[:_METRICS_FIRST])]
    return TableView(
        columns, rows, optional=optional, metrics=places, hint="use --columns",
        footer=f"… and {len(found) - _ROWS_SHOWN:,} more" if len(found) > _ROWS_SHOWN else "",
    )  # fmt: skip


def _format_cells(version: VersionRecord, metrics: Sequence[str], single: bool) -> list[str]:
    """Format the cells of a version; ``metrics`` are the formatted metrics with a column."""
    packed = f" ({format_size(version.packed)} packed)" if version.packed is not None else ""
    return [
        str(version.number) if single else version.ref,
        " ".join(list_pointers(version)) or "-",
        *metrics,
        format_size(version.size) + packed,
        format_age(version.created),
        version.author,
        " ".join(f"{name}={value}" for name, value in version.tags.items()),
        shorten(version.message.partition("\n")[0]),
    ]
