"""A set of version numbers, kept as ranges, so that it stays short with 100,000 versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import InvalidInput
from .lazy_dataclass import dataclass
from .text import lazy_pattern

_RANGE = lazy_pattern(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?\Z", re.ASCII)


@dataclass(frozen=True)
class VersionRanges:
    """An immutable set of positive integers; ``ranges`` are sorted, disjoint, inclusive pairs that don't touch."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_numbers(cls, numbers: Iterable[int]) -> VersionRanges:
        return cls._merge((number, number) for number in numbers)

    @classmethod
    def parse(cls, text: str) -> VersionRanges:
        """Read ``1-4, 6``; the empty text is the empty set."""
        found: list[tuple[int, int]] = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            match = _RANGE.match(part)
            low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if low > high:
                raise InvalidInput(f"'{part[:40]}' is not a range of versions", "use a form like 1-4, 6")
            found.append((low, high))
        return cls._merge(found)

    @classmethod
    def _merge(cls, ranges: Iterable[tuple[int, int]]) -> VersionRanges:
        joined: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        return cls(tuple(joined))

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or not self.ranges:
            return False
        from bisect import bisect_right

        at = bisect_right(self.ranges, (number, 10**10)) - 1
        return at >= 0 and self.ranges[at][0] <= number <= self.ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def __or__(self, other: VersionRanges) -> VersionRanges:
        return self._merge((*self.ranges, *other.ranges))

    def __sub__(self, other: VersionRanges) -> VersionRanges:
        left: list[tuple[int, int]] = []
        for low, high in self.ranges:
            start = low
            for cut_low, cut_high in other.ranges:
                if cut_high < start or cut_low > high:
                    continue
                if cut_low > start:
                    left.append((start, cut_low - 1))
                start = cut_high + 1
            if start <= high:
                left.append((start, high))
        return VersionRanges(tuple(left))

    @property
    def highest(self) -> int:
        """The largest number, 0 for the empty set."""
        return self.ranges[-1][1] if self.ranges else 0

    def __str__(self) -> str:
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)
