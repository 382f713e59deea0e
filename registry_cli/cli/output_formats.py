"""The formats of ``--format`` that a program reads back, and Markdown: rows and JSON bodies as lines of text."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core.json_shapes import document, dumps, to_json
from .formatting import escape, format_number

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII)
_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_MARKDOWN = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def iter_rows(
    form: str, names: Sequence[str], rows: Iterable[Sequence[Any]], header: bool | None, *, safe: bool
) -> Iterator[str]:
    """Yield the lines of a format that has rows; csv and markdown have a header unless it is False, tsv if it is True.

    If they have to be ``safe``, for a terminal, control characters are escaped.
    """
    cells: Callable[[Iterable[str]], str] = {"csv": _csv, "tsv": _tsv, "markdown": _markdown}[form]
    cell = _markdown_cell if form == "markdown" else _guard if form == "csv" else format_cell
    if header if header is not None else form != "tsv":
        yield cells(map(cell, names))
        if form == "markdown":
            yield "|" + " --- |" * len(names)
    for row in rows:
        texts = map(cell, row)
        yield cells(escape(text, lines=True) for text in texts) if safe else cells(texts)


def iter_items(kind: str, body: Any) -> Iterator[str]:
    """Yield the items of a body as one JSON text each; a body without items is one."""
    if not hasattr(body, "__next__"):
        whole = document(kind, body)
        body = whole["items"] if isinstance(whole.get("items"), list) else [whole]
    return (dumps(to_json(item)) for item in body)


def format_yaml(kind: str, body: Any) -> str:
    """Return the JSON document as YAML."""
    from ..core.yaml.documents import dumps

    return dumps(document(kind, list(body) if hasattr(body, "__next__") else body)).decode().rstrip("\n")


def format_cell(cell: Any) -> str:
    """The whole value as text: numbers exact, a mapping as a JSON object, a list with commas."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        return json.dumps(dict(cell), ensure_ascii=False)
    if isinstance(cell, (list, tuple)):
        return ",".join(map(str, cell))
    return str(cell)


def _tsv(cells: Iterable[str]) -> str:
    return "\t".join(cell.translate(_TSV) for cell in cells)


def _csv(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _guard(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula: texts come from whoever registered the version.

    It gets an apostrophe in front, and so does a text that has apostrophes there already: to take one away restores it.
    """
    text = format_cell(cell)
    if not isinstance(cell, str):
        return text
    begins = unicodedata.normalize("NFKC", text.lstrip().lstrip("'").lstrip()[:1])  # some take a full-width = as well
    return f"'{text}" if begins in ("=", "+", "-", "@") and not _NUMBER.match(text) else text


def _markdown(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Any) -> str:
    if isinstance(cell, Mapping):
        text = ", ".join(f"{name}={format_number(value)}" for name, value in cell.items())
    else:
        text = format_number(cell) if isinstance(cell, float) else format_cell(cell)
    text = escape(text, lines=True).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN.sub(r"\\\1", text).replace("\n", "<br>")
