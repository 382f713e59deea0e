"""An MLflow store in SQLite: ``mlflow.db``, of any version of its schema that has registered models.

It is read without changing it or its folder. SQLite writes even when it reads: a database in WAL mode gets a ``-shm``
file beside it, and a journal that a crash left is rolled back. So a database in rollback mode is opened read-only, under
SQLite's own lock; one in WAL mode, or with such a journal, is first copied to a private folder, together with the files
beside it, and read there.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...errors import InvalidInput, LockTimeout, Refused
from ..source_tree import lookup_text
from .mlflow_store import MlflowRecord, RegisteredModel

_VERSION = (
    "version workspace name source storage_location run_id current_stage status description user_id creation_time"
)
_RUN = "run_uuid name experiment_id user_id status source_name start_time end_time artifact_uri"
#: Seconds to wait for a writer.
PATIENCE = 10.0
#: The longest value that is read, in bytes; a longer one is an error of its query.
_VALUE = 16 << 20
#: Seconds after which a query is stopped.
_LONGEST = 120.0
_COMPANIONS = ("-wal", "-journal")
_CHECK_EVERY = 100_000  # steps of SQLite's virtual machine
#: The most rows that are read of one database.
_ROWS = 5_000_000
#: Nanoseconds: a file that changed more recently may change again without a new time.
_SETTLED = 50_000_000


class MlflowDatabase:
    """An open database, read in one transaction."""

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self._tables = Tables(stack.enter_context(open_database(path)))
        if not (self._tables.has("registered_models") and self._tables.has("model_versions")):
            raise InvalidInput(f"'{path}' is not an MLflow store", "it has no table of registered models")
        self._experiments = self._pairs("experiments", "experiment_id name")

    def models(self) -> Iterator[RegisteredModel]:
        for row in list(self._tables.rows("registered_models", "name workspace description")):
            errors: list[str] = []
            aliases = self._model_pairs(row, "registered_model_aliases", "alias version")
            yield RegisteredModel(
                name=str(row["name"]),
                workspace=lookup_text(row, "workspace"),
                description=lookup_text(row, "description"),
                tags=self._model_pairs(row, "registered_model_tags", "key value"),
                aliases={alias: number for alias, number in aliases.items() if isinstance(number, int)},
                versions=dict(self._versions(row, errors)),
                errors=tuple(errors),
            )

    def _filter(self, model: Mapping[str, Any], table: str) -> dict[str, Any]:
        """What selects the rows of a model in a table: its name, and its workspace where the schema has workspaces."""
        where = {"name": model["name"]}
        if model["workspace"] is not None and self._tables.has(table, "workspace"):
            where["workspace"] = model["workspace"]
        return where

    def _versions(self, model: Mapping[str, Any], errors: list[str]) -> Iterator[tuple[int, MlflowRecord]]:
        for row in list(self._tables.rows("model_versions", _VERSION, **self._filter(model, "model_versions"))):
            number = row["version"]
            if not isinstance(number, int) or number < 1:
                errors.append(f"a version with the number {str(number)[:40]!r}")
                continue
            tags = self._model_pairs(model, "model_version_tags", "key value", version=number)
            yield number, MlflowRecord(row, tags=tags)

    def run(self, run_id: str) -> MlflowRecord | None:
        for row in self._tables.rows("runs", _RUN, run_uuid=run_id):
            row["experiment"] = self._experiments.get(str(row["experiment_id"]))
            row["run_id"] = row["run_uuid"]
            params, tags = (self._pairs(table, "key value", run_uuid=run_id) for table in ("params", "tags"))
            latest = self._tables.rows("latest_metrics", "key value is_nan", run_uuid=run_id)
            metrics = {str(each["key"]): math.nan if each["is_nan"] else each["value"] for each in latest}
            return MlflowRecord(row, params, metrics, tags, tuple(self._datasets(run_id)))
        return None

    def logged(self, model_id: str) -> MlflowRecord | None:
        for row in self._tables.rows("logged_models", "artifact_location source_run_id", model_id=model_id):
            measured: dict[str, tuple[Any, ...]] = {}
            columns = "metric_name metric_step metric_timestamp_ms metric_value"
            for each in self._tables.rows("logged_model_metrics", columns, model_id=model_id):
                moment = (each["metric_step"] or 0, each["metric_timestamp_ms"] or 0, each["metric_value"])
                name = str(each["metric_name"])
                measured[name] = max(measured.get(name, moment), moment, key=lambda at: at[:2])
            return MlflowRecord(
                row,
                self._pairs("logged_model_params", "param_key param_value", model_id=model_id),
                {name: moment[2] for name, moment in measured.items()},
                self._pairs("logged_model_tags", "tag_key tag_value", model_id=model_id),
            )
        return None

    def _model_pairs(self, model: Mapping[str, Any], table: str, columns: str, **where: Any) -> dict[str, Any]:
        return self._pairs(table, columns, **self._filter(model, table), **where)

    def _pairs(self, table: str, columns: str, **where: Any) -> dict[str, Any]:
        name, value = columns.split()
        return {str(row[name]): row[value] for row in self._tables.rows(table, columns, **where)}

    def _datasets(self, run_id: str) -> Iterator[dict[str, Any]]:
        where = {"destination_type": "RUN", "destination_id": run_id, "source_type": "DATASET"}
        for used in list(self._tables.rows("inputs", "input_uuid source_id", **where)):
            context = self._pairs("input_tags", "name value", input_uuid=used["input_uuid"])
            columns = "name digest dataset_source_type dataset_source"
            for row in self._tables.rows("datasets", columns, dataset_uuid=used["source_id"]):
                source = {"source_type": row["dataset_source_type"], "source": row["dataset_source"]}
                yield {**row, **source, "context": context.get("mlflow.data.context")}


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database in one read transaction. Raises :class:`InvalidInput`, :class:`LockTimeout`, :class:`Refused`."""
    if path.stat().st_size == 0 or not _magic(path).startswith(b"SQLite format 3\x00"):
        raise InvalidInput(f"'{path}' is not an SQLite database")
    with contextlib.ExitStack() as stack, _translate_errors(path):
        connection = stack.enter_context(contextlib.closing(_connect(path, stack)))
        _guard(connection)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def _connect(path: Path, stack: contextlib.ExitStack) -> sqlite3.Connection:
    # Bytes 18 and 19 of the header (https://sqlite.org/fileformat.html) are 2 in WAL mode.
    if 2 not in _magic(path)[18:20]:
        connection = _open(path, "ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection
        except sqlite3.Error as error:
            connection.close()
            if not (isinstance(error, sqlite3.OperationalError) and "readonly" in str(error)):
                raise  # else a journal that a crash left: it can be rolled back in a copy only
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-import-")))
    return _open(_copy_database(path, folder), "rw")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None)


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(20)


def _copy_database(path: Path, folder: Path) -> Path:
    """Copy the database and the files beside it, at a moment when none of them changes."""
    if shutil.disk_usage(folder).free < path.stat().st_size * 2:
        raise Refused(
            f"not enough space in '{folder.parent}' for a copy of '{path}'", "set TMPDIR to a folder with more space"
        )
    until = time.monotonic() + PATIENCE
    while True:
        before = _file_stamps(path)
        if all(time.time_ns() - mark[3] > _SETTLED for mark in before):
            for mark in before:
                shutil.copyfile(mark[0], folder / f"copy.db{mark[0].removeprefix(str(path))}")
            if _file_stamps(path) == before:
                return folder / "copy.db"
        if time.monotonic() > until:
            raise LockTimeout(f"'{path}' is being written continuously", "try again later, or stop the server")
        for copied in folder.iterdir():
            copied.unlink()
        time.sleep(0.1)


def _file_stamps(path: Path) -> list[tuple[str, int, int, int]]:
    stamps = []
    for name in (str(path), *(f"{path}{suffix}" for suffix in _COMPANIONS)):
        with contextlib.suppress(FileNotFoundError):
            status = Path(name).stat()
            stamps.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
    return stamps


def _guard(connection: sqlite3.Connection) -> None:
    """Keep a hostile database from running functions, writing, and returning values without end."""
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE)


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise LockTimeout(f"'{path}' is locked by another program", "try again later, or stop the server") from None
        if "interrupted" in text:
            raise Refused(
                f"'{path}' did not answer within {_LONGEST:.0f} s", "check that it is an MLflow store"
            ) from None
        raise InvalidInput(f"'{path}' cannot be read: {text[:200]}") from None


class Tables:
    """The tables of a database and their columns, which differ between versions of the schema."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._until = time.monotonic() + _LONGEST
        self._read = 0
        connection.set_progress_handler(lambda: int(time.monotonic() > self._until), _CHECK_EVERY)
        listed = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        names = [str(name) for name, sql in listed if not str(sql).lstrip().upper().startswith("CREATE VIRTUAL")]
        columns = "SELECT name FROM pragma_table_info(?)"
        self._columns = {name: {str(row[0]) for row in connection.execute(columns, (name,))} for name in names}

    def has(self, table: str, *columns: str) -> bool:
        return self._columns.get(table, set()).issuperset(columns) and table in self._columns

    def rows(self, table: str, columns: str, **where: Any) -> Iterator[dict[str, Any]]:
        """The rows of a table as dicts, sorted. A column that it lacks is None; without the table there are no rows.

        ``table`` and ``columns`` are constants of this program, never taken from the database; values are parameters.
        """
        existing = self._columns.get(table, set())
        requested = columns.split()
        found = [column for column in requested if column in existing]
        if not found or not set(where) <= existing:
            return
        filters = " AND ".join(f'"{name}" = ?' for name in where)
        listed = ", ".join(found)
        query = f'SELECT {listed} FROM "{table}"{" WHERE " if filters else ""}{filters} ORDER BY {listed}'  # noqa: S608 - constants
        self._until = time.monotonic() + _LONGEST
        for row in self._connection.execute(query, tuple(where.values())):
            self._read += 1
            if self._read > _ROWS:
                raise Refused(f"more than {_ROWS:,} rows", "check that it is an MLflow store")
            yield {**dict.fromkeys(requested), **dict(zip(found, row, strict=True))}
