"""Capture where a version comes from: what is found out automatically, and what the user stated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import redaction
from ..core.lazy_dataclass import dataclass, field
from ..core.progress import SILENT, Progress
from ..errors import InvalidInput
from ..store import layout
from . import environment, git
from .process_info import PARTS, Caller

if TYPE_CHECKING:
    from .data import DataSource

#: The environment variables that are recorded: they describe a run, and hold no secret.
VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "TF_DETERMINISTIC_OPS", "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_PARTITION", "SLURM_NNODES",
    "SLURM_NTASKS",
)  # fmt: skip
_TEXT_MOST = 8_192


@dataclass(frozen=True, eq=False, repr=False)
class UserLineage:
    """What the user stated. ``parents`` are references by number, ``parent_models`` the ids of their models;
    ``environment`` is the path of a list of packages, ``python`` an interpreter or the folder of an environment.
    """

    parents: Sequence[str] = ()
    parent_models: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[str | os.PathLike[str]] = ()
    code: Sequence[str | os.PathLike[str]] = ()
    command: str = ""
    environment: str | None = None
    python: str | None = None


@dataclass(eq=False, repr=False)
class CapturedLineage:
    """``lineage`` as it will be stored, ``sidecars`` (files to keep beside it, by name), and ``warnings``."""

    lineage: dict[str, Any] = field(default_factory=dict)
    sidecars: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def resolve_parts(given: Iterable[str] | None, setting: object = None, where: str = "") -> tuple[str, ...]:
    """Return the parts to capture: as ``given``, else as in the ``setting`` of the registry, else all of them."""
    chosen = setting if given is None else given
    if chosen is None:
        return PARTS
    if chosen is False:
        return ()
    listed = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(listed, (list, tuple, set, frozenset)) or not all(isinstance(each, str) for each in listed):
        raise InvalidInput(
            f"{where or 'lineage'}: 'lineage' must be a list of parts", f"write it as [{', '.join(PARTS)}]"
        )
    for each in listed:
        if each not in PARTS:
            message = f"{where and f'{where}: '}unknown lineage part '{each}'"
            raise InvalidInput(message, f"available: {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in listed)


class LineageCapture:
    """Captures a lineage. What the user stated is checked at once; :meth:`capture` does what takes time."""

    def __init__(self, stated: UserLineage, caller: Caller | None, parts: Sequence[str], user: str) -> None:
        self._stated, self._caller, self._user = stated, caller, user
        self._parts = parts if caller is not None else ()
        self._sources: dict[str, list[DataSource]] = {}
        if stated.data or stated.code:
            from . import data

            self._sources = {"data": data.parse(stated.data), "code": data.parse(stated.code)}
        self._package_list = None if stated.environment is None else environment.read_package_list(stated.environment)

    def capture(self, progress: Progress = SILENT) -> CapturedLineage:
        found = CapturedLineage()
        self._capture_environment(found)
        top = self._capture_git(found)
        self._capture_run(found, top)
        for name, sources in self._sources.items():
            if sources:
                found.lineage[name] = [source.measured(progress) for source in sources]
        if self._stated.parents:
            found.lineage["parents"] = list(self._stated.parents)
        if self._stated.parent_models:
            found.lineage["parent_models"] = dict(self._stated.parent_models)
        return found

    def capture_stated(self, progress: Progress = SILENT) -> dict[str, Any]:
        """Return the lineage without what is found out automatically."""
        return LineageCapture(self._stated, None, (), self._user).capture(progress).lineage

    def _capture_git(self, found: CapturedLineage) -> str:
        """Capture git's part; return the top of the work tree, empty if there is none."""
        if self._caller is None or not {"git", "run"} & set(self._parts):
            return ""
        repository = git.GitRepository.around(self._caller.folder, self._caller.variables)
        if repository is None and self._caller.script:
            repository = git.GitRepository.around(self._caller.script, self._caller.variables)
        if repository is not None and "git" in self._parts:
            from . import git_state

            state = git_state.capture_state(repository, keep_patch="patch" in self._parts)
            found.lineage["git"] = state.document
            if state.patch is not None:
                found.sidecars[layout.PATCH] = state.patch
            if state.warning:
                found.warnings.append(f"lineage: {state.warning}")
        return str(repository.top) if repository else ""

    def _capture_run(self, found: CapturedLineage, top: str) -> None:
        run: dict[str, Any] = {}
        if self._stated.command:
            run["command"] = redaction.redact_text(self._stated.command)[:_TEXT_MOST]
        caller = self._caller
        if caller is not None and "run" in self._parts:
            if caller.command and "command" not in run:
                run["command"] = redaction.redact_command(caller.command)[:_TEXT_MOST]
            below = os.path.relpath(os.path.realpath(caller.folder), os.path.realpath(top)) if top else ".."
            run["folder"] = caller.folder if below == ".." or below.startswith("../") else below
            run["host"] = os.uname().nodename
            run["user"] = self._user
            run["started"] = caller.started
            run["variables"] = {
                name: _storable(redaction.redact_text(caller.variables[name])[:256])
                for name in VARIABLES
                if caller.variables.get(name)
            }
            run["register"] = redaction.redact_command(caller.register)[:_TEXT_MOST] if caller.register else ""
        if run := {name: _storable(value) for name, value in run.items() if value}:
            found.lineage["run"] = run

    def _capture_environment(self, found: CapturedLineage) -> None:
        stated, listed = self._stated, self._package_list
        if listed is None and stated.python is None and "environment" not in self._parts:
            return
        document: dict[str, Any] = {}
        state = environment.Environment()
        if listed is None or stated.python is not None or (self._caller and self._caller.python):
            state = environment.find_environment(self._caller, stated.python)
        if state.python:
            document["python"] = state.python
        packages = listed if listed is not None else "".join(f"{line}\n" for line in state.lines).encode()
        if listed is not None:
            document["file"] = _storable(os.path.basename(str(stated.environment)))
        if "environment" in self._parts:
            system = os.uname()
            document["platform"] = f"{system.sysname} {system.release} {system.machine}"
            document.update(environment.describe_gpus())
        if packages:
            document["packages"] = len(
                environment.parse_packages(listed.decode("utf-8", "replace")) if listed else state.lines
            )
            document["digest"] = f"sha256:{hashlib.sha256(packages).hexdigest()}"
            found.sidecars[layout.ENVIRONMENT] = packages
        elif state.why:
            document["unknown"] = _storable(state.why)
        found.lineage["environment"] = document


def _storable(value: Any) -> Any:
    r"""Text that a document can hold: bytes that are not UTF-8 as ``\xff``, control characters as ``\x1b``."""
    if not isinstance(value, str):
        return value
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else f"\\x{_byte(letter):02x}" for letter in value
    )


def _byte(letter: str) -> int:
    """The code of a character; of one that stands for a byte that is not UTF-8, that byte."""
    return ord(letter) - 0xDC00 if "\udc80" <= letter <= "\udcff" else ord(letter)
