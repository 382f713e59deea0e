"""Which targets run which versions: by the record, at a time, and in fact."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...core.lazy_dataclass import replace
from ...core.names import model_name
from ...core.results import Deployment
from ...core.times import resolve_time
from ...core.values import OneOrMore, as_list
from ...errors import NotFound, RegistryError, explain
from ...rules import deployments as rules
from ...rules.deployments import BEHIND, DAMAGED, DRIFTED, OK, UNKNOWN, UNREACHABLE
from ...serving import probe, server_layout, targets
from ...serving.target_folder import TargetFolder
from ...serving.targets import Target, Targets
from ...store import history
from ..context import load_past, open_snapshot
from ..search import list_model_names
from ..transaction import make_event, take_snapshot, transaction
from .deployment_job import commit_deployments

if TYPE_CHECKING:
    from ...index.index import Index
    from ...store.reader import ModelSnapshot
    from ..context import RegistryContext


def list_deployments(
    context: RegistryContext,
    names: OneOrMore[str] | None = None,
    *,
    target: str | None = None,
    check: bool = False,
    as_of: str | datetime | None = None,
) -> list[Deployment]:
    """List which targets run which versions, by model and target.

    Args:
        names: Models; by default all.
        target: Only this target.
        check: Compare the record with the folder of each target on this machine, and with what its server says. A state
            that differs from that of the last check is recorded in the history.
        as_of: The time of interest, by the history.

    Raises:
        Damaged: The history of that time is lost.
        NotFound: There is no such model; or no such target, neither now nor in the record of a deployment.
    """
    known = targets.load_targets(context.layout)
    if target is not None and target not in known.by_name:
        recorded = [*list_deployments(context), *(list_deployments(context, as_of=as_of) if as_of is not None else ())]
        if all(each.target != target for each in recorded):
            known.get(target)
    if names is None and as_of is None and not check:
        answer = context.index.query(lambda index: _query_deployments(context, index))
        if answer is not None and all(entries is not None for _, _, entries in answer):
            return [
                _describe(name, each, entry, known, stages)
                for name, stages, entries in answer
                for each, entry in sorted((entries or {}).items())
                if target in (None, each)
            ]
    chosen = [model_name(name) for name in as_list(names, "names")] if names is not None else list_model_names(context)
    moment = resolve_time(as_of, context.clock)
    found: list[Deployment] = []
    for name in chosen:
        try:
            found += _list_model(context, known, name, target, check, moment)
        except NotFound:
            if names is not None:
                raise
    return found


def _query_deployments(
    context: RegistryContext, index: Index
) -> list[tuple[str, Mapping[str, int], Mapping[str, Any] | None]]:
    index.refresh(progress=context.index.progress)
    return index.deployments()


def _list_model(
    context: RegistryContext, known: Targets, name: str, only: str | None, check: bool, moment: str | None
) -> Iterator[Deployment]:
    snapshot = open_snapshot(context, name)
    if moment is not None:
        past = load_past(snapshot, moment)
        entries = rules.replay((each.event for each in history.read_entries(snapshot)), moment) if past else {}
        stages: Mapping[str, int] = past[0].table.stages if past else {}
    else:
        entries, stages = snapshot.model.deployments(snapshot.state), snapshot.table.stages
    for target, entry in sorted(entries.items()):
        if only in (None, target):
            deployment = _describe(name, target, entry, known, stages)
            yield _check(context, known, deployment, entry, snapshot) if check and moment is None else deployment


def _describe(
    name: str, target: str, entry: Mapping[str, Any], known: Targets, stages: Mapping[str, int]
) -> Deployment:
    follows = known.by_name[target].follows if target in known.by_name else ""
    stage_version = stages.get(follows)
    version, pending = entry.get("version"), entry.get("pending")
    state = "deploying" if pending else str(entry.get("state", ""))
    if entry.get("check", OK) not in (OK, BEHIND):
        state = str(entry["check"])
    elif not pending and stage_version and stage_version != version:
        state = BEHIND
    digest = str(entry.get("digest", "")).removeprefix("sha256:")
    at, by, path = (str(entry.get(key, "")) for key in ("at", "by", "path"))
    return Deployment(name, target, version, digest, follows, stage_version, state, at, by, path, pending)


def _check(
    context: RegistryContext, known: Targets, deployment: Deployment, entry: Mapping[str, Any], snapshot: ModelSnapshot
) -> Deployment:
    """Compare a deployment with the folder of its target and with the server; record a change of its state."""
    target = known.by_name.get(deployment.target)
    if target is None:
        return replace(deployment, state=UNKNOWN, why="the target is not in targets.yaml")
    if not target.is_here:
        return replace(deployment, state=UNKNOWN, why=f"the target is on host {target.host}")
    checked = _compare(target, deployment, entry)
    if checked.state not in (UNKNOWN, str(entry.get("check", OK))):
        with contextlib.suppress(OSError, RegistryError):  # whoever may not write is told all the same
            _record_state(context, snapshot.name, checked, entry)
    return checked


def _compare(target: Target, deployment: Deployment, entry: Mapping[str, Any]) -> Deployment:
    """Return a deployment with the state that its folder and its server are in; the worst counts."""
    layout, name = server_layout.get_layout(target.layout), str(entry.get("name"))
    if (entry.get("layout"), entry.get("path")) != (target.layout, target.path):
        why = f"targets.yaml has another layout or path; it was deployed in '{entry.get('path')}'"
        return replace(deployment, state=DRIFTED, why=why)
    try:
        folder = TargetFolder(target.path, layout, name)
        if folder.is_locked():
            return replace(deployment, state=UNKNOWN, why="a deployment to the target is under way")
        deployment = replace(deployment, folder=folder.served())
        server = probe.read_state(target, layout, name) if target.probe else None
        state, why = _judge_folder(folder, deployment, entry)
    except NotFound as error:
        return replace(deployment, state=UNREACHABLE, why=error.message)
    except OSError as error:
        return replace(deployment, state=UNREACHABLE, why=explain(error))
    except RegistryError as error:
        return replace(deployment, state=DRIFTED, why=error.message)
    if server and not server.problem:
        deployment = replace(deployment, running=server.versions)
    if state == OK and server:
        state, why = _judge_server(server, deployment)
    if state == OK and deployment.follows and deployment.stage_version != deployment.version:
        state, why = BEHIND, f"{deployment.follows} is {deployment.stage_version or 'empty'}"
    return replace(deployment, state=state, why=why)


def _judge_folder(folder: TargetFolder, deployment: Deployment, entry: Mapping[str, Any]) -> tuple[str, str]:
    version, served = deployment.version, deployment.folder
    if version and (why := folder.find_damage(version, str(entry.get("placed")).removeprefix("sha256:"))):
        return DAMAGED, why
    if deployment.pending:
        again = f"run 'registry deploy {deployment.model}@{deployment.pending} --to {deployment.target}'"
        return DRIFTED, f"the deployment of version {deployment.pending} was interrupted; {again}"
    if served != version:
        return DRIFTED, f"the folder says {served or 'nothing'}, the record {version or 'nothing'}"
    return (DRIFTED, "the server did not run it when it was deployed") if entry.get("state") == "failed" else (OK, "")


def _judge_server(server: probe.ServerState, deployment: Deployment) -> tuple[str, str]:
    if server.problem:
        return UNREACHABLE, server.problem
    if deployment.version and not server.runs(deployment.version):
        return DRIFTED, f"the server runs {', '.join(map(str, server.versions or ())) or 'nothing'}"
    return OK, ""


def _record_state(context: RegistryContext, name: str, checked: Deployment, entry: Mapping[str, Any]) -> None:
    """Commit that the state of a deployment changed, unless the deployment did meanwhile."""
    with transaction(context, name, None, "deployment-changed") as (writer, _):
        snapshot = take_snapshot(writer)
        if snapshot.model.deployments(snapshot.state).get(checked.target) == entry:
            before, number = entry.get("check", OK), checked.version or checked.pending
            detail = {"target": checked.target, "before": before, "after": checked.state, "why": checked.why}
            commit_deployments(writer, make_event(context, "deployment-changed", number, None, **detail))
