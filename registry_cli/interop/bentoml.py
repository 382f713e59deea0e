"""BentoML: import from its model store (``$BENTOML_HOME``, the ``models`` in it, or one model), and export a model of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import values
from ..core.records import Artifact, VersionRecord
from ..core.times import format_timestamp
from ..errors import Damaged, InvalidInput, NotFound, RegistryError
from . import exported_files, name_mapping
from .cards.card_inputs import CardInput
from .imported_version import ImportedMetadata, ImportedVersion, clean_line, to_plain_value
from .source_tree import SourceTree, drop_empty, error_message, lookup, lookup_mapping, lookup_text, resolve_path

DOCUMENT = "model.yaml"


def read(place: str | Path, *, only: str | None = None) -> Iterator[ImportedVersion]:
    """Read every model in ``place``, or ``only`` one, by name; the versions of each by their creation time."""
    where = resolve_path(Path(place))
    tree = SourceTree(where)
    if not where.is_dir():
        raise InvalidInput(f"'{place}' is not a folder", "give $BENTOML_HOME or the folder of one model")
    if tree.is_file(where / DOCUMENT):
        yield _read_version(tree, where, tree.yaml(where / DOCUMENT), None)
        return
    store = where / "models" if tree.is_folder(where / "models") else where
    models = {name: versions for name in tree.names(store) if (versions := list(_find_versions(tree, store / name)))}
    if not models:
        raise NotFound(f"'{place}' contains no BentoML model", f"a model is NAME/VERSION/{DOCUMENT}")
    selected = name_mapping.select_models(models, only, place)
    for name in selected:
        for folder, document in sorted(
            models[name], key=lambda each: (format_timestamp(each[1].get("creation_time")), each[0].name)
        ):
            yield _read_version(tree, folder, document, selected)


def _find_versions(tree: SourceTree, folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in tree.names(folder):
        if tree.is_file(folder / name / DOCUMENT):
            try:
                yield folder / name, tree.yaml(folder / name / DOCUMENT)
            except RegistryError as error:
                yield folder / name, {"": error_message(error)}


def _read_version(
    tree: SourceTree, folder: Path, document: Mapping[str, Any], selected: Mapping[str, str | None] | None
) -> ImportedVersion:
    name = lookup_text(document, "name") or folder.parent.name
    version = str(document.get("version") or folder.name)
    key = f"bentoml:{clean_line(name, 63)}:{clean_line(version, 63)}"
    if "" in document:
        return ImportedVersion(key, name_mapping.to_model_name(name), lost=(document[""],))
    if selected and selected[folder.parent.name] is None:
        return ImportedVersion.conflicting(key, name)
    metadata = ImportedMetadata()
    metadata.add_tags({"bentoml_version": version})
    metadata.add_tags(lookup_mapping(document, "labels"))
    _add_metadata(metadata, lookup_mapping(document, "metadata"))
    return ImportedVersion(
        key=key,
        model=name_mapping.to_model_name(name),
        files=(tree.inside(folder) or folder,),
        created=format_timestamp(document.get("creation_time")),
        lineage=_lineage(document, key),
        **metadata.fields(),
    )


def _add_metadata(metadata: ImportedMetadata, document: Mapping[str, Any]) -> None:
    """Add the numbers of BentoML's metadata as metrics, the rest as params."""
    try:
        flat = values.flatten(document)
    except InvalidInput as error:
        metadata.lose(f"metadata: {error.message}")
        return
    numbers = {name: value for name, value in flat.items() if type(value) in (int, float)}
    metadata.add_metrics(numbers)
    metadata.add_params({name: value for name, value in flat.items() if name not in numbers})


def _lineage(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    framework = lookup_text(document, "context", "framework_name")
    versions = lookup_mapping(document, "context", "framework_versions")
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


_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")


def write(artifact: Artifact, card: CardInput, target: Path) -> list[str]:
    """Write the folder ``target``. Returns what the format has no place for.

    A model that came from BentoML keeps the module and the signatures of its ``model.yaml``.
    """
    version = artifact.version
    exported_files.copy_files(artifact, target)
    before: dict[str, Any] = {}
    notes = []
    if exported_files.has_file(artifact, DOCUMENT):
        with contextlib.suppress(Damaged, ValueError):
            before = SourceTree(target).yaml(target / DOCUMENT)
        (target / DOCUMENT).unlink()
    if not before.get("module"):
        notes.append("BentoML has no loader for it: load the file bentoml.models.get(TAG).path_of(FILE) yourself")
    if others := version.tags.keys() - _labels(version).keys():
        notes.append(f"tags that cannot be labels are stored as metadata:  {', '.join(sorted(others))}")
    name = card.model.name.replace("/", "-").strip("._-")[:63]
    exported_files.write_yaml(target / DOCUMENT, build_document(version, before, name))
    return [*exported_files.list_lost(version, "params", "metrics", "tags", "message"), *notes]


def _labels(version: VersionRecord) -> dict[str, str]:
    """The tags that can be labels in BentoML."""
    return {name: value for name, value in version.tags.items() if _LABEL.match(name) and _LABEL.match(value)}


def build_document(version: VersionRecord, before: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the ``model.yaml`` of a version for BentoML's model store.

    Args:
        version: The version.
        before: The ``model.yaml`` among its files; empty if there is none.
        name: The name of the model in the store.
    """
    framework, release = exported_files.get_framework(version)
    package = exported_files.PACKAGES.get(framework, framework)
    labels = _labels(version)
    metadata = {
        "registry_ref": version.ref,
        "registry_digest": f"sha256:{version.digest}",
        "message": version.message,
        "params": dict(version.params),
        "metrics": dict(version.metrics),
        "tags": {key: value for key, value in version.tags.items() if key not in labels},
    }
    context = lookup_mapping(before, "context")
    python = lookup_text(context, "python_version") or exported_files.get_python_release(version)
    return {
        "name": name,
        "version": str(version.number),
        "module": lookup_text(before, "module"),
        "labels": labels,
        "options": lookup_mapping(before, "options"),
        "metadata": drop_empty(metadata),
        "context": {
            "framework_name": lookup_text(context, "framework_name") or framework or "unknown",
            "framework_versions": context.get("framework_versions") or ({package: release} if release else {}),
            "bentoml_version": lookup_text(context, "bentoml_version") or "1.4.0",
            "python_version": python or "3",
        },
        "signatures": lookup_mapping(before, "signatures"),
        "api_version": "v1",
        "creation_time": version.created.replace("Z", "+00:00"),
    }
