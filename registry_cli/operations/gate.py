"""The policies in force: load them, evaluate the one of a stage on a version, and run its checks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.names import Reference
from ..core.records import VersionRecord
from ..core.results import Approval
from ..core.text import escape_for_message
from ..errors import Conflict, Refused, explain
from ..rules import approvals
from ..rules import stages as rules
from ..rules.approvals import NOBODY
from ..rules.metric_directions import LISTED
from ..rules.policy import evaluation
from ..rules.policy.command_checks import NOT_TRUSTED, CommandCheck, format_time_limit
from ..rules.policy.evaluation import Evaluation, PolicyLine
from ..rules.policy.policy import DIRECTIONS, FAILED, PASSED, Policies, PolicyInput, RuleOutcome, StagePolicy
from ..rules.policy.policy_rules import PEOPLE
from ..store import history, journal
from ..store.layout import Layout
from ..store.reader import ModelReader, ModelState
from ..store.writer import Writer
from . import settings
from .context import resolve_version
from .read import check_version
from .settings import LoadedPolicies, SettingsScope, is_inside, load_policies

if TYPE_CHECKING:
    from pathlib import Path

    from ..rules.comparison import Diff
    from ..rules.policy.command_checks import CommandSet
    from .context import RegistryContext


def evaluate_policy(
    layout: Layout,
    model: ModelReader,
    state: ModelState,
    number: int,
    stage: str,
    now: Callable[[], datetime],
    read: LoadedPolicies | None = None,
    checks: Mapping[CommandCheck, RuleOutcome] | None = None,
) -> Evaluation:
    """The policy of ``stage`` evaluated on a version. Only what its rules need is read, the clock too.

    ``read`` are the policies, if they were read just before, ``checks`` what commands found that were run before.
    """
    read = read or load_policies(layout, SettingsScope.for_model(model.name))
    rules.check_stage(stage, read.stages)  # one that was renamed meanwhile has no policy, and is no open door
    wanted, annotation = read.policies.get(stage, StagePolicy()), model.annotation(number, state)
    if not (wanted.rules or annotation.get("approvals")):
        return Evaluation(f"{model.name}@{number}", stage, ())
    needs = {rule.needs for rule in wanted.rules}
    version = model.version(number, state)
    people = NOBODY
    if PEOPLE in needs or annotation.get("approvals"):
        from .approvals import read_people

        people = read_people(layout, model, version, annotation)
    current = state.table.stages.get(stage)
    facts = PolicyInput(
        stage,
        version,
        files=[entry.path for entry in model.manifest(version)] if "files" in needs else (),
        current=model.version(current, state) if current and needs & {"current", DIRECTIONS} else None,
        holdings=history.holdings(model.paths, number) if "history" in needs else (),
        model=read.model,
        now=now(),
        people=people,
        checks=checks or {},
        directions=settings.load_directions(layout, SettingsScope.for_model(model.name))
        if DIRECTIONS in needs
        else LISTED,
    )
    return evaluation.evaluate(wanted, facts)


class CheckResults(NamedTuple):
    """What the checks found of version ``number``, whose files have this ``digest``, before the lock was taken."""

    number: int
    digest: str
    found: Mapping[CommandCheck, RuleOutcome]


def notify_refused(context: RegistryContext, name: str, error: Refused, reason: str) -> None:
    """A gate that stayed shut is told as an event, too; no history has it, since nothing has changed."""
    from .transaction import make_event, notify

    evaluation = getattr(error, "evaluation", None)
    if evaluation is not None:
        number = Reference.parse(evaluation.ref).or_latest().number
        failed = list(evaluation.failed)
        notify(
            context,
            name,
            make_event(context, "gate-refused", number, None, stage=evaluation.stage, failed=failed, reason=reason),
        )


def prepare_promotion(
    context: RegistryContext, reference: Reference, stage: str, force: bool, whole: bool
) -> CheckResults:
    """All that is slow, before the lock: the artifact is compared, then the checks of the stage are run on it.

    Neither is done for what the policy refuses anyway; what counts is the look under the lock.
    """
    model, state, number = resolve_version(context, reference)
    rules.check_in_use(state.table, model.name, number)
    _complete_approval(context, model, state)
    read = load_policies(context.layout, SettingsScope.for_model(model.name))
    passed = dict.fromkeys(list_checks(read.policies, stage), NOT_YET)
    early = evaluate_policy(context.layout, model, state, number, stage, context.clock, read, passed)
    evaluation.check_passed(early, force=force)
    check_artifact(context, Reference.parse(f"{model.name}@{number}"), whole)
    found, trusted = run_stage_checks(context, model, state, number, stage, read)
    if not trusted and not (force and early.forcible):
        raise _untrusted_error(stage, model.name)
    return CheckResults(number, model.version(number, state).digest if found else "", found)


def _complete_approval(context: RegistryContext, model: ModelReader, state: ModelState) -> None:
    """Recover a model whose last writer died between an approval and its line of the history: only then it counts."""
    from .transaction import open_writer

    changed = state.table.changed
    if changed is None or changed.action not in approvals.ACTIONS:
        return
    last = journal.last_entry(model.paths.history)
    if last is None or last.revision < state.table.revision:
        with open_writer(context, model.name):
            pass  # opening it for writing recovers it


def ensure_checks_trusted(context: RegistryContext, name: str, stage: str) -> None:
    """Before a version is there at all: raise for a policy that can't be read, and for checks that are not trusted."""
    policies = load_policies(context.layout, SettingsScope.for_new_model(context.layout, name)).policies
    if list_checks(policies, stage) and not _is_trusted(context, name, policies):
        raise _untrusted_error(stage, name)


def ensure_allowed(
    context: RegistryContext, writer: Writer, ran: CheckResults, stage: str, force: bool
) -> dict[str, Any]:
    """Raise :class:`Refused` unless the policy lets the version in; what the event says of rules passed over.

    What the checks found counts for the files and the commands that they were run with, and no others.
    """
    model, state = ModelReader(writer.paths), ModelState(writer.table)
    read = load_policies(context.layout, SettingsScope.for_model(model.name))
    wanted = list_checks(read.policies, stage)
    if not ran.found.keys() >= set(wanted):
        raise Conflict(f"the checks of {stage} were changed while they ran", "look again, then promote")
    if wanted and model.version(ran.number, state).digest != ran.digest:
        raise Conflict(f"{model.name}@{ran.number} is not what was checked any more", "look again, then promote")
    result = evaluate_policy(context.layout, model, state, ran.number, stage, context.clock, read, ran.found)
    evaluation.check_passed(result, force=force)
    return {} if result.passed else {"forced": True, "failed": list(result.failed)}


def check_artifact(context: RegistryContext, reference: Reference, verify: bool) -> int:
    if verify:
        return check_version(context, reference).number
    model, state, number = resolve_version(context, reference)
    model.check_size(model.version(number, state))
    return number


#: What a check that is still to be run counts for, where only the other rules are looked at.
NOT_YET = RuleOutcome(PASSED, "is run later")
#: Characters of the last line that a command printed, in the table.
_LINE = 120


def _untrusted_error(stage: str, name: str) -> Refused:
    """What to raise when commands would have to be run that nobody has looked at."""
    return Refused(
        f"the policy of {stage} has commands in it that you have not trusted, or that have changed since",
        f"registry trust {name} shows them, and lets them run".replace("  ", " "),
    )


def _run_checks(
    wanted: list[CommandCheck], version: VersionRecord, folder: Path, stage: str, layout: Layout
) -> dict[CommandCheck, RuleOutcome]:
    """Run each check on the files of a version in ``folder``; what each of them found."""
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
    return {check: _run_check(check, check.fill(values), variables, layout.root) for check in wanted}


def _run_check(check: CommandCheck, arguments: list[str], variables: Mapping[str, str], root: Path) -> RuleOutcome:
    import shutil
    import tempfile

    from ..core import subprocesses
    from ..core.redaction import redact_text

    program = shutil.which(arguments[0])
    if program and is_inside(program, root):
        return RuleOutcome(FAILED, f"was not run: {escape_for_message(program)} lies inside the registry")
    place = tempfile.mkdtemp(prefix="registry-check-")  # what lies in the folder it starts in can be loaded by it
    started = time.monotonic()
    try:
        done = subprocesses.run(arguments, seconds=check.seconds, folder=place, variables=variables)
    except (OSError, ValueError) as error:
        words = explain(error) if isinstance(error, OSError) else str(error)
        return RuleOutcome(FAILED, f"can't be run: {words}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    printed = redact_text((done.output + done.errors).decode("utf-8", "replace"))
    output = f"{printed}\n… (cut)" if done.cut else printed
    if done.code is None:
        return RuleOutcome(FAILED, f"took longer than {format_time_limit(check.seconds)}", output)
    took = time.monotonic() - started
    if done.code == 0:
        return RuleOutcome(PASSED, f"exit 0 after {took:.1f} s", output)
    ended = f"signal {-done.code}" if done.code < 0 else f"exit {done.code}"
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")
    return RuleOutcome(FAILED, f"{ended}: {last[:_LINE]}" if last else ended, output)


class Review(NamedTuple):
    """What a reviewer looks at: the version, what the gate says, what holds the stage and what differs from it.

    ``current`` and ``diff`` are None when the stage is empty, or the version holds it already.
    """

    version: VersionRecord
    evaluation: Evaluation
    current: VersionRecord | None
    diff: Diff | None
    approvals: tuple[Approval, ...]


def evaluate_gate(context: RegistryContext, ref: str | Reference, stage: str) -> Evaluation:
    """Evaluate the policy of ``stage`` on a version, as :meth:`~Moving.promote` does. Nothing is moved.

    Its checks are run, if they are trusted; those that are not don't pass. Raises :class:`InvalidInput` for a policy
    that can't be read, and for an unknown stage, :class:`NotFound`, :class:`Conflict` for an archived version.
    """
    rules.check_stage(stage, context.stages)
    model, state, number = resolve_version(context, ref)
    rules.check_in_use(state.table, model.name, number)
    read = load_policies(context.layout, SettingsScope.for_model(model.name))
    found, _ = run_stage_checks(context, model, state, number, stage, read)
    return evaluate_policy(context.layout, model, state, number, stage, context.clock, read, found)


def run_stage_checks(
    context: RegistryContext, model: ModelReader, state: ModelState, number: int, stage: str, read: LoadedPolicies
) -> tuple[dict[CommandCheck, RuleOutcome], bool]:
    """What the checks of a stage find of a version, and whether they were run: only if they are trusted."""
    wanted = list_checks(read.policies, stage)
    if not wanted:
        return {}, True
    version = model.version(number, state)
    model.check_size(version)
    if not _is_trusted(context, model.name, read.policies):
        return dict.fromkeys(wanted, NOT_TRUSTED), False
    return _run_checks(wanted, version, model.paths.files(number), stage, context.layout), True


def _is_trusted(context: RegistryContext, name: str, policies: Policies) -> bool:
    return context.trust is not None and context.trust(
        collect_commands(context.layout, context.settings.id, name, policies)
    )


def get_review(context: RegistryContext, ref: str | Reference, stage: str) -> Review:
    """All that somebody looks at who is to say whether a version may enter ``stage``."""
    from .approvals import describe_approvals
    from .compare import diff

    evaluation = evaluate_gate(context, ref, stage)
    model, state, number = resolve_version(context, evaluation.ref)
    at = state.table.stages.get(stage)
    current = model.version(at, state) if at not in (None, number) else None
    return Review(
        model.version(number, state),
        evaluation,
        current,
        diff(context, current.ref, evaluation.ref) if current else None,
        describe_approvals(context.layout, model, state, number, context.clock),
    )


def _iter_lines(layout: Layout, scope: SettingsScope) -> Iterator[PolicyLine]:
    """What is in force, a line each, with where it stands: policies, retention, and what a group says of itself."""
    yield from evaluation.list_policy_lines(load_policies(layout, scope).policies)

    for name, value, source, path in settings.RetentionPolicies(layout).for_scope(scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    for name, value, source, path in settings.load_directions(layout, scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    if scope.group and not scope.model and (group := settings.load_group_document(layout, scope.group)):
        for key in ("owner", "description"):
            if text := group.document.get(key):
                yield PolicyLine("", key, text, group.source.file, group.source.line((key,)))


def list_checks(policies: Policies, stage: str) -> list[CommandCheck]:
    """The checks that a version must pass to enter a stage."""
    policy = policies.get(stage)
    return [rule.check for rule in policy.rules if rule.check] if policy else []


def collect_commands(layout: Layout, registry_id: str, name: str, policies: Policies) -> CommandSet:
    """The commands of ``policies``; ``name`` is the model or group that they are of, empty for the registry."""
    from ..rules.policy.command_checks import CommandSet, iter_commands

    return CommandSet(os.path.realpath(layout.root), registry_id, name, tuple(iter_commands(policies)))


def list_commands(context: RegistryContext, name: str | None = None) -> CommandSet:
    """The commands of the policies of the registry, or of those that are in force for a model or a group.

    Raises :class:`InvalidInput` for a policy that can't be read, :class:`NotFound`.
    """
    policies = load_policies(context.layout, SettingsScope.from_name(context.layout, name)).policies
    return collect_commands(context.layout, context.settings.id, name or "", policies)


def list_policy(context: RegistryContext, name: str | None = None) -> tuple[PolicyLine, ...]:
    """What is in force, line by line: policies of stages, and retention. Of the registry, or of a model or a group
    with what its own documents add.

    Raises :class:`InvalidInput` for what can't be read, :class:`NotFound`.
    """
    return tuple(_iter_lines(context.layout, SettingsScope.from_name(context.layout, name)))
