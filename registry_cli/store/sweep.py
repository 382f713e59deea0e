"""Comparing the marks of many files with those that are remembered, on several processors where there are.

One call to the system for each file is nearly all of the time that an answer from the index takes, and threads don't
share it: each call is too short to let another thread in. Forked children compare, a part each, while their parent goes
on. They touch nothing of the index, say which models changed, and end; whatever goes wrong with one, its part is
compared here.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from .forks import Child, processors
from .marks import BYTES, KEY, same

#: Files below which a child costs more than it saves.
_WORTH_A_CHILD = 5_000
#: Versions and annotations compared in one piece; a larger model is shared.
_PIECE = 4_096
#: What the head of a model weighs, in files.
_HEAD = 5


class Known(NamedTuple):
    """A model as it was when somebody looked last: its marks, and to which versions and annotations they belong."""

    name: str
    head: bytes
    keys: bytes
    items: bytes


#: A part of a model, which is at this place among the models: its items from a start up to an end. With the first goes
#: the head.
_Piece = tuple[int, int, int]


class Sweep:
    """The comparison of ``models``, which lie below ``root``, begun as soon as this is made. :meth:`end` tells the rest."""

    def __init__(self, root: str, models: Sequence[Known]) -> None:
        self._root, self._models = root, models
        self._shares = _shared(_pieces(models), processors())
        self._children = [Child.start(self._work(share)) for share in self._shares] if len(self._shares) > 1 else []

    def end(self) -> set[str]:
        """The names of those that are not as they were."""
        found: set[int] = set()
        try:
            for at, share in enumerate(self._shares):
                told = self._told(at)
                found |= set(_compared(self._folder, self._models, share)) if told is None else told
        finally:
            self.abandon()
        return {self._models[at].name for at in found}

    def abandon(self) -> None:
        """What was asked is not wanted any more."""
        while self._children:
            if child := self._children.pop():
                child.stop()

    def _folder(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _told(self, at: int) -> set[int] | None:
        """What a child found; None when there is none, or it did not come to its end."""
        child = self._children[at] if self._children else None
        data = child.read(8 * len(self._models) + 8) if child else b""
        found = array("q", data[: len(data) // 8 * 8])
        return set(found[:-1]) if found and found[-1] == -1 else None

    def _work(self, share: Sequence[_Piece]) -> Callable[[Callable[[bytes], None]], None]:
        def work(write: Callable[[bytes], None]) -> None:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)

            def there(name: str) -> str:  # in the model's folder: the shorter a path, the faster it is looked up
                os.chdir(root)
                os.chdir(name)
                return ""

            write(array("q", [*dict.fromkeys(_compared(there, self._models, share)), -1]).tobytes())

        return work


def _pieces(models: Sequence[Known]) -> list[_Piece]:
    counts = [len(model.keys) // KEY for model in models]
    return [
        (at, start, min(start + _PIECE, count))
        for at, count in enumerate(counts)
        for start in range(0, max(count, 1), _PIECE)
    ]


def _shared(pieces: Sequence[_Piece], most: int) -> list[Sequence[_Piece]]:
    """The pieces in at most so many parts of about the same weight; in one, if more are not worth it."""
    weights = list(accumulate(end - start + (0 if start else _HEAD) for _, start, end in pieces))
    if not weights or weights[-1] < _WORTH_A_CHILD or most < 2:
        return [pieces]
    cuts = [bisect_left(weights, weights[-1] * part / most) + 1 for part in range(1, most)]
    return [pieces[start:end] for start, end in pairwise((0, *cuts, len(pieces))) if start < end]


def _compared(there: Callable[[str], str], models: Sequence[Known], pieces: Sequence[_Piece]) -> Iterator[int]:
    """The places of the models of which a piece is not as it was. ``there`` gives the folder of a model by its name."""
    for at, start, end in pieces:
        name, head, keys, items = models[at]
        if end - start != len(keys) // KEY:
            keys, items = keys[start * KEY : end * KEY], items[start * BYTES : end * BYTES]
        try:
            unchanged = same(there(name), b"" if start else head, keys, items)
        except OSError:  # it is gone, or no folder any more
            unchanged = False
        if not unchanged:
            yield at
