"""Register files as a new version of a model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from .. import operations
from ..core import names, values
from ..core.lazy_dataclass import replace
from ..core.normalization import METRIC, PARAM, normalize
from ..core.progress import SILENT, Progress
from ..core.records import Event, StageTable, VersionRecord
from ..core.redaction import redact_kinds, redact_value
from ..core.results import FileReport, PointerChange, RegisteredVersion
from ..core.times import format_time
from ..core.values import Lineage
from ..errors import Indeterminate, InvalidInput, Refused, RegistryError, indeterminate
from ..rules import stages as rules
from ..store import codec, creation, journal, manifest, reader, registration, source_files, staging
from ..store.filesystem import files
from ..store.filesystem.containment import RegistryBoundary
from ..store.layout import ModelLayout
from ..store.registration import UNCHANGED, RegisterOutcome, Unstored, compare_unstored
from ..store.selection import FileSelection
from .context import get_account_name, read_version
from .inspection import ArtifactAnalysis, get_scan_rules
from .read import get_version
from .transaction import ensure_not_former_name, make_event, open_writer

if TYPE_CHECKING:
    from ..core.values import OneOrMore, PathLike
    from ..lineage.capture import LineageCapture
    from ..store.source_files import SourceFile
    from ..store.staging import StagingFolder
    from .context import RegistryContext


def register(
    context: RegistryContext,
    name: str,
    paths: OneOrMore[PathLike] | Mapping[str, PathLike],
    *,
    params: Mapping[str, object] | None = None,
    metrics: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    annotations: Mapping[str, object] | None = None,
    message: str = "",
    lineage: Lineage | Mapping[str, Any] | bool = True,
    stage: str | None = None,
    alias: str | None = None,
    include: OneOrMore[str] = (),
    exclude: OneOrMore[str] = (),
    if_changed: bool = False,
    update: bool = False,
    skip_invalid: bool = False,
    how: str = "copy",
    inspect: bool = True,
    scan: str | None = None,
    unsafe: str = "",
    reuse_name: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
    progress: Progress = SILENT,
) -> RegisteredVersion:
    """Store files as the next version of model ``name``, which is created if it doesn't exist.

    Args:
        name: The model.
        paths: Files, a folder (its contents), or ``-`` for standard input; a mapping gives each file its name in the
            version: ``{"model.pkl": "runs/17/best.pkl"}``. Files inside a registry are refused.
        params: May be nested, as ``metrics``: names get dots, None is left out, scalars and arrays of NumPy and the like
            are converted (see ``docs/reference/metrics.md``).
        metrics: Numbers.
        tags: Labels.
        annotations: Free text by key.
        message: What this version is.
        lineage: False records nothing of where it comes from; a :class:`Lineage`, or a mapping with its fields, states
            parents, data, code and so on.
        stage: The stage to promote it to.
        alias: The alias to point to it.
        include: Globs of files to include after all, also of those that look like secrets, which are refused otherwise.
        exclude: Globs of files to leave out, beside ``.git/``, ``__pycache__/`` and the like, and the lines of a folder's
            ``.registryignore``.
        if_changed: Files equal to those of the latest version return that version; ``not_stored`` names the given
            values that it does not have.
        update: With ``if_changed``, store new metrics, tags and annotations of that version.
        skip_invalid: Leave invalid params and metrics out, and return them in ``skipped``.
        how: ``copy``, ``link`` (hard links to your files, which must not be changed afterwards) or ``move``.
        inspect: Record the format, framework and signature of the files.
        scan: A mode stricter than the registry's own: ``warn``, ``refuse-dangerous``, ``allowlist``.
        unsafe: The reason, which is recorded, for registering files that the scan would refuse.
        reuse_name: A new model may get a former name of another model.
        dry_run: Check all and write nothing: the result is the version as it would probably be, with its files in
            ``manifest``.
        request_id: Repeating the call with the same id is safe.
        progress: Called with the number of bytes that were copied since the last call.

    Secrets in ``message``, ``params``, ``tags``, ``annotations`` and ``unsafe`` are replaced by ``***``, with a warning
    for each.

    Raises:
        InvalidInput: A value is not valid. Nothing was written, as with the next three.
        NotFound: A file, the stage, or a parent does not exist.
        Refused: The scan, a policy, or the rules about files refuse it.
        Conflict: It is protected, or was changed meanwhile.
        Indeterminate: The version is there, or may be.
    """
    names.model_name(name)
    given_params = normalize(PARAM, params, skip_invalid=skip_invalid)
    given_metrics = normalize(METRIC, metrics, skip_invalid=skip_invalid)
    if how not in staging.HOW:
        raise InvalidInput(f"invalid value how='{how}'", f"use {', '.join(staging.HOW)}")
    named = _name_paths(paths)
    if how != "copy" and any(path == "-" for path, _ in named):
        raise InvalidInput(f"standard input cannot be used with `how='{how}'`", "copy it")
    if update and not if_changed:
        raise InvalidInput("update requires if_changed", "set both; a new version stores all metadata anyway")
    _check_pointers(context, name, stage, alias, request_id)
    stated = Lineage.coerce(lineage)
    extra = cast("dict[str, object]", redact_value(dict(stated.extra)))
    if update and request_id:
        names.request_id(f"{request_id}:annotations")  # as for those of the pointers
    scan_rules = get_scan_rules(context).with_mode(scan)
    record, unsafe, redacted = _make_record(
        context, name, message, unsafe, given_params.values, given_metrics.values, tags, annotations
    )
    event = make_event(context, "registered", None, request_id)
    outcome = find_registered(context.layout.model(name), event.id) if request_id else None
    if outcome is None:
        ensure_not_former_name(context, name, reuse_name)
    analysis: ArtifactAnalysis | None = None
    report = FileReport()
    origin: LineageCapture | None = None
    planned: RegisteredVersion | None = None
    if outcome is None:
        found, report = _collect_files(context, named, exclude, include)
        origin = _make_capture(context, stated, extra)
        analysis = ArtifactAnalysis(
            extra, context.modes, inspect=inspect, scan=scan_rules, unsafe=unsafe, origin=origin,
            progress=progress,
        )  # fmt: skip
        if dry_run:
            planned = _preview(
                context, record, found, analysis, how=how, if_changed=if_changed, stage=stage, alias=alias,
                progress=progress,
            )  # fmt: skip
            outcome = RegisterOutcome(planned.number, planned.why, planned.added)
        else:
            outcome = store_version(
                context, record, event, found, analysis, how=how, if_changed=if_changed,
                repeatable=request_id is not None, reuse_name=reuse_name, progress=progress,
            )  # fmt: skip
    ref = f"{name}@{outcome.number}"
    with _after_registration(ref, event.id):  # each pointer is a commit: a repetition finishes what is missing
        left = None
        if outcome.why == UNCHANGED:
            known = {**(origin.capture_stated(progress) if origin else {}), **extra}
            left = compare_unstored(record, get_version(context, ref), known)
        updated = _update(context, ref, left, event.id, dry_run) if update and left else ()
        new = planned if planned and planned.new else None
        moved = new.moved if new else _set_pointers(context, ref, stage, alias, event.id, dry_run)
        warnings = (
            given_params.warnings, given_metrics.warnings, redacted, report.warnings,
            analysis.warnings if analysis else (), outcome.warnings,
        )  # fmt: skip
        not_stored = tuple(name for name in left.names if name not in updated) if left else ()
        return _make_registered(
            new or get_version(context, ref), new=not outcome.why, added=outcome.added, why=outcome.why,
            warnings=tuple(chain(*warnings)), excluded=report.excluded, empty_folders=report.empty_folders,
            not_stored=not_stored, updated=updated, skipped=(*given_params.skipped, *given_metrics.skipped), moved=moved,
            manifest=new.manifest if new else (),
        )  # fmt: skip


def _preview(
    context: RegistryContext,
    record: VersionRecord,
    sources: Sequence[SourceFile],
    analysis: ArtifactAnalysis,
    *,
    how: str,
    if_changed: bool,
    stage: str | None,
    alias: str | None,
    progress: Progress,
) -> RegisteredVersion:
    """Check all that a registration would check, and write nothing; or the latest version if it has these files."""
    paths = context.layout.model(record.model)
    creation.ensure_name_is_free(context.layout, record.model)
    newest = registration.read_latest(paths) if if_changed else None
    found = registration.preview(context.layout, paths, sources, how, progress)
    data = manifest.dumps(found.entries)
    if if_changed and newest and newest.digest == manifest.digest(data):
        return _make_registered(newest, new=False, why=UNCHANGED)
    files_by_name = {source.path: source.origin for source in sources if source.origin}
    analysis.analyze_files(files_by_name, lambda *_: None)
    version = replace(
        record, number=found.number, created=format_time(context.clock()), digest=manifest.digest(data),
        size=found.size, files=len(found.entries), lineage=analysis.lineage,
    )  # fmt: skip
    table = reader.read_state(paths).table if reader.is_model(paths) else StageTable()
    if stage:
        operations.gate.check_candidate(context, version, files_by_name, stage)
    moved = [
        PointerChange(record.model, name, pointers.get(name), found.number, table.revision)
        for name, pointers in ((stage, table.stages), (alias, table.aliases))
        if name
    ]
    return _make_registered(version, added=found.added, moved=tuple(moved), manifest=tuple(found.entries))


def _make_registered(version: VersionRecord, **outcome: Any) -> RegisteredVersion:
    return RegisteredVersion(**{name: getattr(version, name) for name in VersionRecord.__match_args__}, **outcome)


def _make_record(
    context: RegistryContext,
    name: str,
    message: str,
    reason: str,
    params: dict[str, Any],
    metrics: dict[str, Any],
    tags: Mapping[str, object] | None,
    annotations: Mapping[str, object] | None,
) -> tuple[VersionRecord, str, tuple[str, ...]]:
    """The record of a version with what a person gave, and ``reason``, checked and redacted; a warning for each change."""
    texts = {"message": values.text(message, "message"), "reason": values.line(reason, "reason") if reason else ""}
    kinds: dict[str, dict[str, Any]] = {
        "": {name: text for name, text in texts.items() if text},
        "params": params,
        "tags": values.checked(tags, values.check_line),
        "annotations": values.checked(annotations, values.check_text),
    }
    warnings: tuple[str, ...] = ()
    if any(kinds.values()):
        kinds, warnings = redact_kinds(kinds)
    texts |= kinds[""]
    record = VersionRecord(
        model=name, number=0, created="", author=context.author, digest="", size=0, files=0, message=texts["message"],
        params=kinds["params"], metrics=metrics, tags=kinds["tags"], annotations=kinds["annotations"],
    )  # fmt: skip
    return record, texts["reason"], warnings


def _set_pointers(
    context: RegistryContext, ref: str, stage: str | None, alias: str | None, request_id: str, dry_run: bool
) -> tuple[PointerChange, ...]:
    """Point a stage and an alias to the new version."""
    pointers = operations.pointers
    moved = []
    if stage:
        moved.append(
            pointers.promote(context, ref, stage, request_id=f"{request_id}:stage", verify=False, dry_run=dry_run)
        )
    if alias:
        moved.append(operations.pointers.alias(context, ref, alias, request_id=f"{request_id}:alias", dry_run=dry_run))
    return tuple(moved)


def _name_paths(paths: OneOrMore[PathLike] | Mapping[str, PathLike]) -> list[tuple[PathLike, str | None]]:
    """The paths to register, each with the name that was given for it."""
    if isinstance(paths, Mapping):
        if not all(isinstance(path, (str, os.PathLike)) for path in paths.values()):
            raise InvalidInput("'paths' takes a path for each name", 'for example {"model.pkl": "runs/17/best.pkl"}')
        return [(path, name) for name, path in paths.items()]
    return [(path, None) for path in values.as_list(paths, "paths")]


def _collect_files(
    context: RegistryContext, paths: list[tuple[PathLike, str | None]], exclude: OneOrMore[str], include: OneOrMore[str]
) -> tuple[list[SourceFile], FileReport]:
    """The files to store, and a report of what is left out."""
    choice = make_file_selection(context, exclude, include)
    found = source_files.collect(paths, choice)
    report = choice.report()
    collisions = manifest.find_name_collisions(source.path for source in found) if len(found) > 1 else []
    return found, replace(report, warnings=(*report.warnings, *collisions, *choice.unused()))


def make_file_selection(context: RegistryContext, exclude: OneOrMore[str], include: OneOrMore[str]) -> FileSelection:
    """The rules by which files are registered: none of a registry, no secrets, none that these globs exclude."""
    globs = values.as_list(exclude, "exclude"), values.as_list(include, "include")
    return FileSelection(*globs, boundary=RegistryBoundary(context.root))


def _update(context: RegistryContext, ref: str, left: Unstored, request_id: str, dry_run: bool) -> tuple[str, ...]:
    """Store what can be stored later, each kind as a change of its own; the names of what was stored."""
    module = operations.annotate
    changes: dict[str, Callable[..., Any]] = {
        "metrics": module.log_metric, "tags": module.tag, "annotations": module.annotate,
    }  # fmt: skip
    updated: list[str] = []
    for kind, given in left.later.items():
        done = changes[kind](context, ref, given, request_id=f"{request_id}:{kind}", dry_run=dry_run)
        updated += [f"{kind}.{name}" for name in given if done.changed]
    return tuple(updated)


def _make_capture(context: RegistryContext, stated: Lineage, extra: Mapping[str, object]) -> LineageCapture | None:
    """What captures where a version comes from, its arguments checked; None if there is nothing to capture."""
    if claimed := next(iter(codec.sidecar_digests(extra)), ""):
        raise InvalidInput(f"the lineage gives a digest of {claimed}, which is not a file yet", "remove the digest")
    capture = None if stated.capture is None else values.as_list(stated.capture, "capture")
    caller = context.caller() if context.caller is not None and capture != [] else None
    if capture and caller is None:
        raise InvalidInput("the calling program is unknown", "open the registry with lineage=True")
    parents = [read_version(context, each) for each in values.as_list(stated.parents, "parents")]
    identities = {version.ref: codec.model_id(model.document()) for model, version in parents}
    user: dict[str, Any] = {
        "parents": [version.ref for _, version in parents],
        "parent_models": {ref: each for ref, each in identities.items() if each},
        "data": values.as_list(stated.data, "data"),
        "code": values.as_list(stated.code, "code"),
        "command": stated.command,
        "environment": stated.environment if stated.environment is None else os.fspath(stated.environment),
        "python": stated.python if stated.python is None else os.fspath(stated.python),
    }
    if caller is None and not any(user.values()):
        return None
    from ..lineage import capture as capturing

    parts = capturing.resolve_parts(capture, context.settings.extra.get("lineage"), str(context.layout.config))
    return capturing.LineageCapture(capturing.UserLineage(**user), caller, parts, get_account_name())


def store_version(
    context: RegistryContext,
    record: VersionRecord,
    event: Event,
    sources: Sequence[SourceFile],
    analysis: ArtifactAnalysis,
    *,
    reuse_name: bool,
    how: str = "copy",
    if_changed: bool = False,
    progress: Progress = SILENT,
    **conditions: Any,
) -> RegisterOutcome:
    """Stage the files, analyze them, commit them as a version, unless they are a version already.

    ``record`` has neither a number nor what the files, ``event`` and ``analysis`` add; ``conditions`` are those of
    :func:`~registry_cli.store.registration.commit`.
    """
    paths = context.layout.model(record.model)
    newest = registration.read_latest(paths)
    if if_changed and newest and registration.has_same_files(newest, sources):
        return RegisterOutcome(newest.number, UNCHANGED)
    near = paths.files(newest.number) if newest else None
    with registration.open_staging(context.layout, paths, context.modes, event.id) as staged:
        staging.fill(staged, sources, staging.CopyOptions(paths, context.modes, near, how, progress))
        analysis.analyze(staged)
        outcome = commit_version(
            context, staged, record, event, analysis, reuse_name=reuse_name, if_changed=if_changed, **conditions
        )
        if how == "move" and not outcome.why:
            return replace(outcome, warnings=tuple(registration.remove_sources(staged)))
        return outcome


def commit_version(
    context: RegistryContext,
    staged: StagingFolder,
    record: VersionRecord,
    event: Event,
    analysis: ArtifactAnalysis,
    *,
    reuse_name: bool,
    but: Collection[str] = (),
    **conditions: Any,
) -> RegisterOutcome:
    """Commit what is staged under the lock of its model; see :func:`~registry_cli.store.registration.commit`."""
    event = replace(event, detail={**event.detail, **analysis.passed})
    record = replace(record, lineage=analysis.lineage, created=record.created or event.at, event=event)
    staged.complete = True
    with open_writer(context, record.model, create=staged.first, reuse_name=reuse_name, but=but) as writer:
        return registration.commit(writer, staged, record, **conditions)


def make_import_analysis(context: RegistryContext, record: VersionRecord, unsafe: str) -> ArtifactAnalysis:
    """The analysis of files that were made elsewhere: what this program, or its folder, is has nothing to do with them."""
    return ArtifactAnalysis(dict(record.lineage), context.modes, scan=get_scan_rules(context), unsafe=unsafe)


def _check_pointers(
    context: RegistryContext, name: str, stage: str | None, alias: str | None, request_id: str | None
) -> None:
    if stage:
        rules.check_stage(stage, context.stages)
        operations.gate.ensure_checks_trusted(context, name, stage)
    if alias:
        names.alias_name(alias, context.stages)
    if request_id and (stage or alias):
        names.request_id(f"{request_id}:stage")  # theirs are made from it: refuse now one that is too long


def find_registered(paths: ModelLayout, event_id: str) -> RegisterOutcome | None:
    """The outcome of the same request, if it was carried out before."""
    entry = journal.find(paths.history, event_id) if files.exists(paths.history) else None
    if entry is None or entry.event.action != "registered" or entry.event.version is None:
        return None
    return RegisterOutcome(entry.event.version, registration.REPEATED)


@contextlib.contextmanager
def _after_registration(ref: str, request_id: str) -> Iterator[None]:
    """Let every error that comes after the registration say that the version is there."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, RegistryError) and not isinstance(error, Indeterminate):
            error.message = f"{ref} is registered, but: {error.message}"
            if not isinstance(error, Refused):  # by the policy of the stage: to repeat it would not help
                error.hint = f"retry with `request_id` {request_id}"
            raise
        raise indeterminate(f"{ref} is registered", request_id, error) from error
