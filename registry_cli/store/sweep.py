"""Comparing the marks of many files with those that are remembered, on several processors where there are.

One call to the system for each file is nearly all of the time that an answer from the index takes, and threads don't
share it: each call is too short to let another thread in. Forked children compare, a part each, while their parent goes
on. They touch nothing of the index, say which models changed, and end; whatever goes wrong with one, its part is
compared here.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
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


class _Piece(NamedTuple):
    """A part of a model: the items from ``start`` up to ``end``, and its head if they are the first."""

    model: int
    start: int
    end: int

    @property
    def weight(self) -> int:
        return self.end - self.start + (0 if self.start else _HEAD)


class Sweep:
    """The comparison of ``models``, which lie below ``root``, begun as soon as this is made. :meth:`end` tells the rest."""

    def __init__(self, root: str, models: Sequence[Known]) -> None:
        self._root, self._models = root, models
        pieces = list(_pieces(models))
        most = processors()
        total = sum(piece.weight for piece in pieces) if most > 1 else 0
        self._shares = list(_shared(pieces, total, most)) if total >= _WORTH_A_CHILD else [pieces]
        self._children = [Child.start(self._work(share)) for share in self._shares] if len(self._shares) > 1 else []

    def end(self) -> set[str]:
        """The names of those that are not as they were."""
        found: set[int] = set()
        try:
            for at, share in enumerate(self._shares):
                told = self._told(at)
                found |= set(_compared(self._root, self._models, share)) if told is None else told
        finally:
            self.abandon()
        return {self._models[at].name for at in found}

    def abandon(self) -> None:
        """What was asked is not wanted any more."""
        while self._children:
            if child := self._children.pop():
                child.stop()

    def _told(self, at: int) -> set[int] | None:
        """What a child found; None when there is none, or it did not come to its end."""
        child = self._children[at] if self._children else None
        data = child.read(8 * len(self._models) + 8) if child else b""
        found = array("q", data[: len(data) // 8 * 8])
        return set(found[:-1]) if found and found[-1] == -1 else None

    def _work(self, share: Sequence[_Piece]) -> Callable[[Callable[[bytes], None]], None]:
        def work(write: Callable[[bytes], None]) -> None:
            os.chdir(self._root)  # short paths are looked up faster
            write(array("q", [*dict.fromkeys(_compared("", self._models, share)), -1]).tobytes())

        return work


def _pieces(models: Sequence[Known]) -> Iterator[_Piece]:
    for at, model in enumerate(models):
        most = len(model.keys) // KEY
        for start in range(0, max(most, 1), _PIECE):
            yield _Piece(at, start, min(start + _PIECE, most))


def _shared(pieces: Sequence[_Piece], total: int, parts: int) -> Iterator[Sequence[_Piece]]:
    """The pieces in parts of about the same weight."""
    begun = sofar = done = 0
    for at, piece in enumerate(pieces, 1):
        sofar += piece.weight
        if sofar * parts >= total * (done + 1):
            yield pieces[begun:at]
            begun, done = at, done + 1


def _compared(root: str, models: Sequence[Known], pieces: Sequence[_Piece]) -> Iterator[int]:
    """The places of the models of which a piece is not as it was. ``root`` is empty for the folder we are in."""
    prefix = f"{root}/" if root else ""
    for at, start, end in pieces:
        name, head, keys, items = models[at]
        if end - start != len(keys) // KEY:
            keys, items = keys[start * KEY : end * KEY], items[start * BYTES : end * BYTES]
        if not same(prefix + name, b"" if start else head, keys, items):
            yield at
