"""Whether a text that somebody edited is right: what every command would say of it afterwards is said before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Damaged, InvalidInput
from ..lifecycle import policy, policy_parser, retention_rules, scan_rules
from ..lifecycle.directions import KEY, LISTED, Directions
from ..lifecycle.sources import MODEL_KEYS, Source, refuse_slips
from ..provenance import card_facts
from ..store import codec, layout
from ..store.layout import Layout
from . import checking, settings
from .settings import Scope

#: What of each document no edit may change: the store relies on it.
_FIXED = {"model.yaml": ("format", "created"), "registry.yaml": ("format", "id", "created")}


def check(paths: Layout, name: str | None, text: str) -> None:
    """Raise :class:`InvalidInput` for a mistake, with its line."""
    called = layout.MODEL if name else layout.REGISTRY
    data = text.encode()
    try:
        document = codec.loads(data, called)
    except Damaged as error:
        raise InvalidInput(error.message.removesuffix(f"; {error.hint}"), "mend it, or leave it as it was") from None

    def lines() -> Mapping[tuple[str, ...], int]:
        from ..store import documents

        return documents.lines(data)

    source = Source(called, lines)
    _refuse_fixed(paths, name, document, source)
    if name is None:
        _check_settings(paths, document, source)
    else:
        _check_model(paths, name, document, source)


def _refuse_fixed(paths: Layout, name: str | None, document: Mapping[str, Any], source: Source) -> None:
    before = codec.load(paths.model(name).model if name else paths.config, source.file)
    for key in _FIXED[source.file]:
        if document.get(key) != before.get(key):
            raise source.mistake((key,), "can't be changed", f"it was {before.get(key)}")


def _check_settings(paths: Layout, document: Mapping[str, Any], source: Source) -> None:
    known = codec.parse_settings(document, source)
    if known.scan is not None:
        scan_rules.parse(known.scan, source.file)
    if (lineage := document.get("lineage")) is not None:
        from ..provenance import capture

        capture.parts(None, lineage, source.file)
    found = policy_parser.parse(policy_parser.find(document, source), source, known.stages)
    policy.refuse_circles(policy.joined({}, found, known.stages), known.stages)
    checking.refuse_inside(paths, found)
    retention_rules.Policy.parse(document.get("retention"), source)
    Directions.parse(document.get(KEY), source)


def _check_model(paths: Layout, name: str, document: Mapping[str, Any], source: Source) -> None:
    refuse_slips(document, MODEL_KEYS, source)
    for key in ("owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise source.mistake((key,), "is no text", "write it in quotes")
    for key in ("tags", "annotations"):
        said = document.get(key) or {}
        if not isinstance(said, Mapping) or not all(isinstance(text, str) for text in said.values()):
            raise source.mistake((key,), "is no mapping of names to texts", "write 'name: text' lines below it")
    card_facts.fields(document, source)
    levels = settings.levels(paths, Scope(name.rpartition("/")[0]))
    stages = codec.parse_settings(levels[0].document, levels[0].source).stages
    directions = LISTED
    found: policy.Policies = {}
    for at, (each, where, _) in enumerate([*levels, settings.Level(document, source, MODEL_KEYS)]):
        own = policy_parser.parse(policy_parser.find(each, where), where, stages, found if at else None)
        found = policy.joined(found, own, stages)
        directions = Directions.parse(each.get(KEY), where).over(directions)
    policy.refuse_circles(found, stages)
    checking.refuse_inside(paths, found)
    retention_rules.Policy.parse(document.get("retention"), source).check_directions(directions)
