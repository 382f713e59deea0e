"""The files that DVC stands for: a path at a commit (or in the workspace), as files of its cache or of the workspace.

``model.pkl.dvc``, or the ``dvc.lock`` of a pipeline, tells the MD5 of a path; the cache has the content by that name.
A folder is a JSON list of names and MD5s. What is handed on has the MD5 that it should have.
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
from ...core.yaml import documents
from ...errors import InvalidInput, RegistryError
from ...store import manifest
from ..source_tree import DOCUMENT_LIMIT, SourceTree, lookup, text_or_empty
from .git_tags import TaggedRepository

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
_LISTED = 200_000


class TemporaryFolder:
    """A private folder that goes with the last one who holds this."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="registry-import-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False, repr=False)
class DvcSnapshot:
    """The files that git has at a commit, or, with ``commit`` empty, that lie in the workspace."""

    tree: SourceTree
    repository: TaggedRepository | None = None
    commit: str = ""

    def read(self, path: Path) -> bytes | None:
        """A file below the root of the tree; None if it isn't there."""
        if self.commit and self.repository:
            return self.repository.blob(self.commit, self._in_git(path))
        return self.tree.read(path) if self.tree.is_file(path) else None

    def below(self, path: Path) -> Iterator[tuple[str, Path]]:
        """The files that git has below a folder, by their names in it."""
        if self.commit and self.repository:
            prefix = self._in_git(path)
            for name in self.repository.below(self.commit, prefix):
                yield name.removeprefix(f"{prefix}/"), self.repository.root / name

    def yaml(self, path: Path) -> dict[str, Any]:
        """A YAML document; empty when it isn't there. Raises :class:`InvalidInput` when it can't be read."""
        data = self.read(path)
        return {} if data is None else documents.loads_mapping(data, f"'{path}'", limit=DOCUMENT_LIMIT)

    def _in_git(self, path: Path) -> str:
        assert self.repository  # noqa: S101 - for the type checker
        return path.relative_to(self.repository.root.resolve()).as_posix()


class DvcContent:
    """Where the content of paths is: in DVC's cache, in the workspace, or in git."""

    def __init__(self, tree: SourceTree, top: Path, temporary: Path) -> None:
        self._caches = tuple(_caches(tree, top))
        # A cache that several repositories share lies elsewhere. Only files that have the MD5 of their name are taken from it.
        self._tree = SourceTree(top, *(cache for cache in self._caches if cache.is_dir()))
        self._top, self._temporary = top, temporary
        self._made = 0

    def files(self, snapshot: DvcSnapshot, path: Path) -> dict[str, Path]:
        """The files of an artifact by their names. Raises :class:`InvalidInput` when one is not to be had."""
        for owner in (path, *path.parents):
            if not owner.is_relative_to(self._top) or owner == self._top:
                break
            if md5 := _find_md5(snapshot, owner):
                inside = path.relative_to(owner).as_posix()
                return self._by_md5(md5, owner, "" if inside == "." else inside)
        return self._plain(snapshot, path)

    def _by_md5(self, md5: str, owner: Path, inside: str) -> dict[str, Path]:
        if not md5.endswith(".dir"):
            return {owner.name: self._object(md5, owner)}
        listed = self._listing(md5)
        chosen = {
            name.removeprefix(f"{inside}/"): part
            for name, part in listed.items()
            if not inside or name == inside or name.startswith(f"{inside}/")
        }
        if list(chosen) == [inside]:
            return {PurePosixPath(inside).name: self._object(chosen[inside], owner / inside)}
        if not chosen:
            raise InvalidInput(f"'{inside}' is not in '{owner.name}' as DVC keeps it")
        return {name: self._object(part, owner / inside / name) for name, part in chosen.items()}

    def _listing(self, md5: str) -> dict[str, str]:
        try:
            listed = json.loads(self._tree.read(self._object(md5, None), 64 << 20))
            found = {manifest.check_path(each["relpath"]): each["md5"] for each in listed[:_LISTED]}
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InvalidInput(f"DVC's list of the folder {md5} can't be read") from None
        if not all(isinstance(part, str) and _MD5.match(part) for part in found.values()):
            raise InvalidInput(f"DVC's list of the folder {md5} has something in it that is no MD5")
        return found

    def _object(self, md5: str, workspace: Path | None) -> Path:
        """The file with this MD5: from the cache, else from the workspace."""
        name = f"{md5[:2]}/{md5[2:]}"
        cached = [cache / part / name for cache in self._caches for part in ("files/md5", ".")]
        damaged = False
        for place in (*cached, *((workspace,) if workspace else ())):
            found = self._tree.inside(place)
            if found is not None and found.is_file():
                if _digest(found) == md5.removesuffix(".dir"):
                    return found
                damaged |= place != workspace
        what = f"'{workspace.name}'" if workspace else "the list of a folder"
        if damaged:
            raise InvalidInput(f"the cache of DVC has another content for {what} than its name, {md5}, tells")
        raise InvalidInput(f"{what} ({md5}) is neither in the cache of DVC nor in the workspace", "dvc pull brings it")

    def _plain(self, snapshot: DvcSnapshot, path: Path) -> dict[str, Path]:
        """What DVC does not keep: it is in git, or lies in the workspace."""
        if not snapshot.commit:
            found = self._tree.inside(path)
            if found is not None and found.is_dir():
                return {
                    manifest.check_path(each.relative_to(path).as_posix()): self._tree.inside(each) or each
                    for each in self._tree.below(path)
                }
            if found is not None and found.is_file():
                return {path.name: found}
        elif (data := snapshot.read(path)) is not None:
            return {path.name: self._written(data)}
        elif listed := list(snapshot.below(path)):
            return {manifest.check_path(name): self._written(snapshot.read(place) or b"") for name, place in listed}
        raise InvalidInput(f"'{path}' is kept neither by DVC nor by git")

    def _written(self, data: bytes) -> Path:
        self._made += 1
        place = self._temporary / str(self._made)
        place.write_bytes(data)
        return place


def _find_md5(snapshot: DvcSnapshot, path: Path) -> str:
    """What ``PATH.dvc`` or the ``dvc.lock`` beside it, or in a folder above, says; empty if nothing does."""
    outs = snapshot.yaml(path.with_name(f"{path.name}.dvc")).get("outs")
    for out in outs if isinstance(outs, list) else ():
        if isinstance(out, dict) and out.get("path") == path.name and _MD5.match(text_or_empty(out.get("md5"))):
            return text_or_empty(out["md5"])
    return text_or_empty(lookup(find_locked_stage(snapshot, path), "out", "md5"))


def find_locked_stage(snapshot: DvcSnapshot, path: Path) -> dict[str, Any]:
    """The stage of a pipeline that makes ``path``, as ``dvc.lock`` tells it: ``{name, stage, out}``, or nothing."""
    for folder in path.parents:
        if not folder.is_relative_to(snapshot.tree.root):
            break
        stages = snapshot.yaml(folder / "dvc.lock").get("stages")
        for name, stage in stages.items() if isinstance(stages, dict) else ():
            outs = stage.get("outs") if isinstance(stage, dict) else None
            for out in outs if isinstance(outs, list) else ():
                if (
                    isinstance(out, dict)
                    and out.get("path") == path.relative_to(folder).as_posix()
                    and _MD5.match(text_or_empty(out.get("md5")))
                ):
                    return {"name": name, "stage": stage, "out": out, "folder": folder}
    return {}


def _caches(tree: SourceTree, top: Path) -> Iterator[Path]:
    """The caches of a repository: the one that its configuration names, and ``.dvc/cache``."""
    for name in ("config.local", "config"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(tree.text(top / ".dvc" / name))
        except (RegistryError, configparser.Error):
            continue
        if place := parser.get("cache", "dir", fallback=""):
            yield top / ".dvc" / place
    yield top / ".dvc" / "cache"


def _digest(path: Path) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
