"""Finding: list, show, find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from ...core.names import Reference
from ...core.records import FileEntry, ModelRecord, ModelSummary, VersionRecord
from ...core.results import Approval, Signature
from ...errors import NotFound
from ...rules.stages import check_stage
from ..command import argument, command, option
from ..formatting import (  # fmt: skip
    align,
    escape,
    format_age,
    format_metrics,
    format_size,
    format_time,
    format_value,
    list_pointers,
    shorten,
)
from ..options import AsOf, Ref, Where, iter_watched, list_keyed_fields, warn_of_missing_fields, warn_of_unknown_names
from ..session import Output, Session, TableView

if TYPE_CHECKING:
    from ...operations.find import FileMatch

_FILES_SHOWN = 20
#: The names of the columns in csv: of models, of the versions in a stage, of the versions with a file.
_NAMES = ("name", "versions", "archived", "latest", "stages", "aliases", "owner", "created")
_LIVE_NAMES = ("ref", "created", "metrics", "owner")
_FOUND_NAMES = ("file", "ref", "path", "stages", "aliases", "archived")


@command("list", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def list_(
    cx: Session,
    stage: Annotated[str | None, option("--stage", "STAGE", "Only models with a version in this stage.")] = None,
    where: Where = None,
    sort: Annotated[
        str, option("--sort", "name|created|updated|versions|owner", "In this order; also updated:asc or name:desc.")
    ] = "",
    as_of: AsOf = None,
) -> None:
    """List the models.

    One row per model: its latest version with the first metric, its stages, and the number of active and archived
    versions. With --stage, one row for each model with a version in that stage. --where keeps the models with an active
    version that matches. With --sort updated, the last change comes first, and the last column shows its age.

    In a pipe: name, versions, archived, latest, stages, aliases, owner, created; with --stage: ref, created, metrics,
    owner; separated by tabs.

    Examples:
        registry list
        registry list --stage production
        registry list --sort updated
        registry list --where 'metrics.auc >= 0.9' -q | xargs -n1 registry versions
        registry list --as-of 2026-03-03
    """
    registry = cx.reader()
    if stage is not None:
        check_stage(stage, registry.stages)
    damage = cx.collect_damage()
    glances = cx.has_viewer or (stage is not None and not (cx.as_json or cx.quiet))
    found = iter(registry.admin.overview(as_of=as_of, on_damage=damage, glances=glances, sort=sort))
    if where:
        warn_of_unknown_names(cx, registry, where, as_of=as_of)
        missing = list_keyed_fields([where], None, None)
        versions = iter_watched(registry.iter_search(where, as_of=as_of, on_damage=damage), missing)
        fitting = {version.model for version in versions}
        warn_of_missing_fields(cx, registry, missing)
        found = (each for each in found if each.model.name in fitting)
    if stage is None:
        rows, refs = (_format_model(each) for each in found), (each.model.name for each in found)
        nothing = "No models yet; add one with 'registry register NAME FILE'."
        nothing = "No models match." if where or as_of else nothing
        draw: Callable[[], TableView] = lambda: _draw_models(list(found), registry.stages, sort)  # noqa: E731
    else:
        found = (each for each in found if stage in each.model.stages)
        rows, refs = (_format_live(each, stage) for each in found), (_live_reference(each, stage) for each in found)
        nothing, draw = f"No model is in {stage}.", lambda: _draw_stage(list(found), stage)
    names = _NAMES if stage is None else _LIVE_NAMES
    cx.show(Output("models", found, refs, rows=rows, draw=draw, empty=nothing, names=names))
    damage.raise_found()


def _format_model(each: ModelSummary) -> Sequence[Any]:
    m = each.model
    pointers = _format_pointers(m.stages), _format_pointers(m.aliases)
    return (m.name, m.versions, m.archived, m.latest, *pointers, m.owner, m.created)


def _format_pointers(pointers: Mapping[str, int]) -> str:
    return ",".join(f"{name}={at}" for name, at in pointers.items())


def _draw_models(found: list[ModelSummary], known: Sequence[str], sort: str) -> TableView:
    stages = [stage for stage in reversed(known) if any(stage in each.model.stages for each in found)]
    rows, updated = [], sort.startswith("updated")
    shown = (each.shown.get(each.model.latest or 0) for each in found)
    firsts = format_metrics([dict(islice(glance.metrics.items(), 1)) if glance else {} for glance in shown])
    for each, first in zip(found, firsts, strict=True):
        model = each.model
        pointed = [_format_number(model.stages.get(stage)) for stage in stages]
        counts = [str(model.versions), str(model.archived) if model.archived else "-"]
        metric = " ".join(next(iter(first.items()), "-"))
        latest = _format_number(model.latest)
        age = format_age(model.updated if updated else model.created)
        rows.append([model.name, *pointed, latest, metric, *counts, model.owner, age])
    columns = ("model", *stages, "latest", "metric", "versions", "archived", "owner", "updated" if updated else "age")
    optional = [
        len(columns) + at for at in ((-2, -3, -5) if updated else (-2, -1, -3, -5))
    ]  # owner, age, archived, metric
    return TableView(columns, rows, optional=optional)


def _format_number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _live_reference(each: ModelSummary, stage: str) -> str:
    return f"{each.model.name}@{each.model.stages[stage]}"


def _format_live(each: ModelSummary, stage: str) -> Sequence[Any]:
    glance = each.shown.get(each.model.stages[stage])
    metrics = glance.metrics if glance else {}
    return (_live_reference(each, stage), glance.created if glance else "", metrics, each.model.owner)


def _draw_stage(found: list[ModelSummary], stage: str) -> TableView:
    rows = []
    glances = [each.shown.get(each.model.stages[stage]) for each in found]
    shown = format_metrics([glance.metrics if glance else {} for glance in glances])
    for each, glance, texts in zip(found, glances, shown, strict=True):
        metrics = "  ".join(f"{name} {text}" for name, text in texts.items())
        made = format_age(glance.created) if glance else ""
        rows.append([_live_reference(each, stage), metrics or "-", made, each.model.owner])
    return TableView((stage, "metrics", "age", "owner"), rows)


@command("find", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def find(cx: Session, files: Annotated[list[str], argument("PATH...", "Files or folders to look up.")]) -> None:
    """Find the versions that contain a file.

    Compares content, not names: shows the versions that contain each file, under which path, and their stages. A folder
    that is a complete version is reported as such. Exit 3 if a file is in no version.

    In a pipe: file, ref, its path there, stages, aliases, archived; one line per version; separated by tabs. A file
    that is in no version has a line without ref.

    Examples:
        registry find /srv/churn/model.pkl
        registry find /srv/churn/ && echo all of it is registered
        registry find model.pkl -q
    """
    damage = cx.collect_damage()
    with cx.progress("reading") as bar:
        found = cx.reader().artifacts.find(files, progress=bar, on_damage=damage)
    refs = dict.fromkeys(each.version.ref for each in found if each.version)
    shown = list(map(_draw_match, found))
    columns, rows = ("file", "ref", "as", "stage"), map(_format_match, found)
    cx.show(Output("found", found, refs, columns, rows, shown, names=_FOUND_NAMES))
    damage.raise_found()
    unknown = [each for each in found if each.version is None]
    if unknown:
        more = (
            f" and {len(unknown) - 1} more are not registered files"
            if len(unknown) > 1
            else " is not a registered file"
        )
        raise NotFound(f"{unknown[0].file}{more}", _advise(unknown[0]))


def _advise(unknown: FileMatch) -> str:
    """Suggest the version a file may belong to."""
    if unknown.similar_by == "place":
        model = unknown.similar.rpartition("@")[0]
        return f"it is part of {unknown.similar}, but was changed: run 'registry verify {model}'"
    if unknown.similar:
        return f"{unknown.similar} has a file of this {unknown.similar_by} with different content"
    return "it was never registered or has changed since"


def _format_match(each: FileMatch) -> Sequence[Any]:
    version = each.version
    if version is None:
        return (each.file, "", "", "", "", "")
    return (each.file, version.ref, each.path, ",".join(version.stages), ",".join(version.aliases), version.archived)


def _draw_match(each: FileMatch) -> Sequence[str]:
    version = each.version
    if version is None:
        return (escape(each.file), "unknown", f"{each.similar_by} as in {each.similar}" if each.similar else "-", "-")
    return (escape(each.file), version.ref, each.path or "(all files)", " ".join(list_pointers(version)) or "-")


@command("show", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def show(cx: Session, ref: Ref, as_of: AsOf = None) -> None:
    """Show details of a version or model.

    A bare NAME shows the model; NAME@SELECTOR shows one version with its files.

    In a pipe: one `key<TAB>value` line per field.

    Examples:
        registry show churn@production
        registry show churn
        registry show churn@7 --json | jq .metrics
    """
    registry = cx.reader()
    found = registry.artifacts.show(Reference.parse(ref), as_of=as_of)
    if isinstance(found, ModelRecord):
        show_model(cx, found)
    else:
        signed = registry.approvals.signatures(found.version.ref) if as_of is None else ()
        folder = str(found.folder) if found.version.packed is None else None
        decisions = (
            registry.approvals(found.version.ref) if as_of is None and (cx.has_viewer or cx.has_document) else ()
        )
        _show_version(cx, found.version, found.files, folder, signed, decisions)


def show_model(cx: Session, model: ModelRecord) -> None:
    pairs: list[tuple[str, Any]] = [
        ("name", model.name),
        ("owner", model.owner),
        ("created", model.created),
        ("description", model.description),
        ("versions", model.versions),
        ("archived", model.archived),
        ("latest", model.latest),
        *((f"stages.{name}", at) for name, at in model.stages.items()),
        *((f"aliases.{name}", at) for name, at in model.aliases.items()),
        *((f"tags.{name}", text) for name, text in model.tags.items()),
        *((f"annotations.{name}", text) for name, text in model.annotations.items()),
        *(("formerly", name) for name in model.formerly),
    ]
    text = align(_format_for_terminal(pairs, model.created))
    cx.show(Output("model", model, [model.name], ("key", "value"), pairs, text=text))


def _show_version(
    cx: Session,
    version: VersionRecord,
    files: Sequence[FileEntry],
    path: str | None,
    signed: Sequence[Signature],
    decisions: Sequence[Approval],
) -> None:
    pairs: list[tuple[str, Any]] = [
        ("ref", version.ref),
        ("stages", ", ".join(version.stages)),
        ("aliases", ", ".join(version.aliases)),
        ("archived", version.archived),
        ("created", version.created),
        ("author", version.author),
        ("message", version.message),
        ("digest", f"sha256:{version.digest}"),
        ("size", version.size),
        ("files", version.files),
        ("path", path),
        ("packed", version.packed),
        *(("signed", each.principal or f"by {each.by}, which does not count: {each.problem}") for each in signed),
        *((f"params.{name}", value) for name, value in version.params.items()),
        *((f"metrics.{name}", value) for name, value in version.metrics.items()),
        *((f"tags.{name}", text) for name, text in version.tags.items()),
        *((f"annotations.{name}", text) for name, text in version.annotations.items()),
    ]
    from ..views import inspection_view, lineage_view

    found = list(inspection_view.iter_pairs(version.lineage))
    listed = [*found, *((f"file.{entry.path}", entry.sha256) for entry in files)]
    body = {"*": version, "path": path, "manifest": files, "signatures": signed, "approvals": decisions}
    inside = [
        *inspection_view.format_lines(version.lineage),
        *((name, shorten(text)) for name, text in lineage_view.summarize_origin(version)),
    ]
    shown = [
        *_format_for_terminal(pairs, version.created, version.size, version.packed),
        *((f"approvals.{each.stage}", _format_decision(each)) for each in decisions),
        *inside,
    ]
    text = align(shown) + "\n" + _format_files(files)
    cx.show(Output("version", body, [version.ref], ("key", "value"), [*pairs, *listed], text=text))


def _format_decision(each: Approval) -> str:
    """Format who approved or rejected a version, and whether that counts."""
    state = each.state.replace("-", " ") + (f": {each.why}" if each.why else "")
    reason = f" “{shorten(each.reason)}”" if each.reason else ""
    return f"{'approved' if each.approved else 'rejected'} by {each.by}, {state}{reason}"


def _format_for_terminal(
    pairs: Iterable[tuple[str, Any]], created: str, total: int = 0, packed: int | None = None
) -> list[tuple[str, Any]]:
    in_bytes = {"size": format_size(total), "packed": packed if packed is None else f"in {format_size(packed)}"}
    shown = {**in_bytes, "created": f"{format_time(created, zone=True)} ({format_age(created)} ago)"}
    return [(key, shown.get(key, _format_given(value) if "." in key else value)) for key, value in pairs]


def _format_given(value: Any) -> str:
    """Format a param, metric or tag: also one that is empty or false was given."""
    return "null" if value is None else format_value(value) or '""'


def _format_files(files: Sequence[FileEntry]) -> str:
    lines = [f"  {entry.sha256[:12]}  {escape(entry.path)}" for entry in files[:_FILES_SHOWN]]
    more = len(files) - _FILES_SHOWN
    return "\n".join([*lines, f"  … and {more:,} more"] if more > 0 else lines)
