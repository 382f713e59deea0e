"""What a report shows, as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ..core.records import JournalEntry, ModelHistoryEntry, ModelRecord, RegistryRecord, VersionRecord
    from ..core.results import Approval, Deployment
    from ..rules.metric_directions import Directions
    from ..rules.monitor_evaluation import SeriesStatus
    from ..rules.policy.evaluation import Evaluation


class DailyMean(NamedTuple):
    """The mean of the observations of one day, weighted by samples; ``value`` is None for a day without any."""

    day: str
    value: float | None


class MonitoredSeries(NamedTuple):
    """A series of observations: its status, and its means day by day, the oldest first."""

    status: SeriesStatus
    days: Sequence[DailyMean]


@dataclass(frozen=True, eq=False, repr=False)
class ModelReport:
    """A model. ``versions`` are all that are not deleted, the newest first, ``events`` the newest of its history.

    ``gates`` are the policies evaluated on the latest version, without their commands, ``problem`` is why they can't be.
    ``deployments`` are those of the model by the record: no server is asked.
    """

    model: ModelRecord
    versions: Sequence[VersionRecord]
    events: Sequence[JournalEntry]
    series: Sequence[MonitoredSeries]
    gates: Sequence[Evaluation]
    approvals: Sequence[Approval]
    directions: Directions
    problem: str = ""
    deployments: Sequence[Deployment] = ()

    @property
    def alerts(self) -> list[SeriesStatus]:
        """The series that have an alert."""
        return [each.status for each in self.series if each.status.outcome in ("alert", "stale")]


@dataclass(frozen=True, eq=False, repr=False)
class RegistryReport:
    """A registry. ``at`` is the time of the newest thing in it: the report is of that moment. ``unreadable`` says what is
    left out, since it is damaged.
    """

    registry: RegistryRecord
    title: str
    at: str
    models: Sequence[ModelReport]
    recent: Sequence[ModelHistoryEntry]
    unreadable: Sequence[str] = ()
