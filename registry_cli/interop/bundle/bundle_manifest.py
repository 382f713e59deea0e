"""What a bundle says of itself in its first member, ``bundle.json``: everything that follows, by name, size and digest.

Nothing else in a bundle is believed further than this goes: a member that is not the next one told here, or is longer,
ends the import. ``docs/bundle-format.md`` is the specification.
"""

from __future__ import annotations

import json
from typing import Any

from ...core.lazy_dataclass import dataclass
from ...errors import Refused
from ...store import layout

FORMAT = 1
HEAD = "bundle.json"
END = "bundle-end.json"
KINDS = ("versions", "models", "registry")

#: The most that the head may have, in bytes; what it lists is bounded by that.
HEAD_LIMIT = 64 << 20
END_LIMIT = 4_096

#: Files that may lie beside the document of a version.
BESIDE = (layout.PATCH, layout.ENVIRONMENT)


@dataclass(frozen=True, eq=False, repr=False)
class Document:
    """One member that is no file of an artifact; ``path`` is relative to its model's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False, repr=False)
class Version:
    """One version: the digest of its manifest, the sizes of its files in the order of the manifest, and its documents.

    ``stages``, ``aliases`` and ``archived`` say what the stage table said of it. ``checkpoint`` is the line of the
    history that told its registration, as ``verify --checkpoint`` takes it. ``pack`` has all of its files, if they are
    in a pack: then none of them is a member of its own.
    """

    number: int
    digest: str
    sizes: tuple[int, ...]
    documents: tuple[Document, ...]
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    archived: bool = False
    checkpoint: str = ""
    pack: Document | None = None

    @property
    def size(self) -> int:
        return sum(self.sizes)


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """What a bundle holds of one model: all of it (``whole``), with ``documents`` of its own, or some versions.

    ``packed`` are the bytes of its files that really are in the bundle: equal contents stand in it once a model, and of
    a version that is packed there is only the pack.
    ``checkpoint`` is the last line of the history of a whole model, empty when it has none.
    """

    name: str
    whole: bool
    documents: tuple[Document, ...]
    versions: tuple[Version, ...]
    packed: int
    checkpoint: str = ""

    @property
    def size(self) -> int:
        return sum(version.size for version in self.versions)


@dataclass(frozen=True, eq=False, repr=False)
class Contents:
    """What is in a bundle. ``registry`` is the id of the one it comes from, ``newest`` the time of its newest event.

    There is no time of packing: the same versions make the same bytes.
    """

    kind: str
    registry: str
    newest: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """The bytes of all files; those that stand more than once in a model are packed only once."""
        return sum(part.size for part in self.parts)


def dumps(contents: Contents) -> bytes:
    """``bundle.json``."""
    document = {
        "format": FORMAT,
        "kind": contents.kind,
        "registry": contents.registry,
        "newest": contents.newest,
        "models": [
            {
                "name": part.name,
                "whole": part.whole,
                "packed": part.packed,
                "checkpoint": part.checkpoint,
                "documents": [vars(document) for document in part.documents],
                "versions": [_version(version) for version in part.versions],
            }
            for part in contents.parts
        ],
    }
    data = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
    if len(data) > HEAD_LIMIT:
        raise Refused(f"a bundle of this many files needs a list of {len(data):,} bytes", "export fewer at a time")
    return data


def _version(version: Version) -> dict[str, Any]:
    said: dict[str, Any] = {
        "version": version.number,
        "digest": f"sha256:{version.digest}",
        "sizes": list(version.sizes),
        "documents": [vars(document) for document in version.documents],
        "stages": list(version.stages),
        "aliases": list(version.aliases),
        "archived": version.archived,
        "checkpoint": version.checkpoint,
        "pack": vars(version.pack) if version.pack else "",
    }
    return {key: value for key, value in said.items() if value not in ([], False, "")}
