"""Putting in: register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from ...core import values
from ...core.lazy_dataclass import replace
from ...errors import InvalidInput
from .. import inputs, moves
from ..command import command
from ..inputs import MetricsFile, MetricsOnly, ParamsFile, ParamsOnly, SkipInvalid
from ..options import AllowUnsafe, Exclude, Include, Model, Reason, ReuseName, check_unsafe
from ..session import Session
from ..views.text import size

if TYPE_CHECKING:
    from ...core.records import VersionRecord
    from ...core.results import Registered

_T = TypeVar("_T")
Pairs = Optional[list[str]]


def _option(flags: tuple[str, ...], metavar: str, text: str) -> Any:
    return typer.Option(*flags, metavar=metavar, help=text)


@command(
    "register",
    examples=[
        "registry register churn model.pkl -m auc=0.93 -p depth=6 -t team=crm",
        "registry register churn build/ --metrics-file metrics.json --params-file params.yaml --if-changed --update",
        "train | registry register churn - --as model.bin --stage staging",
        "registry register churn build/ --exclude '*.log' --exclude 'checkpoints/' --include 'checkpoints/best.pt'",
        "registry register churn ours.pkl --allow-unsafe --reason 'pickled by ourselves, reviewed in #123'",
        "registry register churn model.pkl --command 'python train.py' --data train.csv --parent churn@production",
    ],
    exits=(0, 1, 2, 3, 4, 5, 7, 8, 130),
)
def register(
    cx: Session,
    name: Model,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, a folder, or '-' for standard input.")],
    param: Annotated[
        Pairs, _option(("--param", "-p"), "KEY=VALUE", "A hyper-parameter: number, true, false or text.")
    ] = None,
    metric: Annotated[
        Pairs, _option(("--metric", "-m"), "KEY=NUMBER", "A measured number; nan and inf are refused.")
    ] = None,
    tag: Annotated[Pairs, _option(("--tag", "-t"), "KEY=TEXT", "A label.")] = None,
    annotate: Annotated[
        Pairs, _option(("--annotate",), "KEY=TEXT", "Free text: purpose, training data, limits …")
    ] = None,
    params_file: ParamsFile = None,
    params_only: ParamsOnly = None,
    metrics_file: MetricsFile = None,
    metrics_only: MetricsOnly = None,
    skip_invalid: SkipInvalid = False,
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="What this version is.")] = "",
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="STAGE", help="Promote it to this stage at once.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option("--alias", metavar="ALIAS", help="Let this alias point to it at once.")
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="FILENAME", help="The file's name, for '-' or one file.")
    ] = None,
    exclude: Exclude = None,
    include: Include = None,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="If the latest version has just these files, return that one.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option("--update", help="With --if-changed: store new metrics, tags and annotations of that version."),
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Hard-link the files instead of copying; never change them afterwards.")
    ] = False,
    move: Annotated[bool, typer.Option("--move", help="Move the files into the registry.")] = False,
    scan: Annotated[
        str | None,
        typer.Option("--scan", metavar="MODE", help="A stricter scan: warn, refuse-dangerous or allowlist."),
    ] = None,
    reuse_name: ReuseName = False,
    allow_unsafe: AllowUnsafe = False,
    reason: Reason = "",
    no_inspect: Annotated[bool, typer.Option("--no-inspect", help="Don't look what the files are.")] = False,
    parent: Annotated[Pairs, _option(("--parent",), "REF", "A version that it was made from.")] = None,
    data: Annotated[
        Pairs,
        _option(("--data",), "PATH|URI", "What it was trained on: a file, a folder, a .dvc file, s3://…#sha256:…."),
    ] = None,
    code: Annotated[
        Pairs, _option(("--code",), "PATH", "What made it: files or folders, kept by their digests.")
    ] = None,
    made_by: Annotated[str, typer.Option("--command", metavar="TEXT", help="The command that made it.")] = "",
    environment: Annotated[
        str | None,
        typer.Option("--environment", metavar="FILE", help="Its packages: requirements, pip freeze, a lock file."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="PATH", help="Its Python, or the folder of its environment."),
    ] = None,
    lineage: Annotated[
        str | None,
        typer.Option("--lineage", metavar="PARTS", help="What is found out by itself: git,patch,run,environment."),
    ] = None,
    no_lineage: Annotated[bool, typer.Option("--no-lineage", help="Find nothing out.")] = False,
) -> None:
    """With --if-changed, files that the latest version has already are not stored again, and what is given with them and
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
    """
    if update and not if_changed:
        raise InvalidInput("--update has no effect without --if-changed", "add --if-changed")
    if link and move:
        raise InvalidInput("--link and --move exclude each other", "choose one")
    check_unsafe(allow_unsafe, reason)
    if lineage is not None and no_lineage:
        raise InvalidInput("--lineage and --no-lineage exclude each other", "choose one")
    params = inputs.collect(cx, "param", params_file, param, params_only, skip_invalid)
    metrics = inputs.collect(cx, "metric", metrics_file, metric, metrics_only, skip_invalid)
    registry = cx.registry(tell=True)
    with cx.progress(f"registering {name}") as progress:
        outcome = registry.register(
            name,
            paths,
            exclude=exclude or (),
            include=include or (),
            params=params.values,
            metrics=metrics.values,
            tags=values.pairs(tag or (), values.line),
            annotations=values.pairs(annotate or (), values.text),
            inspect=not no_inspect,
            scan=scan,
            unsafe=reason,
            reuse_name=reuse_name,
            message=message,
            stage=stage,
            alias=alias,
            if_changed=if_changed,
            update=update,
            how="link" if link else "move" if move else "copy",
            stdin_name=as_,
            parents=parent or (),
            data=data or (),
            code=code or (),
            command=made_by,
            environment=environment,
            python=python,
            capture=() if no_lineage else None if lineage is None else _parts(lineage),
            request_id=cx.request_id,
            progress=progress,
        )
    outcome = replace(outcome, skipped=params.skipped + metrics.skipped)
    inputs.warn_of_skipped(cx, outcome.skipped)
    version = outcome.version
    for warning in outcome.warnings:
        cx.warn(warning)
    if outcome.left_out:
        cx.say(outcome.left_out)
    if outcome.new:
        saved = "" if outcome.added == version.size else f", {size(outcome.added)} of it new"
        cx.say(
            f"registered {version.ref}: {version.files:,} file{'s' if version.files != 1 else ''}, {size(version.size)}{saved}"
        )
        _warn_of_scan(cx, version)
    else:
        cx.say(f"{version.ref} is taken: {outcome.why}")
        _report_unstored(cx, outcome)
    for each in outcome.moved:
        moves.report(cx, each)
    cx.show_one("registered", outcome, version.ref)


def _report_unstored(cx: Session, outcome: Registered) -> None:
    """What was stored of an unchanged version, and what was not."""
    if outcome.updated:
        cx.say(f"{outcome.ref}: stored {', '.join(outcome.updated)}")
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
    """Report any verdict but the two that need no explanation, with its first reason, on one line."""
    scan = version.lineage.get("scan")
    if not isinstance(scan, Mapping) or scan.get("verdict") in ("safe-format", "known-globals"):
        return
    reasons = scan.get("reasons")
    why = f": {reasons[0]}" if isinstance(reasons, list) and reasons else ""
    cx.warn(f"the scan's verdict on {version.ref} is {scan['verdict']}{why}")


def _parts(text: str) -> list[str]:
    """What ``--lineage`` was given: names with commas between them."""
    return [] if text == "none" else [part.strip() for part in text.split(",") if part.strip()]
