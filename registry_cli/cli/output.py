"""The result of a command, in each of the forms in which it can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..core.lazy_dataclass import dataclass
from .views.text import format_cell

Item = TypeVar("Item")


class TableView(NamedTuple):
    """What a person sees: cells under columns, or a ``text`` instead. None of ``chosen`` columns is left out."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    text: str | None = None
    chosen: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """What a command found, in the four forms in which it can be asked for.

    ``rows`` are plain values for a pipe, one a ``columns``; ``shown`` are the same rows for a person's eyes, where
    they differ; ``refs`` is what ``-q`` prints; ``kind`` and ``body`` make the JSON document (``json_shapes.document``).
    ``text`` replaces the table for a person.
    """

    kind: str
    body: Any
    refs: Iterable[str] = ()
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[Any]] = ()
    shown: Sequence[Sequence[str]] | None = None
    text: str | None = None

    def table(self) -> TableView:
        shown = self.shown if self.shown is not None else [[format_cell(cell) for cell in row] for row in self.rows]
        return TableView(self.columns, shown, self.text)


@dataclass(frozen=True, eq=False, repr=False)
class ListOutput(Generic[Item]):
    """A list, however long: each item is made into the one form that is asked for, and let go of.

    ``refs`` makes it what ``-q`` prints, ``row`` a line for a pipe; ``draw`` makes all of them a table for a person, and
    ``line`` one of them a line, where they come one by one.
    """

    kind: str
    items: Iterable[Item]
    refs: Callable[[Item], str]
    row: Callable[[Item], Sequence[Any]]
    draw: Callable[[list[Item]], TableView]
    line: Callable[[Item], str] = str
