"""The names in a query that a registry does not have: it would select nothing, or everything, without a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.names import is_model_name
from ..lifecycle import query
from ..lifecycle.sources import nearest
from ..store import edited

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import ModelRecord
    from .listing import Listing


class UnknownNames:
    """Looks up the names of stages, aliases, models and groups. Models are read only if a name needs it."""

    def __init__(self, registry: Listing, model: str | None, as_of: str | datetime | None) -> None:
        self._registry, self._model, self._as_of = registry, model, as_of
        self._read: list[ModelRecord] | None = None

    def describe(self, texts: Sequence[str]) -> tuple[str, ...]:
        """A sentence for each unknown name in these queries, with the nearest that is known."""
        named = dict.fromkeys(query.parse_all(texts).names) if texts else ()
        return tuple(self._sentence(kind, name) for kind, name in named if not self._is_known(kind, name))

    def _is_known(self, kind: str, name: str) -> bool:
        if kind == "stage" and name in self._registry.stages:
            return True
        if kind == "stage":  # one that was renamed in the settings is still in the tables of models
            return any(name in each.stages for each in self._models())
        return name in self._known(kind)

    def _known(self, kind: str) -> Sequence[str]:
        if kind == "stage":
            return self._registry.stages
        if kind == "alias":
            return sorted({alias for each in self._models() for alias in each.aliases})
        names = self._registry.model_names()
        return names if kind == "model" else sorted({group for name in names if (group := name.rpartition("/")[0])})

    def _models(self) -> list[ModelRecord]:
        if self._read is None:
            if self._model is not None:
                self._read = [self._registry.model(self._model, as_of=self._as_of)]
            else:
                self._read = list(self._registry.models(as_of=self._as_of, on_damage=lambda _: None))
        return self._read

    def _sentence(self, kind: str, name: str) -> str:
        known = self._known(kind)
        hint = ""
        if kind == "model" and is_model_name(name) and (now := edited.renamed(self._registry._layout, name)):
            hint = f"it is called {now} now"
        hint = hint or nearest(name, known)
        if not hint and kind == "stage":
            hint = f"this registry has: {', '.join(known)}"
        article = "an" if kind == "alias" else "a"
        return f"the query names {article} {kind} '{name}', which does not exist{hint and f'; {hint}'}"
