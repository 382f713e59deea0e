"""Compare versions: two of them as a diff, or several side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..core.lazy_dataclass import Record, dataclass, replace
from ..core.names import Reference, Selector, version_number
from ..core.records import VersionRecord
from ..core.values import flatten
from ..errors import InvalidInput
from . import io_schema
from .metric_directions import HIGHER, LISTED, LOWER, Directions

#: The sections of a comparison side by side.
SECTIONS = ("params", "metrics", "tags")
#: The number of heights of a sparkline.
HEIGHTS = 8

_SECTIONS = ("params", "metrics", "tags", "annotations", "message", "signature", "lineage", "packages", "files")
_NAMED = 10


@dataclass(frozen=True)
class Difference(Record):
    """A value that differs between two versions: its name, and its value in each; None where it is absent."""

    name: str
    before: Any
    after: Any

    @property
    def change(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def delta(self) -> float | None:
        """``after - before``; None for what is not a number."""
        return None


@dataclass(frozen=True)
class MetricDifference(Difference):
    """A metric that differs. ``better`` says whether it improved; None where that is not known."""

    better: bool | None = None

    @property
    def delta(self) -> float | None:
        """``after - before``; None if one of them is absent, or the difference is not finite."""
        return None if self.before is None or self.after is None else _finite(self.after - self.before)

    @property
    def percent(self) -> float | None:
        """``delta`` in percent of the absolute value of ``before``; None if that is 0."""
        return None if self.delta is None or not self.before else _finite(self.delta / abs(self.before) * 100)


@dataclass(frozen=True)
class StoredFile(Record):
    """The content of a file: its sha256, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class FileDifference(Difference):
    """A file that differs: ``name`` is its path, ``before`` and ``after`` are a :class:`StoredFile`."""

    @property
    def delta(self) -> int | None:
        """The difference of the sizes in bytes; None if one of the files is absent."""
        return None if self.before is None or self.after is None else self.after.size - self.before.size


@dataclass(frozen=True)
class Diff(Record):
    """The differences of two versions, each section sorted by name.

    ``message`` has at most one entry. ``lineage`` has dotted names. ``signature`` has the inputs, outputs and features
    (``inputs.row``) that are known of both. ``commits`` are those between the two, the newest first, if the repository
    is at hand; ``more_commits`` says that there are others. ``packages`` are those of both environments.
    """

    before: VersionRecord
    after: VersionRecord
    params: tuple[Difference, ...] = ()
    metrics: tuple[MetricDifference, ...] = ()
    tags: tuple[Difference, ...] = ()
    annotations: tuple[Difference, ...] = ()
    message: tuple[Difference, ...] = ()
    lineage: tuple[Difference, ...] = ()
    signature: tuple[Difference, ...] = ()
    commits: tuple[Difference, ...] = ()
    packages: tuple[Difference, ...] = ()
    files: tuple[FileDifference, ...] = ()
    more_commits: bool = False

    def sections(self) -> Iterator[tuple[str, tuple[Difference, ...]]]:
        """Yield the sections with differences."""
        for section in _SECTIONS:
            if found := getattr(self, section):
                yield section, found

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not any(self.sections())


@dataclass(frozen=True)
class Row(Record):
    """One param, metric or tag of several versions; None for a version without it.

    Of a metric, ``best`` are the indexes of the best values (see :func:`best`), ``lower`` says whether lower is better
    (None where that is not known), and ``heights`` are those of a sparkline, from the oldest version to the newest.
    """

    section: str
    name: str
    values: tuple[Any, ...]
    best: tuple[int, ...] = ()
    lower: bool | None = None
    heights: tuple[int | None, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether not all values are the same."""
        return any(not same(self.values[0], value) for value in self.values[1:])


@dataclass(frozen=True)
class Comparison(Record):
    """Versions of one model side by side: each row has a value for each of ``versions``, in their order."""

    model: str
    versions: tuple[VersionRecord, ...]
    rows: tuple[Row, ...]

    @property
    def refs(self) -> tuple[str, ...]:
        """The canonical references of the versions."""
        return tuple(version.ref for version in self.versions)

    def only_differing(self) -> Comparison:
        """Return the comparison without rows of equal values."""
        return Comparison(self.model, self.versions, tuple(row for row in self.rows if row.differs))


def same(one: object, other: object) -> bool:
    """Return whether two values are equal: 1 and 1.0 are, and NaN and NaN; neither a text nor ``true`` is a number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)  # noqa: PLR0124  NaN


_D = TypeVar("_D", bound=Difference)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], kind: type[_D]) -> tuple[_D, ...]:
    """Return the differences of two mappings, sorted by name. An absent value is None."""
    pairs = ((name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys()))
    return tuple(kind(name, old, new) for name, old, new in pairs if not same(old, new))


def diff(
    before: VersionRecord,
    after: VersionRecord,
    files: tuple[FileDifference, ...] = (),
    packages: tuple[Difference, ...] = (),
    commits: tuple[tuple[Difference, ...], bool] = ((), False),
    directions: Directions = LISTED,
) -> Diff:
    """Return the differences of two records, together with those of their ``files``, ``packages`` and ``commits`` (and
    whether there are more commits). ``directions`` decide which metrics improved.
    """
    old, new = io_schema.comparable_signatures(before.lineage, after.lineage)
    sides = {name.partition(".")[0] for name in old}
    lineages = [_flatten_lineage(io_schema.remove_sides(each.lineage, sides)) for each in (before, after)]
    return Diff(
        before,
        after,
        params=differences(before.params, after.params, Difference),
        metrics=tuple(
            replace(each, better=directions.better(each.name, each.before, each.after))
            for each in differences(before.metrics, after.metrics, MetricDifference)
        ),
        tags=differences(before.tags, after.tags, Difference),
        annotations=differences(before.annotations, after.annotations, Difference),
        message=differences({"message": before.message or None}, {"message": after.message or None}, Difference),
        lineage=differences(lineages[0], lineages[1], Difference),
        signature=differences(old, new, Difference),
        commits=commits[0],
        packages=packages,
        files=files,
        more_commits=commits[1],
    )


#: Parts of a lineage that differ for every version, like the time of its creation; they are not compared.
_EACH_TIME = ("run.started", "run.register")


def _flatten_lineage(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """The lineage with dotted names; nested, if these would be ambiguous."""
    values = {name: _by_place(value) if name in ("data", "code") else value for name, value in lineage.items()}
    try:
        return {name: value for name, value in flatten(values).items() if name not in _EACH_TIME}
    except InvalidInput:
        return {str(name): value for name, value in lineage.items()}


def _by_place(listed: Any) -> Any:
    """The digests of data or code by path or address; a value of another type is returned unchanged."""
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, Mapping) for each in listed):
        return listed
    return {str(each.get("path") or each.get("uri")): each.get("digest") for each in listed}


def beside(first: Reference, text: str, *, bare: bool = True) -> Reference:
    """Parse a reference that may leave out the model of ``first``.

    ``7``, ``v7`` and ``@production`` are of the same model; so are ``production`` and ``sha256:…``, if ``bare``. Raises
    :class:`InvalidInput`.
    """
    if text.startswith("@") or version_number(text) is not None:
        return Reference(first.model, Selector.parse(text.removeprefix("@")))
    is_bare = text.startswith("sha256:") or not re.search("[@:/]", text)
    if bare and is_bare and text != first.model:
        return Reference(first.model, Selector.parse(text))
    return Reference.parse(text)


def compare(
    versions: Sequence[VersionRecord],
    lower: Collection[str] = (),
    higher: Collection[str] = (),
    directions: Directions = LISTED,
) -> Comparison:
    """Compare versions of one model side by side. ``lower`` and ``higher`` take precedence over ``directions``.

    Raises :class:`InvalidInput` for a metric that no version has, or that is in both ``lower`` and ``higher``.
    """
    _check_named(versions, lower, higher)
    named = {**dict.fromkeys(lower, LOWER), **dict.fromkeys(higher, HIGHER)}
    by_age = sorted(range(len(versions)), key=lambda at: versions[at].number)
    rows = []
    for section in SECTIONS:
        of_each: list[Mapping[str, Any]] = [getattr(version, section) for version in versions]
        for name in sorted({name for values in of_each for name in values}):
            values = tuple(each.get(name) for each in of_each)
            if section == "metrics":
                direction = named.get(name) or directions.direction(name)
                lower_is_better = None if direction is None else direction == LOWER
                curve = heights([values[at] for at in by_age])
                rows.append(Row(section, name, values, best(values, lower_is_better), lower_is_better, curve))
            else:
                rows.append(Row(section, name, values))
    return Comparison(versions[0].model if versions else "", tuple(versions), tuple(rows))


def _check_named(versions: Sequence[VersionRecord], lower: Collection[str], higher: Collection[str]) -> None:
    if both := sorted(set(lower) & set(higher)):
        raise InvalidInput(f"'{both[0]}' is in both `lower` and `higher`", "use one of them")
    measured = {name for version in versions for name in version.metrics}
    if versions and (unknown := sorted((set(lower) | set(higher)) - measured)):
        known = ", ".join(sorted(measured)[:_NAMED])
        hint = f"available: {known}" if known else ""
        raise InvalidInput(f"none of these versions has the metric '{unknown[0]}'", hint)


def best(values: Sequence[float | None], lower: bool | None) -> tuple[int, ...]:
    """Return the indexes of the best values; none if all are equal, fewer than two are known, or ``lower`` is None."""
    known = [value for value in values if value is not None]
    if lower is None or len(known) < 2 or min(known) == max(known):
        return ()
    winner = min(known) if lower else max(known)
    return tuple(at for at, value in enumerate(values) if value is not None and value == winner)


def heights(values: Sequence[float | None]) -> tuple[int | None, ...]:
    """Return the heights of a sparkline: 0 for the lowest value, 7 for the highest, 3 if all are equal."""
    known = [value / 4 for value in values if value is not None]  # a quarter: no difference of two can overflow
    if not known:
        return (None,) * len(values)
    low, span = min(known), max(known) - min(known)
    return tuple(
        None if value is None else round((value / 4 - low) / span * (HEIGHTS - 1)) if span else HEIGHTS // 2 - 1
        for value in values
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
