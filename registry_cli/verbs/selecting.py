"""A query at work: compiled for the index, or as a predicate over records from the files. Both give the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..core.records import VersionRecord
from ..lifecycle import query
from ..lifecycle.ordering import parse_sort

if TYPE_CHECKING:
    from ..core.progress import Progress
    from ..index.index import Index, UnreadableDocument
    from .listing import Wanted

#: So many records are made before the first is printed, so that a damaged index is noticed; the rest one by one.
_AT_ONCE = 2_000


class Selection:
    """What is wanted, parsed. Raises :class:`InvalidInput` for a slip."""

    def __init__(self, wanted: Wanted, now: datetime) -> None:
        self.wanted, self.now = wanted, now
        given = [wanted.where] if isinstance(wanted.where, str) else wanted.where
        texts = [text for text in given if text.strip()]
        self.query = query.parse_all(texts) if texts else None
        self.ordering = parse_sort(wanted.sort) if wanted.sort else None
        self.all = wanted.archived or (self.query is not None and "archived" in self.query.fields)

    def ask(self, index: Index, progress: Progress) -> tuple[Iterator[VersionRecord], list[UnreadableDocument]]:
        """The answer of the index, brought up to date before; the first ones are there already, the rest is read on."""
        from ..index.index import Condition

        texts: list[str] = [] if self.all else ["v.archived = 0"]
        parameters: list[object] = []
        if self.wanted.model is not None:
            texts.append("v.model = ?")
            parameters.append(self.wanted.model)
        if self.query:
            text, values = self.query.sql(self.now)
            texts.append(f"({text})")
            parameters += values
        order, order_values = self.ordering.sql(self.now) if self.ordering else (Condition().order, ())
        condition = Condition(
            " AND ".join(texts) or "1",
            parameters,
            order,
            order_values,
            self.wanted.limit,
            self.query.functions if self.query else {},
        )

        index.refresh(self.wanted.model, progress)
        found = index.versions(condition)
        if self.query and self.query.functions:
            with self.query.bounded():
                found = iter(list(found))
        first = list(islice(found, _AT_ONCE))
        unreadable = [each for each in index.unreadable(self.wanted.model) if each.what != "document"]
        return chain(first, found), unreadable

    def pick(self, records: Iterable[VersionRecord]) -> Iterator[VersionRecord]:
        """The records that are wanted, in the order in which they come unless another was asked for."""
        found: Iterable[VersionRecord] = (
            record for record in records if (self.all or not record.archived) and self._matches(record)
        )
        if self.query and self.query.functions:
            with self.query.bounded():
                found = list(found)
        if self.ordering:
            found = self.ordering.sorted(found, self.now)
        return islice(found, self.wanted.limit)

    def _matches(self, record: VersionRecord) -> bool:
        return self.query is None or self.query.matches(record, self.now)
