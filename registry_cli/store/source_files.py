"""The files to register: found, named and checked before a byte is copied."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, NotFound, Refused
from . import manifest

if TYPE_CHECKING:
    from .selection import Decision, FileSelection

FILES_LIMIT = 1_000_000
STDIN = "-"


@dataclass(frozen=True, eq=False, repr=False)
class SourceFile:
    """A file to store under the name ``path``; ``size`` in bytes.

    Its bytes come from ``origin``, or without one from ``content``, by default standard input.
    """

    path: str
    origin: Path | None
    size: int = 0
    content: Callable[[], Any] = lambda: 0


def collect(paths: Iterable[tuple[str | os.PathLike[str], str | None]], selection: FileSelection) -> list[SourceFile]:
    """The files of ``paths``, each with the name in the artifact that was given for it, if one was.

    A single folder stands for its contents; a file, or a folder among several paths, has its own name. A named link is
    followed; inside a folder a link to a file in that folder counts as the file, any other is refused. ``selection``
    has the rules about what is left out or refused. Raises :class:`NotFound`, :class:`InvalidInput` or :class:`Refused`.
    """
    given = [(os.fspath(path), name) for path, name in paths]
    if not given:
        raise InvalidInput("no files given", "give files, a folder, or '-' for standard input")
    found: dict[str, SourceFile] = {}
    for source in (source for path, name in given for source in _iter_path(path, name, len(given) == 1, selection)):
        if source.path in found:
            raise InvalidInput(f"two files would have the path '{source.path}'", "register them from one folder")
        if len(found) >= FILES_LIMIT:
            raise Refused(f"more than {FILES_LIMIT:,} files", "pack them into an archive first")
        found[manifest.check_path(source.path)] = source
    _refuse_nested(found)
    selection.refuse_secrets()
    if all(path != STDIN for path, _ in given) and not any(source.size for source in found.values()):
        if not found:
            selection.refuse_empty(given[0][0])
        raise InvalidInput(f"nothing to register: {given[0][0]} is empty", "the file may be incomplete")
    return list(found.values())


def named(files: Mapping[str, Path], selection: FileSelection) -> list[SourceFile]:
    """Files by their names in the artifact. Each must be a regular file, not a link."""
    if not files:
        raise InvalidInput("no files given", "give files or a folder")
    scope = selection.in_files(files)
    found: dict[str, SourceFile] = {}
    for name, path in sorted(files.items()):
        if not scope.keeps(name):
            continue
        try:
            status = path.lstat()
        except OSError as error:
            raise _unreadable(str(path), error) from None
        _refuse_special(str(path), status.st_mode)
        selection.refuse_inside(Path(os.path.realpath(path)), str(path))
        selection.check_secret(name, path, status.st_size)
        found[manifest.check_path(name)] = SourceFile(name, path, status.st_size)
    _refuse_nested(found)
    selection.refuse_secrets()
    if not found:
        selection.refuse_empty("the source")
    if not any(source.size for source in found.values()):
        raise InvalidInput("nothing to register: all files are empty", "the file may be incomplete")
    return list(found.values())


def _refuse_nested(found: dict[str, SourceFile]) -> None:
    for path in found:
        parent = path
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in found:
                raise InvalidInput(f"'{parent}' would be both a file and a folder", "register them from one folder")


def _iter_path(path: str, given: str | None, alone: bool, selection: FileSelection) -> Iterator[SourceFile]:
    if path == STDIN:
        if not given or "/" in given:
            raise InvalidInput("standard input needs a file name, without slashes", "give one: {'model.bin': '-'}")
        selection.check_secret(given, None, 0)
        yield SourceFile(given, None)
        return
    real, status = _locate(path)
    name = os.path.basename(os.path.normpath(path))
    selection.refuse_inside(real, path, folder=stat.S_ISDIR(status.st_mode))
    above = "".join(f"{part}/" for part in real.parts[-3:-1])
    if stat.S_ISDIR(status.st_mode):
        inside = given or (os.path.basename(real) if name in ("", ".", "..") else name)
        if alone and given is None:
            yield from _walk(real, "", selection, f"{above}{real.name}/")
        else:
            yield from _walk(real, f"{inside}/", selection, above)
        return
    _refuse_special(path, status.st_mode)
    called = given or name
    if selection.keeps_named(called):
        selection.check_secret(called, real, status.st_size, above)
        yield SourceFile(called, real, status.st_size)


def _locate(path: str) -> tuple[Path, os.stat_result]:
    """The path without links, and its status."""
    if "://" in path or path.startswith("file:"):
        raise InvalidInput(f"'{path}' is a URL", "only local files and folders can be registered")
    if not path or "\0" in path:  # an empty one would be this folder, with everything in it
        raise InvalidInput(f"'{path}' is not a path", "check for an empty variable")
    try:
        real = Path(os.path.realpath(path, strict=True))
        return real, real.stat()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"file or folder '{path}' not found")
    if error.errno == errno.ELOOP:
        return InvalidInput(f"'{path[:80]}' is a symbolic link to itself")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInput(f"'{path[:80]}' is too long")
    return error


def _walk(root: Path, prefix: str, selection: FileSelection, above: str) -> Iterator[SourceFile]:
    """The files below ``root`` that ``selection`` keeps; ``above`` are the names of the folders around the artifact."""
    scope, first = selection.in_folder(root, prefix)
    pending: list[tuple[str, str, Decision | None]] = [(str(root), prefix, first)]
    while pending:
        folder, name, around = pending.pop()
        manifest.check_path(f"{name}x")  # refuses what is nested too deep before it is opened
        with os.scandir(folder) as found:
            entries = list(found)
        if not entries and name != prefix and (around is None or not around[1].excludes):
            selection.note_empty(name)
        own = selection.own_entries(folder, [entry.name for entry in entries])
        for entry in entries:
            path = f"{name}{entry.name}"
            link = entry.is_symlink()
            is_folder = os.path.isdir(entry.path) if link else entry.is_dir()
            state = scope.decide(path, entry.name, around, folder=is_folder, link=link)
            if scope.leave_out(f"{path}/" if is_folder else path, state, around):
                if is_folder and not link and state and scope.may_take_back(state) and entry.name not in own:
                    pending.append((entry.path, f"{path}/", state))
                continue
            if entry.name in own:
                selection.refuse_registry(root, folder, name)
            if is_folder and not link:
                pending.append((entry.path, f"{path}/", state))
                continue
            if link:
                origin, status = _follow_link(root, entry.path)
            else:
                origin, status = Path(entry.path), entry.stat(follow_symlinks=False)
            _refuse_special(entry.path, status.st_mode)
            selection.check_secret(path, origin, status.st_size, above)
            if link:
                selection.refuse_inside(origin, entry.path)
            yield SourceFile(path, origin, status.st_size)


def _follow_link(root: Path, link: str) -> tuple[Path, os.stat_result]:
    """The file that a link inside the folder leads to; refused unless that is inside the folder too."""
    try:
        target = Path(os.path.realpath(link, strict=True))
        status = target.stat()
    except OSError:
        raise Refused(f"'{link}' is a broken symbolic link", "remove it or copy the file there") from None
    if not target.is_relative_to(root):
        hint = "copy the file itself there"
        if root.parent.name == "snapshots" and root.parent.parent.name.startswith("models--"):
            hint = f"for a Hugging Face cache snapshot use 'registry import hf:{root}'"
        raise Refused(f"'{link}' is a symbolic link that leaves the folder", hint)
    if stat.S_ISDIR(status.st_mode):
        raise Refused(f"'{link}' is a symbolic link to a folder", "copy the folder itself there")
    return target, status


def _refuse_special(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
        raise Refused(f"'{path}' is {kinds.get(stat.S_IFMT(mode), 'no regular file')}", "only files can be registered")
