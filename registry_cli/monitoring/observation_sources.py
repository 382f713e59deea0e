"""Observations from files: CSV, JSON Lines, and results of Evidently and NannyML.

A row is *long* when it has the columns ``name`` (or ``metric``) and ``value``, else *wide*: each of its other columns is
a metric. The columns ``at`` (or ``time``, ``timestamp``, ``date``), ``n`` (or ``count``, ``samples``), ``target`` and
``slice`` mean the same in both.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..core import values
from ..core.observations import format_slice
from ..core.text import escape_for_message
from ..errors import InvalidInput

#: The most bytes that are read from one source.
LIMIT = 256 << 20
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "at": ("at", "time", "timestamp", "date"),
    "samples": ("n", "count", "samples"),
    "target": ("target",),
    "slice": ("slice",),
    "name": ("name", "metric"),
    "value": ("value",),
}


class ObservationRow(NamedTuple):
    """One observation of a source; ``at`` is empty and ``samples`` None if not given.

    ``place`` is its position, for messages.
    """

    name: str
    value: object
    at: str = ""
    samples: object = None
    target: str = ""
    slice: str = ""
    place: str = ""


def read_rows(kind: str, data: bytes, what: str) -> Iterator[ObservationRow]:
    """Read the observations of a source.

    Args:
        kind: One of :data:`KINDS`.
        data: The content, UTF-8.
        what: What messages call it.

    Raises:
        InvalidInput: It can't be read; with the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} is not UTF-8 text") from None
    return KINDS[kind](text, what)


def guess_kind(name: str) -> str:
    """The kind of a file by its name. Raises :class:`InvalidInput` for an unknown one."""
    ending = name.rpartition(".")[2].lower()
    kind = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "json"}.get(ending)
    if kind is None:
        raise InvalidInput(
            f"unknown format of '{escape_for_message(name)}'", f"name it with `format`: {'|'.join(KINDS)}"
        )
    return kind


def _read_csv(text: str, what: str) -> Iterator[ObservationRow]:
    header = text.partition("\n")[0]
    mark = "\t" if "\t" in header else ";" if ";" in header and "," not in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if not names:
            raise InvalidInput(f"{what} is empty", "its first line names the columns: at,name,value")
        if not {"chunk", "chunk_key"}.isdisjoint(names):
            yield from _read_nannyml(text, what)
            return
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidInput(
                f"{what}: the column '{escape_for_message(twice)}' occurs twice", "use each column name once"
            )
        for row in reader:
            place = f"{what}, line {reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise InvalidInput(f"{place} has {len(row)} cells, the header has {len(names)}", "correct the line")
            cells = {name: cell.strip() for name, cell in zip(names, row, strict=True) if cell.strip()}
            yield from _read_row(cells, place, texts=True)
    except csv.Error as error:
        raise InvalidInput(f"{what}, line {reader.line_num}: {error}") from None


def _read_json_lines(text: str, what: str) -> Iterator[ObservationRow]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{what}, line {number}"
            yield from _read_document(_load(line, place), place)


def _read_json(text: str, what: str) -> Iterator[ObservationRow]:
    """One document or a list of them; results of Evidently are recognised."""
    document = _load(text, what)
    if _is_evidently(document):
        yield from _read_evidently(document, what)
        return
    for at, each in enumerate(document if isinstance(document, list) else [document], 1):
        yield from _read_document(each, f"{what}, entry {at}" if isinstance(document, list) else what)


def _load(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place} is not JSON: {str(error)[:100]}") from None


def _read_document(document: Any, place: str) -> Iterator[ObservationRow]:
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{place} is not an object", 'write {"at": "2026-11-27", "name": "auc", "value": 0.9}')
    inner = document.get("metrics")
    if isinstance(inner, Mapping):
        rest = {key: value for key, value in document.items() if key != "metrics"}
        document = {**rest, **values.flatten(inner)}
    yield from _read_row(document, place, texts=False)


def _read_row(cells: Mapping[str, Any], place: str, *, texts: bool) -> Iterator[ObservationRow]:
    """The observations of one row. With ``texts`` every cell is a text, as in CSV."""
    columns = {what: next((name for name in names if name in cells), "") for what, names in _COLUMNS.items()}
    at, samples, target, part = (cells.get(columns[what]) for what in ("at", "samples", "target", "slice"))
    if isinstance(part, Mapping):
        part = format_slice({str(key): str(value) for key, value in part.items()})
    common = (str(at or ""), _typed(samples, texts), str(target or ""), str(part or ""), place)
    if columns["name"]:
        if not columns["value"]:
            raise InvalidInput(f"{place} has a name but no value", "the column is called 'value'")
        yield ObservationRow(str(cells[columns["name"]]), _typed(cells[columns["value"]], texts), *common)
        return
    known = {columns[what] for what in ("at", "samples", "target", "slice")}
    for name, value in cells.items():
        if name not in known and value is not None:
            yield ObservationRow(name, _typed(value, texts), *common)


def _typed(value: object, texts: bool) -> object:
    return values.typed(value) if texts and isinstance(value, str) else value


def _is_evidently(document: Any) -> bool:
    metrics = document.get("metrics") if isinstance(document, Mapping) else None
    return isinstance(metrics, list) and all(
        isinstance(each, Mapping) and ("metric_name" in each or "metric_id" in each or "metric" in each)
        for each in metrics
    )


def _read_evidently(document: Mapping[str, Any], what: str) -> Iterator[ObservationRow]:
    """Every number of an Evidently report; the name is that of the metric, with its column: ``ValueDrift.age``."""
    at = str(document.get("timestamp") or document.get("metadata", {}).get("timestamp") or "")
    for number, each in enumerate(document["metrics"], 1):
        title = str(each.get("metric_name") or each.get("metric_id") or each.get("metric"))
        kind, _, arguments = title.partition("(")
        options = dict(part.strip().partition("=")[::2] for part in arguments.rstrip(")").split(",") if "=" in part)
        name = ".".join(filter(None, (kind, options.get("column"))))
        found = each.get("value", each.get("result"))
        place = f"{what}, metric {number}"
        tree = found if isinstance(found, Mapping) else {"": found}
        for key, value in values.flatten(tree).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield ObservationRow(f"{name}.{key}" if key else name, value, at, place=place)


def _read_nannyml(text: str, what: str) -> Iterator[ObservationRow]:
    """The chunks of a table that ``result.to_df()`` of NannyML wrote as CSV, but those of the reference period.

    Its header has two or three rows; one with ``multilevel=False``, whose names are joined by underscores.
    """
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    depth = next((at for at, row in enumerate(rows) if len(row) > 1 and any(_is_number(cell) for cell in row[1:])), 0)
    if not depth:
        raise InvalidInput(f"{what} is not a result of NannyML", "write result.to_df().to_csv(FILE)")
    paths = [tuple(filter(None, column)) for column in zip(*rows[:depth], strict=False)]
    if depth == 1:
        paths = [_split_name(name) for name in rows[0]]
    for number, row in enumerate(rows[depth:], depth + 1):
        cells = dict(zip(paths, row, strict=False))
        chunk = {path[-1]: value for path, value in cells.items() if path and path[0] == "chunk"}
        if chunk.get("period") == "reference":
            continue
        samples = _chunk_size(chunk)
        for path, value in cells.items():
            if path and path[-1] == "value" and _is_number(value):
                yield ObservationRow(
                    ".".join(path[:-1]),
                    float(value),
                    chunk.get("end_date", ""),
                    samples,
                    place=f"{what}, line {number}",
                )


def _split_name(name: str) -> tuple[str, ...]:
    if name.startswith("chunk_"):
        return ("chunk", name.removeprefix("chunk_"))
    return (name.removesuffix("_value"), "value") if name.endswith("_value") else (name,)


def _chunk_size(chunk: Mapping[str, str]) -> int | None:
    """How many rows are in a chunk: its end index is included."""
    try:
        return int(chunk["end_index"]) - int(chunk["start_index"]) + 1
    except (KeyError, ValueError):
        return None


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return value - value == 0


#: The formats of ``observe --from``.
KINDS: Mapping[str, Callable[[str, str], Iterator[ObservationRow]]] = {
    "csv": _read_csv, "jsonl": _read_json_lines, "json": _read_json, "nannyml": _read_nannyml,
}  # fmt: skip
