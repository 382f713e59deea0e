"""Recording observations: on disk, by many at once, with a disk that fails, and from files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, Registry
from registry_cli.monitoring import observation_sources
from registry_cli.store.filesystem import locking
from tests.commands import run
from tests.conftest import Clock


@pytest.fixture
def churn(reg: Registry, tmp_path: Path) -> Registry:
    """A registry with churn@1, in production."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    reg.register("churn", [path], metrics={"auc": 0.93})
    reg.promote("churn@1", "production")
    return reg


def folder(reg: Registry) -> Path:
    return Path(reg.root) / "models/churn/observations/1"


def lines(reg: Registry) -> list[Any]:
    return [json.loads(line) for path in sorted(folder(reg).glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_an_observation_is_one_line(churn: Registry) -> None:
    done = churn.monitoring.observe(
        "churn@production",
        {"auc": 0.9},
        at="2026-02-27T10:00",
        samples=50,
        target="eu-1",
        slice={"plan": "pro", "country": "de"},
    )
    assert (done.ref, done.recorded, done.metrics, done.first) == ("churn@1", 1, ("auc",), "2026-02-27T10:00:00.000Z")
    assert lines(churn) == [
        {"at": "2026-02-27T10:00:00.000Z", "name": "auc", "value": 0.9, "n": 50, "target": "eu-1",
         "slice": "country=de,plan=pro", "by": "alice"}
    ]  # fmt: skip
    assert [path.name for path in folder(churn).glob("*.jsonl")] == ["2026-03.jsonl"], "the month of recording"


def test_a_repeated_job_changes_nothing(churn: Registry) -> None:
    for value in (0.9, 0.8, 0.9):
        churn.monitoring.observe("churn@1", {"auc": value}, at="2026-02-27")
    churn.monitoring.observe("churn@1", {"auc": 0.7}, at="2026-02-27", target="eu-1")
    assert [(each.target, each.value) for each in churn.monitoring.observations("churn@1")] == [
        ("", 0.9),
        ("eu-1", 0.7),
    ]


def test_the_model_is_not_locked_and_not_changed(churn: Registry) -> None:
    root = Path(churn.root) / "models/churn"
    before = {path.name: path.stat().st_mtime_ns for path in (root / "stages.yaml", root / "history.jsonl")}
    with locking.exclusive(root / ".lock", "churn", 0o644, 5, print):
        churn.monitoring.observe("churn@1", {"auc": 0.9})
    assert {path.name: path.stat().st_mtime_ns for path in (root / "stages.yaml", root / "history.jsonl")} == before


@pytest.mark.parametrize(
    ("metrics", "options", "words"),
    [
        ({}, {}, "no metric is given"),
        ({"auc": float("nan")}, {}, "not a finite number"),
        ({"auc": "high"}, {}, "not a number"),
        ({"": 1}, {}, "invalid name"),
        ({"auc": 1}, {"at": "2026-03-02"}, "in the future"),
        ({"auc": 1}, {"at": datetime(2027, 1, 1, tzinfo=timezone.utc)}, "in the future"),
        ({"auc": 1}, {"at": "soon"}, "not a valid time"),
        ({"auc": 1}, {"samples": 0}, "number of samples"),
        ({"auc": 1}, {"samples": 1.5}, "number of samples"),
        ({"auc": 1}, {"slice": {"country": "de,fr"}}, "a comma"),
        ({"auc": 1}, {"slice": {"country": "a\nb"}}, "control character"),
        ({"auc": 1}, {"target": "a\nb"}, "invalid name"),
    ],
)
def test_what_is_refused_leaves_nothing(
    churn: Registry, metrics: dict[str, object], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        churn.monitoring.observe("churn@1", metrics, **options)
    assert not folder(churn).exists()


def test_a_bare_model_is_refused_and_unknown_ones_are_not_found(churn: Registry) -> None:
    with pytest.raises(InvalidInput, match="is a model; expected a version"):
        churn.monitoring.observe("churn", {"auc": 1})
    for ref in ("churn@9", "other@1", "churn@staging"):
        with pytest.raises(NotFound):
            churn.monitoring.observe(ref, {"auc": 1})


def test_torn_and_foreign_lines_count_for_nothing_and_hide_no_other(churn: Registry) -> None:
    churn.monitoring.observe("churn@1", {"auc": 0.9}, at="2026-02-27")
    (path,) = folder(churn).glob("*.jsonl")
    whole = path.read_bytes()
    odd = [
        b"\xff\xfe", b"{}", b"[1]", b'{"at":1,"name":"auc","value":1}', b'{"at":"2026-02-26","name":"auc","value":NaN}',
        b'{"at":"2026-02-26","name":"auc","value":"1"}', b'{"at":"2026-02-26","name":"auc","value":true}',
        b'{"at":"2026-02-26","name":"auc","value":1,"n":"5"}', b"[" * 5000, b"x" * 20_000,
    ]  # fmt: skip
    path.write_bytes(whole + b"\n".join(odd) + b"\n" + whole[: len(whole) // 2])
    churn.monitoring.observe("churn@1", {"auc": 0.8}, at="2026-02-28")
    assert [each.value for each in churn.monitoring.observations("churn@1")] == [0.9, 0.8]


def test_observations_are_chosen_by_name_and_time(churn: Registry) -> None:
    for day in range(20, 27):
        churn.monitoring.observe("churn@1", {"auc": day / 100, "f1": 0.5}, at=f"2026-02-{day}")
    found = churn.monitoring.observations("churn@1", metrics="auc", since="2026-02-22", until="2026-02-24")
    assert [each.value for each in found] == [0.22, 0.23]


def test_a_closed_month_is_left_alone_by_a_clock_that_is_behind(churn: Registry, clock: Clock) -> None:
    churn.monitoring.observe("churn@1", {"auc": 0.9})
    closed = folder(churn) / "2026-03.jsonl"
    before = closed.read_bytes()
    clock.moment += timedelta(days=40)
    churn.monitoring.monitor("churn")
    assert closed.stat().st_mode & 0o777 == 0o444
    clock.moment -= timedelta(days=35)
    churn.monitoring.observe("churn@1", {"auc": 0.8})
    assert closed.read_bytes() == before
    assert [each.value for each in churn.monitoring.observations("churn@1")] == [0.9, 0.8]


@pytest.mark.parametrize("place", ["observations", "observations/1"])
def test_a_link_in_place_of_a_folder_is_not_followed(churn: Registry, tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = Path(churn.root) / "models/churn" / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(Damaged, match="symbolic link"):
        churn.monitoring.observe("churn@1", {"auc": 0.9})
    assert list(elsewhere.iterdir()) == []
    link.unlink()


def test_a_link_in_place_of_a_file_is_not_followed(churn: Registry, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    churn.monitoring.observe("churn@1", {"auc": 0.9})
    (path,) = folder(churn).glob("*.jsonl")
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises((Damaged, OSError)):
        churn.monitoring.observe("churn@1", {"auc": 0.9})
    assert victim.read_text() == "mine"
    path.unlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_fails_leaves_nothing_half_written(
    churn: Registry, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    churn.monitoring.observe("churn@1", {"auc": 0.9}, at="2026-02-27")
    (path,) = folder(churn).glob("*.jsonl")
    before, real = path.read_bytes(), getattr(os, call)
    failed: list[str] = []

    def fail(descriptor: int, *rest: Any) -> Any:
        if failed:
            return real(descriptor, *rest)
        failed.append(call)
        if rest:
            os.pwrite(descriptor, bytes(rest[0])[:10], os.fstat(descriptor).st_size)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=os.strerror(code)):
        churn.monitoring.observe("churn@1", {"auc": 0.8}, at="2026-02-28")
    assert failed
    assert path.read_bytes() == before
    churn.monitoring.observe("churn@1", {"auc": 0.8}, at="2026-02-28")
    assert [each.value for each in churn.monitoring.observations("churn@1")] == [0.9, 0.8]


def test_a_disk_that_goes_on_failing_is_said_to_be_unsettled(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "it is broken")

    for name in ("fdatasync", "ftruncate"):
        monkeypatch.setattr(os, name, fail)
    with pytest.raises(Indeterminate, match="may have been recorded"):
        churn.monitoring.observe("churn@1", {"auc": 0.8})
    monkeypatch.undo()


def test_whoever_waits_too_long_says_so(churn: Registry, clock: Clock) -> None:
    churn.monitoring.observe("churn@1", {"auc": 0.9})
    impatient = Registry(churn.root, now=clock, lock_timeout=0.1)
    with (
        locking.exclusive(folder(churn) / ".lock", "it", 0o644, 5, print),
        pytest.raises(LockTimeout, match="observations"),
    ):
        impatient.monitoring.observe("churn@1", {"auc": 0.8})


WORKER = """
import sys
from registry_cli import Registry
reg = Registry(sys.argv[1])
for at in range(int(sys.argv[3])):
    reg.monitoring.observe("churn@1", {"auc": at / 1000}, target=sys.argv[2], slice={"at": str(at)})
    print(at, flush=True)
"""


def test_of_many_writers_of_which_some_are_killed_nothing_acknowledged_is_lost(churn: Registry) -> None:
    def start(name: str, count: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", WORKER, str(churn.root), name, str(count)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    steady = {name: start(name, 60) for name in ("a", "b", "c")}
    acknowledged: dict[str, int] = {}
    for name in ("k0", "k1", "k2", "k3"):
        with start(name, 100_000) as victim:
            assert victim.stdout
            seen = [victim.stdout.readline() for _ in range(5)]
            time.sleep(0.01)
            victim.send_signal(signal.SIGKILL)
            acknowledged[name] = len(seen) + len(victim.stdout.read().splitlines())
    for name, process in steady.items():
        acknowledged[name] = len(process.communicate(timeout=120)[0].splitlines())
        assert process.returncode == 0
    assert all(acknowledged[name] == 60 for name in steady)
    found: dict[str, int] = {}
    for each in churn.monitoring.observations("churn@1"):
        found[each.target] = found.get(each.target, 0) + 1
    assert {name: found[name] >= count for name, count in acknowledged.items()} == dict.fromkeys(acknowledged, True)
    assert all(found[name] == 60 for name in steady)


# From files

CASES: list[tuple[str, str, list[tuple[str, object, str, object, str, str]]]] = [
    ("csv", "at,name,value,n\n2026-02-01,auc,0.9,10\n", [("auc", 0.9, "2026-02-01", 10, "", "")]),
    ("csv", "\ufefftimestamp;auc;f1\n2026-02-01;0.9;\n", [("auc", 0.9, "2026-02-01", None, "", "")]),
    ("csv", "date\tauc\tslice\n2026-02-01\t1\tplan=pro\n", [("auc", 1, "2026-02-01", None, "", "plan=pro")]),
    ("csv", 'auc,target\n"0.5",eu\n\n', [("auc", 0.5, "", None, "eu", "")]),
    ("jsonl", '{"at":"2026-02-01","name":"auc","value":0.9,"n":3}\n\n', [("auc", 0.9, "2026-02-01", 3, "", "")]),
    ("jsonl", '{"auc":0.9,"slice":{"b":"2","a":"1"}}', [("auc", 0.9, "", None, "", "a=1,b=2")]),
    ("json", '[{"metrics":{"val":{"auc":0.9}},"time":"2026-02-01"}]', [("val.auc", 0.9, "2026-02-01", None, "", "")]),
    (
        "json",  # evidently 0.7, Snapshot.save_json
        '{"metrics":[{"metric_name":"ValueDrift(column=age,method=psi)","value":0.2},'
        '{"metric_name":"MissingValueCount(column=age)","value":{"count":3.0,"share":0.1}},'
        '{"metric_name":"RowCount()","value":100}],"tests":[]}',
        [("ValueDrift.age", 0.2, "", None, "", ""), ("MissingValueCount.age.count", 3.0, "", None, "", ""),
         ("MissingValueCount.age.share", 0.1, "", None, "", ""), ("RowCount", 100, "", None, "", "")],
    ),
    (
        "nannyml",  # result.to_df().to_csv(): two header rows, an index
        ",chunk,chunk,chunk,chunk,roc_auc,roc_auc\n,key,start_index,end_index,end_date,value,alert\n"
        "0,a,0,99,2026-02-01 00:00:00,0.91,False\n1,b,100,199,2026-02-02 00:00:00,0.89,True\n",
        [("roc_auc", 0.91, "2026-02-01 00:00:00", 100, "", ""), ("roc_auc", 0.89, "2026-02-02 00:00:00", 100, "", "")],
    ),
    (
        "csv",  # nannyml 0.13, three header rows: recognised; the reference period is not of a version in use
        ",chunk,chunk,chunk,chunk,chunk,a,a\n,chunk,chunk,chunk,chunk,chunk,jensen_shannon,jensen_shannon\n"
        ",key,start_index,end_index,end_date,period,value,alert\n"
        "0,[0:249],0,249,2026-01-11 09:00:00,reference,0.1,False\n"
        "1,[0:249],0,249,2026-03-11 09:00:00,analysis,0.4,True\n",
        [("a.jensen_shannon", 0.4, "2026-03-11 09:00:00", 250, "", "")],
    ),
    (
        "csv",  # nannyml 0.13, to_df(multilevel=False)
        ",chunk_key,chunk_chunk_index,chunk_start_index,chunk_end_index,chunk_end_date,chunk_period,"
        "a_jensen_shannon_value,a_jensen_shannon_upper_threshold\n"
        "0,[0:249],0,0,249,2026-03-11 09:00:00,analysis,0.4,0.14\n",
        [("a_jensen_shannon", 0.4, "2026-03-11 09:00:00", 250, "", "")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), CASES)
def test_formats(kind: str, text: str, expected: list[tuple[str, object, str, object, str, str]]) -> None:
    found = list(observation_sources.read_rows(kind, text.encode(), "it"))
    assert [tuple(each)[:6] for each in found] == expected


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "at,name,value\n2026-02-01,auc,high\n", "a.csv, line 2: metric 'auc' is 'high'"),
        ("a.csv", "at,auc\n2026-02-01,0.9\nsoon,0.9\n", "a.csv, line 3: 'soon' is not a valid time"),
        ("a.csv", "at,auc\n2026-02-01,0.9,7\n", "line 2 has 3 cells, the header has 2"),
        ("a.csv", "at,auc,auc\n", "occurs twice"),
        ("a.csv", "", "is empty"),
        ("a.csv", "at,auc\n", "has no observations"),
        ("a.csv", 'at,auc\n"2026', "a.csv, line 2"),
        ("a.jsonl", '{"auc":1}\n{"auc":\n', "a.jsonl, line 2 is not JSON"),
        ("a.jsonl", "[1]\n", "is not an object"),
        ("a.jsonl", '{"auc":1,"n":0}\n', "number of samples"),
        ("a.jsonl", '{"name":"auc"}\n', "a name but no value"),
        ("a.txt", "auc 1", "unknown format of 'a.txt'"),
        ("a.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole(
    churn: Registry, tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    os.chdir(tmp_path)
    answer = run("observe", "churn@1", "--from", name, root=Path(churn.root))
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert not folder(churn).exists()


def test_standard_input_needs_a_format(churn: Registry) -> None:
    root = Path(churn.root)
    assert run("observe", "churn@1", "--from", "-", root=root).code == 2
    answer = run(
        "observe", "churn@1", "--from", "-", "--format", "csv", "--json", root=root, stdin=b"at,auc\n2026-02-01,0.9\n"
    )
    assert (answer.code, answer.json["recorded"], answer.json["metrics"]) == (0, 1, ["auc"])
    assert run("observe", "churn@1", "--from", "nope.csv", root=root).code == 3
    assert run("observe", "churn@1", "--from", str(root), "--format", "csv", root=root).code == 2


def test_a_dry_run_records_nothing(churn: Registry) -> None:
    answer = run("observe", "churn@1", "auc=0.9", "-n", root=Path(churn.root))
    assert (answer.code, answer.out) == (0, "churn@1\n")
    assert "would be recorded: 1 observation" in answer.err
    assert not folder(churn).exists()


def test_observations_stay_with_a_model_that_is_renamed(churn: Registry) -> None:
    churn.monitoring.observe("churn@1", {"auc": 0.9})
    churn.admin.rename("churn", "attrition")
    assert len(churn.monitoring.observations("attrition@1")) == 1
