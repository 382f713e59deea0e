"""The tables of an MLflow database that an import reads, as SQL: ``sql.py mlflow.db mlflow.sql``. The whole is a megabyte."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
from pathlib import Path

TABLES = frozenset(
    [
        "alembic_version",
        "experiments",
        "runs",
        "params",
        "tags",
        "latest_metrics",
        "metrics",
        "datasets",
        "inputs",
        "input_tags",
        "registered_models",
        "registered_model_tags",
        "registered_model_aliases",
        "model_versions",
        "model_version_tags",
        "logged_models",
        "logged_model_params",
        "logged_model_tags",
        "logged_model_metrics",
    ]
)

_NAMED = re.compile(r'(?:CREATE TABLE|INSERT INTO) "?(\w+)"?')

if __name__ == "__main__":
    with contextlib.closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as database:
        dumped = [(_NAMED.match(line), line) for line in database.iterdump()]
        lines = [line for named, line in dumped if named and named[1] in TABLES]
    Path(sys.argv[2]).write_text("\n".join(["PRAGMA foreign_keys = OFF;", "BEGIN;", *lines, "COMMIT;", ""]))
