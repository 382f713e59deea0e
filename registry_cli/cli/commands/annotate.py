"""Metadata: tag, annotate, log-metric, alias."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from ...core import values
from ...core.lazy_dataclass import replace
from ...core.names import Reference
from ...core.results import VersionsChanged
from ...errors import InvalidInput, NotFound, RegistryError
from ..command import argument, command, flag, option
from ..formatting import escape, format_number, format_numbers
from ..options import Expect, MetricsOptions, Ref, collect_values, parse_expect, warn_of_skipped
from ..session import Output, Session

if TYPE_CHECKING:
    from ...registry import Registry

#: The number of changed metrics that are shown.
_SHOWN = 10
Pairs = Optional[list[str]]
Remove = Annotated[Pairs, option("--remove -r", "KEY", "Remove this key.")]
_EXITS = (0, 1, 2, 3, 6, 7, 8)
_DONE = {"tagged": "tags updated", "annotated": "notes updated", "measured": "metrics set"}


@command("tag", "Add and edit", exits=_EXITS, writes=True, dry_run=True)
def tag(
    cx: Session,
    ref: Ref,
    pairs: Annotated[Pairs, argument("[KEY=TEXT]...", "Tags to set.")] = None,
    remove: Remove = None,
) -> None:
    """Set or remove tags of a version.

    Tags are short one-line labels. The version itself stays sealed: tags are stored beside it, and the history keeps
    their previous values.

    Examples:
        registry tag churn@7 reviewed=yes team=crm
        registry tag churn@7 --remove draft
    """
    _ensure_given(pairs, remove, "KEY=TEXT")
    tags = values.pairs(pairs or (), values.line)
    _report_change(cx, cx.registry().tag(ref, tags, remove=remove or (), **cx.change))


@command("annotate", "Add and edit", exits=_EXITS, writes=True, dry_run=True)
def annotate(
    cx: Session,
    ref: Ref,
    pairs: Annotated[Pairs, argument("[KEY=TEXT]...", "Annotations to set.")] = None,
    from_file: Annotated[Pairs, option("--from-file", "KEY=FILE", "Read the text from a file.")] = None,
    remove: Remove = None,
) -> None:
    """Add free-text notes to a version.

    Notes may have several lines: purpose, training data, performance, special considerations.

    Examples:
        registry annotate churn@7 purpose="churn within 90 days, retail customers only"
        registry annotate churn@7 --from-file training_data=data-sheet.md
    """
    _ensure_given([*(pairs or ()), *(from_file or ())], remove, "KEY=TEXT")
    from_files, texts = values.pairs(from_file or (), _read_text), values.pairs(pairs or (), values.text)
    if both := sorted(from_files.keys() & texts.keys()):
        raise InvalidInput(f"'{both[0]}' is given both as text and with --from-file", "use one of them")
    texts |= from_files
    _report_change(cx, cx.registry().annotate(ref, texts, remove=remove or (), **cx.change))


def _read_text(path: str, name: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(values.TEXT_LENGTH * 4 + 1)
        return values.text(data.decode("utf-8"), name)
    except FileNotFoundError:
        raise NotFound(f"file '{path}' not found") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text") from None


@command("log-metric", "Add and edit", exits=_EXITS, writes=True, dry_run=True)
def log_metric(
    cx: Session,
    ref: Ref,
    pairs: Annotated[list[str] | None, argument("[KEY=NUMBER]...", "Metrics to add or correct.")] = None,
    *,
    given: MetricsOptions,
) -> None:
    """Add metrics measured after registration.

    Values must be finite numbers. A metric that exists is replaced; the history keeps its previous value.

    Examples:
        registry log-metric churn@7 auc_holdout=0.91
        registry log-metric churn@production latency_ms=42
    """
    if not pairs and not given.metrics_file:
        raise InvalidInput("no metric given", "use KEY=NUMBER or --metrics-file FILE")
    metrics = collect_values(cx, "metric", given.metrics_file, pairs, given.metrics_only, given.skip_invalid)
    registry = cx.registry()
    done = replace(registry.log_metric(ref, metrics.values, **cx.change), skipped=metrics.skipped)
    warn_of_skipped(cx, metrics.skipped)
    _report_change(cx, done, _format_metrics(cx, registry, done))


def _format_metrics(cx: Session, registry: Registry, done: VersionsChanged) -> str:
    """Format the metrics that changed, and whether they improved."""
    words = []
    corrected = [name for name, (before, _) in done.values.items() if before is not None]
    directions = None
    if corrected:
        try:
            directions = registry.policies.directions(done.model)
        except RegistryError as error:  # the metrics are stored: this command has not failed
            cx.warn(f"cannot tell whether the metrics improved: {error}")
    for name, (before, after) in done.values.items():
        if directions is None or before is None:
            words.append(f"{escape(name)} {format_number(after)}")
            continue
        old, new = format_numbers([before, after])
        better = {True: " (better)", False: " (worse)", None: ""}[directions.better(name, before, after)]
        words.append(f"{escape(name)} {old} -> {new}{better}")
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _ensure_given(pairs: Sequence[str] | None, remove: Sequence[str] | None, form: str) -> None:
    if not pairs and not remove:
        raise InvalidInput("nothing to set or remove", f"use {form} or --remove KEY")


def _report_change(cx: Session, done: VersionsChanged, what: str = "") -> None:
    ref = done.refs[0]
    word = "would be changed" if cx.dry_run and done.changed else _DONE[done.action] if done.changed else "unchanged"
    for warning in done.warnings:
        cx.warn(warning)
    cx.say(f"{ref}: {word}{': ' if what else ''}{what}")
    cx.show_changed("changed", done, ref)


@command("alias", "Add and edit", exits=(0, 1, 2, 3, 4, 6, 7, 8), writes=True, dry_run=True, lists=True)
def alias(
    cx: Session,
    ref: Annotated[str, argument("REF", "The version to point to; only the model to list or remove aliases.")],
    name: Annotated[str | None, argument("[ALIAS]", "The alias to set or remove.")] = None,
    remove: Annotated[bool, flag("--remove", "Remove the alias.")] = False,
    expect: Expect = None,
) -> None:
    """Show, set or remove aliases.

    An alias is a movable name for one version, such as champion or eu-canary. To set it, give a version (churn@7,
    churn@latest). With --remove, a version is what the alias must currently point to; a model name is enough. Without
    ALIAS, list the model's aliases (in a pipe: alias and reference, separated by a tab).

    Examples:
        registry alias churn@7 champion
        registry alias churn
        registry alias churn champion --remove
        registry alias churn@8 champion --expect 7
    """
    reference = Reference.parse(ref)
    if name is None:
        if remove or expect is not None or reference.selector is not None:
            raise InvalidInput("missing argument ALIAS", f"run 'registry alias {reference.model}' to list aliases")
        _list_aliases(cx, reference.model)
        return
    registry = cx.registry()
    cx.show_pointer(registry.alias(reference, name, remove=remove, expect=parse_expect(expect, ref), **cx.change))


def _list_aliases(cx: Session, model: str) -> None:
    aliases = sorted(cx.reader().model(model).aliases.items())
    rows = [(name, f"{model}@{version}") for name, version in aliases]
    body = [{"alias": name, "ref": ref} for name, ref in rows]
    cx.show(Output("aliases", body, [ref for _, ref in rows], ("alias", "ref"), rows, empty="no aliases"))
