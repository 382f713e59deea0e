"""Reproduce a version: its lineage as shell commands, and a check of what they need, here and now.

Everything from the lineage is data: it is quoted in commands, and kept on one line in comments. The one exception is
the command that made the model, which is meant to be a command. Nothing is run, fetched or changed here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
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

#: The command that installs a list of packages, by the name of its file, and a note.
_INSTALLERS = {
    "uv.lock": ("uv sync --frozen", "beside the pyproject.toml of the repository"),
    "poetry.lock": ("poetry install", "beside the pyproject.toml of the repository"),
    "Pipfile.lock": ("pipenv sync", "beside the Pipfile of the repository"),
    "conda-lock.yml": ("conda-lock install --name again conda-lock.yml", ""),
    "environment.yml": ("conda env create --name again --file environment.yml", ""),
}
#: Variables that affect the result; the others only describe where it ran.
_EXPORTED = (
    "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_DETERMINISTIC_OPS"
)  # fmt: skip
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})\Z")
_MD5 = re.compile(r"md5:([0-9a-f]{32})\Z")
#: A filter for lists that were recorded by us: it removes our own package, and packages from local files, of which an
#: index may have another one of the same name.
_WITHOUT_LOCAL = " | sed -e '/^registry[-_.]cli[ =]/d' -e '/  # from file:/s/^[^#]/# &/'"
_VERSION = lazy_pattern(r"3\.[0-9]{1,2}")
#: Prints the sha256 of a folder, as ``data.measure`` returns it.
_OF_FOLDER = "find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0r sha256sum -- | sha256sum | cut -d' ' -f1"


def make_recipe(version: VersionRecord, root: str, parents: Sequence[LineageNode] = ()) -> Recipe:
    """Return the steps that reproduce a version of the registry at ``root``, with its ``parents`` as they are now."""
    builder = _RecipeBuilder(version, f"registry -C {shlex.quote(root)}", parents)
    return Recipe(version, tuple(step for step in builder.steps() if step.notes or step.commands))


def format_script(recipe: Recipe) -> str:
    """Return the steps as one shell script."""
    version = recipe.version
    lines = ["#!/bin/sh", f"# Reproduces {version.ref} as far as is known. Read it before you run it.", "set -eu"]
    for step in recipe.steps:
        lines += ["", *(f"# {' '.join(note.split())}" for note in step.notes), *step.commands]
    return "\n".join(lines)


def get_section(lineage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping in a lineage, empty if there is none."""
    found = lineage.get(name)
    return found if isinstance(found, Mapping) else {}


def text(section: Mapping[str, Any], key: str) -> str:
    """Return a text in a section, empty if there is none."""
    found = section.get(key)
    return found if isinstance(found, str) and "\0" not in found else ""


def items(lineage: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the ``data`` or ``code`` entries of a lineage."""
    found = lineage.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, (list, tuple)) else []


class _RecipeBuilder:
    def __init__(self, version: VersionRecord, registry: str, parents: Sequence[LineageNode]) -> None:
        self.version, self.registry, self.nodes = version, registry, parents
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
            notes.append(f"git information is incomplete: {unknown}")
        if not git.is_commit(commit):
            return RecipeStep("code", (*notes, "unknown: the commit of the code"))
        if remote:
            commands.append(f"git clone -- {shlex.quote(remote)} code")
        else:
            notes.append(f"unknown: where to clone from; the commit is {commit}")
            commands.append('git clone -- "${REPOSITORY:?set it to the repository URL}" code')
        commands += ["cd code", f"git checkout --detach {commit}"]
        if layout.PATCH in self.kept:
            commands.append(f"{self._kept('patch')} | git apply --whitespace=nowarn -")
        elif self.git.get("dirty"):
            notes.append("unknown: uncommitted changes")
        if count := self.git.get("untracked"):
            notes.append(f"unknown: {count} files or folders not tracked by git")
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
            notes += [where] if where else []
            return RecipeStep("environment", tuple(notes), (f"{self._kept('environment')} > {given}", install))
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
            wanted = f"must have {digest or 'a digest that is unknown'}"
            if not path:
                notes.append(f"{text(each, 'uri') or 'unknown'} {wanted}: copy it here")
            elif command := format_check_command(path, digest):
                commands.append(command)
            else:
                notes.append(f"{path} {wanted}: run 'dvc pull' if DVC tracks it")
        return RecipeStep(name, tuple(notes), tuple(commands))

    def parents(self) -> RecipeStep:
        here = [parent.ref for parent in self.nodes if parent.version]
        notes = ["what it was derived from"] if here else []
        notes += [f"unknown: it was derived from {each.ref}: {each.note}" for each in self.nodes if not each.version]
        return RecipeStep("parents", tuple(notes), tuple(f"{self.registry} path {shlex.quote(ref)}" for ref in here))

    def command(self) -> RecipeStep:
        variables = get_section(self.run, "variables")
        exports = [f"export {name}={shlex.quote(text(variables, name))}" for name in _EXPORTED if text(variables, name)]
        others = [f"{name}={value}" for name, value in variables.items() if name not in _EXPORTED]
        notes = [f"it ran with {', '.join(others)}"] if others else []
        made = text(self.run, "command")
        if not made:
            notes.append("unknown: the command that produced it")
        elif redaction.REDACTED in made:
            notes += ["fill in the secrets, which were removed:", made]
        else:
            notes.append("the command that produced it")
            exports.append(made)
        return RecipeStep("command", tuple(notes), tuple(exports))

    def outcome(self) -> RecipeStep:
        register = text(self.run, "register")
        notes = [f"it was registered with: {register}"] if register else []
        notes.append(f"to compare: {self.registry} find PATH prints {self.version.ref} if every byte is the same")
        return RecipeStep("outcome", tuple(notes))


def format_check_command(path: str, digest: str) -> str:
    """A command that succeeds if a file or folder has this digest; empty if no common tool can verify it."""
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
    """Check what reproducing a version needs: commit, changes, Python, packages, data and code.

    ``kept`` are its sidecar files by name, each as bytes, or as text with the reason why it can't be read. ``python``
    is a Python or the folder of an environment to compare, instead of that of the ``caller``.
    """
    here = git.GitRepository.around(caller.folder, caller.variables)
    yield _check_commit(text(get_section(lineage, "git"), "commit"), here)
    yield from _check_changes(get_section(lineage, "git"), kept)
    yield from _check_packages(get_section(lineage, "environment"), kept, environment.find_environment(caller, python))
    recorded = text(get_section(lineage, "run"), "folder")
    folder = os.path.join(str(here.top) if here else caller.folder, recorded) if recorded else caller.folder
    for name in ("data", "code"):
        for item in items(lineage, name):
            yield _check_source(name, item, folder, progress)
    command = text(get_section(lineage, "run"), "command")
    outcome, note = (HOLDS, "it is known") if command else (UNKNOWN, _NOT_KEPT)
    yield ReproducibilityCheck("command", outcome, command, note)


def _check_commit(commit: str, here: git.GitRepository | None) -> ReproducibilityCheck:
    if not git.is_commit(commit):
        return ReproducibilityCheck("commit", UNKNOWN, "", _NOT_KEPT)
    outcome, note = DIFFERS, "no repository here"
    try:
        if here is not None:
            outcome, note = DIFFERS, f"it is not in {here.top}; try 'git fetch'"
            if git.has_commit(here, commit):
                outcome, note = HOLDS, f"it is in {here.top}"
    except git.GitUnavailable as error:
        note = str(error)
    return ReproducibilityCheck("commit", outcome, commit, note)


def _check_changes(section: Mapping[str, Any], kept: Mapping[str, bytes | str]) -> Iterator[ReproducibilityCheck]:
    """Check that uncommitted changes were kept, if there were any."""
    if section.get("dirty"):
        patch, digest = kept.get(layout.PATCH), text(section, "patch")
        if isinstance(patch, bytes):
            yield ReproducibilityCheck("changes", HOLDS, digest, f"{layout.PATCH} is here")
        else:
            note = patch or "the uncommitted changes were not recorded"
            yield ReproducibilityCheck("changes", DIFFERS, digest, note)


def _check_packages(
    section: Mapping[str, Any], kept: Mapping[str, bytes | str], here: environment.Environment
) -> Iterator[ReproducibilityCheck]:
    if python := text(section, "python"):
        outcome = HOLDS if here.python == python else DIFFERS
        yield ReproducibilityCheck("python", outcome, python, here.python or here.why)
    else:
        yield ReproducibilityCheck("python", UNKNOWN, "", _NOT_KEPT)
    listed, digest = kept.get(layout.ENVIRONMENT), text(section, "digest")
    if not isinstance(listed, bytes):
        outcome, note = DIFFERS if listed else UNKNOWN, listed or text(section, "unknown") or _NOT_KEPT
    elif not here.lines:
        outcome, note = DIFFERS, here.why or "there are none"
    else:
        before = environment.parse_packages(listed.decode("utf-8", "replace"))
        after = environment.parse_packages("\n".join(here.lines))
        other = comparison.differences(before, after, comparison.Difference)
        outcome, note = HOLDS, f"all {len(before)} are the same"
        if other:
            first = (f"{each.name} {each.before or 'none'} is {each.after or 'none'}" for each in other[:_NAMED])
            outcome, note = DIFFERS, f"{len(other)} differ: {', '.join(first)}{' …' if len(other) > _NAMED else ''}"
    yield ReproducibilityCheck("packages", outcome, digest, note)


def _check_source(kind: str, item: Mapping[str, Any], folder: str, progress: Progress) -> ReproducibilityCheck:
    path, digest = text(item, "path"), text(item, "digest")
    check = partial(ReproducibilityCheck, f"{kind} {path or text(item, 'uri')}")
    algorithm = digest.partition(":")[0]
    if not path:
        return check(UNKNOWN, digest, "a URL: not checked")
    place = os.path.join(folder, path)
    if not os.path.exists(place):
        return check(DIFFERS, digest, "it is not here")
    try:
        if algorithm == "md5" and os.path.isfile(place):
            found = f"md5:{_md5(place, progress)}"
        elif algorithm == "sha256":
            found = data.measure(place, progress)["digest"]
        else:
            return check(
                UNKNOWN, digest, "it is here; compare it with 'dvc status'" if algorithm == "md5" else "it is here"
            )
    except OSError as error:
        return check(DIFFERS, digest, f"it cannot be read: {explain(error)}")
    except RegistryError as error:
        return check(DIFFERS, digest, error.message)
    return check(HOLDS if found == digest else DIFFERS, digest, found)


def _md5(path: str, progress: Progress) -> str:
    """DVC's digest of a file; it does not protect against forgery."""
    hasher = hashlib.md5(usedforsecurity=False)
    progress.expect(os.stat(path).st_size)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
            progress(len(block))
    return hasher.hexdigest()
