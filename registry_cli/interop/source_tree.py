"""A folder of another tool, read and never changed; nothing outside of it is read, whatever its documents say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.yaml import documents
from ..errors import Damaged, InvalidInput, NotFound, RegistryError, explain
from ..store.filesystem import files

#: The largest document of another tool that is read, in bytes.
DOCUMENT_LIMIT = 8 << 20
_ENTRIES = 1_000_000


class SourceTree:
    """The folder ``root`` and any ``others`` that may be read. Links are followed as long as they stay inside."""

    def __init__(self, root: Path, *others: Path) -> None:
        self.root = resolve_path(root)
        self.roots = (self.root, *(resolve_path(other) for other in others))

    def inside(self, path: Path) -> Path | None:
        """The real path of ``path``; None if it does not exist or is not inside."""
        try:
            real = Path(os.path.realpath(path, strict=True))
        except (OSError, ValueError):  # ValueError: a NUL in it
            return None
        return real if any(real.is_relative_to(root) for root in self.roots) else None

    def is_file(self, path: Path) -> bool:
        return bool((real := self.inside(path)) and real.is_file())

    def is_folder(self, path: Path) -> bool:
        return bool((real := self.inside(path)) and real.is_dir())

    def names(self, path: Path) -> list[str]:
        """The names in a folder, sorted; empty for any other path."""
        real = self.inside(path)
        if real is None or not real.is_dir():
            return []
        with os.scandir(real) as entries:
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
        """A file of at most ``most`` bytes. Raises :class:`InvalidInput` unless it is a readable file inside."""
        real = self.inside(path)
        if real is None:
            raise InvalidInput(f"'{path}' is missing or a link that leaves '{self.root}'")
        try:
            return files.read(real, most, f"'{path}'")
        except (Damaged, OSError) as error:
            raise InvalidInput(error_message(error)) from None

    def text(self, path: Path, most: int = DOCUMENT_LIMIT) -> str:
        """A file as text; invalid UTF-8 is replaced."""
        return self.read(path, most).decode("utf-8", "replace")

    def yaml(self, path: Path) -> dict[str, Any]:
        """A YAML document that is a mapping; tags, anchors and aliases are refused."""
        return parse_yaml(self.read(path), f"'{path}'")


def parse_yaml(data: bytes, name: str) -> dict[str, Any]:
    return documents.loads_mapping(data, name, limit=DOCUMENT_LIMIT)


def resolve_path(path: Path) -> Path:
    """The real path of ``path``. Raises :class:`NotFound` if it does not exist."""
    try:
        return Path(os.path.realpath(path, strict=True))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"file or folder '{path}' not found") from None
    except ValueError:
        raise InvalidInput(f"'{path!s:.80}' is not a path") from None


def error_message(error: RegistryError | OSError) -> str:
    """Why something can't be read, in one line."""
    return error.message if isinstance(error, RegistryError) else explain(error)


def lookup(tree: Any, *keys: str) -> Any:
    """``tree[key][key]…`` of a document of any shape; None, or empty, where there is no such value of this type."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def lookup_text(tree: Any, *keys: str) -> str:
    value = lookup(tree, *keys)
    return value if isinstance(value, str) else ""


def lookup_mapping(tree: Any, *keys: str) -> dict[str, Any]:
    value = lookup(tree, *keys)
    return value if isinstance(value, dict) else {}


def lookup_list(tree: Any, *keys: str) -> list[Any]:
    value = lookup(tree, *keys)
    return list(value) if isinstance(value, (list, tuple)) else []


def drop_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the keys whose value is None, empty or false."""
    return {key: value for key, value in document.items() if value}
