"""The input of a model card: a version, its model, and what people have written about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.lazy_dataclass import dataclass, field
from ...core.records import ModelRecord, VersionRecord
from ...core.results import Approval
from ...core.values import TEXT_LENGTH
from ...errors import InvalidInput
from ...rules.settings_errors import CARD_KEYS, SettingsSource
from . import licenses
from .licenses import Licence

#: The name of a card among the files of a model, as Hugging Face has it.
NAME = "README.md"
#: The annotations of a version for each section; all sections but ``evaluation`` are also fields of ``model.yaml``.
ANNOTATIONS = {
    "intended_use": ("intended_use", "purpose", "use_cases", "use_case", "users"),
    "limitations": ("limitations", "performance_tradeoffs", "caveats"),
    "data": ("data", "training_data"),
    "evaluation": ("evaluation", "evaluation_data"),
    "ethics": ("ethics", "ethical_considerations", "special_considerations"),
}
DESCRIPTION = "model_description"
_LICENSE_NAMES = ("license", "licence", "model.license")


@dataclass(frozen=True, eq=False, repr=False)
class CardInput:
    """The facts for a card. ``fields`` are those of ``model.yaml``, ``files`` the paths of the version's files, ``bases``
    the models of Hugging Face that it was made from.
    """

    version: VersionRecord
    model: ModelRecord
    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    bases: tuple[str, ...] = ()

    @property
    def has_card(self) -> bool:
        """Whether a card is among its files, as in a version from Hugging Face."""
        return NAME in self.files

    @property
    def licence(self) -> Licence | None:
        """The licence, from tags or annotations of the version, ``model.yaml``, or tags or annotations of the model.

        Raises :class:`InvalidInput` when one of these has two different ones.
        """
        version, model = self.version, self.model
        for source in (version.tags, version.annotations, self.fields, model.tags, model.annotations):
            found = [text for name in _LICENSE_NAMES if (text := str(source.get(name) or "").strip())]
            if source.get("license") and source.get("licence") and len(set(found)) > 1:
                raise InvalidInput(
                    f"'license' and 'licence' of {version.ref} differ: '{found[0]}', '{found[1]}'", "remove one of them"
                )
            if found:
                return licenses.parse_license(found[0])
        return None

    @property
    def description(self) -> str:
        return self.version.annotations.get(DESCRIPTION) or self.model.description

    def statements(self, name: str) -> list[str]:
        """The texts for a section of :data:`ANNOTATIONS`: of the model, then of the version."""
        annotations = self.version.annotations
        texts = [self.fields.get(name), *(annotations.get(each) for each in ANNOTATIONS[name])]
        return list(dict.fromkeys(text.strip() for text in texts if text and text.strip()))

    def rest(self) -> dict[str, str]:
        """The annotations of the version that belong to no section."""
        placed = {DESCRIPTION, *_LICENSE_NAMES, *(each for names in ANNOTATIONS.values() for each in names)}
        if self.has_card:
            placed.add("card")  # the beginning of that card, from its import
        return {name: text for name, text in sorted(self.version.annotations.items()) if name not in placed}


def fields(document: Mapping[str, Any], source: SettingsSource) -> dict[str, str]:
    """Parse the fields for a card of a ``model.yaml``, its ``CARD_KEYS``. Raises :class:`InvalidInput`."""
    texts = {name: _parse_text(document[name], name, source) for name in CARD_KEYS if document.get(name) is not None}
    other = texts.pop("licence", None)
    if other is not None and texts.setdefault("license", other) != other:
        raise source.error(("license",), "differs from 'licence'", "keep one of them")
    return {name: text for name, text in texts.items() if text}


def _parse_text(value: Any, name: str, source: SettingsSource) -> str:
    if not isinstance(value, str):
        raise source.error((name,), "must be text", f"use {name}: …, or {name}: | and lines below it")
    if len(value) > TEXT_LENGTH:
        raise source.error((name,), f"has {len(value):,} characters", f"{TEXT_LENGTH:,} is the limit")
    return value.strip()
