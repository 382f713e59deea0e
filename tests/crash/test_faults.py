"""Every verb, with a fault at every single call that changes the disk, and at every one that reads it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli.cli import grammar
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.trial import Trial

#: Kinds of fault, each at every call.
FAULTS = (
    ("error", errno.EIO),
    ("errors", errno.EIO),
    ("error", errno.ENOSPC),
    ("error", errno.EACCES),
    ("lost reply", errno.EIO),
    ("half", errno.EDQUOT),
    ("dead before", 0),
    ("dead after", 0),
    ("interrupt before", 0),
    ("interrupt after", 0),
)


#: Verbs that are another one with other words.
ANOTHER = {"transfer": "rename"}
#: Verbs that write to a target, too: they are in ``test_deployments``.
DEPLOYING = {"deploy", "undeploy"}


def test_every_verb_that_writes_has_a_scenario() -> None:
    names = {scenario.name.split()[0].rstrip(",") for scenario in SCENARIOS}
    assert {ANOTHER.get(name, name) for name, verb in grammar.VERBS.items() if verb.writes} - names == DEPLOYING
    assert ANOTHER.keys() <= grammar.VERBS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_call_that_changes_the_disk_may_fail(
    scenario: Scenario, lab: Path, record_property: Callable[[str, object], None]
) -> None:
    trial = Trial(scenario, lab)
    wrong = [words for kind, number in FAULTS for words in trial.every(kind, number)]
    told = f"{scenario.name}: {trial.calls} calls, {trial.runs} faults, {len(trial.seen)} distinct disks"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} of {trial.runs} went wrong:\n" + "\n".join(wrong[:12])


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_call_that_reads_may_fail(
    scenario: Scenario, lab: Path, record_property: Callable[[str, object], None]
) -> None:
    trial = Trial(scenario, lab)
    wrong = trial.every("error", errno.EIO, looking=True)
    told = f"{scenario.name}: {trial.runs} reading calls, {len(trial.seen)} distinct disks"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} of {trial.runs} went wrong:\n" + "\n".join(wrong[:12])
