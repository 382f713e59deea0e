"""A version as a bill of materials: CycloneDX 1.6, with a model card (ML-BOM), as JSON.

Source: https://cyclonedx.org/docs/1.6/json/. It is the same, byte by byte, each time a version is exported.
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
from .source_tree import lookup, text_or_empty

_NAMESPACE = uuid.UUID("5a9c1e4e-5d1f-4f0e-9d53-7c1b7f6f8a11")
#: Where annotations go that the model card has a place for; the others are those of a card.
_OTHERS = {"performance_tradeoffs": "performanceTradeoffs", "users": "users"}
_SECTIONS = {"intended_use": "useCases", "limitations": "technicalLimitations"}


def write(artifact: Artifact, known: CardInput, target: Path) -> list[str]:
    """Write the file ``target``; what it has no place for is returned. The files of the version stay where they are."""
    text = json.dumps(document(artifact, known), indent=2, ensure_ascii=False)
    exported_files.write_text(target, f"{text}\n")
    carried = dict.fromkeys(
        ("message", "params", "metrics", "tags", "annotations", "lineage", "stages", "aliases"), True
    )
    return exported_files.list_lost(artifact.version, **carried)


def document(artifact: Artifact, known: CardInput) -> dict[str, Any]:
    """The bill of materials of a version."""
    version = artifact.version
    files = list(_files(artifact))
    data = list(_data(version))
    made_with = list(_libraries(version))
    component = _model(known)
    refs = [each["bom-ref"] for each in (*files, *data, *made_with)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{version.ref} {version.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": version.created,
            "authors": [{"name": version.author}],
            "component": component,
        },
        "components": [*files, *data, *made_with],
        "dependencies": [{"ref": version.ref, "dependsOn": refs}],
    }


def _model(known: CardInput) -> dict[str, Any]:
    version, model = known.version, known.model
    said = {
        "type": "machine-learning-model",
        "bom-ref": version.ref,
        "group": model.group,
        "name": model.name.rpartition("/")[2],
        "version": str(version.number),
        "description": version.message or model.description,
        "hashes": [{"alg": "SHA-256", "content": version.digest}],
        "licenses": _licenses(known.licence),
        "externalReferences": _references(version),
        "pedigree": _pedigree(version),
        "modelCard": _card(known),
        "properties": list(_properties(version)),
    }
    return {name: value for name, value in said.items() if value not in ("", [], {}, None)}


def _licenses(licence: Licence | None) -> list[dict[str, Any]]:
    if licence is None:
        return []
    if licence.spdx in licenses.IDS:
        return [{"license": {"id": licence.spdx}}]
    return [{"expression": licence.spdx}] if " " in licence.spdx else [{"license": {"name": licence.text[:200]}}]


def _references(version: VersionRecord) -> list[dict[str, Any]]:
    remote = text_or_empty(lookup(dict(version.lineage), "git", "remote"))
    return [{"type": "vcs", "url": remote}] if re.match(r"[a-z+]+://[^\s<>\"{}|\\^`]+\Z", remote) else []


def _pedigree(version: VersionRecord) -> dict[str, Any]:
    """The versions that this one was made from, and the commit."""
    parents = version.lineage.get("parents")
    ancestors = []
    for parent in parents if isinstance(parents, (list, tuple)) else ():
        name, _, number = str(parent).partition("@")
        ancestors.append({"type": "machine-learning-model", "name": name, **({"version": number} if number else {})})
    commit = text_or_empty(lookup(dict(version.lineage), "git", "commit"))
    said = {"ancestors": ancestors, "commits": [{"uid": commit}] if commit else []}
    return {name: value for name, value in said.items() if value}


def _card(known: CardInput) -> dict[str, Any]:
    version = known.version
    contents = lookup(dict(version.lineage), "contents")
    sides = {name: _tensors(lookup(contents, name)) for name in ("inputs", "outputs")}
    parameters: dict[str, Any] = {name: side for name, side in sides.items() if side}
    if task := version.tags.get("pipeline_tag") or version.tags.get("task"):
        parameters["task"] = task
    if name := text_or_empty(lookup(contents, "class")):
        parameters["modelArchitecture"] = name
    if data := list(_data(version)):
        parameters["datasets"] = [{"ref": each["bom-ref"]} for each in data]
    metrics = [{"type": name, "value": str(value)} for name, value in sorted(version.metrics.items())]
    said = {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else {},
        "considerations": _considerations(known),
    }
    return {name: value for name, value in said.items() if value}


def _tensors(side: Any) -> list[dict[str, str]]:
    found = []
    for each in side if isinstance(side, (list, tuple)) else ():
        told = dict(each) if isinstance(each, dict) else {"name": each}
        shape = told.get("shape")
        sizes = (
            f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
            if isinstance(shape, (list, tuple))
            else ""
        )
        found.append({"format": f"{told.get('name', '')}: {told.get('type', '')}{sizes}".strip()})
    return found


def _considerations(known: CardInput) -> dict[str, Any]:
    """What was said of its use. ``users`` and the like have a place of their own here, unlike in a card."""
    annotations = known.version.annotations
    found: dict[str, Any] = {place: [annotations[name]] for name, place in _OTHERS.items() if annotations.get(name)}
    elsewhere = [text for texts in found.values() for text in texts]
    for name, place in _SECTIONS.items():
        if texts := [text for text in known.said(name) if text not in elsewhere]:
            found[place] = texts
    if ethics := known.said("ethics"):
        found["ethicalConsiderations"] = [{"name": text} for text in ethics]
    return found


def _properties(version: VersionRecord) -> Iterator[dict[str, str]]:
    """What has no place of its own, as pairs of name and value."""
    placed = {*_OTHERS, *(name for field in (*_SECTIONS, "ethics") for name in ANNOTATIONS[field])}
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


def _files(artifact: Artifact) -> Iterator[dict[str, Any]]:
    for entry in artifact.files:
        yield {
            "type": "file",
            "bom-ref": f"file:{entry.path}",
            "name": entry.path,
            "hashes": [{"alg": "SHA-256", "content": entry.sha256}],
            "properties": [{"name": "registry:size", "value": str(exported_files.file_size(artifact, entry.path))}],
        }


def _data(version: VersionRecord) -> Iterator[dict[str, Any]]:
    """The data that it was trained with."""
    listed = version.lineage.get("data")
    for number, each in enumerate(listed if isinstance(listed, (list, tuple)) else ()):
        if not isinstance(each, dict):
            continue
        name = text_or_empty(each.get("path")) or text_or_empty(each.get("uri")) or f"data {number + 1}"
        kind, _, digest = text_or_empty(each.get("digest")).partition(":")
        said: dict[str, Any] = {
            "type": "data",
            "bom-ref": f"data:{number + 1}",
            "name": name,
            "data": [{"type": "dataset", "name": name}],
        }
        if kind == "sha256" and re.match(r"[0-9a-f]{64}\Z", digest):
            said["hashes"] = [{"alg": "SHA-256", "content": digest}]
        elif kind == "md5" and re.match(r"[0-9a-f]{32}\Z", digest):
            said["hashes"] = [{"alg": "MD5", "content": digest}]
        elif digest:
            said["properties"] = [{"name": "registry:digest", "value": f"{kind}:{digest}"}]
        yield said


def _libraries(version: VersionRecord) -> Iterator[dict[str, Any]]:
    name, release = exported_files.get_framework(version)
    if name:
        package = exported_files.PACKAGES.get(name, name)
        known = name in exported_files.PACKAGES
        said = {
            "type": "library", "bom-ref": f"library:{package}", "name": package, "version": release,
            "purl": f"pkg:pypi/{package}@{release}" if release and known else "",
        }  # fmt: skip
        yield {key: value for key, value in said.items() if value}
