"""Names that some file systems can't tell apart: they differ in case, or in their Unicode form, only."""

from __future__ import annotations

from collections.abc import Iterable


def find_name_collisions(paths: Iterable[str]) -> list[str]:
    """A warning for names that differ in case or in their Unicode form only: many file systems can't hold both."""
    found: dict[str, str] = {}
    collisions: list[tuple[str, str]] = []
    for path in paths:
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            name = "/".join(parts[:depth])
            key = name.lower() if name.isascii() else _fold(name)
            first = found.get(key)
            if first == name:
                break  # the folders above were looked at with it
            if first is None:
                found[key] = name
            else:
                collisions.append((first, name))
    if not collisions:
        return []
    more = f", and {len(collisions) - 1:,} more such names" if len(collisions) > 1 else ""
    return [
        f"'{collisions[0][0]}' and '{collisions[0][1]}' differ only in case or Unicode form{more}: "
        "they can't be fetched together on macOS or Windows"
    ]


def _fold(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name).casefold()
