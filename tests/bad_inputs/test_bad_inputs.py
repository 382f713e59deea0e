"""Every case of ``tests/bad_inputs.yaml``, played for real."""

from __future__ import annotations

import pytest

from tests.bad_inputs import (
    archives,
    contents,
    documents,
    environment,
    faults,
    governance,
    huge,
    integrity,
    locks,
    names,
    paths,
    permissions,
    signals,
    terminals,
)
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import SCENARIOS, WAITING, Case, cases

#: Imported for what they register.
MODULES = (
    archives, contents, documents, environment, faults, governance, huge, integrity, locks, names, paths, permissions, signals, terminals,
)  # fmt: skip
CASES = {case.id: case for case in cases()}


@pytest.mark.parametrize("case", [CASES[each] for each in CASES if each in SCENARIOS], ids=lambda case: case.id)
def test_case(case: Case, world: World) -> None:
    SCENARIOS[case.id](world, case)


def test_every_case_is_played_or_waits_for_open_work() -> None:
    assert len(CASES) == 200
    assert not SCENARIOS.keys() & WAITING.keys(), "these do both"
    assert SCENARIOS.keys() | WAITING.keys() == CASES.keys()
    for each, work in WAITING.items():
        assert work.issue > 0, f"{each} waits for nothing"
        assert work.title.strip(), f"{each} waits for nothing"
