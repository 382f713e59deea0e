"""The files of a stored version for bundles and exporters, each byte checked, and what the exporters share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from ..core.lazy_dataclass import dataclass, field
from ..core.records import Artifact, FileEntry, VersionRecord
from ..core.yaml import documents
from ..store.filesystem import files
from ..store.packs import pack_reader
from ..store.packs.pack_reader import VerifiedStream
from ..store.reader import ModelReader
from .source_tree import DOCUMENT_LIMIT, lookup_text

#: The packages on PyPI of the frameworks.
PACKAGES = {"sklearn": "scikit-learn", "torch": "torch", "xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnx"}

#: The fields of a lineage that are derived from the files: they are not lost in an export.
_DERIVED = frozenset({"format", "framework", "contents", "scan"})


@dataclass(frozen=True)
class Outline(Artifact):
    """An artifact whose large files are exported as empty ones, to compare an export without copying it.

    ``stand_ins`` has the sha256 of each of these files, by the inode of the empty one.
    """

    stand_ins: dict[int, str] = field(default_factory=dict)


def copy_files(artifact: Artifact, folder: Path) -> None:
    """Copy all files into ``folder``, which is made. Raises :class:`Damaged` for a file that differs from what was stored."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, documents.dumps(document).decode())


def has_file(artifact: Artifact, path: str) -> bool:
    return any(entry.path == path for entry in artifact.files)


def read_head(artifact: Artifact, path: str, most: int) -> bytes:
    with (artifact.folder / path).open("rb") as stream:
        return stream.read(most)


def file_size(artifact: Artifact, path: str) -> int:
    return (artifact.folder / path).stat().st_size


def get_framework(version: VersionRecord) -> tuple[str, str]:
    """The framework of a version and its release; empty where they are not known."""
    name, _, release = lookup_text(version.lineage, "framework").partition(" ")
    return name, release


def get_python_release(version: VersionRecord) -> str:
    """The release of Python that a version was made with; empty if it is not known."""
    return lookup_text(version.lineage, "environment", "python") or lookup_text(version.lineage, "contents", "python")


def list_lost(version: VersionRecord, *carried: str) -> list[str]:
    """The fields of a version that are not empty and not ``carried`` by a format, as one text; empty if there are none."""
    fields = ("stages", "aliases", "message", "params", "metrics", "tags", "annotations")
    lost = [name for name in fields if name not in carried and getattr(version, name)]
    if version.lineage.keys() - _DERIVED:
        lost.append("lineage")
    return [", ".join(lost)] if lost else []


def list_lost_beside(version: VersionRecord, document: str) -> list[str]:
    """The same for a version that has the ``document`` of a format among its files, which is exported unchanged."""
    return [*list_lost(version), f"{document} is unchanged and does not include the metadata of this registry"]


def iter_members(model: ModelReader, record: VersionRecord) -> Generator[tuple[FileEntry, VerifiedStream], None, None]:
    """Every file with its content, in the order of the manifest; the content need not be read."""
    with contextlib.closing(pack_reader.members(model, record)) as members:
        for entry, content in members:
            yield entry, content
            if record.packed is not None:  # the next file of the pack begins behind this one
                while content.read(files.BLOCK):
                    pass
