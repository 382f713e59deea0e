"""The files of a stored version for bundles and exporters, each byte checked, and what the exporters share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.lazy_dataclass import dataclass, field
from ..core.records import Artifact, FileEntry, VersionRecord
from ..store.filesystem import files
from ..store.packs import pack_reader
from ..store.packs.pack_reader import VerifiedStream
from ..store.reader import ModelReader
from .source_tree import DOCUMENT_LIMIT, lookup, text_or_empty

#: How the frameworks are called where packages are installed from.
PACKAGES = {"sklearn": "scikit-learn", "torch": "torch", "xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnx"}

#: What of a lineage is found in the files themselves, wherever they are: it is not lost.
_FOUND = frozenset({"format", "framework", "contents", "scan"})


@dataclass(frozen=True)
class Outline(Artifact):
    """An artifact whose large files are not copied but stood in for, to see what an export would look like.

    ``stand_ins`` has the sha256 of what each stands for, by its inode.
    """

    stand_ins: dict[int, str] = field(default_factory=dict)


def copy_files(artifact: Artifact, folder: Path) -> None:
    """Copy all files into ``folder``, which is made; :class:`Damaged` for one that is not what was stored."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in artifact.files:
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            if isinstance(artifact, Outline) and file_size(artifact, entry.path) > DOCUMENT_LIMIT:
                artifact.stand_ins[os.fstat(stream.fileno()).st_ino] = entry.sha256
            else:
                pack_reader.copy(artifact.folder, entry, artifact.version.ref, stream.fileno())


def write_text(path: Path, text: str) -> None:
    """A new text file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    """A new YAML document."""
    from ..core.yaml import documents

    write_text(path, documents.dumps(document).decode())


def has_file(artifact: Artifact, path: str) -> bool:
    return any(entry.path == path for entry in artifact.files)


def read_head(artifact: Artifact, path: str, most: int = 1 << 20) -> bytes:
    """The beginning of a file of the artifact."""
    with (artifact.folder / path).open("rb") as stream:
        return stream.read(most)


def file_size(artifact: Artifact, path: str) -> int:
    return (artifact.folder / path).stat().st_size


def get_framework(version: VersionRecord) -> tuple[str, str]:
    """The framework of a version and its release, as far as they are known."""
    name, _, release = text_or_empty(version.lineage.get("framework")).partition(" ")
    return name, release


def get_python_release(version: VersionRecord) -> str:
    """The Python that made it; empty when that is not known."""
    told = lookup(dict(version.lineage), "environment", "python") or lookup(dict(version.lineage), "contents", "python")
    return text_or_empty(told)


def list_lost(version: VersionRecord, **carried: bool) -> list[str]:
    """What a format has no place for: of stages, aliases, annotations and so on, what there is and is not named here."""
    there = {
        "stages": bool(version.stages),
        "aliases": bool(version.aliases),
        "message": bool(version.message),
        "params": bool(version.params),
        "metrics": bool(version.metrics),
        "tags": bool(version.tags),
        "annotations": bool(version.annotations),
        "lineage": bool(version.lineage.keys() - _FOUND),
    }
    left = [name for name, some in there.items() if some and not carried.get(name)]
    return [", ".join(left)] if left else []


def file_sizes(model: ModelReader, record: VersionRecord) -> tuple[int, ...]:
    """How large each file is, in the order of the manifest. :class:`Damaged` when they are not what was stored."""
    if record.packed is None:
        model.check_size(record)
    return tuple(content.size for _, content in iter_members(model, record))


def iter_members(model: ModelReader, record: VersionRecord) -> Iterator[tuple[FileEntry, VerifiedStream]]:
    """Every file with its bytes, in the order of the manifest; one that is not wanted need not be read."""
    with contextlib.closing(pack_reader.members(model, record)) as found:
        for entry, content in found:
            yield entry, content
            if record.packed is not None:  # what follows in the pack is behind it
                while content.read(files.BLOCK):
                    pass
