"""The policies in force: load them, evaluate the one of a stage on a version, and run its checks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import operations
from ..core.lazy_dataclass import Record, RecordList, dataclass
from ..core.names import Reference
from ..core.records import VersionRecord
from ..core.results import Approval, PendingApproval
from ..core.text import escape_for_message
from ..errors import Conflict, Damaged, NotFound, Refused, explain
from ..rules import approvals
from ..rules import stages as rules
from ..rules.approvals import NOBODY
from ..rules.metric_directions import LISTED
from ..rules.policy import evaluation
from ..rules.policy.command_checks import NOT_TRUSTED, CommandCheck, CommandSet, format_time_limit, iter_commands
from ..rules.policy.evaluation import Evaluation, PolicyLine
from ..rules.policy.policy import (
    DIRECTIONS,
    FAILED,
    OBSERVATIONS,
    PASSED,
    WAITING,
    Policies,
    PolicyInput,
    RuleOutcome,
    StagePolicy,
)
from ..rules.policy.policy_rules import PEOPLE
from ..store import fetch, history, journal
from ..store.layout import Layout
from ..store.reader import ModelReader, ModelSnapshot, is_model
from ..store.writer import Writer
from . import settings
from .context import open_snapshot, resolve_version
from .settings import LoadedPolicies, SettingsScope, is_inside, load_policies

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.observations import Observation
    from ..rules.comparison import Diff
    from ..rules.policy.command_checks import CommandSet
    from .context import RegistryContext
    from .search import OnDamage


def evaluate_policy(
    context: RegistryContext,
    snapshot: ModelSnapshot,
    number: int,
    stage: str,
    loaded: LoadedPolicies,
    checks: Mapping[CommandCheck, RuleOutcome],
) -> Evaluation:
    """Evaluate the policy of ``stage`` on a version. Only what its rules need is read, the clock too.

    ``checks`` are the outcomes of its commands, which were run before.
    """
    rules.check_stage(stage, loaded.stages)  # one that was renamed meanwhile has no policy, and is no open door
    policy = loaded.policies.get(stage, StagePolicy())
    has_approvals = bool(snapshot.annotation(number).get("approvals"))
    if not (policy.rules or has_approvals):
        return Evaluation(f"{snapshot.name}@{number}", stage, ())
    needs = {rule.needs for rule in policy.rules}
    version = snapshot.version(number)
    observations: list[Observation] = []
    if OBSERVATIONS in needs:
        from ..core.observations import fold
        from ..monitoring.observation_files import iter_observations

        observations = fold(iter_observations(snapshot.paths, number))
    people = NOBODY
    if PEOPLE in needs or has_approvals:
        people = operations.approvals.read_people(context.layout, snapshot, number)
    current = snapshot.table.stages.get(stage)
    facts = PolicyInput(
        stage,
        version,
        files=[entry.path for entry in snapshot.model.manifest(version)] if "files" in needs else (),
        current=snapshot.version(current) if current and needs & {"current", DIRECTIONS} else None,
        holdings=rules.list_intervals((entry.event for entry in history.read_entries(snapshot, history.STAGE)), number)
        if "history" in needs
        else (),
        model=loaded.model,
        now=context.clock(),
        people=people,
        checks=checks,
        observations=observations,
        directions=settings.load_directions(context.layout, SettingsScope.for_model(snapshot.name, snapshot))
        if needs & {DIRECTIONS, OBSERVATIONS}
        else LISTED,
    )
    return evaluation.evaluate(policy, facts)


def check_candidate(context: RegistryContext, version: VersionRecord, files: Iterable[str], stage: str) -> None:
    """Raise :class:`Refused` if the policy of ``stage`` would not let in a version that is not registered yet.

    Its commands are not run.
    """
    loaded = load_policies(context.layout, SettingsScope.for_new_model(context.layout, version.model))
    policy = loaded.policies.get(stage, StagePolicy())
    paths = context.layout.model(version.model)
    snapshot = ModelSnapshot(ModelReader(paths)) if is_model(paths) else None
    current = snapshot.table.stages.get(stage) if snapshot else None
    facts = PolicyInput(
        stage,
        version,
        files=list(files),
        current=snapshot.version(current) if snapshot and current else None,
        holdings=(),
        model=loaded.model,
        now=context.clock(),
        people=NOBODY,
        checks=dict.fromkeys(list_checks(loaded.policies, stage), NOT_YET),
        directions=settings.load_directions(context.layout, SettingsScope.for_new_model(context.layout, version.model)),
    )
    evaluation.check_passed(evaluation.evaluate(policy, facts), force=False)


class CheckResults(NamedTuple):
    """The outcomes of checks on version ``number``, run before the lock was taken."""

    snapshot: ModelSnapshot
    number: int
    found: Mapping[CommandCheck, RuleOutcome]


def notify_refused(context: RegistryContext, name: str, error: Refused, reason: str) -> None:
    """Report a promotion that the policy refused as an event; the history does not contain it."""
    evaluation = getattr(error, "evaluation", None)
    if evaluation is not None:
        number, failed = Reference.parse(evaluation.ref).or_latest().number, list(evaluation.failed)
        event = operations.transaction.make_event(
            context, "gate-refused", number, None, stage=evaluation.stage, failed=failed, reason=reason
        )
        operations.transaction.notify(context, name, event)


def prepare_promotion(
    context: RegistryContext, reference: Reference, stage: str, force: bool, whole: bool
) -> CheckResults:
    """Do the slow part of a promotion before the lock: compare the files, run the checks of the stage.

    Neither is done for what the policy refuses anyway. The policy is evaluated again under the lock.
    """
    snapshot, number = resolve_version(context, reference)
    rules.check_in_use(snapshot.table, snapshot.name, number)
    _complete_approval(context, snapshot)
    loaded = load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot))
    passed = dict.fromkeys(list_checks(loaded.policies, stage), NOT_YET)
    early = evaluate_policy(context, snapshot, number, stage, loaded, passed)
    evaluation.check_passed(early, force=force)
    check_artifact(snapshot, number, whole)
    found, trusted = run_stage_checks(context, snapshot, number, stage, loaded)
    if not trusted and not (force and early.forcible):
        raise _untrusted_error(stage, snapshot.name)
    return CheckResults(snapshot, number, found)


def _complete_approval(context: RegistryContext, snapshot: ModelSnapshot) -> None:
    """Recover a model whose last writer died between an approval and its line of the history: only then it counts."""
    changed = snapshot.table.changed
    if changed is None or changed.action not in approvals.ACTIONS:
        return
    last = journal.last_entry(snapshot.paths.history)
    if last is None or last.revision < snapshot.table.revision:
        with operations.transaction.open_writer(context, snapshot.name):
            pass  # opening it for writing recovers it


def ensure_checks_trusted(context: RegistryContext, name: str, stage: str) -> None:
    """Before a version is there at all: raise for a policy that can't be read, and for checks that are not trusted."""
    policies = load_policies(context.layout, SettingsScope.for_new_model(context.layout, name)).policies
    if list_checks(policies, stage) and not _is_trusted(context, name, policies):
        raise _untrusted_error(stage, name)


def ensure_allowed(
    context: RegistryContext, writer: Writer, ran: CheckResults, stage: str, force: bool
) -> dict[str, Any]:
    """Raise :class:`Refused` unless the policy allows the version; return what the event records of overridden rules.

    Outcomes of checks count only for the files and commands that they were run with.
    """
    snapshot = ran.snapshot.under_lock(writer.table, writer.last)
    loaded = load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot))
    checks = list_checks(loaded.policies, stage)
    if not ran.found.keys() >= set(checks):
        raise Conflict(f"the policy commands of {stage} changed while they ran", "check it again and retry")
    if checks and snapshot.model.sealed(ran.number).digest != ran.snapshot.sealed(ran.number).digest:
        raise Conflict(f"{snapshot.name}@{ran.number} changed since it was checked", "check it again and retry")
    result = evaluate_policy(context, snapshot, ran.number, stage, loaded, ran.found)
    evaluation.check_passed(result, force=force)
    return {} if result.passed else {"forced": True, "failed": list(result.failed)}


def check_artifact(snapshot: ModelSnapshot, number: int, verify: bool) -> None:
    """Compare the files of a version with its manifest: their digests with ``verify``, else only count and size."""
    if verify:
        fetch.check(snapshot.model, snapshot.version(number))
    else:
        snapshot.model.check_size(snapshot.version(number))


#: What a check that is still to be run counts for, where only the other rules are looked at.
NOT_YET = RuleOutcome(PASSED, "runs at promotion")
#: Characters of the last line that a command printed, in the table.
_LINE = 120


def _untrusted_error(stage: str, name: str) -> Refused:
    return Refused(
        f"the policy of {stage} contains commands that are not trusted or changed since",
        f"review them with 'registry trust {name}'".replace("  ", " "),
    )


def _run_checks(
    wanted: list[CommandCheck], version: VersionRecord, folder: Path, stage: str, layout: Layout
) -> dict[CommandCheck, RuleOutcome]:
    values = {"path": str(folder), "ref": version.ref, "stage": stage}
    variables = {
        "REGISTRY_REF": version.ref,
        "REGISTRY_PATH": str(folder),
        "REGISTRY_STAGE": stage,
        "REGISTRY_MODEL": version.model,
        "REGISTRY_VERSION": str(version.number),
        "REGISTRY_DIGEST": f"sha256:{version.digest}",
        "REGISTRY_ROOT": str(layout.root),
        "REGISTRY_HOME": str(layout.root),
    }
    return {check: run_command(check, check.fill(values), variables, layout.root) for check in wanted}


def run_command(check: CommandCheck, arguments: list[str], variables: Mapping[str, str], root: Path) -> RuleOutcome:
    """Run a trusted command with filled-in arguments; a program inside the registry at ``root`` is not run."""
    import shutil
    import tempfile

    from ..core import redaction, subprocesses

    program = shutil.which(arguments[0])
    if program and is_inside(program, root):
        return RuleOutcome(FAILED, f"was not run: {escape_for_message(program)} is inside the registry")
    place = tempfile.mkdtemp(prefix="registry-check-")  # what lies in the folder it starts in can be loaded by it
    started = time.monotonic()
    try:
        done = subprocesses.run(arguments, seconds=check.seconds, folder=place, variables=variables)
    except (OSError, ValueError) as error:
        return RuleOutcome(FAILED, f"cannot be run: {explain(error) if isinstance(error, OSError) else error}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    printed = redaction.redact_text((done.output + done.errors).decode("utf-8", "replace"))
    output = f"{printed}\n… (cut)" if done.cut else printed
    if done.code is None:
        return RuleOutcome(FAILED, f"timed out after {format_time_limit(check.seconds)}", output)
    took = time.monotonic() - started
    if done.code == 0:
        return RuleOutcome(PASSED, f"exit 0 after {took:.1f} s", output)
    ended = f"signal {-done.code}" if done.code < 0 else f"exit {done.code}"
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")
    return RuleOutcome(FAILED, f"{ended}: {last[:_LINE]}" if last else ended, output)


@dataclass(frozen=True)
class Review(Record):
    """What a reviewer needs: the version, the evaluation of the policy, the version in the stage, and the differences.

    ``current`` and ``diff`` are None when the stage is empty, or holds this version.
    """

    version: VersionRecord
    evaluation: Evaluation
    current: VersionRecord | None
    diff: Diff | None
    approvals: tuple[Approval, ...]


def evaluate_gate(context: RegistryContext, ref: str | Reference, stage: str) -> Evaluation:
    """Evaluate the policy of a stage on a version, as :meth:`promote` does; nothing is moved.

    Its commands are run if they are trusted, and fail if they are not.

    Raises:
        InvalidInput: The policy can't be read, or the stage is unknown.
        Conflict: The version is archived.
    """
    return _evaluate_now(context, ref, stage)[-1]


def _evaluate_now(context: RegistryContext, ref: str | Reference, stage: str) -> tuple[ModelSnapshot, int, Evaluation]:
    rules.check_stage(stage, context.stages)
    snapshot, number = resolve_version(context, ref)
    rules.check_in_use(snapshot.table, snapshot.name, number)
    loaded = load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot))
    found, _ = run_stage_checks(context, snapshot, number, stage, loaded)
    return snapshot, number, evaluate_policy(context, snapshot, number, stage, loaded, found)


def run_stage_checks(
    context: RegistryContext, snapshot: ModelSnapshot, number: int, stage: str, loaded: LoadedPolicies
) -> tuple[dict[CommandCheck, RuleOutcome], bool]:
    """Run the checks of a stage on a version if they are trusted; return the outcomes, and whether they were run."""
    checks = list_checks(loaded.policies, stage)
    if not checks:
        return {}, True
    version = snapshot.version(number)
    snapshot.model.check_size(version)
    if not _is_trusted(context, snapshot.name, loaded.policies):
        return dict.fromkeys(checks, NOT_TRUSTED), False
    return _run_checks(checks, version, snapshot.paths.files(number), stage, context.layout), True


def _is_trusted(context: RegistryContext, name: str, policies: Policies) -> bool:
    return context.trust is not None and context.trust(
        collect_commands(context.layout, context.settings.id, name, policies)
    )


def get_review(context: RegistryContext, ref: str | Reference, stage: str) -> Review:
    """Return what a reviewer needs to decide whether a version may enter a stage."""
    snapshot, number, evaluation = _evaluate_now(context, ref, stage)
    at = snapshot.table.stages.get(stage)
    current = snapshot.version(at) if at not in (None, number) else None
    version = snapshot.version(number)
    diff = operations.compare.diff(context, current.ref, evaluation.ref) if current else None
    given = operations.approvals.describe_approvals(context, snapshot, number)
    return Review(version, evaluation, current, diff, given)


def list_pending(
    context: RegistryContext, *, mine: bool = False, on_damage: OnDamage | None = None
) -> RecordList[PendingApproval]:
    """Return the versions of all models that only approvals keep out of a stage, the newest of each model first.

    They are newer than what the stage points to, and pass all other rules of its policy but time and commands, which are not
    run.

    Args:
        mine: Only those that the author may approve and has not approved yet.
        on_damage: Called with the error of each document that can't be read; None raises the first.
    """
    found: list[PendingApproval] = []
    for name in operations.search.list_model_names(context):
        try:
            snapshot = open_snapshot(context, name)
            loaded = load_policies(context.layout, SettingsScope.for_model(name, snapshot))
            for stage, policy in loaded.policies.items():
                if any(rule.needs == PEOPLE for rule in policy.rules):
                    found += _iter_pending(context, snapshot, stage, loaded, mine)
        except (Damaged, NotFound) as error:
            (on_damage or operations.search.raise_error)(error)
    return RecordList(found)


def _iter_pending(
    context: RegistryContext, snapshot: ModelSnapshot, stage: str, loaded: LoadedPolicies, mine: bool
) -> Iterator[PendingApproval]:
    table, policy = snapshot.table, loaded.policies[stage]
    for number in reversed(snapshot.model.numbers(table)):
        if number <= table.stages.get(stage, 0):
            break
        if number in table.archived:
            continue
        results = evaluate_policy(context, snapshot, number, stage, loaded, {}).rules
        others = [
            found for rule, found in zip(policy.rules, results, strict=False) if rule.needs != PEOPLE and not rule.check
        ]
        missing = [found for rule, found in zip(policy.rules, results, strict=False) if rule.needs == PEOPLE]
        waiting = [each for each in missing if each.outcome == WAITING]
        rejected = len(results) > len(policy.rules)
        if rejected or not waiting or any(each.outcome == FAILED for each in (*others, *missing)):
            continue
        given = operations.approvals.describe_approvals(context, snapshot, number)
        in_force = [each.by for each in given if each.approved and (each.stage, each.state) == (stage, "in-force")]
        version, wanted = snapshot.version(number), tuple(each.wanted for each in waiting)
        if mine and (
            context.author in in_force
            or operations.approvals.find_own_exclusion(context, version, stage, loaded.policies)
        ):
            continue
        found = waiting[0].found
        yield PendingApproval(version.ref, stage, wanted, found, tuple(in_force), version.author, version.created)


def list_checks(policies: Policies, stage: str) -> list[CommandCheck]:
    """The checks that a version must pass to enter a stage."""
    return [rule.check for rule in policies.get(stage, StagePolicy()).rules if rule.check]


def collect_commands(layout: Layout, registry_id: str, name: str, policies: Policies) -> CommandSet:
    """The commands of ``policies``; ``name`` is the model or group that they are of, empty for the registry."""
    return CommandSet(os.path.realpath(layout.root), registry_id, name, tuple(iter_commands(policies)))


def list_commands(context: RegistryContext, name: str | None = None) -> CommandSet:
    """Return the commands in the policies of the registry, or of a model or a group with what is around it."""
    policies = load_policies(context.layout, SettingsScope.from_name(context.layout, name)).policies
    return collect_commands(context.layout, context.settings.id, name or "", policies)


def list_policy(context: RegistryContext, name: str | None = None) -> tuple[PolicyLine, ...]:
    """Return the settings that apply to the registry, a model or a group: policies, retention, directions of metrics.

    Returns:
        One line per rule, with the file and the line where it is written.

    Raises:
        InvalidInput: A document is not valid; with the line of the mistake.
    """
    layout, scope = context.layout, SettingsScope.from_name(context.layout, name)
    lines = list(evaluation.list_policy_lines(load_policies(layout, scope).policies))
    _, directions = settings.load_monitor_rules(layout, scope)  # also for the mistakes in the rules of monitor
    found = (*settings.RetentionPolicies(layout).for_scope(scope).lines(), *directions.lines())
    lines += [PolicyLine("", key, value, source.file, source.line(path)) for key, value, source, path in found]
    if scope.group and not scope.model and (group := settings.load_group_document(layout, scope.group)):
        for key in ("owner", "description"):
            if text := group.document.get(key):
                lines.append(PolicyLine("", key, text, group.source.file, group.source.line((key,))))
    return tuple(lines)
