"""Comparing two versions, with what lies in their folders: sizes of files, packages of environments. Only reads."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import Damaged, NotFound
from ..lifecycle import compare
from ..lifecycle.compare import Diff, Difference, FileDifference, StoredFile
from ..records import Artifact, FileEntry
from ..store import files, outgoing

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
    return compare.diff(old.version, new.version, _files(old, new), _packages(old, new))


def _files(before: Artifact, after: Artifact) -> tuple[FileDifference, ...]:
    old, new = ({entry.path: entry for entry in artifact.files} for artifact in (before, after))
    differing = [
        path
        for path in sorted(old.keys() | new.keys())
        if path not in old or path not in new or old[path].sha256 != new[path].sha256
    ]
    return tuple(
        FileDifference(path, _stored(before, old.get(path)), _stored(after, new.get(path))) for path in differing
    )


def _stored(artifact: Artifact, entry: FileEntry | None) -> StoredFile | None:
    return StoredFile(entry.sha256, _size(artifact, entry)) if entry else None


def _size(artifact: Artifact, entry: FileEntry) -> int:
    """The size of a stored file; one that is not there is damage, unless its version was deleted meanwhile."""
    ref = artifact.version.ref
    try:
        status = os.lstat(artifact.folder / entry.path)
    except (FileNotFoundError, NotADirectoryError):
        if not files.exists(artifact.folder.parent):
            raise NotFound(f"{ref} was deleted just now", "its number is not used again") from None
        raise Damaged(f"{ref}: the file '{entry.path}' is missing", "registry verify tells more") from None
    if not stat.S_ISREG(status.st_mode):
        raise Damaged(f"{ref}: '{entry.path}' is no regular file", "registry verify tells more")
    return status.st_size


def _packages(before: Artifact, after: Artifact) -> tuple[Difference, ...]:
    """The packages that differ, when both versions have an environment file."""
    old, new = _environments(before), _environments(after)
    if not old or not new:
        return ()
    name = next((name for name in old if name in new), None)
    entries = (old[name], new[name]) if name else (next(iter(old.values())), next(iter(new.values())))
    if entries[0].sha256 == entries[1].sha256:
        return ()
    texts = [_text(artifact, entry) for artifact, entry in zip((before, after), entries, strict=True)]
    if texts[0] is None or texts[1] is None:
        return ()
    return compare.differences(compare.packages(texts[0]), compare.packages(texts[1]), Difference)


def _environments(artifact: Artifact) -> dict[str, FileEntry]:
    """The environment files of a version by their names: of each the one that lies nearest to the top."""
    found = {}
    for name in ENVIRONMENTS:
        named = [entry for entry in artifact.files if entry.path.rpartition("/")[2] == name]
        if named:
            found[name] = min(named, key=lambda entry: (entry.path.count("/"), entry.path))
    return found


def _text(artifact: Artifact, entry: FileEntry) -> str | None:
    """The text of a stored file, its bytes checked; None when it is too large."""
    if _size(artifact, entry) > ENVIRONMENT_LIMIT:
        return None
    data = bytearray()
    outgoing.check_file(artifact.folder, entry, artifact.version.ref, data.extend)
    return data.decode("utf-8", "replace")
