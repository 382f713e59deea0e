"""Export a version as a bill of materials in JSON: CycloneDX 1.6 with a model card (ML-BOM).

Source: https://cyclonedx.org/docs/1.6/json/. The same version makes the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.records import Artifact, VersionRecord
from . import exported_files
from .cards import licenses
from .cards.card_inputs import ANNOTATIONS, CardInput
from .cards.licenses import Licence
from .source_tree import drop_empty, lookup_list, lookup_text

_NAMESPACE = uuid.UUID("5a9c1e4e-5d1f-4f0e-9d53-7c1b7f6f8a11")
#: Annotations that have a field of their own here, unlike in a card, and the sections of a card, with their fields.
_OWN_FIELDS = {"performance_tradeoffs": "performanceTradeoffs", "users": "users"}
_SECTIONS = {"intended_use": "useCases", "limitations": "technicalLimitations"}


def write(artifact: Artifact, card: CardInput, target: Path) -> list[str]:
    """Write the file ``target``, which describes the files of the version. Nothing is lost."""
    text = json.dumps(_make_document(artifact, card), indent=2, ensure_ascii=False)
    exported_files.write_text(target, f"{text}\n")
    return []


def _make_document(artifact: Artifact, card: CardInput) -> dict[str, Any]:
    version = artifact.version
    files = [
        {
            "type": "file",
            "bom-ref": f"file:{entry.path}",
            "name": entry.path,
            "hashes": [{"alg": "SHA-256", "content": entry.sha256}],
            "properties": [{"name": "registry:size", "value": str(exported_files.file_size(artifact, entry.path))}],
        }
        for entry in artifact.files
    ]
    components = [*files, *_data(version), *_libraries(version)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{version.ref} {version.digest}')}",
        "version": 1,
        "metadata": {"timestamp": version.created, "authors": [{"name": version.author}], "component": _model(card)},
        "components": components,
        "dependencies": [{"ref": version.ref, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _model(card: CardInput) -> dict[str, Any]:
    version, model = card.version, card.model
    return drop_empty(
        {
            "type": "machine-learning-model",
            "bom-ref": version.ref,
            "group": model.group,
            "name": model.name.rpartition("/")[2],
            "version": str(version.number),
            "description": version.message or model.description,
            "hashes": [{"alg": "SHA-256", "content": version.digest}],
            "licenses": _licenses(card.licence),
            "externalReferences": _references(version),
            "pedigree": _pedigree(version),
            "modelCard": _model_card(card),
            "properties": list(_properties(version)),
        }
    )


def _licenses(licence: Licence | None) -> list[dict[str, Any]]:
    if licence is None:
        return []
    if licence.spdx in licenses.IDS:
        return [{"license": {"id": licence.spdx}}]
    return [{"expression": licence.spdx}] if " " in licence.spdx else [{"license": {"name": licence.text[:200]}}]


def _references(version: VersionRecord) -> list[dict[str, Any]]:
    remote = lookup_text(version.lineage, "git", "remote")
    return [{"type": "vcs", "url": remote}] if re.match(r"[a-z+]+://[^\s<>\"{}|\\^`]+\Z", remote) else []


def _pedigree(version: VersionRecord) -> dict[str, Any]:
    """The versions that this one was made from, and the commit."""
    ancestors = []
    for parent in lookup_list(version.lineage, "parents"):
        name, _, number = str(parent).partition("@")
        ancestors.append(drop_empty({"type": "machine-learning-model", "name": name, "version": number}))
    commit = lookup_text(version.lineage, "git", "commit")
    return drop_empty({"ancestors": ancestors, "commits": [{"uid": commit}] if commit else []})


def _model_card(card: CardInput) -> dict[str, Any]:
    version = card.version
    parameters = {
        "inputs": _tensors(version, "inputs"),
        "outputs": _tensors(version, "outputs"),
        "task": version.tags.get("pipeline_tag") or version.tags.get("task"),
        "modelArchitecture": lookup_text(version.lineage, "contents", "class"),
        "datasets": [{"ref": each["bom-ref"]} for each in _data(version)],
    }
    metrics = [{"type": name, "value": str(value)} for name, value in sorted(version.metrics.items())]
    return drop_empty(
        {
            "modelParameters": drop_empty(parameters),
            "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else {},
            "considerations": _considerations(card),
        }
    )


def _tensors(version: VersionRecord, side: str) -> list[dict[str, str]]:
    tensors = []
    for each in lookup_list(version.lineage, "contents", side):
        tensor = each if isinstance(each, dict) else {"name": each}
        shape = tensor.get("shape")
        sizes = ""
        if isinstance(shape, (list, tuple)):
            sizes = f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
        tensors.append({"format": f"{tensor.get('name', '')}: {tensor.get('type', '')}{sizes}".strip()})
    return tensors


def _considerations(card: CardInput) -> dict[str, Any]:
    annotations = card.version.annotations
    own = {place: annotations[name] for name, place in _OWN_FIELDS.items() if annotations.get(name)}
    sections = {
        place: [text for text in card.statements(name) if text not in own.values()] for name, place in _SECTIONS.items()
    }
    ethics = [{"name": text} for text in card.statements("ethics")]
    return drop_empty({**{place: [text] for place, text in own.items()}, **sections, "ethicalConsiderations": ethics})


def _properties(version: VersionRecord) -> Iterator[dict[str, str]]:
    """The fields that have no place of their own, as pairs of name and value."""
    placed = {*_OWN_FIELDS, *(name for field in (*_SECTIONS, "ethics") for name in ANNOTATIONS[field])}
    lineage = {"format", "framework"}
    pairs: list[tuple[str, Any]] = [
        *((f"param:{name}", value) for name, value in sorted(version.params.items())),
        *((f"tag:{name}", value) for name, value in sorted(version.tags.items())),
        *((f"annotation:{name}", value) for name, value in sorted(version.annotations.items()) if name not in placed),
        *(("stage", stage) for stage in version.stages),
        *(("alias", alias) for alias in version.aliases),
        *((f"lineage:{name}", version.lineage[name]) for name in sorted(lineage & version.lineage.keys())),
        *(
            (f"lineage:{name}", json.dumps(version.lineage[name], ensure_ascii=False, sort_keys=True, default=str))
            for name in ("run", "environment", "scan", "imported")
            if version.lineage.get(name)
        ),
    ]
    for name, value in pairs:
        yield {"name": f"registry:{name}", "value": value if isinstance(value, str) else json.dumps(value)}


def _data(version: VersionRecord) -> Iterator[dict[str, Any]]:
    """The training data, as components."""
    for number, each in enumerate(lookup_list(version.lineage, "data"), 1):
        if not isinstance(each, dict):
            continue
        name = lookup_text(each, "path") or lookup_text(each, "uri") or f"data {number}"
        component: dict[str, Any] = {
            "type": "data",
            "bom-ref": f"data:{number}",
            "name": name,
            "data": [{"type": "dataset", "name": name}],
        }
        kind, _, digest = lookup_text(each, "digest").partition(":")
        algorithm, length = {"sha256": ("SHA-256", 64), "md5": ("MD5", 32)}.get(kind, ("", 0))
        if algorithm and re.match(rf"[0-9a-f]{{{length}}}\Z", digest):
            component["hashes"] = [{"alg": algorithm, "content": digest}]
        elif digest:
            component["properties"] = [{"name": "registry:digest", "value": f"{kind}:{digest}"}]
        yield component


def _libraries(version: VersionRecord) -> Iterator[dict[str, Any]]:
    name, release = exported_files.get_framework(version)
    if name:
        package = exported_files.PACKAGES.get(name, name)
        purl = f"pkg:pypi/{package}@{release}" if release and name in exported_files.PACKAGES else ""
        reference = f"library:{package}"
        yield drop_empty({"type": "library", "bom-ref": reference, "name": package, "version": release, "purl": purl})
