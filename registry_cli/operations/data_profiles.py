"""Profile the data that a version was trained on, and measure how far other data is from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..core import names
from ..core.lazy_dataclass import Record, dataclass
from ..core.names import Reference
from ..core.observations import Observation
from ..core.times import format_time
from ..core.values import OneOrMore, as_list
from ..errors import Damaged, NotFound
from ..monitoring import data_profile, observation_files
from ..monitoring.data_profile import ColumnDrift, DataProfile
from ..rules.event_history import EventFilter
from ..store import history
from ..store.filesystem import files, removal
from .context import resolve_version
from .transaction import make_event, transaction

if TYPE_CHECKING:
    from pathlib import Path

    from ..store.layout import ModelLayout
    from .context import RegistryContext

_ACTION = "profiled"


@dataclass(frozen=True)
class ProfileRecorded(Record):
    """The outcome of profiling data: of which version, the profile, and whether it is new."""

    ref: str
    rows: int
    columns: int
    sha256: str
    changed: bool


@dataclass(frozen=True)
class DriftReport(Record):
    """How far data is from the profile of a version, the column that differs most first.

    ``recorded`` is how many observations were recorded of it; in a dry run, would be.
    """

    ref: str
    rows: int
    columns: tuple[ColumnDrift, ...]
    recorded: int = 0


def profile(
    context: RegistryContext,
    ref: str | Reference,
    data: Any,
    *,
    columns: OneOrMore[str] = (),
    dry_run: bool = False,
    request_id: str | None = None,
) -> ProfileRecorded:
    """Record what the data of a version looks like: the baseline of :func:`drift`.

    Args:
        ref: The version; ``churn`` alone is refused.
        data: The path of a CSV or Parquet file, a data frame, or a mapping of columns.
        columns: Names or globs of the columns that count; all when there are none.
        dry_run: Compute the profile and record nothing.
        request_id: Makes a repetition safe.

    Raises:
        InvalidInput: The data can't be read, or its profile is too large.
        NotFound: There is no such version, or no such file.
    """
    chosen = as_list(columns, "columns")
    reference = Reference.parse_version(ref)
    found = data_profile.build_profile(
        _iter_rows(data), lambda name: not chosen or any(fnmatchcase(name, glob) for glob in chosen)
    )
    encoded = found.encode()
    digest = hashlib.sha256(encoded).hexdigest()
    snapshot, number = resolve_version(context, reference)
    name = f"{snapshot.name}@{number}"
    changed = _find_digest(snapshot.paths, number) != digest
    if not dry_run and changed:
        with transaction(context, snapshot.name, request_id, _ACTION) as (writer, done):
            if not done:
                path = _path(writer.paths, number, digest)
                observation_files.make_folders(writer.paths, number, context.modes)
                removal.replace(path, encoded, context.modes.file)
                event = make_event(context, _ACTION, number, request_id, sha256=digest, rows=found.rows)
                writer.move(writer.table, event)
    return ProfileRecorded(name, found.rows, len(found.columns), digest, changed)


def drift(
    context: RegistryContext,
    ref: str | Reference,
    data: Any,
    *,
    target: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
) -> DriftReport:
    """Measure how far data is from the profile of a version, and record it as observations.

    These are ``psi.COLUMN``, ``js.COLUMN`` and ``missing.COLUMN``, each with the number of values compared, so that
    rules of ``monitor`` can bound them.

    Args:
        ref: The version.
        data: As for :func:`profile`.
        target: Where the data was seen.
        dry_run: Record nothing.
        request_id: Is kept with each observation.

    Raises:
        NotFound: There is no such version, or it has no profile.
        InvalidInput: The data can't be read.
        Damaged: The profile is not the one that was recorded.
    """
    snapshot, number = resolve_version(context, Reference.parse_version(ref))
    name = f"{snapshot.name}@{number}"
    before = load_profile(snapshot.paths, number)
    rows, columns = data_profile.compute_drift(before, _iter_rows(data))
    now, identity = context.clock(), names.request_id(request_id) if request_id else ""
    found = [
        Observation(format_time(now), f"{kind}.{each.name}", value, count or None, target, "", context.author, identity)
        for each in columns
        if each.psi is not None
        for kind, value, count in (
            ("psi", each.psi, each.count),
            ("js", each.distance or 0.0, each.count),
            ("missing", each.missing_share, rows),
        )
    ]
    if found and not dry_run:
        observation_files.append(
            snapshot.paths, number, found, now, context.modes, context.lock_timeout, context.on_wait
        )
    return DriftReport(name, rows, columns, len(found))


def load_profile(paths: ModelLayout, number: int) -> DataProfile:
    """The newest profile of a version. Raises :class:`NotFound`, and :class:`Damaged` when it was changed."""
    digest = _find_digest(paths, number)
    if not digest:
        raise NotFound(
            f"{paths.name}@{number} has no profile", f"registry profile {paths.name}@{number} DATA makes one"
        )
    path = _path(paths, number, digest)
    try:
        encoded = files.read(path, data_profile.LIMIT, path.name)
    except FileNotFoundError:
        raise Damaged(f"the profile of {paths.name}@{number} is missing: {paths.relative(path)}") from None
    if hashlib.sha256(encoded).hexdigest() != digest:
        raise Damaged(f"the profile of {paths.name}@{number} was changed: {paths.relative(path)}")
    return DataProfile.decode(encoded, path.name)


def _find_digest(paths: ModelLayout, number: int) -> str:
    for entry in history.newest_first(paths, EventFilter(actions=frozenset({_ACTION}))):
        if entry.event.version == number:
            return str(entry.event.detail.get("sha256"))
    return ""


def _path(paths: ModelLayout, number: int, digest: str) -> Path:
    return paths.observations(number) / f"profile-{digest[:16]}.json"


def _iter_rows(data: Any) -> Iterable[Mapping[str, object]]:
    if isinstance(data, (str, os.PathLike)):
        from ..monitoring import data_files

        return data_files.iter_rows(os.fspath(data))
    return data_profile.parse_rows(data)
