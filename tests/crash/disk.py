"""A model of a disk that forgets: what may be left of a recorded run when the power goes.

Each call is an operation on one inode: an entry of a folder (made, taken away, renamed within it), or bytes appended
to a file. ``fsync`` of an inode makes its earlier operations last, and nothing else does, but ``syncfs``. Whatever is
not lasting when the power goes may have come to the disk or not, in any combination; a write may have come in half.
Of one inode what is kept keeps its order. A rename from one folder to another is an operation on each of them, as if no
file system did it in one step: it may be at both places, or at none. Modes are taken to last at once: no promise of the store depends on them.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.crash.shim import Call

ROOT = 0
#: Up to so many operations in the air every subset of them is tried.
EXHAUSTIVE = 9
_RANDOM = 60


@dataclass(frozen=True)
class Operation:
    """``owner`` is the inode whose ``fsync`` makes it last; ``node`` the inode that a name is given to or taken from."""

    kind: str
    owner: int
    name: str = ""
    node: int = 0
    data: bytes = b""
    target: str = ""


@dataclass
class Image:
    """A disk: the names in each folder, the bytes of each file, where links lead; modes, shared by all images."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    contents: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Image:
        """What is in a folder now; all of it lasts."""
        image, known = cls(), {os.lstat(root).st_ino: ROOT}
        image.modes[ROOT] = stat.S_IMODE(os.lstat(root).st_mode)
        for folder, folders, names in os.walk(root):
            here = known[os.lstat(folder).st_ino]
            for name in sorted((*folders, *names)):
                path = Path(folder, name)
                status = path.lstat()
                node = known.setdefault(status.st_ino, len(known))
                image.folders[here][name] = node
                image._fill(node, path, status.st_mode)
        return image

    def _fill(self, node: int, path: Path, mode: int) -> None:
        self.modes[node] = stat.S_IMODE(mode)
        if stat.S_ISLNK(mode):
            self.links[node] = os.readlink(path)
        elif stat.S_ISDIR(mode):
            self.folders.setdefault(node, {})
        else:
            self.contents[node] = path.read_bytes()

    def copy(self) -> Image:
        folders = {node: dict(names) for node, names in self.folders.items()}
        return Image(folders, dict(self.contents), self.links, self.modes)

    def apply(self, operation: Operation) -> None:
        """Carry out one operation; one that came to the disk without those before it does what it can."""
        names = self.folders.get(operation.owner, {})
        if operation.kind == "write":
            self.contents[operation.owner] = self.contents.get(operation.owner, b"") + operation.data
        elif operation.kind == "enter":
            names[operation.name] = operation.node
        elif operation.kind == "leave":
            names.pop(operation.name, None)
        else:
            names.pop(operation.name, None)
            names[operation.target] = operation.node

    def find(self, path: str) -> int:
        node = ROOT
        for part in path.split("/") if path != "." else ():
            node = self.folders[node][part]
        return node

    def listing(self) -> tuple[tuple[str, int, Any], ...]:
        """All that can be reached, in order: two images with equal listings are one disk."""
        found: list[tuple[str, int, Any]] = []
        pending = [("", ROOT)]
        while pending:
            path, node = pending.pop()
            if node in self.folders:
                found.append((path, node, None))
                pending += [(f"{path}/{name}", child) for name, child in self.folders[node].items()]
            else:
                found.append((path, node, self.links.get(node, self.contents.get(node, b""))))
        return tuple(sorted(found, key=lambda entry: entry[0]))

    def build(self, root: Path) -> None:
        """Make the folder ``root`` what this image says."""
        first: dict[int, Path] = {}
        listing = self.listing()
        for name, node, content in listing:
            path = root if not name else root / name[1:]
            if content is None:
                path.mkdir()
            elif node in first:
                os.link(first[node], path)
            elif isinstance(content, str):
                os.symlink(content, path)
            else:
                first[node] = path
                path.write_bytes(content)
                os.chmod(path, self.modes.get(node, 0o600))
        for name, node, content in reversed(listing):
            if content is None:
                os.chmod(root / name[1:], self.modes.get(node, 0o700))


@dataclass(frozen=True)
class Moment:
    """A point of a run: what lasts, what is in the air, and the last mark that was set."""

    lasting: Image
    air: tuple[Operation, ...]
    mark: str

    def outcomes(self, dice: random.Random, *, extremes: bool = False) -> Iterator[Image]:
        """Every disk that a power cut may leave now: exhaustively, or a sample where too much is in the air.

        With ``extremes`` only those where all, nothing, all but one or only one of that came to the disk.
        """
        for kept in _extremes(len(self.air)) if extremes else _subsets(len(self.air), dice):
            chosen = [self.air[place] for place in kept]
            yield self._after(chosen)
            if chosen and chosen[-1].kind == "write" and len(chosen[-1].data) > 1:
                torn = chosen[-1].data[: len(chosen[-1].data) // 2]
                yield self._after([*chosen[:-1], replace(chosen[-1], data=torn)])
                yield self._after([*chosen[:-1], replace(chosen[-1], data=bytes(len(chosen[-1].data)))])

    def _after(self, operations: list[Operation]) -> Image:
        image = self.lasting.copy()
        for operation in operations:
            image.apply(operation)
        return image


def _subsets(count: int, dice: random.Random) -> Iterator[tuple[int, ...]]:
    every = tuple(range(count))
    if count <= EXHAUSTIVE:
        for size in range(count + 1):
            yield from combinations(every, size)
        return
    yield from (every[:place] for place in every)
    yield from _extremes(count)
    for _ in range(_RANDOM):
        yield tuple(place for place in every if dice.random() < 0.5)


def _extremes(count: int) -> Iterator[tuple[int, ...]]:
    every = tuple(range(count))
    yield ()
    yield every
    for place in every:
        yield every[:place] + every[place + 1 :]
        yield (place,)


class Recording:
    """A watcher of a :class:`~.shim.Shim`: what was done to the disk, as moments."""

    def __init__(self, root: Path, moments: list[Moment]) -> None:
        self.root, self.moments = os.fspath(root), moments
        self._live = Image.of(root)
        self._lasting = self._live.copy()
        self._air: list[Operation] = []
        self._mark = ""
        self._next = 1 + max(self._live.modes)

    def mark(self, words: str) -> None:
        """Say what is going on from here: which step is in flight, or done."""
        self._mark = words
        self._take()

    def __call__(self, call: Call, result: Any) -> None:
        before = len(self._air)
        done = getattr(self, f"_{call.name}", None)
        if done:
            done(call, result)
        if len(self._air) != before or call.name in ("fsync", "syncfs"):
            self._take()

    def _take(self) -> None:
        self.moments.append(Moment(self._lasting.copy(), tuple(self._air), self._mark))

    def _do(self, operation: Operation) -> None:
        self._live.apply(operation)
        self._air.append(operation)

    def _sync(self, owner: int | None) -> None:
        for operation in self._air:
            if owner in (None, operation.owner):
                self._lasting.apply(operation)
        self._air = [operation for operation in self._air if owner not in (None, operation.owner)]

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._live.find(folder or "."), name

    def _new(self, path: str, mode: int) -> int:
        owner, name = self._place(path)
        node, self._next = self._next, self._next + 1
        self._live.modes[node] = mode
        self._do(Operation("enter", owner, name, node))
        return node

    def _inside(self, path: str) -> str:
        return path[len(self.root) + 1 :]

    def _open(self, call: Call, _: Any) -> None:
        owner, name = self._place(call.path)
        if name not in self._live.folders[owner]:
            node = self._new(call.path, call.args[2])
            self._live.contents[node] = self._lasting.contents[node] = b""

    def _write(self, call: Call, result: int) -> None:
        self._do(Operation("write", self._live.find(call.path), data=bytes(call.args[1])[:result]))

    def _mkdir(self, call: Call, _: Any) -> None:
        node = self._new(call.path, call.args[1])
        self._live.folders[node], self._lasting.folders[node] = {}, {}

    def _symlink(self, call: Call, _: Any) -> None:
        self._live.links[self._new(call.path, 0o777)] = os.fspath(call.args[0])

    def _link(self, call: Call, _: Any) -> None:
        owner, name = self._place(call.path)
        self._do(Operation("enter", owner, name, self._live.find(self._inside(os.fspath(call.args[0])))))

    def _rename(self, call: Call, _: Any) -> None:
        owner, name = self._place(call.path)
        folder, target = self._place(self._inside(os.fspath(call.args[1])))
        node = self._live.folders[owner][name]
        if folder == owner:
            self._do(Operation("rename", owner, name, node, target=target))
            return
        self._do(Operation("enter", folder, target, node))
        self._do(Operation("leave", owner, name))

    def _unlink(self, call: Call, _: Any) -> None:
        owner, name = self._place(call.path)
        self._do(Operation("leave", owner, name))

    _rmdir = _unlink

    def _chmod(self, call: Call, _: Any) -> None:
        self._live.modes[self._live.find(call.path)] = call.args[1]

    _fchmod = _chmod

    def _fsync(self, call: Call, _: Any) -> None:
        self._sync(self._live.find(call.path))

    def _syncfs(self, _: Call, __: Any) -> None:
        self._sync(None)
