"""Taking out for others: a version in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Conflict
from ..exchange import dispatch
from ..names import Reference
from ..outcomes import Exported
from ..store import files, outgoing

if TYPE_CHECKING:
    from .reading import RegistryReader


def export_as(
    registry: RegistryReader, ref: str | Reference, kind: str, target: Path, *, replace: bool = False
) -> Exported:
    """See :meth:`RegistryReader.export_as`."""
    write = dispatch.writer(kind)
    refuse_existing(target, replace=replace)
    record = registry.check(ref)
    artifact = registry.artifact(record.ref)
    with outgoing.appearing(target, replace=replace) as temporary:
        lost = write(artifact, registry.model(record.model), temporary)
    return Exported(str(target), (record.ref,), record.size, tuple(lost))


def refuse_existing(target: Path, *, replace: bool) -> None:
    if files.exists(target) and not replace:
        raise Conflict(f"'{target}' exists already", "name a new one, or say --force to replace it")
