"""Records and lists of records as HTML, for notebooks: with the components of a report, and without its script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ..core.lazy_dataclass import Record
from ..core.records import Artifact, JournalEntry, ModelHistoryEntry, ModelRecord, VersionRecord
from ..rules.comparison import Comparison, Diff, StoredFile
from . import sections
from .charts import format_value
from .html import Child, Markup, element, join
from .pages import read_style

#: So many rows a table shows, and so many characters a value.
_ROWS, _LENGTH = 100, 300
_SCOPE = ".registry-record"


def render(value: Any) -> str:
    """The HTML of a record, or of a list of records."""
    body = _render_list(value) if isinstance(value, list) else _render_record(value)
    return element("div", element("style", Markup(_scoped_style())), body, class_=_SCOPE[1:])


@cache
def _scoped_style() -> str:
    """The style sheet of reports, for what is inside such an element only: a notebook keeps its own."""

    def scope(match: re.Match[str]) -> str:
        names = [each for each in match[1].split(",") if not each.startswith(("html", "@"))]
        roots = {":root", "body"}
        return ",".join(_SCOPE if each in roots else f"{_SCOPE} {each}" for each in names) + "{" if names else match[0]

    style = re.sub(r"@media print\{.*", "", read_style(), flags=re.DOTALL)
    return re.sub(r"(?<![\w-])([^{}@;]+)\{", scope, style)


def _render_record(record: Any) -> Markup:
    for kind, draw in _RECORDS.items():
        if isinstance(record, kind):
            return draw(record)
    return _facts(type(record).__name__, (), record.to_dict().items())


def _render_list(records: Sequence[Any]) -> Markup:
    if not records:
        return element("p", "No records.", class_="dim")
    columns, draw = next(
        (found for kind, found in _ROWS_OF.items() if all(isinstance(each, kind) for each in records)), ((), None)
    )
    if draw is None:
        found = [each.to_dict() for each in records[:_ROWS]]
        columns = tuple(dict.fromkeys(key for each in found for key in each))
        rows: Iterable[Sequence[Child]] = [[_shown(each.get(key)) for key in columns] for each in found]
    else:
        rows = map(draw, records[:_ROWS])
    more = len(records) - _ROWS
    note = element("p", f"{more:,} more", class_="dim") if more > 0 else None
    return join(sections.table(columns, rows), note)


def _facts(title: str, pills: Child, facts: Iterable[tuple[str, Any]]) -> Markup:
    """A heading, and names with values; those that are empty are left out."""
    items = [
        (element("dt", name), element("dd", _shown(value)))
        for name, value in facts
        if value is not None and value not in ("", [], {}, ())
    ]
    return element("div", element("p", element("strong", title), " ", pills), element("dl", items), class_="box pad")


def _shown(value: Any) -> Child:
    if isinstance(value, Markup) or value is None:
        return value
    if isinstance(value, float):
        return format_value(value)
    if isinstance(value, Mapping):
        return sections.list_metrics(value, _ROWS) if all(map(_is_number, value.values())) else _pairs(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, Mapping) for each in value):
        return [element("div", _pairs(each)) for each in value[:_ROWS]]
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pairs(values: Mapping[str, Any]) -> Child:
    """Names with values in one line."""
    return [
        element("span", element("span", name, class_="dim"), " ", str(value)[:_LENGTH], class_="metric")
        for name, value in list(values.items())[:_ROWS]
    ]


def _draw_version(version: VersionRecord) -> Markup:
    size = f"{sections.format_size(version.size)} in {version.files:,} file{'s' if version.files != 1 else ''}"
    digest = element("span", f"sha256:{version.digest[:12]}", class_="mono")
    return _facts(
        version.ref,
        sections.pointers(version),
        (
            ("registered", f"{sections.format_time(version.created)} UTC by {version.author}"),
            ("message", version.message),
            ("metrics", version.metrics),
            ("params", version.params),
            ("tags", version.tags),
            ("annotations", version.annotations),
            ("source", sections.format_source(version)),
            ("files", size),
            ("digest", digest),
        ),
    )


def _draw_model(model: ModelRecord) -> Markup:
    stages = [
        sections.tag(f"{stage} @{number}", sections.STYLES.get(stage, "info")) for stage, number in model.stages.items()
    ]
    return _facts(
        model.name,
        stages,
        (
            ("description", model.description),
            ("owner", model.owner),
            ("latest", f"@{model.latest}" if model.latest is not None else ""),
            ("versions", f"{model.versions:,}" + (f", {model.archived:,} archived" if model.archived else "")),
            ("aliases", {name: f"@{number}" for name, number in model.aliases.items()}),
            ("tags", model.tags),
            ("annotations", model.annotations),
        ),
    )


def _draw_diff(diff: Diff) -> Markup:
    title = element("h3", f"{diff.before.ref} → {diff.after.ref}")
    if diff.equal:
        return join(title, element("p", "No differences.", class_="dim"))
    parts = [
        (
            element("h3", section),
            sections.table(
                ("Name", "Before", "After", "Change#"),
                [
                    (
                        each.name,
                        _side(each.before),
                        _side(each.after),
                        _shown(each.delta) if each.delta else each.change,
                    )
                    for each in found[:_ROWS]
                ],
            ),
        )
        for section, found in diff.sections()
    ]
    return join(title, parts)


def _side(value: Any) -> Child:
    return sections.format_size(value.size) if isinstance(value, StoredFile) else _shown(value)


def _draw_comparison(comparison: Comparison) -> Markup:
    rows = [
        (
            element("th", row.name, scope="row"),
            row.section,
            *(
                element("td", _shown(value), class_="num good" if at in row.best else "num")
                for at, value in enumerate(row.values)
            ),
        )
        for row in comparison.rows[:_ROWS]
    ]
    return sections.table(("Name", "Kind", *(f"{ref}#" for ref in comparison.refs)), rows)


def _version_row(version: VersionRecord) -> Sequence[Child]:
    return (
        element("th", version.ref, scope="row"),
        sections.pointers(version) or "",
        element("td", sections.format_time(version.created), class_="nowrap"),
        version.author,
        sections.list_metrics(version.metrics),
        sections.format_size(version.size),
        element("td", version.message, class_="long"),
    )


def _model_row(model: ModelRecord) -> Sequence[Child]:
    stages = [
        sections.tag(f"{stage} @{number}", sections.STYLES.get(stage, "info")) for stage, number in model.stages.items()
    ]
    latest = f"@{model.latest}" if model.latest is not None else "-"
    return (
        element("th", model.name, scope="row"), latest, stages, f"{model.versions:,}", model.owner,
        element("td", model.description, class_="long"),
    )  # fmt: skip


_EVENT = ("Time (UTC)", "Who", "Action", "Version", "Details")
#: How the records of each class are drawn, and as rows of a table; all others by their fields.
_RECORDS: dict[type[Record], Callable[[Any], Markup]] = {
    VersionRecord: _draw_version,
    Artifact: lambda artifact: join(
        _draw_version(artifact.version),
        sections.table(("File", "SHA-256"), [(each.path, each.sha256[:12]) for each in artifact.files[:_ROWS]]),
    ),
    ModelRecord: _draw_model,
    Diff: _draw_diff,
    Comparison: _draw_comparison,
}
_ROWS_OF: dict[type[Record], tuple[tuple[str, ...], Callable[[Any], Sequence[Child]]]] = {
    VersionRecord: (("Version", "Stages", "Registered (UTC)", "Author", "Metrics", "Size#", "Message"), _version_row),
    ModelRecord: (("Model", "Latest", "Stages", "Versions#", "Owner", "Description"), _model_row),
    JournalEntry: (_EVENT, lambda entry: sections.event_row(entry.event)),
    ModelHistoryEntry: (("Model", *_EVENT), lambda each: (each.model, *sections.event_row(each.entry.event))),
}
