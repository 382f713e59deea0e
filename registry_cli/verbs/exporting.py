"""Taking out for others: a bundle for another registry, or a version in the format of another tool."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.names import Reference
from ..core.progress import Progress
from ..core.results import Exported
from ..core.values import OneOrMore, as_list
from ..errors import Damaged, InvalidInput
from ..exchange import dispatch
from ..store import replacement, snapshot, verify
from . import carding, ownership

if TYPE_CHECKING:
    from ..exchange.packing import Wanted
    from ..store.replacement import Existing
    from .ownership import Copy, Expected
    from .reading import RegistryReader
    from .taking_out import Sink


def export_as(
    registry: RegistryReader,
    ref: str | Reference,
    kind: str,
    target: Path,
    *,
    flavor: str | None = None,
    replace: bool = False,
) -> Exported:
    """See :meth:`RegistryReader.export_as`."""
    write = dispatch.writer(kind, flavor)
    record = registry.version(ref)
    if kind in dispatch.FILES:
        existing = ownership.replaceable_file(registry, target, ownership.is_bill_of_materials, replace=replace)
    else:
        existing = replaceable(registry, target, record.model, replace=replace, kind=kind, flavor=flavor)
    registry.check(record.ref)
    with registry.laid_out(record.ref) as artifact, replacement.appearing(target, existing) as temporary:
        known = carding.known(registry, artifact.version, (entry.path for entry in artifact.files))
        lost = write(artifact, known, temporary)
    return Exported(str(target), (record.ref,), record.size, tuple(lost))


def replaceable(
    registry: RegistryReader,
    target: Path,
    model: str,
    *,
    replace: bool,
    kind: str | None = None,
    flavor: str | None = None,
) -> Existing | None:
    """What is at ``target``, if it is a folder that the program made; None for nothing. See :mod:`.ownership`."""

    def layouts(copy: Copy) -> Iterator[Expected]:
        from . import export_layouts

        return export_layouts.resembling(registry, copy, model, kind, flavor)

    return ownership.replaceable_folder(registry, target, replace=replace, first=model, layouts=layouts)


def export(
    registry: RegistryReader,
    refs: OneOrMore[str | Reference] | None,
    target: Path | Sink,
    *,
    replace: bool,
    progress: Progress,
) -> Exported:
    """See :meth:`RegistryReader.export`."""
    from ..exchange import packing

    if isinstance(target, Path):
        packing.suffix_of(target.name)
        existing = ownership.replaceable_file(registry, target, ownership.is_bundle, replace=replace)
    loaded = packing.load(*_wanted(registry, refs), registry.settings.id)
    if isinstance(target, Path):
        packing.write_file(loaded, target, progress=progress, existing=existing)
    else:
        packing.write(loaded, target.write, progress)
    contents = loaded.contents
    names = tuple(
        name
        for part in contents.parts
        for name in ([part.name] if part.whole else [f"{part.name}@{version.number}" for version in part.versions])
    )
    return Exported(str(target) if isinstance(target, Path) else "-", names, contents.size)


def save_plan(registry: RegistryReader, text: str, target: str | os.PathLike[str]) -> None:
    """Write what ``--plan`` asks for to a new file, or in place of an earlier plan.

    Raises:
        Conflict: Something else is there.
        InvalidInput: It is inside a registry.
    """
    ownership.write_file(registry, registry._outside(target), text, ownership.is_plan, replace=True)


def _wanted(registry: RegistryReader, refs: OneOrMore[str | Reference] | None) -> tuple[str, list[Wanted]]:
    """The kind of the bundle, and what goes into it: a bare name is the whole model, None the whole registry."""
    from ..exchange.packing import Wanted

    if refs is None:
        if lost := next(verify.lost_models(registry._layout), None):
            raise Damaged(f"{lost} has versions but no model.yaml", "run 'registry verify' for details")
        return "registry", [
            Wanted.all_of(snapshot.take(registry._layout.model(name))) for name in registry.model_names()
        ]
    chosen = [Reference.of(ref) for ref in as_list(refs, "refs")]
    bare = {each.model for each in chosen if each.selector is None}
    if bare and any(each.selector for each in chosen):
        raise InvalidInput(
            "a bundle holds whole models, or versions", f"say {min(bare)}@latest for one of its versions"
        )
    names = sorted({each.model for each in chosen})
    pictures = {name: snapshot.take(registry._layout.model(name)) for name in names}
    if bare:
        return "models", [Wanted.all_of(pictures[name]) for name in names]
    numbers: dict[str, set[int]] = {name: set() for name in names}
    for each in chosen:
        picture = pictures[each.model]
        numbers[each.model].add(picture.model.resolve(each.or_latest(), picture.state.table))
    return "versions", [Wanted(pictures[name], False, tuple(sorted(numbers[name]))) for name in names]
