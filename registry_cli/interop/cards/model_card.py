"""Model cards: Markdown with the front matter that Hugging Face reads, and the checks of a card.

Source of the front matter: https://huggingface.co/docs/hub/model-cards. All its values are single lines and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...core.lazy_dataclass import Record, dataclass
from ...core.text import replace_unprintable
from ...core.yaml import documents
from ...lineage.reproducibility import items, text
from ..source_tree import drop_empty, lookup, lookup_list, lookup_mapping, lookup_text
from .card_inputs import NAME, CardInput, fields
from .licenses import OTHER
from .markdown import escape_line, escape_text, format_table

__all__ = ["NAME", "Card", "CardCheck", "CardInput", "fields", "make_card"]

PRESENT, MISSING, WRONG = "present", "missing", "wrong"


@dataclass(frozen=True, eq=False, repr=False)
class CardCheck(Record):
    """One item that a card should have. ``state`` is ``present``, ``missing``, or ``wrong`` for an invalid value;
    ``hint`` is the value, or where to write it.
    """

    name: str
    required: bool
    state: str
    hint: str

    @property
    def field(self) -> str:
        """The key in ``model.yaml``: ``license``, of which ``name`` keeps an older spelling; for others the name."""
        return "license" if self.name == "licence" else self.name


@dataclass(frozen=True, eq=False, repr=False)
class Card(Record):
    """A card with its front matter, ``head``. ``own`` says whether the version has a card among its files."""

    ref: str
    text: str
    head: dict[str, Any]
    items: tuple[CardCheck, ...]
    own: bool

    @property
    def lacking(self) -> tuple[CardCheck, ...]:
        """The required items that are missing or wrong."""
        return tuple(item for item in self.items if item.required and item.state != PRESENT)


def make_card(facts: CardInput) -> Card:
    """Make the card of a version."""
    head = make_front_matter(facts)
    front = f"---\n{documents.dumps(head).decode()}---\n\n" if head else ""
    body = "\n\n".join(filter(None, _iter_sections(facts)))
    return Card(facts.version.ref, f"{front}{body}\n", head, tuple(_iter_checks(facts, head)), facts.has_card)


def _iter_checks(facts: CardInput, head: dict[str, Any]) -> Iterator[CardCheck]:
    """The checks of a card, those of required items first."""
    version = facts.version
    annotate, tag = f"registry annotate {version.ref}", f"registry tag {version.ref}"
    yield _make_check("description", True, facts.description, "description in model.yaml")
    yield _check_licence(facts)
    for name in ("intended_use", "limitations"):
        yield _make_check(name, True, facts.statements(name), f"{name} in model.yaml, or {annotate}")
    data = facts.statements("data") or version.lineage.get("data")
    datasets = version.tags.get("datasets") or get_dataset(facts)
    yield _make_check("data", True, data, "data in model.yaml, or registry register --data")
    for name, value, hint in (
        ("ethics", facts.statements("ethics"), "ethics in model.yaml"),
        ("metrics", ", ".join(sorted(version.metrics)), f"registry log-metric {version.ref} NAME=VALUE"),
        ("pipeline_tag", get_task(facts), f"{tag} pipeline_tag=tabular-classification"),
        ("datasets", datasets, f"{tag} datasets=NAME: required by Hugging Face to show metrics"),
        ("language", version.tags.get("language"), f"{tag} language=en"),
        ("library_name", head.get("library_name"), f"{tag} library_name=NAME"),
    ):
        yield _make_check(name, False, value, hint)


def _make_check(name: str, required: bool, value: Any, hint: str) -> CardCheck:
    if not value:
        return CardCheck(name, required, MISSING, hint)
    return CardCheck(name, required, PRESENT, value if isinstance(value, str) else "")


def _check_licence(facts: CardInput) -> CardCheck:
    licence = facts.licence
    if licence is None:
        return CardCheck("licence", True, MISSING, "license in model.yaml: an SPDX identifier such as Apache-2.0")
    if licence.known:
        return CardCheck("licence", True, PRESENT, licence.spdx or licence.word)
    near = f"did you mean {licence.near}?" if licence.near else "use LicenseRef-NAME for your own license"
    return CardCheck("licence", True, WRONG, f"'{licence.text}' is not an SPDX identifier; {near}")


_MOST = 50
_FACTS = ("name", "value")


def _iter_sections(facts: CardInput) -> Iterator[str]:
    version = facts.version
    yield f"# {escape_line(facts.model.name)}"
    yield escape_text(facts.description)
    yield escape_text(version.message)
    yield from _format_section("Intended use", facts.statements("intended_use"))
    yield from _format_section("Limitations", facts.statements("limitations"))
    yield from _format_section("Training data", facts.statements("data"), _data(facts))
    metrics = _format_pairs(("metric", "value"), version.metrics)
    yield from _format_section("Evaluation", facts.statements("evaluation"), metrics)
    yield from _format_section("Ethical considerations", facts.statements("ethics"))
    yield from _format_section("Inside", [], _format_pairs(_FACTS, _contents(facts)), _tensors(facts))
    yield from _format_section("Parameters", [], _format_pairs(("parameter", "value"), version.params))
    yield from _format_section("Provenance", [], _format_pairs(_FACTS, _provenance(facts)))
    yield from _format_section("Approvals", [], _approvals(facts))
    if rest := facts.rest():
        yield "## Notes"
        for name, annotation in rest.items():
            yield f"### {escape_line(name.replace('_', ' ').capitalize())}"
            yield escape_text(annotation)


def _format_section(title: str, texts: list[str], *tables: str) -> Iterator[str]:
    if texts or any(tables):
        yield f"## {title}"
        yield from (escape_text(each) for each in texts)
        yield from tables


def _format_pairs(head: tuple[str, str], pairs: Mapping[str, Any]) -> str:
    return format_table(
        head, [(name, _format_value(value)) for name, value in pairs.items() if value not in (None, "", (), [], {})]
    )


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


def _data(facts: CardInput) -> str:
    rows = [
        (text(each, "path") or text(each, "uri"), text(each, "digest"), _format_value(each.get("size", "")))
        for each in items(facts.version.lineage, "data")
    ]
    return format_table(("data", "digest", "bytes"), rows[:_MOST])


def _contents(facts: CardInput) -> dict[str, Any]:
    lineage = facts.version.lineage
    contents = lookup_mapping(lineage, "contents")
    count = contents.get("parameters")
    return {
        "Format": lookup_text(lineage, "format"),
        "Framework": lookup_text(lineage, "framework"),
        "Class": lookup_text(contents, "class"),
        "Parameters": f"{count:,}" if isinstance(count, int) else "",
        "Types": lookup_mapping(contents, "dtypes"),
        "Features": contents.get("features") or contents.get("feature_count"),
    }


def _tensors(facts: CardInput) -> str:
    contents = lookup_mapping(facts.version.lineage, "contents")
    rows = [
        (side, text(each, "name"), text(each, "type"), _format_shape(each.get("shape")))
        for side in ("input", "output")
        for each in items(contents, f"{side}s")
    ]
    return format_table(("", "name", "type", "shape"), rows[: 2 * _MOST])


def _format_shape(shape: Any) -> str:
    if not isinstance(shape, (list, tuple)):
        return ""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _provenance(facts: CardInput) -> dict[str, Any]:
    version, lineage = facts.version, facts.version.lineage
    packages = lookup(lineage, "environment", "packages")
    packages_digest = lookup_text(lineage, "environment", "digest")
    licence = facts.licence
    commit = lookup_text(lineage, "git", "commit")
    changes = ", with uncommitted changes" if lookup(lineage, "git", "dirty") else ""
    parents = [each if isinstance(each, str) else lookup(each, "ref") for each in lookup_list(lineage, "parents")]
    return {
        "Version": version.ref,
        "Made": version.created,
        "By": version.author,
        "Owner": facts.model.owner,
        "Licence": licence and (licence.spdx or licence.text),
        "Digest": f"sha256:{version.digest}",
        "Files": f"{version.files:,} ({version.size:,} bytes)",
        "Repository": lookup_text(lineage, "git", "remote"),
        "Commit": f"{commit}{changes}" if commit else "",
        "Command": lookup_text(lineage, "run", "command"),
        "Python": lookup_text(lineage, "environment", "python"),
        "Packages": f"{packages} ({packages_digest})" if isinstance(packages, int) and packages else "",
        "Derived from": [each for each in parents if isinstance(each, str)],
        "Imported": lookup_text(lineage, "imported", "key") or lookup_text(lineage, "imported", "from"),
        "Scan": lookup_text(lineage, "scan", "verdict"),
        "Stages": version.stages,
        "Aliases": version.aliases,
    }


def _approvals(facts: CardInput) -> str:
    rows = [
        (each.stage, each.by, "approved" if each.approved else "rejected", each.at, each.state, each.reason)
        for each in facts.approvals
    ]
    return format_table(("stage", "who", "said", "when", "state", "reason"), rows)


#: Hugging Face's names of the libraries.
_LIBRARIES = {
    "sklearn": "sklearn", "torch": "pytorch", "transformers": "transformers", "keras": "keras", "tensorflow": "tf-keras",
    "onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm", "safetensors": "safetensors", "catboost": "catboost",
}  # fmt: skip
_LISTS = ("language", "datasets", "base_model")
_TEXTS = ("pipeline_tag", "library_name", "license_name", "license_link")
#: The usual names of a file with the text of a licence.
_LICENSE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "COPYING")
#: Tags that have keys of their own in the front matter.
_USED = frozenset({*_TEXTS, *_LISTS, "license", "licence", "task", "hf_tags", "hf_revision"})


def make_front_matter(facts: CardInput) -> dict[str, Any]:
    """The front matter, with its keys in the order of Hugging Face."""
    tags = {name: _as_single_line(value) for name, value in facts.version.tags.items()}
    lists = {name: _split_list(tags[name]) for name in _LISTS if tags.get(name)}
    others = [f"{name}:{tags[name]}" for name in sorted(tags.keys() - _USED)]
    return drop_empty(
        {
            "language": lists.get("language"),
            **_licence(facts, tags),
            "library_name": tags.get("library_name") or _library(facts),
            "pipeline_tag": get_task(facts),
            "tags": [*_split_list(tags.get("hf_tags", "")), *others],
            "datasets": lists.get("datasets"),
            "metrics": sorted(facts.version.metrics),
            "base_model": lists.get("base_model") or [_as_single_line(each) for each in facts.bases],
            "model-index": _model_index(facts, (lists.get("datasets") or [""])[0]),
        }
    )


def get_task(facts: CardInput) -> str:
    """The task in Hugging Face's terms, as ``tabular-classification``; empty if it is not known."""
    return _as_single_line(facts.version.tags.get("pipeline_tag") or facts.version.tags.get("task") or "")


def get_dataset(facts: CardInput) -> str:
    """The name of the training data; empty if it is not known."""
    paths = (text(each, "path") or text(each, "uri") for each in items(facts.version.lineage, "data"))
    return _as_single_line(next(filter(None, paths), "").rstrip("/").rpartition("/")[2])


def _licence(facts: CardInput, tags: dict[str, str]) -> dict[str, str]:
    licence = facts.licence
    if licence is None:
        return {}
    if licence.word != OTHER:
        return {"license": licence.word}
    name = tags.get("license_name") or ("" if licence.text.lower() == OTHER else licence.name)
    beside = next((each for each in _LICENSE_FILES if each in facts.files), "")
    return {
        "license": OTHER, "license_name": name, "license_link": tags.get("license_link") or beside or licence.link
    }  # fmt: skip


def _library(facts: CardInput) -> str | None:
    lineage = facts.version.lineage
    if lookup_text(lineage, "format") == "transformers" and "config.json" in facts.files:
        return "transformers"
    return _LIBRARIES.get(lookup_text(lineage, "framework").partition(" ")[0])


def _model_index(facts: CardInput, dataset: str) -> list[dict[str, Any]]:
    """The metrics, if task and data set are known, without which Hugging Face does not read them."""
    data = dataset or get_dataset(facts)
    if not (get_task(facts) and data and facts.version.metrics):
        return []
    metrics = [{"type": name, "value": value} for name, value in sorted(facts.version.metrics.items())]
    result = {"task": {"type": get_task(facts)}, "dataset": {"type": data, "name": data}, "metrics": metrics}
    return [{"name": facts.model.name, "results": [result]}]


def _split_list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _as_single_line(value: str) -> str:
    return " ".join(replace_unprintable(str(value)).split())
