"""A version as a repository of Hugging Face: its files, and a model card with front matter unless it has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..records import Artifact, ModelRecord, VersionRecord
from . import leaving
from .hf_source import CARD
from .trees import lookup, text_of

#: What Hugging Face calls the libraries.
_LIBRARIES = {
    "sklearn": "sklearn", "torch": "pytorch", "transformers": "transformers", "keras": "keras", "tensorflow": "tf-keras",
    "onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm", "safetensors": "safetensors",
}  # fmt: skip
_LISTS = ("language", "datasets", "base_model")
_TEXTS = ("pipeline_tag", "library_name", "license_name", "license_link")
#: The texts of a version that a card has a heading for.
_HEADINGS = (
    "purpose",
    "intended_use",
    "limitations",
    "training_data",
    "evaluation_data",
    "special_considerations",
    "ethics",
)
_OTHER = "other"
#: The licences that Hugging Face has a word of its own for; any other is ``other``, with its name beside it.
_LICENSES = frozenset(
    [
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "agpl-3.0",
        "mpl-2.0",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "eupl-1.1",
        "isc",
        "lppl-1.3c",
        "ms-pl",
        "ncsa",
        "ofl-1.1",
        "osl-3.0",
        "postgresql",
        "unlicense",
        "wtfpl",
        "zlib",
        "openrail",
        "openrail++",
        "bigscience-openrail-m",
        "creativeml-openrail-m",
        "bigcode-openrail-m",
        "llama2",
        "llama3",
        "gemma",
        "pddl",
        "odbl",
        "odc-by",
        "other",
        "unknown",
    ]
)


def write(artifact: Artifact, model: ModelRecord, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned."""
    version = artifact.version
    leaving.copy(artifact, target)
    if leaving.has(artifact, CARD):
        return [*leaving.lost(version), f"{CARD} is as it came: nothing that was said here stands in it"]
    head = _front_matter(version, model, with_config=leaving.has(artifact, "config.json"))
    leaving.yaml(target / "card.yaml", head)
    text = (target / "card.yaml").read_text(encoding="utf-8")
    (target / "card.yaml").unlink()
    leaving.write(target / CARD, f"---\n{text}---\n\n{_body(version, model)}")
    return leaving.lost(version, message=True, params=True, metrics=True, tags=True, annotations=True)


def license_word(text: str) -> str:
    """A licence as Hugging Face spells it: SPDX in lower case (without ``-only`` and ``-or-later``), or ``other``."""
    word = text.strip().lower().removesuffix("-only").removesuffix("-or-later")
    return word if word in _LICENSES else _OTHER


def _front_matter(version: VersionRecord, model: ModelRecord, *, with_config: bool) -> dict[str, Any]:
    name, _ = leaving.framework(version)
    said: dict[str, Any] = {}
    if license_text := leaving.license_of(version, model.tags):
        said["license"] = license_word(license_text)
        if said["license"] == _OTHER:
            said["license_name"] = "-".join(license_text.lower().split())
    library = (
        "transformers"
        if with_config and text_of(version.lineage.get("format")) == "transformers"
        else _LIBRARIES.get(name)
    )
    said["library_name"] = library
    said |= {key: version.tags[key] for key in _TEXTS if version.tags.get(key)}
    said |= {key: [each.strip() for each in version.tags[key].split(",")] for key in _LISTS if version.tags.get(key)}
    used = {*_TEXTS, *_LISTS, "license", "hf_tags", "hf_revision"}
    words = [each.strip() for each in version.tags.get("hf_tags", "").split(",") if each.strip()]
    said["tags"] = words + [f"{key}:{value}" for key, value in sorted(version.tags.items()) if key not in used]
    if index := _index(version, model):
        said["model-index"] = index
    return {key: value for key, value in said.items() if value not in (None, "", [])}


def _index(version: VersionRecord, model: ModelRecord) -> list[dict[str, Any]]:
    """The metrics as Hugging Face reads them: only where task and data set are known, for it takes them with these only."""
    task, data = version.tags.get("pipeline_tag"), version.tags.get("datasets")
    if not (task and data and version.metrics):
        return []
    dataset = data.split(",")[0].strip()
    metrics = [{"type": name, "value": value} for name, value in sorted(version.metrics.items())]
    result = {"task": {"type": task}, "dataset": {"type": dataset, "name": dataset}, "metrics": metrics}
    return [{"name": model.name, "results": [result]}]


def _body(version: VersionRecord, model: ModelRecord) -> str:
    """The text of the card, in Markdown."""
    parts = [f"# {model.name}", version.annotations.get("model_description") or model.description, version.message]
    for name in sorted(version.annotations, key=lambda each: (each not in _HEADINGS, each)):
        if name != "model_description":
            parts += [f"## {_cell(name).replace('_', ' ').capitalize()}", version.annotations[name]]
    parts += _table("Metrics", version.metrics) + _table("Parameters", version.params)
    commit = lookup(dict(version.lineage), "git", "commit")
    facts = {
        "Version": version.ref, "Made": version.created, "By": version.author, "Digest": f"sha256:{version.digest}",
        "Framework": text_of(version.lineage.get("framework")), "Commit": text_of(commit),
    }  # fmt: skip
    parts += _table("Provenance", {name: value for name, value in facts.items() if value})
    return "\n\n".join(part.strip() for part in parts if part and part.strip()) + "\n"


def _table(title: str, rows: Any) -> list[str]:
    if not rows:
        return []
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return [f"## {title}", "\n".join(["| | |", "|---|---|", *lines])]


def _cell(value: object) -> str:
    """A text as a cell of a table: on one line, and no mark-up of its own."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
