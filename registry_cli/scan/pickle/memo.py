"""The memo of an unpickler. What is old and no name is forgotten, so that it takes little room."""

from __future__ import annotations

from typing import Any

from ...inspect.binary.limits import Stopped
from .stack_values import FORGOTTEN, Global, LongText

#: The most places. An honest pickle has one for each of its objects.
PLACES = 64 << 20
#: From here on a place is forgotten once so many others were filled after it.
_KEPT, _RECENT = 1 << 20, 1 << 16
#: No pickler skips more places than it has written bytes.
_GAP, _BYTES = 64, 8
_EMPTY = object()


class Memo:
    """Values by place. ``names`` are texts that were names of globals: they are kept, and so are the globals."""

    def __init__(self) -> None:
        self._filled: list[Any] = []
        self._others: dict[int, Any] = {}
        self._count = 0
        self._oldest = 0
        self.names: set[str] = set()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Any:
        value = self._filled[place] if 0 <= place < len(self._filled) else self._others[place]
        if value is _EMPTY:
            raise KeyError(place)
        return value

    def put(self, place: int, value: Any) -> bool:
        """Fill a place; False when it was filled before, with something else."""
        filled = self._filled
        if len(filled) < place <= len(filled) + _GAP and not self._others:
            filled += [_EMPTY] * (place - len(filled))  # Python 2 began with one; optimized pickles leave places out
        if place == len(filled) and not self._others:
            filled.append(value)
            self._count += 1
            if place >= _KEPT:
                self._forget(place)
            return True
        if place < len(filled):
            before, filled[place] = filled[place], value
        else:
            before = self._others.get(place, _EMPTY)
            if len(self._others) >= _KEPT and place not in self._others:
                raise Stopped(f"its memo has more than {_KEPT:,} places out of order", limit=True)
            self._others[place] = value
        if before is _EMPTY:
            self._count += 1
            return True
        return before is value

    def memoize(self, value: Any) -> None:
        """Fill the place whose number is that of the places that are filled."""
        place = self._count
        if place == len(self._filled) and not self._others:
            self._filled.append(value)
            self._count = place + 1
            if place >= _KEPT:
                self._forget(place)
        else:
            self.put(place, value)

    def _forget(self, place: int) -> None:
        if place >= PLACES:
            raise Stopped(f"its memo has more than {PLACES:,} places", limit=True)
        value = self._filled[self._oldest]
        if value is not _EMPTY and not (
            isinstance(value, (Global, LongText)) or (type(value) is str and value in self.names)
        ):
            self._filled[self._oldest] = FORGOTTEN
        self._oldest += 1


def is_too_far(place: int, filled: int, offset: int) -> bool:
    """Whether no pickler would have written this place by now, after so many bytes."""
    return place > filled + _GAP + _BYTES * offset
