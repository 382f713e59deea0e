"""Params and metrics as a command is given them: typed, and in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ..core import values
from .command import flag, option
from .views.text import escape

if TYPE_CHECKING:
    from ..core.normalization import NormalizedValues, SkippedValue
    from .session import Session

_NAMED = 10
Only = list[str] | None
MetricsFile = Annotated[
    Only, option("--metrics-file", "FILE", "Metrics from JSON, YAML, TOML, a CSV log, or a report of scikit-learn.")
]
MetricsOnly = Annotated[Only, option("--metrics-only", "GLOB", "Of the files, only metrics that match.")]
ParamsFile = Annotated[Only, option("--params-file", "FILE", "Params from JSON, YAML or TOML; nested keys get dots.")]
ParamsOnly = Annotated[Only, option("--params-only", "GLOB", "Of the files, only params that match.")]
SkipInvalid = Annotated[bool, flag("--skip-invalid", "Leave out params and metrics that are not valid, and name them.")]


def collect(
    cx: Session,
    kind: str,
    files: Sequence[str] | None,
    pairs: Sequence[str] | None,
    only: Sequence[str] | None,
    skip_invalid: bool,
) -> NormalizedValues:
    """The params or metrics of files, and those that were typed, which take precedence.

    Prints which have no value and are left out, and which globs select nothing. Raises :class:`InvalidInput`, naming all
    values that are not valid, unless they are to be skipped.
    """
    from ..core.normalization import Collection, NormalizedValues
    from ..interop import value_files

    collection = Collection(kind, tuple(only or ()))
    for path in files or ():
        found_in_file = value_files.read(path, kind, skip_invalid=skip_invalid)
        collection.add(found_in_file, path)
        if not found_in_file:
            cx.warn(f"{path} has no {kind}s")
    collection.add(values.pairs(pairs or (), lambda text, _: values.typed(text)), selected=False)
    found, skipped = collection.done(skip_invalid=skip_invalid)
    for warning in collection.warnings:
        cx.warn(warning)
    if collection.empty:
        cx.say(f"left out, without a value: {_join_names(collection.empty)}")
    return NormalizedValues(found, skipped)


def warn_of_skipped(cx: Session, skipped: Sequence[SkippedValue]) -> None:
    """Name the values that were left out because they are not valid."""
    for each in skipped[:_NAMED]:
        cx.warn(f"skipped: {each}")
    if len(skipped) > _NAMED:
        cx.warn(f"skipped {len(skipped) - _NAMED:,} more values that are not valid")


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(escape, names[:_NAMED])) + more
