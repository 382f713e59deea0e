"""A version as a model of BentoML: the folder ``$BENTOML_HOME/models/NAME/VERSION``, with its ``model.yaml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..core.records import Artifact, ModelRecord, VersionRecord
from ..errors import Damaged
from . import exported_files
from .cards.card_inputs import Known
from .source_tree import Tree, lookup, text_of

DOCUMENT = "model.yaml"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")


def write(artifact: Artifact, known: Known, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned.

    A model that came from BentoML keeps the module and the signatures that its own ``model.yaml`` says.
    """
    version = artifact.version
    exported_files.copy(artifact, target)
    before: dict[str, Any] = {}
    notes = []
    if exported_files.has(artifact, DOCUMENT):
        try:
            before = Tree(target).yaml(target / DOCUMENT)
        except (Damaged, ValueError):
            before = {}
        (target / DOCUMENT).unlink()
    if not before.get("module"):
        notes.append("no module of BentoML loads it: bentoml.models.get(TAG).path_of(FILE) gives the file to load")
    labels, others = _labels(version)
    if others:
        notes.append(f"tags that can't be labels are metadata: {', '.join(sorted(others))}")
    exported_files.yaml(target / DOCUMENT, _document(version, known.model, before, labels, others))
    return [*exported_files.lost(version, params=True, metrics=True, tags=True, message=True), *notes]


def name_of(model: str) -> str:
    """A model's name as BentoML takes it: without a group."""
    return model.replace("/", "-").strip("._-")[:63]


def _labels(version: VersionRecord) -> tuple[dict[str, str], dict[str, str]]:
    """The tags that can be labels, and those that can't."""
    fitting = {name: value for name, value in version.tags.items() if _LABEL.match(name) and _LABEL.match(value)}
    return fitting, {name: value for name, value in version.tags.items() if name not in fitting}


def _document(
    version: VersionRecord, model: ModelRecord, before: dict[str, Any], labels: dict[str, str], others: dict[str, str]
) -> dict[str, Any]:
    name, release = exported_files.framework(version)
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
        "name": name_of(model.name),
        "version": str(version.number),
        "module": text_of(before.get("module")),
        "labels": labels,
        "options": before.get("options") if isinstance(before.get("options"), dict) else {},
        "metadata": {key: value for key, value in metadata.items() if value},
        "context": {
            "framework_name": text_of(lookup(before, "context", "framework_name")) or name or "unknown",
            "framework_versions": lookup(before, "context", "framework_versions")
            or ({package: release} if release else {}),
            "bentoml_version": text_of(lookup(before, "context", "bentoml_version")) or "1.4.0",
            "python_version": text_of(lookup(before, "context", "python_version"))
            or exported_files.python_release(version)
            or "3",
        },
        "signatures": signatures if isinstance(signatures, dict) else {},
        "api_version": "v1",
        "creation_time": version.created.replace("Z", "+00:00"),
    }
