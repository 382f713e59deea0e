"""The power goes: at every moment of a small run, with every part of what was not yet synced lost or kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .power import PowerLab, Workload
from .workloads import DEATHS, WORKLOADS

Told = Callable[[str, object], None]
#: Calls after which a death leaves the same disk, and the same in the air, as after the call before.
_SAME = ("chmod", "fchmod", "close")


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    workload: Workload, lab: Path, record_property: Told
) -> None:
    power = PowerLab(lab)
    run = power.record(workload)
    wrong = list(power.violations(workload, run))
    told = f"{workload.name}: {len(run.moments)} moments, {power.states} distinct disks"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} of {power.states}:\n" + "\n".join(wrong[:5])


@pytest.mark.slow
@pytest.mark.parametrize("workload", DEATHS, ids=lambda workload: workload.name)
def test_who_builds_upon_what_the_dead_left_makes_it_last(workload: Workload, lab: Path, record_property: Told) -> None:
    """A process is killed, another goes on and is acknowledged; only then the power goes."""
    power, wrong, deaths = PowerLab(lab), [], 0
    for call in power.calls(workload):
        if call.name not in _SAME:
            deaths += 1
            dying = power.dying_at(workload, call)
            wrong += list(power.violations(dying, power.record(dying), extremes=True, last=True))
    told = f"{workload.name}: {deaths} deaths, {power.states} distinct disks"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} of {power.states}:\n" + "\n".join(wrong[:5])
