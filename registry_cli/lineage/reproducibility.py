"""How to make a version again: its lineage as commands of a shell, and a check of what that takes, here and now.

All that comes from the lineage is data: it is quoted in a command, and kept on its line in a remark. The one exception is the
command that made the model, which is a command. Nothing is run, fetched or changed here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core import redaction
from ..core.progress import SILENT, Progress
from ..core.records import VersionRecord
from ..core.results import LineageNode, Recipe, RecipeStep, ReproducibilityCheck
from ..core.text import lazy_pattern
from ..errors import RegistryError, explain
from ..rules import comparison
from ..store import codec, layout
from . import data, environment, git
from .process_info import Caller

#: What is said to install a list of packages, by the name of the file that was given.
_INSTALLERS = {
    "uv.lock": ("uv sync --frozen", "beside the pyproject.toml of the repository"),
    "poetry.lock": ("poetry install", "beside the pyproject.toml of the repository"),
    "Pipfile.lock": ("pipenv sync", "beside the Pipfile of the repository"),
    "conda-lock.yml": ("conda-lock install --name again conda-lock.yml", ""),
    "environment.yml": ("conda env create --name again --file environment.yml", ""),
}
#: Variables that change what comes out; the others only tell where it ran.
_EXPORTED = (
    "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_DETERMINISTIC_OPS"
)  # fmt: skip
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})\Z")
_MD5 = re.compile(r"md5:([0-9a-f]{32})\Z")
#: Of a list that was recorded here: without our own package, and what came from files of the machine where it was made, for
#: which an index may have another package of the same name.
_WITHOUT_LOCAL = " | sed -e '/^registry[-_.]cli[ =]/d' -e '/  # from file:/s/^[^#]/# &/'"
_VERSION = lazy_pattern(r"3\.[0-9]{1,2}")
#: The sha256 of a folder, as ``data.measured`` gives it.
_OF_FOLDER = "find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0r sha256sum -- | sha256sum | cut -d' ' -f1"


def make_recipe(version: VersionRecord, root: str, parents: Sequence[LineageNode] = ()) -> Recipe:
    """Return the steps, in the order in which they are taken.

    Args:
        version: the version to make again.
        root: the registry's folder.
        parents: what the version was made from, as the registry finds it now.
    """
    known = _RecipeBuilder(version, f"registry -C {shlex.quote(root)}", parents)
    return Recipe(version, tuple(step for step in known.steps() if step.notes or step.commands))


def format_script(recipe: Recipe) -> str:
    """The steps as one script."""
    version = recipe.version
    lines = ["#!/bin/sh", f"# Makes {version.ref} again, as far as is known. Read it before you run it.", "set -eu"]
    for step in recipe.steps:
        lines += ["", *(f"# {_as_single_line(note)}" for note in step.notes), *step.commands]
    return "\n".join(lines)


def _as_single_line(text: str) -> str:
    return " ".join(text.split())


def get_section(lineage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a lineage, empty if it is none."""
    found = lineage.get(name)
    return found if isinstance(found, Mapping) else {}


def text(said: Mapping[str, Any], key: str) -> str:
    found = said.get(key)
    return found if isinstance(found, str) and "\0" not in found else ""


def items(lineage: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The data or the code that a lineage tells of."""
    found = lineage.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, (list, tuple)) else []


class _RecipeBuilder:
    def __init__(self, version: VersionRecord, registry: str, parents: Sequence[LineageNode]) -> None:
        self.version, self.registry, self.kin = version, registry, parents
        self.lineage = version.lineage
        self.git, self.run = get_section(self.lineage, "git"), get_section(self.lineage, "run")
        self.environment = get_section(self.lineage, "environment")
        self.kept = codec.sidecar_digests(self.lineage)

    def steps(self) -> Iterator[RecipeStep]:
        yield self.folder()
        yield self.code()
        yield self.packages()
        if folder := text(self.run, "folder"):
            yield RecipeStep("folder", ("the folder in which it was made",), (f"cd -- {shlex.quote(folder)}",))
        for name in ("data", "code"):
            yield self.measured(name)
        yield self.parents()
        yield self.command()
        yield self.outcome()

    def folder(self) -> RecipeStep:
        made = f"it was registered at {self.version.created} by {self.version.author}"
        where = f" on {text(self.run, 'host')}" if text(self.run, "host") else ""
        name = shlex.quote(self.version.ref.replace("/", "-").replace("@", "-"))
        return RecipeStep("start", (f"{made}{where}",), (f"mkdir {name}", f"cd {name}", "here=$(pwd)"))

    def code(self) -> RecipeStep:
        notes, commands = [], []
        remote, commit = text(self.git, "remote"), text(self.git, "commit")
        if unknown := text(self.git, "unknown"):
            notes.append(f"git did not tell everything: {unknown}")
        if not git.is_commit(commit):
            return RecipeStep("code", (*notes, "unknown: the commit of the code"))
        if remote:
            commands.append(f"git clone -- {shlex.quote(remote)} code")
        else:
            notes.append(f"unknown: from where to clone; the commit is {commit}")
            commands.append('git clone -- "${REPOSITORY:?say where the repository is}" code')
        commands += ["cd code", f"git checkout --detach {commit}"]
        if layout.PATCH in self.kept:
            commands.append(f"{self._kept('patch')} | git apply --whitespace=nowarn -")
        elif self.git.get("dirty"):
            notes.append("unknown: changes that were not committed")
        if count := self.git.get("untracked"):
            notes.append(f"unknown: {count} files or folders that git did not track")
        return RecipeStep("code", tuple(notes), tuple(commands))

    def _kept(self, what: str) -> str:
        return f"{self.registry} lineage {shlex.quote(self.version.ref)} --{what}"

    def packages(self) -> RecipeStep:
        python, platform = text(self.environment, "python"), text(self.environment, "platform")
        notes = [f"Python {python or 'unknown'}, {platform or 'unknown system'}"]
        if unknown := text(self.environment, "unknown"):
            notes.append(f"unknown: the packages ({unknown})")
        cards = self.environment.get("gpu")
        if isinstance(cards, list) and cards:
            notes.append(f"with {', '.join(map(str, cards))}, driver {text(self.environment, 'driver') or 'unknown'}")
        if layout.ENVIRONMENT not in self.kept:
            return RecipeStep("environment", tuple(notes))
        given = text(self.environment, "file") or layout.ENVIRONMENT
        if given in _INSTALLERS:
            install, where = _INSTALLERS[given]
            return RecipeStep(
                "environment",
                (*notes, *([where] if where else [])),
                (f"{self._kept('environment')} > {given}", install),
            )
        short = _VERSION.match(python)
        own = "" if text(self.environment, "file") else _WITHOUT_LOCAL
        return RecipeStep("environment", tuple(notes), (
            f'python{short[0] if short else "3"} -m venv "$here"/venv', '. "$here"/venv/bin/activate',
            f'{self._kept("environment")}{own} > "$here"/environment.txt',
            'python -m pip install -r "$here"/environment.txt',
        ))  # fmt: skip

    def measured(self, name: str) -> RecipeStep:
        notes, commands = [], []
        for each in items(self.lineage, name):
            path, digest = text(each, "path"), text(each, "digest")
            if not path:
                notes.append(
                    f"{text(each, 'uri') or 'unknown'} must have {digest or 'a digest that is unknown'}: bring it here"
                )
            elif command := format_check_command(path, digest):
                commands.append(command)
            else:
                notes.append(
                    f"{path} must have {digest or 'a digest that is unknown'}: dvc pull brings it, if DVC keeps it"
                )
        return RecipeStep(name, tuple(notes), tuple(commands))

    def parents(self) -> RecipeStep:
        here = [kin.ref for kin in self.kin if kin.version]
        notes = ["what it was made from"] if here else []
        notes += [f"unknown: it was made from {kin.ref}: {kin.note}" for kin in self.kin if not kin.version]
        return RecipeStep("parents", tuple(notes), tuple(f"{self.registry} path {shlex.quote(ref)}" for ref in here))

    def command(self) -> RecipeStep:
        variables = get_section(self.run, "variables")
        exports = [f"export {name}={shlex.quote(text(variables, name))}" for name in _EXPORTED if text(variables, name)]
        others = [f"{name}={value}" for name, value in variables.items() if name not in _EXPORTED]
        notes = [f"it ran with {', '.join(others)}"] if others else []
        made = text(self.run, "command")
        if not made:
            return RecipeStep("command", (*notes, "unknown: the command that made it"), tuple(exports))
        if redaction.REDACTED in made:
            return RecipeStep(
                "command", (*notes, "put the secrets in, which were cut out of it:", made), tuple(exports)
            )
        return RecipeStep("command", (*notes, "the command that made it"), (*exports, made))

    def outcome(self) -> RecipeStep:
        register = text(self.run, "register")
        notes = [f"it was registered with: {register}"] if register else []
        return RecipeStep(
            "outcome", (*notes, f"is it the same? {self.registry} find PATH names {self.version.ref}, if every byte is")
        )


def format_check_command(path: str, digest: str) -> str:
    """A command that succeeds if a file or folder has this digest; empty if no plain tool can tell."""
    found = _SHA256.match(digest)
    if found and path.endswith("/"):
        return f'[ "$(cd -- {shlex.quote(path)} && {_OF_FOLDER})" = {found[1]} ]'
    if found:
        listed = data.format_checksum_line(found[1], path.encode()).decode().rstrip("\n")
        return f"printf '%s\\n' {shlex.quote(listed)} | sha256sum -c -"
    if (md5 := _MD5.match(digest)) and not any(letter in path for letter in "\\\n\r"):
        return f"printf '%s\\n' {shlex.quote(f'{md5[1]}  {path}')} | md5sum -c -"
    return ""


HOLDS, DIFFERS, UNKNOWN = "holds", "differs", "unknown"
_NAMED = 5
_NOT_KEPT = "it was not recorded"


def check_conditions(
    lineage: Mapping[str, Any],
    kept: Mapping[str, bytes | str],
    caller: Caller,
    python: str | None,
    progress: Progress = SILENT,
) -> Iterator[ReproducibilityCheck]:
    """What it takes, and whether it is here: the commit, the changes, Python, the packages, data and code.

    ``kept`` are the files beside the version, each as bytes, or as a text that says why it can't be read.
    """
    here = git.GitRepository.around(caller.folder, caller.variables)
    yield _commit(get_section(lineage, "git"), here)
    yield from _changes(get_section(lineage, "git"), kept)
    yield from _packages(get_section(lineage, "environment"), kept, environment.find_environment(caller, python))
    folder = _folder(lineage, caller, here)
    for name in ("data", "code"):
        for item in items(lineage, name):
            yield _measured(name, item, folder, progress)
    command = text(get_section(lineage, "run"), "command")
    yield ReproducibilityCheck(
        "command", HOLDS if command else UNKNOWN, command, "it is known" if command else _NOT_KEPT
    )


def _commit(said: Mapping[str, Any], here: git.GitRepository | None) -> ReproducibilityCheck:
    commit = text(said, "commit")
    if not git.is_commit(commit):
        return ReproducibilityCheck("commit", UNKNOWN, "", _NOT_KEPT)
    if here is None:
        return ReproducibilityCheck("commit", DIFFERS, commit, "there is no repository here")
    try:
        if git.has_commit(here, commit):
            return ReproducibilityCheck("commit", HOLDS, commit, f"it is in {here.top}")
        return ReproducibilityCheck("commit", DIFFERS, commit, f"it is not in {here.top}; git fetch may bring it")
    except git.GitUnavailable as error:
        return ReproducibilityCheck("commit", DIFFERS, commit, str(error))


def _changes(said: Mapping[str, Any], kept: Mapping[str, bytes | str]) -> Iterator[ReproducibilityCheck]:
    """The changes that were not committed are worth something only if they were kept."""
    if not said.get("dirty"):
        return
    patch = kept.get(layout.PATCH)
    wanted = text(said, "patch")
    if isinstance(patch, bytes):
        yield ReproducibilityCheck("changes", HOLDS, wanted, f"{layout.PATCH} is here")
    else:
        yield ReproducibilityCheck(
            "changes", DIFFERS, wanted, patch or "the changes that were not committed were not kept"
        )


def _packages(
    said: Mapping[str, Any], kept: Mapping[str, bytes | str], here: environment.Environment
) -> Iterator[ReproducibilityCheck]:
    wanted = text(said, "python")
    if not wanted:
        yield ReproducibilityCheck("python", UNKNOWN, "", _NOT_KEPT)
    else:
        yield ReproducibilityCheck(
            "python", HOLDS if here.python == wanted else DIFFERS, wanted, here.python or here.why
        )
    listed = kept.get(layout.ENVIRONMENT)
    digest = text(said, "digest")
    if not isinstance(listed, bytes):
        yield ReproducibilityCheck(
            "packages", DIFFERS if listed else UNKNOWN, digest, listed or text(said, "unknown") or _NOT_KEPT
        )
    elif not here.lines:
        yield ReproducibilityCheck("packages", DIFFERS, digest, here.why or "there are none")
    else:
        before = environment.parse_packages(listed.decode("utf-8", "replace"))
        after = environment.parse_packages("\n".join(here.lines))
        other = comparison.differences(before, after, comparison.Difference)
        words = f"all {len(before)} are the same" if not other else _format_differences(other)
        yield ReproducibilityCheck("packages", DIFFERS if other else HOLDS, digest, words)


def _format_differences(other: tuple[comparison.Difference, ...]) -> str:
    first = ", ".join(f"{each.name} {each.before or 'none'} is {each.after or 'none'}" for each in other[:_NAMED])
    return f"{len(other)} differ: {first}{' …' if len(other) > _NAMED else ''}"


def _folder(lineage: Mapping[str, Any], caller: Caller, here: git.GitRepository | None) -> str:
    """The folder from which paths count: where it was made, as far as that is here."""
    said = text(get_section(lineage, "run"), "folder")
    top = str(here.top) if here else caller.folder
    return os.path.join(top, said) if said else caller.folder


def _measured(kind: str, item: Mapping[str, Any], folder: str, progress: Progress) -> ReproducibilityCheck:
    path, wanted = text(item, "path"), text(item, "digest")
    name = f"{kind} {path or text(item, 'uri')}"
    algorithm = wanted.partition(":")[0]
    if not path:
        return ReproducibilityCheck(name, UNKNOWN, wanted, "an address: it is not looked at")
    place = os.path.join(folder, path)
    if not os.path.exists(place):
        return ReproducibilityCheck(name, DIFFERS, wanted, "it is not here")
    try:
        if algorithm == "md5" and os.path.isfile(place):
            found = f"md5:{_md5(place, progress)}"
        elif algorithm == "sha256":
            found = data.measure(place, progress)["digest"]
        else:
            return ReproducibilityCheck(
                name, UNKNOWN, wanted, "it is here; dvc status compares it" if algorithm == "md5" else "it is here"
            )
    except OSError as error:
        return ReproducibilityCheck(name, DIFFERS, wanted, f"it can't be read: {explain(error)}")
    except RegistryError as error:
        return ReproducibilityCheck(name, DIFFERS, wanted, error.message)
    return ReproducibilityCheck(name, HOLDS if found == wanted else DIFFERS, wanted, found)


def _md5(path: str, progress: Progress) -> str:
    """DVC's digest of a file: no proof against malice, but what it was recorded by."""
    hasher = hashlib.md5(usedforsecurity=False)
    progress.expect(os.stat(path).st_size)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
            progress(len(block))
    return hasher.hexdigest()
