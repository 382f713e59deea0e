"""A family of versions as text: a tree for a person, lines for a pipe, DOT and Mermaid for those that draw."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core.records import VersionRecord
from ...core.results import Family, Kin
from ...store import sidecars
from .inspection_view import mappings
from .text import moment, plural, safe, short, size

#: What a line of a tree begins with: of one of several, of the last one, and what is below each.
_UNICODE = ("├── ", "└── ", "│   ", "    ")
_ASCII = ("|-- ", "`-- ", "|   ", "    ")
_SHORT = 60
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def _part(lineage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = lineage.get(name)
    return found if isinstance(found, Mapping) else {}


def facts(version: VersionRecord) -> Iterator[tuple[str, str, str]]:
    """What the lineage of one version says: kind, name, detail."""
    lineage = version.lineage
    for kind in ("data", "code"):
        for each in mappings(lineage.get(kind)):
            count = each.get("files")
            parts = [str(each.get("digest", ""))]
            parts += [size(each["size"])] if type(each.get("size")) is int else []
            parts += [plural(count, "file")] if type(count) is int and count > 1 else []
            yield kind, str(each.get("path") or each.get("uri") or "unknown"), ", ".join(filter(None, parts))
    if git := _part(lineage, "git"):
        yield "git", str(git.get("remote") or "no remote"), _git(git, sidecars.named(lineage))
    if environment := _part(lineage, "environment"):
        yield "environment", f"Python {environment.get('python') or 'unknown'}", _environment(environment)
    if run := _part(lineage, "run"):
        where = [f"in {run['folder']}" if run.get("folder") else "", f"on {run['host']}" if run.get("host") else ""]
        yield "run", str(run.get("command") or "by a command that is not known"), " ".join(filter(None, where))
    if found := _part(lineage, "imported"):
        yield "imported", str(found.get("key") or found.get("from") or "unknown"), str(found.get("from") or "")


def origin(version: VersionRecord) -> list[tuple[str, str]]:
    """What one who decides about a version wants to know of where it comes from, a line each; not of which machine."""
    parents = version.lineage.get("parents")
    found = [("parents", ", ".join(map(str, parents)))] if isinstance(parents, list) and parents else []
    for kind, name, detail in facts(version):
        if kind == "git":
            found.append(("commit", detail))
        elif kind in ("data", "code"):
            found.append((kind, " ".join(filter(None, (name, _DIGEST.sub(r"\1…", detail))))))
        elif kind == "imported":
            found.append(("imported", name))
    command = _part(version.lineage, "run").get("command")
    return [*found, ("command", str(command))] if command else found


def _git(git: Mapping[str, Any], kept: Mapping[str, str]) -> str:
    parts = [str(git.get("branch") or ""), str(git.get("commit") or "no commit")[:12]]
    if git.get("dirty"):
        parts.append("+ changes" if "changes.patch" in kept else "+ changes that were not kept")
    if git.get("unknown"):
        parts.append(f"({git['unknown']})")
    return " ".join(filter(None, parts))


def _environment(environment: Mapping[str, Any]) -> str:
    count, cards = environment.get("packages"), environment.get("gpu")
    parts = [
        plural(count, "package") if type(count) is int else "packages unknown",
        str(environment.get("platform") or ""),
    ]
    parts += [", ".join(map(str, cards))] if isinstance(cards, list) else []
    return ", ".join(filter(None, parts))


def rows(family: Family) -> Iterator[tuple[str, str, str, str]]:
    """Lines for a pipe: kind, of which version, name, detail; ancestors first, then the version, then descendants."""
    told: set[str] = set()

    def kin(kind: str, of: str, listed: Iterable[Kin]) -> Iterator[tuple[str, str, str, str]]:
        for each in listed:
            yield kind, of, each.ref, each.note or _pointers(each.version)
            if kind == "parent" and each.version and each.ref not in told:
                told.add(each.ref)
                yield from ((fact, each.ref, name, detail) for fact, name, detail in facts(each.version))
            yield from kin(kind, each.ref, each.kin)

    ref = family.version.ref
    yield from ((kind, ref, name, detail) for kind, name, detail in facts(family.version))
    yield from kin("parent", ref, family.parents)
    yield from kin("child", ref, family.children)
    yield from (("stage", ref, stage, "") for stage in family.version.stages)
    yield from (("alias", ref, alias, "") for alias in family.version.aliases)


def refs(family: Family) -> list[str]:
    """Every version of the family that is here, the version itself first."""

    def of(listed: Iterable[Kin]) -> Iterator[str]:
        for each in listed:
            if each.version:
                yield each.ref
            yield from of(each.kin)

    return list(dict.fromkeys([family.version.ref, *of(family.parents), *of(family.children)]))


def _pointers(version: VersionRecord | None) -> str:
    if version is None:
        return ""
    return " ".join(
        [*version.stages, *(f"@{alias}" for alias in version.aliases), *(["archived"] if version.archived else [])]
    )


def tree(family: Family, *, unicode: bool) -> str:
    """The tree: what a version comes from, and below it what came from it."""
    signs = _UNICODE if unicode else _ASCII
    version = family.version
    head = f"{version.ref}  {_pointers(version)}".rstrip()
    made = f"made {moment(version.created)} UTC by {version.author}"
    branches = [*_facts(version), *_kin("parent", family.parents, full=True)]
    children = [("children", _kin("", family.children, full=False))] if family.children else []
    if not branches:
        branches = [("nothing is known of where it comes from", [])]
    return "\n".join([safe(head), *_drawn([(made, []), *branches, *children], signs, "")])


_Branch = tuple[str, list[Any]]


def _facts(version: VersionRecord) -> list[_Branch]:
    return [(_fact(kind, name, detail), []) for kind, name, detail in facts(version)]


def _fact(kind: str, name: str, detail: str) -> str:
    detail = short(_DIGEST.sub(r"\1…", detail), 2 * _SHORT)
    return f"{kind:<11}  {short(name, _SHORT)}  {detail}".rstrip()


def _kin(kind: str, listed: Iterable[Kin], *, full: bool) -> list[_Branch]:
    """Branches of versions; ``full`` ones with what each was made from."""
    found = []
    for each in listed:
        words = each.note if each.note else _pointers(each.version)
        head = f"{kind:<11}  {each.ref}" if kind else each.ref
        below = _facts(each.version) if full and each.version and not each.note else []
        found.append((f"{head}  {words}".rstrip(), [*below, *_kin(kind, each.kin, full=full)]))
    return found


def _drawn(branches: Sequence[_Branch], signs: Sequence[str], indent: str) -> Iterator[str]:
    for at, (words, below) in enumerate(branches):
        last = at == len(branches) - 1
        yield f"{indent}{signs[1 if last else 0]}{safe(words)}"
        yield from _drawn(below, signs, indent + signs[3 if last else 2])


def _edges(family: Family) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The nodes with their labels, and the edges from what was there first to what came of it."""
    nodes = {family.version.ref: f"{family.version.ref}\n{_pointers(family.version)}".strip()}
    edges: dict[tuple[str, str], None] = {}

    def told(of: str, listed: Iterable[Kin], *, up: bool) -> None:
        for each in listed:
            nodes.setdefault(each.ref, f"{each.ref}\n{_pointers(each.version) if each.version else 'not here'}".strip())
            edges[(each.ref, of) if up else (of, each.ref)] = None
            told(each.ref, each.kin, up=up)

    told(family.version.ref, family.parents, up=True)
    told(family.version.ref, family.children, up=False)
    for kind, name, detail in facts(family.version):
        if kind in ("data", "code", "git"):
            key = f"{kind} {name}"
            nodes.setdefault(key, f"{kind}: {short(name, _SHORT)}\n{short(detail, 40)}".strip())
            edges[key, family.version.ref] = None
    return nodes, list(edges)


def dot(family: Family) -> str:
    """The family as a graph for ``dot``."""
    nodes, edges = _edges(family)
    names = {key: f"n{at}" for at, key in enumerate(nodes)}
    lines = [
        f"  {names[key]} [label={json.dumps(safe(label, lines=True), ensure_ascii=False)}];"
        for key, label in nodes.items()
    ]
    lines += [f"  {names[start]} -> {names[end]};" for start, end in edges]
    return "\n".join(["digraph lineage {", "  rankdir=LR;", "  node [shape=box];", *lines, "}"])


def mermaid(family: Family) -> str:
    """The family as a graph for Mermaid; what its labels could mean to it is spelt as numbers."""
    nodes, edges = _edges(family)
    names = {key: f"n{at}" for at, key in enumerate(nodes)}
    lines = [f'  {names[key]}["{_spelt(safe(label, lines=True))}"]' for key, label in nodes.items()]
    lines += [f"  {names[start]} --> {names[end]}" for start, end in edges]
    return "\n".join(["flowchart LR", *lines])


def _spelt(label: str) -> str:
    lines = (
        "".join(letter if letter.isalnum() or letter in " .,:/-_" else f"#{ord(letter)};" for letter in line)
        for line in label.split("\n")
    )
    return "<br/>".join(lines)
