"""Deploy versions to targets, end deployments, follow stages.

The order of writes: the release is staged in the target and brought to the disk; the event ``deploying`` is committed; the
release gets its name, the switch is replaced by one rename, the server loads it and is asked; the event ``deployed`` or
``deploy-failed`` is committed. The model is locked for the two commits only, the target for all of it. After a death at
any step the target serves a complete version, and the next ``deploy`` or ``sync`` does what is missing.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ... import operations
from ...core.names import Reference, model_name
from ...core.progress import SILENT, Progress
from ...core.results import Deployed
from ...core.values import OneOrMore, as_list
from ...errors import Conflict, Indeterminate, InvalidInput, NotFound, RegistryError
from ...rules import stages as stage_rules
from ...rules.stages import ANY, Expected
from ...serving import probe, targets
from ...serving.targets import Target
from ..context import open_snapshot, resolve_version
from ..search import list_model_names
from ..transaction import transaction
from .deployment_job import DeploymentJob, DeploymentRequest, read_entries, record_event

if TYPE_CHECKING:
    from ..context import RegistryContext
    from ..gate import CheckResults
    from ..transaction import Key


def deploy(
    context: RegistryContext,
    ref: str | Reference,
    target: str,
    *,
    expect: Expected = ANY,
    wait: float | None = None,
    reload: bool = True,
    keep_failed: bool = False,
    reason: str = "",
    force: bool = False,
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
    progress: Progress = SILENT,
) -> Deployed:
    """Deploy a version to a target: copy its files there, let the server load it, and wait until it runs.

    The policy of the stage that the target follows must allow the version. If the server does not run it in time, the
    version before is served again.

    Args:
        ref: The version; resolved once.
        target: The name of a target in ``targets.yaml``.
        expect: The version that the target must have now, or None for none.
        wait: How long to wait for the server, in seconds; by default what the target says.
        reload: Tell the server, as the target says. If not, neither tell nor ask it.
        keep_failed: Leave a version that does not run in the target.
        force: Override rules of the policy that fail; needs a ``reason``.
        sign: The path of a key that signs the event.

    Raises:
        Refused: The policy does not allow it, a command of the target is not trusted, its path is on another machine,
            the files do not suit the layout, or the server did not run the version.
        Conflict: The target has another version than expected, was changed meanwhile, or has files of someone else.
        Damaged: The files are not as they were stored.
    """
    if force and not reason.strip():
        raise InvalidInput("`force` requires a reason", "add `reason`")
    found = targets.load_targets(context.layout).get(target)
    reference = Reference.parse_version(ref)
    if request_id and (done := _find_done(context, reference.model, target, request_id, "deployed")):
        return done
    job = DeploymentJob.start(context, found, reference.model, reload=reload, wait=wait, keep_failed=keep_failed)
    stage_rules.check_expected({target: v} if (v := job.before) else {}, target, reference.model, expect)
    snapshot, number = resolve_version(context, reference)
    stage_rules.check_in_use(snapshot.table, snapshot.name, number)
    path = str(job.folder.release_path(number))
    if job.is_settled(number):
        return Deployed(snapshot.name, target, number, number, str(job.entry["state"]), path, changed=False)
    gate = _prepare_gate(context, f"{snapshot.name}@{number}", found.follows, force) if found.follows else None
    release = job.make_release(snapshot.version(number), snapshot.model)
    job.layout.plan(release, None)  # refuses what does not suit the layout, before anything is written
    if dry_run:
        return Deployed(snapshot.name, target, number, job.before, "", path)
    with job.folder.lock(context.lock_timeout, context.on_wait):
        return job.run(release, snapshot.model, gate, DeploymentRequest(reason, force, sign, request_id), progress)


def _prepare_gate(context: RegistryContext, ref: str, stage: str, force: bool) -> CheckResults:
    stage_rules.check_stage(stage, context.stages)
    return operations.gate.prepare_promotion(context, Reference.parse(ref), stage, force, False)


def undeploy(
    context: RegistryContext,
    name: str,
    target: str,
    *,
    forget: bool = False,
    reason: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
) -> Deployed:
    """End the deployment of a model to a target: what the registry placed there is removed, and nothing else.

    Args:
        forget: Only remove the record: for a target that no longer exists.

    Raises:
        NotFound: The model is not deployed there.
    """
    if request_id and (done := _find_done(context, name, target, request_id, "undeployed")):
        return done
    entry = read_entries(context, name).get(target)
    if entry is None:
        raise NotFound(f"{name} is not deployed to {target}", f"run 'registry deployments {name}'")
    before = entry.get("version")
    done = Deployed(model_name(name), target, None, before, "", str(entry.get("path", "")))
    if forget:
        if not dry_run:
            record_event(
                context, name, target, "undeployed", before or entry["pending"], request_id, reason=reason, forced=True
            )
        return done
    found = targets.load_targets(context.layout).get(target)
    job = DeploymentJob.start(context, found, name)
    if dry_run:
        return done
    with job.folder.lock(context.lock_timeout, context.on_wait):
        job.ensure_unchanged()
        if job.folder.is_owner(job.owner()):
            if found.reload == targets.API:
                for number in [n for n in job.folder.numbers() if n == before or job.layout.server == "torchserve"]:
                    probe.unload(found, job.layout, job.name, number)
            job.folder.withdraw()
            if found.command:
                job.reload(before or entry["pending"])
        record_event(context, name, target, "undeployed", before or entry["pending"], request_id, reason=reason)
    return done


def sync(
    context: RegistryContext,
    names: OneOrMore[str] | None = None,
    *,
    model: str | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> list[Deployed]:
    """Deploy to each target the version of the stage that it follows: of the models that it has, or that match its ``models``.

    Args:
        names: Targets; by default all that follow a stage and are on this machine.
        model: Only this model.

    Returns:
        One outcome per target and model. What could not be deployed has ``why`` and the exit code of its error.
    """
    known = targets.load_targets(context.layout)
    chosen = (
        [known.get(name) for name in as_list(names, "names")] if names is not None else list(known.by_name.values())
    )
    models = [model_name(model)] if model else list_model_names(context)
    outcomes = []
    for target in chosen:
        if names is None and not (target.follows and target.is_here):
            continue
        if not target.follows:
            raise InvalidInput(f"target {target.name} follows no stage", "set 'follows' in targets.yaml, or use deploy")
        stage_rules.check_stage(target.follows, context.stages)
        for name in models:
            with contextlib.suppress(NotFound):  # a model that was removed, or renamed, just now
                outcome = _sync_model(context, target, name, dry_run, progress)
                outcomes += [outcome] if outcome else []
    return outcomes


def _sync_model(
    context: RegistryContext, target: Target, name: str, dry_run: bool, progress: Progress
) -> Deployed | None:
    snapshot = open_snapshot(context, name)
    entry = snapshot.model.deployments(snapshot.state).get(target.name, {})
    wanted, before = snapshot.table.stages.get(target.follows), entry.get("version")
    if wanted is None or not (entry or target.takes(name)):
        return None
    try:
        return deploy(context, f"{name}@{wanted}", target.name, dry_run=dry_run, progress=progress, reason="sync")
    except Indeterminate:
        raise
    except RegistryError as error:
        return Deployed(
            name, target.name, before, before, "failed", target.path, False, (), str(error), error.exit_code
        )


def _find_done(context: RegistryContext, name: str, target: str, request_id: str, action: str) -> Deployed | None:
    """Return the result of a request that was carried out before."""
    with transaction(context, name, request_id, action) as (_, done):
        if done is None:
            return None
        detail = done.event.detail
        if detail.get("target") != target:
            raise Conflict(
                f"request {request_id} was used before, for another target", "use a request id for one request only"
            )
        version = done.event.version if action == "deployed" else None
        before = detail.get("before") if action == "deployed" else done.event.version
        path, state = str(detail.get("path", "")), str(detail.get("state", ""))
        return Deployed(model_name(name), target, version, before, state, path, changed=False)
