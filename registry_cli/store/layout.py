"""Where everything lies: the only place that spells a path inside a registry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..core.lazy_dataclass import dataclass
from ..core.text import lazy_pattern

FORMAT = 1
#: The format of the stage table of a deleted model: programs that do not know these refuse it.
DELETED_FORMAT = 2
#: The format of a claim whose ``redo`` is a document that programs of format 1 do not know: they refuse it.
CLAIM_FORMAT = 2
REGISTRY = "registry.yaml"
MODELS = "models"
MODEL = "model.yaml"
GROUP = "group.yaml"
STAGES = "stages.yaml"
HISTORY = "history.jsonl"
TARGETS = "targets.yaml"
DEPLOYMENTS = "deployments.yaml"
LOCK = ".lock"
RESERVATION = ".reserved"
VERSION = "version.yaml"
MANIFEST = "manifest-sha256.txt"
FILES = "files"
ENVIRONMENT = "environment.txt"
PATCH = "changes.patch"
VERSIONS = "versions"
ANNOTATIONS = "annotations"
TOMBSTONES = "tombstones"
OBSERVATIONS = "observations"
PACKS = "packed"
TEMPORARY = ".tmp-"
TRASH = ".trash-"
CLAIM = ".stages-"

#: What the name of a pack ends with, behind the number of its version.
PACK_SUFFIXES = (".tar.gz", ".tar.zst")

#: Actions that write ``annotations/N.yaml``.
DESCRIBING = frozenset({"tagged", "annotated", "measured", "approved", "rejected", "signed"})

#: Actions that write ``deployments.yaml``.
DEPLOYING = frozenset({"deploying", "deployed", "deploy-failed", "undeployed", "deployment-changed"})

#: How many claims are kept behind the current revision.
CLAIMS_KEPT = 8

_VERSION_DIR = lazy_pattern(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_HEX = lazy_pattern(r"[0-9a-f]{64}\Z")
_TAIL = lazy_pattern(r"[0-9a-f]+(\.tar\.(gz|zst))?\Z")
_DESCRIPTION = lazy_pattern(r"((annotations|tombstones)/[1-9][0-9]{0,8}|model|deployments)\.yaml\Z", re.ASCII)


def version_of(folder: str) -> int | None:
    """The number of a version's folder, None for any other name (``.tmp-…``, ``007``, ``lost+found``)."""
    return int(folder) if _VERSION_DIR.match(folder) else None


def packed_version_of(name: str) -> int | None:
    """The number of the version whose pack has this name; None for any other."""
    number, suffix = name.partition(".")[::2]
    return version_of(number) if f".{suffix}" in PACK_SUFFIXES else None


def revision_of(claim: str) -> int | None:
    """The revision in the name of a claim; None for any other name."""
    revision = claim.removeprefix(CLAIM)
    return int(revision) if claim != revision and revision.isascii() and revision.isdigit() else None


def is_digest(text: str) -> bool:
    return bool(_HEX.match(text))


def is_description(path: str) -> bool:
    """Whether a claim may carry a document for this path: an annotation or a tombstone of a version, ``model.yaml``,
    or ``deployments.yaml``.
    """
    return bool(_DESCRIPTION.match(path))


def temporary_name() -> str:
    """A random name for what is being written, until it is renamed."""
    return TEMPORARY + os.urandom(16).hex()


def trash_name() -> str:
    return TRASH + os.urandom(16).hex()


def is_temporary(name: str) -> bool:
    """Whether ``name`` is one that :func:`temporary_name` gives, for a pack with its suffix."""
    return name.startswith(TEMPORARY) and bool(_TAIL.match(name.removeprefix(TEMPORARY)))


def is_trash(name: str) -> bool:
    """Whether ``name`` is one that :func:`trash_name` gives."""
    return name.startswith(TRASH) and bool(_TAIL.match(name.removeprefix(TRASH)))


def document_path(action: str, number: int | None) -> str:
    """The document, in its model's folder, whose sha256 the journal keeps with an event of this action; empty for none."""
    if number is None:
        return ""
    if action == "registered":
        return f"{VERSIONS}/{number}/{VERSION}"
    if action == "deleted":
        return f"{TOMBSTONES}/{number}.yaml"
    if action in DEPLOYING:
        return DEPLOYMENTS
    return f"{ANNOTATIONS}/{number}.yaml" if action in DESCRIBING else ""


class _Child:
    """A path in the folder ``root`` of a layout."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: ModelLayout | Layout, _: type) -> Path:
        return owner.root / self._name


@dataclass(frozen=True, eq=False, repr=False)
class ModelLayout:
    """The paths of one model; ``root`` is its folder."""

    name: str
    root: Path

    model = _Child(MODEL)
    stages = _Child(STAGES)
    history = _Child(HISTORY)
    lock = _Child(LOCK)
    reservation = _Child(RESERVATION)  # names the model that is being renamed to this name
    versions = _Child(VERSIONS)
    blobs = _Child("blobs")
    links = _Child("stages")
    annotations = _Child(ANNOTATIONS)
    tombstones = _Child(TOMBSTONES)
    deployments = _Child(DEPLOYMENTS)  # only there once something was deployed
    packs = _Child(PACKS)  # only there once something was packed

    @property
    def registry(self) -> Path:
        """The folder of the registry that the model is in."""
        return self.root.parents[self.name.count("/") + 1]

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

    def observations(self, number: int) -> Path:
        """The folder of the metrics that were measured on a version in use; only there once something was recorded."""
        return self.root / OBSERVATIONS / str(number)

    def tombstone(self, number: int) -> Path:
        return self.tombstones / f"{number}.yaml"

    def document_of(self, action: str, number: int | None) -> Path | None:
        """The document of :func:`document_path`, None if there is none."""
        path = document_path(action, number)
        return self.root / path if path else None

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


@dataclass(frozen=True, eq=False, repr=False)
class Layout:
    """The paths of a registry; ``root`` is the folder with its ``registry.yaml``."""

    root: Path

    config = _Child(REGISTRY)
    targets = _Child(TARGETS)  # where versions are served; people edit it
    allowed_signers = _Child("allowed_signers")  # whose signatures count, as ``ssh-keygen`` reads it
    revoked_signers = _Child("revoked_signers")  # keys that no longer count: public keys, or a KRL of ``ssh-keygen``
    schemas = _Child(".schemas")  # JSON Schemas of the settings, for editors
    models = _Child(MODELS)

    def model(self, name: str) -> ModelLayout:
        return ModelLayout(name, self.models / name)

    def group(self, name: str) -> ModelLayout:
        """The folder that stands in the way of, or around, the model ``name``: its group's, or its own."""
        return self.model(name.split("/", maxsplit=1)[0])

    def group_document(self, group: str) -> Path:
        """What is said of all models of a group."""
        return self.models / group / GROUP
