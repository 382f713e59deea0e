"""The file or folder that a format reader gets: reads are bounded, and counted against the budget of the artifact."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .limits import Budget, Limit, Stopped
from .sources import HEAD, FileSource

if TYPE_CHECKING:
    from .zip_archive import DirectoryEntry

T = TypeVar("T")

#: The most that readers get of one file, in bytes; of all files of an artifact together as much as its budget says.
MOST = 32 << 20
#: The largest documents that are read, in bytes: a configuration; one that may list every part of a model.
CONFIGURATION, DOCUMENT = 1 << 20, 8 << 20
#: The most parts of a JSON document, and fields of a protocol buffer, that are looked at.
NESTED, FIELDS = 500_000, 300_000

#: A short read takes so much at once: the next one is most often nearby.
_AHEAD = 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def iter_objects(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document, however deep; :class:`Stopped` when there is too much of it."""
    pending, seen = [document], 0
    while pending:
        seen += 1
        if seen > NESTED:
            raise Stopped(f"more than {NESTED:,} parts")
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def parse_json(data: bytes) -> Any:
    """A JSON document; None if ``data`` holds none, or one that is nested too deep."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def unless_stopped(read: Callable[[], T], kind: type[Stopped] = Stopped) -> tuple[T | None, str]:
    """What ``read`` returns, or None and what is wrong: for a part without which the rest is still of use."""
    try:
        return read(), ""
    except kind as error:
        return None, str(error)


class ModelFile:
    """One regular file: ``name`` is its path in the artifact, ``head`` its first bytes, ``size`` in bytes.

    ``beside`` are all files of the artifact by their paths in it. ``members`` is the directory of a zip archive, once it
    was read.
    """

    def __init__(self, descriptor: int, name: str, beside: Mapping[str, Path], budget: Budget) -> None:
        self._source = FileSource(descriptor)
        self._budgets = (Budget(read=MOST), budget)
        self.name = name
        self.beside = beside
        self.members: Mapping[str, DirectoryEntry] | None = None
        self.size = self._source.size
        self.head = self._source.at(0, HEAD)
        self._start, self._window = 0, self.head

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, path: Path, name: str, beside: Mapping[str, Path] | None = None, budget: Budget | None = None
    ) -> Iterator[ModelFile]:
        """Open the file at ``path``. Raises OSError, also if it is not a regular file."""
        descriptor = os.open(path, _READ)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "not a regular file", str(path))
            yield cls(descriptor, name, beside or {}, budget or Budget())
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def open_sibling(self, name: str) -> Iterator[ModelFile]:
        """Open another file of the artifact by its path in it; :class:`Stopped` if there is none."""
        if name not in self.beside:
            raise Stopped(f"{name} is missing")
        with ModelFile.opened(self.beside[name], name, self.beside, self._budgets[-1]) as file:
            yield file

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` on; :class:`Stopped` when the file ends before, or a limit is reached."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Stopped("it is cut short")
        place = offset - self._start
        if place >= 0 and place + length <= len(self._window):
            return self._window[place : place + length]
        if length >= _AHEAD:
            return self._fetch(offset, length)
        self._start, self._window = offset, self._fetch(offset, min(_AHEAD, self.size - offset))
        return self._window[:length]

    def _fetch(self, offset: int, length: int) -> bytes:
        for budget in self._budgets:
            if length > budget.read:
                raise Limit("more would have to be read than is read of one artifact")
            budget.read -= length
        data = self._source.at(offset, length)
        if len(data) < length:
            raise Stopped("it was cut while it was read")
        return data

    def at(self, offset: int, length: int) -> bytes:
        """Like :meth:`read`, but fewer bytes at the end, as in every byte source."""
        return self.read(offset, max(0, min(length, self.size - offset))) if 0 <= offset < self.size else b""

    def beginning(self, most: int) -> bytes:
        """The first bytes, ``most`` at the most."""
        return self.read(0, min(most, self.size))

    def ending(self, most: int) -> bytes:
        """The last bytes, ``most`` at the most."""
        length = min(most, self.size)
        return self.read(self.size - length, length)

    def whole(self, most: int) -> bytes:
        """The whole file; :class:`Stopped` when it has more than ``most`` bytes."""
        if self.size > most:
            raise Stopped(f"it has {self.size:,} bytes, more than the {most:,} that are read of such a file")
        return self.read(0, self.size)

    def json(self, most: int = DOCUMENT) -> Any:
        """The JSON document in the file; None if it holds none or has more than ``most`` bytes."""
        return None if self.size > most else parse_json(self.read(0, self.size))


class ModelFolder:
    """A folder of an artifact: ``name`` is its path, empty for the artifact itself; ``files`` are all below, by path."""

    def __init__(self, name: str, files: Mapping[str, Path], budget: Budget | None = None) -> None:
        self.name = name
        self.files = files
        self._budget = budget or Budget()

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[ModelFile]:
        """Open one of its files; :class:`Stopped` if it does not exist."""
        if name not in self.files:
            raise Stopped(f"there is no {name} in it")
        with ModelFile.opened(self.files[name], name, self.files, self._budget) as file:
            yield file

    def whole(self, name: str, most: int) -> bytes:
        with self.opened(name) as file:
            return file.whole(most)

    def json(self, name: str, most: int = CONFIGURATION) -> Any:
        """The JSON document in one of its files, as :meth:`ModelFile.json`; None if the file does not exist."""
        if name not in self.files:
            return None
        with self.opened(name) as file:
            return file.json(most)

    def json_object(self, name: str, most: int = CONFIGURATION) -> dict[str, Any]:
        """Like :meth:`json`, but an empty dictionary for anything that is not an object."""
        document = self.json(name, most)
        return document if isinstance(document, dict) else {}

    def subfolder(self, name: str) -> ModelFolder:
        inside = {path[len(name) + 1 :]: place for path, place in self.files.items() if path.startswith(f"{name}/")}
        return ModelFolder(f"{self.name}/{name}".lstrip("/"), inside, self._budget)
