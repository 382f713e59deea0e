"""What the gate of a stage looks at, read from the files: the policies, the version, what held the stage. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..lifecycle import gate, policy, policy_parser
from ..lifecycle import stages as rules
from ..lifecycle.approvals import NOBODY
from ..lifecycle.checks import Check
from ..lifecycle.directions import LISTED
from ..lifecycle.gate import Evaluation, PolicyLine
from ..lifecycle.policy import DIRECTIONS, Facts, Found, Policies, StagePolicy
from ..lifecycle.policy_people import PEOPLE
from ..store import chronicle, codec
from ..store.layout import Layout
from ..store.reader import ModelReader, State
from . import checking, settings
from .settings import Scope


class Read(NamedTuple):
    """The policies in force, the stages of the registry, and the document of the model."""

    policies: Policies
    stages: tuple[str, ...]
    model: Mapping[str, Any]


def policies(layout: Layout, scope: Scope) -> Read:
    """The policies of the registry, with those of a group and of a model on top, each stricter than what is around it.

    Raises :class:`InvalidInput` for every mistake in them.
    """
    levels = settings.levels(layout, scope)
    stages = codec.parse_settings(levels[0].document, levels[0].source).stages
    found: Policies = {}
    for at, (document, source, _) in enumerate(levels):
        own = policy_parser.parse(policy_parser.find(document, source), source, stages, found if at else None)
        found = policy.joined(found, own, stages)
    policy.refuse_circles(found, stages)
    checking.refuse_inside(layout, found)
    return Read(found, stages, levels[-1].document if scope.model else {})


def evaluation(
    layout: Layout,
    model: ModelReader,
    state: State,
    number: int,
    stage: str,
    now: Callable[[], datetime],
    read: Read | None = None,
    checks: Mapping[Check, Found] | None = None,
) -> Evaluation:
    """The policy of ``stage`` evaluated on a version. Only what its rules need is read, the clock too.

    ``read`` are the policies, if they were read just before, ``checks`` what commands found that were run before.
    """
    read = read or policies(layout, Scope.of_model(model.name))
    rules.check_stage(stage, read.stages)  # one that was renamed meanwhile has no policy, and is no open door
    wanted, said = read.policies.get(stage, StagePolicy()), model.said(number, state)
    if not (wanted.rules or said.get("approvals")):
        return Evaluation(f"{model.name}@{number}", stage, ())
    needs = {rule.needs for rule in wanted.rules}
    version = model.version(number, state)
    if PEOPLE in needs or said.get("approvals"):
        from . import people

        told = people.told_of(layout, model, version, said)
    else:
        told = NOBODY
    current = state.table.stages.get(stage)
    facts = Facts(
        stage,
        version,
        files=[entry.path for entry in model.manifest(version)] if "files" in needs else (),
        current=model.version(current, state) if current and needs & {"current", DIRECTIONS} else None,
        holdings=chronicle.holdings(model.paths, number) if "history" in needs else (),
        model=read.model,
        now=now(),
        people=told,
        checks=checks or {},
        directions=settings.directions(layout, Scope.of_model(model.name)) if DIRECTIONS in needs else LISTED,
    )
    return gate.evaluate(wanted, facts)


def lines(layout: Layout, scope: Scope) -> Iterator[PolicyLine]:
    """What is in force, a line each, with where it stands: policies, retention, and what a group says of itself."""
    yield from gate.lines_of(policies(layout, scope).policies)
    from .keeping_rules import Retention

    for name, value, source, path in Retention(layout).of(scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    for name, value, source, path in settings.directions(layout, scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    if scope.group and not scope.model and (group := settings.of_group(layout, scope.group)):
        for key in ("owner", "description"):
            if said := group.document.get(key):
                yield PolicyLine("", key, said, group.source.file, group.source.line((key,)))
