"""Compare two versions, with the sizes of their files and the packages of their environments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from ..core.records import Artifact, FileEntry, VersionRecord
from ..core.values import OneOrMore, as_list
from ..lineage import environment, git
from ..rules import comparison
from ..rules.comparison import Comparison, Diff, Difference, FileDifference, StoredFile
from ..store import codec, layout
from ..store.packs import pack_reader
from .context import open_model
from .read import get_artifact, get_directions, get_version, read_sidecar
from .search import list_versions

if TYPE_CHECKING:
    from ..core.names import Reference
    from ..lineage.process_info import Caller
    from .context import RegistryContext

#: How many versions are compared when none is named.
NEWEST = 5
#: The files that say which packages a model was made with; the first that both versions have is taken.
ENVIRONMENTS = ("environment.txt", "requirements.txt")
#: An environment file of more bytes is compared by its digest only.
ENVIRONMENT_LIMIT = 1_000_000


def diff(context: RegistryContext, before: str | Reference, after: str | Reference) -> Diff:
    """Return what differs between two versions, which may be of different models.

    The commits between the two are listed if the repository around this program has both.
    """
    old, new = get_artifact(context, before), get_artifact(context, after)
    sides = (_DiffSide(context, old), _DiffSide(context, new))
    commits = _list_commits(old.version, new.version, context.caller() if context.caller else None)
    directions = get_directions(context, new.version.model)
    return comparison.diff(
        old.version, new.version, _compare_files(*sides), _compare_packages(*sides), commits, directions
    )


def compare(
    context: RegistryContext,
    name: str,
    versions: OneOrMore[str | Reference | VersionRecord] | None = None,
    *,
    lower: OneOrMore[str] = (),
    higher: OneOrMore[str] = (),
) -> Comparison:
    """Compare params, metrics and tags of several versions of a model, with the best value of each metric.

    Args:
        name: The model.
        versions: References, or records that were read before; the newest five by default.
        lower: Metrics of which lower is better, whatever is declared.
        higher: Metrics of which higher is better.

    Raises:
        InvalidInput: A declaration of metrics is not valid; with its line.
    """
    chosen = list_versions(context, name, limit=NEWEST) if versions is None else as_list(versions, "versions")
    records = [each if isinstance(each, VersionRecord) else get_version(context, each) for each in chosen]
    declared = get_directions(context, name)
    return comparison.compare(records, as_list(lower, "lower"), as_list(higher, "higher"), declared)


def _list_commits(
    before: VersionRecord, after: VersionRecord, caller: Caller | None
) -> tuple[tuple[Difference, ...], bool]:
    """Return the commits between two versions, the newest first; none unless a repository at hand has both ends."""
    ends = [
        git_lineage.get("commit") if isinstance(git_lineage := each.lineage.get("git"), Mapping) else None
        for each in (before, after)
    ]
    if caller is None or ends[0] == ends[1] or not all(isinstance(end, str) and end for end in ends):
        return (), False
    here = git.GitRepository.around(caller.folder, caller.variables)
    if here is None or not all(map(git.is_commit, ends)):
        return (), False
    try:
        found, more = git.list_commits_between(here, *map(str, ends))
    except git.GitUnavailable:  # another repository, a shallow one, no git: what was asked for is told without it
        return (), False
    return tuple(
        Difference(name, None if mark == ">" else text, text if mark == ">" else None) for mark, name, text in found
    ), more


class _DiffSide:
    """One of the two versions, with the sizes and the texts of its files."""

    def __init__(self, context: RegistryContext, artifact: Artifact) -> None:
        self.files, self.version = artifact.files, artifact.version
        self._context, self._model = context, open_model(context, artifact.version.model)

    @cached_property
    def _packed(self) -> dict[str, int]:
        """The size of each file of a pack, which is read once for all of them."""
        return {entry.path: content.size for entry, content in pack_reader.members(self._model, self.version)}

    def size(self, entry: FileEntry) -> int:
        if self.version.packed is not None:
            return self._packed[entry.path]
        with pack_reader.content(self._model, self.version, entry) as content:
            return content.size

    def read_text(self, entry: FileEntry) -> str | None:
        """The text of a stored file, its bytes checked; None when it is too large."""
        with pack_reader.content(self._model, self.version, entry) as content:
            return content.read().decode("utf-8", "replace") if content.size <= ENVIRONMENT_LIMIT else None

    def read_package_list(self) -> str | None:
        """Return the package list that was stored at registration, or None."""
        if layout.ENVIRONMENT not in codec.sidecar_digests(self.version.lineage):
            return None
        return read_sidecar(self._context, self.version.ref, layout.ENVIRONMENT).decode("utf-8", "replace")


def _compare_files(before: _DiffSide, after: _DiffSide) -> tuple[FileDifference, ...]:
    old, new = ({entry.path: entry for entry in side.files} for side in (before, after))
    differing = [
        path
        for path in sorted(old.keys() | new.keys())
        if path not in old or path not in new or old[path].sha256 != new[path].sha256
    ]
    return tuple(
        FileDifference(path, _make_stored_file(before, old.get(path)), _make_stored_file(after, new.get(path)))
        for path in differing
    )


def _make_stored_file(side: _DiffSide, entry: FileEntry | None) -> StoredFile | None:
    return StoredFile(entry.sha256, side.size(entry)) if entry else None


def _compare_packages(before: _DiffSide, after: _DiffSide) -> tuple[Difference, ...]:
    """Return the packages that differ, if both versions have a list: a stored one, else one among their files."""
    old, new = before.read_package_list(), after.read_package_list()
    if old is None or new is None:
        files = _choose_environment_files(before, after)
        old = before.read_text(files[0]) if old is None and files[0] else old
        new = after.read_text(files[1]) if new is None and files[1] else new
    if old is None or new is None or old == new:
        return ()
    return comparison.differences(environment.parse_packages(old), environment.parse_packages(new), Difference)


def _choose_environment_files(before: _DiffSide, after: _DiffSide) -> tuple[FileEntry | None, FileEntry | None]:
    """The environment files among the files of the two: of the same name, if there are such."""
    old, new = _list_environment_files(before), _list_environment_files(after)
    name = next((name for name in old if name in new), None)
    if name:
        return old[name], new[name]
    return next(iter(old.values()), None), next(iter(new.values()), None)


def _list_environment_files(side: _DiffSide) -> dict[str, FileEntry]:
    """The environment files of a version by their names: of each the one that lies nearest to the top."""
    found = {}
    for name in ENVIRONMENTS:
        named = [entry for entry in side.files if entry.path.rpartition("/")[2] == name]
        if named:
            found[name] = min(named, key=lambda entry: (entry.path.count("/"), entry.path))
    return found
