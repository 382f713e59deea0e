"""The text of a model card, in Markdown. Its headings are ours; what people said stands below them, and stays there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...lineage.recipe import items, part, text
from .card_inputs import Known
from .markdown import line, prose, table

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
