"""Tables in files: CSV with the standard library, Parquet with pyarrow."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.text import escape_for_message
from ..errors import InvalidInput, NotFound

#: What the names of files of each format end with.
FORMATS: Mapping[str, tuple[str, ...]] = {"csv": (".csv", ".tsv"), "parquet": (".parquet", ".pq")}
_BATCH = 65_536


def iter_rows(path: str, kind: str | None = None) -> Iterator[Mapping[str, object]]:
    """The rows of a table, one by one.

    Args:
        path: The file.
        kind: ``csv`` or ``parquet``; by the name of the file when it is None.

    Raises:
        NotFound: There is no such file.
        InvalidInput: Its format is not known, or it can't be read.
    """
    name = path.lower()
    found = kind or next((each for each, ends in FORMATS.items() if name.endswith(ends)), None)
    if found not in FORMATS:
        raise InvalidInput(f"unknown format of '{escape_for_message(path)}'", "use .csv, .tsv or .parquet")
    if not Path(path).exists():
        raise NotFound(f"file '{escape_for_message(path)}' not found")
    return _iter_csv(path) if found == "csv" else _iter_parquet(path)


def _iter_csv(path: str) -> Iterator[Mapping[str, object]]:
    shown = escape_for_message(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            stream.seek(0)
            mark = "\t" if "\t" in header else ";" if ";" in header and "," not in header else ","
            rows = csv.reader(stream, delimiter=mark, strict=True)
            names = [name.strip() for name in next(rows, [])]
            if len(set(names)) < len(names):
                raise InvalidInput(f"{shown}: two columns have the same name", "use each column name once")
            for row in rows:
                if len(row) > len(names):
                    raise InvalidInput(f"{shown}, line {rows.line_num}: more fields than columns")
                yield dict(zip(names, (cell.strip() for cell in row), strict=False))
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"{shown} is not valid CSV: {error}") from None
    except IsADirectoryError:
        raise InvalidInput(f"'{shown}' is a folder", "give a file") from None


def _iter_parquet(path: str) -> Iterator[Mapping[str, object]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidInput("reading Parquet needs pyarrow", "pip install 'registry-cli[data]'") from None
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_BATCH):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInput(f"{escape_for_message(path)} is not valid Parquet: {str(error)[:200]}") from None
