"""Collect what a report shows, and write its pages."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import operations
from ..core import names
from ..core.lazy_dataclass import Record, dataclass, replace
from ..core.observations import Observation, fold
from ..core.quantities import parse_timestamp, to_epoch
from ..core.records import JournalEntry, ModelHistoryEntry, ModelRecord, RegistryRecord, VersionRecord
from ..core.results import Approval, Deployment
from ..core.times import resolve_time
from ..core.values import OneOrMore, as_list
from ..errors import Conflict, InvalidInput, RegistryError
from ..monitoring import observation_files
from ..report import pages
from ..report.report_data import DailyMean, ModelReport, MonitoredSeries, RegistryReport
from ..report.sections import DAYS
from ..rules.metric_directions import KEY as DIRECTIONS_KEY
from ..rules.metric_directions import LISTED, Directions
from ..rules.monitor_evaluation import ALERT, STALE, SeriesKey, SeriesStatus, evaluate_series, evaluate_staleness
from ..rules.monitor_rules import KEY
from ..rules.policy.evaluation import Evaluation
from ..store import history
from ..store.filesystem import files, replacement
from ..store.layout import FORMAT
from ..store.reader import ModelReader
from . import gate, settings
from .approvals import describe_approvals
from .context import open_model, open_snapshot
from .exchange.export import resolve_target_path
from .monitor import MonitorHistory
from .ownership import Copy, replaceable_file
from .search import list_model_names, list_models, list_versions, search_versions
from .settings import SettingsDocument, SettingsScope

if TYPE_CHECKING:
    from ..report.server import Site
    from ..store.filesystem.replacement import Existing
    from ..store.layout import Layout
    from .context import RegistryContext

#: So many of the newest events of a model, and of the registry, are shown.
_EVENTS, _RECENT = 100, 30
_HEAD = 4096
_DOCUMENT = 64 << 20


@dataclass(frozen=True)
class ReportWritten(Record):
    """The outcome of writing a report: where it is, how many models and files it has, and its size in bytes."""

    path: str
    models: int
    files: int
    size: int


def collect_report(
    context: RegistryContext, models: OneOrMore[str] = (), *, since: str | datetime | None = None
) -> RegistryReport:
    """Read all that a report shows. Of damaged models only the reason is shown.

    Args:
        context: The registry.
        models: The models to show; all when none is named.
        since: Show events and observations from this time on.

    Raises:
        NotFound: There is no such model.
    """
    first = resolve_time(since) or ""
    chosen = [open_model(context, names.model_name(each)).name for each in as_list(models, "models")]
    damage: dict[str, str] = {}

    def keep(error: RegistryError) -> None:
        damage.setdefault(error.message, "")

    versions: dict[str, list[VersionRecord]] = {}
    for name in chosen:
        versions[name] = list_versions(context, name, archived=True, on_damage=keep)
    for version in () if chosen else search_versions(context, archived=True, on_damage=keep):
        versions.setdefault(version.model, []).append(version)
    settings_of = _SettingsReader(context.layout)
    found: list[ModelReport] = []
    for record in list_models(context, on_damage=keep):
        if not chosen or record.name in versions:
            try:
                found.append(_read_model(context, record, versions.get(record.name, []), first, settings_of))
            except (RegistryError, OSError) as error:
                damage.setdefault(f"{record.name}: {error}", "")
    at = max((_find_newest(each) for each in found), default="")
    entries = [ModelHistoryEntry(each.model.name, entry) for each in found for entry in each.events[:_RECENT]]
    recent = sorted(entries, key=lambda each: (each.entry.event.at, each.model, each.entry.seq), reverse=True)[:_RECENT]
    moment = parse_timestamp(at)
    if moment is not None:
        found = [_evaluate(context, each, moment, settings_of) for each in found]
    found = _add_deployments(context, found)
    registry = _summarize(context, found)
    return RegistryReport(registry, context.root.name, at, found, recent, sorted(damage))


def _add_deployments(context: RegistryContext, models: Sequence[ModelReport]) -> list[ModelReport]:
    """Add the deployments of each model; a ``targets.yaml`` that can't be read leaves them out."""
    try:
        found = operations.deployment_status.list_deployments(context, [each.model.name for each in models])
    except RegistryError:
        return list(models)
    by_model: dict[str, list[Deployment]] = {}
    for each in found:
        by_model.setdefault(each.model, []).append(each)
    return [replace(each, deployments=by_model.get(each.model.name, ())) for each in models]


def _summarize(context: RegistryContext, models: Sequence[ModelReport]) -> RegistryRecord:
    every = [version for each in models for version in each.versions]
    packed = [each.packed for each in every if each.packed is not None]
    kept = context.settings
    return RegistryRecord(
        str(context.root), kept.id, FORMAT, kept.shared, kept.stages, kept.created, len(models), len(every),
        sum(each.archived for each in every), sum(each.size for each in every), len(packed), sum(packed),
    )  # fmt: skip


class _SettingsReader:
    """The documents of models, that of the registry and those of groups read once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._wide: dict[str, list[SettingsDocument]] = {}

    def load(self, name: str) -> list[SettingsDocument]:
        """The documents that are about a model, the widest first."""
        group = name.rpartition("/")[0]
        if group not in self._wide:
            self._wide[group] = settings.load_documents(self._layout, SettingsScope(group))
        return [*self._wide[group], settings.load_model_document(self._layout, SettingsScope.for_model(name))]


def _read_model(
    context: RegistryContext,
    record: ModelRecord,
    versions: list[VersionRecord],
    since: str,
    settings_of: _SettingsReader,
) -> ModelReport:
    model = open_model(context, record.name)
    events = list(islice(history.newest_first(model.paths), _EVENTS))
    directions, problem = LISTED, ""
    try:
        for level in settings_of.load(record.name):
            directions = Directions.parse(level.document.get(DIRECTIONS_KEY), level.source).over(directions)
    except InvalidInput as error:
        problem = str(error)
    versions.sort(key=lambda each: -each.number)
    shown = [entry for entry in events if entry.event.at >= since]
    series = [each for version in _list_monitored(model, versions) for each in _read_series(model, version, since)]
    return ModelReport(record, versions, shown, series, (), (), directions, problem)


def _list_monitored(model: ModelReader, versions: Sequence[VersionRecord]) -> list[VersionRecord]:
    """The versions that have observations; those with a stage first."""
    if not files.exists(model.paths.observations(1).parent):
        return []
    found = [each for each in versions if observation_files.has_observations(model.paths, each.number)]
    return sorted(found, key=lambda each: not each.stages)


def _read_series(model: ModelReader, version: VersionRecord, since: str) -> list[MonitoredSeries]:
    """The observations of a version day by day; the status of each is filled in by :func:`_evaluate`."""
    series: dict[SeriesKey, list[Observation]] = {}
    for each in fold(observation_files.iter_observations(model.paths, version.number, since)):
        series.setdefault(SeriesKey(each.name, each.target, each.slice), []).append(each)
    return [
        MonitoredSeries(
            SeriesStatus(*key, "", None, 0, points[-1].at, ref=version.ref, stages=version.stages),
            _compute_days(points),
        )
        for key, points in sorted(series.items())
    ]


def _compute_days(points: Sequence[Observation]) -> list[DailyMean]:
    """The mean of each day from the first observation to the last, but no more days than are shown."""
    sums: dict[str, tuple[float, int]] = {}
    for each in points:
        value, count = sums.get(each.at[:10], (0.0, 0))
        weight = each.samples or 1
        sums[each.at[:10]] = (value + each.value * weight, count + weight)
    last = date.fromisoformat(points[-1].at[:10])
    length = min((last - date.fromisoformat(points[0].at[:10])).days + 1, DAYS)
    days = [(last - timedelta(days=back)).isoformat() for back in range(length - 1, -1, -1)]
    return [DailyMean(day, sums[day][0] / sums[day][1] if day in sums else None) for day in days]


def _find_newest(report: ModelReport) -> str:
    observed = [each.status.last for each in report.series]
    return max([report.model.created, *(entry.event.at for entry in report.events[:1]), *observed])


def _evaluate(
    context: RegistryContext, report: ModelReport, moment: datetime, settings_of: _SettingsReader
) -> ModelReport:
    """The rules of ``monitor`` and the policies as they were at ``moment``, the time of the newest thing in the registry."""
    try:
        levels = settings_of.load(report.model.name)
        series = _evaluate_series(context, report, moment) if report.series or _has(levels, KEY) else []
        gates = _evaluate_gates(context, report, moment) if _has(levels, "policy") else ()
        approvals = _list_approvals(context, report) if _has_approvals(report.events) else ()
        return replace(report, series=series, gates=gates, approvals=approvals)
    except InvalidInput as error:
        return replace(report, problem=str(error))


def _has(levels: Sequence[SettingsDocument], key: str) -> bool:
    return any(level.document.get(key) for level in levels)


def _has_approvals(events: Sequence[JournalEntry]) -> bool:
    return any(entry.event.action in ("approved", "rejected") for entry in events)


def _evaluate_series(context: RegistryContext, report: ModelReport, moment: datetime) -> list[MonitoredSeries]:
    name = report.model.name
    rules, directions = settings.load_monitor_rules(context.layout, SettingsScope.for_model(name))
    paths = context.layout.model(name)
    past = MonitorHistory.load(paths)
    days = {(each.status.ref, each.status.key): each.days for each in report.series}
    found = []
    for version in report.versions:
        mine = [each for each in report.series if each.status.ref == version.ref]
        if not mine and not (rules.stale and context.stages[-1] in version.stages):
            continue
        observations = fold(observation_files.iter_observations(paths, version.number))
        statuses = evaluate_series(rules, observations, version.metrics, directions, to_epoch(moment))
        last = max((each.at for each in observations), default="")
        stale = evaluate_staleness(rules, last, to_epoch(moment)) if version.stages else None
        for each in (*statuses, *([stale] if stale else [])):
            status = past.compare(replace(each, ref=version.ref, stages=version.stages))
            if (version.ref, status.key) in days or status.outcome in (ALERT, STALE):
                found.append(MonitoredSeries(status, days.get((version.ref, status.key), ())))
    return found


def _evaluate_gates(context: RegistryContext, report: ModelReport, moment: datetime) -> list[Evaluation]:
    """The policy of each stage evaluated on the latest version, as if its commands had passed."""
    number = report.model.latest
    if number is None:
        return []
    snapshot = open_snapshot(context, report.model.name)
    read = settings.load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot))
    then = replace(context, clock=lambda: moment)
    found = []
    for stage in read.stages:
        if stage in read.policies and snapshot.table.stages.get(stage) != number:
            passed = dict.fromkeys(gate.list_checks(read.policies, stage), gate.NOT_YET)
            found.append(gate.evaluate_policy(then, snapshot, number, stage, read, passed))
    return [each for each in found if each.rules]


def _list_approvals(context: RegistryContext, report: ModelReport) -> list[Approval]:
    snapshot = open_snapshot(context, report.model.name)
    numbers = {entry.event.version for entry in report.events if entry.event.action in ("approved", "rejected")}
    return [
        each
        for version in report.versions
        if version.number in numbers
        for each in describe_approvals(context, snapshot, version.number)
    ]


def write_report(
    context: RegistryContext,
    target: str | os.PathLike[str],
    models: OneOrMore[str] = (),
    *,
    since: str | datetime | None = None,
) -> ReportWritten:
    """Write a report: a folder of pages, or one file where ``target`` ends with ``.html``.

    It takes the place of an earlier report of this registry in one step. The same registry makes the same bytes.

    Args:
        context: The registry.
        target: Where to write it, outside of every registry.
        models: The models to show; all when none is named.
        since: Show events and observations from this time on.

    Raises:
        Conflict: Something else is at ``target``.
        InvalidInput: It is inside a registry.
        NotFound: There is no such model.
    """
    place = resolve_target_path(context, target)
    single = place.suffix.lower() in (".html", ".htm")
    existing = replaceable_file(context, place, _is_page, replace=True) if single else _find_earlier(context, place)
    report = collect_report(context, models, since=since)
    made = {"": pages.build_page(report)} if single else pages.build_site(report)
    with replacement.atomic_output(place, existing) as temporary:
        for path, content in made.items():
            file = temporary / path if path else temporary
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return ReportWritten(str(place), len(report.models), len(made), sum(map(len, made.values())))


def make_site(context: RegistryContext, models: OneOrMore[str] = (), *, since: str | datetime | None = None) -> Site:
    """The pages of a report to be served, built anew whenever the registry has changed."""
    from ..report.server import Site

    return Site(
        lambda: pages.build_site(collect_report(context, models, since=since)), lambda: _take_fingerprint(context)
    )


def _take_fingerprint(context: RegistryContext) -> tuple[object, ...]:
    """Another value after every change of a model, and after every observation."""
    found: list[object] = [files.identity(str(context.layout.config))]
    for name in list_model_names(context):
        paths = context.layout.model(name)
        found += [name, *(files.identity(str(path)) for path in (paths.history, paths.stages, paths.model))]
        for number in files.list_folder(paths.observations(1).parent):
            folder = paths.observations(1).parent / number
            found += [files.identity(str(folder / file)) for file in sorted(files.list_folder(folder))]
    return tuple(found)


def _is_page(context: RegistryContext, stream: BinaryIO) -> bool:
    """Whether this is a report of this registry in one file."""
    return f'content="{pages.KIND} {context.settings.id}"'.encode() in stream.read(_HEAD)


def _find_earlier(context: RegistryContext, place: Path) -> Existing | None:
    """The report that is at ``place``; None for nothing. Raises :class:`Conflict` for anything else."""
    existing = replacement.scan_existing(place)
    if existing is None:
        return None
    if not stat.S_ISDIR(existing.status.st_mode):
        raise Conflict(f"'{place}' is a file", "name a folder, or a file that ends with .html")
    if not existing.entries:
        return existing
    copy = Copy(existing)
    try:
        document = json.loads(copy.read(pages.DATA, _DOCUMENT))
        known: Mapping[str, str] = document["pages"]
        ours = document["kind"] == pages.KIND and document["registry"] == context.settings.id
        foreign = copy.list_foreign({**known, pages.DATA: copy.sha256(pages.DATA)}) if ours else [place.name]
    except (ValueError, TypeError, KeyError):
        ours, foreign = False, []
    if not ours:
        raise Conflict(f"'{place}' is not a report of this registry", "choose another folder; nothing was changed")
    if foreign:
        raise Conflict(
            f"'{place}' contains files that were changed, or that are not part of a report: {', '.join(foreign[:5])}",
            "choose another folder, or move them; nothing was changed",
        )
    return existing
