"""Read a SQLite database of another program without changing it or its folder.

SQLite writes even when it reads: a database in WAL mode gets a ``-shm`` file beside it, and a journal that a crash
left is rolled back. So a database in rollback mode is opened read-only, under SQLite's own lock; one in WAL mode, or
with such a journal, is first copied to a private folder, together with the files beside it, and read there.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...errors import InvalidInput, LockTimeout, Refused

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


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database in one read transaction. Raises :class:`InvalidInput`, :class:`LockTimeout`, :class:`Refused`."""
    if path.stat().st_size == 0 or not _magic(path).startswith(b"SQLite format 3\x00"):
        raise InvalidInput(f"'{path}' is no SQLite database")
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
        raise Refused(f"no room in '{folder.parent}' for a copy of '{path}'", "set TMPDIR to a folder that has more")
    until = time.monotonic() + PATIENCE
    while True:
        before = _file_stamps(path)
        if all(time.time_ns() - mark[3] > _SETTLED for mark in before):
            for mark in before:
                shutil.copyfile(mark[0], folder / f"copy.db{mark[0].removeprefix(str(path))}")
            if _file_stamps(path) == before:
                return folder / "copy.db"
        if time.monotonic() > until:
            raise LockTimeout(f"'{path}' is being written all the time", "try again later, or stop the server")
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
                f"'{path}' did not answer within {_LONGEST:.0f} s", "is it really a store of MLflow?"
            ) from None
        raise InvalidInput(f"'{path}' can't be read: {text[:200]}") from None


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
                raise Refused(f"more than {_ROWS:,} rows", "is it really a store of MLflow?")
            yield {**dict.fromkeys(requested), **dict(zip(found, row, strict=True))}
