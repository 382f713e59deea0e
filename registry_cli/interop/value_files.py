"""Files of params and metrics, as people and other tools write them: JSON, YAML, TOML, CSV, JSON Lines, reports.

The suffix and the content of a file decide its format; ``docs/reference/metrics.md`` has the table. A number that a
double can't hold is kept as text, never changed.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core import values
from ..core.conversion import DIGITS, parse_scalar
from ..core.normalization import METRIC
from ..core.yaml import documents
from ..errors import InvalidInput, NotFound

#: The largest log, in bytes: CSV, JSON Lines, ``trainer_state.json``.
LOG_LIMIT = 16 << 20
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
#: The texts for a missing value in a CSV file of Lightning and Keras.
_NO_VALUE = frozenset(("", "NA"))
_REPORT_COLUMNS = ("precision", "recall", "f1-score", "support")
#: The metrics of a ``trainer_state.json`` besides those in its ``log_history``.
_TRAINER = ("best_metric", "best_global_step", "epoch", "global_step", "total_flos")
#: Stands for a number of too many digits, which is not converted; no param or metric may have this value.
_TOO_LONG = (1 << 4 * DIGITS + 2) + 1

Parse = Callable[[str], object]
Reader = Callable[[str, str, Parse], Mapping[str, object]]


def read(path: str, kind: str, *, skip_invalid: bool = False) -> Mapping[str, object]:
    """Read the params or metrics of a file, nested as they are there.

    Args:
        path: The file.
        kind: ``param`` or ``metric``: only metrics are read from logs and reports.
        skip_invalid: Whether a number of too many digits is returned as a value that is not valid, so that it can be
            skipped, instead of an error.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is empty, too large, not text, not in a format that is read, or has a number of too many digits.
    """
    name = Path(path).name.lower()
    log = name.endswith((".csv", ".tsv", ".jsonl", ".ndjson")) or name == "trainer_state.json"
    if log and kind != METRIC and not name.endswith(".json"):
        raise InvalidInput(f"params are not read from '{path}'", "use a JSON, YAML or TOML file")
    text = _read_text(path, LOG_LIMIT if log else documents.INPUT_LIMIT)
    reader = next((reader for ends, reader in _READERS.items() if name.endswith(ends)), None)
    if reader is None:
        reader = _parse_json if text.lstrip()[:1] == "{" and _is_json(text) else _parse_yaml
    if reader is _parse_yaml and kind == METRIC and _is_report(text):
        reader = _parse_report
    found = reader(text, path, _parse_leniently if skip_invalid else parse_scalar)
    history = found.get("log_history")
    return _merge_trainer_state(found, history) if kind == METRIC and isinstance(history, list) else found


def _parse_leniently(text: str) -> object:
    try:
        return parse_scalar(text)
    except ValueError:
        return _TOO_LONG


def _read_text(path: str, limit: int) -> str:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise NotFound(f"file '{path}' not found") from None
    except IsADirectoryError:
        raise InvalidInput(f"'{path}' is a folder", "give a file") from None
    if len(data) > limit:
        raise InvalidInput(f"{path} has more than {limit:,} bytes")
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}, line {line}: not {encoding.upper()} text", "save it as UTF-8") from None
    if "\0" in text:
        raise InvalidInput(
            f"{path} has NUL characters: it is not text, or UTF-16 without a byte order mark", "save it as UTF-8"
        )
    if not text.strip():
        raise InvalidInput(f"{path} is empty", "it may be incomplete")
    return text


def _parse_json(text: str, path: str, parse: Parse) -> Mapping[str, object]:
    found = _loads_json(text, path, parse)
    if not isinstance(found, dict):
        raise InvalidInput(f"{path} does not hold an object", 'it should look like {"auc": 0.93}')
    return found


def _loads_json(text: str, where: str, parse: Parse) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_int=parse, parse_float=parse)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} is not valid JSON: {error}") from None


def _is_json(text: str) -> bool:
    """Whether a text that begins with ``{`` is JSON, and not a flow mapping of YAML."""
    try:
        json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name '{name[:60]}' occurs twice")
        found[name] = value
    return found


def _parse_yaml(text: str, path: str, parse: Parse = parse_scalar) -> Mapping[str, object]:
    return documents.loads_mapping(text.encode(), path, limit=documents.INPUT_LIMIT, scalar=parse)


def _parse_toml(text: str, path: str, parse: Parse) -> Mapping[str, object]:
    try:
        tomllib = importlib.import_module("tomllib")
    except ModuleNotFoundError:  # Python 3.10
        raise InvalidInput(f"{path}: TOML is read with Python 3.11 or newer", "use JSON or YAML") from None
    try:
        found: dict[str, object] = tomllib.loads(text, parse_float=lambda word: _parse_toml_float(word, parse))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from None
    return found


def _parse_toml_float(word: str, parse: Parse) -> object:
    return float(word) if word.endswith(("inf", "nan")) else parse(word.replace("_", ""))


def _parse_json_lines(text: str, path: str, parse: Parse) -> Mapping[str, object]:
    """JSON Lines: of each name the last value that is not null."""
    found: dict[str, object] = {}
    for at, line in enumerate(text.splitlines(), 1):
        if line.strip():
            row = _loads_json(line, f"{path}, line {at}", parse)
            if not isinstance(row, dict):
                raise InvalidInput(f"{path}, line {at}: not an object", 'each line should look like {"loss": 0.5}')
            found.update((name, value) for name, value in values.flatten(row).items() if value is not None)
    return found


def _parse_csv(text: str, path: str, parse: Parse) -> Mapping[str, object]:
    """A log with a header, as Lightning's ``metrics.csv``: of each column the last value that is not empty."""
    header, _, _ = text.partition("\n")
    mark = "\t" if path.lower().endswith(".tsv") else ";" if ";" in header and "," not in header else ","
    found: dict[str, object] = {}
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        names = [name.strip() for name in next(rows)]
        named = [name for name in names if name]
        if len(set(named)) < len(named):
            raise InvalidInput(f"{path}: two columns have the same name", "name each column once")
        for row in rows:
            if len(row) > len(names):
                raise InvalidInput(f"{path}, line {rows.line_num}: more fields than columns")
            for name, value in zip(names, map(str.strip, row), strict=False):
                if name and value not in _NO_VALUE:
                    found[name] = parse(value)
    except (csv.Error, ValueError) as error:
        raise InvalidInput(f"{path} is not valid CSV: {error}") from None
    if not found:
        raise InvalidInput(f"{path} has no values below its header")
    return found


def _merge_trainer_state(state: Mapping[str, object], history: list[Any]) -> Mapping[str, object]:
    """The metrics of a ``trainer_state.json`` of Hugging Face's Trainer: the last value of each in its log."""
    logged: dict[str, object] = {}
    for row in history:
        if isinstance(row, Mapping):
            flat = values.flatten(row)
            logged.update((name, value) for name, value in flat.items() if value is not None and name != "step")
    return {**logged, **{name: state[name] for name in _TRAINER if state.get(name) is not None}}


def _is_report(text: str) -> bool:
    return tuple(next(filter(None, text.splitlines())).split()) == _REPORT_COLUMNS


def _parse_report(text: str, path: str, parse: Parse) -> Mapping[str, object]:
    """The text of scikit-learn's ``classification_report``; the names are those of its ``output_dict``."""
    found: dict[str, object] = {}
    for line in filter(str.strip, text.splitlines()[1:]):
        label, *words = re.split(r"\s{2,}", line.strip())
        cells = [parse(word) for word in " ".join(words).split()]
        if label in found:
            raise InvalidInput(f"{path}: '{label}' is there twice")
        if len(cells) == len(_REPORT_COLUMNS):
            found[label] = dict(zip(_REPORT_COLUMNS, cells, strict=True))
        elif len(cells) == 2:  # accuracy, and the support
            found[label] = cells[0]
        elif words or not set(line) <= set(" \t"):
            raise InvalidInput(f"{path}: not a line of a classification report: '{line.strip()[:60]}'")
    return found


_READERS: Mapping[tuple[str, ...], Reader] = {
    (".json",): _parse_json,
    (".jsonl", ".ndjson"): _parse_json_lines,
    (".toml",): _parse_toml,
    (".csv", ".tsv"): _parse_csv,
    (".yaml", ".yml"): _parse_yaml,
}
