"""Records to documents and back. Unknown parts of a document are kept, and written again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ..core import names
from ..core.lazy_dataclass import dataclass, field, replace
from ..core.records import Event, StageTable, VersionRecord
from ..core.text import lazy_pattern
from ..core.version_ranges import VersionRanges
from ..errors import Damaged, InvalidInput, NotFound, Refused
from ..rules.settings_errors import REGISTRY_KEYS, SettingsSource, check_unknown_keys
from . import layout
from .filesystem import files
from .filesystem.files import SHARED
from .layout import Layout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, TypeVar

    _T = TypeVar("_T")

DEFAULT_STAGES = ("development", "staging", "production")
_MORE = "run 'registry verify' for details"


@dataclass(frozen=True, eq=False, repr=False)
class RegistrySettings:
    """The settings in ``registry.yaml``. ``shared`` is ``private`` or ``group``; ``stages`` are in order; ``scan`` is
    the part of the document, checked: see ``rules.scan_policy``.
    """

    id: str
    created: str
    shared: str = "private"
    stages: tuple[str, ...] = DEFAULT_STAGES
    scan: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Redo:
    """The document that a claim has besides the stage table: ``path`` is relative to the model's folder.

    ``text`` is the text of a document that people edit; empty for all others.
    """

    path: str
    document: Mapping[str, Any]
    text: str = ""

    def data(self) -> bytes:
        """The bytes of the document."""
        return self.text.encode() if self.text else _documents().dumps(self.document)


def _documents() -> ModuleType:
    from ..core.yaml import documents  # and with it YAML, which an answer from the index does without

    return documents


def load(path: Path, what: str, newest: int = layout.FORMAT) -> dict[str, Any]:
    """A document of the store, its format checked. FileNotFoundError if it isn't there."""
    return loads(files.read(path, files.DOCUMENT_LIMIT, what), what, newest)


def loads(data: bytes, what: str, newest: int = layout.FORMAT) -> dict[str, Any]:
    """A document of the store from its bytes. :class:`Refused` for a format above ``newest``, :class:`Damaged` for none."""
    try:
        document: dict[str, Any] = _documents().loads_mapping(data, what)
    except InvalidInput as error:
        raise Damaged(str(error), _MORE) from None
    number = document.get("format")
    if type(number) is not int or number < 1:
        raise Damaged(f"{what} has no valid 'format' line", _MORE)
    if number > newest:
        raise Refused(
            f"{what} has format {number}; this program knows formats up to {newest}",
            "upgrade: pip install --upgrade registry-cli",
        )
    return document


def _get(document: Mapping[str, Any], key: str, kind: type[_T], what: str, default: _T | None = None) -> _T:
    value = document.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Damaged(f"{what}: '{key}' is missing or not a {_KINDS.get(kind, kind.__name__)}", _MORE)
    return value


_KINDS: dict[type, str] = {str: "text", int: "whole number", dict: "mapping", list: "list"}


def _parsed(read: Callable[[Any], _T], value: Any, key: str, what: str) -> _T:
    try:
        return read(value)
    except (InvalidInput, KeyError, TypeError) as error:
        raise Damaged(f"{what}: '{key}' can't be read: {error}", _MORE) from None


def open_settings(root: Layout) -> RegistrySettings:
    """Load ``registry.yaml``. :class:`NotFound` when the folder is not a registry."""
    try:
        document, source = load_with_lines(root.config, str(root.config))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no registry in {root.root}", "create one with 'registry init DIR'") from None
    return parse_settings(document, source)


def load_with_lines(path: Path, what: str) -> tuple[dict[str, Any], SettingsSource]:
    """A document that people edit, and the lines of its parts; ``what`` is its name in messages."""
    return parse_with_lines(files.read(path, files.DOCUMENT_LIMIT, what), what)


def parse_with_lines(data: bytes, what: str) -> tuple[dict[str, Any], SettingsSource]:
    """The same for the bytes of such a document."""
    return loads(data, what), SettingsSource(what, lambda: _documents().lines(data))


def parse_settings(document: Mapping[str, Any], source: SettingsSource) -> RegistrySettings:
    """Parse ``registry.yaml``. People edit it, so an error names the line and the nearest valid key."""
    check_unknown_keys(document, REGISTRY_KEYS, source)
    stages = document.get("stages", list(DEFAULT_STAGES))
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, str) for stage in stages):
        raise source.error(("stages",), "must be a list of names", "for example: [development, staging, production]")
    for at, stage in enumerate(stages):
        try:
            names.stage_name(stage)
        except InvalidInput as error:
            raise source.error(("stages", str(at)), error.message, error.hint) from None
        if stage in stages[:at]:
            raise source.error(("stages", str(at)), f"'{stage}' is listed twice", "list each stage once")
    shared = document.get("shared", "private")
    if shared not in SHARED:
        raise source.error(("shared",), f"is '{shared}'"[:80], f"use {' or '.join(SHARED)}")
    if "scan" in document:
        from ..rules import scan_policy

        scan_policy.parse_scan_rules(document["scan"], source.place(("scan",)))
    extra = {key: document[key] for key in document if key not in REGISTRY_KEYS or key in ("retention", "lineage")}
    what = source.file
    return RegistrySettings(
        _get(document, "id", str, what), _get(document, "created", str, what, ""), shared, tuple(stages),
        document.get("scan"), extra,
    )  # fmt: skip


_MODEL_ID = lazy_pattern(r"[0-9A-Za-z_-]{8,64}\Z", re.ASCII)


def model_id(document: Mapping[str, Any]) -> str:
    """The ``id`` in a ``model.yaml``, which stays the same under every name; empty if there is none."""
    found = document.get("id")
    return found if isinstance(found, str) and _MODEL_ID.match(found) else ""


def former_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The former names in a ``model.yaml``; people edit it, and what is not text there is ignored."""
    found = document.get("formerly")
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def table_document(table: StageTable, redo: Redo | None = None) -> dict[str, Any]:
    """``stages.yaml``, or a claim: the same with a ``redo``."""
    document: dict[str, Any] = {
        "format": layout.DELETED_FORMAT if table.records_deletion else layout.FORMAT,
        "revision": table.revision,
        "stages": dict(table.stages),
        "aliases": dict(sorted(table.aliases.items())),
        "archived": str(table.archived),
        "deleted": str(table.deleted),
        **({"packed": str(table.packed)} if table.packed else {}),
        "changed": table.changed.document() if table.changed else None,
        **table.extra,
    }
    if redo:
        if redo.path == layout.DEPLOYMENTS:
            document["format"] = layout.CLAIM_FORMAT
        content = {"text": redo.text} if redo.text else {"document": dict(redo.document)}
        document["redo"] = {"path": redo.path, **content}
    return document


def dump_table(table: StageTable, redo: Redo | None = None) -> bytes:
    data: bytes = _documents().dumps(table_document(table, redo))
    return data


def parse_table(document: Mapping[str, Any], what: str) -> tuple[StageTable, Redo | None]:
    """A stage table, and the document that a claim has besides it."""
    known = ("format", "revision", "stages", "aliases", "archived", "deleted", "changed", "packed", "redo")
    if absent := [key for key in known[:-2] if key not in document]:
        raise Damaged(f"{what}: '{absent[0]}' is missing", _MORE)  # cut off, or written by hand
    changed = document["changed"]
    numbers = {
        key: _parsed(lambda text: VersionRanges.parse(str(text)), document.get(key, ""), key, what)
        for key in ("archived", "deleted", "packed")
    }
    table = StageTable(
        revision=_get(document, "revision", int, what),
        stages=_pointers(document, "stages", what),
        aliases=_pointers(document, "aliases", what),
        archived=numbers["archived"],
        deleted=numbers["deleted"],
        packed=numbers["packed"] - numbers["deleted"],  # a release without packs deletes and leaves ``packed`` as it is
        changed=_parsed(Event.parse, changed, "changed", what) if changed is not None else None,
        extra={key: value for key, value in document.items() if key not in known},
    )
    return table, _parse_redo(document.get("redo"), what)


def _pointers(document: Mapping[str, Any], key: str, what: str) -> dict[str, int]:
    pointers = _get(document, key, dict, what, {})
    if not all(type(number) is int and 0 < number < 10**9 for number in pointers.values()):
        raise Damaged(f"{what}: '{key}' points to something that is not a version number", _MORE)
    return pointers


def _parse_redo(redo: Any, what: str) -> Redo | None:
    if redo is None:
        return None
    if not isinstance(redo, dict) or not layout.is_description(str(redo.get("path"))):
        raise Damaged(f"{what}: 'redo' is not a document of a version or model", _MORE)
    if redo["path"] != layout.MODEL:
        return Redo(redo["path"], _get(redo, "document", dict, what))
    text = _get(redo, "text", str, what)
    return Redo(redo["path"], loads(text.encode(), f"{what}: 'redo'"), text)


def deployments_document(entries: Mapping[str, Any]) -> dict[str, Any]:
    """``deployments.yaml``, with its targets in order."""
    return {"format": layout.FORMAT, "targets": {name: dict(entry) for name, entry in sorted(entries.items())}}


def parse_deployments(document: Mapping[str, Any], what: str) -> Mapping[str, Mapping[str, Any]]:
    """The entries of ``deployments.yaml``, by target."""
    entries = _get(document, "targets", dict, what)
    for entry in entries.values():
        if not isinstance(entry, dict) or not any(type(entry.get(key)) is int for key in ("version", "pending")):
            raise Damaged(f"{what}: 'targets' has an entry without a version", _MORE)
    return entries


def version_document(record: VersionRecord) -> dict[str, Any]:
    """``version.yaml``: the sealed part of a version. What is empty is left out."""
    document: dict[str, Any] = {
        "format": layout.FORMAT,
        "version": record.number,
        "created": record.created,
        "author": record.author,
        "digest": f"sha256:{record.digest}",
        "size": record.size,
        "files": record.files,
    }
    for name in ("message", "params", "metrics", "tags", "annotations", "lineage"):
        if value := getattr(record, name):
            document[name] = value
    document["event"] = record.event.document() if record.event else None
    return document


def parse_version(document: Mapping[str, Any], model: str, number: int, what: str, folder: str = "") -> VersionRecord:
    """A version as it was sealed, without later annotations and pointers."""
    if document.get("version") != number:
        raise Damaged(f"{what} claims to be version {document.get('version')!r}", _MORE)
    digest = _get(document, "digest", str, what).removeprefix("sha256:")
    if not layout.is_digest(digest):
        raise Damaged(f"{what}: 'digest' is not a sha256", _MORE)
    parts: dict[str, Any] = {
        key: _get(document, key, kind, what)
        for key, kind in (("created", str), ("author", str), ("size", int), ("files", int))
    }
    parts["message"] = _get(document, "message", str, what, "")
    for key in ("params", "metrics", "tags", "annotations", "lineage"):
        parts[key] = _get(document, key, dict, what, {})
    event = _parsed(Event.parse, document.get("event"), "event", what)
    return VersionRecord(model=model, number=number, digest=digest, event=event, folder=folder, **parts)


def overlay(record: VersionRecord, annotation: Mapping[str, Any], what: str) -> VersionRecord:
    """``record`` with its later annotations. A value of null removes a sealed one."""
    merged: dict[str, Any] = {}
    for key in ("metrics", "tags", "annotations"):
        if changes := _get(annotation, key, dict, what, {}):
            values = {**getattr(record, key), **changes}
            merged[key] = {name: value for name, value in values.items() if value is not None}
    return replace(record, **merged)


#: Each file, and the place of its digest in the lineage; if the file was not kept, ``KEY_kept`` is false there.
_PLACES = {layout.ENVIRONMENT: ("environment", "digest"), layout.PATCH: ("git", "patch")}


def sidecar_digests(lineage: Mapping[str, Any]) -> dict[str, str]:
    """The files that a version has beside its document, and their sha256."""
    found = {}
    for name, (part, key) in _PLACES.items():
        section = lineage.get(part)
        digest = section.get(key) if isinstance(section, Mapping) else None
        if isinstance(digest, str) and isinstance(section, Mapping) and section.get(f"{key}_kept") is not False:
            sha256 = digest.removeprefix("sha256:")
            if layout.is_digest(sha256):
                found[name] = sha256
    return found


def without_sidecars(lineage: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A lineage marked as one whose files were not kept, and the names of these files."""
    absent = list(sidecar_digests(lineage))
    changed = dict(lineage)
    for name in absent:
        part, key = _PLACES[name]
        changed[part] = {**changed[part], f"{key}_kept": False}
    return changed, absent
