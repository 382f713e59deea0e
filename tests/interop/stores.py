"""The small stores of other tools in ``data``, laid out where a test wants them."""

from __future__ import annotations

import contextlib
import sqlite3
import tarfile
from pathlib import Path

DATA = Path(__file__).parent / "data"


def unpacked(name: str, folder: Path) -> Path:
    """The store ``name`` (``mlflow-db``, ``mlflow-files``, ``bentoml``, ``hf``, ``dvc``) in ``folder``, as its tool left it."""
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(DATA / f"{name}.tar.gz") as archive:
        archive.extractall(folder, **safe)  # type: ignore[arg-type]
    store = folder / name
    if (script := store / "mlflow.sql").exists():
        with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as database:
            database.executescript(script.read_text())
        script.unlink()
    return store


def changed(database: Path, statement: str, *values: object) -> None:
    """Change a database of MLflow as a test needs it."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(statement, values)
        connection.commit()
