"""The documents that people edit, as far as a mistake in one is told: with its file, its line and its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import InvalidInput

#: Where something stands in a document: ``("policy", "production", "require", "metrics", "auc")``.
Path = tuple[str, ...]

#: The settings of each of the three documents.
REGISTRY_KEYS = ("format", "id", "created", "shared", "stages", "scan", "policy", "retention", "lineage", "metrics")
GROUP_KEYS = ("format", "owner", "description", "policy", "retention", "metrics")
#: What a model card is told; the last is another spelling of the one before.
CARD_KEYS = ("intended_use", "limitations", "data", "ethics", "licence", "license")
MODEL_KEYS = (
    "format", "id", "created", "owner", "description", *CARD_KEYS, "tags", "annotations", "formerly", "policy", "retention",
    "metrics",
)  # fmt: skip


class SettingsSource:
    """A document that settings stand in: what people call it, and where its lines are, found when asked for."""

    def __init__(self, file: str, lines: Callable[[], Mapping[Path, int]] = dict) -> None:
        self.file = file
        self._lines = lines
        self._found: Mapping[Path, int] | None = None

    def line(self, path: Path) -> int | None:
        """The line in which ``path`` begins; of a path that is not there, the nearest part that is."""
        found = self._all()
        while path and path not in found:
            path = path[:-1]
        return found.get(path)

    def has(self, path: Path) -> bool:
        """Whether something stands there, in so many words."""
        return path in self._all()

    def _all(self) -> Mapping[Path, int]:
        if self._found is None:
            self._found = self._lines()
        return self._found

    def error(self, path: Path, message: str, hint: str = "") -> InvalidInput:
        """What to raise for something that can't be meant, with file, line and key."""
        return InvalidInput(f"{self.place(path)}: {'.'.join(path)}: {message}", hint)

    def place(self, path: Path) -> str:
        """File and line, in words."""
        line = self.line(path)
        return self.file if line is None else f"{self.file}, line {line}"


def suggest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """What was meant by ``word``, as a hint; empty if nothing is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), list(known), 1, cutoff)
    return f"did you mean '{near[0]}'?" if near else ""


def check_unknown_keys(document: Iterable[str], known: Sequence[str], source: SettingsSource) -> None:
    """A setting that is nearly one that we know was meant to be it; any other is kept, and does nothing."""
    from ..core.text import escape_for_message

    for key in document:
        if key not in known and (hint := suggest(key, known, 0.78)):
            raise source.error((key,), f"there is no setting '{escape_for_message(key)}'", hint)
