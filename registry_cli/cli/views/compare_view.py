"""Versions side by side for a person's eyes, with rich. User text goes in as text: nothing in it is markup."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...core.records import VersionRecord
from ...rules.comparison import SECTIONS, Comparison, Row
from ..formatting import escape, format_numbers, format_value, list_pointers, shorten, supports_unicode
from .tables import CYAN, GREEN, STAGE_STYLES, open_console, shrink

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-:=+*#"
_GAP = 2
_WORD_MOST = 16
_NAME_MOST = 28


def sparkline(heights: Sequence[int | None], *, unicode: bool) -> str:
    """Heights from 0 to 7 as characters; a missing one is a space."""
    signs = _BLOCKS if unicode else _ASCII
    return "".join(" " if height is None else signs[height] for height in heights)


def draw(comparison: Comparison, *, no_color: bool) -> None:
    """Print the rows, a column for each version, in as many tables as the terminal is too narrow for."""
    out = open_console(no_color=no_color)
    cells = [_format_cells(row) for row in comparison.rows]
    heads = [_format_head(version) for version in comparison.versions]
    names = min(max(cell_len(escape(row.name)) for row in comparison.rows) + 2, _NAME_MOST)
    trend = (
        len(comparison.versions)
        if any(len(row.heights) - row.heights.count(None) > 1 for row in comparison.rows)
        else 0
    )
    needed = [max(map(_least, [head, *(line[at] for line in cells)])) for at, head in enumerate(heads)]
    if cell_len(comparison.model) > names:
        out.print(Text(escape(comparison.model), style="bold"))
    for at, block in enumerate(_blocks(needed, out.width - names, trend + _GAP if trend else 0)):
        if at:
            out.print()
        out.print(_table(comparison, cells, heads, block, (names, 0 if at else trend, out.width)))
    _draw_legend(out, comparison)


def _blocks(needed: Sequence[int], room: int, first: int) -> list[range]:
    """Divide the columns into as few groups as fit, about equally large; ``first`` cells of the first one are taken."""
    count = len(needed)
    fewest = len(list(_iter_groups(needed, room, first, count)))
    tried = (list(_iter_groups(needed, room, first, most)) for most in range(-(-count // fewest), count + 1))
    return next(groups for groups in tried if len(groups) == fewest)


def _iter_groups(needed: Sequence[int], room: int, first: int, most: int) -> Iterator[range]:
    start, used = 0, first
    for at, width in enumerate(needed):
        used += width + _GAP
        if at > start and (used > room or at - start == most):
            yield range(start, at)
            start, used = at, width + _GAP
    yield range(start, len(needed))


def _table(
    comparison: Comparison,
    cells: Sequence[Sequence[Text]],
    heads: Sequence[Text],
    block: range,
    widths: tuple[int, int, int],
) -> Table:
    names, trend, room = widths
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    table.add_column(width=names, overflow="fold")
    if trend:
        table.add_column(width=trend, no_wrap=True)
    columns = [[heads[at], *(line[at] for line in cells)] for at in block]
    natural = [max(cell_len(line) for cell in column for line in cell.plain.split("\n")) for column in columns]
    room -= names + _GAP * (len(columns) + 1) + (trend + _GAP if trend else 0)
    for width in shrink(natural, [max(map(_least, column)) for column in columns], room):
        table.add_column(justify="right", overflow="fold", width=width)
    head = Text(escape(comparison.model) if cell_len(comparison.model) <= names else "", style="bold")
    table.add_row(head, *([Text("")] if trend else []), *(heads[at] for at in block))
    for section in SECTIONS:
        rows = [at for at, row in enumerate(comparison.rows) if row.section == section]
        if rows:
            table.add_row(Text(section, style=f"bold {CYAN}"))
        for at in rows:
            row = comparison.rows[at]
            known = sum(height is not None for height in row.heights)
            line = [sparkline(row.heights if known > 1 else (), unicode=supports_unicode())] if trend else []
            name = Padding(Text(escape(row.name)), (0, 0, 0, 2))
            table.add_row(name, *(Text(each, style=CYAN) for each in line), *(cells[at][each] for each in block))
    return table


def _least(cell: Text) -> int:
    """The least width of a cell: its longest word, and of a word beyond measure a part."""
    return max((min(cell_len(word), _WORD_MOST) for word in cell.plain.split()), default=1)


def _format_head(version: VersionRecord) -> Text:
    head = Text(f"@{version.number}", style="bold")
    for word in list_pointers(version):
        head.append(f"\n{escape(word)}", style=STAGE_STYLES.get(word, "not bold"))
    return head


def _format_cells(row: Row) -> list[Text]:
    """Format the values; different ones look different."""
    known = [value for value in row.values if value is not None]
    if row.section == "metrics":
        texts = iter(format_numbers(known))
        return [
            _format_cell(None if value is None else next(texts), at in row.best) for at, value in enumerate(row.values)
        ]
    alike = len({format_value(value) for value in known}) < len({json.dumps(value) for value in known})
    shown = [
        None if value is None else json.dumps(value, ensure_ascii=False) if alike else format_value(value)
        for value in row.values
    ]
    return [_format_cell(text, False) for text in shown]


def _format_cell(value: str | None, best: bool) -> Text:
    if value is None:
        return Text("-", style="dim")
    text = shorten(escape(value)) or '""'
    return Text(f"*{text}", style=f"bold {GREEN}") if best else Text(text)


def _draw_legend(out: Console, comparison: Comparison) -> None:
    marked = [row for row in comparison.rows if row.best]
    lower = [escape(row.name) for row in marked if row.lower]
    if marked:
        less = "; lower is better for " + ", ".join(lower[:6]) if lower else ""
        more = f" and {len(lower) - 6} more" if len(lower) > 6 else ""
        out.print()
        out.print(Text(f"* best{less}{more}", style="dim"))
