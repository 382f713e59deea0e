"""The content of a path that DVC tracks, at a commit or in the workspace, in its cache or in the workspace.

``model.pkl.dvc``, or the ``dvc.lock`` of a pipeline, has the MD5 of a path; the cache has the content by that name.
A folder is a JSON list of names and MD5s. The MD5 of each file is compared.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.lazy_dataclass import dataclass
from ...errors import InvalidInput, RegistryError
from ...store import manifest
from ..source_tree import SourceTree, lookup, lookup_list, lookup_mapping, lookup_text, parse_yaml
from .git_tags import TaggedRepository

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
_LISTED = 200_000


class TemporaryFolder:
    """A private folder that is removed when the last reference to this object goes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="registry-import-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False, repr=False)
class DvcSnapshot:
    """The files at a commit, or, with ``commit`` empty, in the workspace."""

    tree: SourceTree
    repository: TaggedRepository | None = None
    commit: str = ""

    def read(self, path: Path) -> bytes | None:
        if self.commit and self.repository:
            return self.repository.blob(self.commit, self._in_git(path))
        return self.tree.read(path) if self.tree.is_file(path) else None

    def below(self, path: Path) -> Iterator[tuple[str, Path]]:
        """The files below a folder at the commit, by their paths in it."""
        if self.commit and self.repository:
            prefix = self._in_git(path)
            for name in self.repository.below(self.commit, prefix):
                yield name.removeprefix(f"{prefix}/"), self.repository.root / name

    def yaml(self, path: Path) -> dict[str, Any]:
        """A YAML document; empty if there is none."""
        data = self.read(path)
        return {} if data is None else parse_yaml(data, f"'{path}'")

    def _in_git(self, path: Path) -> str:
        assert self.repository  # noqa: S101 - for the type checker
        return path.relative_to(self.repository.root.resolve()).as_posix()


class DvcContent:
    """Finds the content of paths in DVC's cache, in the workspace, or in git."""

    def __init__(self, tree: SourceTree, top: Path, temporary: Path) -> None:
        self._caches = tuple(_find_caches(tree, top))
        # A cache that several repositories share is outside. Only files with the MD5 of their name are taken from it.
        self._tree = SourceTree(top, *(cache for cache in self._caches if cache.is_dir()))
        self._top, self._temporary = top, temporary
        self._made = 0

    def files(self, snapshot: DvcSnapshot, path: Path) -> dict[str, Path]:
        """The files of an artifact by their paths in it. Raises :class:`InvalidInput` if one can't be found."""
        for owner in (path, *path.parents):
            if not owner.is_relative_to(self._top) or owner == self._top:
                break
            if md5 := _find_md5(snapshot, owner):
                inside = path.relative_to(owner).as_posix()
                return self._find_tracked(md5, owner, "" if inside == "." else inside)
        return self._find_untracked(snapshot, path)

    def _find_tracked(self, md5: str, owner: Path, inside: str) -> dict[str, Path]:
        """The files of the path ``inside`` of ``owner``, whose MD5 DVC has."""
        if not md5.endswith(".dir"):
            return {owner.name: self._find_object(md5, owner)}
        selected = {
            name.removeprefix(f"{inside}/"): part
            for name, part in self._read_listing(md5).items()
            if not inside or name == inside or name.startswith(f"{inside}/")
        }
        if list(selected) == [inside]:
            return {PurePosixPath(inside).name: self._find_object(selected[inside], owner / inside)}
        if not selected:
            raise InvalidInput(f"'{inside}' is not in '{owner.name}' as DVC keeps it")
        return {name: self._find_object(part, owner / inside / name) for name, part in selected.items()}

    def _read_listing(self, md5: str) -> dict[str, str]:
        try:
            entries = json.loads(self._tree.read(self._find_object(md5, None), 64 << 20))
            listing = {manifest.check_path(each["relpath"]): each["md5"] for each in entries[:_LISTED]}
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InvalidInput(f"DVC's list of the folder {md5} cannot be read") from None
        if not all(isinstance(part, str) and _MD5.match(part) for part in listing.values()):
            raise InvalidInput(f"DVC's list of the folder {md5} contains a value that is not an MD5")
        return listing

    def _find_object(self, md5: str, workspace: Path | None) -> Path:
        """The file with this MD5, in the cache or else in the workspace."""
        name = f"{md5[:2]}/{md5[2:]}"
        cached = [cache / part / name for cache in self._caches for part in ("files/md5", ".")]
        damaged = False
        for place in (*cached, *((workspace,) if workspace else ())):
            real = self._tree.inside(place)
            if real is not None and real.is_file():
                if _compute_md5(real) == md5.removesuffix(".dir"):
                    return real
                damaged |= place != workspace
        what = f"'{workspace.name}'" if workspace else "the list of a folder"
        if damaged:
            raise InvalidInput(f"the DVC cache entry for {what} does not match its name, {md5}")
        raise InvalidInput(f"{what} ({md5}) is neither in the cache of DVC nor in the workspace", "run 'dvc pull'")

    def _find_untracked(self, snapshot: DvcSnapshot, path: Path) -> dict[str, Path]:
        """The files of a path that DVC does not track, from git or the workspace."""
        if not snapshot.commit:
            real = self._tree.inside(path)
            if real is not None and real.is_dir():
                return {
                    manifest.check_path(each.relative_to(path).as_posix()): self._tree.inside(each) or each
                    for each in self._tree.below(path)
                }
            if real is not None and real.is_file():
                return {path.name: real}
        elif (data := snapshot.read(path)) is not None:
            return {path.name: self._write(data)}
        elif listed := list(snapshot.below(path)):
            return {manifest.check_path(name): self._write(snapshot.read(place) or b"") for name, place in listed}
        raise InvalidInput(f"'{path}' is tracked neither by DVC nor by git")

    def _write(self, data: bytes) -> Path:
        self._made += 1
        place = self._temporary / str(self._made)
        place.write_bytes(data)
        return place


def _find_md5(snapshot: DvcSnapshot, path: Path) -> str:
    """The MD5 of a path in ``PATH.dvc``, or in the ``dvc.lock`` of its folder or one above; empty if it is in neither."""
    own = _find_output(snapshot.yaml(path.with_name(f"{path.name}.dvc")), path.name)
    return own or lookup_text(find_locked_stage(snapshot, path), "md5")


def _find_output(document: Any, path: str) -> str:
    """The MD5 of a path among the outputs of a stage or ``.dvc`` file; empty if it is not there."""
    md5s = (lookup_text(out, "md5") for out in lookup_list(document, "outs") if lookup(out, "path") == path)
    return next(filter(_MD5.match, md5s), "")


def find_locked_stage(snapshot: DvcSnapshot, path: Path) -> dict[str, Any]:
    """The stage of a pipeline that makes ``path``, by ``dvc.lock``, as ``{name, stage, md5, folder}``; or empty."""
    for folder in path.parents:
        if not folder.is_relative_to(snapshot.tree.root):
            break
        for name, stage in lookup_mapping(snapshot.yaml(folder / "dvc.lock"), "stages").items():
            if md5 := _find_output(stage, path.relative_to(folder).as_posix()):
                return {"name": name, "stage": stage, "md5": md5, "folder": folder}
    return {}


def _find_caches(tree: SourceTree, top: Path) -> Iterator[Path]:
    for name in ("config.local", "config"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(tree.text(top / ".dvc" / name))
        except (RegistryError, configparser.Error):
            continue
        if place := parser.get("cache", "dir", fallback=""):
            yield top / ".dvc" / place
    yield top / ".dvc" / "cache"


def _compute_md5(path: Path) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
