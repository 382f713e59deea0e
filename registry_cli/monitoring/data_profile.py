"""Profiles of data: what each column looks like, and how far the columns of other data are from it.

A profile has, for each column, how many values it has and lacks, and either the shares between its deciles (numbers) or
its most frequent values (texts). The distances are the population stability index (PSI) and the Jensen-Shannon distance
with base 2, both over the bins of the profile.
"""

from __future__ import annotations

import json
import math
import random
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..core.lazy_dataclass import Record, dataclass, field
from ..errors import Damaged, InvalidInput

FORMAT = 1
#: The largest profile, in bytes.
LIMIT = 256 << 10
#: How many bins a column of numbers has, and how many values of a column of texts are counted by themselves.
BINS, VALUES = 10, 50
#: Of a longer column of numbers so many are drawn at random, with a fixed seed; of texts so many are told apart.
MOST_VALUES = 1_000_000
#: A longer text is cut.
_TEXT = 100
#: A share is never taken for less than this: the index of an empty bin would be infinite.
FLOOR = 1e-4
NUMBER, TEXT = "number", "text"


@dataclass(frozen=True)
class ColumnProfile:
    """A column: its ``kind`` is ``number`` or ``text``; ``count`` are its values, ``missing`` its empty cells.

    ``edges`` are where the bins of numbers end (each belongs to the bin below it), ``shares`` how much of the values is
    in each bin, one more than there are edges. ``values`` are the shares of the most frequent texts; the rest is what is
    missing to 1.
    """

    name: str
    kind: str
    count: int
    missing: int
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    mean: float | None = None

    @property
    def missing_share(self) -> float:
        """Which share of the cells is empty, from 0 to 1."""
        return self.missing / (self.count + self.missing) if self.count + self.missing else 0.0


@dataclass(frozen=True)
class DataProfile:
    """The columns of a table with ``rows`` rows."""

    rows: int
    columns: tuple[ColumnProfile, ...]

    def encode(self) -> bytes:
        """The profile as JSON with sorted keys. Raises :class:`InvalidInput` for one over :data:`LIMIT`."""
        columns = {
            each.name: {
                "kind": each.kind, "count": each.count, "missing": each.missing, "mean": each.mean,
                **({"edges": each.edges, "shares": each.shares} if each.kind == NUMBER else {"values": each.values}),
            }
            for each in self.columns
        }  # fmt: skip
        document = {"format": FORMAT, "rows": self.rows, "columns": columns}
        data = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"
        if len(data) > LIMIT:
            raise InvalidInput(
                f"the profile has {len(data):,} bytes, more than {LIMIT:,}", "choose some with `columns`"
            )
        return data

    @classmethod
    def decode(cls, data: bytes, what: str) -> DataProfile:
        """Read what :meth:`encode` wrote. Raises :class:`Damaged`."""
        try:
            document = json.loads(data)
            columns = [
                ColumnProfile(
                    name, each["kind"], int(each["count"]), int(each["missing"]), tuple(map(float, each.get("edges", ()))),
                    tuple(map(float, each.get("shares", ()))), {str(k): float(v) for k, v in each.get("values", {}).items()},
                    each["mean"],
                )
                for name, each in document["columns"].items()
            ]  # fmt: skip
            return cls(int(document["rows"]), tuple(columns))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{what} is not a profile: {error!r:.100}") from None


@dataclass(frozen=True)
class ColumnDrift(Record):
    """How far a column is from its profile.

    ``psi`` and ``distance`` (Jensen-Shannon, 0 to 1) are None where there is nothing to compare. ``note`` says what else
    differs: the column is missing or new, is of another kind, or has new values. ``count`` are the values compared.
    """

    name: str
    psi: float | None
    distance: float | None
    count: int
    missing_share: float
    missing_before: float
    note: str = ""


class _Column:
    """The values of one column as they come: numbers as long as all of them are, else texts."""

    def __init__(self) -> None:
        self.missing = self.count = 0
        self.is_number = True
        self._numbers = array("d")
        self._texts: Counter[str] = Counter()
        self._random = random.Random(0)  # noqa: S311  # a sample, nothing secret
        self._sum = 0.0

    @property
    def missing_share(self) -> float:
        return self.missing / ((self.count + self.missing) or 1)

    def add(self, value: object) -> None:
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            self.missing += 1
            return
        self.count += 1
        number = _to_number(value)
        if self.is_number and number is None:
            self.is_number = False
            self._texts.update(f"{each:g}" for each in self._numbers)
        if not self.is_number:
            text = str(value)[:_TEXT] if number is None else f"{number:g}"
            if text in self._texts or len(self._texts) < MOST_VALUES:
                self._texts[text] += 1
        elif number is not None:
            self._sum += number
            if len(self._numbers) < MOST_VALUES:
                self._numbers.append(number)
            elif (at := self._random.randrange(self.count)) < MOST_VALUES:
                self._numbers[at] = number

    def profile(self, name: str) -> ColumnProfile:
        if not self.is_number or not self.count:
            common = sorted(self._texts.most_common(VALUES))
            shares = {text: count / self.count for text, count in common}
            return ColumnProfile(name, TEXT, self.count, self.missing, values=shares)
        ordered = sorted(self._numbers)
        edges = compute_edges(ordered)
        shares_between = compute_shares(ordered, edges)
        mean = self._sum / self.count
        return ColumnProfile(name, NUMBER, self.count, self.missing, edges, shares_between, mean=mean)

    def compare(self, before: ColumnProfile) -> ColumnDrift:
        common = (self.count, self.missing_share, before.missing_share)
        if not self.count or not before.count:
            return ColumnDrift(before.name, None, None, *common, "no values")
        if before.kind == NUMBER:
            if not self.is_number:
                return ColumnDrift(before.name, None, None, *common, "has texts, the profile numbers")
            old, new, note = before.shares, compute_shares(sorted(self._numbers), before.edges), ""
        else:
            old, new, note = self._compare_texts(before)
        return ColumnDrift(before.name, compute_psi(old, new), compute_jensen_shannon(old, new), *common, note)

    def _compare_texts(self, before: ColumnProfile) -> tuple[tuple[float, ...], tuple[float, ...], str]:
        """The shares of the values of a profile, before and now, with that of all others last; and what is new."""
        texts = Counter(f"{each:g}" for each in self._numbers) if self.is_number else self._texts
        total = sum(texts.values())
        now = [texts[text] / total for text in before.values]
        rests = [max(0.0, 1 - math.fsum(shares)) for shares in (before.values.values(), now)]
        new = sorted(texts.keys() - before.values.keys()) if len(before.values) < VALUES else []
        note = f"new values: {', '.join(new[:3])}{', …' if len(new) > 3 else ''}" if new else ""
        return (*before.values.values(), rests[0]), (*now, rests[1]), note


def compute_edges(ordered: Sequence[float]) -> tuple[float, ...]:
    """The deciles of sorted numbers, each once, as ``numpy.quantile`` has them (linear between neighbours)."""
    found = []
    for part in range(1, BINS):
        place = part / BINS * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return tuple(dict.fromkeys(found))


def compute_shares(ordered: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    """Which share of the numbers is in each bin; a number that is an edge belongs to the bin below it."""
    counts = [0] * (len(edges) + 1)
    for number in ordered:
        counts[bisect_left(edges, number)] += 1
    return tuple(count / len(ordered) for count in counts) if ordered else tuple(0.0 for _ in counts)


def compute_psi(before: Sequence[float], now: Sequence[float]) -> float:
    """The population stability index of two lists of shares: the sum of ``(now - before) * ln(now / before)``.

    No share is taken for less than :data:`FLOOR`.
    """
    pairs = [(max(old, FLOOR), max(new, FLOOR)) for old, new in zip(before, now, strict=True)]
    return math.fsum((new - old) * math.log(new / old) for old, new in pairs)


def compute_jensen_shannon(before: Sequence[float], now: Sequence[float]) -> float:
    """The Jensen-Shannon distance of two lists of shares, with base 2: from 0 for equal ones to 1."""
    terms = []
    for old, new in zip(before, now, strict=True):
        middle = (old + new) / 2
        terms += [share * math.log2(share / middle) for share in (old, new) if share > 0]
    return math.sqrt(max(0.0, math.fsum(terms) / 2))


def _to_number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        number = float(value)
    else:
        try:
            number = float(str(value))
        except ValueError:
            return None
    return number if math.isfinite(number) else None


def build_profile(rows: Iterable[Mapping[str, object]], wanted: Callable[[str], bool]) -> DataProfile:
    """The profile of a table.

    Args:
        rows: Its rows, each a mapping of the same columns.
        wanted: Whether a column is profiled.

    Raises:
        InvalidInput: There is no row, or no column is wanted.
    """
    count, columns = _collect(rows, wanted)
    return DataProfile(count, tuple(columns[name].profile(name) for name in sorted(columns)))


def compute_drift(profile: DataProfile, rows: Iterable[Mapping[str, object]]) -> tuple[int, tuple[ColumnDrift, ...]]:
    """How far the columns of a table are from those of a profile: the number of its rows, and one entry a column.

    Raises:
        InvalidInput: There is no row, or no column.
    """
    count, columns = _collect(rows, lambda _: True)
    known = {each.name: each for each in profile.columns}
    found = [_compare(each, columns.get(name)) for name, each in known.items()]
    found += [
        ColumnDrift(name, None, None, column.count, column.missing_share, 0.0, "new column")
        for name, column in columns.items()
        if name not in known
    ]
    return count, tuple(sorted(found, key=lambda each: (-(each.psi if each.psi is not None else math.inf), each.name)))


def _collect(rows: Iterable[Mapping[str, object]], wanted: Callable[[str], bool]) -> tuple[int, dict[str, _Column]]:
    columns: dict[str, _Column] = {}
    count = 0
    for row in rows:
        count += 1
        for name, value in row.items():
            if name not in columns:
                if not wanted(name):
                    continue
                columns[name] = _Column()
            columns[name].add(value)
    if not count:
        raise InvalidInput("the data has no rows")
    if not columns:
        raise InvalidInput("no column was chosen", "check the names in `columns`")
    return count, columns


def _compare(before: ColumnProfile, column: _Column | None) -> ColumnDrift:
    if column is None:
        return ColumnDrift(before.name, None, None, 0, 1.0, before.missing_share, "missing column")
    return column.compare(before)


def parse_rows(document: Any) -> Iterable[Mapping[str, object]]:
    """The rows of a mapping of columns, or of a data frame of pandas or polars.

    Raises:
        InvalidInput: It is neither, or its columns differ in length.
    """
    if hasattr(document, "columns") and hasattr(document, "__getitem__"):
        document = {str(name): list(document[name]) for name in document.columns}
    if not isinstance(document, Mapping):
        raise InvalidInput("the data is not a table", "give a file, a data frame, or a mapping of columns")
    columns = {str(name): list(values) for name, values in document.items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise InvalidInput("the columns of the data differ in length")
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
