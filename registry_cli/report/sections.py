"""The sections of a page about a model, and the pieces that several pages share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.records import Event, JournalEntry, ModelHistoryEntry, VersionRecord
from . import charts
from .charts import Point
from .html import Child, Markup, element, join

if TYPE_CHECKING:
    from ..core.results import Approval, Deployment
    from .report_data import ModelReport, MonitoredSeries

#: So many versions and events a page lists, and so many metrics and series it draws.
VERSIONS, EVENTS, CHARTS, DAYS = 100, 100, 6, 60
#: So many metrics a row shows.
_METRICS = 4
STYLES = {
    "production": "good", "staging": "warn", "development": "info", "ok": "good", "passed": "good", "alert": "bad",
    "stale": "bad", "failed": "bad", "pending": "warn", "waiting": "warn", "in-force": "good", "rejected": "bad",
    "running": "good", "placed": "good", "deploying": "warn", "behind": "warn", "unreachable": "warn", "drifted": "bad",
    "damaged": "bad",
}  # fmt: skip


def tag(text: str, kind: str = "") -> Markup:
    """A short word in a coloured pill; without ``kind`` by what it says."""
    return element("span", text, class_=f"tag {kind or STYLES.get(text, '')}".strip())


def table(columns: Sequence[str], rows: Iterable[Sequence[Child]], **attributes: object) -> Markup:
    """A table in a box that scrolls sideways. A column whose name ends with ``#`` has numbers."""
    numeric = [name.endswith("#") for name in columns]
    head = [
        element("th", name.rstrip("#"), scope="col", class_="num" if right else None)
        for name, right in zip(columns, numeric, strict=True)
    ]
    body = []
    for row in rows:
        cells = [
            cell
            if isinstance(cell, Markup) and cell.startswith(("<td", "<th"))
            else element("td", cell, class_="num" if right else None)
            for cell, right in zip(row, numeric, strict=True)
        ]
        body.append(element("tr", cells))
    inner = element("table", element("thead", element("tr", head)), element("tbody", body), **attributes)
    return element("div", inner, class_="box", tabindex="0", role="region", aria_label="table")


def sortable(value: object, *shown: Child, numeric: bool = False) -> Markup:
    """A cell that sorts by ``value``."""
    return element("td", *shown, data_value=str(value), class_="num" if numeric else None)


def section(title: str, *children: Child) -> Markup:
    """A section with a heading; nothing when all of it is empty."""
    inner = join(*children)
    return element("section", element("h2", title), inner) if inner else inner


def format_time(stamp: str) -> str:
    """A time to the minute, in UTC."""
    return stamp[:16].replace("T", " ")


def format_size(count: int) -> str:
    """Bytes in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}" if abs(value) < 99.95 else f"{value:.0f} {unit}"


def list_metrics(metrics: Mapping[str, Any], most: int = _METRICS) -> Markup | None:
    """The first metrics, each with its name."""
    shown = [
        element("span", element("span", name, class_="dim"), " ", charts.format_value(value), class_="metric")
        for name, value in list(metrics.items())[:most]
    ]
    more = len(metrics) - most
    rest = element("span", f"+{more} more", class_="metric dim") if more > 0 else None
    return element("div", shown, rest, class_="metrics") if shown else None


def pointers(version: VersionRecord) -> list[Markup]:
    """The stages and aliases of a version as pills."""
    found = [tag(stage, STYLES.get(stage, "info")) for stage in version.stages]
    found += [tag(f"@{alias}") for alias in version.aliases]
    return [*found, tag("archived")] if version.archived else found


def live_section(report: ModelReport) -> Markup:
    """What each stage points to."""
    versions = {each.number: each for each in report.versions}
    cards = []
    for stage, number in reversed(list(report.model.stages.items())):
        version = versions.get(number)
        if version is None:
            continue
        facts: list[tuple[str, Child]] = [
            ("registered", f"{format_time(version.created)} by {version.author}"),
            ("metrics", list_metrics(version.metrics)),
            ("message", version.message),
            ("digest", element("span", f"sha256:{version.digest[:12]}", class_="mono")),
            ("source", format_source(version)),
        ]
        items = [(element("dt", name), element("dd", value)) for name, value in facts if value]
        title = element("p", tag(stage, STYLES.get(stage, "info")), element("strong", version.ref))
        cards.append(element("div", title, element("dl", items), class_="box pad"))
    return section("Live versions", element("div", cards, class_="grid") if cards else None)


def format_source(version: VersionRecord) -> str:
    git = version.lineage.get("git")
    if isinstance(git, Mapping) and git.get("commit"):
        return f"commit {str(git['commit'])[:12]}{' with changes' if git.get('dirty') else ''}"
    return ""


def deployments_section(deployments: Iterable[Deployment], links: Mapping[str, str] | None = None) -> Markup:
    """Which targets run which versions, by the record; with ``links`` of several models."""
    rows = [
        (
            each.target,
            element("a", each.ref, href=links[each.model])
            if links and each.model in links
            else element("strong", each.ref),
            f"{each.follows}: {each.stage_version or 'empty'}" if each.follows else "",
            tag(each.state),
            format_time(each.at) if each.at else "",
            each.by,
        )
        for each in deployments
    ]
    columns = ("Target", "Version", "Stage says", "State", "Since (UTC)", "By")
    return section("Deployments", table(columns, rows) if rows else None)


def metrics_section(report: ModelReport) -> Markup:
    """Each metric over the versions."""
    newest = [each for each in report.versions if not each.archived][:DAYS][::-1]
    names = dict.fromkeys(name for each in reversed(newest) for name in each.metrics)
    drawn: list[Markup] = []
    for name in names:
        if len(drawn) == CHARTS:
            break
        points = [Point(f"@{each.number}", float(each.metrics[name])) for each in newest if name in each.metrics]
        if len(points) > 1:
            direction = report.directions.direction(name)
            title = f"{name} ({direction} is better)" if direction else name
            drawn.append(charts.draw_line(title, points))
    more = f"more metrics: registry compare {report.model.name}" if len(names) > len(drawn) == CHARTS else None
    return section(
        "Metrics over versions",
        element("div", drawn, class_="grid") if drawn else None,
        element("p", more, class_="dim") if more else None,
    )


def monitoring_section(report: ModelReport) -> Markup:
    """Each series of observations, day by day, with the bounds of its rule."""
    drawn = [_draw_series(each) for each in report.series if any(day.value is not None for day in each.days)]
    rows = [
        (
            element("th", status.ref, scope="row"),
            " ".join(filter(None, (status.metric, status.target and f"on {status.target}", status.slice))),
            "-" if status.value is None else charts.format_value(status.value),
            element("td", status.wanted or "-", class_="nowrap"),
            element("td", format_time(status.last) or "never", class_="nowrap"),
            tag(status.outcome) if status.outcome else "-",
        )
        for status, _ in report.series
    ]
    columns = ("Version", "Metric", "Value#", "Wanted", "Last observation (UTC)", "Outcome")
    return section(
        "Monitoring",
        table(columns, rows) if rows else None,
        element("h3", "Day by day") if drawn else None,
        element("div", drawn[:CHARTS], class_="grid") if drawn else None,
    )


def _draw_series(series: MonitoredSeries) -> Markup:
    status, days = series
    names = [status.ref, status.metric, *filter(None, (status.target, status.slice))]
    points = [Point(day[5:], value) for day, value in days[-DAYS:]]
    return charts.draw_line("  ".join(names), points, status.lowest, status.highest)


def versions_section(report: ModelReport) -> Markup:
    """The newest versions."""
    rows = [
        (
            element("th", f"@{each.number}", scope="row", id=f"v{each.number}"),
            pointers(each) or "",
            element("td", format_time(each.created), class_="nowrap"),
            each.author,
            list_metrics(each.metrics),
            format_size(each.packed if each.packed is not None else each.size),
            element("td", each.message, class_="long"),
        )
        for each in report.versions[:VERSIONS]
    ]
    more = len(report.versions) - VERSIONS
    note = (
        element("p", f"{more:,} older versions: registry versions {report.model.name}", class_="dim")
        if more > 0
        else None
    )
    columns = ("Version", "Stages", "Registered (UTC)", "Author", "Metrics", "Size#", "Message")
    return section("Versions", table(columns, rows) if rows else None, note)


def gates_section(report: ModelReport) -> Markup:
    """The policies, evaluated on the latest version, and who approved what."""
    parts: list[Markup] = []
    for each in report.gates:
        missed = sum(rule.outcome != "passed" for rule in each.rules)
        verdict = tag("would enter", "good") if not missed else tag(f"{missed} not passed", "warn")
        rows = [(rule.name, rule.wanted, rule.found, tag(rule.outcome)) for rule in each.rules]
        parts.append(element("h3", each.ref, " → ", each.stage, " ", verdict))
        parts.append(table(("Rule", "Wanted", "Found", "Outcome"), rows))
    if report.problem:
        parts.append(element("p", tag("error", "bad"), report.problem))
    if report.approvals:
        columns = ("Version", "Stage", "By", "At (UTC)", "Decision", "State", "Reason")
        parts += [element("h3", "Approvals"), table(columns, map(_approval_row, report.approvals))]
    return section("Gates and approvals", parts)


def _approval_row(approval: Approval) -> Sequence[Child]:
    decision = "approved" if approval.approved else "rejected"
    reason = element("td", approval.reason, class_="long")
    return (approval.ref, approval.stage, approval.by, format_time(approval.at), decision, tag(approval.state), reason)


def lineage_section(report: ModelReport) -> Markup:
    """Where the versions in a stage come from."""
    rows = []
    for version in (each for each in report.versions if each.stages):
        parents = version.lineage.get("parents")
        data = version.lineage.get("data")
        facts = [
            ("source", format_source(version)),
            ("parents", ", ".join(_name_of(each) for each in parents) if isinstance(parents, list) else ""),
            ("data", ", ".join(_name_of(each) for each in data) if isinstance(data, list) else ""),
            ("framework", str(version.lineage.get("framework") or "")),
            ("format", str(version.lineage.get("format") or "")),
        ]
        rows += [(element("th", version.ref, scope="row"), name, value) for name, value in facts if value]
    return section("Where live versions come from", table(("Version", "What", "Recorded"), rows) if rows else None)


def _name_of(entry: object) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("ref") or entry.get("name") or entry.get("path") or entry.get("uri") or "")
    return str(entry)


def disk_section(report: ModelReport) -> Markup:
    """How much the versions take."""
    sizes = [(each, each.packed if each.packed is not None else each.size) for each in report.versions]
    total = sum(size for _, size in sizes)
    if not total:
        return Markup("")
    largest = sorted(sizes, key=lambda each: (-each[1], -each[0].number))[:5]
    rows = [
        (
            element("th", f"@{version.number}", scope="row"),
            element("td", format_size(size), charts.draw_share(f"{size / total:.0%} of the model", size / total)),
            f"{version.files:,}",
            "packed" if version.packed is not None else "in place",
        )
        for version, size in largest
    ]
    note = element(
        "p",
        f"{format_size(total)} in {len(sizes):,} versions; files that versions share count each time.",
        class_="dim",
    )
    return section("Disk use", note, table(("Largest versions", "Size", "Files#", "Files are"), rows))


def history_section(entries: Sequence[JournalEntry], title: str = "History") -> Markup:
    """The newest events of a model."""
    rows = [event_row(each.event) for each in entries[:EVENTS]]
    columns = ("Time (UTC)", "Who", "Action", "Version", "Details")
    return section(title, table(columns, rows) if rows else None)


def recent_section(entries: Sequence[ModelHistoryEntry], link: Mapping[str, str]) -> Markup:
    """The newest events of all models."""
    rows = []
    for each in entries:
        at, who, action, version, details = event_row(each.entry.event)
        name = element("a", each.model, href=link[each.model]) if each.model in link else each.model
        rows.append((at, who, action, join(name, version), details))
    columns = ("Time (UTC)", "Who", "Action", "Model", "Details")
    return section("Recent changes", table(columns, rows) if rows else None)


def event_row(event: Event) -> tuple[Child, ...]:
    version = f"@{event.version}" if event.version is not None else ""
    when = element("td", format_time(event.at), class_="nowrap")
    return (
        when,
        event.by,
        tag(event.action, _ACTIONS.get(event.action, "")),
        version,
        element("td", _details(event), class_="long"),
    )


_ACTIONS = {
    "promoted": "good",
    "rolled-back": "warn",
    "alerted": "bad",
    "rejected": "bad",
    "recovered": "good",
    "registered": "info",
}


def _details(event: Event) -> str:
    """What an event changed, in words."""
    detail = event.detail
    parts = []
    pointer = detail.get("stage") or detail.get("alias")
    if pointer:
        moved = (
            f": {detail.get('before') or 'nothing'} → {detail.get('after') or 'nothing'}" if "after" in detail else ""
        )
        parts.append(f"{pointer}{moved}")
    for kind in ("tags", "metrics"):
        if isinstance(detail.get(kind), Mapping):
            parts += [
                f"{name} = {values[1]}"
                for name, values in detail[kind].items()
                if isinstance(values, list) and len(values) > 1
            ]
    if detail.get("metric"):
        value = detail.get("value")
        parts.append(
            f"{detail['metric']}{f' {charts.format_value(value)}' if isinstance(value, (int, float)) else ''}, wanted {detail.get('wanted')}"
        )
    if detail.get("versions"):
        parts.append(f"versions {detail['versions']}")
    if detail.get("reason"):
        parts.append(f"“{detail['reason']}”")
    return "; ".join(parts)
