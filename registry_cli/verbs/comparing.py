"""Comparing two versions, with what lies in their folders: sizes of files, packages of environments. Only reads."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ..lifecycle import compare
from ..lifecycle.compare import Diff, Difference, FileDifference, StoredFile
from ..records import Artifact, FileEntry
from ..store import packs

if TYPE_CHECKING:
    from ..names import Reference
    from .reading import RegistryReader

#: The files that say which packages a model was made with; the first that both versions have is taken.
ENVIRONMENTS = ("environment.txt", "requirements.txt")
#: An environment file of more bytes is compared by its digest only.
ENVIRONMENT_LIMIT = 1_000_000


def diff(registry: RegistryReader, before: str | Reference, after: str | Reference) -> Diff:
    """What differs from ``before`` to ``after``, which may be versions of different models.

    Raises :class:`InvalidInput`, :class:`NotFound`, :class:`Damaged`.
    """
    old, new = registry.artifact(before), registry.artifact(after)
    sides = (_Side(registry, old), _Side(registry, new))
    return compare.diff(old.version, new.version, _files(*sides), _packages(*sides))


class _Side:
    """One of the two versions, with the sizes and the texts of its files."""

    def __init__(self, registry: RegistryReader, artifact: Artifact) -> None:
        self.files, self.version = artifact.files, artifact.version
        self._model = registry._model(artifact.version.model)

    @cached_property
    def _packed(self) -> dict[str, int]:
        """The size of each file of a pack, which is read once for all of them."""
        return {entry.path: content.size for entry, content in packs.members(self._model, self.version)}

    def size(self, entry: FileEntry) -> int:
        if self.version.packed is not None:
            return self._packed[entry.path]
        with packs.content(self._model, self.version, entry) as content:
            return content.size

    def text(self, entry: FileEntry) -> str | None:
        """The text of a stored file, its bytes checked; None when it is too large."""
        with packs.content(self._model, self.version, entry) as content:
            return content.read().decode("utf-8", "replace") if content.size <= ENVIRONMENT_LIMIT else None


def _files(before: _Side, after: _Side) -> tuple[FileDifference, ...]:
    old, new = ({entry.path: entry for entry in side.files} for side in (before, after))
    differing = [
        path
        for path in sorted(old.keys() | new.keys())
        if path not in old or path not in new or old[path].sha256 != new[path].sha256
    ]
    return tuple(
        FileDifference(path, _stored(before, old.get(path)), _stored(after, new.get(path))) for path in differing
    )


def _stored(side: _Side, entry: FileEntry | None) -> StoredFile | None:
    return StoredFile(entry.sha256, side.size(entry)) if entry else None


def _packages(before: _Side, after: _Side) -> tuple[Difference, ...]:
    """The packages that differ, when both versions have an environment file."""
    old, new = _environments(before), _environments(after)
    if not old or not new:
        return ()
    name = next((name for name in old if name in new), None)
    entries = (old[name], new[name]) if name else (next(iter(old.values())), next(iter(new.values())))
    if entries[0].sha256 == entries[1].sha256:
        return ()
    texts = [side.text(entry) for side, entry in zip((before, after), entries, strict=True)]
    if texts[0] is None or texts[1] is None:
        return ()
    return compare.differences(compare.packages(texts[0]), compare.packages(texts[1]), Difference)


def _environments(side: _Side) -> dict[str, FileEntry]:
    """The environment files of a version by their names: of each the one that lies nearest to the top."""
    found = {}
    for name in ENVIRONMENTS:
        named = [entry for entry in side.files if entry.path.rpartition("/")[2] == name]
        if named:
            found[name] = min(named, key=lambda entry: (entry.path.count("/"), entry.path))
    return found
