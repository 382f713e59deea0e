"""Every case of ``tests/bad_inputs.yaml``, played for real."""

from __future__ import annotations

import pytest

from . import (  # fmt: skip
    contents,
    documents,
    environment,
    faults,
    huge,
    integrity,
    locks,
    names,
    paths,
    permissions,
    signals,
    terminals,
)
from .conftest import World
from .table import SCENARIOS, WAITING, Case, cases

#: Imported for what they register.
MODULES = (
    contents, documents, environment, faults, huge, integrity, locks, names, paths, permissions, signals, terminals,
)  # fmt: skip
CASES = {case.id: case for case in cases()}


@pytest.mark.parametrize("case", [CASES[each] for each in CASES if each in SCENARIOS], ids=lambda case: case.id)
def test_case(case: Case, world: World) -> None:
    SCENARIOS[case.id](world, case)


def test_every_case_is_played_or_waits() -> None:
    assert len(CASES) == 200
    assert not SCENARIOS.keys() & WAITING.keys(), "these do both"
    assert SCENARIOS.keys() | WAITING.keys() == CASES.keys()
