"""Tables for a person's eyes, with rich. User text goes in as text: nothing in it is markup."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .text import safe

_STYLES = {
    "production": "bold green",
    "staging": "yellow",
    "development": "cyan",
    "archived": "dim",
    "ok": "green",
    "warning": "yellow",
    "error": "bold red",
    "failed": "bold red",
}
_NUMERIC = frozenset({"versions", "archived", "size", "files", "latest", "version", "#", "rev"})


def draw(columns: Sequence[str], rows: Sequence[Sequence[str]], *, no_color: bool) -> None:
    """Print ``rows`` under ``columns``, as wide as the terminal; the last column wraps, the others never do."""
    colour = False if no_color or os.environ.get("TERM") == "dumb" else None
    console = Console(markup=False, emoji=False, highlight=False, no_color=True if colour is False else None)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        last = name == columns[-1]
        table.add_column(
            Text(name.upper()),
            justify="right" if name in _NUMERIC else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console.print(table)


def _cell(cell: str) -> Text:
    text = Text(safe(cell, lines=True))
    for word, style in _STYLES.items():
        if word in cell:
            text.highlight_words([word], style)
    return text
