"""Deployments: target, deploy, undeploy, sync, deployments."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InvalidInput
from ...rules.deployments import BEHIND, DAMAGED, DRIFTED, UNREACHABLE
from ...rules.monitor_rules import format_span
from ..command import argument, command, flag, option
from ..formatting import format_time, time_column
from ..options import AsOf, Expect, Reason, Sign, VersionRef, ensure_alone, parse_expect, parse_model_name, signing_key
from ..session import Output, Session

if TYPE_CHECKING:
    from ...core.results import Deployed, Deployment, DoctorCheck
    from ...registry import Registry

Target = Annotated[str, option("--to", "TARGET", "A target of targets.yaml.")]
_ACTIONS = ("list", "show", "check")
#: Exit codes of states that a check found; the first of these that occurs counts.
_CODES = {DAMAGED: 6, DRIFTED: 5, BEHIND: 5, UNREACHABLE: 1}


@command("target", "Deploy", exits=(0, 1, 2, 3), lists=True)
def target(
    cx: Session,
    action: Annotated[str, argument("[list|show|check]", "What to do; list if left out.")] = "list",
    name: Annotated[str | None, argument("[TARGET]", "A target of targets.yaml.")] = None,
) -> None:
    """List, show or check the targets that versions are deployed to.

    targets.yaml defines them; `registry edit --targets` opens it. `check` tests whether this machine can deploy to a
    target: its folder, its server, the stage that it follows, and its reload command.

    In a pipe: name, layout, path, stage, host, probe, and of check: what was checked, its state and a message; separated by
    tabs.

    Examples:
        registry target list
        registry target show eu-1
        registry target check eu-1
    """
    if action not in _ACTIONS:
        raise InvalidInput(f"unknown action '{action}'", f"use {', '.join(_ACTIONS)}")
    if action != "list" and name is None:
        raise InvalidInput(f"'target {action}' needs a TARGET", "run 'registry target list'")
    reader = cx.reader()
    if action == "check":
        _check_target(cx, reader.deployments.check_target(str(name)), str(name))
        return
    found = [reader.deployments.target(name)] if name else reader.deployments.targets()
    if action == "show":
        texts = {"models": ", ".join(found[0].models), "command": shlex.join(found[0].command)}
        texts["wait"] = format_span(found[0].wait)
        facts = [
            (key, texts.get(key, str(value)))
            for key, value in vars(found[0]).items()
            if value not in ("", (), None) and key != "line"
        ]
        cx.show(Output("target", found[0], [found[0].name], ("key", "value"), facts))
        return
    rows = [(each.name, each.layout, each.path, each.follows, each.host, each.probe) for each in found]
    nothing = "no targets yet; add one with: registry edit --targets"
    columns = ("target", "layout", "path", "follows", "host", "probe")
    cx.show(Output("targets", found, [each.name for each in found], columns, rows, empty=nothing))


def _check_target(cx: Session, checks: Sequence[DoctorCheck], name: str) -> None:
    rows = [(each.check, each.status, each.message) for each in checks]
    shown = [(each.check, each.status, "; ".join(filter(None, (each.message, each.advice)))) for each in checks]
    cx.show(Output("target-check", checks, [name], ("check", "state", "message"), rows, shown, wrap=True))
    if any(each.status == "failed" for each in checks):
        raise typer.Exit(1)


@command("deploy", "Deploy", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8, 130), writes=True, dry_run=True)
def deploy(
    cx: Session,
    ref: VersionRef,
    to: Target,
    expect: Expect = None,
    wait: Annotated[
        float | None, option("--wait", "SECONDS", "How long to wait until the server runs it.", min=0)
    ] = None,
    no_reload: Annotated[bool, flag("--no-reload", "Neither tell nor ask the server.")] = False,
    keep_failed: Annotated[bool, flag("--keep-failed", "Do not go back if the server does not run it.")] = False,
    reason: Reason = "",
    force: Annotated[
        bool, flag("--force", "Override the policy of the stage that the target follows; requires --reason.")
    ] = False,
    sign: Sign = None,
) -> None:
    """Deploy a version to a target: copy it there, and let the server load it.

    The files are copied, each byte compared, into the folder of the target as its server expects them; one rename then
    switches to the version. If the target has a probe, the command waits until the server runs it; if that fails, the
    version before is served again and the exit code is 5. The policy of the stage that the target follows must allow
    the version.

    In a pipe: the reference.

    Examples:
        registry deploy churn@7 --to eu-1
        registry deploy churn@production --to eu-1 --wait 30
        registry deploy churn@7 --to eu-1 --expect 6 --reason "new features"
        registry deploy churn@7 --to eu-1 -n
    """
    done = cx.registry().deployments.deploy(
        ref, to, expect=parse_expect(expect, ref), wait=wait, reload=not no_reload, keep_failed=keep_failed, reason=reason,
        force=force, sign=signing_key(cx, sign), progress=cx.progress("copying"), **cx.change,
    )  # fmt: skip
    _report(cx, done)
    cx.show_changed("deployed", done, done.ref)


@command("undeploy", "Deploy", exits=(0, 1, 2, 3, 4, 5, 7, 8), writes=True, dry_run=True)
def undeploy(
    cx: Session,
    name: Annotated[str, argument("NAME", "A model: churn, or risk/churn.")],
    source: Annotated[str, option("--from", "TARGET", "A target that the model is deployed to.")],
    forget: Annotated[bool, flag("--forget", "Only remove the record: for a target that no longer exists.")] = False,
    reason: Reason = "",
) -> None:
    """End the deployment of a model to a target.

    What the registry placed in the folder of the target is removed, and nothing else. The versions can then be archived
    and deleted again.

    In a pipe: the model.

    Examples:
        registry undeploy churn --from eu-1
        registry undeploy churn --from old-server --forget --reason "switched off"
    """
    done = cx.registry().deployments.undeploy(parse_model_name(name), source, forget=forget, reason=reason, **cx.change)
    _report(cx, done)
    cx.show_changed("deployed", done, done.ref)


@command("sync", "Deploy", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8, 130), dry_run=True, lists=True)
def sync(
    cx: Session,
    names: Annotated[list[str] | None, argument("[TARGET]...", "Targets.")] = None,
    every: Annotated[bool, flag("--all -a", "All targets on this machine that follow a stage.")] = False,
) -> None:
    """Deploy to targets the versions of the stages that they follow.

    Each target gets the version of its stage: of the models that are deployed there, and of those that match its
    `models`. What is there already is left alone, so that it can be run by cron or by a hook. What failed is reported at
    the end; the exit code is that of the first failure.

    In a pipe: reference, target, state and the reason of a failure, separated by tabs.

    Examples:
        registry sync eu-1
        registry sync --all
        registry sync --all -n
    """
    if every == bool(names):
        raise InvalidInput("name targets, or use --all", "run 'registry target list'")
    reg = cx.registry().deployments
    found = reg.sync(names or None, dry_run=cx.dry_run, progress=cx.progress("copying"))
    _report_synced(cx, found)
    rows = [(done.ref, done.target, done.state or ("planned" if cx.dry_run else ""), done.why) for done in found]
    cx.show(Output("synced", found, [done.ref for done in found if done.changed], ("version", "target", "state", "why"), rows,
                   empty="nothing to deploy"))  # fmt: skip
    if failed := [done for done in found if done.why]:
        raise typer.Exit(failed[0].code)


def sync_stage(cx: Session, registry: Registry, name: str, stage: str) -> None:
    """Deploy what a stage of a model has now to the targets on this machine that follow it; exit with the first failure."""
    targets = [each.name for each in registry.deployments.targets() if each.follows == stage and each.is_here]
    found = registry.deployments.sync(targets, model=name, progress=cx.progress("copying")) if targets else []
    _report_synced(cx, found)
    if failed := [done for done in found if done.why]:
        raise typer.Exit(failed[0].code)


def _report_synced(cx: Session, found: Sequence[Deployed]) -> None:
    for done in found:
        if done.why:
            cx.warn(f"{done.model}, {done.target}: {done.why}")
        else:
            _report(cx, done)


@command("deployments", "Deploy", exits=(0, 1, 2, 3, 5, 6), indexed=True, lists=True)
def deployments(
    cx: Session,
    names: Annotated[list[str] | None, argument("[NAME]...", "Models; all when none is named.")] = None,
    target: Annotated[str | None, option("--target", "TARGET", "Only this target.")] = None,
    check: Annotated[
        bool, flag("--check", "Compare with the folders of the targets and what their servers run.")
    ] = False,
    as_of: AsOf = None,
) -> None:
    """Show which targets run which versions.

    `--check` reads the folder of each target on this machine and asks its server. The state is then ok, behind (the stage
    has moved), drifted (the folder or the server has another version than the record), damaged (a file was changed),
    unreachable or unknown (the target is on another machine). Exit code 5 for behind and drifted, 6 for damaged, 1 for
    unreachable. A state that changed is recorded in the history.

    In a pipe: reference, target, stage, version of the stage, state, time, author; with --check instead of the last two the
    version that the folder has, those that the server runs, and why; separated by tabs.

    Examples:
        registry deployments
        registry deployments churn --target eu-1
        registry deployments --check
        registry deployments --as-of 2026-03-03
    """
    if check:
        ensure_alone("--check", {"--as-of": as_of})
    reg = cx.registry() if check else cx.reader()
    models = [parse_model_name(name) for name in names] if names else None
    found = reg.deployments(models, target=target, check=check, as_of=as_of)
    cx.show(_output(found, check=check))
    codes = {_CODES.get(each.state, 0) for each in found} if check else set()
    if worst := next((code for code in (6, 5, 1) if code in codes), 0):
        raise typer.Exit(worst)


def _output(found: Sequence[Deployment], *, check: bool) -> Output:
    rows: list[tuple[Any, ...]] = []
    shown: list[tuple[str, ...]] = []
    for each in found:
        first, stage = (each.ref, each.target), f"{each.follows} {each.stage_version or '-'}" if each.follows else "-"
        running = ",".join(map(str, each.running or ()))
        last = (each.folder, running, each.why) if check else (each.at, each.by)
        rows.append((*first, each.follows, each.stage_version, each.state, *last))
        if check:
            shown.append((*first, stage, each.state, str(each.folder or "-"), running or "-", each.why))
        else:
            shown.append((*first, stage, each.state, format_time(each.at) if each.at else "", each.by))
    columns = (
        "version",
        "target",
        "stage says",
        "state",
        *(("folder", "runs", "why") if check else (time_column(), "by")),
    )
    names = (
        "ref",
        "target",
        "stage",
        "stage_version",
        "state",
        *(("folder", "running", "why") if check else ("at", "by")),
    )
    refs = [each.ref for each in found]
    return Output("deployments", found, refs, columns, rows, shown, names=names, empty="nothing is deployed")


def _report(cx: Session, done: Deployed) -> None:
    """Print on standard error what a target serves now, and what it served before."""
    before = f"{done.model}@{done.before}" if done.before else "nothing"
    if not done.changed:
        cx.say(f"{done.target} has {done.ref} already")
    elif done.version is None:
        cx.say(f"{done.target} {'would have' if cx.dry_run else 'has'} nothing of {done.model} now (was {before})")
    else:
        state = f", {done.state}" if done.state else ""
        cx.say(f"{done.target} {'would have' if cx.dry_run else 'has'} {done.ref} now (was {before}){state}")
    if done.overridden:
        cx.warn(f"this {'would override' if cx.dry_run else 'overrides'} the policy: {', '.join(done.overridden)}")
