"""Metrics of versions in use, and their data: observe, monitor, profile, drift."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ...core import values
from ...errors import InvalidInput, NotFound
from ..command import argument, command, flag, option
from ..formatting import escape, format_number, format_time, plural, time_column
from ..options import Texts, VersionRef
from ..process import write
from ..session import Output, Session

if TYPE_CHECKING:
    from ...monitoring.observation_sources import ObservationRow
    from ...rules.monitor_evaluation import SeriesStatus

#: The names of the columns in csv.
_NAMES = ("ref", "metric", "target", "slice", "value", "wanted", "n", "last", "outcome")


@command("observe", "Monitor", exits=(0, 1, 2, 3, 6, 7, 8), writes=True, dry_run=True)
def observe(
    cx: Session,
    ref: VersionRef,
    pairs: Annotated[Texts, argument("[KEY=NUMBER]...", "Metrics.")] = None,
    at: Annotated[
        Optional[str], option("--at", "TIME", "When it was measured: 2026-11-27, '1h ago'; now by default.")
    ] = None,
    samples: Annotated[
        Optional[int], option("--n", "COUNT", "How many predictions are behind each value.", min=1)
    ] = None,
    target: Annotated[str, option("--target", "NAME", "Where the version was serving.")] = "",
    part: Annotated[Texts, option("--slice", "KEY=TEXT", "Which part of the data.")] = None,
    source: Annotated[
        Optional[str], option("--from", "FILE|-", "Read CSV, JSON Lines or JSON; '-' is standard input.")
    ] = None,
    kind: Annotated[
        Optional[str], option("--format", "csv|jsonl|json|nannyml", "The format of the file; json also of Evidently.")
    ] = None,
) -> None:
    """Record metrics of a version in use.

    Metrics measured while a version is in use, with their time. `monitor` checks them against the rules.

    A file has a row for each observation, with the columns at, name, value, n, target and slice; or a column for each
    metric. The model is not locked, and an observation with the same time, metric, target and slice replaces the one
    before: a job may be repeated.

    Examples:
        registry observe churn@production auc=0.91 --n 1200
        registry observe churn@7 rmse=3.2 --at 2026-11-26 --slice country=de
        registry observe churn@production --from metrics.csv
        evaluate.py | registry observe churn@production --from - --format jsonl
    """
    rows = _read_rows(source, kind) if source is not None else ()
    done = cx.registry().monitoring.observe(
        ref,
        values.pairs(pairs or (), lambda text, _: values.typed(text)),
        at=at,
        samples=samples,
        target=target,
        slice=values.pairs(part or (), values.line),
        rows=rows,
        **cx.change,
    )
    span = "" if done.first == done.last else f" to {format_time(done.last)}"
    word = "would be recorded" if cx.dry_run else "recorded"
    cx.say(f"{done.ref}: {word}: {plural(done.recorded, 'observation')}, {format_time(done.first)}{span}")
    cx.show_changed("observed", done, done.ref)


def _read_rows(source: str, kind: str | None) -> list[ObservationRow]:
    from ...monitoring import observation_sources as sources

    if kind is None and source == "-":
        raise InvalidInput("the format of standard input is not known", f"add --format {'|'.join(sources.KINDS)}")
    if kind is not None and kind not in sources.KINDS:
        raise InvalidInput(f"there is no format '{escape(kind)}'", f"use {', '.join(sources.KINDS)}")
    try:
        if source == "-":
            data = sys.stdin.buffer.read(sources.LIMIT + 1)
        else:
            with Path(source).open("rb") as stream:
                data = stream.read(sources.LIMIT + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file '{escape(source)}'") from None
    except IsADirectoryError:
        raise InvalidInput(f"'{escape(source)}' is a folder", "name a file") from None
    if len(data) > sources.LIMIT:
        raise InvalidInput(f"'{escape(source)}' is larger than {sources.LIMIT >> 20} MiB", "split it")
    what = "standard input" if source == "-" else source
    found = list(sources.read_rows(kind or sources.guess_kind(source), data, what))
    if not found:
        raise InvalidInput(f"{what} has no observations in it")
    return found


@command("monitor", "Monitor", exits=(0, 1, 2, 3, 5, 6, 7, 8), writes=True, dry_run=True, formats=("prometheus",))
def monitor(
    cx: Session,
    refs: Annotated[Texts, argument("[NAME|REF]...", "Models or versions; every model when none is named.")] = None,
    window: Annotated[
        Optional[str],
        option("--window", "TIME", "The mean over so long, in place of what the rules say; nothing is recorded."),
    ] = None,
    plot: Annotated[bool, flag("--plot", "Draw each metric over the newest windows.")] = False,
) -> None:
    """Check recorded metrics against the rules.

    The mean of each metric over the newest window, against the rules under `monitor` in registry.yaml, group.yaml and
    model.yaml. Of a model: the version in the last stage, and others with a stage or an alias that have observations.
    An alert that begins or ends is recorded in the history, and hooks get it. Exit code 5 while an alert lasts.

    In a pipe: ref, metric, target, slice, value, wanted, n, time of the last, outcome; separated by tabs. -q prints the
    versions that have an alert.

    Examples:
        registry monitor churn
        registry monitor --window 30d
        registry monitor churn@7 --plot
        registry monitor --format prometheus > /var/lib/node_exporter/registry.prom
    """
    from ...rules.monitor_evaluation import ALERT, STALE

    damage = cx.collect_damage()
    found = cx.registry().monitoring.monitor(refs or (), window=window, on_damage=damage, **cx.change)
    alerts = [each for each in found if each.outcome in (ALERT, STALE)]
    changed = [each for each in found if each.change]
    for each in changed:
        _report_change(cx, each)
    if cx.dry_run:
        cx.say(f"{plural(len(changed), 'event')} would be recorded")
    if cx.form == "prometheus":
        from ...monitoring.prometheus import format_metrics

        write(format_metrics(found), end="")
    else:
        cx.show(_make_output(found, plot))
    damage.raise_found(own_code=True)
    if alerts:
        raise typer.Exit(5)


def _report_change(cx: Session, status: SeriesStatus) -> None:
    verb = {"alerted": "an alert begins", "recovered": "the alert has ended"}[status.change]
    value = "nothing recorded" if status.value is None else format_number(status.value)
    cx.say(f"{status.ref} {status.metric}: {verb}: {value}, wanted {status.wanted}")


def _make_output(found: list[SeriesStatus], plot: bool) -> Output:
    from ...rules.monitor_evaluation import ALERT, STALE
    from ..views.monitor_view import draw_plot, draw_trend

    rows = [
        (each.ref, each.metric, each.target, each.slice, each.value, each.wanted, each.samples, each.last, each.outcome)
        for each in found
    ]
    shown = [
        [
            each.ref,
            " ".join(
                filter(None, (each.metric, each.target and f"on {each.target}", each.slice and f"[{each.slice}]"))
            ),
            "-" if each.value is None else format_number(each.value),
            each.wanted or "-",
            str(each.samples or "-"),
            draw_trend(each.trend),
            format_time(each.last) or "never",
            each.outcome or "-",
        ]
        for each in found
    ]
    text = None if found else "no observations: record some with 'registry observe REF KEY=NUMBER'"
    if plot and found:
        text = "\n\n".join(filter(None, map(draw_plot, found))) or "too few observations to plot"
    refs = list(dict.fromkeys(each.ref for each in found if each.outcome in (ALERT, STALE)))
    columns = ("ref", "metric", "value", "wanted", "n", "trend", time_column("last"), "outcome")
    return Output("monitored", {"items": found}, refs, columns, rows, shown, text, names=_NAMES, wrap=True)


@command("profile", "Monitor", exits=(0, 1, 2, 3, 6, 7, 8), writes=True, dry_run=True)
def profile(
    cx: Session,
    ref: VersionRef,
    data: Annotated[str, argument("DATA", "A CSV or Parquet file with a row for each example.")],
    columns: Annotated[Texts, option("--column", "GLOB", "Only these columns.")] = None,
) -> None:
    """Record what the data of a version looks like.

    The shares of values in each column: the baseline that `drift` compares with. A profile takes the place of the one
    before; no row of the data is kept, but of columns of texts the most frequent values.

    Examples:
        registry profile churn@7 train.csv
        registry profile churn@production train.parquet --column 'amount*' --column country
    """
    done = cx.registry().monitoring.profile(
        ref, data, columns=columns or (), dry_run=cx.dry_run, request_id=cx.request_id
    )
    word = "would be recorded" if cx.dry_run and done.changed else "recorded" if done.changed else "was so already"
    cx.say(f"{done.ref}: profile of {plural(done.columns, 'column')} and {plural(done.rows, 'row')}: {word}")
    cx.show_changed("profiled", done, done.ref)


@command("drift", "Monitor", exits=(0, 1, 2, 3, 5, 6, 7, 8), writes=True, dry_run=True, lists=True)
def drift(
    cx: Session,
    ref: VersionRef,
    data: Annotated[str, argument("DATA", "A CSV or Parquet file with a row for each example.")],
    target: Annotated[str, option("--target", "NAME", "Where the data was seen.")] = "",
    most: Annotated[Optional[float], option("--max", "PSI", "Exit 5 when a column has a higher index.", min=0)] = None,
) -> None:
    """Measure how far data is from the profile of a version.

    How far data is from the profile of a version, column by column: the population stability index (PSI), the
    Jensen-Shannon distance, and the share of missing values before and now. The figures are recorded as the metrics
    psi.COLUMN, js.COLUMN and missing.COLUMN, which rules of `monitor` can bound.

    In a pipe: column, psi, distance, values, missing before, missing now, note; separated by tabs. -q prints the
    columns above --max.

    Examples:
        registry drift churn@production today.csv
        registry drift churn@production today.parquet --target eu-1 --max 0.25
    """
    done = cx.registry().monitoring.drift(ref, data, target=target, **cx.change)
    above = [each.name for each in done.columns if most is not None and each.psi is not None and each.psi > most]
    rows = [
        (each.name, each.psi, each.distance, each.count, each.missing_before, each.missing_share, each.note)
        for each in done.columns
    ]
    shown = [
        [name, *("-" if each is None else f"{each:.3f}" for each in (psi, distance)), f"{count:,}",
         f"{before:.1%} -> {now:.1%}", note]
        for name, psi, distance, count, before, now, note in rows
    ]  # fmt: skip
    word = "would be recorded" if cx.dry_run else "recorded"
    cx.say(f"{done.ref}: {plural(done.rows, 'row')} compared, {plural(done.recorded, 'observation')} {word}")
    columns = ("column", "psi", "distance", "values", "missing", "note")
    names = ("column", "psi", "distance", "values", "missing_before", "missing_now", "note")
    cx.show(Output("drift", done, above, columns, rows, shown, names=names))
    if above:
        raise typer.Exit(5)
