"""Many processes at once on one registry: nothing is lost, nothing doubled, and readers see only what is whole."""

from __future__ import annotations

from pathlib import Path

from registry_cli import Registry
from tests.concurrency import workers
from tests.support import Job, race

PROCESSES = 8


def chained(moves: list[tuple[int | None, int | None, int]], first: int | None = None) -> None:
    """The moves, by revision: one revision each, and each begins where the one before ended."""
    moves.sort(key=lambda move: move[2])
    revisions = [revision for _, _, revision in moves]
    assert len(set(revisions)) == len(revisions)
    for before, after, _ in moves:
        assert before == first
        first = after


def test_two_hundred_registrations_by_eight_processes(shared: Registry, tmp_path: Path) -> None:
    root = str(shared.root)
    results = race([(workers.register, (root, str(tmp_path / f"m{n}"), "churn", 25)) for n in range(PROCESSES)])
    done = sorted(pair for result in results for pair in result)
    assert [number for number, _ in done] == list(range(1, 201))
    for number, content in done:
        assert next(shared.path(f"churn@{number}").iterdir()).read_text() == content
    history = shared.history("churn")[::-1]
    assert [entry.seq for entry in history] == list(range(1, 201))
    assert [entry.event.version for entry in history] == list(range(1, 201))


def test_moving_one_stage_with_expect_loses_no_update(ten: Registry) -> None:
    root = str(ten.root)
    results = race([(workers.move_with_expect, (root, "churn", "production", 10)) for _ in range(PROCESSES)])
    moves = [move for result in results for move in result]
    assert len(moves) == PROCESSES * 10
    assert ten.model("churn").revision == len(moves)
    chained(moves)
    told = [entry.event.detail for entry in ten.history("churn") if entry.event.action == "promoted"]
    assert len(told) == len(moves)
    assert ten.model("churn").stages["production"] == moves[-1][1]


def test_of_two_equal_promotions_one_wins(ten: Registry) -> None:
    before: int | None = None
    for number in range(1, 6):
        results = race([(workers.promote_once, (str(ten.root), f"churn@{number}", "production", before))] * 2)
        assert sorted(results) == ["conflict", "done"]
        before = number
    assert ten.model("churn").revision == 5


def test_of_two_promotions_the_worse_never_gets_past_the_better(shared: Registry, tmp_path: Path) -> None:
    """The gate compares with what holds the stage under the lock: whoever comes first, the better one is there last."""
    for auc in (0.9, 0.95, 0.94):
        (tmp_path / "m").write_text(f"auc {auc}")
        shared.register("churn", [tmp_path / "m"], metrics={"auc": auc})
    with (shared.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {against_current: {auc: {max_drop: 0}}}}\n")
    root = str(shared.root)
    for _ in range(4):
        shared.promote("churn@1", "production", force=True, reason="the next turn")
        jobs: list[Job] = [(workers.promote_through_gate, (root, f"churn@{n}", "production")) for n in (2, 3)]
        results = race(jobs)
        assert results[0] == "done"
        first = "churn@3" if results[1] == "done" else "churn@2"
        told = [f"churn@{entry.event.version}" for entry in shared.history("churn", limit=2)]
        assert told == (["churn@2", "churn@3"] if first == "churn@3" else ["churn@2", "churn@1"])
        assert shared.model("churn").stages["production"] == 2


def test_six_processes_make_a_model_at_the_same_time(shared: Registry, tmp_path: Path) -> None:
    source = tmp_path / "m"
    source.write_text("the same for all")
    results = race([(workers.register_once, (str(shared.root), str(source), "risk/new"))] * 6)
    assert sorted(results) == [f"risk/new@{number}" for number in range(1, 7)]
    assert {version.digest for version in shared.versions("risk/new")} == {shared.version("risk/new@1").digest}


def test_a_name_becomes_a_model_or_a_group_but_never_both(shared: Registry, tmp_path: Path) -> None:
    """Whoever wins, the other is refused, and the winner can still be written to afterwards."""
    source = tmp_path / "m"
    source.write_text("content")
    root = str(shared.root)
    for turn in range(6):
        name = f"risk{turn}x"
        group, model = f"{name}/churn", name
        jobs: list[Job] = [(workers.register_once, (root, str(source), each)) for each in (group, model)]
        results = race(jobs)
        winners = [result for result in results if "@" in result]
        assert sorted(set(results) - set(winners)) == ["conflict"], results
        assert len(winners) == 1
        winner = winners[0].split("@")[0]
        assert [each for each in shared.admin.model_names() if each.startswith(name)] == [winner]
        assert shared.register(winner, [source]).ref == f"{winner}@2"


def test_readers_never_see_a_half_version_or_a_dangling_pointer(ten: Registry, tmp_path: Path) -> None:
    root, stop = str(ten.root), str(tmp_path / "stop")
    (tmp_path / "other").mkdir()
    ten.promote("churn@1", "production")
    sources = [tmp_path / f"w{n}" / "m" for n in range(3)]
    for source in sources:
        source.parent.mkdir()
    jobs: list[Job] = [
        (workers.register, (root, str(sources[0]), "churn", 25)),
        (workers.register, (root, str(sources[1]), "churn", 25)),
        (workers.archive_and_delete, (root, str(sources[2]), "churn", 12)),
        (workers.stop_readers, (stop, workers.move_with_expect, root, "churn", "production", 40)),
        (workers.read_until, (root, "churn", stop)),
        (workers.read_until, (root, "churn", stop)),
    ]
    results = race(jobs)
    assert len(results[3]) == 40
    assert min(results[4:]) > 1
    assert len(ten.versions("churn")) == 60
