"""Copy versions out of the registry: fetch, bundles, the formats of other tools, model cards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.lazy_dataclass import replace
from ...core.names import Reference
from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...core.results import ExportResult
from ...core.times import format_time
from ...core.values import OneOrMore, as_list
from ...core.yaml import documents
from ...errors import Conflict, Damaged, InvalidInput, RegistryError
from ...interop import exported_files, tools
from ...interop.bundle import bundle_writer
from ...interop.bundle.bundle_writer import BundleSelection
from ...interop.cards import model_card
from ...interop.cards.model_card import Card, CardInput
from ...interop.mlflow.mlflow_export import FLAVORS
from ...store import fetch as outgoing
from ...store import model_export
from ...store.filesystem import files, replacement
from ...store.filesystem.containment import RegistryBoundary
from ...store.verify import verify
from .. import settings
from ..approvals import list_approvals
from ..context import read_version
from ..lineage import iter_parent_names
from ..ownership import (
    is_bill_of_materials,
    is_bundle,
    is_card,
    is_plan,
    iter_manifests,
    replaceable_file,
    replaceable_folder,
    write_file,
)
from ..read import check_version, get_version, list_files, open_artifact, select_files
from ..search import get_model, list_model_names

if TYPE_CHECKING:
    from ...interop.exported_files import Outline
    from ...store.filesystem.replacement import Existing
    from ..context import RegistryContext
    from ..ownership import Copy, Expected
    from ..read import BinaryWriter


#: The format of an export that is no other tool's.
BUNDLE = "bundle"


def _find_use(folder: Path) -> str:
    """Return which folder in use would be replaced with ``folder``: the current one, or the user's home."""
    places: list[tuple[str, Path]] = []
    with contextlib.suppress(FileNotFoundError):  # it was removed
        places.append(("the current folder", Path.cwd()))
    with contextlib.suppress(RuntimeError):
        places.append(("the home folder", Path.home()))
    for what, place in places:
        for each in (place, *place.parents):
            with contextlib.suppress(OSError):
                if each.samefile(folder):
                    return what
    return ""


def fetch(
    context: RegistryContext,
    ref: str | Reference,
    target: str | os.PathLike[str],
    *,
    only: OneOrMore[str] = (),
    exclude: OneOrMore[str] = (),
    replace: bool = False,
    progress: Progress = SILENT,
) -> VersionRecord:
    """Copy a version to a new folder, each byte checked on the way; it appears whole or not at all.

    Args:
        target: The new folder.
        only: Globs; a file must match one of them.
        exclude: Globs of files to leave out.
        replace: Replace an earlier copy: a folder in which each file is one of a version of this registry, or of an export.
        progress: Called with the number of bytes that were copied.

    Raises:
        Conflict: ``target`` exists, and ``replace`` is not set or it is not an earlier copy.
        NotFound: No file matches.
    """
    model, record = read_version(context, ref)
    chosen = select_files(model.manifest(record), only, exclude, record.ref) if only or exclude else None
    place = resolve_target_path(context, target)
    existing = _find_replaceable_folder(context, place, model.name, replace=replace)
    outgoing.fetch(model, record, place, progress=progress, existing=existing, chosen=chosen)
    return record


def resolve_target_path(context: RegistryContext, target: str | os.PathLike[str]) -> Path:
    """``target``, if something may be written there without harm to a registry: to this one, or another."""
    if not os.fspath(target):
        raise InvalidInput("'' is not a path", "check for an empty variable")
    destination = Path(target).absolute()
    real, root = destination.resolve(), context.root.resolve()
    if inside := RegistryBoundary(root).registry_of(real):
        raise InvalidInput(f"'{target}' is inside the registry '{inside}'", "choose a path outside of it")
    if root.is_relative_to(real):  # to replace it would be to remove the registry
        raise InvalidInput(f"'{target}' contains the registry", "choose a new folder")
    if what := _find_use(real):
        raise Conflict(f"'{target}' is or contains {what}", "choose a new folder")
    return destination


def export(
    context: RegistryContext,
    refs: OneOrMore[str | Reference] | None,
    target: str | os.PathLike[str] | BinaryWriter,
    *,
    format: str = BUNDLE,
    flavor: str | None = None,
    replace: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """Write versions, or whole models, to a bundle; or one version in the format of another tool.

    Nothing is locked, and every byte is checked on the way. ``target`` appears when it is whole. The same versions make
    the same bundle.

    Args:
        refs: References of versions, or names of models, which are exported with their histories; None for all of the
            registry.
        target: A new file whose name ends with ``.tar.gz``, ``.tar`` or ``.tar.zst``, or what bytes can be written to;
            for another tool, a new file or folder.
        format: ``bundle``, ``mlflow``, ``hf``, ``bentoml`` or ``cyclonedx``.
        flavor: What the files are, for MLflow, where that is not known.
        replace: Replace an earlier export.

    Raises:
        Conflict: ``target`` exists, and ``replace`` is not set or it is not an earlier export.
        Damaged: A file is not as it was stored.
        InvalidInput: The format is unknown.
    """
    if format == BUNDLE:
        return _export_bundle(context, refs, target, replace=replace, progress=progress)
    chosen = [] if refs is None else as_list(refs, "refs")
    if len(chosen) != 1 or not isinstance(target, (str, os.PathLike)):
        raise InvalidInput(f"format {format} exports exactly one version", "give one version and OUT")
    return _export_version(context, chosen[0], format, target, flavor=flavor, replace=replace)


def _export_bundle(
    context: RegistryContext,
    refs: OneOrMore[str | Reference] | None,
    target: str | os.PathLike[str] | BinaryWriter,
    *,
    replace: bool,
    progress: Progress,
) -> ExportResult:
    place = resolve_target_path(context, target) if isinstance(target, (str, os.PathLike)) else target
    if isinstance(place, Path):
        bundle_writer.get_suffix(place.name)
        existing = replaceable_file(context, place, is_bundle, replace=replace)
    loaded = bundle_writer.plan_bundle(*_select_parts(context, refs), context.settings.id)
    if isinstance(place, Path):
        bundle_writer.write_file(loaded, place, progress=progress, existing=existing)
    else:
        bundle_writer.write(loaded, place.write, progress)
    contents = loaded.contents
    names = tuple(
        name
        for part in contents.models
        for name in ([part.name] if part.whole else [f"{part.name}@{version.number}" for version in part.versions])
    )
    return ExportResult(str(place) if isinstance(place, Path) else "-", names, contents.size)


def _export_version(
    context: RegistryContext,
    ref: str | Reference,
    kind: str,
    target: str | os.PathLike[str],
    *,
    flavor: str | None,
    replace: bool,
) -> ExportResult:
    place = resolve_target_path(context, target)
    write = tools.get_writer(kind, flavor)
    record = get_version(context, ref)
    if kind in tools.FILES:
        existing = replaceable_file(context, place, is_bill_of_materials, replace=replace)
    else:
        existing = _find_replaceable_folder(context, place, record.model, replace=replace, kind=kind, flavor=flavor)
    check_version(context, record.ref)
    with open_artifact(context, record.ref) as artifact, replacement.atomic_output(place, existing) as temporary:
        known = gather_card(context, artifact.version, artifact.files)
        lost = write(artifact, known, temporary)
    return ExportResult(str(place), (record.ref,), record.size, tuple(lost))


def write_card(
    context: RegistryContext,
    ref: str | Reference,
    target: str | os.PathLike[str] | None = None,
    *,
    replace: bool = False,
) -> Card:
    """Return the model card of a version, in Markdown with the front matter of Hugging Face, and what it lacks.

    Args:
        target: The file to write it to.
        replace: Replace a card of this registry, including edits made by hand.

    Raises:
        Conflict: ``target`` exists, and ``replace`` is not set or it is not an earlier card.
        InvalidInput: A field of ``model.yaml`` is not a text.
    """
    place = None if target is None else resolve_target_path(context, target)
    version = get_version(context, ref)
    made = model_card.make_card(gather_card(context, version, list_files(context, version.ref)))
    if place is not None:
        if place.is_dir():
            raise InvalidInput(f"'{place}' is a folder", f"give a file: {place / model_card.NAME}")
        write_file(context, place, made.text, is_card, replace=replace)
    return made


def _find_replaceable_folder(
    context: RegistryContext,
    target: Path,
    model: str,
    *,
    replace: bool,
    kind: str | None = None,
    flavor: str | None = None,
) -> Existing | None:
    """Return the folder at ``target`` if this program made it, None for nothing; see :mod:`.ownership`."""
    layouts = partial(_iter_layouts, context, first=model, kind=kind, flavor=flavor)
    return replaceable_folder(context, target, replace=replace, first=model, layouts=layouts)


def save_plan(context: RegistryContext, text: str, target: str | os.PathLike[str]) -> None:
    """Write the file of ``--plan``, or replace an earlier plan. Raises :class:`Conflict` and :class:`InvalidInput`."""
    write_file(context, resolve_target_path(context, target), text, is_plan, replace=True)


def _select_parts(
    context: RegistryContext, refs: OneOrMore[str | Reference] | None
) -> tuple[str, list[BundleSelection]]:
    """Return the kind of a bundle and its parts: a bare name is the whole model, None the whole registry."""
    if refs is None:
        if lost := next(verify.lost_models(context.layout), None):
            raise Damaged(f"{lost} has versions but no model.yaml", "run 'registry verify' for details")
        return "registry", [
            BundleSelection.all_of(model_export.read_model_export(context.layout.model(name)))
            for name in list_model_names(context)
        ]
    chosen = [Reference.coerce(ref) for ref in as_list(refs, "refs")]
    bare = {each.model for each in chosen if each.selector is None}
    if bare and any(each.selector for each in chosen):
        raise InvalidInput(
            "a bundle contains either whole models or versions", f"use {min(bare)}@latest for a single version"
        )
    names = sorted({each.model for each in chosen})
    pictures = {name: model_export.read_model_export(context.layout.model(name)) for name in names}
    if bare:
        return "models", [BundleSelection.all_of(pictures[name]) for name in names]
    numbers: dict[str, set[int]] = {name: set() for name in names}
    for each in chosen:
        picture = pictures[each.model]
        numbers[each.model].add(picture.model.resolve(each.or_latest(), picture.state.table))
    return "versions", [BundleSelection(pictures[name], False, tuple(sorted(numbers[name]))) for name in names]


def gather_card(context: RegistryContext, version: VersionRecord, entries: Iterable[FileEntry]) -> CardInput:
    """All that is known of a version, and of its files, for a card."""
    level = settings.load_model_document(context.layout, settings.SettingsScope.for_model(version.model))
    return CardInput(
        version,
        get_model(context, version.model),
        model_card.fields(level.document, level.source),
        tuple(entry.path for entry in entries),
        list_approvals(context, version.ref),
        tuple(dict.fromkeys(_iter_bases(context, version))),
    )


def _iter_bases(context: RegistryContext, version: VersionRecord) -> Iterator[str]:
    """Iterate over the Hugging Face models among the parents, as far as they are in this registry."""
    for parent in iter_parent_names(version.lineage):
        try:
            imported = get_version(context, Reference.parse(parent)).lineage.get("imported")
        except RegistryError:
            continue
        if isinstance(imported, Mapping) and imported.get("from") == "hf" and "/" in str(imported.get("name")):
            yield str(imported["name"])


#: The document by which a folder of each format is known.
DOCUMENTS = {"mlflow": "MLmodel", "bentoml": "model.yaml", "hf": "README.md"}
#: What in a document may be other than it is now: what people say of a version or a model, and what it is called.
CHANGING = {
    "mlflow": ("metadata registry ref", "metadata model_description", "metadata metrics", "metadata tags"),
    "bentoml": ("name", "labels", "metadata registry_ref", "metadata metrics", "metadata tags"),
}
#: So many files at most does an export add to those of a version.
_ADDED = 8
_DOCUMENT = 8 << 20


def _iter_layouts(
    context: RegistryContext, copy: Copy, first: str, kind: str | None, flavor: str | None
) -> Iterator[Expected]:
    """Iterate over the exports of which a folder may be a copy: in the format ``kind``, or those whose document it has.

    Documents change with what people write. So each is made as of now, and as of the time of the newest file of the copy; a
    YAML document that differs only in what can change (``CHANGING``) counts too, if it is formatted as this program does.
    """
    kinds = dict.fromkeys([kind] if kind else [])
    kinds |= dict.fromkeys(kind for kind, document in DOCUMENTS.items() if document in copy.files)
    for ref, added in _iter_candidates(context, copy, first) if kinds else ():
        written = max((copy.files[path].st_mtime for path in added), default=0.0)
        then = datetime.fromtimestamp(written, tz=timezone.utc)
        for each in kinds:
            for known in _list_flavors(copy, flavor) if each in tools.WITH_FLAVOR else [None]:
                for moment in (None, then):
                    with contextlib.suppress(RegistryError, OSError, ValueError):
                        yield _build_layout(context, copy, ref, each, known, moment)


def _iter_candidates(context: RegistryContext, copy: Copy, first: str) -> Iterator[tuple[str, list[str]]]:
    """The versions that have all files in a folder, wherever they are there, but for a few, which are named."""
    for model, number, expected in iter_manifests(context, first):
        if len(copy.files) <= len(expected) + _ADDED:
            known = set(expected.values())
            added = [path for path in copy.files if copy.sha256(path) not in known]
            if len(added) <= _ADDED:
                yield f"{model}@{number}", added


def _list_flavors(copy: Copy, flavor: str | None) -> list[str | None]:
    """The flavors of MLflow with which the folder may have been made."""
    named: object = None
    with contextlib.suppress(RegistryError, ValueError):
        text = copy.read(DOCUMENTS["mlflow"], _DOCUMENT)
        named = documents.loads_mapping(text, DOCUMENTS["mlflow"], limit=_DOCUMENT).get("flavors")
    return list(dict.fromkeys((flavor, None, *(each for each in FLAVORS if isinstance(named, dict) and each in named))))


def _build_layout(
    context: RegistryContext, copy: Copy, ref: str, kind: str, flavor: str | None, moment: datetime | None
) -> Expected:
    with open_artifact(context, ref) as artifact, tempfile.TemporaryDirectory(prefix="registry-") as temporary:
        version = get_version(context, ref, as_of=moment)
        outline = exported_files.Outline(version, artifact.folder, artifact.files)
        known = gather_card(context, version, artifact.files)
        if moment is not None:
            at = format_time(moment)
            model = get_model(context, version.model, as_of=moment)
            known = replace(known, model=model, approvals=tuple(each for each in known.approvals if each.at <= at))
        folder = Path(temporary, "export")
        tools.get_writer(kind, flavor)(outline, known, folder)
        return {**dict(_iter_hashes(folder, outline)), **_match_earlier_document(copy, kind, folder)}


def _match_earlier_document(copy: Copy, kind: str, folder: Path) -> Expected:
    """The document of a format with its sha256 in the copy, if it is an earlier one of the same version."""
    name = DOCUMENTS.get(kind, "")
    if kind not in CHANGING or not (folder / name).is_file():
        return {}
    with contextlib.suppress(RegistryError, ValueError):
        there, here = copy.read(name, _DOCUMENT), (folder / name).read_bytes()
        found, made = (documents.loads_mapping(data, name, limit=_DOCUMENT) for data in (there, here))
        if documents.dumps(found) == there and _strip_changing(found, kind) == _strip_changing(made, kind):
            return {name: copy.sha256(name)}
    return {}


def _strip_changing(document: dict[str, Any], kind: str) -> dict[str, Any]:
    for path in CHANGING[kind]:
        *parts, last = path.split()
        part: Any = document
        for name in parts:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict):
            part.pop(last, None)
    return document


def _iter_hashes(folder: Path, outline: Outline) -> Iterator[tuple[str, str]]:
    start = len(f"{folder}/")
    for path, status in files.iter_tree(folder):
        if path[start:] and stat.S_ISREG(status.st_mode):
            stand_in = outline.stand_ins.get(status.st_ino)
            yield path[start:], stand_in or hashlib.sha256(Path(path).read_bytes()).hexdigest()
