"""Stores of MLflow that are damaged, held by others, or made to do harm: told in a line, and never changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.errors import LockTimeout, Refused
from registry_cli.interop.mlflow import database_store, mlflow_import
from tests.commands import public_folder
from tests.interop.stores import changed, unpacked
from tests.interop.test_mlflow import read
from tests.support import everything_imported, snapshot, without_rights


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return unpacked("mlflow-db", tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return unpacked("mlflow-files", tmp_path)


@pytest.mark.parametrize(
    "place",
    [
        "../../../../../../../etc",
        "/etc",
        "/etc/passwd",
        "file:///etc/passwd",
        "file:///srv/ml/mlruns/1/m-1/../../../../../../etc",
        "mlflow-artifacts:/../../etc",
        "mlruns/../../secret",
        "mlruns/link/m-1",
        "link",
        "models:/m-" + "0" * 32,
        "runs:/../../x/y",
        "a\0b",
        "file://other-host/srv/ml",
    ],
)
def test_a_place_outside_of_the_store_is_not_read(store: Path, tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret" / "m-1"
    secret.mkdir(parents=True)
    (secret / "MLmodel").write_text("flavors: {}\n")
    (store / "link").symlink_to(secret)
    (store / "mlruns" / "link").symlink_to(secret.parent)
    changed(store / "mlflow.db", "UPDATE model_versions SET source = ?, storage_location = NULL", place)
    for each in read(store).values():
        assert each.files == ()
        assert each.lost


def test_a_link_in_the_files_that_leaves_them(store: Path, reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (read(store)[1].files[0] / "extra").symlink_to(tmp_path / "secret")
    done = reg.import_(f"mlflow:{store}", only="Churn Model")
    assert [(each.status, each.code) for each in done] == [("failed", 5), ("imported", 0), ("imported", 0)]
    assert "leaves the folder" in done[0].why


def test_the_files_of_another_run(store: Path) -> None:
    """Found by the end of a path, and yet not what was meant: MLmodel names the run."""
    changed(
        store / "mlflow.db",
        "UPDATE model_versions SET run_id = (SELECT run_id FROM model_versions WHERE version = 2) WHERE version = 1",
    )
    assert "are of another run" in read(store)[1].lost[0]


def test_a_mlmodel_that_can_not_be_read(store: Path) -> None:
    place = read(store)[1].files[0] / "MLmodel"
    place.write_text("a: &x {b: 1}\nc: *x\n")
    first = read(store)[1]
    assert first.files
    assert first.lost[0].endswith("line 1: anchors and aliases are not allowed")
    place.write_text("!!python/object/apply:os.system [true]\n")
    assert "is not allowed" in read(store)[1].lost[0]


def test_documents_of_files_that_can_not_be_read(files: Path) -> None:
    (files / "mlruns" / "models" / "Churn Model" / "version-2" / "meta.yaml").write_text("{{{{")
    (files / "mlruns" / "models" / "empty" / "meta.yaml").write_bytes(b"\xff\xfe")
    found = list(mlflow_import.read(files))
    assert [each.number for each in found if each.files] == [1, 3]
    reasons = [each.lost[0] for each in found if not each.files]
    assert any(text.startswith("version 2: ") for text in reasons)
    assert any("not UTF-8" in text for text in reasons)


def test_a_run_that_can_not_be_read_or_is_gone(files: Path) -> None:
    run = read(files)[1].lineage["run"]["id"]
    (meta,) = (files / "mlruns").glob(f"*/{run}/meta.yaml")
    meta.write_text("{{{{")
    first = read(files)[1]
    assert first.files
    assert first.lost[0].startswith("its run: ")
    meta.unlink()
    assert read(files)[1].lost == (f"its run {run} is no longer in the store",)


def test_metrics_that_are_none(files: Path) -> None:
    run = read(files)[1].lineage["run"]["id"]
    (folder,) = [each for each in (files / "mlruns").glob(f"*/{run}") if each.is_dir()]
    (folder / "metrics" / "auc").write_text("when? how much? 3\n")
    (folder / "metrics" / "late").write_text("30 0.3 0\n10 0.1 7\n20 0.2 7 data digest\n40 0.4 1\n")
    (folder / "metrics" / "sub").mkdir()
    (folder / "metrics" / "sub" / "f1").write_text("1 inf 0\n")
    (folder / "params" / "many").write_text("a\nb")
    (folder / "params" / "long").write_text("x" * 100_000)
    first = read(files)[1]
    assert first.metrics == {"late": 0.2, "loss": 0.5}
    assert first.params["many"] == "a\nb"
    assert "metric 'sub/f1': it is inf, which cannot be compared" in first.lost
    assert any(text.startswith("metric 'auc'") for text in first.lost)
    assert any(text.startswith("param 'long'") for text in first.lost)


def test_oddities_of_sql(store: Path) -> None:
    database = store / "mlflow.db"
    changed(database, "UPDATE params SET value = X'00ff' WHERE key = 'depth'")
    changed(database, "UPDATE model_versions SET creation_time = 'yesterday', description = X'ff' WHERE version = 1")
    changed(database, "UPDATE latest_metrics SET value = 9e999 WHERE key = 'auc'")
    changed(database, "UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE version = 3")
    changed(database, "UPDATE model_versions SET current_stage = 'Somewhere' WHERE version = 2")
    changed(database, "INSERT INTO registered_model_aliases (alias, version, name, workspace) SELECT 'v7', 1, name, workspace "
            "FROM registered_models WHERE name = 'Churn Model'")  # fmt: skip
    first, second, third = read(store).values()
    assert (first.created, first.message, first.aliases) == ("", "", ())
    assert any("alias 'v7'" in text for text in first.lost)
    assert second.lost[-1] == "the stage 'Somewhere'"
    assert third.lost == ("its MLflow status is FAILED_REGISTRATION, not READY",)


def test_names_that_are_hostile(store: Path, reg: Registry) -> None:
    evil = "a\x1b[31m\n\u202e/../b"
    for table in ("registered_models", "model_versions", "registered_model_tags", "registered_model_aliases"):
        changed(store / "mlflow.db", f"UPDATE {table} SET name = ? WHERE name = 'Churn Model'", evil)
    done = reg.import_(f"mlflow:{store}", only=evil)
    assert [each.ref for each in done] == ["a-31m/b@1", "a-31m/b@2", "a-31m/b@3"]


def test_a_view_that_never_ends_is_no_table(store: Path) -> None:
    database = store / "mlflow.db"
    changed(database, "DROP TABLE registered_models")
    changed(database, "CREATE VIEW registered_models AS WITH RECURSIVE n(name) AS (SELECT 'a' UNION ALL SELECT name || 'a' FROM n) "
            "SELECT name, NULL AS description FROM n")  # fmt: skip
    with pytest.raises(InvalidInput, match="is not an MLflow store"):
        list(mlflow_import.read(store))


def test_values_and_rows_without_end(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_store, "_ROWS", 20)
    with pytest.raises(Refused, match="more than 20 rows"):
        list(mlflow_import.read(store))
    monkeypatch.undo()
    if sys.version_info >= (3, 11):
        changed(store / "mlflow.db", "UPDATE model_versions SET description = zeroblob(20000000) WHERE version = 1")
        with pytest.raises(InvalidInput, match="cannot be read: string or blob too big"):
            list(mlflow_import.read(store))


def test_half_a_database(store: Path) -> None:
    database = store / "mlflow.db"
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2] + b"\xff" * (len(data) // 2))
    with pytest.raises(InvalidInput, match=r"cannot be read|is not an MLflow store"):
        list(mlflow_import.read(store))


def test_a_database_that_is_locked(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_store, "PATIENCE", 0.1)
    with contextlib.closing(sqlite3.connect(store / "mlflow.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LockTimeout, match="is locked by another program"):
            list(mlflow_import.read(store))


@pytest.fixture
def wal(store: Path) -> Iterator[sqlite3.Connection]:
    """The store in WAL mode, and a server that has it open, with a change that is only in the log."""
    with contextlib.closing(
        sqlite3.connect(store / "mlflow.db", isolation_level=None, check_same_thread=False)
    ) as writer:
        assert writer.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        writer.execute("UPDATE model_versions SET description = 'from the log' WHERE version = 1")
        yield writer


def test_a_log_beside_it_is_read_and_left_alone(store: Path, wal: sqlite3.Connection) -> None:
    assert wal.in_transaction is False
    before = snapshot(store)
    assert read(store)[1].message == "from the log"
    assert snapshot(store) == before


def test_wal_mode_without_a_log(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
    assert not (store / "mlflow.db-wal").exists()
    before = snapshot(store)
    assert read(store)[1].message == "the first"
    assert snapshot(store) == before


def test_while_it_is_written(store: Path, wal: sqlite3.Connection) -> None:
    """Each reading is of one moment: two columns that are always changed together are always equal."""
    done = threading.Event()

    def write() -> None:
        for number in range(100_000):
            if done.is_set():
                return
            wal.execute("UPDATE model_versions SET description = ?, user_id = ?", (f"n{number}", f"n{number}"))
            time.sleep(0.12)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            assert {(each.message, each.author) for each in read(store).values() if each.message != each.author} <= {
                ("from the log", "alice"), ("", "alice"),
            }  # fmt: skip
    finally:
        done.set()
        writer.join()


def test_a_journal_that_a_crash_left(store: Path) -> None:
    """A change that was not committed is not read; SQLite would roll it back in place, which we must not."""
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA cache_size = 1');"
        "c.execute('BEGIN'); c.execute(\"UPDATE model_versions SET description = 'never'\");"
        "c.executemany('INSERT INTO params VALUES (?, ?, ?)', [(f'k{n}', 'x' * 900, 'r') for n in range(3000)]); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, store / "mlflow.db"], check=False)
    assert (store / "mlflow.db-journal").stat().st_size > 0
    before = snapshot(store)
    assert read(store)[1].message == "the first"
    assert snapshot(store) == before


def test_a_read_only_folder() -> None:
    everything_imported()
    with public_folder() as folder:
        store = unpacked("mlflow-db", folder)
        with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
        for path in (store, *store.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = snapshot(store)
        with without_rights():
            assert len(read(store)) == 3
        assert snapshot(store) == before


@pytest.mark.parametrize("kind", ["fifo", "loop", "folder"])
def test_special_files_in_the_place_of_a_database(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "mlflow.db"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "loop":
        place.symlink_to(place)
    else:
        place.mkdir()
    with pytest.raises((InvalidInput, NotFound)):
        list(mlflow_import.read(tmp_path))
