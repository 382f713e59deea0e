"""Tables for a person's eyes, with rich. User text goes in as text: nothing in it is markup."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..formatting import escape

STAGE_STYLES = {"production": "bold green", "staging": "yellow", "development": "cyan", "archived": "dim"}
_STYLES = {
    **STAGE_STYLES,
    "ok": "green",
    "passed": "green",
    "waiting": "yellow",
    "warning": "yellow",
    "error": "bold red",
    "failed": "bold red",
    "alert": "bold red",
    "stale": "bold red",
    "pending": "yellow",
}
_NUMERIC = frozenset({"versions", "archived", "size", "files", "latest", "version", "#", "rev"})
#: Columns left out on a narrow terminal, in this order, before a name or a number would be broken.
_OPTIONAL = ("owner", "author", "age", "archived", "size")


def open_console(*, no_color: bool) -> Console:
    plain = no_color or os.environ.get("TERM") == "dumb"
    return Console(markup=False, emoji=False, highlight=False, no_color=True if plain else None)


def draw(columns: Sequence[str], rows: Sequence[Sequence[str]], *, no_color: bool, whole: bool = False) -> None:
    """Print ``rows`` under ``columns``, as wide as the terminal, wrapped between words where it has to be.

    Unless it has to be ``whole``, a narrow terminal does without columns that people can do without.
    """
    console = open_console(no_color=no_color)
    if not whole:
        columns, rows = _drop_optional_columns(columns, rows, console.width)
    gap = 2 if sum(_natural_widths(columns, rows)) + 2 * len(columns) <= console.width else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    widths = _fit(columns, rows, console.width - gap * len(columns))
    for name, width in zip(columns, widths, strict=True):
        numeric = name in _NUMERIC
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(Text(name.upper()), justify=justify, no_wrap=numeric, overflow="fold", width=width)
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console.print(table)


def _drop_optional_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    for name in _OPTIONAL:
        if name in columns and sum(_least_widths(columns, rows)) + len(columns) > width:
            at = columns.index(name)
            columns, rows = [*columns[:at], *columns[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]
    return columns, rows


def _least_widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is if it is wrapped between all words; numeric ones never are."""
    return [
        natural if name in _NUMERIC else max(cell_len(word) for cell in cells for word in cell.split() or [""])
        for name, natural, cells in zip(
            columns, _natural_widths(columns, rows), _cells_by_column(columns, rows), strict=True
        )
    ]


def _natural_widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(cell_len(line) for cell in cells for line in cell.split("\n")) for cells in _cells_by_column(columns, rows)
    ]


def _cells_by_column(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells of each column, its head first."""
    return [[head, *(escape(row[at], lines=True) for row in rows)] for at, head in enumerate(columns)]


def _fit(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int | None]:
    """Widths that fit into ``room``: the widest columns give way first, by wrapping between words.

    All None when that isn't enough: then rich breaks words.
    """
    widths = shrink(_natural_widths(columns, rows), _least_widths(columns, rows), room)
    return [None] * len(columns) if sum(widths) > room else list(widths)


def shrink(widths: list[int], least: Sequence[int], room: int) -> list[int]:
    """Narrow the widest columns first until all fit into ``room``, or none can give way."""
    while sum(widths) > room:
        spare = [at for at, width in enumerate(widths) if width > least[at]]
        if not spare:
            break
        widths[max(spare, key=widths.__getitem__)] -= 1
    return widths


def _cell(cell: str) -> Text:
    text = Text(escape(cell, lines=True))
    for word, style in _STYLES.items():
        if word in cell:
            text.highlight_words([word], style)
    return text
