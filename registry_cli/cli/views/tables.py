"""Tables for a person's eyes, with rich. User text goes in as text: nothing in it is markup."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from ..formatting import escape, plural, supports_unicode, wants_color

if TYPE_CHECKING:
    from ..session import TableView

#: Colours of the 256 that can be read on black and on white (a test computes the contrast); where a terminal has 16,
#: rich takes the nearest.
GREEN, RED, YELLOW, CYAN = "color(28)", "color(160)", "color(130)", "color(30)"
STAGE_STYLES = {"production": f"bold {GREEN}", "staging": YELLOW, "development": CYAN, "archived": "dim"}
_STYLES = {
    **STAGE_STYLES,
    **dict.fromkeys(("ok", "passed", "safe-format", "approved", "running"), GREEN),
    **dict.fromkeys(("waiting", "warning", "pending", "unknown-format", "unknown-globals", "behind",
                     "unreachable"), YELLOW),
    **dict.fromkeys(("error", "failed", "rejected", "dangerous", "unscannable", "alert", "stale", "delete",
                     "drifted", "damaged"), f"bold {RED}"),
}  # fmt: skip
#: The columns whose words are coloured; elsewhere "error" is a word of a message.
_STYLED = frozenset({"stage", "status", "severity", "outcome", "state", "said", "decision", "verdict", "plan"})
_WORD = re.compile(r"(?<![\w@-])[\w-]+")
_NUMERIC = frozenset({"versions", "archived", "size", "files", "latest", "version", "#", "rev", "frees", "count"})
#: Columns left out on a narrow terminal, in this order, unless the table says which.
_OPTIONAL = ("owner", "author", "signed by", "age", "archived", "size")
#: Columns with sentences: they are cut first, but stay this wide if they can.
_SENTENCES = frozenset({"message", "details", "reason", "metrics", "tags", "wanted", "found", "why"})
_SENTENCE_LEAST = 24
_NAMES = frozenset({"model", "ref", "version"})
_CELL_LEAST = 12
#: The beginnings of the names of columns with times, which are never cut.
_TIMES = ("time", "last", "created", "since")
_GAP = 2


def open_console(*, no_color: bool) -> Console:
    color = wants_color(sys.stdout, no_color=no_color)
    return Console(
        markup=False, emoji=False, highlight=False, force_terminal=color or None, color_system="auto" if color else None
    )


def draw(table: TableView, *, no_color: bool) -> None:
    """Print a table as wide as the terminal."""
    out = open_console(no_color=no_color)
    cells = [
        [name.upper(), *(escape(row[at], lines=table.wrap) for row in table.rows)]
        for at, name in enumerate(table.columns)
    ]
    natural = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in cells]
    wide = sum(natural) + _GAP * (len(natural) - 1) > out.width >= sum(natural) + len(natural) - 1
    gap = 1 if wide else _GAP  # rather closer together than cut
    shown, widths = _lay_out(table, cells, natural, out.width, gap)
    lines = [Text(escape(table.title, lines=True)), Text()] if table.title else []
    for number in range(len(table.rows) + 1):
        row = [_lines(out, cells[at][number], width, wrap=table.wrap) for at, width in zip(shown, widths, strict=True)]
        for line in range(max(map(len, row))):
            parts = [part[line] if line < len(part) else "" for part in row]
            lines.append(_join([table.columns[at] for at in shown], parts, widths, gap, head=not number))
    hidden = [at for at in range(len(table.columns)) if at not in shown]
    lines += [Text(text, style="dim") for text in (escape(table.footer), _explain(table, hidden)) if text]
    out.print(Text("\n").join(lines), soft_wrap=True)


def _lay_out(
    table: TableView, cells: Sequence[Sequence[str]], natural: Sequence[int], room: int, gap: int
) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide.

    Sentences give way first, then optional columns, then other cells, names last.
    """
    shown, names = list(range(len(cells))), table.columns
    optional = table.optional
    if optional is None:
        optional = [names.index(name) for name in _OPTIONAL if name in names]
    if table.wrap or table.chosen:
        optional = ()

    def narrow(least: Sequence[int]) -> list[int]:
        """The widths with which the columns that are shown fit, if they can."""
        return shrink([natural[at] for at in shown], [least[at] for at in shown], room - gap * (len(shown) - 1))

    def is_wide(widths: Sequence[int]) -> bool:
        return sum(widths) + gap * (len(widths) - 1) > room

    levels = [_least_widths(names, cells, natural, level, wrap=table.wrap) for level in range(4)]
    widths = narrow(levels[0])
    for at in optional:
        if not is_wide(widths):
            break
        shown.remove(at)
        widths = narrow(levels[0])
    for least in levels[1:]:
        if is_wide(widths):
            widths = narrow(least)
    return shown, widths


def _least_widths(
    names: Sequence[str], cells: Sequence[Sequence[str]], natural: Sequence[int], level: int, *, wrap: bool
) -> list[int]:
    """How narrow each column may become: never narrower than its head. At each level more of them give way."""
    found = []
    for name, column, width in zip(names, cells, natural, strict=True):
        least = width
        if name not in _NUMERIC and not name.startswith(_TIMES):
            if wrap:
                least = max(cell_len(word) for cell in column for word in cell.split() or [""])
            elif name in _SENTENCES:
                least = _CELL_LEAST if level else _SENTENCE_LEAST
            elif level > (2 if name in _NAMES else 1):
                least = _CELL_LEAST
        found.append(min(width, max(least, cell_len(column[0]))))
    return found


def _lines(out: Console, cell: str, width: int, *, wrap: bool) -> list[str]:
    if wrap:
        return [line.plain.rstrip() for line in Text(cell).wrap(out, max(width, 1))]
    return [cut(cell, width)]


def cut(text: str, width: int) -> str:
    """``text`` in ``width`` cells, with an ellipsis for what does not go in."""
    if cell_len(text) <= width:
        return text
    mark = "…" if supports_unicode() else "..."
    return set_cell_size(text, max(width - len(mark), 0)).rstrip() + mark


def _join(names: Sequence[str], parts: Sequence[str], widths: Sequence[int], gap: int, *, head: bool) -> Text:
    line = Text(style="bold" if head else "")
    for at, (name, part, width) in enumerate(zip(names, parts, widths, strict=True)):
        space = " " * (width - cell_len(part))
        text = Text(part)
        if name in _STYLED and not head:
            for found in _WORD.finditer(part):
                text.stylize(_STYLES.get(found[0], ""), *found.span())
        line.append(space if name in _NUMERIC else "").append_text(text)
        if at < len(parts) - 1:
            line.append(("" if name in _NUMERIC else space) + " " * gap)
    line.rstrip()
    return line


def _explain(table: TableView, hidden: Sequence[int]) -> str:
    """Say what is not shown, and how to see it."""
    if not hidden:
        return ""
    metrics = sum(at in table.metrics for at in hidden)
    others = [escape(table.columns[at]) for at in hidden if at not in table.metrics]
    parts = [plural(metrics, "metric")] if metrics else []
    parts += [f"{plural(len(others), 'column')} ({', '.join(others)})"] if others else []
    return f"+{', +'.join(parts)}: {table.hint}"


def shrink(widths: list[int], least: Sequence[int], room: int) -> list[int]:
    """Narrow the widest columns first until all go into ``room``, or none can give way."""
    while sum(widths) > room:
        spare = [at for at, width in enumerate(widths) if width > least[at]]
        if not spare:
            break
        widths[max(spare, key=widths.__getitem__)] -= 1
    return widths
