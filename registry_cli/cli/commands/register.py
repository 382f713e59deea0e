"""The command register."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Optional

from ...core import values
from ...core.lazy_dataclass import replace
from ...errors import InvalidInput
from ..command import argument, command, flag, option
from ..formatting import format_size, plural
from ..options import (
    AllowUnsafe,
    Exclude,
    Include,
    MetricsOptions,
    Model,
    Reason,
    ReuseName,
    Texts,
    check_unsafe,
    collect_values,
    warn_of_skipped,
)
from ..session import Session

if TYPE_CHECKING:
    from ...core.records import VersionRecord
    from ...core.results import RegisteredVersion

Text = Optional[str]
Paths = Annotated[list[str], argument("PATH...", "Files, a folder, or '-' for standard input.")]
Param = Annotated[Texts, option("--param -p", "KEY=VALUE", "A hyperparameter: number, true, false or text.")]
Metric = Annotated[Texts, option("--metric -m", "KEY=NUMBER", "A metric; nan and inf are refused.")]
Tag = Annotated[Texts, option("--tag -t", "KEY=TEXT", "A short label.")]
Annotate = Annotated[Texts, option("--annotate", "KEY=TEXT", "A free-text note: purpose, training data, limits …")]
ParamsFile = Annotated[
    Texts, option("--params-file", "FILE", "Read params from JSON, YAML or TOML; nested keys are joined by dots.")
]
ParamsOnly = Annotated[Texts, option("--params-only", "GLOB", "Only read params that match from the files.")]
Message = Annotated[str, option("--message", "TEXT", "A short description of this version.")]
Stage = Annotated[Text, option("--stage", "STAGE", "Also promote it to this stage.")]
Alias = Annotated[Text, option("--alias", "ALIAS", "Also set this alias to it.")]
Filename = Annotated[Text, option("--as", "FILENAME", "The name to store one file or standard input under.")]
IfChanged = Annotated[bool, flag("--if-changed", "Return the latest version if it has exactly these files.")]
Update = Annotated[bool, flag("--update", "With --if-changed: add new metrics, tags and annotations to that version.")]
Link = Annotated[bool, flag("--link", "Hard-link the files instead of copying; do not modify them afterwards.")]
Move = Annotated[bool, flag("--move", "Move the files into the registry.")]
Scan = Annotated[Text, option("--scan", "warn|refuse-dangerous|allowlist", "Use a stricter scan.")]
NoInspect = Annotated[bool, flag("--no-inspect", "Skip inspection.")]
Parent = Annotated[Texts, option("--parent", "REF", "A version it was derived from.")]
Data = Annotated[Texts, option("--data", "PATH|URI", "Training data: a file, a folder, a .dvc file, s3://…#sha256:….")]
Code = Annotated[Texts, option("--code", "PATH", "Source code: files or folders, recorded by digest.")]
Command = Annotated[str, option("--command", "TEXT", "The command that produced it.")]
Environment = Annotated[Text, option("--environment", "FILE", "Its packages: requirements, pip freeze or a lock file.")]
Python = Annotated[Text, option("--python", "PATH", "Its Python, or its environment folder.")]
Lineage = Annotated[Text, option("--lineage", "PARTS", "Lineage to capture automatically: git,patch,run,environment.")]
NoLineage = Annotated[bool, flag("--no-lineage", "Record no lineage automatically.")]


#: The number of files of a dry run that are shown.
_FILES_SHOWN = 20


@command("register", "Add and edit", exits=(0, 1, 2, 3, 4, 5, 7, 8, 130), writes=True, dry_run=True)
def register(
    cx: Session, name: Model, paths: Paths, *, param: Param = None, metric: Metric = None, tag: Tag = None,
    annotate: Annotate = None, params_file: ParamsFile = None, params_only: ParamsOnly = None,
    files: MetricsOptions,
    message: Message = "", stage: Stage = None, alias: Alias = None, as_: Filename = None, exclude: Exclude = None,
    include: Include = None, if_changed: IfChanged = False, update: Update = False, link: Link = False,
    move: Move = False, scan: Scan = None, reuse_name: ReuseName = False, allow_unsafe: AllowUnsafe = False,
    reason: Reason = "", no_inspect: NoInspect = False, parent: Parent = None, data: Data = None, code: Code = None,
    made_by: Command = "", environment: Environment = None, python: Python = None, lineage: Lineage = None,
    no_lineage: NoLineage = False,
) -> None:  # fmt: skip
    """Register files as the next version of a model.

    With --if-changed, no version is created if the latest one has exactly these files; metadata given with them that
    this version does not have is reported. --update stores what can be stored later: metrics, tags and annotations.

    The model is created if it does not exist. The files are copied, hashed and flushed to disk before the version
    appears; identical files are stored once. Formats are detected from file headers and recorded with the version: see
    'inspect'. Files that would run code when loaded are refused: see 'scan'. Prints the new reference, NAME@NUMBER.

    From a folder, .git/ .hg/ .svn/ __pycache__/ .ipynb_checkpoints/ .mypy_cache/ .pytest_cache/ .ruff_cache/ and
    .DS_Store are skipped, as well as files matched by --exclude or by a .registryignore file in the folder; --include
    adds files back. One line reports what was skipped. Files that look like secrets (.env, .netrc, private keys ...)
    are refused with exit 5 unless --include matches them. Files inside a registry are refused, too.

    Lineage is recorded as well: the current git commit and uncommitted changes, user, host and folder, and the packages
    of the active environment ($VIRTUAL_ENV, $CONDA_PREFIX). Show it with 'registry lineage'.

    With --dry-run, all of this is checked, including the policy of --stage except for its commands, and nothing is
    written.

    Examples:
        registry register churn model.pkl -m auc=0.93 -p depth=6 -t team=crm
        registry register churn build/ --metrics-file metrics.json --params-file params.yaml --if-changed --update
        train | registry register churn - --as model.bin --stage staging
        registry register churn build/ --exclude '*.log' --exclude 'checkpoints/' --include 'checkpoints/best.pt' --dry-run
        registry register churn ours.pkl --allow-unsafe --reason 'pickled by ourselves, reviewed in #123'
        registry register churn model.pkl --command 'python train.py' --data train.csv --parent churn@production
    """
    if os.path.isfile(name) and name not in paths:
        from ..advice import check_swapped

        check_swapped(name, paths, cx.root)
    if update and not if_changed:
        raise InvalidInput("--update requires --if-changed", "add --if-changed")
    if link and move:
        raise InvalidInput("--link cannot be combined with --move", "use one of them")
    check_unsafe(allow_unsafe, reason)
    if lineage is not None and no_lineage:
        raise InvalidInput("--lineage cannot be combined with --no-lineage", "use one of them")
    params = collect_values(cx, "param", params_file, param, params_only, files.skip_invalid)
    metrics = collect_values(cx, "metric", files.metrics_file, metric, files.metrics_only, files.skip_invalid)
    registry = cx.registry()
    with cx.progress(f"registering {name}") as progress:
        version = registry.register(
            name, _name_paths(paths, as_), exclude=exclude or (), include=include or (), params=params.values, metrics=metrics.values,
            tags=values.pairs(tag or (), values.line), annotations=values.pairs(annotate or (), values.text),
            inspect=not no_inspect, scan=scan, unsafe=reason, reuse_name=reuse_name, message=message, stage=stage,
            alias=alias, if_changed=if_changed, update=update, how="link" if link else "move" if move else "copy",
            **cx.change, progress=progress,
            lineage=values.Lineage(
                parents=parent or (), data=data or (), code=code or (), command=made_by, environment=environment,
                python=python,
                capture=() if no_lineage or lineage == "none" else lineage and [part.strip() for part in lineage.split(",") if part.strip()],
            ),
        )  # fmt: skip
    _report(cx, replace(version, skipped=params.skipped + metrics.skipped))


def _name_paths(paths: list[str], name: str | None) -> list[str] | dict[str, str]:
    """The paths, with the name that was given for standard input or the only file."""
    if name is None:
        if "-" in paths:
            raise InvalidInput("standard input needs a file name", "add --as FILENAME")
        return paths
    if "-" not in paths and (len(paths) > 1 or os.path.isdir(paths[0])):
        raise InvalidInput(
            "--as requires a single file", "remove it for a folder or several files, or name the file alone"
        )
    named: dict[str, str] = {}
    for path in paths:
        own = name if path == "-" or len(paths) == 1 else os.path.basename(os.path.abspath(path))
        if own in named:
            raise InvalidInput(f"two files would be called '{own}'", "register them from one folder")
        named[own] = path
    return named


def _report(cx: Session, version: RegisteredVersion) -> None:
    warn_of_skipped(cx, version.skipped)
    for warning in version.warnings:
        cx.warn(warning)
    if version.left_out:
        cx.say(version.left_out)
    if version.new:
        new = f"{format_size(version.added)} new" if version.added else "all files deduplicated"
        saved = "" if version.added == version.size else f", {new}"
        done = "would register" if cx.dry_run else "registered"
        cx.say(f"{done} {version.ref}: {plural(version.files, 'file')}, {format_size(version.size)}{saved}")
        if cx.has_viewer:
            for file in version.manifest[:_FILES_SHOWN]:
                cx.say(f"  {file.path}")
            if len(version.manifest) > _FILES_SHOWN:
                cx.say(f"  and {len(version.manifest) - _FILES_SHOWN:,} more")
        _warn_of_scan(cx, version)
    else:
        why = "already has these files" if version.why == "unchanged" else f"({version.why})"
        cx.say(f"unchanged: {version.ref} {why}")
        _report_unstored(cx, version)
    for each in version.moved:
        cx.report_pointer(each)
    cx.show_changed("registered", version, version.ref)


def _report_unstored(cx: Session, version: RegisteredVersion) -> None:
    """Report which metadata was stored for an unchanged version, and which was not."""
    if version.updated:
        cx.say(f"{version.ref}: {'would store' if cx.dry_run else 'stored'} {', '.join(version.updated)}")
    if not version.not_stored:
        return
    kinds = {name.partition(".")[0] for name in version.not_stored}
    sealed = [kind for kind in ("params", "message", "lineage") if kind in kinds]
    hints = ["use --update to store metrics, tags and annotations"] if kinds - set(sealed) else []
    if sealed:
        hints.append(
            f"{', '.join(sealed)} cannot be changed later; register without --if-changed to create a new version"
        )
    cx.warn(f"not stored ({version.ref} already has these files): {', '.join(version.not_stored)}; {'; '.join(hints)}")


def _warn_of_scan(cx: Session, version: VersionRecord) -> None:
    """Warn of a verdict other than safe, with its first reason."""
    scan = version.lineage.get("scan")
    if not isinstance(scan, Mapping) or scan.get("verdict") in ("safe-format", "known-globals"):
        return
    reasons = scan.get("reasons")
    why = f": {reasons[0]}" if isinstance(reasons, list) and reasons else ""
    cx.warn(f"scan verdict for {version.ref}: {scan['verdict']}{why}")
