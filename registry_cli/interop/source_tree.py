"""A folder of another tool, read and never changed; nothing outside of it is read, whatever its documents say."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import Damaged, InvalidInput, NotFound, RegistryError, explain

#: The most bytes of a document of another tool that are read.
DOCUMENT_LIMIT = 8 << 20
_ENTRIES = 1_000_000


class SourceTree:
    """The folder ``root``, and what may be read besides. Links are followed as long as they stay inside."""

    def __init__(self, root: Path, *others: Path) -> None:
        self.root = resolve_path(root)
        self.roots = (self.root, *(resolve_path(other) for other in others))

    def inside(self, path: Path) -> Path | None:
        """Where ``path`` really lies, if it is there and inside; else None."""
        try:
            found = Path(os.path.realpath(path, strict=True))
        except (OSError, ValueError):  # ValueError: a NUL in it
            return None
        return found if any(found.is_relative_to(root) for root in self.roots) else None

    def is_file(self, path: Path) -> bool:
        found = self.inside(path)
        return found is not None and found.is_file()

    def is_folder(self, path: Path) -> bool:
        found = self.inside(path)
        return found is not None and found.is_dir()

    def names(self, path: Path) -> list[str]:
        """What is in a folder, sorted; nothing if it is none."""
        found = self.inside(path)
        if found is None or not found.is_dir():
            return []
        with os.scandir(found) as entries:
            return sorted(entry.name for entry, _ in zip(entries, range(_ENTRIES), strict=False))

    def below(self, path: Path, depth: int = 16) -> Iterator[Path]:
        """The regular files below a folder, sorted, down to ``depth``; folders that are links are not entered."""
        for name in self.names(path):
            child = path / name
            if child.is_dir() and not child.is_symlink():
                if depth:
                    yield from self.below(child, depth - 1)
            elif self.is_file(child):
                yield child

    def read(self, path: Path, most: int = DOCUMENT_LIMIT) -> bytes:
        """A file of at most ``most`` bytes. Raises :class:`InvalidInput` unless it is one, inside, and readable."""
        from ..store.filesystem import files

        where = self.inside(path)
        if where is None:
            raise InvalidInput(f"'{path}' is not there, or a link that leaves '{self.root}'")
        try:
            return files.read(where, most, f"'{path}'")
        except Damaged as error:
            raise InvalidInput(error.message) from None
        except OSError as error:
            raise InvalidInput(explain(error)) from None

    def text(self, path: Path, most: int = DOCUMENT_LIMIT) -> str:
        """A file as text; bytes that are no UTF-8 are replaced."""
        return self.read(path, most).decode("utf-8", "replace")

    def yaml(self, path: Path) -> dict[str, Any]:
        """A YAML document that is a mapping, by the rules of this project: no tags, anchors or aliases."""
        from ..core.yaml import documents

        return documents.loads_mapping(self.read(path), f"'{path}'", limit=DOCUMENT_LIMIT)

    def json(self, path: Path) -> Any:
        try:
            return json.loads(self.read(path))
        except (ValueError, RecursionError):
            raise InvalidInput(f"'{path}' is no JSON") from None


def resolve_path(path: Path) -> Path:
    """Where ``path`` really lies; :class:`NotFound` if it is not there."""
    try:
        return Path(os.path.realpath(path, strict=True))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file or folder '{path}'") from None
    except ValueError:
        raise InvalidInput(f"'{path!s:.80}' is no path") from None


def fingerprint(named: Mapping[str, Path]) -> str:
    """What tells one state of a folder from another: the names, sizes and times of its files.

    What is left out by default does not count: a new index of git makes no new version of a model.
    """
    from ..store.selection import DEFAULT_FILES, DEFAULT_FOLDERS

    lines = []
    for name, path in sorted(named.items()):
        if (DEFAULT_FOLDERS | DEFAULT_FILES).isdisjoint(name.split("/")):
            status = path.stat()
            lines.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def error_message(error: RegistryError | OSError) -> str:
    """Why something can't be read, in one line."""
    return error.message if isinstance(error, RegistryError) else explain(error)


def lookup(tree: Any, *keys: str) -> Any:
    """``tree[key][key]…`` of a document that anybody may have written; None where it isn't so."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def text_or_empty(value: Any) -> str:
    """A text of a document, empty when there is another thing in its place."""
    return value if isinstance(value, str) else ""
