"""Model cards: Markdown with the front matter that Hugging Face reads, and what a card lacks.

Source of the front matter: https://huggingface.co/docs/hub/model-cards. All its values are single lines and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...core.lazy_dataclass import dataclass
from ...core.text import replace_unprintable
from ...core.yaml import documents
from ...lineage.reproducibility import items, part, text
from .card_inputs import NAME, Known, fields
from .licenses import OTHER
from .markdown import line, prose, table

__all__ = ["NAME", "Card", "Item", "Known", "fields", "made"]

PRESENT, MISSING, WRONG = "present", "missing", "wrong"


@dataclass(frozen=True, eq=False, repr=False)
class Item:
    """One of the things that a card should tell. ``state`` is ``present``, ``missing``, or ``wrong`` when what is said
    does not hold; ``hint`` is what there is of it, or where to say it.
    """

    name: str
    required: bool
    state: str
    hint: str

    @property
    def lacking(self) -> bool:
        return self.required and self.state != PRESENT


@dataclass(frozen=True, eq=False, repr=False)
class Card:
    """A card: ``text`` is all of it, ``head`` its front matter. ``own`` is whether the version has one among its files."""

    ref: str
    text: str
    head: dict[str, Any]
    items: tuple[Item, ...]
    own: bool

    @property
    def lacking(self) -> tuple[Item, ...]:
        """What is required and missing, or wrong."""
        return tuple(item for item in self.items if item.lacking)


def made(known: Known) -> Card:
    """The card of a version."""
    head = front_matter(known)
    front = f"---\n{documents.dumps(head).decode()}---\n\n" if head else ""
    return Card(known.version.ref, front + body(known), head, tuple(_items(known, head)), known.has_card)


def _items(known: Known, head: dict[str, Any]) -> Iterator[Item]:
    """The list by which a card is judged: what is required first."""
    field = "{} in model.yaml"
    yield _item("description", True, known.description, field.format("description"))
    yield _licence_check(known)
    for name in ("intended_use", "limitations"):
        yield _item(name, True, known.said(name), f"{field.format(name)}, or registry annotate {known.version.ref}")
    data = known.said("data") or known.version.lineage.get("data")
    yield _item("data", True, data, f"{field.format('data')}, or registry register --data")
    yield _item("ethics", False, known.said("ethics"), field.format("ethics"))
    metrics = ", ".join(sorted(known.version.metrics))
    yield _item("metrics", False, metrics, f"registry log-metric {known.version.ref} NAME=VALUE")
    tag = f"registry tag {known.version.ref} {{}}"
    yield _item("pipeline_tag", False, task(known), tag.format("pipeline_tag=tabular-classification"))
    named = known.version.tags.get("datasets") or dataset(known)
    yield _item("datasets", False, named, tag.format("datasets=NAME") + ": Hugging Face shows no metrics without")
    yield _item("language", False, known.version.tags.get("language"), tag.format("language=en"))
    yield _item("library_name", False, head.get("library_name"), tag.format("library_name=NAME"))


def _item(name: str, required: bool, found: Any, hint: str) -> Item:
    shown = found if isinstance(found, str) else ""
    return Item(name, required, PRESENT if found else MISSING, shown if found else hint)


def _licence_check(known: Known) -> Item:
    licence = known.licence
    if licence is None:
        return Item("licence", True, MISSING, "licence in model.yaml: an SPDX identifier, as Apache-2.0")
    if licence.known:
        return Item("licence", True, PRESENT, licence.spdx or licence.word)
    near = f"did you mean {licence.near}?" if licence.near else "write LicenseRef-NAME for one of your own"
    return Item("licence", True, WRONG, f"'{licence.text}' is no SPDX identifier; {near}")


_MOST = 50
_FACTS = ("name", "value")


def body(known: Known) -> str:
    """From the title on. A section of which nothing is known is not there."""
    return "\n\n".join(each for each in _parts(known) if each) + "\n"


def _parts(known: Known) -> Iterator[str]:
    version = known.version
    yield f"# {line(known.model.name)}"
    yield prose(known.description)
    yield prose(version.message)
    yield from _said("Intended use", known.said("intended_use"))
    yield from _said("Limitations", known.said("limitations"))
    yield from _said("Training data", known.said("data"), _data(known))
    yield from _said("Evaluation", known.said("evaluation"), _pairs(("metric", "value"), version.metrics))
    yield from _said("Ethical considerations", known.said("ethics"))
    yield from _said("Inside", [], _pairs(_FACTS, _inside(known)), _tensors(known))
    yield from _said("Parameters", [], _pairs(("parameter", "value"), version.params))
    yield from _said("Provenance", [], _pairs(_FACTS, _provenance(known)))
    yield from _said("Approvals", [], _approvals(known))
    if rest := known.rest():
        yield "## Notes"
        for name, told in rest.items():
            yield f"### {line(name.replace('_', ' ').capitalize())}"
            yield prose(told)


def _said(title: str, texts: list[str], *tables: str) -> Iterator[str]:
    if texts or any(tables):
        yield f"## {title}"
        yield from (prose(each) for each in texts)
        yield from tables


def _pairs(head: tuple[str, str], pairs: Mapping[str, Any]) -> str:
    rows = [(name, _value(value)) for name, value in pairs.items() if value not in (None, "", (), [], {})]
    return table(head, rows) if rows else ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {count:,}" if isinstance(count, int) else f"{name} {count}" for name, count in value.items()
        )
    if isinstance(value, (list, tuple)):
        more = f", and {len(value) - _MOST:,} more" if len(value) > _MOST else ""
        return ", ".join(map(str, value[:_MOST])) + more
    return str(value)


def _data(known: Known) -> str:
    rows = [
        (text(each, "path") or text(each, "uri"), text(each, "digest"), _value(each.get("size", "")))
        for each in items(known.version.lineage, "data")
    ]
    return table(("data", "digest", "bytes"), rows[:_MOST]) if rows else ""


def _inside(known: Known) -> dict[str, Any]:
    lineage = known.version.lineage
    contents = part(lineage, "contents")
    count = contents.get("parameters")
    return {
        "Format": text(lineage, "format"),
        "Framework": text(lineage, "framework"),
        "Class": text(contents, "class"),
        "Parameters": f"{count:,}" if isinstance(count, int) else "",
        "Types": part(contents, "dtypes"),
        "Features": contents.get("features") or contents.get("feature_count"),
    }


def _tensors(known: Known) -> str:
    contents = part(known.version.lineage, "contents")
    rows = [
        (side, text(each, "name"), text(each, "type"), _shape(each.get("shape")))
        for side, name in (("input", "inputs"), ("output", "outputs"))
        for each in items(contents, name)
    ]
    return table(("", "name", "type", "shape"), rows[: 2 * _MOST]) if rows else ""


def _shape(shape: Any) -> str:
    if not isinstance(shape, (list, tuple)):
        return ""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _provenance(known: Known) -> dict[str, Any]:
    version, lineage = known.version, known.version.lineage
    git, run = part(lineage, "git"), part(lineage, "run")
    environment, imported = part(lineage, "environment"), part(lineage, "imported")
    packages = environment.get("packages")
    licence = known.licence
    commit = text(git, "commit")
    return {
        "Version": version.ref,
        "Made": version.created,
        "By": version.author,
        "Owner": known.model.owner,
        "Licence": licence and (licence.spdx or licence.text),
        "Digest": f"sha256:{version.digest}",
        "Files": f"{version.files:,} ({version.size:,} bytes)",
        "Repository": text(git, "remote"),
        "Commit": f"{commit}, and changes that were not committed" if commit and git.get("dirty") else commit,
        "Command": text(run, "command"),
        "Python": text(environment, "python"),
        "Packages": f"{packages} ({text(environment, 'digest')})" if isinstance(packages, int) and packages else "",
        "Made from": [each if isinstance(each, str) else text(each, "ref") for each in _parents(lineage)],
        "Imported": text(imported, "key") or text(imported, "from"),
        "Scan": text(part(lineage, "scan"), "verdict"),
        "Stages": version.stages,
        "Aliases": version.aliases,
    }


def _parents(lineage: Mapping[str, Any]) -> list[Any]:
    found = lineage.get("parents")
    return [each for each in found if isinstance(each, (str, Mapping))] if isinstance(found, (list, tuple)) else []


def _approvals(known: Known) -> str:
    rows = [
        (each.stage, each.by, "approved" if each.approved else "rejected", each.at, each.state, each.reason)
        for each in known.approvals
    ]
    return table(("stage", "who", "said", "when", "state", "reason"), rows) if rows else ""


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
