"""A recorder and fault injector around the ``os`` calls with which the store changes, or reads, its disk.

Only calls on paths inside one folder count, and on descriptors that were opened there. They are numbered from 1. A
:class:`Fault` says what happens at one of them; a watcher is told of each that was carried out. Nothing of the
project's own is replaced but ``files.sync_file_system`` and ``replacement.renameat2``, which reach the system through
``ctypes``.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from registry_cli.store.filesystem import files, replacement

#: Calls that change the disk, with the place of the argument that says where.
CHANGING = {
    "open": 0, "write": 0, "ftruncate": 0, "mkdir": 0, "rename": 0, "replace": 0, "link": 1, "symlink": 1,
    "unlink": 0, "rmdir": 0, "chmod": 0, "fchmod": 0, "fsync": 0, "close": 0, "renameat2": 0,
}  # fmt: skip
#: Calls that only look. ``open`` for reading counts as one of them.
LOOKING = {"open": 0, "lstat": 0, "stat": 0, "fstat": 0, "read": 0, "pread": 0, "listdir": 0, "scandir": 0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Death(BaseException):
    """The process is gone. No handler of the store's may keep it, and none can touch the disk any more."""


@dataclass(frozen=True)
class Call:
    """One call: its number, its name, the path it is about (relative to the watched folder), its arguments."""

    number: int
    name: str
    path: str
    args: tuple[Any, ...]

    @property
    def other(self) -> str:
        """The second path of a ``rename`` or ``link``, as it was given."""
        return str(self.args[1])


#: What :class:`Fault` can do at its call. ``lost reply``: it is carried out and reports an error all the same, as a
#: network file system may. ``half``: a write stores half of its bytes before it fails.
KINDS = ("error", "errors", "lost reply", "half", "dead before", "dead after", "interrupt before", "interrupt after")


@dataclass(frozen=True)
class Fault:
    """At call number ``at``: one of :data:`KINDS`. With ``errors`` every later call fails too."""

    kind: str
    at: int
    errno: int = errno.EIO

    def __str__(self) -> str:
        name = f" {errno.errorcode[self.errno]}" if self.kind in ("error", "errors", "lost reply", "half") else ""
        return f"{self.kind}{name} at call {self.at}"


Watcher = Callable[[Call, Any], None]


class Shim:
    """While it is entered, the calls below ``root`` go through it."""

    def __init__(
        self,
        root: Path,
        fault: Fault | None = None,
        *,
        looking: bool = False,
        watcher: Watcher | None = None,
        skip: Callable[[Call], bool] = lambda _: False,
        first: int = 1,
    ) -> None:
        self.root = os.fspath(root)
        self.fault, self.looking, self.watcher, self.skip, self.first = fault, looking, watcher, skip, first
        self.count = 0
        self.struck: Call | None = None
        self.dead = False
        self._open: dict[int, tuple[str, bool]] = {}
        self._patches = ExitStack()

    def __enter__(self) -> Shim:
        names = dict.fromkeys(LOOKING if self.looking else CHANGING)
        for name in {*names, "open", "close"} - {"renameat2"}:
            self._patches.enter_context(mock.patch.object(os, name, self._wrapped(name, getattr(os, name))))
        synced = self._wrapped("syncfs", files.sync_file_system)
        self._patches.enter_context(mock.patch.object(files, "sync_file_system", synced))
        exchanged = self._wrapped("renameat2", replacement.renameat2)
        self._patches.enter_context(mock.patch.object(replacement, "renameat2", exchanged))
        tokens = itertools.count(self.first)
        # Temporary names that are the same in every run: equal disks are then checked once.
        self._patches.enter_context(mock.patch.object(os, "urandom", lambda size: next(tokens).to_bytes(size, "big")))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self._patches.callback(signal.signal, signal.SIGINT, before)
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    @property
    def leaked(self) -> list[str]:
        """Paths of descriptors that were opened and not closed again."""
        return [path for path, _ in self._open.values()]

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            path = self._path(name, args, options)
            if path is None:
                return original(*args, **options)
            told = args
            if options.get("dst_dir_fd") is not None and name == "rename":  # told as the path that it stands for
                told = (args[0], f"{self.root}/{self._beneath(options['dst_dir_fd'], args[1])}", *args[2:])

            def perform() -> Any:
                return self._carry_out(name, path, told, lambda: original(*args, **options))

            if not self._counts(name, args):
                return perform()
            return self._strike(name, path, told, perform)

        return call

    def _path(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> str | None:
        """Where a call goes, relative to the root; None when that is elsewhere."""
        if name == "syncfs":
            return self._inside(os.fspath(args[0]))
        subject = args[CHANGING.get(name, 0)] if args else "."
        if isinstance(subject, int):
            known = self._open.get(subject)
            return known[0] if known else None
        folder = options.get({"rename": "src_dir_fd", "link": "dst_dir_fd"}.get(name, "dir_fd"))
        if folder is not None:
            return self._beneath(folder, subject)
        return self._inside(os.fspath(subject))

    def _beneath(self, folder: int, name: Any) -> str | None:
        """The path of a name in an open folder, relative to the root; None when that is elsewhere."""
        known = self._open.get(folder)
        return os.path.normpath(f"{known[0]}/{os.fspath(name)}") if known else None

    def _inside(self, path: str | bytes) -> str | None:
        text = os.fsdecode(path)
        if text == self.root:
            return "."
        return text[len(self.root) + 1 :] if text.startswith(self.root + "/") else None

    def _counts(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a call is one of those in which the fault may strike."""
        if name == "open":
            return bool(args[1] & os.O_CREAT) != self.looking
        if name == "close":
            return not self.looking and self._open[args[0]][1]
        return name in (LOOKING if self.looking else {*CHANGING, "syncfs"})

    def _carry_out(self, name: str, path: str, args: tuple[Any, ...], perform: Callable[[], Any]) -> Any:
        result = perform()
        if name == "open":
            self._open[result] = (path, bool(args[1] & _WRITING))
        elif name == "close":
            self._open.pop(args[0], None)
        elif name == "rename":
            self._move_descriptors(path, os.fspath(args[1]))
        return result

    def _move_descriptors(self, path: str, target: str) -> None:
        moved = self._inside(target) or target
        for descriptor, (known, writing) in self._open.items():
            if known == path or known.startswith(f"{path}/"):
                self._open[descriptor] = (moved + known[len(path) :], writing)

    def _strike(self, name: str, path: str, args: tuple[Any, ...], perform: Callable[[], Any]) -> Any:
        if self.dead:
            if name == "close":  # the system closes what a dead process had open, and lets go of its locks
                return perform()
            raise Death
        self.count += 1
        call = Call(self.count, name, path, args)
        fault = self.fault
        if fault is None or not (self.count == fault.at or (fault.kind == "errors" and self.count > fault.at)):
            return self._told(call, perform)
        self.struck = self.struck or call
        return getattr(self, f"_{fault.kind.replace(' ', '_')}")(call, fault, perform)

    def _told(self, call: Call, perform: Callable[[], Any]) -> Any:
        if self.skip(call):
            return True  # as if it had been done
        result = perform()
        if self.watcher:
            self.watcher(call, result)
        return result

    def _error(self, call: Call, fault: Fault, perform: Callable[[], Any]) -> Any:
        if call.name == "close":  # an error of close leaves the descriptor closed
            perform()
        raise OSError(fault.errno, os.strerror(fault.errno), call.path)

    _errors = _error

    def _lost_reply(self, call: Call, fault: Fault, perform: Callable[[], Any]) -> Any:
        self._forget(call, perform())
        raise OSError(fault.errno, os.strerror(fault.errno), call.path)

    def _half(self, call: Call, fault: Fault, perform: Callable[[], Any]) -> Any:
        if call.name != "write":
            return self._error(call, fault, perform)
        with mock.patch.object(self, "fault", None):
            data = memoryview(call.args[1])
            _write(call.args[0], data[: len(data) // 2])
        raise OSError(fault.errno, os.strerror(fault.errno), call.path)

    def _dead_before(self, call: Call, _: Fault, perform: Callable[[], Any]) -> Any:
        self.dead = True
        if call.name == "close":
            perform()
        raise Death

    def _dead_after(self, call: Call, _: Fault, perform: Callable[[], Any]) -> Any:
        self._forget(call, self._told(call, perform))
        self.dead = True
        raise Death

    def _interrupt_before(self, call: Call, _: Fault, perform: Callable[[], Any]) -> Any:
        try:
            signal.raise_signal(signal.SIGINT)  # held back, as any signal, where the store holds signals back
        except BaseException:  # KeyboardInterrupt, or what the handler of the command line raises
            if call.name == "close":
                perform()
            raise
        return self._told(call, perform)

    def _interrupt_after(self, call: Call, _: Fault, perform: Callable[[], Any]) -> Any:
        result = self._told(call, perform)
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            self._forget(call, result)
            raise
        return result

    def _forget(self, call: Call, result: Any) -> None:
        """Close what ``open`` gave, when the caller never gets to see it."""
        if call.name == "open":
            os.close(result)


_write = os.write


def site() -> str:
    """The functions of the store that led to a call: the innermost that is not a writing helper, then the helpers."""
    frame: FrameType | None = sys._getframe(1)
    names: list[str] = []
    while frame:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("registry_cli."):
            names.append(f"{module.rpartition('.')[2]}.{frame.f_code.co_name}")
            if not names[-1].startswith(("files.", "removal.replace")):
                break
        frame = frame.f_back
    return " > ".join(reversed(names))
