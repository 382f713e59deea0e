"""Comparing two versions, with what lies in their folders: sizes of files, packages of environments. Only reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import Damaged, NotFound
from ..lifecycle import compare
from ..lifecycle.compare import Diff, Difference, FileDifference, StoredFile
from ..records import Artifact, FileEntry, VersionRecord
from ..store import files, layout, outgoing, sidecars

if TYPE_CHECKING:
    from ..names import Reference
    from ..provenance.caller import Caller
    from .reading import RegistryReader

#: The files that say which packages a model was made with; the first that both versions have is taken.
ENVIRONMENTS = ("environment.txt", "requirements.txt")
#: An environment file of more bytes is compared by its digest only.
ENVIRONMENT_LIMIT = 1_000_000


def diff(
    registry: RegistryReader, before: str | Reference, after: str | Reference, caller: Caller | None = None
) -> Diff:
    """What differs from ``before`` to ``after``, which may be versions of different models.

    The commits between them are told when the repository around ``caller`` has both. Raises :class:`InvalidInput`, :class:`NotFound`, :class:`Damaged`.
    """
    old, new = registry.artifact(before), registry.artifact(after)
    packages = _packages(registry, old, new)
    return compare.diff(
        old.version, new.version, _files(old, new), packages, _commits(old.version, new.version, caller)
    )


def _commits(before: VersionRecord, after: VersionRecord, caller: Caller | None) -> tuple[tuple[Difference, ...], bool]:
    """The commits that came and went, the newest first; none when no repository at hand has both ends."""
    ends = [
        said.get("commit") if isinstance(said := each.lineage.get("git"), Mapping) else None for each in (before, after)
    ]
    if caller is None or ends[0] == ends[1] or not all(isinstance(end, str) and end for end in ends):
        return (), False
    from ..provenance import git

    here = git.Repository.around(caller.folder, caller.variables)
    if here is None or not all(map(git.is_commit, ends)):
        return (), False
    try:
        found, more = git.between(here, *map(str, ends))
    except git.Silent:  # another repository, a shallow one, no git: what was asked for is told without it
        return (), False
    return tuple(
        Difference(name, None if mark == ">" else text, text if mark == ">" else None) for mark, name, text in found
    ), more


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


def _packages(registry: RegistryReader, before: Artifact, after: Artifact) -> tuple[Difference, ...]:
    """The packages that differ, when both versions tell of theirs: in what was kept beside them, else in their files."""
    old, new = (_kept(registry, artifact) for artifact in (before, after))
    if old is None or new is None:
        files = _environment_files(before, after)
        if old is None:
            old = _text(before, files[0]) if files[0] else None
        if new is None:
            new = _text(after, files[1]) if files[1] else None
    if old is None or new is None or old == new:
        return ()
    from ..provenance import packages

    return compare.differences(packages.listed(old), packages.listed(new), Difference)


def _kept(registry: RegistryReader, artifact: Artifact) -> str | None:
    """The list of packages that was kept when the version was registered; None when there is none."""
    if layout.ENVIRONMENT not in sidecars.named(artifact.version.lineage):
        return None
    return registry.sidecar(artifact.version.ref, layout.ENVIRONMENT).decode("utf-8", "replace")


def _environment_files(before: Artifact, after: Artifact) -> tuple[FileEntry | None, FileEntry | None]:
    """The environment files among the files of the two: of the same name, if there are such."""
    old, new = _environments(before), _environments(after)
    name = next((name for name in old if name in new), None)
    if name:
        return old[name], new[name]
    return next(iter(old.values()), None), next(iter(new.values()), None)


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
