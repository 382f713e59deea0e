"""The index: whatever is done to the files behind its back, it answers as the files would."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from registry_cli import Registry
from registry_cli.errors import RegistryError
from registry_cli.index import file_stamps, index
from registry_cli.operations.context import cache_folder
from tests.commands import NOBODY, as_user, public_folder

QUERIES = ("", "metrics.auc > 0.9", "tags.team = crm", "stage = production", "archived", "message ~ 'x'")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def reg(tmp_path: Path, cache: Path) -> Registry:
    """Three models, one in a group, with everything that an index may remember."""
    Registry.init(tmp_path / "reg")
    reg = Registry(tmp_path / "reg", author="alice", cache=cache)
    for name, count in (("churn", 4), ("risk/fraud", 2), ("demand", 1)):
        for number in range(1, count + 1):
            path = tmp_path / "model.pkl"
            path.write_text(f"{name} {number}")
            reg.register(name, [path], metrics={"auc": 0.88 + number / 100}, tags={"team": "crm"}, message=f"x{number}")
    reg.promote("churn@2", "production")
    reg.alias("churn@3", "champion")
    reg.archive(["churn@1"])
    reg.tag("risk/fraud@1", {"team": "fraud"})
    return reg


def told(reg: Registry) -> Any:
    """Everything that lists tell; what can't be read as the sentences about it."""
    damage: list[str] = []

    def note(error: RegistryError) -> None:
        damage.append(error.message)

    answers: list[Any] = [[asdict(each.model) for each in reg.admin.overview(on_damage=note, glances=False)]]
    answers.append([{n: asdict(g) for n, g in each.shown.items()} for each in reg.admin.overview(on_damage=note)])
    answers += [[asdict(each) for each in reg.search(query, on_damage=note)] for query in QUERIES]
    answers.append([asdict(each) for each in reg.search(sort="metrics.auc:desc", archived=True, on_damage=note)])
    return answers, sorted(set(damage))


def same(reg: Registry) -> None:
    """The index, old and new, and the files give one answer."""
    fresh = Registry(reg.root, cache=reg.context.index.cache)
    expected = told(Registry(reg.root))
    assert told(reg) == expected
    assert told(fresh) == expected
    for name in reg.admin.model_names():
        for number in range(1, 6):
            assert _one(fresh, f"{name}@{number}") == _one(Registry(reg.root), f"{name}@{number}")
        assert _one(fresh, f"{name}@production") == _one(Registry(reg.root), f"{name}@production")


def _one(reg: Registry, ref: str) -> Any:
    try:
        return asdict(reg.version(ref)), reg.path(ref)
    except RegistryError as error:
        return type(error), error.message


def settle(reg: Registry) -> None:
    """As if everything had been written long ago: nothing is racy, and the index keeps its stamps."""
    told(reg)
    for database in Path(str(reg.context.index.cache)).glob("*.sqlite"):
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM models")
            connection.execute("DELETE FROM versions")
            connection.execute("DELETE FROM facts")
            connection.execute("DELETE FROM stamps")
        connection.close()
    old = file_stamps._RACY
    try:
        file_stamps._RACY = -(10**12)
        told(reg)
    finally:
        file_stamps._RACY = old


def writable(path: Path) -> Path:
    for each in (path, path.parent):
        mode = stat.S_IMODE(each.stat().st_mode)
        if not mode & 0o200:  # a chmod that changes nothing changes the ctime all the same
            os.chmod(each, mode | 0o200)
    return path


def in_place(path: Path, before: str, after: str) -> None:
    """As ``sed -i`` of a careless kind: the same inode, the same size, the same time of change."""
    assert len(before) == len(after)
    status = path.stat()
    writable(path)
    text = path.read_text()
    assert before in text
    with path.open("r+") as stream:
        stream.write(text.replace(before, after))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path, before: str, after: str) -> None:
    """As an editor, rsync and git do: another file under the same name."""
    status = path.stat()
    writable(path)
    twin = path.with_name("twin")
    twin.write_text(path.read_text().replace(before, after))
    os.utime(twin, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.rename(twin, path)


def _churn(reg: Registry) -> Path:
    return reg.root / "models/churn"


def _restored_backup(reg: Registry) -> None:
    backup = reg.root.parent / "backup"
    shutil.copytree(_churn(reg), backup, symlinks=True)
    reg.promote("churn@4", "production")
    reg.tag("churn@4", {"team": "ops"})
    settle(reg)
    for folder, _, _ in os.walk(_churn(reg)):
        os.chmod(folder, 0o755)
    shutil.rmtree(_churn(reg))
    os.rename(backup, _churn(reg))


def _moved_away(reg: Registry) -> None:
    os.rename(_churn(reg), reg.root / "models/elsewhere")


def _become_a_group(reg: Registry) -> None:
    """What was the model ``demand`` is a group with the model ``demand/de`` by now."""
    models = reg.root / "models"
    os.rename(models / "demand", models / "de")
    (models / "demand").mkdir()
    os.rename(models / "de", models / "demand" / "de")


def _swapped(reg: Registry) -> None:
    models = reg.root / "models"
    os.rename(models / "churn", models / "third")
    os.rename(models / "demand", models / "churn")
    os.rename(models / "third", models / "demand")


def _without_a_version(reg: Registry) -> None:
    shutil.move(writable(_churn(reg) / "versions/3"), reg.root.parent / "gone")


def _clock_set_back(reg: Registry) -> None:
    in_place(_churn(reg) / "stages.yaml", "production: 2", "production: 4")
    os.utime(_churn(reg) / "stages.yaml", (1, 1))


def _version_exchanged(reg: Registry) -> None:
    """Another folder in the place of a version, as a backup of it would be restored."""
    version = _churn(reg) / "versions/3"
    shutil.copytree(version, reg.root.parent / "twin")
    replaced(reg.root.parent / "twin/version.yaml", "auc: 0.91", "auc: 0.95")
    os.chmod(version, 0o755)
    os.rename(version, reg.root.parent / "old")
    os.rename(reg.root.parent / "twin", version)


def _rolled_forward(reg: Registry) -> None:
    """A claim that its writer left behind, seen by the index; then the next writer puts its document in place."""
    _claim(reg)
    same(reg)
    reg.alias("churn@4", "other")


def _history_restored(reg: Registry) -> None:
    """A model restored in its place from an older backup, file by file with its old times, as by rsync -a --inplace."""
    backup = reg.root.parent / "backup"
    shutil.copytree(_churn(reg), backup, symlinks=True)
    reg.promote("churn@4", "production")
    settle(reg)
    for name in ("stages.yaml", "history.jsonl"):
        (_churn(reg) / name).write_bytes((backup / name).read_bytes())
        shutil.copystat(backup / name, _churn(reg) / name)
    for claim in set(_churn(reg).glob(".stages-*")) - {_churn(reg) / each.name for each in backup.glob(".stages-*")}:
        claim.unlink()


def _unreadable(reg: Registry) -> None:
    writable(_churn(reg) / "versions/4/version.yaml").write_text("format: 1\nversion: [")


def _unreadable_model(reg: Registry) -> None:
    (reg.root / "models/demand/model.yaml").write_text("format: [")


def _unreadable_then_mended(reg: Registry) -> None:
    path = reg.root / "models/demand/model.yaml"
    data = path.read_bytes()
    _unreadable_model(reg)
    same(reg)
    path.write_bytes(data)


def _claim(reg: Registry) -> None:
    """A writer that died after its commit: readers follow the claim, and so must the index."""
    from tests.crash.scenarios import die

    work = reg.root.parent / "work"
    work.mkdir()
    die(reg, work, lambda r, _: r.tag("churn@4", {"team": "new"}), "rename", 1)


BEHIND_ITS_BACK: dict[str, Callable[[Registry], object]] = {
    "pointer in place": lambda reg: in_place(_churn(reg) / "stages.yaml", "production: 2", "production: 4"),
    "pointer replaced": lambda reg: replaced(_churn(reg) / "stages.yaml", "production: 2", "production: 3"),
    "archive in place": lambda reg: replaced(_churn(reg) / "stages.yaml", "archived: '1'", "archived: 1, 4"),
    "tag replaced": lambda reg: replaced(reg.root / "models/risk/fraud/annotations/1.yaml", "fraud", "Fraud"),
    "annotation gone": lambda reg: os.unlink(reg.root / "models/risk/fraud/annotations/1.yaml"),
    "annotation new": lambda reg: (_churn(reg) / "annotations/2.yaml").write_text("format: 1\ntags: {team: b}\n"),
    "annotations gone": lambda reg: shutil.rmtree(reg.root / "models/risk/fraud/annotations"),
    "owner in place": lambda reg: in_place(_churn(reg) / "model.yaml", "owner: alice", "owner: allie"),
    "owner": lambda reg: replaced(_churn(reg) / "model.yaml", "owner: alice", "owner: bob"),
    "model copied": lambda reg: shutil.copytree(_churn(reg), reg.root / "models/copy", symlinks=True),
    "model moved": _moved_away,
    "model became a group": _become_a_group,
    "models swapped": _swapped,
    "backup restored": _restored_backup,
    "version gone": _without_a_version,
    "clock set back": _clock_set_back,
    "model unreadable": _unreadable_model,
    "model unreadable, then mended": _unreadable_then_mended,
    "version exchanged": _version_exchanged,
    "older backup in place": _history_restored,
    "claim of a dead writer": _claim,
    "claim of a dead writer, then rolled forward": _rolled_forward,
}
#: Edits inside a sealed folder, or in place in an annotation: no commit does either. Each is damage that ``verify`` reports.
SEALED_EDITS: dict[str, tuple[str, Callable[[Registry], object]]] = {
    "metric in place": (
        "churn@3", lambda reg: in_place(_churn(reg) / "versions/3/version.yaml", "auc: 0.91", "auc: 0.11"),
    ),
    "metric replaced": (
        "churn@3", lambda reg: replaced(_churn(reg) / "versions/3/version.yaml", "auc: 0.91", "auc: 0.1"),
    ),
    "latest in place": (
        "churn@4", lambda reg: in_place(_churn(reg) / "versions/4/version.yaml", "auc: 0.92", "auc: 0.12"),
    ),
    "tag in place": (
        "risk/fraud@1", lambda reg: in_place(reg.root / "models/risk/fraud/annotations/1.yaml", "fraud", "Fraud"),
    ),
    "version unreadable": ("churn@4", _unreadable),
    "version without a document": ("churn@4", lambda reg: os.unlink(writable(_churn(reg) / "versions/4/version.yaml"))),
}  # fmt: skip


@pytest.mark.parametrize("racy", [True, False], ids=["just now", "long ago"])
@pytest.mark.parametrize("change", BEHIND_ITS_BACK.values(), ids=BEHIND_ITS_BACK)
def test_it_answers_as_the_files_do(change: Callable[[Registry], object], racy: bool, reg: Registry) -> None:
    if racy:
        told(reg)
    else:
        settle(reg)
    same(reg)
    change(reg)
    same(reg)
    same(reg)


@pytest.mark.parametrize(("ref", "edit"), SEALED_EDITS.values(), ids=SEALED_EDITS)
class TestSealedEdits:
    """Lists do not open a version whose model is unchanged. The commands for one version and ``verify`` notice."""

    def test_what_changed_just_now_is_noticed_by_lists(
        self, ref: str, edit: Callable[[Registry], object], reg: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file_stamps, "_RACY", 10**12)  # on a busy machine two seconds are over before the edit
        told(reg)
        edit(reg)
        same(reg)

    def test_verify_reports_it(self, ref: str, edit: Callable[[Registry], object], reg: Registry) -> None:
        settle(reg)
        before = told(reg)
        edit(reg)
        assert told(reg) == before
        assert any(problem.severity == "error" for problem in reg.admin.verify().problems)
        same(reg)

    def test_the_commands_for_one_version_notice_it(
        self, ref: str, edit: Callable[[Registry], object], reg: Registry
    ) -> None:
        settle(reg)
        before = told(reg)
        edit(reg)
        assert told(reg) == before
        assert _one(reg, ref) == _one(Registry(reg.root), ref)
        same(reg)

    def test_the_next_change_of_the_model_has_all_of_it_compared(
        self, ref: str, edit: Callable[[Registry], object], reg: Registry
    ) -> None:
        settle(reg)
        edit(reg)
        reg.admin.describe(ref.partition("@")[0], owner="bob")
        same(reg)

    def test_mended_in_place_it_is_noticed_after_verify(
        self, ref: str, edit: Callable[[Registry], object], reg: Registry, tmp_path: Path
    ) -> None:
        shutil.copytree(reg.root, tmp_path / "backup", symlinks=True)
        edit(reg)
        settle(reg)
        same(reg)
        for path in ("churn/versions/3", "churn/versions/4", "risk/fraud/annotations"):
            for source in (tmp_path / "backup/models" / path).glob("*.yaml"):
                target = writable(reg.root / "models" / path) / source.name
                if target.exists() and target.read_bytes() == source.read_bytes():
                    continue
                shutil.copy2(source, target.with_name("twin"))
                os.rename(target.with_name("twin"), target)
        reg.admin.verify()
        same(reg)


def test_an_unchanged_model_costs_six_system_calls(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(reg)
    paths: list[str] = []
    original = os.lstat

    def watch(path: Any, **options: Any) -> os.stat_result:
        paths.append(str(path).partition("/models/")[2])
        return original(path, **options)

    monkeypatch.setattr(os, "lstat", watch)
    list(reg.search("metrics.auc > 0.9"))
    assert sorted(path for path in paths if path.startswith("churn")) == [
        "churn", "churn/annotations", "churn/history.jsonl", "churn/model.yaml", "churn/stages.yaml", "churn/versions",
    ]  # fmt: skip
    paths.clear()
    list(reg.list())
    assert len([path for path in paths if path.startswith("churn")]) == 6


def test_a_missing_file_is_noticed_when_no_stamp_is_known(reg: Registry) -> None:
    told(reg)
    reg.context.index.query(lambda index: index.forget_stamps())
    (_churn(reg) / "stages.yaml").unlink()
    same(reg)


@pytest.mark.parametrize("name", [".", "history.jsonl", "stages.yaml", "model.yaml", "versions", "annotations"])
def test_each_of_the_six_identities_has_a_model_compared(name: str, reg: Registry) -> None:
    """Documents that differ from the index are read again as soon as anything about their model changes."""
    settle(reg)
    in_place(_churn(reg) / "versions/3/version.yaml", "auc: 0.91", "auc: 0.11")
    os.utime(_churn(reg) / name)
    same(reg)


def test_a_change_in_the_same_tick_of_the_clock_is_noticed(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the file system stands still: nothing but what is written differs."""
    path = _churn(reg) / "model.yaml"
    settle(reg)
    index.delete_index(_file(reg))
    reg.close()
    clock: list[int] = []
    original = os.lstat

    def stopped(target: Any, **options: Any) -> Any:
        found = original(target, **options)
        if str(target) != str(path):
            return found
        if not clock:
            clock.append(time.time_ns())
        values = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
        return SimpleNamespace(**{**values, "st_mtime_ns": clock[0], "st_ctime_ns": clock[0]})

    monkeypatch.setattr(os, "lstat", stopped)
    assert {each.owner for each in reg.list() if each.name == "churn"} == {"alice"}
    in_place(path, "owner: alice", "owner: allie")
    assert {each.owner for each in reg.list() if each.name == "churn"} == {"allie"}


@pytest.mark.parametrize("name", ["stages.yaml", "versions"])
def test_a_time_in_the_future_is_never_relied_on(name: str, reg: Registry) -> None:
    """The clock was set back since: it passes that time once more."""
    settle(reg)
    path = _churn(reg) / name
    os.utime(path, (2**32, 2**32))
    told(reg)
    (stamp,) = _rows(reg, "SELECT stamp FROM models WHERE name = 'churn'")
    assert stamp == (file_stamps.UNKNOWN,)
    same(reg)


def _rows(reg: Registry, statement: str) -> list[Any]:
    connection = sqlite3.connect(_file(reg))
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def test_every_verb_is_seen_at_once(reg: Registry) -> None:
    for verb in (
        lambda: reg.promote("churn@4", "production", archive_previous=True),
        lambda: reg.restore(["churn@2"]),
        lambda: reg.rollback("churn", "production"),
        lambda: reg.demote("churn", "production"),
        lambda: reg.alias("churn@4", "champion"),
        lambda: reg.alias("churn", "champion", remove=True),
        lambda: reg.annotate("churn@4", {"note": "long"}),
        lambda: reg.log_metric("churn@4", {"auc": 0.5}),
        lambda: reg.admin.describe("churn", owner="bob"),
        lambda: reg.archive(["churn@1"], compress="gzip"),
        lambda: reg.restore(["churn@1"]),
        lambda: reg.delete(["churn@1"]),
        lambda: reg.admin.rename("demand", "forecast"),
        lambda: reg.register("churn", [Path(__file__)]),
    ):
        verb()
        same(reg)


def _file(reg: Registry) -> Path:
    (found,) = Path(str(reg.context.index.cache)).glob("*.sqlite")
    return found


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all, but longer than a header of one " * 40),
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        os.unlink,
        lambda path: _sql(path, "PRAGMA user_version = 999"),
        lambda path: _sql(path, "PRAGMA application_id = 7"),
        lambda path: _sql(path, "DROP TABLE facts"),
        lambda path: _sql(path, "UPDATE versions SET record = 'no JSON'"),
        lambda path: _sql(path, "UPDATE models SET pointers = '{'"),
    ],
    ids=["foreign", "empty", "cut off", "gone", "newer", "another program's", "without a table", "record", "pointers"],
)
def test_what_is_wrong_with_it_is_made_anew_without_a_word(damage: Callable[[Path], object], reg: Registry) -> None:
    settle(reg)
    assert reg.context.index._index is not None
    reg.context.index._index.close()
    damage(_file(reg))
    same(Registry(reg.root, cache=reg.context.index.cache))
    settled = Registry(reg.root, cache=reg.context.index.cache)
    told(settled)
    assert settled.context.index._index is not None, "it is in use again"


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_it_is_private(reg: Registry) -> None:
    told(reg)
    assert stat.S_IMODE(_file(reg).stat().st_mode) == 0o600
    assert stat.S_IMODE(_file(reg).parent.stat().st_mode) == 0o700
    assert not list(reg.root.rglob("*.sqlite*"))


def test_without_a_place_for_it_the_files_answer(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = told(Registry(reg.root))
    assert told(Registry(reg.root, cache=tmp_path / "file")) == expected
    assert told(Registry(reg.root, cache=tmp_path / "file" / "below")) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user whose home is closed")
def test_a_home_that_is_closed_is_done_without() -> None:
    with public_folder() as folder:
        root = folder / "registry"
        Registry.init(root, shared="private")
        os.chmod(root, 0o755)
        answer = as_user(NOBODY, "list", root=root)
        assert (answer.code, answer.err) == (0, "")


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder({}) == tmp_path / ".cache/registry-cli"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == tmp_path / ".cache/registry-cli"
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/registry-cli")
    assert cache_folder({"XDG_CACHE_HOME": "/x", "REGISTRY_CACHE": "/y"}) == Path("/y")
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert cache_folder({}) is None, "a home that isn't there is not made"


def test_who_holds_it_for_too_long_is_not_waited_for(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    told(reg)
    monkeypatch.setattr(index, "_BUSY_TIMEOUT", 0.05)
    connection = sqlite3.connect(_file(reg), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        reg.promote("churn@4", "production")
        same(Registry(reg.root, cache=reg.context.index.cache))
    finally:
        connection.close()
    same(Registry(reg.root, cache=reg.context.index.cache))


_ASK = """
import sys
from pathlib import Path
from registry_cli import Registry
for _ in range(15):
    reg = Registry(sys.argv[1], cache=Path(sys.argv[2]))
    found = [v for v in reg.search("metrics.auc > 0", archived=True)]
    assert len({v.ref for v in found}) == len(found) >= 7, found
    assert all(v.stages == () or v.number in (2, 4) for v in found if v.model == "churn"), found
"""


def test_many_readers_and_a_writer_share_it(reg: Registry) -> None:
    command = [sys.executable, "-c", _ASK, str(reg.root), str(reg.context.index.cache)]
    readers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    done = threading.Event()
    for turn in range(40):
        reg.promote(f"churn@{4 if turn % 2 else 2}", "production")
        reg.tag("churn@3", {"turn": str(turn)})
    done.set()
    for reader in readers:
        _, err = reader.communicate(timeout=120)
        assert reader.returncode == 0, err.decode()
    same(reg)


def test_what_changed_alone_is_read_anew(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(reg)
    opened: list[str] = []
    original = os.open

    def watch(path: Any, *rest: Any, **options: Any) -> int:
        opened.append(str(path))
        return original(path, *rest, **options)

    monkeypatch.setattr(os, "open", watch)
    told(reg)
    assert not [path for path in opened if path.endswith(".yaml")]
    os.utime(_churn(reg) / "versions")
    replaced(_churn(reg) / "versions/3/version.yaml", "auc: 0.91", "auc: 0.95")
    opened.clear()
    list(reg.search("metrics.auc > 0.94"))
    assert {path.partition("models/")[2] for path in opened if path.endswith("version.yaml")} == {
        "churn/versions/3/version.yaml"
    }


@pytest.fixture(autouse=True)
def _writable_again(tmp_path: Path) -> Iterator[None]:
    yield
    for folder, _, _ in os.walk(tmp_path):
        os.chmod(folder, 0o700)
