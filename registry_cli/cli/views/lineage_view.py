"""A family of versions as text: a tree for a terminal, lines for a pipe, DOT and Mermaid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core.records import VersionRecord
from ...core.results import LineageGraph, LineageNode
from ...store import codec
from ..formatting import escape, format_size, format_time, plural, shorten
from .inspection_view import mappings

#: The beginnings of the lines of a tree: a branch, the last branch, and what is below each.
_UNICODE = ("├── ", "└── ", "│   ", "    ")
_ASCII = ("|-- ", "`-- ", "|   ", "    ")
_SHORT = 60
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def _part(lineage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = lineage.get(name)
    return found if isinstance(found, Mapping) else {}


def iter_facts(version: VersionRecord) -> Iterator[tuple[str, str, str]]:
    """What the lineage of a version records: kind, name, detail."""
    lineage = version.lineage
    for kind in ("data", "code"):
        for each in mappings(lineage.get(kind)):
            count = each.get("files")
            parts = [str(each.get("digest", ""))]
            parts += [format_size(each["size"])] if type(each.get("size")) is int else []
            parts += [plural(count, "file")] if type(count) is int and count > 1 else []
            yield kind, str(each.get("path") or each.get("uri") or "unknown"), ", ".join(filter(None, parts))
    if git := _part(lineage, "git"):
        yield "git", str(git.get("remote") or "no remote"), _format_git(git, codec.sidecar_digests(lineage))
    if environment := _part(lineage, "environment"):
        yield "environment", f"Python {environment.get('python') or 'unknown'}", _format_environment(environment)
    if run := _part(lineage, "run"):
        where = [f"in {run['folder']}" if run.get("folder") else "", f"on {run['host']}" if run.get("host") else ""]
        yield "run", str(run.get("command") or "by a command that is not known"), " ".join(filter(None, where))
    if found := _part(lineage, "imported"):
        yield "imported", str(found.get("key") or found.get("from") or "unknown"), str(found.get("from") or "")


def summarize_origin(version: VersionRecord) -> list[tuple[str, str]]:
    """Where a version comes from, for one who decides about it, without the machine."""
    parents = version.lineage.get("parents")
    found = [("parents", ", ".join(map(str, parents)))] if isinstance(parents, list) and parents else []
    for kind, name, detail in iter_facts(version):
        if kind == "git":
            found.append(("commit", detail))
        elif kind in ("data", "code"):
            found.append((kind, " ".join(filter(None, (name, _DIGEST.sub(r"\1…", detail))))))
        elif kind == "imported":
            found.append(("imported", name))
    command = _part(version.lineage, "run").get("command")
    return [*found, ("command", str(command))] if command else found


def _format_git(git: Mapping[str, Any], kept: Mapping[str, str]) -> str:
    parts = [str(git.get("branch") or ""), str(git.get("commit") or "no commit")[:12]]
    if git.get("dirty"):
        parts.append("+ changes" if "changes.patch" in kept else "+ changes that were not recorded")
    if git.get("unknown"):
        parts.append(f"({git['unknown']})")
    return " ".join(filter(None, parts))


def _format_environment(environment: Mapping[str, Any]) -> str:
    count, cards = environment.get("packages"), environment.get("gpu")
    parts = [
        plural(count, "package") if type(count) is int else "packages unknown",
        str(environment.get("platform") or ""),
    ]
    parts += [", ".join(map(str, cards))] if isinstance(cards, list) else []
    return ", ".join(filter(None, parts))


def _walk(of: str, listed: Iterable[LineageNode]) -> Iterator[tuple[str, LineageNode]]:
    """Each node below a version with the reference of what it is listed at, depth first."""
    for each in listed:
        yield of, each
        yield from _walk(each.ref, each.relatives)


def iter_rows(family: LineageGraph) -> Iterator[tuple[str, str, str, str]]:
    """Lines for a pipe: kind, of which version, name, detail; ancestors first, then the version, then descendants."""
    ref, seen = family.version.ref, set[str]()
    yield from ((kind, ref, name, detail) for kind, name, detail in iter_facts(family.version))
    for of, each in _walk(ref, family.parents):
        yield "parent", of, each.ref, each.note or _format_pointers(each.version)
        if each.version and each.ref not in seen:
            seen.add(each.ref)
            yield from ((fact, each.ref, name, detail) for fact, name, detail in iter_facts(each.version))
    for of, each in _walk(ref, family.children):
        yield "child", of, each.ref, each.note or _format_pointers(each.version)
    yield from (("stage", ref, stage, "") for stage in family.version.stages)
    yield from (("alias", ref, alias, "") for alias in family.version.aliases)
    yield from (("target", ref, target, "") for target in family.deployments)


def list_references(family: LineageGraph) -> list[str]:
    """Every version of the family that is here, the version itself first."""
    nodes = [*_walk("", family.parents), *_walk("", family.children)]
    return list(dict.fromkeys([family.version.ref, *(each.ref for _, each in nodes if each.version)]))


def _format_pointers(version: VersionRecord | None) -> str:
    if version is None:
        return ""
    return " ".join(
        [*version.stages, *(f"@{alias}" for alias in version.aliases), *(["archived"] if version.archived else [])]
    )


def format_tree(family: LineageGraph, *, unicode: bool) -> str:
    signs = _UNICODE if unicode else _ASCII
    version = family.version
    head = f"{version.ref}  {_format_pointers(version)}".rstrip()
    made = f"created {format_time(version.created, zone=True)} by {version.author}"
    branches = [*_fact_branches(version), *_branches("parent", family.parents, full=True)]
    children: list[_Branch] = [(_format_fact("target", target, ""), []) for target in family.deployments]
    children += [("children", _branches("", family.children, full=False))] if family.children else []
    if not branches:
        branches = [("no recorded lineage", [])]
    return "\n".join([escape(head), *_draw_branches([(made, []), *branches, *children], signs, "")])


_Branch = tuple[str, list[Any]]


def _fact_branches(version: VersionRecord) -> list[_Branch]:
    return [(_format_fact(kind, name, detail), []) for kind, name, detail in iter_facts(version)]


def _format_fact(kind: str, name: str, detail: str) -> str:
    detail = shorten(_DIGEST.sub(r"\1…", detail), 2 * _SHORT)
    return f"{kind:<11}  {shorten(name, _SHORT)}  {detail}".rstrip()


def _branches(kind: str, listed: Iterable[LineageNode], *, full: bool) -> list[_Branch]:
    """Branches of versions; if ``full``, with what each was made from."""
    found = []
    for each in listed:
        words = each.note if each.note else _format_pointers(each.version)
        head = f"{kind:<11}  {each.ref}" if kind else each.ref
        below = _fact_branches(each.version) if full and each.version and not each.note else []
        found.append((f"{head}  {words}".rstrip(), [*below, *_branches(kind, each.relatives, full=full)]))
    return found


def _draw_branches(branches: Sequence[_Branch], signs: Sequence[str], indent: str) -> Iterator[str]:
    for at, (words, below) in enumerate(branches):
        last = at == len(branches) - 1
        yield f"{indent}{signs[1 if last else 0]}{escape(words)}"
        yield from _draw_branches(below, signs, indent + signs[3 if last else 2])


def _edges(family: LineageGraph) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The nodes with their labels, and the edges from earlier to later."""
    ref = family.version.ref
    nodes = {ref: f"{ref}\n{_format_pointers(family.version)}".strip()}
    edges: dict[tuple[str, str], None] = {}
    for up, listed in ((True, family.parents), (False, family.children)):
        for of, each in _walk(ref, listed):
            words = _format_pointers(each.version) if each.version else "not in this registry"
            nodes.setdefault(each.ref, f"{each.ref}\n{words}".strip())
            edges[(each.ref, of) if up else (of, each.ref)] = None
    for kind, name, detail in iter_facts(family.version):
        if kind in ("data", "code", "git"):
            key = f"{kind} {name}"
            nodes.setdefault(key, f"{kind}: {shorten(name, _SHORT)}\n{shorten(detail, 40)}".strip())
            edges[key, ref] = None
    return nodes, list(edges)


def format_dot(family: LineageGraph) -> str:
    nodes, edges = _edges(family)
    names = {key: f"n{at}" for at, key in enumerate(nodes)}
    lines = [
        f"  {names[key]} [label={json.dumps(escape(label, lines=True), ensure_ascii=False)}];"
        for key, label in nodes.items()
    ]
    lines += [f"  {names[start]} -> {names[end]};" for start, end in edges]
    return "\n".join(["digraph lineage {", "  rankdir=LR;", "  node [shape=box];", *lines, "}"])


def format_mermaid(family: LineageGraph) -> str:
    """Format the family as a graph for Mermaid; characters that it could interpret are numbers."""
    nodes, edges = _edges(family)
    names = {key: f"n{at}" for at, key in enumerate(nodes)}
    lines = [f'  {names[key]}["{_escape_label(escape(label, lines=True))}"]' for key, label in nodes.items()]
    lines += [f"  {names[start]} --> {names[end]}" for start, end in edges]
    return "\n".join(["flowchart LR", *lines])


def _escape_label(label: str) -> str:
    lines = (
        "".join(letter if letter.isalnum() or letter in " .,:/-_" else f"#{ord(letter)};" for letter in line)
        for line in label.split("\n")
    )
    return "<br/>".join(lines)
