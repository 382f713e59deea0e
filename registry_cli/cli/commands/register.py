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
    from ...core.results import RegisterResult

Text = Optional[str]
Paths = Annotated[list[str], argument("PATH...", "Files, a folder, or '-' for standard input.")]
Param = Annotated[Texts, option("--param -p", "KEY=VALUE", "A hyper-parameter: number, true, false or text.")]
Metric = Annotated[Texts, option("--metric -m", "KEY=NUMBER", "A measured number; nan and inf are refused.")]
Tag = Annotated[Texts, option("--tag -t", "KEY=TEXT", "A label.")]
Annotate = Annotated[Texts, option("--annotate", "KEY=TEXT", "Free text: purpose, training data, limits …")]
ParamsFile = Annotated[Texts, option("--params-file", "FILE", "Params from JSON, YAML or TOML; nested keys get dots.")]
ParamsOnly = Annotated[Texts, option("--params-only", "GLOB", "Of the files, only params that match.")]
Message = Annotated[str, option("--message", "TEXT", "What this version is.")]
Stage = Annotated[Text, option("--stage", "STAGE", "Promote it to this stage at once.")]
Alias = Annotated[Text, option("--alias", "ALIAS", "Let this alias point to it at once.")]
Filename = Annotated[Text, option("--as", "FILENAME", "The file's name, for '-' or one file.")]
IfChanged = Annotated[bool, flag("--if-changed", "If the latest version has just these files, return that one.")]
Update = Annotated[
    bool, flag("--update", "With --if-changed: store new metrics, tags and annotations of that version.")
]
Link = Annotated[bool, flag("--link", "Hard-link the files instead of copying; never change them afterwards.")]
Move = Annotated[bool, flag("--move", "Move the files into the registry.")]
Scan = Annotated[Text, option("--scan", "MODE", "A stricter scan: warn, refuse-dangerous or allowlist.")]
NoInspect = Annotated[bool, flag("--no-inspect", "Don't look what the files are.")]
Parent = Annotated[Texts, option("--parent", "REF", "A version that it was made from.")]
Data = Annotated[
    Texts, option("--data", "PATH|URI", "What it was trained on: a file, a folder, a .dvc file, s3://…#sha256:….")
]
Code = Annotated[Texts, option("--code", "PATH", "What made it: files or folders, kept by their digests.")]
Command = Annotated[str, option("--command", "TEXT", "The command that made it.")]
Environment = Annotated[Text, option("--environment", "FILE", "Its packages: requirements, pip freeze, a lock file.")]
Python = Annotated[Text, option("--python", "PATH", "Its Python, or the folder of its environment.")]
Lineage = Annotated[Text, option("--lineage", "PARTS", "What is found out by itself: git,patch,run,environment.")]
NoLineage = Annotated[bool, flag("--no-lineage", "Find nothing out.")]


#: So many files of a dry run are shown.
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
    """Store files as the next version of a model.

    With --if-changed, files that the latest version has already are not stored again, and what is given with them and
    that version does not have is named; --update stores it, as far as it can be stored later: metrics, tags, annotations.

    The model is made if it isn't there. The files are copied, hashed and brought to the disk before the version
    appears; equal files are stored once. What they are is found out by their headers and kept with the version: see
    'inspect'. What would run code when it is loaded is refused: see 'scan'. Prints the new reference, NAME@NUMBER.

    Of a folder, .git/ .hg/ .svn/ __pycache__/ .ipynb_checkpoints/ .mypy_cache/ .pytest_cache/ .ruff_cache/ and .DS_Store
    are left out, and what --exclude or the folder's file .registryignore match; --include takes files back. One line
    reports it. Files that look like secrets (.env, .netrc, private keys ...) are refused with exit 5 unless --include
    matches them. What lies inside a registry is refused, too.

    Where it comes from is kept, too: the git commit here and what is not committed, user, host and folder, and the
    packages of the environment that is active ($VIRTUAL_ENV, $CONDA_PREFIX). 'registry lineage' shows it.

    With --dry-run all of this is checked, and the policy of --stage but for its commands; nothing is written.

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
        raise InvalidInput("--update has no effect without --if-changed", "add --if-changed")
    if link and move:
        raise InvalidInput("--link and --move exclude each other", "choose one")
    check_unsafe(allow_unsafe, reason)
    if lineage is not None and no_lineage:
        raise InvalidInput("--lineage and --no-lineage exclude each other", "choose one")
    params = collect_values(cx, "param", params_file, param, params_only, files.skip_invalid)
    metrics = collect_values(cx, "metric", files.metrics_file, metric, files.metrics_only, files.skip_invalid)
    registry = cx.registry(with_caller=True)
    with cx.progress(f"registering {name}") as progress:
        outcome = registry.register(
            name, paths, exclude=exclude or (), include=include or (), params=params.values, metrics=metrics.values,
            tags=values.pairs(tag or (), values.line), annotations=values.pairs(annotate or (), values.text),
            inspect=not no_inspect, scan=scan, unsafe=reason, reuse_name=reuse_name, message=message, stage=stage,
            alias=alias, if_changed=if_changed, update=update, how="link" if link else "move" if move else "copy",
            stdin_name=as_, parents=parent or (), data=data or (), code=code or (), command=made_by,
            environment=environment, python=python, **cx.change, progress=progress,
            capture=[] if no_lineage or lineage == "none" else lineage and [part.strip() for part in lineage.split(",") if part.strip()],
        )  # fmt: skip
    _report(cx, replace(outcome, skipped=params.skipped + metrics.skipped))


def _report(cx: Session, outcome: RegisterResult) -> None:
    warn_of_skipped(cx, outcome.skipped)
    version = outcome.version
    for warning in outcome.warnings:
        cx.warn(warning)
    if outcome.left_out:
        cx.say(outcome.left_out)
    if outcome.new:
        saved = "" if outcome.added == version.size else f", {format_size(outcome.added)} of it new"
        done = "would register" if cx.dry_run else "registered"
        cx.say(f"{done} {version.ref}: {plural(version.files, 'file')}, {format_size(version.size)}{saved}")
        if cx.has_viewer:
            for file in outcome.manifest[:_FILES_SHOWN]:
                cx.say(f"  {file.path}")
            if len(outcome.manifest) > _FILES_SHOWN:
                cx.say(f"  and {len(outcome.manifest) - _FILES_SHOWN:,} more")
        _warn_of_scan(cx, version)
    else:
        cx.say(f"{version.ref} is taken: {outcome.why}")
        _report_unstored(cx, outcome)
    for each in outcome.moved:
        cx.report_pointer(each)
    cx.show_changed("registered", outcome, version.ref)


def _report_unstored(cx: Session, outcome: RegisterResult) -> None:
    """Report what was stored of an unchanged version, and what was not."""
    if outcome.updated:
        cx.say(f"{outcome.ref}: {'would store' if cx.dry_run else 'stored'} {', '.join(outcome.updated)}")
    if not outcome.not_stored:
        return
    kinds = {name.partition(".")[0] for name in outcome.not_stored}
    sealed = [kind for kind in ("params", "message", "lineage") if kind in kinds]
    hints = ["--update stores metrics, tags and annotations"] if kinds - set(sealed) else []
    if sealed:
        hints.append(f"{', '.join(sealed)} of a version can't be changed; without --if-changed it is a new version")
    cx.warn(
        f"not stored, since {outcome.ref} has these files already: {', '.join(outcome.not_stored)}; {'; '.join(hints)}"
    )


def _warn_of_scan(cx: Session, version: VersionRecord) -> None:
    """Warn of a verdict that needs explanation, with its first reason."""
    scan = version.lineage.get("scan")
    if not isinstance(scan, Mapping) or scan.get("verdict") in ("safe-format", "known-globals"):
        return
    reasons = scan.get("reasons")
    why = f": {reasons[0]}" if isinstance(reasons, list) and reasons else ""
    cx.warn(f"the scan's verdict on {version.ref} is {scan['verdict']}{why}")
