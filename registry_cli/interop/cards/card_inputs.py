"""What a model card is made from, in one place: a version, its model, and what people wrote of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.lazy_dataclass import dataclass, field
from ...core.records import ModelRecord, VersionRecord
from ...core.results import Approval
from ...core.values import TEXT_LENGTH
from ...rules.settings_errors import CARD_KEYS, SettingsSource
from . import licenses
from .licenses import Licence

#: The name of a card among the files of a model, as Hugging Face has it.
NAME = "README.md"
#: The annotations of a version that say the same of it, by the field; those of ``evaluation`` have no field.
ANNOTATIONS = {
    "intended_use": ("intended_use", "purpose", "use_cases", "use_case", "users"),
    "limitations": ("limitations", "performance_tradeoffs", "caveats"),
    "data": ("data", "training_data"),
    "evaluation": ("evaluation", "evaluation_data"),
    "ethics": ("ethics", "ethical_considerations", "special_considerations"),
}
DESCRIPTION = "model_description"
_LICENCE_NAMES = ("license", "licence", "model.license")


@dataclass(frozen=True, eq=False, repr=False)
class CardInput:
    """All that a card can tell. ``fields`` are those of ``model.yaml``, ``files`` the paths of the version's files.

    ``bases`` are the models of Hugging Face that it was made from: by their names there.
    """

    version: VersionRecord
    model: ModelRecord
    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    bases: tuple[str, ...] = ()

    @property
    def has_card(self) -> bool:
        """Whether a card is among its files, as in what came from Hugging Face."""
        return NAME in self.files

    @property
    def licence(self) -> Licence | None:
        """The licence, where people said one: as a tag or annotation of the version, in ``model.yaml``, as its tag."""
        version, model = self.version, self.model
        for said in (version.tags, version.annotations, self.fields, model.tags, model.annotations):
            for name in _LICENCE_NAMES:
                if text := str(said.get(name) or "").strip():
                    return licenses.parse_license(text)
        return None

    @property
    def description(self) -> str:
        return self.version.annotations.get(DESCRIPTION) or self.model.description

    def said(self, name: str) -> list[str]:
        """What people said under a name of :data:`ANNOTATIONS`: first of the model, then of this version."""
        annotations = self.version.annotations
        texts = [self.fields.get(name), *(annotations.get(each) for each in ANNOTATIONS[name])]
        return list(dict.fromkeys(text.strip() for text in texts if text and text.strip()))

    def rest(self) -> dict[str, str]:
        """The annotations of the version that have no place of their own, by their names."""
        placed = {DESCRIPTION, *_LICENCE_NAMES, *(each for names in ANNOTATIONS.values() for each in names)}
        if self.has_card:
            placed.add("card")  # what was taken from it when it came: it is there as a whole
        return {name: text for name, text in sorted(self.version.annotations.items()) if name not in placed}


def fields(document: Mapping[str, Any], source: SettingsSource) -> dict[str, str]:
    """What a ``model.yaml`` says in :data:`~..rules.settings_errors.CARD_KEYS`, as texts. People write it: what can't be
    meant is told as theirs.
    """
    found = {name: _parse_text(document[name], name, source) for name in CARD_KEYS if document.get(name) is not None}
    other = found.pop("license", None)
    if other is not None and found.setdefault("licence", other) != other:
        raise source.error(("license",), "says something else than 'licence'", "keep one of them")
    return {name: text for name, text in found.items() if text}


def _parse_text(value: Any, name: str, source: SettingsSource) -> str:
    if not isinstance(value, str):
        raise source.error((name,), "is no text", f"write {name}: …, or {name}: | and lines below it")
    if len(value) > TEXT_LENGTH:
        raise source.error((name,), f"has {len(value):,} characters", f"{TEXT_LENGTH:,} is the most")
    return value.strip()
