"""Class Registry: the public API. Each method is a function of :mod:`registry_cli.operations`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from . import operations
from .core import values
from .core.progress import SILENT, Progress
from .core.times import format_time, utc_now
from .operations.context import LOCK_TIMEOUT, OnEvent, RegistryContext, Trust, cache_folder, create_context, find_root
from .store import codec

if TYPE_CHECKING:
    from .core.names import Reference
    from .core.records import Artifact
    from .core.values import OneOrMore, PathLike
    from .inspect.inspection import Inspected
    from .lineage.process_info import Caller
    from .scan.verdicts import Scan

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _HasContext(Protocol):
    @property
    def context(self) -> RegistryContext: ...


class Operation(Generic[_P, _T]):
    """A function of :mod:`registry_cli.operations` as a method: called with the context in place of ``self``.

    ``load`` returns the function. It is called at each access, so a module is imported when one of its functions is
    first used.
    """

    def __init__(self, load: Callable[[], Callable[Concatenate[RegistryContext, _P], _T]]) -> None:
        self._load = load

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[RegistryContext, _P], _T]: ...

    @overload
    def __get__(self, instance: _HasContext, owner: type) -> Callable[_P, _T]: ...

    def __get__(self, instance: _HasContext | None, owner: type) -> Callable[..., _T]:
        function = self._load()
        return function if instance is None else MethodType(function, instance.context)


class RetentionOperations:
    """Archive, pack and delete versions by rules: ``reg.retention``."""

    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    plan = Operation(lambda: operations.retention.plan_retention)
    retain = Operation(lambda: operations.retention.retain)
    apply = Operation(lambda: operations.retention.apply_plans)
    prune_plans = Operation(lambda: operations.retention.plan_prune)
    prune = Operation(lambda: operations.retention.prune)


class ApprovalOperations:
    """Approve and sign versions, and list who did: ``reg.approvals``."""

    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    approve = Operation(lambda: operations.approvals.approve)
    list = Operation(lambda: operations.approvals.list_approvals)
    sign = Operation(lambda: operations.approvals.sign)
    signatures = Operation(lambda: operations.read.list_signatures)
    review = Operation(lambda: operations.gate.get_review)


class PolicyOperations:
    """The policies in force, and what they decide: ``reg.policies``."""

    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    gate = Operation(lambda: operations.gate.evaluate_gate)
    list = Operation(lambda: operations.gate.list_policy)
    commands = Operation(lambda: operations.gate.list_commands)


class LineageOperations:
    """Where versions come from: ``reg.lineage``."""

    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    trace = Operation(lambda: operations.lineage.trace_lineage)
    sidecar = Operation(lambda: operations.read.read_sidecar)
    reproduce = Operation(lambda: operations.lineage.get_recipe)
    reproducible = Operation(lambda: operations.lineage.check_reproducibility)


class AdminOperations:
    """Maintain a registry, and edit its documents: ``reg.admin``."""

    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    verify = Operation(lambda: operations.maintenance.verify_models)
    repair = Operation(lambda: operations.maintenance.repair_models)
    restorable = Operation(lambda: operations.maintenance.count_restorable)
    gc = Operation(lambda: operations.maintenance.collect_garbage)
    doctor = Operation(lambda: operations.maintenance.run_doctor)
    text = Operation(lambda: operations.models.read_text)
    check_text = Operation(lambda: operations.models.check_text)
    rewrite = Operation(lambda: operations.models.rewrite)
    rewrite_settings = Operation(lambda: operations.models.rewrite_settings)
    checkpoints = Operation(lambda: operations.history.list_checkpoints)


class Registry:
    """A registry, for reading and writing.

    ``author`` and ``now`` say who and when: by default the real user, and the clock in UTC. ``lock_timeout`` is in
    seconds; ``on_wait`` gets a sentence when a lock is held by somebody else. ``on_event`` gets each change, as the
    name of the model and the :class:`~registry_cli.records.Event`, when it is made and the lock is released; also a
    promotion that a gate refused, as the event ``gate-refused``. ``trust`` is called with the
    :class:`~registry_cli.rules.policy.command_checks.CommandSet` of a policy and says whether they may run here; without it none
    does. ``cache`` is the folder in which an index may be kept; without one every question is answered from the files.
    :meth:`open` takes the user's own. ``progress`` counts versions when a new index takes long. ``on_warning`` gets, in
    a sentence, what the user must see although the call goes on (by default a ``RuntimeWarning``): an index that others
    could have written is not used. ``caller`` is the program of which :meth:`register` may record where a version comes
    from; none is, unless it is given, or by :meth:`open`.

    It is a context manager: ``with Registry.open() as reg`` closes the index at the end. ``context`` holds all that was
    given; ``settings`` is what ``registry.yaml`` contains.

    Every method that writes takes a ``request_id``: repeating a call with the same one, after a crash or an
    :class:`~registry_cli.errors.Indeterminate`, gives the result of the first. What the file system refuses (a full
    disk, missing permission) is an ``OSError``; every other failure is a ``RegistryError``.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        author: str | None = None,
        now: Callable[[], datetime] = utc_now,
        lock_timeout: float = LOCK_TIMEOUT,
        on_wait: Callable[[str], None] = lambda _: None,
        on_event: OnEvent | None = None,
        caller: Caller | None = None,
        trust: Trust | None = None,
        cache: Path | None = None,
        progress: Progress = SILENT,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        """Open the registry in the folder ``root``. Raises :class:`NotFound` when there is none."""
        given = values.line(author, "author") if author is not None else None
        self.context = create_context(
            root, cache=cache, progress=progress, on_warning=on_warning, given_author=given, clock=now,
            lock_timeout=lock_timeout, on_wait=on_wait, on_event=on_event, caller=caller, trust=trust,
        )  # fmt: skip

    @classmethod
    def open(cls, root: str | os.PathLike[str] | None = None, **options: Any) -> Registry:
        """The registry in ``root``, else in ``$REGISTRY_HOME``, else the nearest one upward from here.

        This is the door for scripts: what :meth:`register` keeps of the lineage is that of the running program, its
        command line, its modules, the repository around it. ``caller=None`` keeps nothing of it.
        """
        options.setdefault("cache", cache_folder(os.environ))
        options.setdefault("caller", this_program())
        return cls(find_root(root, os.environ), **options)

    @classmethod
    def init(
        cls,
        root: str | os.PathLike[str],
        *,
        shared: str = "private",
        stages: OneOrMore[str] = codec.DEFAULT_STAGES,
        **options: Any,
    ) -> Registry:
        """Make ``root`` a registry, and open it. ``shared`` is ``private`` or ``group``. Raises :class:`Conflict`."""
        operations.settings.create_registry(root, shared, stages, options.get("now", utc_now))
        return cls(root, **options)

    def close(self) -> None:
        """Close the index, if it is open. A registry that is used again opens it again; closing twice does no harm."""
        self.context.index.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The folder of the registry, absolute."""
        return self.context.root

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the registry, in order."""
        return self.context.stages

    @property
    def settings(self) -> codec.RegistrySettings:
        """What ``registry.yaml`` contains."""
        return self.context.settings

    @cached_property
    def retention(self) -> RetentionOperations:
        """Archive, pack and delete versions by rules."""
        return RetentionOperations(self.context)

    @cached_property
    def approvals(self) -> ApprovalOperations:
        """Approve and sign versions, and list who did."""
        return ApprovalOperations(self.context)

    @cached_property
    def policies(self) -> PolicyOperations:
        """The policies in force, and what they decide."""
        return PolicyOperations(self.context)

    @cached_property
    def lineage(self) -> LineageOperations:
        """Where versions come from."""
        return LineageOperations(self.context)

    @cached_property
    def admin(self) -> AdminOperations:
        """Maintain a registry, and edit its documents."""
        return AdminOperations(self.context)

    # Finding
    info = Operation(lambda: operations.search.get_info)
    model_names = Operation(lambda: operations.search.list_model_names)
    models = Operation(lambda: operations.search.iter_models)
    overview = Operation(lambda: operations.search.iter_overview)
    model = Operation(lambda: operations.search.get_model)
    versions = Operation(lambda: operations.search.list_versions)
    search = Operation(lambda: operations.search.search_versions)
    unknown_names = Operation(lambda: operations.search.find_unknown_names)
    find = Operation(lambda: operations.find.find_files)

    # Reading
    version = Operation(lambda: operations.read.get_version)
    artifact = Operation(lambda: operations.read.get_artifact)
    files = Operation(lambda: operations.read.list_files)
    path = Operation(lambda: operations.read.get_path)
    check = Operation(lambda: operations.read.check_version)
    cat = Operation(lambda: operations.read.cat)
    directions = Operation(lambda: operations.read.get_directions)
    diff = Operation(lambda: operations.compare.diff)
    fetch = Operation(lambda: operations.export.fetch)
    export = Operation(lambda: operations.export.export_bundle)
    export_as = Operation(lambda: operations.export.export_version)
    card = Operation(lambda: operations.export.write_card)

    def laid_out(self, ref: str | Reference) -> AbstractContextManager[Artifact]:
        """A version whose files lie in its ``folder`` to be looked into, as long as the ``with`` lasts.

        Those of a packed one are copied out, checked, and removed afterwards; of others only count and size are looked
        at. Raises :class:`Damaged` when a file is missing, :class:`NotFound` and :class:`Conflict` when the version is
        deleted or packed meanwhile.
        """
        return operations.read.open_artifact(self.context, ref)

    # Inspecting
    inspect = Operation(lambda: operations.inspection.inspect_version)
    scan = Operation(lambda: operations.inspection.scan_version)
    scan_rules = Operation(lambda: operations.inspection.get_scan_rules)

    @staticmethod
    def inspect_files(paths: OneOrMore[PathLike]) -> Inspected:
        """What files that are in no registry are, as :meth:`register` would find it. Nothing in them is loaded or run.

        ``paths`` are files, or a folder. Raises :class:`NotFound`, :class:`InvalidInput`, :class:`Refused`; OSError when
        one can't be opened.
        """
        return operations.inspection.inspect_files(paths)

    @staticmethod
    def scan_files(paths: OneOrMore[PathLike], *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
        """Whether files that are in no registry are safe to load, as :meth:`register` would find it.

        ``paths`` are files, or a folder; ``allow`` are globals that are known besides the usual ones:
        ``package.Class``, or ``package.*``. Raises :class:`NotFound`, :class:`InvalidInput`, :class:`Refused`; OSError
        when one can't be opened.
        """
        return operations.inspection.scan_files(paths, allow=allow, progress=progress)

    # History and lineage
    history = Operation(lambda: operations.history.list_history)
    histories = Operation(lambda: operations.history.iter_histories)
    follow = Operation(lambda: operations.history.follow_history)
    holders = Operation(lambda: operations.history.list_holders)
    earlier_holders = Operation(lambda: operations.history.list_earlier_holders)

    # Registering and importing
    register = Operation(lambda: operations.register.register)
    import_from = Operation(lambda: operations.imports.import_from)
    import_bundle = Operation(lambda: operations.imports.import_bundle)
    import_versions = Operation(lambda: operations.imports.import_versions)

    # Stages and aliases
    promote = Operation(lambda: operations.pointers.promote)
    demote = Operation(lambda: operations.pointers.demote)
    rollback = Operation(lambda: operations.pointers.rollback)
    set_alias = Operation(lambda: operations.pointers.set_alias)
    remove_alias = Operation(lambda: operations.pointers.remove_alias)

    # Archiving and deleting
    archive = Operation(lambda: operations.archive.archive)
    restore = Operation(lambda: operations.archive.restore)
    delete = Operation(lambda: operations.archive.delete)

    # Describing versions and models
    tag = Operation(lambda: operations.annotate.tag)
    annotate = Operation(lambda: operations.annotate.annotate)
    log_metric = Operation(lambda: operations.annotate.log_metric)
    describe = Operation(lambda: operations.models.describe)
    rename = Operation(lambda: operations.models.rename)


def this_program() -> Caller:
    """The running program, as far as a lineage wants to know. A notebook has no command line of its own."""
    from .lineage.process_info import Caller

    words = list(sys.orig_argv)
    folder = script = ""
    with contextlib.suppress(FileNotFoundError):  # the current folder was removed
        folder = os.getcwd()  # noqa: PTH109
        script = os.path.abspath(words[1]) if len(words) > 1 and words[1].endswith(".py") else ""  # noqa: PTH100
    interactive = len(words) < 2 or any("ipykernel" in word or word.endswith("/ipython") for word in words)
    return Caller(
        folder=folder,
        variables=dict(os.environ),
        command=() if interactive else [os.path.basename(words[0]), *words[1:]],  # noqa: PTH119
        started=_started(),
        script=os.path.dirname(script),  # noqa: PTH120
        python=".".join(map(str, sys.version_info[:3])),
        modules=[path for path in sys.path if path],
        prefix=sys.prefix,
    )


def _started() -> str:
    """When this process began, as events write it; empty where the system doesn't say."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()  # the name before may hold anything
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return ""
    return format_time(utc_now() - timedelta(seconds=ago))
