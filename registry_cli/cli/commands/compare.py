"""Comparing: diff, compare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.lazy_dataclass import replace
from ...core.names import Reference
from ...core.records import VersionRecord
from ...errors import InvalidInput, NotFound
from ...operations.compare import NEWEST
from ...rules import comparison as rules
from ...rules.comparison import Comparison, Diff, StoredFile
from ..command import argument, command, flag, option
from ..formatting import format_value
from ..options import Ref, Where, read_references, warn_of_unknown_names
from ..session import Output, Session

if TYPE_CHECKING:
    from ...registry import Registry

_MOST = 100
_RANGE = re.compile(r"v?([1-9][0-9]{0,8})-v?([1-9][0-9]{0,8})\Z", re.ASCII)
Metrics = list[str] | None


@command("diff", "Retrieve", exits=(0, 1, 2, 3, 6), indexed=True, lists=True)
def diff(
    cx: Session,
    before: Ref,
    after: Ref,
    exit_code: Annotated[bool, flag("--exit-code", "Exit with 1 if there are differences, 0 if not.")] = False,
) -> None:
    """Show what differs between two versions.

    Compares params, metrics, tags, annotations, message, lineage, packages and files, and lists the commits in between
    if the current git repository has both. Packages are those recorded at registration, or else those in
    environment.txt or requirements.txt. The versions may belong to different models; a number or @SELECTOR alone as the
    second argument refers to the model of the first. -q prints the names of what differs: metrics.auc, files.model.pkl.

    In a pipe: section, name, change (added, removed, changed), before, after, delta; separated by tabs. Files are
    compared by sha256 and reported by size in bytes. Prints nothing if nothing differs.

    Examples:
        registry diff churn@production churn@latest
        registry diff churn@6 7
        registry diff churn@6 churn@7 --exit-code -q || echo not the same
    """
    first = Reference.parse(before)
    found = cx.reader().diff(first, rules.beside(first, after, bare=False))
    if found.equal:
        cx.say(f"no differences between {found.before.ref} and {found.after.ref}")
    listed = [(section, each) for section, differences in found.sections() for each in differences]
    names = [section if section == "message" else f"{section}.{each.name}" for section, each in listed]
    rows = [
        (section, each.name, each.change, _format_for_pipe(each.before), _format_for_pipe(each.after), each.delta)
        for section, each in listed
    ]
    columns = ("section", "name", "change", "before", "after", "delta")
    cx.show(Output("diff", found, names, columns, rows, draw=lambda: None if found.equal else _draw_diff(cx, found)))
    if exit_code and not found.equal:
        raise typer.Exit(1)


def _draw_diff(cx: Session, found: Diff) -> None:
    from ..views import diff_view

    diff_view.draw(found, no_color=cx.no_color)


def _format_for_pipe(value: Any) -> Any:
    """The exact value; for a file, its size."""
    if isinstance(value, StoredFile):
        return value.size
    return value if isinstance(value, (str, int, float)) or value is None else format_value(value)


@command("compare", "Retrieve", exits=(0, 2, 3, 6), indexed=True, lists=True)
def compare(
    cx: Session,
    name: Annotated[str, argument("NAME", "A model (churn) or one of its versions (churn@6).")],
    which: Annotated[
        list[str] | None,
        argument(
            "[VERSION]...",
            "Versions: 6 7, 4-7, production, churn@6 (default: the newest); '-' reads them from standard input.",
        ),
    ] = None,
    all_rows: Annotated[bool, flag("--all-rows", "Include rows that are the same in all versions.")] = False,
    limit: Annotated[int | None, option("--limit", "N", "Compare the newest N (default: 5).", min=1)] = None,
    every: Annotated[bool, flag("--all -a", "Include archived versions.")] = False,
    where: Where = None,
    lower: Annotated[Metrics, option("--lower", "METRIC", "Lower is better for this metric.")] = None,
    higher: Annotated[Metrics, option("--higher", "METRIC", "Higher is better for this metric.")] = None,
    as_csv: Annotated[bool, flag("--csv", "Print CSV with a header row.")] = False,
) -> None:
    """Compare versions of a model side by side.

    Shows the params, metrics and tags that differ, one column per version, newest first or in the order given. The best
    value of each metric is marked if its direction is known: as declared under 'metrics' in model.yaml, group.yaml or
    registry.yaml, or else from a list of exact names (`registry help metrics`). --lower and --higher take precedence.
    -q prints the references.

    In CSV, text that a spreadsheet could interpret as a formula (it starts with = + - @ and is not a number) is
    prefixed with an apostrophe.

    In a pipe: section, name, the best versions, then one value per version; separated by tabs. The first line names the
    versions: version, ref, an empty field, churn@7, churn@6 and so on. Prints nothing if nothing differs.

    Examples:
        registry compare churn
        registry compare churn 4 6 production
        registry compare churn --limit 10 --all-rows --lower drift
        registry compare churn --csv > churn.csv
    """
    if as_csv:
        if cx.as_json or cx.quiet or cx.form not in (None, "csv"):
            raise InvalidInput("--csv cannot be combined with --json or -q", "use one of them")
        cx = replace(cx, form="csv")
    first = Reference.parse(name)
    registry = cx.reader()
    most = limit or NEWEST
    if not which and first.selector is None:
        warn_of_unknown_names(cx, registry, where or "", first.model)
        versions = list(registry.versions(first.model, archived=every, limit=most + 1, where=where or ""))
    elif limit or every or where is not None:
        raise InvalidInput("--limit, --all and --where cannot be combined with named versions", "remove one of them")
    else:
        versions = _resolve_versions(registry, first, read_references(which or []))
        most = len(versions)
    versions, more = versions[:most], len(versions) > most
    found = registry.compare(first.model, versions, lower=lower or (), higher=higher or ())
    _show(cx, found if all_rows else found.only_differing())
    if not versions:
        cx.say(f"no active versions of {first.model}; run 'registry versions {first.model} --all'")
    elif more and cx.has_viewer:
        cx.say(f"showing the newest {most}; use --limit N for more, --all-rows to include equal rows")


def _resolve_versions(registry: Registry, first: Reference, words: Sequence[str]) -> list[VersionRecord]:
    """Return the named versions in the given order without duplicates."""
    found: dict[int, VersionRecord] = {}
    aliases: frozenset[str] = frozenset()
    if any(_RANGE.match(word) for word in words):
        aliases = frozenset(registry.model(first.model).aliases)  # an alias can look like a range: 2024-11
    if first.selector is not None:
        version = registry.version(first)
        found[version.number] = version
    for word in (part for text in words for part in text.split(",") if part.strip()):
        span = None if word in aliases else _RANGE.match(word.strip())
        if span:
            found.update((version.number, version) for version in _resolve_range(registry, first.model, span))
            continue
        reference = rules.beside(first, word.strip())
        if reference.model != first.model:
            raise InvalidInput(
                f"'{word.strip()}' is not a version of {first.model}",
                f"to compare two models, run 'registry diff {first} {word.strip()}'",
            )
        version = registry.version(reference)
        found[version.number] = version
    return list(found.values())


def _resolve_range(registry: Registry, model: str, span: re.Match[str]) -> list[VersionRecord]:
    """Return the existing versions in a range of numbers."""
    start, end = int(span[1]), int(span[2])
    if abs(end - start) >= _MOST:
        raise InvalidInput(f"range '{span[0]}' is too large", f"compare at most {_MOST} versions")
    found = []
    for number in range(start, end + 1) if start <= end else range(start, end - 1, -1):
        try:
            found.append(registry.version(f"{model}@{number}"))
        except NotFound:
            continue
    if not found:
        raise NotFound(f"{model} has no versions in {span[0]}", f"run 'registry versions {model} --all'")
    return found


def _show(cx: Session, found: Comparison) -> None:
    if found.versions and not found.rows:
        cx.say(
            f"no differences in {', '.join(found.refs)}; use --all-rows to show equal rows"
            if len(found.versions) > 1
            else f"{found.refs[0]} is the only version: nothing to compare"
        )
    rows = [
        (row.section, row.name, ",".join(found.refs[at] for at in row.best), *map(_format_for_pipe, row.values))
        for row in found.rows
    ]
    names = ("section", "name", "best", *found.refs)
    if rows and cx.form is None:  # lines in a pipe without a header say which versions these are
        rows.insert(0, ("version", "ref", "", *found.refs))
    cx.show(Output("comparison", found, found.refs, names, rows, draw=lambda: _draw(cx, found) if found.rows else None))


def _draw(cx: Session, found: Comparison) -> None:
    from ..views import compare_view

    compare_view.draw(found, no_color=cx.no_color)
