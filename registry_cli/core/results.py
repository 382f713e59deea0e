"""What a verb did or found, as frozen records. Sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .lazy_dataclass import Record, dataclass, field
from .records import FileEntry, VersionRecord

if TYPE_CHECKING:
    from .normalization import SkippedValue


@dataclass(frozen=True)
class PointerChange(Record):
    """The outcome of a change of a stage or alias. ``changed`` is False when it was so already.

    ``before`` and ``after`` are version numbers, None for "points to nothing". ``revision`` is the stage table's.
    ``overridden`` are the names of the rules of the policy that ``force`` overrode.
    """

    model: str
    pointer: str
    before: int | None
    after: int | None
    revision: int
    changed: bool = True
    note: str = ""
    overridden: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """The version it points to now, or the model alone when it points to none."""
        return self.model if self.after is None else f"{self.model}@{self.after}"


@dataclass(frozen=True)
class VersionsChanged(Record):
    """The outcome of a change of several versions (archive, pack, restore, delete) or of what is said of one.

    ``freed`` are the bytes that packing gave back; of a dry run about so many. Below zero: it took more than it freed.
    ``values`` are the tags or metrics that changed: name to value before and after, None where there was or is none.
    ``overridden`` says which safeguards ``force`` overrode.
    ``warnings`` and ``skipped`` are as those of a registration. ``excluded`` says why an approval does not count by the policy.
    """

    model: str
    action: str
    versions: tuple[int, ...]
    revision: int
    changed: bool = True
    freed: int = 0
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict, compare=False)
    overridden: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[SkippedValue, ...] = ()
    excluded: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(f"{self.model}@{number}" for number in self.versions)


@dataclass(frozen=True)
class ModelChanged(Record):
    """The outcome of a change of what is said of a model: the ``keys`` of its document that changed."""

    model: str
    keys: tuple[str, ...]
    revision: int
    changed: bool = True


@dataclass(frozen=True)
class ModelRenamed(Record):
    """The outcome of a change of a model's name. ``changed`` is False when it had that name already."""

    before: str
    after: str
    changed: bool = True


@dataclass(frozen=True)
class Deployed(Record):
    """The outcome of a deployment, or of its end. ``changed`` is False when it was so already.

    ``version`` is what the target serves now, ``before`` what it served before; None for nothing. ``state`` is ``running``
    (the server says so), ``placed`` (it was not asked) or ``failed``; empty where nothing is served. ``why`` says more of
    what ``sync`` did not do, with the exit code of that failure in ``code``.
    """

    model: str
    target: str
    version: int | None
    before: int | None
    state: str
    path: str
    changed: bool = True
    overridden: tuple[str, ...] = ()
    why: str = ""
    code: int = 0

    @property
    def ref(self) -> str:
        """The version that the target serves now, or the model alone."""
        return self.model if self.version is None else f"{self.model}@{self.version}"


@dataclass(frozen=True)
class Deployment(Record):
    """Which version a target runs: by the record of the registry and, if it was checked, in fact.

    ``stage_version`` is the version of the stage ``follows``; ``pending`` one whose deployment was not completed.
    ``folder`` is what the folder of the target says, ``running`` what the server says: both None unless they were asked.
    ``state`` is ``placed``, ``running``, ``failed`` or ``deploying``, as it was recorded, or ``behind`` (the stage has moved)
    or what the last check found; after a check ``ok``, ``behind``, ``drifted``, ``damaged``, ``unreachable`` or ``unknown``,
    and ``why`` says more.
    """

    model: str
    target: str
    version: int | None
    digest: str
    follows: str
    stage_version: int | None
    state: str
    at: str
    by: str
    path: str
    pending: int | None = None
    folder: int | None = None
    running: tuple[int, ...] | None = None
    why: str = ""

    @property
    def ref(self) -> str:
        """The version that the target runs, or the model alone."""
        return self.model if self.version is None else f"{self.model}@{self.version}"


@dataclass(frozen=True)
class ExcludedFiles(Record):
    """What one pattern kept out of a version. ``origin`` is ``default``, ``--exclude`` or ``.registryignore``.

    ``count`` is how many files and folders it matched (what is inside an excluded folder is not counted); ``paths`` are
    the first of them, a folder with a slash at the end.
    """

    pattern: str
    origin: str
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class FileReport:
    """What was not stored of the given files: exclusions, empty folders; and warnings about the rest."""

    excluded: tuple[ExcludedFiles, ...] = ()
    empty_folders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """What was left out, in one line: ``excluded .git/, __pycache__/ (3); 2 empty folders not stored: a/, b/``."""
        parts = []
        if self.excluded:
            named = [each.paths[0] if each.count == 1 else f"{each.pattern} ({each.count:,})" for each in self.excluded]
            more = f" and {len(named) - 10:,} more" if len(named) > 10 else ""
            parts.append(f"excluded {', '.join(named[:10])}{more}")
        if count := len(self.empty_folders):
            some = ", ".join(self.empty_folders[:3]) + (", …" if count > 3 else "")
            parts.append(f"{count:,} empty folder{'s' if count > 1 else ''} not stored: {some}")
        return "; ".join(parts)


@dataclass(frozen=True)
class RegisteredVersion(VersionRecord):  # noqa: PLW1641 - versions hold mappings, so none has a hash
    """A version that was registered, and the outcome. ``new`` is False for an earlier version; ``why`` then says why.

    ``added`` is the number of bytes that the store grew by: files it held already are not stored again. ``warnings``
    are sentences about the files, and about what could not be found out of where they come from. ``excluded`` and
    ``empty_folders`` are what was left out of the given folders. ``not_stored`` names what was given and an earlier
    version does not have (``metrics.auc``, ``message``), ``updated`` what was stored of it as later metrics and tags.
    ``moved`` are the stage and the alias that were to point to it. ``manifest`` are the files; of a dry run only.
    ``skipped`` are the params and metrics that are not valid and were left out because ``skip_invalid`` was set.
    """

    new: bool = True
    added: int = 0
    why: str = ""
    warnings: tuple[str, ...] = ()
    excluded: tuple[ExcludedFiles, ...] = ()
    empty_folders: tuple[str, ...] = ()
    not_stored: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    skipped: tuple[SkippedValue, ...] = ()
    moved: tuple[PointerChange, ...] = ()
    manifest: tuple[FileEntry, ...] = ()

    @property
    def left_out(self) -> str:
        """What was not stored of the given folders, in one line; empty for nothing."""
        return FileReport(self.excluded, self.empty_folders).summary()

    def __eq__(self, other: object) -> bool:
        """As the version that it is, so that ``version in reg.versions(name)`` holds."""
        return isinstance(other, VersionRecord) and all(
            getattr(self, each) == getattr(other, each) for each in VersionRecord.__match_args__ if each != "folder"
        )


@dataclass(frozen=True)
class Signature(Record):
    """A signature, and whether it holds. ``key`` is the fingerprint of the key that made it.

    ``principal`` is who that key belongs to, as ``allowed_signers`` says; empty when the signature does not count, and
    then ``problem`` says why, and ``code`` is its stable name. ``by`` and ``at`` are what the event says.
    """

    by: str
    at: str
    key: str
    principal: str = ""
    code: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Approval(Record):
    """What a person decided on a version for a stage: the newest of each person and stage.

    ``state`` is ``in-force``; ``lapsed`` when the version is not any more what was looked at; or ``excluded`` when the
    policy does not let this person approve. ``why`` says more of the last two. ``signature`` is None for an unsigned one.
    """

    ref: str
    stage: str
    by: str
    at: str
    approved: bool
    reason: str
    state: str
    why: str = ""
    signature: Signature | None = None


@dataclass(frozen=True)
class PendingApproval(Record):
    """A version that only approvals keep out of a stage: what the policy wants, in words, and what it found.

    ``approved_by`` are the accounts whose approval counts already.
    """

    ref: str
    stage: str
    wanted: tuple[str, ...]
    found: str
    approved_by: tuple[str, ...]
    author: str
    created: str


@dataclass(frozen=True)
class ImportResult(Record):
    """What became of one version, or of one whole model, that came from elsewhere. ``key`` names it there.

    ``ref`` is what it is here: a version, or a model; empty when it is not here. ``status`` is ``imported``, ``skipped``
    (it is here already), ``planned`` (with ``dry_run``) or ``failed``; ``why`` then says why, and ``code`` is the exit
    code of that failure. ``size`` is in bytes, ``versions`` how many it holds. ``lost`` says what could not be carried
    over; ``excluded``, ``empty_folders`` and ``warnings`` are those of :class:`RegisteredVersion`.
    """

    key: str
    ref: str
    status: str
    why: str = ""
    size: int = 0
    versions: int = 1
    lost: tuple[str, ...] = ()
    code: int = 0
    excluded: tuple[ExcludedFiles, ...] = ()
    empty_folders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def left_out(self) -> str:
        """What was not stored of its files, in one line; empty for nothing."""
        return FileReport(self.excluded, self.empty_folders).summary()


@dataclass(frozen=True)
class ExportResult(Record):
    """What went into a file or folder: the references, how many bytes their files have, and what could not be carried."""

    path: str
    refs: tuple[str, ...]
    size: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class LineageNode(Record):
    """A version that another was made from, or that was made from it, and so on: ``relatives`` goes on in the same direction.

    ``version`` is None for one that is not here; ``note`` then says why. It also says when ``relatives`` is left out: the
    same stands above, or further away than was asked for.
    """

    ref: str
    version: VersionRecord | None
    note: str = ""
    relatives: tuple[LineageNode, ...] = ()


@dataclass(frozen=True)
class LineageGraph(Record):
    """A version, what it was made from, what was made from it, and the targets that run it."""

    version: VersionRecord
    parents: tuple[LineageNode, ...] = ()
    children: tuple[LineageNode, ...] = ()
    deployments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeStep(Record):
    """A part of making a version again: ``notes`` for a person, ``commands`` for a shell; each a line or more."""

    name: str
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe(Record):
    """How a version can be made again, as far as it is known."""

    version: VersionRecord
    steps: tuple[RecipeStep, ...]


@dataclass(frozen=True)
class ReproducibilityCheck(Record):
    """Something that making a version again takes. ``outcome`` is ``holds``, ``differs`` or ``unknown``."""

    name: str
    outcome: str
    wanted: str
    found: str = ""


@dataclass(frozen=True)
class Problem(Record):
    """Something that ``verify`` found. ``code`` is stable; ``severity`` is ``error`` or ``warning``.

    ``repair`` is True when ``repair`` can fix it without touching an artifact.
    """

    code: str
    severity: str
    where: str
    message: str
    repair: bool = False


@dataclass(frozen=True)
class DoctorCheck(Record):
    """One check of ``doctor``: ``status`` is ok, warning or failed; ``advice`` says what to change."""

    check: str
    status: str
    message: str
    advice: str = ""


@dataclass(frozen=True)
class CleanupItem(Record):
    """One thing that ``gc`` or ``repair`` removed or fixed, or would with ``--dry-run``; ``size`` in bytes."""

    what: str
    path: str
    size: int = 0


@dataclass(frozen=True)
class Verification(Record):
    """The outcome of ``verify``: how much was checked, and every problem found.

    ``signatures`` counts those that were checked, ``unsigned`` the versions that have none that holds; both are None
    when signatures were not looked at.
    """

    models: int
    versions: int
    files: int
    size: int
    problems: tuple[Problem, ...]
    signatures: int | None = None
    unsigned: int | None = None

    @property
    def ok(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)
