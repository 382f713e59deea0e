"""Whether what is at a target was made by this program: only that is ever replaced, and only with ``replace``.

There is no marker file. A folder counts when each file in it is one that a version of this registry has at that path,
by its sha256, or one that ``export`` writes beside the files of that version, byte for byte. It may lack some of them.
A version that was deleted is known by the digest of all its files together, which its tombstone keeps. A file counts
when it is a bundle, or when it names the digest of a version as a card or a bill of materials does. What is empty
counts, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..core.records import FileEntry
from ..errors import Conflict, RegistryError
from ..interop.bundle.bundle_reader import BundleReader
from ..store import codec, manifest
from ..store.filesystem import copying, files, replacement
from ..store.filesystem.replacement import Existing
from ..store.model_names import iter_model_names
from .context import open_model

if TYPE_CHECKING:
    from ..store.reader import ModelReader
    from .context import RegistryContext

#: The files of a version, or of an export, by path with their sha256.
Expected = Mapping[str, str]
#: Whether a file was made by this program, by its bytes.
IsOurs = Callable[["RegistryContext", BinaryIO], bool]
_DOCUMENT = 64 << 20
_SHOWN = 5
_DIGEST = re.compile(rb"\| Digest \| sha256:([0-9a-f]{64}) \|")


def replaceable_folder(
    context: RegistryContext, target: Path, *, replace: bool, first: str, layouts: Callable[[Copy], Iterable[Expected]]
) -> Existing | None:
    """Return the folder at ``target``, which may be replaced; None if there is none.

    ``first`` is the model whose versions are compared first; ``layouts`` iterates over possible exports. Raises
    :class:`Conflict` for anything else, and for a folder that is not empty unless ``replace`` is set.
    """
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        raise _conflict(target, status, "folder", replace=replace)
    if not replace:
        with os.scandir(target) as entries:
            if next(entries, None) is not None:
                raise _exists_conflict(target)
    existing = replacement.scan_existing(target)
    if existing is None or not existing.entries:
        return existing
    _ensure_ours(context, Copy(existing), first, layouts)
    return existing


def replaceable_file(context: RegistryContext, target: Path, is_ours: IsOurs, *, replace: bool) -> Existing | None:
    """The same for a file: one that is empty, or of which ``is_ours`` says that this program has made it."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode) or not replace:
        raise _conflict(target, status, "file", replace=replace)
    with files.open_file(target, f"'{target}'") as descriptor:
        status = os.fstat(descriptor)
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            accepted = not status.st_size or is_ours(context, stream)
    if not accepted:
        raise Conflict(
            f"'{target}' was not written by this command; not replacing it", "choose a new file or remove it first"
        )
    return Existing(target, status)


def write_file(context: RegistryContext, target: Path, text: str, is_ours: IsOurs, *, replace: bool) -> None:
    """Write ``target`` atomically; with ``replace`` in place of an earlier one. Raises :class:`Conflict`."""
    with replacement.atomic_output(target, replaceable_file(context, target, is_ours, replace=replace)) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def is_bundle(_: RegistryContext, stream: BinaryIO) -> bool:
    """Whether this begins as a bundle does."""
    try:
        BundleReader(stream.read, "it")
    except (RegistryError, ValueError):
        return False
    return True


def is_card(context: RegistryContext, stream: BinaryIO) -> bool:
    """Whether this is the model card of a version. It may have been edited: ``--force`` replaces that, too."""
    named = {each.decode() for each in _DIGEST.findall(stream.read(_DOCUMENT))}
    return bool(named) and not named.isdisjoint(_iter_digests(context))


def is_bill_of_materials(context: RegistryContext, stream: BinaryIO) -> bool:
    """Return whether this is the CycloneDX export of a version."""
    try:
        component = json.loads(stream.read(_DOCUMENT))["metadata"]["component"]
        named = {each["content"] for each in component["hashes"] if component["type"] == "machine-learning-model"}
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return not named.isdisjoint(_iter_digests(context))


def is_plan(context: RegistryContext, stream: BinaryIO) -> bool:
    """Whether this is a plan of archive, delete or prune, made for this registry."""
    try:
        document = json.loads(stream.read(_DOCUMENT))
        return bool(document["kind"] == "plans" and document["registry"] == context.settings.id)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


class Copy:
    """A folder that may be the copy of a version; its files are hashed when they are asked for, and once."""

    def __init__(self, existing: Existing) -> None:
        self.existing = existing
        self.folder = existing.path
        kinds = {path: stat.S_IFMT(status.st_mode) for path, status in existing.entries.items()}
        self.files = {path: existing.entries[path] for path, kind in kinds.items() if kind == stat.S_IFREG}
        self.folders = {path for path, kind in kinds.items() if kind == stat.S_IFDIR}
        #: Links, devices and so on: no version has any.
        self.others = sorted(kinds.keys() - self.files.keys() - self.folders)
        self._hashes: dict[str, str] = {}

    def sha256(self, path: str) -> str:
        """Return the sha256 of a file; empty if it has changed since."""
        if path not in self._hashes:
            self._hashes[path] = ""
            with contextlib.suppress(RegistryError), files.open_beneath(self.folder, path) as descriptor:
                if self.existing.holds(path, os.fstat(descriptor)):
                    self._hashes[path] = copying.copy_and_hash(descriptor, None, self.files[path].st_size)[0]
        return self._hashes[path]

    def read(self, path: str, limit: int) -> bytes:
        """A file of at most ``limit`` bytes; empty if there is none."""
        if path not in self.files or self.files[path].st_size > limit:
            return b""
        with contextlib.suppress(RegistryError):
            return files.read(self.folder / path, limit, path)
        return b""

    def list_foreign(self, expected: Expected) -> list[str]:
        """Return the unexpected paths, sorted. Files are hashed only if all names are expected."""
        strange = [path for path in self.files if path not in expected]
        if self.folders:
            parents = {parent.as_posix() for path in expected for parent in Path(path).parents}
            strange += [f"{path}/" for path in self.folders - parents]
        if not strange and not self.others:
            smallest_first = sorted(self.files, key=lambda path: self.files[path].st_size)
            strange = [path for path in smallest_first if self.sha256(path) != expected[path]]
        return sorted((*strange, *self.others))

    def digest(self) -> str:
        """The digest that a version with exactly these files has."""
        return manifest.digest(manifest.dumps(FileEntry(path, self.sha256(path)) for path in self.files))

    @property
    def size(self) -> int:
        return sum(status.st_size for status in self.files.values())


def _ensure_ours(
    context: RegistryContext, copy: Copy, first: str, layouts: Callable[[Copy], Iterable[Expected]]
) -> None:
    """Raise :class:`Conflict` with the files in a folder that this program did not put there."""
    best = sorted((*copy.files, *copy.others)) or sorted(f"{folder}/" for folder in copy.folders)
    manifests = (expected for _, _, expected in iter_manifests(context, first))
    for expected in chain(manifests, layouts(copy)) if copy.files else ():
        if len(copy.files) - len(expected) >= len(best):
            continue  # no better than what is known
        foreign = copy.list_foreign(expected)
        if not foreign:
            return
        best = min(best, foreign, key=len)
    if not copy.others and _is_deleted(context, copy):
        return
    more = f" and {len(best) - _SHOWN:,} more" if len(best) > _SHOWN else ""
    raise Conflict(
        f"'{copy.folder}' contains files from elsewhere: {', '.join(best[:_SHOWN])}{more}",
        "choose a new folder or move these files; nothing was changed",
    )


def _iter_models(context: RegistryContext, first: str) -> Iterator[ModelReader]:
    for name in sorted(iter_model_names(context.layout), key=lambda each: each != first):
        with contextlib.suppress(RegistryError, OSError):
            yield open_model(context, name)


def iter_manifests(context: RegistryContext, first: str) -> Iterator[tuple[str, int, Expected]]:
    """Each version by its model and number, with its files; those of the model ``first`` first, the newest first."""
    for model in _iter_models(context, first):
        with contextlib.suppress(RegistryError, OSError):
            for number in reversed(model.numbers(model.state().table)):
                with contextlib.suppress(RegistryError, OSError):
                    entries = model.manifest(model.sealed(number))
                    yield model.name, number, {entry.path: entry.sha256 for entry in entries}


def _is_deleted(context: RegistryContext, copy: Copy) -> bool:
    """Whether it is all of a version that was deleted."""
    for document in _iter_tombstones(context):
        if (document.get("files"), document.get("size")) == (len(copy.files), copy.size):
            with contextlib.suppress(UnicodeEncodeError):  # a name that no version has
                if _hex_digest(document) == copy.digest():
                    return True
    return False


def _iter_tombstones(context: RegistryContext) -> Iterator[Mapping[str, object]]:
    """Iterate over the ``version.yaml`` of deleted versions."""
    for model in _iter_models(context, ""):
        with contextlib.suppress(RegistryError, OSError):
            for number in model.state().table.deleted:
                with contextlib.suppress(RegistryError, OSError):
                    document = codec.load(model.paths.tombstone(number), "tombstone").get("version")
                    if isinstance(document, Mapping):
                        yield document


def _iter_digests(context: RegistryContext) -> Iterator[str]:
    """The digest of each version, and of each that was deleted."""
    for model in _iter_models(context, ""):
        with contextlib.suppress(RegistryError, OSError):
            for number in model.numbers(model.state().table):
                with contextlib.suppress(RegistryError, OSError):
                    yield model.sealed(number).digest
    yield from (_hex_digest(document) for document in _iter_tombstones(context))


def _hex_digest(document: Mapping[str, object]) -> str:
    return str(document.get("digest")).removeprefix("sha256:")


def _conflict(target: Path, status: os.stat_result, wanted: str, *, replace: bool) -> Conflict:
    if stat.S_ISLNK(status.st_mode):
        return Conflict(f"'{target}' is a symbolic link; not replacing it", f"give the {wanted} itself")
    if not replace:
        return _exists_conflict(target)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "folder"}.get(stat.S_IFMT(status.st_mode), "special file")
    return Conflict(f"'{target}' is a {kind}, not a {wanted}", f"choose a new {wanted}")


def _exists_conflict(target: Path) -> Conflict:
    return Conflict(f"'{target}' already exists", "choose another name, or use `replace` to replace an earlier copy")
