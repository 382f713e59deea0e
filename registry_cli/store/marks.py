"""Identities of files: how the index knows, without opening anything, what changed since it looked last.

A mark is four numbers: inode, size, and the times of the last change of content and of status, in nanoseconds. No
program can set the last one, so that a file which was restored with its old time and size, or whose clock was set back,
has another mark all the same.

A change within the tick of the clock in which we looked would leave the mark as it was (git calls such a file racy).
What changed less than two seconds ago is therefore stored as unknown, and looked at again the next time.
"""

from __future__ import annotations

import os
import struct
import time
from array import array
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

from ..core import names
from . import layout
from .layout import Layout

#: Numbers in the head of a model: a mark each for its folder, stages.yaml, model.yaml, versions/ and annotations/.
_HEAD = (".", layout.STAGES, layout.MODEL, layout.VERSIONS, layout.ANNOTATIONS)
_VERSIONS_AT, _ANNOTATIONS_AT = 12, 16
#: Bytes of a key and of a mark, as they are stored.
KEY, BYTES = 8, 32
_STEP = 256
_MOST = (1 << 63) - 1
_MISSING = (-1, -1, -1, -1)
_UNKNOWN = (0, 0, 0, 0)
_RACY = 2_000_000_000
_MARK = attrgetter("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_STORED = struct.Struct("4q").iter_unpack


def mark(path: str) -> tuple[int, int, int, int]:
    """The mark of whatever is at ``path``; of nothing, if nothing is."""
    try:
        status = os.lstat(path)
    except OSError:
        return _MISSING
    return (status.st_ino & _MOST, status.st_size, status.st_mtime_ns & _MOST, status.st_ctime_ns & _MOST)


def settled_mark(path: str) -> tuple[int, int, int, int] | None:
    """The mark of a file that changed long enough ago; None otherwise."""
    found = mark(path)
    return None if max(found[2:]) > time.time_ns() - _RACY or found == _MISSING else found


class Marks:
    """The marks of one model: ``head``, and for each of ``keys`` (a version, or minus that for its annotation) one in
    ``items``.
    """

    __slots__ = ("head", "items", "keys")

    def __init__(self, head: array[int], keys: array[int], items: array[int]) -> None:
        self.head, self.keys, self.items = head, keys, items

    @classmethod
    def load(cls, head: bytes, keys: bytes, items: bytes) -> Marks:
        return cls(array("q", head), array("q", keys), array("q", items))

    def changed(self, before: Marks) -> tuple[set[int], set[int]]:
        """The versions whose documents are new or other than ``before``, and those that are gone."""
        old, new = before._between(*self._span(before)), self._between(*self._span(before))
        other = {abs(key) for key, value in new.items() if old.get(key) != value}
        lost = old.keys() - new.keys()
        gone = {key for key in lost if key > 0}
        return other | {-key for key in lost if key < 0} - gone, gone

    def settled(self, before: Marks, unreadable: set[int]) -> Marks:
        """The marks to be stored: what changed a moment ago is unknown, and so is what could not be read."""
        limit = time.time_ns() - _RACY
        start, end = self._span(before)
        items = array("q", self.items)
        for at in range(start, len(self.keys) - end):
            if max(items[at * 4 + 2 : at * 4 + 4]) > limit or abs(self.keys[at]) in unreadable:
                items[at * 4 : at * 4 + 4] = array("q", _UNKNOWN)
        head = array("q", self.head)
        for at in range(0, len(head), 4):
            if max(head[at + 2 : at + 4]) > limit:
                head[at : at + 4] = array("q", _UNKNOWN)
        return Marks(head, self.keys, items)

    def of(self, versions: Container[int]) -> tuple[bytes, bytes]:
        """Keys and items of these versions only, with their annotations."""
        keys, items = array("q"), array("q")
        for at, key in enumerate(self.keys):
            if abs(key) in versions:
                keys.append(key)
                items.extend(self.items[at * 4 : at * 4 + 4])
        return keys.tobytes(), items.tobytes()

    def _span(self, before: Marks) -> tuple[int, int]:
        """How many items at the start, and at the end, are as they were: with 100,000 versions nearly all."""
        most = min(len(before.keys), len(self.keys)) // _STEP * _STEP
        start = end = 0
        while start < most and self._part(start) == before._part(start):
            start += _STEP
        while start + end < most and (
            self._part(len(self.keys) - end - _STEP) == before._part(len(before.keys) - end - _STEP)
        ):
            end += _STEP
        return start, end

    def _part(self, start: int) -> tuple[array[int], array[int]]:
        return self.keys[start : start + _STEP], self.items[start * 4 : (start + _STEP) * 4]

    def _between(self, start: int, end: int) -> dict[int, tuple[int, ...]]:
        items = self.items
        return {self.keys[at]: tuple(items[at * 4 : at * 4 + 4]) for at in range(start, len(self.keys) - end)}


def look(base: str, before: Marks | None) -> Marks:
    """The marks of the model in the folder ``base`` now. The folders are listed only if they changed since ``before``."""
    head = _head(base)
    keys = _keys(base, head, before)
    return Marks(head, keys, _items(base, keys))


def ask_server(base: str) -> None:
    """Open the model's folder and its stages.yaml: only then a network file system asks its server how they are."""
    for path in (base, f"{base}/{layout.STAGES}"):
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))


def same(base: str, head: bytes, keys: bytes, items: bytes) -> bool:
    """Whether a model is as these marks say: its ``head``, if one is given, and the versions and annotations of ``keys``.

    Nothing is listed: who is there the head says. ``base`` is empty for the folder we are in.
    """
    paths: Iterable[str] = _here(bool(head), keys)
    if base:
        paths = [f"{base}/{path}" for path in paths]
    try:  # the hot lines: one call to the system for each document, and nothing in Python between them
        if list(map(_MARK, map(os.lstat, paths))) == list(_STORED(head + items)):
            return True
    except (OSError, struct.error):
        pass
    now = array("q")  # something is other, or missing, or was missing before
    for path in paths:
        now.extend(mark(path))
    return now.tobytes() == head + items


@lru_cache(maxsize=32)
def _here(head: bool, keys: bytes) -> tuple[str, ...]:
    """What there is a mark of, seen from the model's folder. Most models have the same numbers."""
    return (*(_HEAD if head else ()), *_paths(array("q", keys)))


def _head(base: str) -> array[int]:
    head = array("q")
    for name in _HEAD:
        head.extend(mark(f"{base}/{name}"))
    return head


def _keys(base: str, head: array[int], before: Marks | None) -> array[int]:
    """Whom there are marks of: the versions, then the annotations."""
    if before and head[_VERSIONS_AT:] == before.head[_VERSIONS_AT:]:
        return before.keys
    versions = (layout.version_of(name) for name in _listed(f"{base}/{layout.VERSIONS}"))
    said = (layout.version_of(name[:-5]) for name in _listed(f"{base}/{layout.ANNOTATIONS}") if name[-5:] == ".yaml")
    annotations = sorted(number for number in said if number)
    return array("q", [*sorted(number for number in versions if number), *(-number for number in annotations)])


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _paths(keys: Iterable[int]) -> Iterator[str]:
    for key in keys:
        yield f"{layout.VERSIONS}/{key}/{layout.VERSION}" if key > 0 else f"{layout.ANNOTATIONS}/{-key}.yaml"


def _items(base: str, keys: Iterable[int]) -> array[int]:
    items = array("q")
    for path in _paths(keys):
        items.extend(mark(f"{base}/{path}"))
    return items


def models(root: str, known: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """The name and the folder of every model below ``root``, in order. A folder without a model.yaml is a group.

    Those that are ``known`` were models when somebody looked last: they are not looked at.
    """
    for name in folders(root, "", known):
        base = f"{root}/{name}"
        if name in known or mark(f"{base}/{layout.MODEL}") != _MISSING:
            yield name, base
            continue
        for child in folders(base, f"{name}/", known):
            whole = f"{name}/{child}"
            if whole in known or mark(f"{base}/{child}/{layout.MODEL}") != _MISSING:
                yield whole, f"{base}/{child}"


def model_names(root: Layout) -> Iterator[str]:
    """The names of all models, in order; a folder without a ``model.yaml`` is a group, and looked into."""
    return (name for name, _ in models(str(root.models)))


def folders(root: str, prefix: str, known: Container[str]) -> list[str]:
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if prefix + name in known or names.is_model_name(prefix + name))
