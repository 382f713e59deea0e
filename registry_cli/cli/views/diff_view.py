"""The diff of two versions for a person's eyes, section by section, with rich. User text goes in as text."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...core.lazy_dataclass import dataclass
from ...rules.comparison import Diff, Difference, FileDifference, MetricDifference, StoredFile
from ..formatting import escape, format_number, format_numbers, format_size, format_value, shorten, supports_unicode
from .tables import CYAN, GREEN, RED, YELLOW, open_console

_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_BETTER = {True: GREEN, False: RED, None: ""}
_STYLES = {"+": GREEN, "-": RED, "~": YELLOW}
#: The number of entries shown of each section; a pipe and --json get all.
_SHOWN = 40
_LINES_SHOWN = 20
#: Longer texts are not compared line by line, which takes quadratic time.
_LINES_COMPARED = 400
_NAME_MOST = 40
_LINE_MOST = 400
_COMMON = 80


@dataclass(frozen=True)
class _Entry:
    """A difference as texts. ``note`` is by how much it differs; ``style`` is that of the note."""

    mark: str
    name: str
    before: str
    after: str
    note: str = ""
    style: str = ""

    @property
    def short(self) -> bool:
        return "\n" not in self.before + self.after and cell_len(self.name) <= _NAME_MOST


def draw(diff: Diff, *, no_color: bool) -> None:
    out = open_console(no_color=no_color)
    arrow = "→" if supports_unicode() else "->"
    out.print(Text(f"{diff.before.ref} {arrow} {diff.after.ref}", style="bold"))
    for section, found in diff.sections():
        out.print()
        out.print(Text(section, style=f"bold {CYAN}"))
        _draw_section(
            out,
            [_make_entry(each, named=section != "message") for each in found[:_SHOWN]],
            arrow,
            numeric=section in ("metrics", "files"),
        )
        if section == "commits" and diff.more_commits:
            out.print(Text("  and more; see git log", style="dim"))
        elif len(found) > _SHOWN:
            out.print(Text(f"  and {len(found) - _SHOWN:,} more; all are listed in a pipe", style="dim"))


def _make_entry(each: Difference, *, named: bool) -> _Entry:
    before, after = (_format_side(value) for value in (each.before, each.after))
    if isinstance(each, MetricDifference) and each.delta is not None:
        before, after = format_numbers([each.before, each.after])
    if before == after and not isinstance(each, FileDifference):  # 1 and "1", or floats that differ in a late digit
        before, after = (escape(json.dumps(value, ensure_ascii=False)) for value in (each.before, each.after))
    mark, name = _MARKS[each.change], escape(each.name) if named else ""
    if isinstance(each, MetricDifference) and each.delta is not None:
        return _Entry(mark, name, before, after, _format_growth(each), _BETTER[each.better])
    if isinstance(each, FileDifference) and each.delta is not None:
        note = f"{'+' if each.delta > 0 else '-'}{format_size(abs(each.delta))}" if each.delta else "same size"
        return _Entry(mark, name, before, after, note, "dim")
    return _Entry(mark, name, before, after)


def _format_side(value: Any) -> str:
    """Format a value; an empty text is visible."""
    if isinstance(value, StoredFile):
        return format_size(value.size)
    return "" if value is None else escape(format_value(value), lines=True) or '""'


def _format_growth(each: MetricDifference) -> str:
    delta = format_number(float(each.delta or 0))
    signed = delta if delta.startswith("-") else f"+{delta}"
    return signed if each.percent is None else f"{signed:<9} {each.percent:>+9.2f}%"


def _draw_section(out: Console, entries: Sequence[_Entry], arrow: str, *, numeric: bool) -> None:
    """Print one aligned line for each entry; those that need more room get lines of their own."""
    brief = [entry for entry in entries if entry.short]
    changed = [entry for entry in brief if entry.mark == "~"]
    names = max((cell_len(entry.name) for entry in brief), default=0)
    befores = max((cell_len(entry.before) for entry in changed), default=0)
    afters = max((cell_len(entry.after) for entry in changed), default=0)
    if 2 + names + 2 + befores + 3 + afters > out.width:
        befores = afters = 0
    for entry in entries:
        line = _format_line(entry, (names, befores, afters), arrow, numeric=numeric)
        note = Text(entry.note, style=entry.style)
        if not entry.short or line.cell_len > out.width:
            _draw_block(out, entry)
        elif not note:
            out.print(line, no_wrap=True)
        elif line.cell_len + 2 + note.cell_len > out.width:
            out.print(line, no_wrap=True)
            out.print(Text("    ").append_text(note))
        else:
            out.print(line.append("  ").append_text(note), no_wrap=True)


def _format_line(entry: _Entry, widths: tuple[int, int, int], arrow: str, *, numeric: bool) -> Text:
    names, befores, afters = widths
    line = Text(f"{entry.mark} ")
    line.stylize(_STYLES[entry.mark])
    line.append(_pad(entry.name, names, right=False) + ("  " if names else ""))
    if entry.mark == "+":  # below the new values, as what was removed stands below the old ones
        indent = " " * (befores + 3) if befores else ""
        line.append(indent + _pad(entry.after, afters, right=numeric).rstrip(), style=GREEN)
    elif entry.mark == "-":
        line.append(_pad(entry.before, befores, right=numeric).rstrip(), style=RED)
    else:
        line.append(_pad(entry.before, befores, right=numeric))
        line.append(f" {arrow} ", style="dim")
        line.append(_pad(entry.after, afters, right=numeric) if entry.note else entry.after, style="bold")
    return line


def _pad(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap


def _draw_block(out: Console, entry: _Entry) -> None:
    if entry.name:
        head = Text(f"{entry.mark} ", style="")
        head.stylize(_STYLES[entry.mark])
        head.append(entry.name)
        out.print(head, overflow="fold")
    lines = list(_changed_lines(entry))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for sign, text in lines[:_LINES_SHOWN]:
        style = _STYLES.get(sign, "dim")
        grid.add_row(Text(f"    {sign}", style=style), Text(shorten(text, _LINE_MOST), style=style))
    if len(lines) > _LINES_SHOWN:
        grid.add_row(Text(""), Text(f"and {len(lines) - _LINES_SHOWN:,} more lines", style="dim"))
    out.print(grid)


def _changed_lines(entry: _Entry) -> Iterator[tuple[str, str]]:
    """The changed lines of a text, each behind its sign, with one line around them."""
    before, after = entry.before.splitlines(), entry.after.splitlines()
    if entry.mark != "~" or max(len(before), len(after)) > _LINES_COMPARED:
        yield from (("-", line) for line in before)
        yield from (("+", line) for line in after)
        return
    if len(before) == len(after) == 1:
        pairs = enumerate(zip(before[0], after[0], strict=False))
        same = next((at for at, (old, new) in pairs if old != new), min(len(before[0]), len(after[0])))
        cut = same - _COMMON if same > 2 * _COMMON else 0  # the difference must be visible, however far in it is
        yield from ((sign, f"…{line[cut:]}" if cut else line) for sign, line in (("-", before[0]), ("+", after[0])))
        return
    found = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    for at, line in enumerate(found):
        if not line.startswith("@@"):
            yield line[:1], line[1:]
        elif at:
            yield " ", "..."
    if not found:  # they differ in how a line ends
        yield from (("-", json.dumps(entry.before)), ("+", json.dumps(entry.after)))
