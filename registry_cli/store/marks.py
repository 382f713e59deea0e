"""Identities of files: how the index knows, without opening anything, what changed since it looked last.

A mark is four numbers: inode, size, and the times of the last change of content and of status, in nanoseconds. No
program can set the last one, so that a file which was restored with its old time and size, or whose clock was set back,
has another mark all the same.

A change within the tick of the clock in which we looked would leave the mark as it was (git calls such a file racy).
What changed less than two seconds ago is therefore stored as unknown, and looked at again the next time.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Container, Iterable, Iterator

from .. import names
from . import layout

#: Numbers in the head of a model: a mark each for its folder, stages.yaml, model.yaml, versions/ and annotations/.
_HEAD = (
    "",
    f"/{layout.STAGES}",
    f"/{layout.MODEL}",
    f"/{layout.VERSIONS}",
    f"/{layout.ANNOTATIONS}",
)
_VERSIONS_AT, _ANNOTATIONS_AT = 12, 16
#: Numbers of an item: what it belongs to (a version, or minus that for its annotation), and its mark.
WIDTH = 5
BYTES = 8 * WIDTH
_STEP = WIDTH * 256
_MOST = (1 << 63) - 1
_MISSING = (-1, -1, -1, -1)
_NOTHING = [*_MISSING]
_UNKNOWN = (0, 0, 0, 0)
_RACY = 2_000_000_000


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
    """The marks of one model: ``head``, and ``items``, :data:`WIDTH` numbers for each version and annotation."""

    __slots__ = ("head", "items")

    def __init__(self, head: array[int], items: array[int]) -> None:
        self.head, self.items = head, items

    @classmethod
    def load(cls, head: bytes, items: bytes) -> Marks:
        return cls(array("q", head), array("q", items))

    def changed(self, before: Marks) -> tuple[set[int], set[int]]:
        """The versions whose documents are new or other than ``before``, and those that are gone."""
        old, new = before._between(*self._span(before)), self._between(*self._span(before))
        other = {abs(key) for key, value in new.items() if old.get(key) != value}
        lost = old.keys() - new.keys()
        gone = {key for key in lost if key > 0}
        return other | {-key for key in lost if key < 0} - gone, gone

    def settled(self, before: Marks, unreadable: set[int]) -> tuple[bytes, bytes]:
        """Head and items to be stored: what changed a moment ago is unknown, and so is what could not be read."""
        limit = time.time_ns() - _RACY
        start, end = self._span(before)
        items = array("q", self.items)
        for at in range(start, len(items) - end, WIDTH):
            if items[at + 3] > limit or items[at + 4] > limit or abs(items[at]) in unreadable:
                items[at + 1 : at + WIDTH] = array("q", _UNKNOWN)
        head = array("q", self.head)
        for at in range(0, len(head), 4):
            if head[at + 2] > limit or head[at + 3] > limit:
                head[at : at + 4] = array("q", _UNKNOWN)
        return head.tobytes(), items.tobytes()

    def _span(self, before: Marks) -> tuple[int, int]:
        """How many numbers at the start, and at the end, are as they were: with 100,000 versions nearly all."""
        old, new = before.items, self.items
        most = min(len(old), len(new)) // _STEP * _STEP
        start = end = 0
        while start < most and old[start : start + _STEP] == new[start : start + _STEP]:
            start += _STEP
        while (
            start + end < most
            and old[len(old) - end - _STEP : len(old) - end] == new[len(new) - end - _STEP : len(new) - end]
        ):
            end += _STEP
        return start, end

    def _between(self, start: int, end: int) -> dict[int, tuple[int, ...]]:
        items = self.items
        return {items[at]: tuple(items[at + 1 : at + WIDTH]) for at in range(start, len(items) - end, WIDTH)}


def look(base: str, before: Marks | None) -> Marks:
    """The marks of the model in the folder ``base`` now. The folders are listed only if they changed since ``before``."""
    head = _head(base)
    return Marks(head, _items(base, *_keys(base, head, before)))


def ask_server(base: str) -> None:
    """Open the model's folder and its stages.yaml: only then a network file system asks its server how they are."""
    for path in (base, f"{base}/{layout.STAGES}"):
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))


def same(base: str, head: bytes | None, items: bytes, shown: Iterable[int] | None = None) -> bool:
    """Whether a model is as these marks say: its ``head``, if one is given, and the versions and annotations in ``items``.

    With ``shown``, only those of them that belong to these versions. Nothing is listed: who is there the head says.
    """
    if head is not None and not _same_head(base, array("q", head)):
        return False
    known = array("q", items)
    if shown is not None:
        return _same_versions(base, known, shown)
    prefix, suffix, lstat = f"{base}/{layout.VERSIONS}/", f"/{layout.VERSION}", os.lstat
    numbers = iter(known)
    for key, inode, size, changed, touched in zip(numbers, numbers, numbers, numbers, numbers, strict=True):
        if key < 0:
            if mark(f"{base}/{layout.ANNOTATIONS}/{-key}.yaml") != (inode, size, changed, touched):
                return False
            continue
        try:  # the hot line: one call to the system for each document
            status = lstat(f"{prefix}{key}{suffix}")
        except OSError:
            return False
        if (
            status.st_mtime_ns & _MOST != changed
            or status.st_ctime_ns & _MOST != touched
            or status.st_ino & _MOST != inode
            or status.st_size != size
        ):
            return False
    return True


def _same_versions(base: str, items: array[int], versions: Iterable[int]) -> bool:
    keys = items[::WIDTH]
    for number in versions:
        for key in (number, -number):
            try:
                at = keys.index(key) * WIDTH
            except ValueError:
                if key > 0:
                    return False
                continue  # without an annotation; that there is none the head says
            if items[at : at + WIDTH] != _items(base, [key] if key > 0 else [], [-key] if key < 0 else []):
                return False
    return True


def _same_head(base: str, before: array[int]) -> bool:
    """Compared one by one. What was not in the folder is not looked for: had it come, the folder would be another."""
    numbers = iter(before)
    for name, *was in zip(_HEAD, numbers, numbers, numbers, numbers, strict=True):
        if not (name and was == _NOTHING) and [*mark(base + name)] != was:
            return False
    return True


def _head(base: str) -> array[int]:
    head = array("q")
    for name in _HEAD:
        head.extend(mark(base + name))
    return head


def _keys(base: str, head: array[int], before: Marks | None) -> tuple[list[int], list[int]]:
    """The numbers of the versions and of the annotations that are there."""
    if before and head[_VERSIONS_AT:] == before.head[_VERSIONS_AT:]:
        keys = before.items[::WIDTH].tolist()
        return [key for key in keys if key > 0], [-key for key in keys if key < 0]
    versions = (layout.version_of(name) for name in _listed(f"{base}/{layout.VERSIONS}"))
    said = (layout.version_of(name[:-5]) for name in _listed(f"{base}/{layout.ANNOTATIONS}") if name[-5:] == ".yaml")
    return sorted(number for number in versions if number), sorted(number for number in said if number)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _items(base: str, versions: Iterable[int], annotations: Iterable[int]) -> array[int]:
    """The hot loop: one call to the system for each document."""
    items = array("q")
    extend, lstat = items.extend, os.lstat
    prefix, suffix = f"{base}/{layout.VERSIONS}/", f"/{layout.VERSION}"
    for number in versions:
        try:
            status = lstat(f"{prefix}{number}{suffix}")
        except OSError:
            extend((number, *_MISSING))
            continue
        extend((number, status.st_ino & _MOST, status.st_size, status.st_mtime_ns & _MOST, status.st_ctime_ns & _MOST))
    for number in annotations:
        extend((-number, *mark(f"{base}/{layout.ANNOTATIONS}/{number}.yaml")))
    return items


def models(root: str, known: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """The name and the folder of every model below ``root``, in order. A folder without a model.yaml is a group.

    Those that are ``known`` were models when somebody looked last: they are not looked at.
    """
    for name in _folders(root, ""):
        base = f"{root}/{name}"
        if name in known or mark(f"{base}/{layout.MODEL}") != _MISSING:
            yield name, base
            continue
        for child in _folders(base, f"{name}/"):
            whole = f"{name}/{child}"
            if whole in known or mark(f"{base}/{child}/{layout.MODEL}") != _MISSING:
                yield whole, f"{base}/{child}"


def _folders(root: str, prefix: str) -> list[str]:
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if names.is_model_name(prefix + name))
