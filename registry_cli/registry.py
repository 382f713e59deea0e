"""Class Registry: the public API. Each method is a function of :mod:`registry_cli.operations`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from . import operations
from .core import lazy_dataclass, values
from .core.progress import SILENT, Progress
from .core.times import format_time, utc_now
from .errors import Conflict, NotFound
from .operations.context import LOCK_TIMEOUT, OnEvent, RegistryContext, Trust, cache_folder, create_context, find_root
from .store import codec, layout

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .core.names import Reference
    from .core.records import Artifact
    from .core.values import OneOrMore
    from .lineage.process_info import Caller
    from .rules.policy.command_checks import CommandSet


def _render_html(value: object) -> str:
    from .report.notebook import render

    return render(value)


lazy_dataclass.render_html = _render_html

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Operation(Generic[_P, _T]):
    """A function of :mod:`registry_cli.operations` as a method: called with the context in place of ``self``.

    ``load`` returns the function. It is called at each access, so a module is imported when one of its functions is
    first used.
    """

    def __init__(self, load: Callable[[], Callable[Concatenate[RegistryContext, _P], _T]]) -> None:
        self._load = load

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._qualname = name, f"{owner.__name__}.{name}"

    def __get__(self, instance: Registry | _Namespace | None, owner: type) -> Callable[_P, _T]:
        function: Any = self._load()
        if instance is None:
            return cast("Callable[_P, _T]", function)
        named = FunctionType(
            function.__code__, function.__globals__, self._name, function.__defaults__, function.__closure__
        )
        named.__kwdefaults__, named.__annotations__ = function.__kwdefaults__, function.__annotations__
        named.__doc__, named.__qualname__ = function.__doc__, self._qualname  # which a TypeError names
        return MethodType(named, instance.context)


class _Namespace:
    def __init__(self, context: RegistryContext) -> None:
        self.context = context

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.context.root)!r})"


class ArtifactOperations(_Namespace):
    """The files of versions: list, read, inspect, scan and verify them, and write model cards: ``reg.artifacts``."""

    show = Operation(lambda: operations.read.show)
    get = Operation(lambda: operations.read.get_artifact)
    files = Operation(lambda: operations.read.list_files)
    cat = Operation(lambda: operations.read.cat)
    verify_files = Operation(lambda: operations.read.check_version)
    find = Operation(lambda: operations.find.find_files)
    inspect = Operation(lambda: operations.inspection.inspect_version)
    scan = Operation(lambda: operations.inspection.scan_version)
    card = Operation(lambda: operations.export.write_card)

    def open(self, ref: str | Reference) -> AbstractContextManager[Artifact]:
        """Open a version as a context manager: its files lie in its ``folder`` until the ``with`` block ends.

        Those of a packed version are copied out, checked, and removed afterwards; of others only count and size are
        compared.

        Raises:
            Damaged: A file is missing.
            Conflict: The version is packed meanwhile.
        """
        return operations.read.open_artifact(self.context, ref)


class RetentionOperations(_Namespace):
    """Archive, pack and delete versions by rules: ``reg.retention``."""

    plan = Operation(lambda: operations.retention.plan_retention)
    retain = Operation(lambda: operations.retention.retain)
    apply = Operation(lambda: operations.retention.apply_plans)
    prune_plans = Operation(lambda: operations.retention.plan_prune)
    prune = Operation(lambda: operations.retention.prune)


class ApprovalOperations(_Namespace):
    """Approve and sign versions. ``reg.approvals(ref)`` lists the approvals of a version."""

    __call__ = Operation(lambda: operations.approvals.list_approvals)
    approve = Operation(lambda: operations.approvals.approve)
    sign = Operation(lambda: operations.approvals.sign)
    signatures = Operation(lambda: operations.read.list_signatures)
    review = Operation(lambda: operations.gate.get_review)
    pending = Operation(lambda: operations.gate.list_pending)


class PolicyOperations(_Namespace):
    """What the policies of stages, and other settings, decide: ``reg.policies``."""

    check = Operation(lambda: operations.gate.evaluate_gate)
    commands = Operation(lambda: operations.gate.list_commands)
    directions = Operation(lambda: operations.read.get_directions)
    scan_rules = Operation(lambda: operations.inspection.get_scan_rules)

    def trust(self, commands: CommandSet) -> None:
        """Let these commands run on this machine, for this user, until they change; as ``registry trust`` does.

        Args:
            commands: What :meth:`commands` returned, after a person has reviewed it.

        Raises:
            NotFound: There is no folder for the user's own settings.
            Refused: Others could have written the file of what is trusted.
        """
        from .core.accounts import config_folder
        from .trust.trusted_commands import TrustFile

        folder = config_folder(os.environ)
        if folder is None:
            raise NotFound("no folder for user settings", "set HOME or XDG_CONFIG_HOME")
        TrustFile(folder).add(commands, format_time(self.context.clock()))


class DeploymentOperations(_Namespace):
    """Deploy versions to targets. ``reg.deployments()`` lists which targets run which versions."""

    __call__ = Operation(lambda: operations.deployment_status.list_deployments)
    deploy = Operation(lambda: operations.deployments.deploy)
    undeploy = Operation(lambda: operations.deployments.undeploy)
    sync = Operation(lambda: operations.deployments.sync)
    targets = Operation(lambda: operations.targets.list_targets)
    target = Operation(lambda: operations.targets.get_target)
    check_target = Operation(lambda: operations.targets.check_target)
    commands = Operation(lambda: operations.targets.list_target_commands)


class LineageOperations(_Namespace):
    """Where versions come from. ``reg.lineage(ref)`` is the lineage graph of a version."""

    __call__ = Operation(lambda: operations.lineage.trace_lineage)
    sidecar = Operation(lambda: operations.read.read_sidecar)
    reproduce = Operation(lambda: operations.lineage.get_recipe)
    reproducible = Operation(lambda: operations.lineage.check_reproducibility)


class MonitoringOperations(_Namespace):
    """Record metrics of versions in use, check them, and report on models: ``reg.monitoring``."""

    observe = Operation(lambda: operations.monitor.observe)
    observations = Operation(lambda: operations.monitor.list_observations)
    monitor = Operation(lambda: operations.monitor.monitor)
    profile = Operation(lambda: operations.data_profiles.profile)
    drift = Operation(lambda: operations.data_profiles.drift)
    report = Operation(lambda: operations.report.write_report)
    site = Operation(lambda: operations.report.make_site)


class AdminOperations(_Namespace):
    """Maintain a registry, its models and their documents, and read its journals: ``reg.admin``."""

    info = Operation(lambda: operations.search.get_info)
    describe = Operation(lambda: operations.models.describe)
    verify = Operation(lambda: operations.maintenance.verify_models)
    repair = Operation(lambda: operations.maintenance.repair_models)
    restorable = Operation(lambda: operations.maintenance.count_restorable)
    gc = Operation(lambda: operations.maintenance.collect_garbage)
    doctor = Operation(lambda: operations.maintenance.run_doctor)
    rename = Operation(lambda: operations.models.rename)
    transfer = Operation(lambda: operations.models.transfer)
    config = Operation(lambda: operations.gate.list_policy)
    text = Operation(lambda: operations.models.read_text)
    check_text = Operation(lambda: operations.models.check_text)
    edit = Operation(lambda: operations.models.edit)
    overview = Operation(lambda: operations.search.iter_overview)
    model_names = Operation(lambda: operations.search.list_model_names)
    unknown_names = Operation(lambda: operations.search.find_unknown_names)
    follow = Operation(lambda: operations.history.follow_history)
    checkpoints = Operation(lambda: operations.history.list_checkpoints)
    holders = Operation(lambda: operations.history.list_holders)
    earlier_holders = Operation(lambda: operations.history.list_earlier_holders)

    @property
    def settings(self) -> codec.RegistrySettings:
        """What ``registry.yaml`` contains."""
        return self.context.settings


class Registry:
    """A registry, for reading and writing. As a context manager it closes the index at the end.

    Every method that writes takes a ``request_id``: repeating a call with the same one, after a crash or an
    :class:`~registry_cli.errors.Indeterminate`, returns the result of the first. What the file system refuses (a full
    disk, missing permission) is an ``OSError``; every other failure is a ``RegistryError``.

    Args:
        root: The folder of the registry.
        author: Who makes the changes; the real user by default.
        now: Returns the time, in UTC.
        lock_timeout: How long to wait for a lock, in seconds.
        on_wait: Called with a sentence when another process holds a lock.
        on_event: Called with the name of the model and the :class:`Event` of each change, when the lock is released; also
            for a promotion that a policy refused (``gate-refused``).
        trust: Called with the :class:`CommandSet` of a policy; returns whether they may run. Without it none may.
        lineage: Whether :meth:`register` records where versions come from.
        caller: Returns what is known of the program that registers; by default of the running one.
        index: Whether lists and searches use an index. The answer is the same without it.
        cache: The folder of the index; by default ``$REGISTRY_CACHE``, else one in the user's cache folder.
        progress: Counts versions while a new index is built.
        on_warning: Called with a sentence that the user should see although the call goes on, for example that an index
            which others could have written is not used; a ``RuntimeWarning`` by default.
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
        trust: Trust | None = None,
        lineage: bool = True,
        caller: Callable[[], Caller | None] | None = None,
        index: bool = True,
        cache: str | os.PathLike[str] | None = None,
        progress: Progress = SILENT,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        """Open the registry in the folder ``root``. Raises :class:`NotFound` when there is none."""
        given = values.line(author, "author") if author is not None else None
        folder = None if not index else cache_folder(os.environ) if cache is None else Path(cache)
        self.context = create_context(
            root, cache=folder, progress=progress, on_warning=on_warning, given_author=given, clock=now,
            lock_timeout=lock_timeout, on_wait=on_wait, on_event=on_event, trust=trust,
            caller=None if not lineage else caller or this_program,
        )  # fmt: skip

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str] | None = None,
        *,
        author: str | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> Registry:
        """Open the registry in ``root``, else in ``$REGISTRY_HOME``, else the nearest one upward from here.

        Args:
            root: The folder of the registry.
            author: Who makes the changes; the real user by default.
            lock_timeout: How long to wait for a lock, in seconds.

        Raises:
            Refused: A registry that was found in a folder above belongs to another user and is not trusted.
        """
        return cls(find_root(root, os.environ), author=author, lock_timeout=lock_timeout)

    @classmethod
    def init(
        cls,
        root: str | os.PathLike[str],
        *,
        shared: str = "private",
        stages: OneOrMore[str] = codec.DEFAULT_STAGES,
        exist_ok: bool = False,
        author: str | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> Registry:
        """Make ``root`` a registry, and open it.

        Args:
            root: The folder, which is made if need be.
            shared: ``private``, or ``group`` for a registry that a Unix group writes to.
            stages: The stages, in order.
            exist_ok: Open a registry that exists already, as it is.
            author: Who makes the changes; the real user by default.
            now: Returns the time, in UTC.

        Raises:
            Conflict: The folder is a registry already, or has a folder ``models`` that is not empty.
            InvalidInput: There is no stage, or one twice.
        """
        try:
            operations.settings.create_registry(root, shared, stages, now)
        except Conflict:
            if not (exist_ok and (Path(root) / layout.REGISTRY).is_file()):
                raise
        return cls(root, author=author, now=now)

    def __repr__(self) -> str:
        return f"Registry({str(self.root)!r})"

    def close(self) -> None:
        """Close the index, if it is open; the next query opens it again."""
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

    @cached_property
    def artifacts(self) -> ArtifactOperations:
        """The files of versions: list, read, inspect, scan and verify them."""
        return ArtifactOperations(self.context)

    @cached_property
    def retention(self) -> RetentionOperations:
        """Archive, pack and delete versions by rules."""
        return RetentionOperations(self.context)

    @cached_property
    def approvals(self) -> ApprovalOperations:
        """Approve and sign versions; called with a reference, the approvals of a version."""
        return ApprovalOperations(self.context)

    @cached_property
    def policies(self) -> PolicyOperations:
        """What the policies of stages, and other settings, decide."""
        return PolicyOperations(self.context)

    @cached_property
    def deployments(self) -> DeploymentOperations:
        """Deploy versions to targets; called, which targets run which versions."""
        return DeploymentOperations(self.context)

    @cached_property
    def lineage(self) -> LineageOperations:
        """Where versions come from; called with a reference, the lineage graph of a version."""
        return LineageOperations(self.context)

    @cached_property
    def monitoring(self) -> MonitoringOperations:
        """Record metrics of versions in use, and check them."""
        return MonitoringOperations(self.context)

    @cached_property
    def admin(self) -> AdminOperations:
        """Maintain a registry, its models and their documents, and read its journals."""
        return AdminOperations(self.context)

    # Finding
    list = Operation(lambda: operations.search.list_models)
    model = Operation(lambda: operations.search.get_model)
    versions = Operation(lambda: operations.search.list_versions)
    search = Operation(lambda: operations.search.search)
    iter_search = Operation(lambda: operations.search.search_versions)

    # Reading
    version = Operation(lambda: operations.read.get_version)
    path = Operation(lambda: operations.read.get_path)
    diff = Operation(lambda: operations.compare.diff)
    compare = Operation(lambda: operations.compare.compare)
    open_file = Operation(lambda: operations.read.open_file)
    history = Operation(lambda: operations.history.list_history)
    iter_history = Operation(lambda: operations.history.iter_histories)
    fetch = Operation(lambda: operations.export.fetch)
    export = Operation(lambda: operations.export.export)

    # Registering and importing
    register = Operation(lambda: operations.register.register)
    import_ = Operation(lambda: operations.imports.import_from)

    # Stages, aliases, archiving and deleting
    promote = Operation(lambda: operations.pointers.promote)
    demote = Operation(lambda: operations.pointers.demote)
    undo = Operation(lambda: operations.pointers.undo)
    rollback = Operation(lambda: operations.pointers.rollback)
    alias = Operation(lambda: operations.pointers.alias)
    archive = Operation(lambda: operations.archive.archive)
    restore = Operation(lambda: operations.archive.restore)
    delete = Operation(lambda: operations.archive.delete)

    # Describing versions and models
    tag = Operation(lambda: operations.annotate.tag)
    annotate = Operation(lambda: operations.annotate.annotate)
    log_metric = Operation(lambda: operations.annotate.log_metric)


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
    )


def _started() -> str:
    """When this process began, as events write it; empty where the system doesn't say."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()  # the name before may hold anything
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return ""
    return format_time(utc_now() - timedelta(seconds=ago))
