"""BentoML: import from its model store (``$BENTOML_HOME``, the ``models`` in it, or one model), and export as one of its models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import values
from ..core.records import Artifact, ModelRecord, VersionRecord
from ..core.times import format_timestamp
from ..errors import Damaged, InvalidInput, NotFound, RegistryError
from . import exported_files, name_mapping
from .cards.card_inputs import CardInput
from .imported_version import ImportedMetadata, ImportedVersion, clean_line, to_plain_value
from .source_tree import SourceTree, error_message, lookup, resolve_path, text_or_empty

DOCUMENT = "model.yaml"


def read(place: str | Path, *, only: str | None = None) -> Iterator[ImportedVersion]:
    """Every model in ``place`` (or ``only`` one): names in order, the versions of each by the time they were made."""
    where = resolve_path(Path(place))
    tree = SourceTree(where)
    if not where.is_dir():
        raise InvalidInput(f"'{place}' is no folder", "name $BENTOML_HOME, or the folder of one model")
    if tree.is_file(where / DOCUMENT):
        yield _incoming(tree, where, tree.yaml(where / DOCUMENT), {})
        return
    store = where / "models" if tree.is_folder(where / "models") else where
    found = {name: versions for name in tree.names(store) if (versions := list(_versions(tree, store / name)))}
    if not found:
        raise NotFound(f"'{place}' holds no model of BentoML", f"a model is NAME/VERSION/{DOCUMENT}")
    wanted = name_mapping.select_names(found, only, place)
    given = name_mapping.assign_names(wanted)
    for name in wanted:
        versions = found[name]
        for folder, document in sorted(
            versions, key=lambda each: (format_timestamp(each[1].get("creation_time")), each[0].name)
        ):
            yield _incoming(tree, folder, document, given)


def _versions(tree: SourceTree, folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in tree.names(folder):
        if tree.is_file(folder / name / DOCUMENT):
            try:
                yield folder / name, tree.yaml(folder / name / DOCUMENT)
            except RegistryError as error:
                yield folder / name, {"": error_message(error)}


def _incoming(
    tree: SourceTree, folder: Path, document: Mapping[str, Any], given: Mapping[str, str | None]
) -> ImportedVersion:
    name = text_or_empty(document.get("name")) or folder.parent.name
    version = str(document.get("version") or folder.name)
    key = f"bentoml:{clean_line(name, 63)}:{clean_line(version, 63)}"
    allowed = name_mapping.to_model_name(name)
    if "" in document:
        return ImportedVersion(key, allowed, (), lost=(document[""],))
    if given.get(folder.parent.name, allowed) is None:
        return ImportedVersion(key, allowed, (), lost=(name_mapping.format_conflict(name),))
    luggage = ImportedMetadata()
    luggage.add_tags({"bentoml_version": version})
    luggage.add_tags(_mapping(document, "labels"))
    _add_metadata(luggage, _mapping(document, "metadata"))
    return ImportedVersion(
        key=key,
        model=allowed,
        files=(tree.inside(folder) or folder,),
        created=format_timestamp(document.get("creation_time")),
        params=luggage.params,
        metrics=luggage.metrics,
        tags=luggage.tags,
        annotations=luggage.annotations,
        lineage=_lineage(document, key),
        lost=tuple(luggage.lost),
    )


def _add_metadata(luggage: ImportedMetadata, metadata: Mapping[str, Any]) -> None:
    """BentoML has one place for all that is said: its numbers become metrics, the rest params."""
    try:
        flat = values.flatten(metadata)
    except InvalidInput as error:
        luggage.lose(f"metadata: {error.message}")
        return
    numbers = {
        name: value for name, value in flat.items() if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    luggage.add_metrics(numbers)
    luggage.add_params({name: value for name, value in flat.items() if name not in numbers})


def _lineage(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    framework = text_or_empty(lookup(document, "context", "framework_name"))
    versions = _mapping(document.get("context"), "framework_versions")
    imported = {
        "from": "bentoml",
        "key": key,
        "module": document.get("module"),
        "signatures": document.get("signatures"),
        "bentoml": lookup(document, "context", "bentoml_version"),
        "python": lookup(document, "context", "python_version"),
        "frameworks": versions,
    }
    version = next(iter(versions.values()), "") if len(versions) == 1 else ""
    return to_plain_value({"framework": f"{framework} {version}".strip(), "imported": imported})  # type: ignore[no-any-return]


def _mapping(document: Any, name: str) -> dict[str, Any]:
    found = lookup(document, name)
    return found if isinstance(found, dict) else {}


_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")


def write(artifact: Artifact, known: CardInput, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned.

    A model that came from BentoML keeps the module and the signatures that its own ``model.yaml`` says.
    """
    version = artifact.version
    exported_files.copy_files(artifact, target)
    before: dict[str, Any] = {}
    notes = []
    if exported_files.has_file(artifact, DOCUMENT):
        try:
            before = SourceTree(target).yaml(target / DOCUMENT)
        except (Damaged, ValueError):
            before = {}
        (target / DOCUMENT).unlink()
    if not before.get("module"):
        notes.append("no module of BentoML loads it: bentoml.models.get(TAG).path_of(FILE) gives the file to load")
    labels, others = _labels(version)
    if others:
        notes.append(f"tags that can't be labels are metadata: {', '.join(sorted(others))}")
    exported_files.write_yaml(target / DOCUMENT, _document(version, known.model, before, labels, others))
    return [*exported_files.list_lost(version, params=True, metrics=True, tags=True, message=True), *notes]


def to_bento_name(model: str) -> str:
    """A model's name as BentoML takes it: without a group."""
    return model.replace("/", "-").strip("._-")[:63]


def _labels(version: VersionRecord) -> tuple[dict[str, str], dict[str, str]]:
    """The tags that can be labels, and those that can't."""
    fitting = {name: value for name, value in version.tags.items() if _LABEL.match(name) and _LABEL.match(value)}
    return fitting, {name: value for name, value in version.tags.items() if name not in fitting}


def _document(
    version: VersionRecord, model: ModelRecord, before: dict[str, Any], labels: dict[str, str], others: dict[str, str]
) -> dict[str, Any]:
    name, release = exported_files.get_framework(version)
    package = exported_files.PACKAGES.get(name, name)
    metadata = {
        "registry_ref": version.ref,
        "registry_digest": f"sha256:{version.digest}",
        "message": version.message,
        "params": dict(version.params),
        "metrics": dict(version.metrics),
        "tags": others,
    }
    signatures = before.get("signatures")
    return {
        "name": to_bento_name(model.name),
        "version": str(version.number),
        "module": text_or_empty(before.get("module")),
        "labels": labels,
        "options": before.get("options") if isinstance(before.get("options"), dict) else {},
        "metadata": {key: value for key, value in metadata.items() if value},
        "context": {
            "framework_name": text_or_empty(lookup(before, "context", "framework_name")) or name or "unknown",
            "framework_versions": lookup(before, "context", "framework_versions")
            or ({package: release} if release else {}),
            "bentoml_version": text_or_empty(lookup(before, "context", "bentoml_version")) or "1.4.0",
            "python_version": text_or_empty(lookup(before, "context", "python_version"))
            or exported_files.get_python_release(version)
            or "3",
        },
        "signatures": signatures if isinstance(signatures, dict) else {},
        "api_version": "v1",
        "creation_time": version.created.replace("Z", "+00:00"),
    }
