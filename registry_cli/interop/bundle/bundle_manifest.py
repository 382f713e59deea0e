"""The first member of a bundle, ``bundle.json``: everything that follows, by name, size and digest; written and parsed.

Every value is checked when it is parsed: a bundle may be anybody's. ``docs/bundle-format.md`` is the specification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core import names
from ...core.lazy_dataclass import dataclass
from ...errors import Damaged, InvalidInput, Refused
from ...rules import event_history
from ...store import layout, manifest, source_files
from ...store.filesystem import files

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
class BundleFile:
    """One member that is no file of an artifact; ``path`` is relative to its model's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False, repr=False)
class BundleVersion:
    """One version: the digest of its manifest, the sizes of its files in the order of the manifest, and its documents.

    ``stages``, ``aliases`` and ``archived`` say what the stage table said of it. ``checkpoint`` is the line of the
    history that told its registration, as ``verify --checkpoint`` takes it. ``pack`` has all of its files, if they are
    in a pack: then none of them is a member of its own.
    """

    number: int
    digest: str
    sizes: tuple[int, ...]
    documents: tuple[BundleFile, ...]
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    archived: bool = False
    checkpoint: str = ""
    pack: BundleFile | None = None

    @property
    def size(self) -> int:
        return sum(self.sizes)


@dataclass(frozen=True, eq=False, repr=False)
class BundleModel:
    """What a bundle holds of one model: all of it (``whole``), with ``documents`` of its own, or some versions.

    ``packed`` are the bytes of its files that really are in the bundle: equal contents stand in it once a model, and of
    a version that is packed there is only the pack.
    ``checkpoint`` is the last line of the history of a whole model, empty when it has none.
    """

    name: str
    whole: bool
    documents: tuple[BundleFile, ...]
    versions: tuple[BundleVersion, ...]
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
    parts: tuple[BundleModel, ...]

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
                "versions": [_version_document(version) for version in part.versions],
            }
            for part in contents.parts
        ],
    }
    data = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
    if len(data) > HEAD_LIMIT:
        raise Refused(f"a bundle of this many files needs a list of {len(data):,} bytes", "export fewer at a time")
    return data


def _version_document(version: BundleVersion) -> dict[str, Any]:
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


_HISTORY_LIMIT = 4 << 30
_SIZE_LIMIT = 1 << 60
_TOMBSTONE = re.compile(r"tombstones/([1-9][0-9]{0,8})\.yaml\Z", re.ASCII)
_REGISTRY = re.compile(r"[0-9a-f]{32}\Z")


def loads(data: bytes, what: str) -> Contents:
    """What ``bundle.json`` says, each word of it checked. :class:`Damaged`, or :class:`Refused` for a newer format."""
    document = read_json(data, HEAD, what)
    number = document.get("format")
    if type(number) is int and number > FORMAT:
        raise Refused(
            f"{what} has format {number}; this program knows formats up to {FORMAT}",
            "upgrade: pip install --upgrade registry-cli",
        )
    try:
        if type(number) is not int or number < 1:
            raise ValueError("it has no format")
        contents = Contents(
            _check_choice(KINDS, document["kind"]),
            _check_pattern(_REGISTRY, document["registry"]),
            _check_text(document.get("newest", ""), 40),
            tuple(_parse_model(each) for each in _check_list(document["models"])),
        )
        _check_unique(part.name for part in contents.parts)
        groups = {part.name.partition("/")[0] for part in contents.parts if "/" in part.name}
        if both := groups & {part.name for part in contents.parts}:
            raise ValueError(f"{min(both)} is a model and a group")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Damaged(f"{what}: {HEAD} is no list of what is in a bundle: {why[:200]}") from None
    return contents


def read_json(data: bytes, name: str, what: str) -> Mapping[str, Any]:
    """An object; no key stands in it twice."""
    try:
        document = json.loads(data, object_pairs_hook=_unique_keys, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise Damaged(f"{what}: {name} is no JSON") from None
    if not isinstance(document, dict):
        raise Damaged(f"{what}: {name} is no JSON object")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _parse_model(said: Mapping[str, Any]) -> BundleModel:
    name = names.model_name(_check_text(said["name"], 200))
    whole = said["whole"]
    if type(whole) is not bool:
        raise ValueError(f"{name} is neither whole nor not")
    versions = tuple(_parse_version(each) for each in _check_list(said["versions"]))
    numbers = [version.number for version in versions]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"the versions of {name} are not in order")
    documents = _parse_files(said.get("documents", []), lambda path: _size_limit(path) if whole else 0)
    if whole and not {layout.MODEL, layout.STAGES} <= {each.path for each in documents}:
        raise ValueError(f"{name} lacks {layout.MODEL} or {layout.STAGES}")
    if not whole and not versions:
        raise ValueError(f"there is nothing of {name}")
    if not whole and any(version.pack for version in versions):
        raise ValueError(f"a version of {name} has a pack, but the model is not whole")
    packed = _check_size(said["packed"], _SIZE_LIMIT)
    return BundleModel(name, whole, documents, versions, packed, _parse_checkpoint(said.get("checkpoint", "")))


def _size_limit(path: str) -> int:
    """How large a document of a whole model may be; 0 for what is none."""
    if path == layout.HISTORY:
        return _HISTORY_LIMIT
    return files.DOCUMENT_LIMIT if path in (layout.MODEL, layout.STAGES) or _TOMBSTONE.match(path) else 0


def _parse_version(said: Mapping[str, Any]) -> BundleVersion:
    number = said["version"]
    if type(number) is not int or not 0 < number < 10**9:
        raise ValueError(f"{number!r:.40} is no version")
    base = f"versions/{number}"
    limits = {f"{base}/{layout.VERSION}": files.DOCUMENT_LIMIT, f"{base}/{layout.MANIFEST}": manifest.LIMIT}
    first = list(limits)
    limits |= {f"{base}/{name}": files.DOCUMENT_LIMIT for name in BESIDE}
    limits[f"annotations/{number}.yaml"] = files.DOCUMENT_LIMIT
    documents = _parse_files(said["documents"], lambda path: limits.get(path, 0))
    if [each.path for each in documents[:2]] != first:
        raise ValueError(f"version {number} does not begin with its document and its manifest")
    sizes = tuple(_check_size(each, _SIZE_LIMIT) for each in _check_list(said["sizes"]))
    if not 0 < len(sizes) <= source_files.FILES_LIMIT or not 0 < sum(sizes) < _SIZE_LIMIT:
        raise ValueError(f"version {number} has {len(sizes):,} files")
    archived = said.get("archived", False)
    if type(archived) is not bool:
        raise ValueError(f"version {number} is neither archived nor not")
    return BundleVersion(
        number,
        _check_digest(_check_text(said["digest"], 80).removeprefix("sha256:")),
        sizes,
        documents,
        tuple(names.stage_name(_check_text(each, 100)) for each in _check_list(said.get("stages", []))),
        tuple(names.alias_name(_check_text(each, 100)) for each in _check_list(said.get("aliases", []))),
        archived,
        _parse_checkpoint(said.get("checkpoint", "")),
        _parse_pack(said.get("pack"), number),
    )


def _parse_pack(said: Any, number: int) -> BundleFile | None:
    if said is None:
        return None
    names_of_it = [f"{layout.PACKS}/{number}{suffix}" for suffix in layout.PACK_SUFFIXES]
    return _parse_files([said], lambda path: _SIZE_LIMIT if path in names_of_it else 0)[0]


def _parse_checkpoint(value: Any) -> str:
    text = _check_text(value, 300)
    if text and event_history.parse_checkpoint(text) is None:
        raise ValueError(f"{text!r:.40} is no checkpoint")
    return text


def _parse_files(said: Any, limit: Callable[[str], int]) -> tuple[BundleFile, ...]:
    found = []
    for each in _check_list(said):
        path = _check_text(each["path"], 200)
        if not (most := limit(path)):
            raise ValueError(f"'{path}' has no place in it")
        found.append(BundleFile(path, _check_size(each["size"], most), _check_digest(each["sha256"])))
    _check_unique(each.path for each in found)
    return tuple(found)


def _check_unique(texts: Iterator[str]) -> None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            raise ValueError(f"'{text}' stands there twice")
        seen.add(text)


def _check_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("there is no list where one should be")
    return value


def _check_text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError(f"{value!r:.40} is no name")
    return value


def _check_size(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is no size that it can have")
    return value


def _check_digest(value: Any) -> str:
    if not isinstance(value, str) or not layout.is_digest(value):
        raise ValueError(f"{value!r:.40} is no sha256")
    return value


def _check_pattern(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise ValueError(f"{value!r:.40} is no id of a registry")
    return value


def _check_choice(known: tuple[str, ...], value: Any) -> str:
    if value not in known:
        raise ValueError(f"{value!r:.40} is no kind of bundle")
    return str(value)
