"""Everything that is found out of itself about where a version comes from, and what a person said of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core import redaction
from ..core.lazy_dataclass import dataclass, field
from ..core.progress import SILENT, Progress
from ..errors import InvalidInput
from ..store import layout
from .process_info import PARTS, Caller

#: The variables that are kept, if they are set: they say how a run was made, and hold no secret.
VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "TF_DETERMINISTIC_OPS", "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_PARTITION", "SLURM_NNODES",
    "SLURM_NTASKS",
)  # fmt: skip
_TEXT_MOST = 8_192


@dataclass(frozen=True, eq=False, repr=False)
class UserLineage:
    """What a person said of where a version comes from. ``parents`` are references by number, ``parent_models`` the
    ids of their models; ``environment`` is the
    path of a list of packages, ``python`` an interpreter or the folder of an environment.
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
    """``lineage`` as it will be stored, the files to be kept beside it by their names, and what could not be found out."""

    lineage: dict[str, Any] = field(default_factory=dict)
    sidecars: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def resolve_parts(given: Iterable[str] | None, setting: object = None, where: str = "") -> tuple[str, ...]:
    """The parts that are captured: as ``given``, else as the ``setting`` of the registry says, else all of them."""
    chosen = setting if given is None else given
    if chosen is None:
        return PARTS
    if chosen is False:
        return ()
    listed = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(listed, (list, tuple, set, frozenset)) or not all(isinstance(each, str) for each in listed):
        raise InvalidInput(f"{where or 'lineage'}: 'lineage' is no list of parts", f"write it as [{', '.join(PARTS)}]")
    for each in listed:
        if each not in PARTS:
            raise InvalidInput(
                f"{where and f'{where}: '}there is no part '{each}' of a lineage", f"there are: {', '.join(PARTS)}"
            )
    return tuple(part for part in PARTS if part in listed)


class LineageCapture:
    """Where a version comes from. What was said is checked when this is made; :meth:`look` does what takes time."""

    def __init__(self, said: UserLineage, caller: Caller | None, chosen: Sequence[str], user: str) -> None:
        self._said, self._caller, self._user = said, caller, user
        self._parts = chosen if caller is not None else ()
        self._named = said.environment is not None or said.python is not None
        self._list: bytes | None = None
        self._data: list[Any] = []
        self._code: list[Any] = []
        if said.data or said.code:
            from . import data

            self._data, self._code = data.parse(said.data), data.parse(said.code)
        if said.environment is not None:
            from . import environment

            self._list = environment.read_package_list(said.environment)

    def look(self, progress: Progress = SILENT) -> CapturedLineage:
        """Find it all out."""
        found = CapturedLineage()
        self._environment(found)
        top = self._git(found)
        self._run(found, top)
        if self._data or self._code:
            from . import data

            for name, items in (("data", self._data), ("code", self._code)):
                if items:
                    found.lineage[name] = data.documents(items, progress)
        if self._said.parents:
            found.lineage["parents"] = list(self._said.parents)
        if self._said.parent_models:
            found.lineage["parent_models"] = dict(self._said.parent_models)
        return found

    def look_at_said(self, progress: Progress = SILENT) -> dict[str, Any]:
        """The lineage that was said: what is found out by itself is not in it."""
        return LineageCapture(self._said, None, (), self._user).look(progress).lineage

    def _git(self, found: CapturedLineage) -> str:
        """Git's part; gives the top of the work tree, empty if there is none."""
        if self._caller is None or not {"git", "run"} & set(self._parts):
            return ""
        from . import git, git_changes

        here = git.GitRepository.around(self._caller.folder, self._caller.variables)
        if here is None and self._caller.script:
            here = git.GitRepository.around(self._caller.script, self._caller.variables)
        if here is not None and "git" in self._parts:
            seen = git_changes.capture_state(here, keep_patch="patch" in self._parts)
            found.lineage["git"] = seen.document
            if seen.patch is not None:
                found.sidecars[layout.PATCH] = seen.patch
            if seen.warning:
                found.warnings.append(f"lineage: {seen.warning}")
        return str(here.top) if here else ""

    def _run(self, found: CapturedLineage, top: str) -> None:
        run: dict[str, Any] = {}
        if self._said.command:
            run["command"] = redaction.redact_text(self._said.command)[:_TEXT_MOST]
        caller = self._caller
        if caller is not None and "run" in self._parts:
            if caller.command and "command" not in run:
                run["command"] = redaction.redact_command(caller.command)[:_TEXT_MOST]
            run["folder"] = _relative_to_repository(caller.folder, top)
            run["host"] = os.uname().nodename
            run["user"] = self._user
            run["started"] = caller.started
            run["variables"] = select_variables(caller.variables)
            run["register"] = redaction.redact_command(caller.register)[:_TEXT_MOST] if caller.register else ""
        if run := {name: _storable(value) for name, value in run.items() if value}:
            found.lineage["run"] = run

    def _environment(self, found: CapturedLineage) -> None:
        if not (self._named or "environment" in self._parts):
            return
        from . import environment

        document: dict[str, Any] = {}
        seen = environment.Environment()
        if self._list is None or self._said.python is not None or (self._caller and self._caller.python):
            seen = environment.find_environment(self._caller, self._said.python)
        data = "".join(f"{line}\n" for line in seen.lines).encode()
        if seen.python:
            document["python"] = seen.python
        if self._list is not None:
            data = self._list
            document["file"] = _storable(os.path.basename(str(self._said.environment)))
        if "environment" in self._parts:
            document["platform"] = environment.describe_platform()
            document.update(environment.describe_gpus())
        if data:
            document["packages"] = len(
                environment.parse_packages(data.decode("utf-8", "replace")) if self._list else seen.lines
            )
            document["digest"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
            found.sidecars[layout.ENVIRONMENT] = data
        elif seen.why:
            document["unknown"] = _storable(seen.why)
        found.lineage["environment"] = document


def select_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables on the list, as they are."""
    return {name: _storable(redaction.redact_text(variables[name])[:256]) for name in VARIABLES if variables.get(name)}


def _relative_to_repository(folder: str, top: str) -> str:
    """The working directory from the top of its repository, else as it is."""
    relative = os.path.relpath(os.path.realpath(folder), os.path.realpath(top)) if top else ".."
    return folder if relative == ".." or relative.startswith("../") else relative


def _storable(value: Any) -> Any:
    r"""Text that a document can hold: what is no UTF-8 as ``\xff``, what is no character of a line as ``\x1b``."""
    if not isinstance(value, str):
        return value
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else f"\\x{_byte(letter):02x}" for letter in value
    )


def _byte(letter: str) -> int:
    """The number of a letter; of one that stands for a byte that is no UTF-8, that byte."""
    return ord(letter) - 0xDC00 if "\udc80" <= letter <= "\udcff" else ord(letter)
