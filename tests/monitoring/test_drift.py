"""Profiles of data, and how far other data is from them."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import Damaged, InvalidInput, NotFound, Registry
from registry_cli.monitoring import data_profile
from registry_cli.monitoring.data_profile import (
    build_profile,
    compute_drift,
    compute_edges,
    compute_jensen_shannon,
    compute_psi,
    compute_shares,
)
from tests.commands import run

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=200)


def test_psi_and_distance_of_known_shares() -> None:
    assert compute_psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert compute_psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5), abs=1e-15)
    assert compute_psi([1, 0], [0.5, 0.5]) == pytest.approx(
        (0.5 - 1) * math.log(0.5) + (0.5 - 1e-4) * math.log(0.5 / 1e-4), abs=1e-12
    )
    assert compute_jensen_shannon([1, 0], [0, 1]) == 1
    assert compute_jensen_shannon([0.3, 0.7], [0.3, 0.7]) == 0


@given(NUMBERS, NUMBERS)
def test_figures_are_those_of_numpy(before: list[float], now: list[float]) -> None:
    numpy = pytest.importorskip("numpy")
    edges = compute_edges(sorted(before))
    deciles = numpy.quantile(before, numpy.arange(1, 10) / 10)
    assert [edges[numpy.argmin(numpy.abs(numpy.array(edges) - each))] for each in deciles] == pytest.approx(
        deciles.tolist(), abs=1e-6
    )
    bins = numpy.concatenate([[-numpy.inf], edges, [numpy.inf]])
    for numbers in (before, now):
        counts = [sum(low < each <= high for each in numbers) for low, high in pairwise(bins)]
        assert compute_shares(sorted(numbers), edges) == pytest.approx(
            [each / len(numbers) for each in counts], abs=1e-12
        )
    old, new = (numpy.clip(compute_shares(sorted(each), edges), 1e-4, None) for each in (before, now))
    expected = float(numpy.sum((new - old) * numpy.log(new / old)))
    assert compute_psi(compute_shares(sorted(before), edges), compute_shares(sorted(now), edges)) == pytest.approx(
        expected, abs=1e-12
    )


@given(NUMBERS)
def test_data_does_not_drift_from_itself(numbers: list[float]) -> None:
    rows = [{"x": each, "y": f"v{int(each) % 3}"} for each in numbers]
    found = compute_drift(build_profile(rows, lambda _: True), rows)[1]
    assert [each.psi for each in found] == pytest.approx([0, 0], abs=1e-12)
    assert [each.note for each in found] == ["", ""]


def test_a_profile_is_read_as_it_was_written() -> None:
    profile = build_profile([{"a": 1.5, "b": "x", "c": ""}, {"a": "2", "b": None, "c": None}], lambda _: True)
    assert data_profile.DataProfile.decode(profile.encode(), "it") == profile
    a, b, c = profile.columns
    assert (a.kind, a.count, a.missing, a.mean) == ("number", 2, 0, 1.75)
    assert (b.kind, b.count, b.missing, b.values) == ("text", 1, 1, {"x": 1.0})
    assert (c.kind, c.count, c.missing) == ("text", 0, 2)


def test_a_resample_of_the_baseline_raises_no_alarm() -> None:
    draw = random.Random(7)
    values = [draw.gauss(0, 1) for _ in range(5_000)]
    profile = build_profile([{"x": each} for each in values], lambda _: True)
    above = 0
    for _ in range(300):
        (column,) = compute_drift(profile, ({"x": draw.choice(values)} for _ in range(500)))[1]
        above += column.psi is not None and column.psi > 0.25
    assert above <= 3, "at most 1 % at 500 rows"


def test_kinds_of_drift_are_told_apart() -> None:
    before = [
        {"amount": at % 100, "country": ("de", "fr")[at % 2], "age": at % 50, "code": str(at % 7)} for at in range(1000)
    ]
    now = [
        {
            "amount": at % 100 + 60,
            "country": ("de", "us")[at % 2],
            "age": None if at % 4 else at % 50,
            "code": "x",
            "new": 1,
        }
        for at in range(1000)
    ]
    found = {each.name: each for each in compute_drift(build_profile(before, lambda _: True), now)[1]}
    assert found["amount"].psi is not None
    assert found["amount"].psi > 0.25
    assert found["country"].note == "new values: us"
    assert (found["age"].missing_before, found["age"].missing_share) == (0, 0.75)
    assert (found["code"].psi, found["code"].note) == (None, "has texts, the profile numbers")
    assert (found["new"].psi, found["new"].note) == (None, "new column")
    (gone,) = [
        each for each in compute_drift(build_profile(before, lambda _: True), [{"amount": 1}])[1] if each.name == "age"
    ]
    assert gone.note == "missing column"


def test_long_and_wide_data_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_profile, "MOST_VALUES", 100)
    rows = [{"x": float(at), "id": f"user-{at}"} for at in range(10_000)]
    profile = build_profile(rows, lambda _: True)
    text, number = profile.columns
    assert (text.count, len(text.values)) == (10_000, data_profile.VALUES)
    assert number.count == 10_000
    assert number.edges[4] == pytest.approx(5_000, rel=0.3)
    wide = [{f"column {at} {'x' * 200}": f"value {row}" for at in range(500)} for row in range(60)]
    with pytest.raises(InvalidInput, match="more than 262,144"):
        build_profile(wide, lambda _: True).encode()


@pytest.fixture
def churn(reg: Registry, tmp_path: Path) -> Registry:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    reg.register("churn", [path])
    (tmp_path / "train.csv").write_text("amount,country\n" + "".join(f"{at % 50},de\n" for at in range(200)))
    (tmp_path / "today.csv").write_text("amount,country\n" + "".join(f"{at % 50 + 30},us\n" for at in range(100)))
    return reg


def test_a_profile_is_recorded_once(churn: Registry, tmp_path: Path) -> None:
    first = churn.monitoring.profile("churn@1", tmp_path / "train.csv")
    again = churn.monitoring.profile(
        "churn@1", {"amount": [str(at % 50) for at in range(200)], "country": ["de"] * 200}
    )
    assert (first.changed, again.changed, first.sha256) == (True, False, again.sha256)
    assert [e.event.action for e in churn.history("churn")] == ["profiled", "registered"]
    other = churn.monitoring.profile("churn@1", tmp_path / "today.csv", columns="am*")
    assert (other.changed, other.columns) == (True, 1)


def test_drift_becomes_observations(churn: Registry, tmp_path: Path) -> None:
    churn.monitoring.profile("churn@1", tmp_path / "train.csv")
    done = churn.monitoring.drift("churn@1", tmp_path / "today.csv", target="eu-1")
    found = {each.name: each for each in churn.monitoring.observations("churn@1")}
    assert set(found) == {f"{kind}.{column}" for kind in ("psi", "js", "missing") for column in ("amount", "country")}
    assert (found["psi.amount"].samples, found["psi.amount"].target) == (100, "eu-1")
    assert done.recorded == 6
    assert churn.monitoring.drift("churn@1", tmp_path / "today.csv", dry_run=True).recorded == 6
    assert len(churn.monitoring.observations("churn@1")) == 6


def test_a_profile_that_was_changed_is_not_used(churn: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no profile"):
        churn.monitoring.drift("churn@1", tmp_path / "today.csv")
    churn.monitoring.profile("churn@1", tmp_path / "train.csv")
    (path,) = (Path(churn.root) / "models/churn/observations/1").glob("profile-*.json")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"200", b"201"))
    with pytest.raises(Damaged, match="was changed"):
        churn.monitoring.drift("churn@1", tmp_path / "today.csv")
    assert [each.code for each in churn.admin.verify().problems] == ["changed-observations"]
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        churn.monitoring.drift("churn@1", tmp_path / "today.csv")
    path.write_bytes(whole)


def test_parquet_is_read(churn: Registry, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"amount": [float(at % 50) for at in range(200)], "country": ["de"] * 200})
    parquet.write_table(table, tmp_path / "train.parquet")
    csv = churn.monitoring.profile("churn@1", tmp_path / "train.csv")
    assert churn.monitoring.profile("churn@1", tmp_path / "train.parquet").sha256 == csv.sha256
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidInput, match="is not valid Parquet"):
        churn.monitoring.profile("churn@1", tmp_path / "broken.parquet")


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("a.csv", "", 2, "no rows"),
        ("a.csv", "x,y\n", 2, "no rows"),
        ("a.csv", "x,x\n1,2\n", 2, "two columns have the same name"),
        ("a.csv", "x\n1,2\n", 2, "more fields than columns"),
        ("a.csv", 'x\n"1\n', 2, "not valid CSV"),
        ("a.txt", "x\n1\n", 2, "unknown format"),
        ("gone.csv", None, 3, "not found"),
    ],
)
def test_data_that_cannot_be_read(
    churn: Registry, tmp_path: Path, name: str, text: str | None, code: int, words: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    answer = run("profile", "churn@1", tmp_path / name, root=Path(churn.root))
    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err


def test_the_commands(churn: Registry, tmp_path: Path) -> None:
    root = Path(churn.root)
    assert run("profile", "churn@1", tmp_path / "train.csv", root=root).out == "churn@1\n"
    answer = run("drift", "churn@1", tmp_path / "today.csv", "--max", "0.25", root=root)
    assert answer.code == 5
    assert [line.split("\t")[0] for line in answer.out.splitlines()] == ["country", "amount"]
    assert run("drift", "churn@1", tmp_path / "today.csv", "--max", "0.25", "-q", root=root).out == "country\namount\n"
    assert run("drift", "churn@1", tmp_path / "train.csv", "--max", "0.25", root=root).code == 0
    assert run("drift", "churn@1", tmp_path / "train.csv", "--json", root=root).json["columns"][0]["psi"] == 0
    assert run("profile", "churn", tmp_path / "train.csv", root=root).code == 2
