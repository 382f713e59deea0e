"""Find the versions that contain a file, by its digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import Record, RecordList, dataclass
from ..core.progress import SILENT, Progress
from ..core.records import FileEntry, VersionRecord
from ..core.values import OneOrMore, PathLike, as_list
from ..errors import Damaged, InvalidInput, NotFound, RegistryError
from ..store import manifest
from ..store.filesystem import copying, files
from ..store.layout import VERSIONS
from ..store.selection import FileSelection
from .context import open_model
from .read import get_version
from .search import list_model_names, raise_error, search_versions

if TYPE_CHECKING:
    from .context import RegistryContext
    from .search import OnDamage


def find_files(
    context: RegistryContext,
    paths: OneOrMore[PathLike],
    *,
    progress: Progress = SILENT,
    on_damage: OnDamage = raise_error,
) -> RecordList[FileMatch]:
    """Find the versions that hold the content of these files, or of the files in these folders.

    Args:
        progress: Called with the number of bytes that were read.
        on_damage: Called with the error of each document that can't be read.

    Returns:
        Matches; a file that no version holds comes with ``version`` None.

    Raises:
        InvalidInput: A path is not a file or a folder.
    """
    asked: dict[str, str] = {}
    for path in as_list(paths, "paths"):
        asked.update(_hash_files(Path(path), progress))
    found: dict[str, list[tuple[str, str]]] = {digest: [] for digest in asked.values()}
    similar = {os.fsencode(Path(file).name): "" for file in asked if file[-1:] != "/"}
    for ref, data in _iter_manifests(context, on_damage):
        whole = manifest.digest(data)
        if whole in found:
            found[whole].append((ref, ""))
        for line in data.split(b"\n"):
            digest = line[:64].decode("ascii", "replace")
            if digest in found:
                found[digest].append((ref, manifest.loads(line + b"\n", ref)[0].path))
            elif (name := line[66:].rpartition(b"/")[2]) in similar:
                similar[name] = similar[name] or ref
    matches: list[FileMatch] = []
    for file, digest in asked.items():
        known = [
            FileMatch(file, digest, version, path)
            for version, path in _iter_versions(context, found[digest], on_damage)
        ]
        matches += known
        if not known and not file.endswith("/"):
            near = _find_similar(context, file, similar[os.fsencode(Path(file).name)])
            matches.append(FileMatch(file, digest, None, "", *near))
    return RecordList(matches)


def _find_similar(context: RegistryContext, file: str, same_name: str) -> tuple[str, str]:
    """A version that an unknown file may have been of, and what says so; see :class:`FileMatch`."""
    models = os.path.realpath(context.layout.models)
    place = re.match(rf"{re.escape(models)}/(.+)/{VERSIONS}/(\d+)/", os.path.realpath(file))
    if place:
        return f"{place[1]}@{place[2]}", "place"
    if same_name:
        return same_name, "name"
    where = f"size = {Path(file).stat().st_size} and files = 1"
    same_size = search_versions(context, where, archived=True, limit=1, on_damage=lambda _: None)
    return next(((version.ref, "size") for version in same_size), ("", ""))


@dataclass(frozen=True)
class FileMatch(Record):
    """A file, or a folder as a whole, and one version that holds it as ``path``; ``version`` None when none does.

    ``path`` is empty for a folder that is the whole of the version. When no version holds it, ``similar`` is a version with
    other contents, and ``similar_by`` says in what: ``place`` (the file lies in that version, and was changed), ``name`` (the
    newest version of the first model that has a file of this name) or ``size`` (its only file has this size); both are empty
    for none.
    """

    file: str
    digest: str
    version: VersionRecord | None = None
    path: str = ""
    similar: str = ""
    similar_by: str = ""


def _iter_versions(
    context: RegistryContext, found: Iterable[tuple[str, str]], on_damage: OnDamage
) -> Iterator[tuple[VersionRecord, str]]:
    """Iterate over the versions found, without those that were deleted meanwhile."""
    for ref, path in found:
        try:
            yield get_version(context, ref), path
        except NotFound:
            continue
        except Damaged as error:
            on_damage(error)


def _hash_files(path: Path, progress: Progress) -> dict[str, str]:
    """The sha256 of a file; of a folder (its name ends with a slash) that of its manifest, and of each file in it."""
    if not path.exists():
        raise NotFound(f"file '{path}' not found", "give a file or folder")
    if path.is_file():
        return {str(path): _sha256(path, progress)}
    if not path.is_dir():
        raise InvalidInput(f"'{path}' is not a file", "give a file or folder")
    scope = FileSelection().in_folder(path, "")[0]
    inside = ((each.relative_to(path).as_posix(), each) for each in sorted(path.rglob("*")) if each.is_file())
    entries = [FileEntry(name, _sha256(each, progress)) for name, each in inside if scope.keeps(name)]
    if not entries:
        raise NotFound(f"no files in '{path}'", "give a file or folder")
    whole = manifest.digest(manifest.dumps(sorted(entries, key=lambda entry: entry.path)))
    return {f"{path}/": whole, **{f"{path}/{entry.path}": entry.sha256 for entry in entries}}


def _sha256(path: Path, progress: Progress) -> str:
    size = path.stat().st_size
    progress.expect(size)
    with path.open("rb") as stream:
        return copying.copy_and_hash(stream.fileno(), None, size, progress)[0]


def _iter_manifests(context: RegistryContext, on_damage: OnDamage) -> Iterator[tuple[str, bytes]]:
    """The reference and the manifest of every version, the newest of each model first."""
    for name in list_model_names(context):
        try:
            model = open_model(context, name)
            numbers = model.numbers(model.state().table)
        except RegistryError as error:
            on_damage(error)
            continue
        for number in reversed(numbers):
            path = model.paths.manifest(number)
            try:
                yield f"{name}@{number}", files.read(path, manifest.LIMIT, f"{name}@{number}: {path.name}")
            except FileNotFoundError:
                try:
                    model.refuse_deleted(number)
                except NotFound:
                    continue
                on_damage(Damaged(f"{name}@{number}: {path.name} is missing", "run 'registry verify' for details"))
            except RegistryError as error:
                on_damage(error)
