"""What is stored, as frozen records. Times are ISO 8601 in UTC, sizes are bytes, digests lower-case hex."""

from __future__ import annotations

from collections.abc import Mapping

from .lazy_dataclass import Record, dataclass, field, replace
from .version_ranges import VersionRanges

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .values import Metric, Param

#: What the first keys of every event mean; all others are details of its action.
_EVENT_KEYS = ("id", "at", "by", "host", "action", "version")
#: The action of the event that deletes a model.
MODEL_DELETED = "model-deleted"


@dataclass(frozen=True)
class Event(Record):
    """One change, as it is recorded with the thing it changed and in the journal.

    ``id`` is the request id. ``action`` is one of registered, promoted, demoted, rolled-back, archived, restored,
    packed, deleted, aliased, unaliased, tagged, annotated, measured, approved, rejected, signed, described, renamed, repaired, passed-over,
    alerted, recovered, observations-closed, profiled, model-deleted, deploying, deployed, deploy-failed, undeployed,
    deployment-changed.
    ``detail`` holds what belongs to that action: ``stage``, ``before``, ``after``, ``reason``, ``versions`` and so on.
    """

    id: str
    at: str
    by: str
    host: str
    action: str
    version: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        first = {name: getattr(self, name) for name in _EVENT_KEYS if getattr(self, name) is not None}
        return {**first, **self.detail}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Event:
        """Raises KeyError or TypeError when a key is missing or of another type."""
        first = {name: document[name] for name in _EVENT_KEYS[:5]}
        if not all(isinstance(value, str) for value in first.values()):
            raise TypeError("an event's id, at, by, host and action are texts")
        version = document.get("version")
        if version is not None and type(version) is not int:
            raise TypeError("an event's version is a number")
        detail = {name: value for name, value in document.items() if name not in _EVENT_KEYS}
        return cls(**first, version=version, detail=detail)


@dataclass(frozen=True)
class JournalEntry(Record):
    """One line of the journal: an event, its place in the chain, and the state after it.

    ``highest`` is the highest version number given so far, ``revision`` the revision of the stage table. ``sealed``
    is the sha256 of the document that came with the event (see ``ModelLayout.document_of``), empty where none did.
    ``carrier`` is set only for an approval or rejection that recovery added, found in a file of another account than the
    event names: that account. Such an approval does not count.
    """

    seq: int
    prev: str
    hash: str
    highest: int
    revision: int
    event: Event
    sealed: str = ""
    carrier: str = ""


@dataclass(frozen=True)
class Checkpoint(Record):
    """A line of a history as recorded elsewhere: its place and its hash. Place 0 is before the first.

    ``seq`` is None when only the hash is known. As a text it is ``churn:16:9f86d0…``.
    """

    model: str
    seq: int | None
    hash: str

    def __str__(self) -> str:
        return f"{self.model}:{self.seq}:{self.hash}" if self.seq is not None else f"{self.model}:{self.hash}"


@dataclass(frozen=True)
class ModelHistoryEntry(Record):
    """An entry of a history, and whose history it is."""

    model: str
    entry: JournalEntry


@dataclass(frozen=True)
class StageTable:
    """Everything about "which version is what", as ``stages.yaml`` holds it. ``revision`` grows with every change.

    ``deleted`` are the numbers of versions that were deleted; they never return. ``packed`` are those whose files lie
    in a pack. ``changed`` is the newest event, None before the first. ``extra`` keeps fields that a newer minor version
    wrote.
    """

    revision: int = 0
    stages: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    archived: VersionRanges = field(default_factory=VersionRanges)
    deleted: VersionRanges = field(default_factory=VersionRanges)
    changed: Event | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    packed: VersionRanges = field(default_factory=VersionRanges)

    def with_(self, **changes: Any) -> StageTable:
        return replace(self, **changes)

    @property
    def records_deletion(self) -> bool:
        """Whether the newest change deleted the model; a version that was registered since makes it one again."""
        return self.changed is not None and self.changed.action == MODEL_DELETED

    def stages_of(self, number: int) -> tuple[str, ...]:
        return tuple(stage for stage, at in self.stages.items() if at == number)

    def aliases_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, at in self.aliases.items() if at == number))


@dataclass(frozen=True)
class FileEntry(Record):
    """One file of an artifact: its path with forward slashes, and its sha256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class VersionRecord(Record):
    """One version with all that is known of it now.

    ``size`` is the total of its files in bytes, ``files`` their count, ``digest`` the sha256 of its manifest.
    ``tags``, ``annotations`` and ``metrics`` have later changes merged in. ``event`` is how it came to be. ``packed``
    are the bytes of its pack, None when its files lie in its ``folder``.
    """

    model: str
    number: int
    created: str
    author: str
    digest: str
    size: int
    files: int
    message: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    archived: bool = False
    event: Event | None = field(default=None, repr=False)
    packed: int | None = None
    folder: str = field(default="", repr=False, compare=False)

    @property
    def ref(self) -> str:
        """The canonical reference, ``churn@7``."""
        return f"{self.model}@{self.number}"

    @property
    def path(self) -> Path:
        """The folder with its files, unchecked; there is none while they are packed. :meth:`Registry.path` checks."""
        from pathlib import Path

        return Path(self.folder)


@dataclass(frozen=True)
class Artifact(Record):
    """The files of a version: in which folder they lie (none is there while it is packed), and what the manifest says
    of each.
    """

    version: VersionRecord
    folder: Path
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class ModelRecord(Record):
    """One model: what it is for, and which of its versions is what.

    ``versions`` counts those that are neither archived nor deleted; ``latest`` is the highest of these, None when
    there is none. ``updated`` is the time of the last change. ``id`` is the same under every name that the model gets (empty: it has none yet); ``formerly`` are the names that it had before it was renamed.
    """

    name: str
    created: str
    owner: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    versions: int = 0
    archived: int = 0
    latest: int | None = None
    stages: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0
    id: str = ""
    updated: str = ""
    formerly: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The part before the slash, empty for a model without a group."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class VersionSummary(Record):
    """What a list of models shows of one version: when it was made, and its first metrics."""

    created: str
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class ModelSummary(Record):
    """A model, and a glance at its latest version and at those that hold a stage, by number."""

    model: ModelRecord
    shown: Mapping[int, VersionSummary]


@dataclass(frozen=True)
class RegistryRecord(Record):
    """A registry as a whole: where it is, what it is, how much is in it.

    ``size`` are the bytes of all artifacts. ``packed`` of the versions are packed, and take ``packed_size`` bytes.
    ``unhealthy_deployments`` were not ok when they were last checked, were interrupted, or have failed.
    """

    root: str
    id: str
    format: int
    shared: str
    stages: tuple[str, ...]
    created: str
    models: int = 0
    versions: int = 0
    archived: int = 0
    size: int = 0
    packed: int = 0
    packed_size: int = 0
    deployments: int = 0
    unhealthy_deployments: int = 0
