"""Looking at an artifact: which of its files to open, which reader each gets, and what it is as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from .formats import FILES, FOLDERS, Format
from .formats.files import File, Folder
from .inspection import UNKNOWN, Inspected, Inspection, text

#: So many files of an artifact are opened at the most: those whose names say something first, then the others.
FILES_LIMIT = 64

_SUFFIXES = tuple(suffix for row in FILES for suffix in row.suffixes)


def inspect(files: Mapping[str, Path]) -> Inspected:
    """What the ``files`` of an artifact are, by their paths in it.

    A folder of a known layout is told as one, and the files in it are not looked at one by one. What no reader knows
    is told as ``unknown``. Raises OSError when a file can't be opened; what is in it raises nothing.
    """
    found = list(_folders(files))
    inside = tuple(f"{each.path}/" if each.path else "" for each in found)
    loose = {name: path for name, path in files.items() if not (inside and name.startswith(inside))}
    chosen = sorted(loose, key=_promise)[:FILES_LIMIT]
    found += [_file(name, loose[name]) for name in chosen]
    return Inspected(_primary(found, files), tuple(found), len(files), len(chosen))


def _promise(name: str) -> tuple[bool, int, str]:
    """Sorts the names that say something to the front, and there those that lie near the top."""
    return (not name.lower().endswith(_SUFFIXES), name.count("/"), name)


def _folders(files: Mapping[str, Path]) -> Iterator[Inspection]:
    """The topmost folders that are a known layout."""
    marked: dict[str, list[Format]] = {}
    for name in files:
        parent, _, base = name.rpartition("/")
        for row in FOLDERS:
            if _marks(base, row.markers) and row not in marked.get(parent, ()):
                marked.setdefault(parent, []).append(row)
    done: list[str] = []
    for parent in sorted(marked, key=lambda name: (name.count("/") + bool(name), name)):
        prefix = f"{parent}/" if parent else ""
        if any(prefix.startswith(above) for above in done):
            continue
        inside = {name[len(prefix) :]: path for name, path in files.items() if name.startswith(prefix)}
        if found := _first(sorted(marked[parent], key=FOLDERS.index), Folder(parent, inside)):
            done.append(prefix)
            yield found


def _marks(base: str, markers: tuple[str, ...]) -> bool:
    return any(base.endswith(marker[1:]) if marker[:1] == "*" else base == marker for marker in markers)


def _file(name: str, path: Path) -> Inspection:
    with File.opened(path, name) as file:
        by_head = [row for row in FILES if row.magics and file.head.startswith(row.magics)]
        by_name = [row for row in FILES if row.suffixes and name.lower().endswith(row.suffixes)]
        rows = [
            *(row for row in by_head if row in by_name),
            *(row for row in by_head if row not in by_name),
            *(row for row in by_name if row not in by_head),
        ]
        return _first(rows, file, by_head) or Inspection(UNKNOWN, certain=False, path=name)


def _first(rows: list[Format], thing: Any, by_head: list[Format] | None = None) -> Inspection | None:
    """What the first reader says that knows ``thing``; else the first that failed, if its format is sure enough."""
    failed: Inspection | None = None
    for row in rows:
        module = import_module(f".formats.{row.module}", __package__)
        said = _guarded(module.read, thing, row.names[0])
        if said and said.certain:
            return said
        failed = failed or said
    if failed and failed.problem and by_head is not None and not by_head:  # nothing but its name speaks for it
        return Inspection(UNKNOWN, certain=False, problem=failed.problem, path=failed.path)
    return failed


def _guarded(read: Callable[[Any], Inspection | None], thing: File | Folder, name: str) -> Inspection | None:
    """What a reader says. The one place that catches what bytes can do to it; an interrupt passes."""
    from dataclasses import replace

    try:
        said = read(thing)
        if said is None:
            return None
        said.lineage()
        return replace(said, path=thing.name)
    except Exception as error:  # noqa: BLE001 - a model can be registered although nobody can read it
        words = text(str(error)) or type(error).__name__
        return Inspection(name, certain=False, problem=words, path=thing.name)


def _primary(found: list[Inspection], files: Mapping[str, Path]) -> Inspection | None:
    """A folder before a file, what was read before what was only recognised, then the largest."""
    known = [each for each in found if each.format != UNKNOWN]
    if not known:
        return None
    sizes = {each.path: files[each.path].lstat().st_size if each.path in files else 0 for each in known}
    return max(known, key=lambda each: (each.path not in files, each.certain, sizes[each.path], each.path))
