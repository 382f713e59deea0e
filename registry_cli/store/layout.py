"""Where everything lies: the only place that spells a path inside a registry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..core.lazy_dataclass import dataclass
from ..core.text import lazy_pattern

FORMAT = 1
REGISTRY = "registry.yaml"
MODELS = "models"
MODEL = "model.yaml"
GROUP = "group.yaml"
STAGES = "stages.yaml"
HISTORY = "history.jsonl"
LOCK = ".lock"
RESERVATION = ".reserved"
VERSION = "version.yaml"
MANIFEST = "manifest-sha256.txt"
FILES = "files"
ENVIRONMENT = "environment.txt"
PATCH = "changes.patch"
VERSIONS = "versions"
ANNOTATIONS = "annotations"
PACKS = "packed"
TEMPORARY = ".tmp-"
TRASH = ".trash-"
CLAIM = ".stages-"

#: What the name of a pack ends with, behind the number of its version.
PACK_SUFFIXES = (".tar.gz", ".tar.zst")

#: Actions that write ``annotations/N.yaml``.
DESCRIBING = frozenset({"tagged", "annotated", "measured", "approved", "rejected", "signed"})

#: How many claims are kept behind the current revision.
CLAIMS_KEPT = 8

_VERSION_DIR = lazy_pattern(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_HEX = lazy_pattern(r"[0-9a-f]{64}\Z")
_TAIL = lazy_pattern(r"[0-9a-f]+(\.tar\.(gz|zst))?\Z")
_DESCRIPTION = lazy_pattern(r"((annotations|tombstones)/[1-9][0-9]{0,8}|model)\.yaml\Z", re.ASCII)


def version_of(folder: str) -> int | None:
    """The number of a version's folder, None for any other name (``.tmp-…``, ``007``, ``lost+found``)."""
    return int(folder) if _VERSION_DIR.match(folder) else None


def packed_version_of(name: str) -> int | None:
    """The number of the version whose pack has this name; None for any other."""
    number, suffix = name.partition(".")[::2]
    return version_of(number) if f".{suffix}" in PACK_SUFFIXES else None


def is_digest(text: str) -> bool:
    return bool(_HEX.match(text))


def is_description(path: str) -> bool:
    """Whether a claim may carry a document for this path: an annotation or a tombstone of a version, or ``model.yaml``."""
    return bool(_DESCRIPTION.match(path))


def temporary_name() -> str:
    """A name that nobody can guess and nobody has: what is being written, until it is renamed."""
    return TEMPORARY + os.urandom(16).hex()


def trash_name() -> str:
    return TRASH + os.urandom(16).hex()


def is_temporary(name: str) -> bool:
    """Whether ``name`` is one that :func:`temporary_name` gives, for a pack with its ending. A person's is no such."""
    return name.startswith(TEMPORARY) and bool(_TAIL.match(name.removeprefix(TEMPORARY)))


def is_trash(name: str) -> bool:
    """Whether ``name`` is one that :func:`trash_name` gives."""
    return name.startswith(TRASH) and bool(_TAIL.match(name.removeprefix(TRASH)))


@dataclass(frozen=True, eq=False, repr=False)
class ModelLayout:
    """The paths of one model; ``root`` is its folder."""

    name: str
    root: Path

    @property
    def registry(self) -> Path:
        """The folder of the registry that the model is in."""
        return self.root.parents[self.name.count("/") + 1]

    @property
    def model(self) -> Path:
        return self.root / MODEL

    @property
    def stages(self) -> Path:
        return self.root / STAGES

    @property
    def history(self) -> Path:
        return self.root / HISTORY

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    @property
    def reservation(self) -> Path:
        """Names the model that is being renamed to this name."""
        return self.root / RESERVATION

    @property
    def versions(self) -> Path:
        return self.root / VERSIONS

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def links(self) -> Path:
        return self.root / "stages"

    @property
    def annotations(self) -> Path:
        return self.root / ANNOTATIONS

    @property
    def tombstones(self) -> Path:
        return self.root / "tombstones"

    @property
    def packs(self) -> Path:
        """Only there once something was packed."""
        return self.root / PACKS

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders inside a model's folder, in the order they are made."""
        return (self.versions, self.blobs, self.links, self.annotations, self.tombstones)

    def version(self, number: int) -> Path:
        return self.versions / str(number)

    def version_document(self, number: int) -> Path:
        return self.version(number) / VERSION

    def manifest(self, number: int) -> Path:
        return self.version(number) / MANIFEST

    def files(self, number: int) -> Path:
        return self.version(number) / FILES

    def pack(self, number: int, suffix: str) -> Path:
        return self.packs / f"{number}{suffix}"

    def claim(self, revision: int) -> Path:
        return self.root / f"{CLAIM}{revision}"

    def blob(self, sha256: str) -> Path:
        return self.blobs / sha256[:2] / sha256

    def annotation(self, number: int) -> Path:
        return self.annotations / f"{number}.yaml"

    def tombstone(self, number: int) -> Path:
        return self.tombstones / f"{number}.yaml"

    def document_of(self, action: str, number: int | None) -> Path | None:
        """The document that an event of this action writes besides the stage table: the journal keeps its sha256."""
        if number is None:
            return None
        if action == "registered":
            return self.version_document(number)
        if action == "deleted":
            return self.tombstone(number)
        return self.annotation(number) if action in DESCRIBING else None

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


@dataclass(frozen=True, eq=False, repr=False)
class Layout:
    """The paths of a registry; ``root`` is the folder with its ``registry.yaml``."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / REGISTRY

    @property
    def allowed_signers(self) -> Path:
        """Whose signatures count, as ``ssh-keygen`` reads it."""
        return self.root / "allowed_signers"

    @property
    def revoked_signers(self) -> Path:
        """The keys that count no more, whatever they signed: public keys, or a KRL of ``ssh-keygen``."""
        return self.root / "revoked_signers"

    @property
    def schemas(self) -> Path:
        """Where editors find what the settings may be."""
        return self.root / ".schemas"

    @property
    def models(self) -> Path:
        return self.root / MODELS

    def model(self, name: str) -> ModelLayout:
        return ModelLayout(name, self.models / name)

    def group(self, name: str) -> ModelLayout:
        """The folder that stands in the way of, or around, the model ``name``: its group's, or its own."""
        return self.model(name.split("/", maxsplit=1)[0])

    def group_document(self, group: str) -> Path:
        """What is said of all models of a group."""
        return self.models / group / GROUP
