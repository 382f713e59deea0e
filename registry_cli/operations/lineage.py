"""The lineage of a version: its ancestors and descendants, and how it can be reproduced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.records import ModelRecord, VersionRecord
from ..core.results import LineageGraph, LineageNode, ReproducibilityCheck
from ..errors import InvalidInput, NotFound, RegistryError
from ..lineage import reproducibility
from ..rules.deployments import deployed_versions
from ..store import codec
from .context import open_snapshot
from .read import get_version, read_sidecar
from .search import list_models, raise_error, search_versions

if TYPE_CHECKING:
    from ..core.results import Recipe
    from .context import RegistryContext
    from .search import OnDamage


def trace_lineage(
    context: RegistryContext, ref: str | Reference, *, depth: int = 20, on_damage: OnDamage = raise_error
) -> LineageGraph:
    """Return the ancestors and descendants of a version, through all models.

    Args:
        depth: At most so many steps, 1 to 200.
        on_damage: Called with the error of each version that can't be read.

    Returns:
        The graph; a parent that is not here is in it, with a note.
    """
    version = get_version(context, ref)
    if not 1 <= depth <= DEEPEST:
        raise InvalidInput(f"invalid depth {depth}", f"use 1 to {DEEPEST}")
    known, snapshot = LineageIndex(context, on_damage), open_snapshot(context, version.model)
    return LineageGraph(
        version,
        _follow(LineageNode(version.ref, version), known.parents, depth),
        _follow(LineageNode(version.ref, version), known.children, depth),
        tuple(deployed_versions(snapshot.model.deployments(snapshot.state)).get(version.number, ())),
    )


def get_recipe(context: RegistryContext, ref: str | Reference) -> Recipe:
    """Return how a version can be made again, as commands of a shell; nothing is run."""
    version = get_version(context, ref)
    return reproducibility.make_recipe(version, str(context.root), _list_parents(context, version))


def check_reproducibility(
    context: RegistryContext,
    ref: str | Reference,
    *,
    python: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> tuple[ReproducibilityCheck, ...]:
    """Check which conditions for making a version again hold for this program: its folder, repository and environment.

    Args:
        python: An interpreter or the folder of another environment.
    """
    version = get_version(context, ref)
    from ..lineage.process_info import Caller

    caller = (context.caller and context.caller()) or Caller(str(Path.cwd()), {})
    folder = None if python is None else os.fspath(python)
    kept: dict[str, bytes | str] = {}
    for name in codec.sidecar_digests(version.lineage):
        try:
            kept[name] = read_sidecar(context, version.ref, name)
        except NotFound:
            raise  # it was deleted just now
        except RegistryError as error:
            kept[name] = error.message
    found = [*reproducibility.check_conditions(version.lineage, kept, caller, folder, progress)]
    for parent in _list_parents(context, version):
        outcome = "holds" if parent.version else "differs"
        found.append(ReproducibilityCheck(f"parent {parent.ref}", outcome, parent.ref, parent.note or "present"))
    return tuple(found)


#: No family is followed over more steps than this.
DEEPEST = 200
_ABOVE = "shown above"
_CYCLE = "its own ancestor"
_FURTHER = "more beyond this depth"
#: What stands beside a name on the way, its kin not yet known.
_Next = Callable[[LineageNode], list[LineageNode]]


def _list_parents(context: RegistryContext, version: VersionRecord) -> tuple[LineageNode, ...]:
    """Return the parents of a version under the current names of their models."""
    return tuple(LineageIndex(context, lambda _: None).parents(LineageNode(version.ref, version)))


def _follow(start: LineageNode, following: _Next, depth: int) -> tuple[LineageNode, ...]:
    shown: set[str] = set()

    def of(node: LineageNode, around: tuple[str, ...]) -> tuple[LineageNode, ...]:
        found = []
        for each in following(node):
            beyond = following(each) if each.version else []
            if each.ref in around:
                found.append(LineageNode(each.ref, each.version, _CYCLE))
            elif not beyond:
                found.append(each)
            elif each.ref in shown:
                found.append(LineageNode(each.ref, each.version, _ABOVE))
            elif len(around) >= depth:
                found.append(LineageNode(each.ref, each.version, _FURTHER))
            else:
                shown.add(each.ref)
                found.append(LineageNode(each.ref, each.version, each.note, of(each, (*around, each.ref))))
        return tuple(found)

    return of(start, (start.ref,))


class LineageIndex:
    """The versions read so far, and the children of each."""

    def __init__(self, context: RegistryContext, on_damage: OnDamage) -> None:
        self._context, self._on_damage = context, on_damage
        self._nodes: dict[Parent, LineageNode] = {}
        self._children: dict[str, list[LineageNode]] | None = None

    def parents(self, node: LineageNode) -> list[LineageNode]:
        return [self._find(each) for each in _iter_parents(node.version)] if node.version else []

    def children(self, node: LineageNode) -> list[LineageNode]:
        if self._children is None:
            self._children = {}
            for child in search_versions(
                self._context, "lineage.parents exists", archived=True, on_damage=self._on_damage
            ):
                for each in _iter_parents(child):
                    self._children.setdefault(self._canonical(each), []).append(LineageNode(child.ref, child))
            for listed in self._children.values():
                listed.sort(key=lambda each: (each.version.created if each.version else "", each.ref))
        return self._children.get(node.ref, [])

    def _canonical(self, parent: Parent) -> str:
        """The reference by number that a parent means; its text itself when it means none."""
        try:
            reference = Reference.parse(parent.text)
        except InvalidInput:
            return parent.text
        selector = reference.selector
        if (selector is not None and selector.digest) or self._find_meant_model(
            reference.model, parent
        ) != reference.model:
            return self._find(parent).ref
        return str(reference)

    def _find(self, parent: Parent) -> LineageNode:
        if parent not in self._nodes:
            self._nodes[parent] = self._resolve(parent)
        return self._nodes[parent]

    def _resolve(self, parent: Parent) -> LineageNode:
        try:
            reference = Reference.parse(parent.text)
        except InvalidInput:
            return LineageNode(parent.text, None, "in another registry")
        if reference.selector is None or not (reference.selector.number or reference.selector.digest):
            return LineageNode(parent.text, None, "not a fixed version: its target may have moved")
        model = self._find_meant_model(reference.model, parent)
        if model is None:
            return LineageNode(
                str(reference), None, f"{reference.model} is now another model; the original is not in this registry"
            )
        try:
            version = get_version(self._context, f"{model}@{reference.selector}")
        except RegistryError as error:
            return LineageNode(str(reference), None, error.message)
        return LineageNode(version.ref, version)

    def _find_meant_model(self, name: str, parent: Parent) -> str | None:
        """Return the model that a lineage means by a name, by its recorded id; None if it is not here.

        Without an id the name counts, then former names. A model that is newer than the version whose lineage this is can't be
        meant if another one had the name before.
        """
        there = self._models.get(name)
        if parent.model_id:
            if there is not None and there.id == parent.model_id:
                return name
            if parent.model_id in self._by_id:
                return self._by_id[parent.model_id]
            if there is not None and there.id:
                return None
        former = self._former.get(name)
        if former is not None and (there is None or there.created > parent.since):
            return former
        return name

    @cached_property
    def _models(self) -> dict[str, ModelRecord]:
        return {model.name: model for model in list_models(self._context, on_damage=self._on_damage)}

    @cached_property
    def _by_id(self) -> dict[str, str]:
        """The model with each id. Of several with one (a copy that was imported under another name) the first."""
        return {model.id: model.name for model in reversed(self._models.values()) if model.id}

    @cached_property
    def _former(self) -> dict[str, str]:
        """The current name of each renamed model by its former names."""
        return {old: model.name for model in self._models.values() for old in model.formerly if old != model.name}


class Parent(NamedTuple):
    """A parent as a lineage names it: the reference, the id of its model (if recorded), when the child was registered."""

    text: str
    model_id: str = ""
    since: str = ""


def _iter_parents(version: VersionRecord) -> Iterator[Parent]:
    """Iterate over the parents that the lineage of a version names, each once."""
    identities = version.lineage.get("parent_models")
    known = identities if isinstance(identities, Mapping) else {}
    since = version.event.at if version.event else version.created
    for text in iter_parent_names(version.lineage):
        identity = known.get(text)
        yield Parent(text, identity if isinstance(identity, str) else "", since)


def iter_parent_names(lineage: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over the texts by which a lineage names parents, each once."""
    parents = lineage.get("parents")
    texts = (
        (each.get("ref") if isinstance(each, Mapping) else each for each in parents)
        if isinstance(parents, (list, tuple))
        else ()
    )
    yield from dict.fromkeys(text for text in texts if isinstance(text, str) and text)
