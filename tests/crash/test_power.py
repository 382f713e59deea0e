"""The power goes: at every moment of a small run, with every part of what was not yet synced lost or kept."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import registry_cli
from tests.crash.power import PowerLab, Workload
from tests.crash.workloads import DEATHS, WORKLOADS

Told = Callable[[str, object], None]
#: Calls after which a death leaves the same disk, and the same in the air, as after the call before.
_SAME = ("chmod", "fchmod", "close")
_ONLY_THE_END = 1_000_000
#: Of a run with hundreds of files in the air so many moments are left out between two that are looked at.
_MANY = 40
#: Where the store syncs (the functions that do it, and what they sync), and a workload that loses something without.
SITES = {
    "creation.make_model > removal.replace > files.fsync_folder: MODEL": "register the first",
    "creation.make_model > removal.replace > files.write_new: MODEL/.tmp": "register the first",
    "creation.make_skeleton > files.fsync_folder: GROUP": "register in a group",
    "creation.make_skeleton > files.fsync_folder: models": "register the first",
    "staging._copied: MODEL/versions/.tmp/files/*": "register the first",
    "staging.sync > files.fsync_folder: MODEL/versions/.tmp/files": "register the first",
    "staging.sync > files.fsync_folder: MODEL/versions/.tmp/files/*": "register a folder",
    "staging.sync: MODEL/versions/.tmp": "register many files",
    "journal.append > files.fsync_folder: MODEL": "register in a group",
    "journal.append: MODEL/history.jsonl": "register in a group",
    "pack_writer.commit > files.fsync_folder: MODEL/packed": "pack",
    "pack_writer.restore_files > files.fsync_folder: MODEL/versions/2": "restore from a pack",
    "pack_writer.write_pack > files.fsync_folder: MODEL": "pack",
    "pack_writer.write_pack: MODEL/packed/.tmp.tar.gz": "pack",
    "writer._commit_version > files.fsync_folder: MODEL/versions": "register the first",
    "writer.roll_forward > files.fsync_folder: MODEL": "tag",
    "writer.roll_forward > removal.replace > files.fsync_folder: MODEL": "promote",
    "writer.roll_forward > removal.replace > files.fsync_folder: MODEL/annotations": "tag",
    "writer.roll_forward > removal.replace > files.fsync_folder: MODEL/tombstones": "delete",
    "writer.roll_forward > removal.replace > files.write_new: MODEL/.tmp": "promote",
    "writer.roll_forward > removal.replace > files.write_new: MODEL/annotations/.tmp": "tag",
    "writer.roll_forward > removal.replace > files.write_new: MODEL/tombstones/.tmp": "delete",
    "writer.move > files.write_new: MODEL/.tmp": "promote",
    "writer.publish > files.fsync_folder: MODEL/versions/.tmp": "register the first",
    "writer.publish > files.write_new: MODEL/versions/.tmp/manifest-sha256.txt": "register the first",
    "writer.publish > files.write_new: MODEL/versions/.tmp/version.yaml": "register the first",
}
KEPT = {
    # For readers without this tool: a deleted version must not come back half emptied under its old name,
    "writer.move_to_trash > files.fsync_folder: MODEL/versions",
    # nor the files of a packed one.
    "pack_writer.move_files_to_trash > files.fsync_folder: MODEL/versions",
    "pack_writer.move_files_to_trash > files.fsync_folder: MODEL/versions/2",
    # It makes the mode of the folder last, of which this model of a disk knows nothing.
    "pack_writer.restore_files > files.fsync_folder: MODEL/versions/2/files",
}


def test_the_sites_are_functions_and_workloads_that_exist() -> None:
    """The slow tests look where these are; this one tells at once when a function was renamed."""
    functions = {
        f"{path.stem}.{node.name}"
        for path in Path(registry_cli.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    named = {name for site in SITES.keys() | KEPT for name in site.partition(":")[0].split(" > ")}
    assert named - functions == set()
    assert set(SITES.values()) - {workload.name for workload in WORKLOADS} == set()


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    workload: Workload, lab: Path, record_property: Told
) -> None:
    power = PowerLab(lab)
    run = power.record(workload)
    many = len(run.moments) > 200
    wrong = list(power.violations(workload, run, extremes=many, stride=_MANY if many else 1))
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
            wrong += list(power.violations(dying, power.record(dying), extremes=True, stride=_ONLY_THE_END))
    told = f"{workload.name}: {deaths} deaths, {power.states} distinct disks"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} of {power.states}:\n" + "\n".join(wrong[:5])


@pytest.mark.slow
def test_every_place_that_syncs_is_known(lab: Path) -> None:
    power = PowerLab(lab)
    found = {site for workload in WORKLOADS for site in power.record(workload).sites}
    assert found == SITES.keys() | KEPT


@pytest.mark.slow
@pytest.mark.parametrize("site", SITES)
def test_without_a_sync_something_is_lost(site: str, lab: Path) -> None:
    """The test of these tests: a store that forgot one of its syncs does not pass them."""
    power = PowerLab(lab)
    (workload,) = [each for each in WORKLOADS if each.name == SITES[site]]
    run = power.record(workload, without_site=site)
    assert site in run.sites
    assert next(power.violations(workload, run, extremes=True), None)
