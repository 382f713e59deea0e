"""What the gate of a stage looks at, read from the files: the policies, the version, what held the stage. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import NotFound
from ..lifecycle import gate, policy, policy_parser
from ..lifecycle import stages as rules
from ..lifecycle.approvals import NOBODY
from ..lifecycle.gate import Evaluation
from ..lifecycle.policy import Policies, Source, StagePolicy
from ..lifecycle.policy_people import PEOPLE
from ..store import chronicle, codec, files
from ..store.layout import Layout
from ..store.reader import ModelReader, State


class Read(NamedTuple):
    """The policies in force, the stages of the registry, and the document of the model."""

    policies: Policies
    stages: tuple[str, ...]
    model: Mapping[str, Any]


def policies(layout: Layout, model: ModelReader | None) -> Read:
    """The policies of the registry, with those of a model.

    They are read anew each time, past the index: under the lock it must be what the files say. Raises
    :class:`InvalidInput` for every mistake in them.
    """
    try:
        document, source = _read(layout, layout.config)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no registry in {layout.root}") from None
    stages = codec.parse_settings(document, str(layout.config)).stages
    common = policy_parser.parse(policy_parser.find(document, source), source, stages)
    if model is None:
        return Read(policy.merged(common, {}, stages), stages, {})
    document, source = _read(layout, model.paths.model)
    own = policy_parser.parse(policy_parser.find(document, source), source, stages, common)
    return Read(policy.merged(common, own, stages), stages, document)


def evaluation(
    layout: Layout, model: ModelReader, state: State, number: int, stage: str, now: Callable[[], datetime]
) -> Evaluation:
    """The policy of ``stage`` evaluated on a version. Only what its rules need is read, the clock too."""
    read = policies(layout, model)
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
    return gate.evaluate(
        wanted,
        stage,
        version,
        files=[entry.path for entry in model.manifest(version)] if "files" in needs else (),
        current=model.version(current, state) if current and "current" in needs else None,
        holdings=chronicle.holdings(model.paths, number) if "history" in needs else (),
        model=read.model,
        now=now(),
        people=told,
    )


def _read(layout: Layout, path: Path) -> tuple[dict[str, Any], Source]:
    """A document, and where its lines are."""
    name = str(path.relative_to(layout.root))
    data = files.read(path, files.DOCUMENT_LIMIT, name)

    def lines() -> Mapping[tuple[str, ...], int]:
        from ..store import documents

        return documents.lines(data)

    return codec.loads(data, name), Source(name, lines)
