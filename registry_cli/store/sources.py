"""What a person hands in, as a list of files: found, named and checked before a byte is copied."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, NotFound, Refused
from . import manifest

FILES_LIMIT = 1_000_000
STDIN = "-"


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """One file to store: under the name ``path``, read from ``origin``, ``size`` in bytes.

    Without an origin its bytes are what ``content`` gives, else standard input.
    """

    path: str
    origin: Path | None
    size: int = 0
    content: Callable[[], Any] = lambda: 0


def collect(paths: Iterable[str | os.PathLike[str]], stdin_name: str | None = None) -> list[Source]:
    """Every file of ``paths``, by the name it will have in the artifact.

    A single folder gives its contents; a file, or a folder among several paths, comes under its own name. A link
    given by name is followed once; inside a folder a link to a file in that folder counts as the file, any other is
    refused. Raises :class:`NotFound`, :class:`InvalidInput` or :class:`Refused`.
    """
    given = [os.fspath(path) for path in paths]
    if not given:
        raise InvalidInput("no file to register", "name files, a folder, or '-' for standard input")
    found: dict[str, Source] = {}
    for source in (source for path in given for source in _of(path, len(given) == 1, stdin_name)):
        if source.path in found:
            raise InvalidInput(f"two files would be called '{source.path}'", "register them from one folder")
        if len(found) >= FILES_LIMIT:
            raise Refused(f"more than {FILES_LIMIT:,} files", "pack them into an archive first")
        found[manifest.check_path(source.path)] = source
    _refuse_nested(found)
    if STDIN not in given and not any(source.size for source in found.values()):
        raise InvalidInput(f"nothing to register: {given[0]} is empty", "was it written to the end?")
    return list(found.values())


def named(files: Mapping[str, Path]) -> list[Source]:
    """Files by the names that they will have in the artifact. Each must be a regular file, and is reached by no link."""
    if not files:
        raise InvalidInput("no file to register", "name files, or a folder")
    found: dict[str, Source] = {}
    for name, path in sorted(files.items()):
        try:
            status = path.lstat()
        except OSError as error:
            raise _unreadable(str(path), error) from None
        _refuse_special(str(path), status.st_mode)
        found[manifest.check_path(name)] = Source(name, path, status.st_size)
    _refuse_nested(found)
    if not any(source.size for source in found.values()):
        raise InvalidInput("nothing to register: all of it is empty", "was it written to the end?")
    return list(found.values())


def _refuse_nested(found: dict[str, Source]) -> None:
    for path in found:
        parent = path
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in found:
                raise InvalidInput(f"'{parent}' would be a file and a folder", "register them from one folder")


def _of(path: str, alone: bool, stdin_name: str | None) -> Iterator[Source]:
    if path == STDIN:
        if not stdin_name or "/" in stdin_name:
            raise InvalidInput("standard input needs a file name", "add --as FILENAME")
        yield Source(stdin_name, None)
        return
    if "://" in path or path.startswith("file:"):
        raise InvalidInput(f"'{path}' is an address", "only local files and folders can be registered")
    if not path or "\0" in path:  # an empty one would be this folder, with everything in it
        raise InvalidInput(f"'{path}' is no path", "was a variable empty?")
    name = os.path.basename(os.path.normpath(path))
    try:
        real = Path(os.path.realpath(path, strict=True))
        status = real.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        inside = os.path.basename(real) if name in ("", ".", "..") else name
        yield from _walk(real, "" if alone else f"{inside}/")
    else:
        _refuse_special(path, status.st_mode)
        yield Source(stdin_name or name if alone else name, real, status.st_size)


def _unreadable(path: str, error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"there is no file or folder '{path}'")
    if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
        words = "a symbolic link that leads to itself" if error.errno == errno.ELOOP else "too long for a path"
        return InvalidInput(f"'{path[:80]}' is {words}")
    return error


def _walk(root: Path, prefix: str) -> Iterator[Source]:
    """The files below ``root``, a folder at a time, without recursion."""
    pending = [(root, prefix)]
    while pending:
        folder, name = pending.pop()
        manifest.check_path(f"{name}x")  # refuses what is nested too deep before it is opened
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{name}{entry.name}"
                if entry.is_symlink():
                    yield _linked(root, Path(entry.path), path)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append((Path(entry.path), f"{path}/"))
                else:
                    status = entry.stat(follow_symlinks=False)
                    _refuse_special(entry.path, status.st_mode)
                    yield Source(path, Path(entry.path), status.st_size)


def _linked(root: Path, link: Path, path: str) -> Source:
    """A link inside the folder, as the file that it leads to; refused unless that is inside the folder too."""
    try:
        target = Path(os.path.realpath(link, strict=True))
        status = target.stat()
    except OSError:
        raise Refused(f"'{link}' is a symbolic link that leads nowhere", "remove it, or put the file there") from None
    if not target.is_relative_to(root):
        raise Refused(f"'{link}' is a symbolic link that leaves the folder", "put the file itself there")
    if stat.S_ISDIR(status.st_mode):
        raise Refused(f"'{link}' is a symbolic link to a folder", "put the folder itself there")
    _refuse_special(str(link), status.st_mode)
    return Source(path, target, status.st_size)


def _refuse_special(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
        raise Refused(f"'{path}' is {kinds.get(stat.S_IFMT(mode), 'no regular file')}", "only files can be registered")
