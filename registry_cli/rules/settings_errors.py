"""Errors in the documents that people edit, with file, line and key; and the keys that each document may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..core.text import escape_for_message, suggest
from ..errors import InvalidInput

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: The path of a value in a document: ``("policy", "production", "require", "metrics", "auc")``.
Path = tuple[str, ...]

#: The settings of each of the three documents.
REGISTRY_KEYS = (
    "format", "id", "created", "shared", "stages", "scan", "policy", "retention", "lineage", "metrics",
    "monitor",
)  # fmt: skip
GROUP_KEYS = ("format", "owner", "description", "policy", "retention", "metrics", "monitor")
#: What a model card takes from ``model.yaml``; the last is another spelling of the one before.
CARD_KEYS = ("intended_use", "limitations", "data", "ethics", "licence", "license")
MODEL_KEYS = (
    "format", "id", "created", "owner", "description", *CARD_KEYS, "tags", "annotations", "formerly", "policy", "retention",
    "metrics", "monitor",
)  # fmt: skip


class SettingsSource:
    """A document that settings stand in: its name in messages, and the lines of its keys, found when first needed."""

    def __init__(self, file: str, lines: Callable[[], Mapping[Path, int]] = dict) -> None:
        self.file = file
        self._find_lines = lines
        self._lines: Mapping[Path, int] | None = None

    def line(self, path: Path) -> int | None:
        """The line in which ``path`` begins; of a path that does not exist, the nearest part that does."""
        while path and not self.has(path):
            path = path[:-1]
        return self._lines[path] if self.has(path) and self._lines else None

    def has(self, path: Path) -> bool:
        """Whether the document itself has a value at ``path``."""
        if self._lines is None:
            self._lines = self._find_lines()
        return path in self._lines

    def error(self, path: Path, message: str, hint: str = "") -> InvalidInput:
        """Return the error to raise for the value at ``path``, with file, line and key."""
        return InvalidInput(f"{self.place(path)}: {'.'.join(path)}: {message}", hint)

    def place(self, path: Path) -> str:
        """File and line, for a message."""
        line = self.line(path)
        return self.file if line is None else f"{self.file}, line {line}"

    def checked(self, path: Path, parse: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``parse(*arguments)``; an :class:`InvalidInput` that it raises gets the place of ``path``."""
        try:
            return parse(*arguments)
        except InvalidInput as error:
            raise self.error(path, error.message, error.hint) from None

    def check_keys(self, document: Any, known: Sequence[str], path: Path) -> None:
        """Refuse what is not a mapping, a key that is not ``known``, and one without a value."""
        if not isinstance(document, Mapping):
            raise self.error(path, "must be a mapping", f"use {', '.join(known)}")
        for key, value in document.items():
            if key not in known:
                message = f"unknown key '{escape_for_message(key)}'"
                raise self.error((*path, key), message, suggest_or_list(key, known))
            if value is None:
                raise self.error((*path, key), "has no value", "set a value or remove it")


def suggest_or_list(word: str, known: Sequence[str]) -> str:
    """A hint with the nearest of the ``known`` words, or with all of them."""
    return suggest(word, known) or f"use {', '.join(known)}"


def check_unknown_keys(document: Iterable[str], known: Sequence[str], source: SettingsSource) -> None:
    """Refuse a key that is nearly a known one: it was meant to be it. Any other is kept, and does nothing."""
    for key in document:
        if key not in known and (hint := suggest(key, known, 0.78)):
            raise source.error((key,), f"unknown setting '{escape_for_message(key)}'", hint)
