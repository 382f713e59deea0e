"""The first member of a bundle, ``bundle.json``, which lists all others by name, size and digest.

Every value is checked when it is parsed: a bundle is untrusted. ``docs/bundle-format.md`` is the specification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ...core import names
from ...core.lazy_dataclass import dataclass
from ...errors import Damaged, InvalidInput, Refused
from ...rules import event_history
from ...store import layout, manifest, source_files
from ...store.filesystem import files
from ..source_tree import drop_empty

_T = TypeVar("_T")
FORMAT = 1
#: The format of a bundle with a ``deployments.yaml``, which programs of format 1 refuse.
NEWEST = 2
HEAD = "bundle.json"
END = "bundle-end.json"
KINDS = ("versions", "models", "registry")

#: The largest head, in bytes; this bounds what it lists.
HEAD_LIMIT = 64 << 20
END_LIMIT = 4_096

#: Files that may be beside the document of a version.
BESIDE = (layout.PATCH, layout.ENVIRONMENT)


@dataclass(frozen=True, eq=False, repr=False)
class BundleFile:
    """One member that is not a file of an artifact; ``path`` is relative to its model's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False, repr=False)
class BundleVersion:
    """One version: the digest of its manifest, the sizes of its files in the order of the manifest, and its documents.

    ``stages``, ``aliases`` and ``archived`` are those of the stage table. ``checkpoint`` is the line of the history with
    its registration, as ``verify --checkpoint`` takes it. With a ``pack``, which has all of its files, none of them is a
    member.
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
    """The part of a bundle for one model: all of it (``whole``), with its own ``documents``, or some versions.

    ``packed`` is the number of bytes of files in the bundle: equal contents are in it once per model, and of a packed
    version only the pack. ``checkpoint`` is the last line of the history of a whole model, empty when it has none.
    """

    name: str
    whole: bool
    packed: int
    checkpoint: str
    documents: tuple[BundleFile, ...]
    versions: tuple[BundleVersion, ...]

    @property
    def size(self) -> int:
        return sum(version.size for version in self.versions)


@dataclass(frozen=True, eq=False, repr=False)
class Contents:
    """The head of a bundle. ``registry`` is the id of its source, ``newest`` the time of the newest event.

    It does not have the time of packing: the same versions make the same bytes.
    """

    kind: str
    registry: str
    newest: str
    models: tuple[BundleModel, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.models)


def dumps(contents: Contents) -> bytes:
    """Serialize the head. Raises :class:`Refused` if it is too large."""
    deployed = any(each.path == layout.DEPLOYMENTS for part in contents.models for each in part.documents)
    document = {"format": NEWEST if deployed else FORMAT, **vars(contents)}
    data = json.dumps(document, ensure_ascii=True, separators=(",", ":"), default=_to_document).encode() + b"\n"
    if len(data) > HEAD_LIMIT:
        raise Refused(
            f"a bundle of this many files needs a list of {len(data):,} bytes", "export fewer files at a time"
        )
    return data


def _to_document(entry: BundleFile | BundleVersion | BundleModel) -> dict[str, Any]:
    fields = dict(vars(entry))
    if isinstance(entry, BundleVersion):
        return drop_empty({"version": fields.pop("number"), **fields, "digest": f"sha256:{entry.digest}"})
    return fields


_HISTORY_LIMIT = 4 << 30
_SIZE_LIMIT = 1 << 60
_TOMBSTONE = re.compile(r"tombstones/([1-9][0-9]{0,8})\.yaml\Z", re.ASCII)
_REGISTRY = re.compile(r"[0-9a-f]{32}\Z")


def loads(data: bytes, what: str) -> Contents:
    """Parse and check ``bundle.json``. Raises :class:`Damaged`, or :class:`Refused` for a newer format."""
    document = read_json(data, HEAD, what)
    number = document.get("format")
    if type(number) is int and number > NEWEST:
        raise Refused(
            f"{what} has format {number}; this program knows formats up to {NEWEST}",
            "upgrade: pip install --upgrade registry-cli",
        )
    try:
        if type(number) is not int or number < 1:
            raise ValueError("it has no format")
        kind, registry = document["kind"], document["registry"]
        contents = Contents(
            _check(kind, kind in KINDS, "kind of bundle"),
            _check(registry, isinstance(registry, str) and bool(_REGISTRY.match(registry)), "id of a registry"),
            _check_text(document.get("newest", ""), 40),
            tuple(_parse_model(each) for each in _check_list(document["models"])),
        )
        _check_unique(part.name for part in contents.models)
        groups = {part.name.partition("/")[0] for part in contents.models if "/" in part.name}
        if both := groups & {part.name for part in contents.models}:
            raise ValueError(f"{min(both)} is a model and a group")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Damaged(f"{what}: {HEAD} is not a valid list of contents: {why[:200]}") from None
    return contents


def read_json(data: bytes, name: str, what: str) -> Mapping[str, Any]:
    """Parse a JSON object without duplicate keys. Raises :class:`Damaged`."""
    try:
        document = json.loads(data, object_pairs_hook=_unique_keys, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise Damaged(f"{what}: {name} is not JSON") from None
    if not isinstance(document, dict):
        raise Damaged(f"{what}: {name} is not a JSON object")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_unique(key for key, _ in pairs)
    return dict(pairs)


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _parse_model(record: Mapping[str, Any]) -> BundleModel:
    name = names.model_name(_check_text(record["name"], 200))
    whole = record["whole"]
    if type(whole) is not bool:
        raise ValueError(f"the type of {name} is missing")
    versions = tuple(_parse_version(each) for each in _check_list(record["versions"]))
    numbers = [version.number for version in versions]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"the versions of {name} are not in order")
    documents = _parse_files(record.get("documents", []), lambda path: _size_limit(path) if whole else 0)
    if whole and not {layout.MODEL, layout.STAGES} <= {each.path for each in documents}:
        raise ValueError(f"{name} lacks {layout.MODEL} or {layout.STAGES}")
    if not whole and not versions:
        raise ValueError(f"{name} is empty")
    if not whole and any(version.pack for version in versions):
        raise ValueError(f"a version of {name} has a pack, but the model is not whole")
    packed = _check_size(record["packed"], _SIZE_LIMIT)
    return BundleModel(name, whole, packed, _parse_checkpoint(record), documents, versions)


def _size_limit(path: str) -> int:
    """The most bytes of a document of a whole model; 0 for any other path."""
    if path == layout.HISTORY:
        return _HISTORY_LIMIT
    known = path in (layout.MODEL, layout.STAGES, layout.DEPLOYMENTS) or _TOMBSTONE.match(path)
    return files.DOCUMENT_LIMIT if known else 0


def _parse_version(record: Mapping[str, Any]) -> BundleVersion:
    number = record["version"]
    _check(number, type(number) is int and 0 < number < 10**9, "version")
    base = f"versions/{number}"
    limits = {f"{base}/{layout.VERSION}": files.DOCUMENT_LIMIT, f"{base}/{layout.MANIFEST}": manifest.LIMIT}
    first = list(limits)
    limits |= {f"{base}/{name}": files.DOCUMENT_LIMIT for name in BESIDE}
    limits[f"annotations/{number}.yaml"] = files.DOCUMENT_LIMIT
    documents = _parse_files(record["documents"], lambda path: limits.get(path, 0))
    if [each.path for each in documents[:2]] != first:
        raise ValueError(f"version {number} does not begin with its document and its manifest")
    sizes = tuple(_check_size(each, _SIZE_LIMIT) for each in _check_list(record["sizes"]))
    if not 0 < len(sizes) <= source_files.FILES_LIMIT or not 0 < sum(sizes) < _SIZE_LIMIT:
        raise ValueError(f"version {number} has {len(sizes):,} files")
    archived = record.get("archived", False)
    if type(archived) is not bool:
        raise ValueError(f"version {number} has no archived state")
    return BundleVersion(
        number,
        _check_digest(_check_text(record["digest"], 80).removeprefix("sha256:")),
        sizes,
        documents,
        tuple(names.stage_name(_check_text(each, 100)) for each in _check_list(record.get("stages", []))),
        tuple(names.alias_name(_check_text(each, 100)) for each in _check_list(record.get("aliases", []))),
        archived,
        _parse_checkpoint(record),
        _parse_pack(record.get("pack"), number),
    )


def _parse_pack(record: Any, number: int) -> BundleFile | None:
    if record is None:
        return None
    paths = [f"{layout.PACKS}/{number}{suffix}" for suffix in layout.PACK_SUFFIXES]
    return _parse_files([record], lambda path: _SIZE_LIMIT if path in paths else 0)[0]


def _parse_checkpoint(record: Mapping[str, Any]) -> str:
    text = _check_text(record.get("checkpoint", ""), 300)
    return _check(text, not text or event_history.parse_checkpoint(text) is not None, "checkpoint")


def _parse_files(records: Any, limit: Callable[[str], int]) -> tuple[BundleFile, ...]:
    found = []
    for each in _check_list(records):
        path = _check_text(each["path"], 200)
        if not (most := limit(path)):
            raise ValueError(f"'{path}' is not allowed in it")
        found.append(BundleFile(path, _check_size(each["size"], most), _check_digest(each["sha256"])))
    _check_unique(each.path for each in found)
    return tuple(found)


def _check_unique(texts: Iterator[str]) -> None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            raise ValueError(f"'{text}' is listed twice")
        seen.add(text)


def _check_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a list is missing")
    return value


def _check(value: _T, is_valid: bool, what: str) -> _T:
    if not is_valid:
        raise ValueError(f"{value!r:.40} is not a valid {what}")
    return value


def _check_text(value: Any, most: int) -> str:
    is_valid = isinstance(value, str) and len(value) <= most and value.isprintable()
    return _check(value, is_valid, "name")  # type: ignore[no-any-return]


def _check_size(value: Any, most: int) -> int:
    is_valid = type(value) is int and 0 <= value <= most
    return _check(value, is_valid, "size that it can have")  # type: ignore[no-any-return]


def _check_digest(value: Any) -> str:
    return _check(value, isinstance(value, str) and layout.is_digest(value), "sha256")  # type: ignore[no-any-return]
