"""The tables of the index, and the rows and facts of a version in them. Queries and orders compile to these tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from .fields import KINDS, Scalar, iter_flat, parse_field, to_scalars

if TYPE_CHECKING:
    from ..core.records import VersionRecord

Stored = Union[int, float, str, None]

#: The tables. The database must be UTF-8 (SQLite's default), so that texts sort by code point. ``created`` is in
#: seconds since 1970 in UTC. A text that a version lacks is empty, a time NULL; nothing else is ever NULL.
#: The kind of a fact is n (number), t (text) or b (bool, stored as 0 or 1).
SCHEMA = (
    "CREATE TABLE versions(id INTEGER PRIMARY KEY, model TEXT NOT NULL, grp TEXT NOT NULL, version INTEGER NOT NULL,"
    " archived INTEGER NOT NULL, author TEXT NOT NULL, created REAL, size INTEGER NOT NULL, files INTEGER NOT NULL,"
    " digest TEXT NOT NULL, message TEXT NOT NULL, record TEXT NOT NULL)",
    "CREATE TABLE fields(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE facts(field INTEGER NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, value NOT NULL,"
    " PRIMARY KEY(field, version, value)) WITHOUT ROWID",
)
#: The columns of ``versions`` that :func:`make_row` fills, in order: all but ``id``.
COLUMNS = (
    "model", "grp", "version", "archived", "author", "created", "size", "files", "digest", "message", "record",
)  # fmt: skip

#: The facts that come from the pointers of a model, and change with them.
POINTED = ("stage", "alias")

_FIELDS = tuple(parse_field("group" if column == "grp" else column) for column in COLUMNS[:-1])
_SETS = tuple(parse_field(name) for name in POINTED)


def make_row(record: VersionRecord, document: str = "") -> tuple[Stored, ...]:
    """The row of a version, in the order of :data:`COLUMNS`; ``document`` is its record as the index keeps it."""
    values = ((field, field.read(record)) for field in _FIELDS)
    row = [_to_stored(found[0]) if found else None if field.name == "created" else "" for field, found in values]
    return (*row, document)


def list_facts(record: VersionRecord) -> list[tuple[str, str, Stored]]:
    """The facts of a version, as field name, kind and value. No value comes twice for one field."""
    found: list[tuple[str, str, Stored]] = []
    for family in ("params", "metrics", "tags", "annotations"):
        for key, value in getattr(record, family).items():
            kind = type(value)
            if kind is float and value == value:  # noqa: PLR0124 - NaN is what differs from itself
                found.append((f"{family}.{key}", "n", value))
            elif kind is str and value.isascii():
                found.append((f"{family}.{key}", "t", value))
            else:  # the two above are most of all values, and ``to_scalars`` would not change them
                found += [(f"{family}.{key}", KINDS[type(each)], _to_stored(each)) for each in to_scalars(value)]
    seen: set[str] = set()
    for name, values in iter_flat(record.lineage, "lineage."):
        if name not in seen:
            seen.add(name)
            found += [(name, KINDS[type(each)], _to_stored(each)) for each in values]
    for field in _SETS:
        found += [(field.name, KINDS[type(each)], _to_stored(each)) for each in field.read(record)]
    return [
        fact for fact in found if fact[0].isascii() or not any("\ud800" <= letter <= "\udfff" for letter in fact[0])
    ]


def _to_stored(value: Scalar) -> Stored:
    return int(value) if isinstance(value, bool) else value
