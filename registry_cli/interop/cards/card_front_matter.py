"""The front matter of a model card: what Hugging Face reads of it. All values are single lines and numbers.

Source: https://huggingface.co/docs/hub/model-cards, the metadata specification.
"""

from __future__ import annotations

from typing import Any

from ...core.text import replace_unprintable
from ...lineage.recipe import items, text
from .card_inputs import Known
from .licenses import OTHER

#: What Hugging Face calls the libraries.
_LIBRARIES = {
    "sklearn": "sklearn", "torch": "pytorch", "transformers": "transformers", "keras": "keras", "tensorflow": "tf-keras",
    "onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm", "safetensors": "safetensors", "catboost": "catboost",
}  # fmt: skip
_LISTS = ("language", "datasets", "base_model")
_TEXTS = ("pipeline_tag", "library_name", "license_name", "license_link")
#: What people call the file with the text of a licence.
_LICENSE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "COPYING")
#: Tags that are told as something else.
_USED = frozenset({*_TEXTS, *_LISTS, "license", "licence", "task", "hf_tags", "hf_revision"})


def front_matter(known: Known) -> dict[str, Any]:
    """The keys in the order in which Hugging Face writes them; what is not known is left out."""
    tags = {name: _line(value) for name, value in known.version.tags.items()}
    lists = {name: _split(tags[name]) for name in _LISTS if tags.get(name)}
    said = {
        "language": lists.get("language"),
        **_licence(known, tags),
        "library_name": tags.get("library_name") or _library(known),
        "pipeline_tag": task(known),
        "tags": _split(tags.get("hf_tags", "")) + [f"{name}:{tags[name]}" for name in sorted(tags.keys() - _USED)],
        "datasets": lists.get("datasets"),
        "metrics": sorted(known.version.metrics),
        "base_model": lists.get("base_model") or [_line(each) for each in known.bases],
        "model-index": _index(known, (lists.get("datasets") or [""])[0]),
    }
    return {key: value for key, value in said.items() if value not in (None, "", [])}


def task(known: Known) -> str:
    """What the model is for, in a word of Hugging Face: ``tabular-classification``; empty when nobody said it."""
    return _line(known.version.tags.get("pipeline_tag") or known.version.tags.get("task") or "")


def dataset(known: Known) -> str:
    """The data that it was trained with, as far as it has a name."""
    for each in items(known.version.lineage, "data"):
        if told := text(each, "path") or text(each, "uri"):
            return _line(told.rstrip("/").rpartition("/")[2])
    return ""


def _licence(known: Known, tags: dict[str, str]) -> dict[str, str]:
    licence = known.licence
    if licence is None:
        return {}
    if licence.word != OTHER:
        return {"license": licence.word}
    name = tags.get("license_name") or ("" if licence.text.lower() == OTHER else licence.name)
    beside = next((each for each in _LICENSE_FILES if each in known.files), "")
    return {
        "license": OTHER, "license_name": name, "license_link": tags.get("license_link") or beside or licence.link
    }  # fmt: skip


def _library(known: Known) -> str | None:
    lineage = known.version.lineage
    if text(lineage, "format") == "transformers" and "config.json" in known.files:
        return "transformers"
    return _LIBRARIES.get(text(lineage, "framework").partition(" ")[0])


def _index(known: Known, named: str) -> list[dict[str, Any]]:
    """The metrics as Hugging Face reads them: only where task and data set are known, for it takes them with these only."""
    data = named or dataset(known)
    if not (task(known) and data and known.version.metrics):
        return []
    metrics = [{"type": name, "value": value} for name, value in sorted(known.version.metrics.items())]
    result = {"task": {"type": task(known)}, "dataset": {"type": data, "name": data}, "metrics": metrics}
    return [{"name": known.model.name, "results": [result]}]


def _split(told: str) -> list[str]:
    return [each.strip() for each in told.split(",") if each.strip()]


def _line(value: str) -> str:
    """One printable line, whatever wrote the store."""
    return " ".join(replace_unprintable(str(value)).split())
