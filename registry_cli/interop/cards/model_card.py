"""Model cards: Markdown with the front matter that Hugging Face reads, and what a card lacks.

Source of the front matter: https://huggingface.co/docs/hub/model-cards. All its values are single lines and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...core.lazy_dataclass import dataclass
from ...core.text import replace_unprintable
from ...core.yaml import documents
from ...lineage.reproducibility import get_section, items, text
from .card_inputs import NAME, CardInput, fields
from .licenses import OTHER
from .markdown import escape_line, escape_text, format_table

__all__ = ["NAME", "Card", "CardCheck", "CardInput", "fields", "make_card"]

PRESENT, MISSING, WRONG = "present", "missing", "wrong"


@dataclass(frozen=True, eq=False, repr=False)
class CardCheck:
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
    items: tuple[CardCheck, ...]
    own: bool

    @property
    def lacking(self) -> tuple[CardCheck, ...]:
        """What is required and missing, or wrong."""
        return tuple(item for item in self.items if item.lacking)


def make_card(known: CardInput) -> Card:
    """The card of a version."""
    head = make_front_matter(known)
    front = f"---\n{documents.dumps(head).decode()}---\n\n" if head else ""
    return Card(known.version.ref, front + format_body(known), head, tuple(_iter_checks(known, head)), known.has_card)


def _iter_checks(known: CardInput, head: dict[str, Any]) -> Iterator[CardCheck]:
    """The list by which a card is judged: what is required first."""
    field = "{} in model.yaml"
    yield _make_check("description", True, known.description, field.format("description"))
    yield _licence_check(known)
    for name in ("intended_use", "limitations"):
        yield _make_check(
            name, True, known.said(name), f"{field.format(name)}, or registry annotate {known.version.ref}"
        )
    data = known.said("data") or known.version.lineage.get("data")
    yield _make_check("data", True, data, f"{field.format('data')}, or registry register --data")
    yield _make_check("ethics", False, known.said("ethics"), field.format("ethics"))
    metrics = ", ".join(sorted(known.version.metrics))
    yield _make_check("metrics", False, metrics, f"registry log-metric {known.version.ref} NAME=VALUE")
    tag = f"registry tag {known.version.ref} {{}}"
    yield _make_check("pipeline_tag", False, get_task(known), tag.format("pipeline_tag=tabular-classification"))
    named = known.version.tags.get("datasets") or get_dataset(known)
    yield _make_check("datasets", False, named, tag.format("datasets=NAME") + ": Hugging Face shows no metrics without")
    yield _make_check("language", False, known.version.tags.get("language"), tag.format("language=en"))
    yield _make_check("library_name", False, head.get("library_name"), tag.format("library_name=NAME"))


def _make_check(name: str, required: bool, found: Any, hint: str) -> CardCheck:
    shown = found if isinstance(found, str) else ""
    return CardCheck(name, required, PRESENT if found else MISSING, shown if found else hint)


def _licence_check(known: CardInput) -> CardCheck:
    licence = known.licence
    if licence is None:
        return CardCheck("licence", True, MISSING, "licence in model.yaml: an SPDX identifier, as Apache-2.0")
    if licence.known:
        return CardCheck("licence", True, PRESENT, licence.spdx or licence.word)
    near = f"did you mean {licence.near}?" if licence.near else "write LicenseRef-NAME for one of your own"
    return CardCheck("licence", True, WRONG, f"'{licence.text}' is no SPDX identifier; {near}")


_MOST = 50
_FACTS = ("name", "value")


def format_body(known: CardInput) -> str:
    """From the title on. A section of which nothing is known is not there."""
    return "\n\n".join(each for each in _iter_sections(known) if each) + "\n"


def _iter_sections(known: CardInput) -> Iterator[str]:
    version = known.version
    yield f"# {escape_line(known.model.name)}"
    yield escape_text(known.description)
    yield escape_text(version.message)
    yield from _format_section("Intended use", known.said("intended_use"))
    yield from _format_section("Limitations", known.said("limitations"))
    yield from _format_section("Training data", known.said("data"), _data(known))
    yield from _format_section(
        "Evaluation", known.said("evaluation"), _format_pairs(("metric", "value"), version.metrics)
    )
    yield from _format_section("Ethical considerations", known.said("ethics"))
    yield from _format_section("Inside", [], _format_pairs(_FACTS, _inside(known)), _tensors(known))
    yield from _format_section("Parameters", [], _format_pairs(("parameter", "value"), version.params))
    yield from _format_section("Provenance", [], _format_pairs(_FACTS, _provenance(known)))
    yield from _format_section("Approvals", [], _approvals(known))
    if rest := known.rest():
        yield "## Notes"
        for name, told in rest.items():
            yield f"### {escape_line(name.replace('_', ' ').capitalize())}"
            yield escape_text(told)


def _format_section(title: str, texts: list[str], *tables: str) -> Iterator[str]:
    if texts or any(tables):
        yield f"## {title}"
        yield from (escape_text(each) for each in texts)
        yield from tables


def _format_pairs(head: tuple[str, str], pairs: Mapping[str, Any]) -> str:
    rows = [(name, _format_value(value)) for name, value in pairs.items() if value not in (None, "", (), [], {})]
    return format_table(head, rows) if rows else ""


def _format_value(value: Any) -> str:
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


def _data(known: CardInput) -> str:
    rows = [
        (text(each, "path") or text(each, "uri"), text(each, "digest"), _format_value(each.get("size", "")))
        for each in items(known.version.lineage, "data")
    ]
    return format_table(("data", "digest", "bytes"), rows[:_MOST]) if rows else ""


def _inside(known: CardInput) -> dict[str, Any]:
    lineage = known.version.lineage
    contents = get_section(lineage, "contents")
    count = contents.get("parameters")
    return {
        "Format": text(lineage, "format"),
        "Framework": text(lineage, "framework"),
        "Class": text(contents, "class"),
        "Parameters": f"{count:,}" if isinstance(count, int) else "",
        "Types": get_section(contents, "dtypes"),
        "Features": contents.get("features") or contents.get("feature_count"),
    }


def _tensors(known: CardInput) -> str:
    contents = get_section(known.version.lineage, "contents")
    rows = [
        (side, text(each, "name"), text(each, "type"), _format_shape(each.get("shape")))
        for side, name in (("input", "inputs"), ("output", "outputs"))
        for each in items(contents, name)
    ]
    return format_table(("", "name", "type", "shape"), rows[: 2 * _MOST]) if rows else ""


def _format_shape(shape: Any) -> str:
    if not isinstance(shape, (list, tuple)):
        return ""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _provenance(known: CardInput) -> dict[str, Any]:
    version, lineage = known.version, known.version.lineage
    git, run = get_section(lineage, "git"), get_section(lineage, "run")
    environment, imported = get_section(lineage, "environment"), get_section(lineage, "imported")
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
        "Scan": text(get_section(lineage, "scan"), "verdict"),
        "Stages": version.stages,
        "Aliases": version.aliases,
    }


def _parents(lineage: Mapping[str, Any]) -> list[Any]:
    found = lineage.get("parents")
    return [each for each in found if isinstance(each, (str, Mapping))] if isinstance(found, (list, tuple)) else []


def _approvals(known: CardInput) -> str:
    rows = [
        (each.stage, each.by, "approved" if each.approved else "rejected", each.at, each.state, each.reason)
        for each in known.approvals
    ]
    return format_table(("stage", "who", "said", "when", "state", "reason"), rows) if rows else ""


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


def make_front_matter(known: CardInput) -> dict[str, Any]:
    """The keys in the order in which Hugging Face writes them; what is not known is left out."""
    tags = {name: _as_single_line(value) for name, value in known.version.tags.items()}
    lists = {name: _split_list(tags[name]) for name in _LISTS if tags.get(name)}
    said = {
        "language": lists.get("language"),
        **_licence(known, tags),
        "library_name": tags.get("library_name") or _library(known),
        "pipeline_tag": get_task(known),
        "tags": _split_list(tags.get("hf_tags", "")) + [f"{name}:{tags[name]}" for name in sorted(tags.keys() - _USED)],
        "datasets": lists.get("datasets"),
        "metrics": sorted(known.version.metrics),
        "base_model": lists.get("base_model") or [_as_single_line(each) for each in known.bases],
        "model-index": _index(known, (lists.get("datasets") or [""])[0]),
    }
    return {key: value for key, value in said.items() if value not in (None, "", [])}


def get_task(known: CardInput) -> str:
    """What the model is for, in a word of Hugging Face: ``tabular-classification``; empty when nobody said it."""
    return _as_single_line(known.version.tags.get("pipeline_tag") or known.version.tags.get("task") or "")


def get_dataset(known: CardInput) -> str:
    """The data that it was trained with, as far as it has a name."""
    for each in items(known.version.lineage, "data"):
        if told := text(each, "path") or text(each, "uri"):
            return _as_single_line(told.rstrip("/").rpartition("/")[2])
    return ""


def _licence(known: CardInput, tags: dict[str, str]) -> dict[str, str]:
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


def _library(known: CardInput) -> str | None:
    lineage = known.version.lineage
    if text(lineage, "format") == "transformers" and "config.json" in known.files:
        return "transformers"
    return _LIBRARIES.get(text(lineage, "framework").partition(" ")[0])


def _index(known: CardInput, named: str) -> list[dict[str, Any]]:
    """The metrics as Hugging Face reads them: only where task and data set are known, for it takes them with these only."""
    data = named or get_dataset(known)
    if not (get_task(known) and data and known.version.metrics):
        return []
    metrics = [{"type": name, "value": value} for name, value in sorted(known.version.metrics.items())]
    result = {"task": {"type": get_task(known)}, "dataset": {"type": data, "name": data}, "metrics": metrics}
    return [{"name": known.model.name, "results": [result]}]


def _split_list(told: str) -> list[str]:
    return [each.strip() for each in told.split(",") if each.strip()]


def _as_single_line(value: str) -> str:
    """One printable line, whatever wrote the store."""
    return " ".join(replace_unprintable(str(value)).split())
