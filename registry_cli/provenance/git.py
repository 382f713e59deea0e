"""What git says of the folder in which a model was made. Nothing of the repository is run, and nothing waits for long.

A repository may come from a stranger: its configuration names programs (monitors, hooks, filters, viewers of
differences). All of these are switched off, so are locks and the network (git 2.31 or newer is needed for
filters). What git can't say in time, or doesn't want to
say, is read from its files as far as that goes (see ``git_files``).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import children
from . import git_files, masking

#: Seconds that all questions together may take.
PATIENCE = 1.5
#: The largest patch that is kept, in bytes.
PATCH_LIMIT = 1 << 20
#: So many commits between two versions are told.
LOG_LIMIT = 50
_STATUS_KEPT = 256 << 10
_GRACE = 0.5
_OFF = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "core.pager=cat",
    "diff.noprefix=false", "diff.mnemonicPrefix=false", "diff.submodule=short", "diff.relative=false",
    "status.submoduleSummary=false", "log.showSignature=false", "color.ui=false", "submodule.recurse=false",
)  # fmt: skip
#: What git gets of the caller's environment: where things are, and no GIT_DIR of a hook that calls us.
_INHERITED = ("PATH", "HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "TMPDIR")
_QUIET = {
    "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_REPLACE_OBJECTS": "1",
}  # fmt: skip
_DIFF = (
    "diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
    "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "HEAD", "--",
)  # fmt: skip
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)
_RUNS = re.compile(r"filter\.(.+)\.(?:clean|smudge|process)\Z", re.DOTALL)


def is_commit(text: object) -> bool:
    """Whether a text is the whole id of a commit."""
    return isinstance(text, str) and bool(_COMMIT.match(text))


class Silent(Exception):
    """Git said nothing that can be used; the text says why."""


@dataclass(eq=False, repr=False)
class Repository:
    """A repository that is being asked; ``top`` is its work tree. Its questions share one limit of time."""

    top: Path
    variables: Mapping[str, str]
    deadline: float = field(default_factory=lambda: time.monotonic() + PATIENCE)
    filters: Sequence[str] = ()

    @classmethod
    def around(cls, folder: str, variables: Mapping[str, str]) -> Repository | None:
        """The repository whose work tree holds ``folder``; None when there is none. No program is started."""
        top = git_files.top_of(folder)
        return cls(top, variables) if top else None

    def ask(self, *words: str, most: int = children.KEPT, heard: Any = None) -> children.Finished:
        """Run one command of git. Raises :class:`Silent` unless it ended well, and in time."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Silent(f"git did not answer within {PATIENCE:g} seconds")
        settings = [word for setting in _OFF for word in ("-c", setting)]
        given = {name: self.variables[name] for name in _INHERITED if name in self.variables}
        given |= self._without_filters()
        try:
            done = children.run(
                ["git", "--no-pager", *settings, *words], seconds=left, folder=self.top, environment={**given, **_QUIET},
                most=most, heard=heard, grace=_GRACE,
            )  # fmt: skip
        except FileNotFoundError:
            raise Silent("git is not installed") from None
        except OSError as error:
            raise Silent(f"git can't be started: {error.strerror}") from None
        if done.code is None:
            raise Silent(f"git did not answer within {PATIENCE:g} seconds")
        if done.code != 0:
            raise Silent(_why(done.errors))
        return done

    def _without_filters(self) -> dict[str, str]:
        """Settings that switch the repository's own filters off; as variables, for their names may hold anything."""
        off = {"clean": "", "smudge": "", "process": "", "required": "false"}
        pairs = [(f"filter.{name}.{key}", value) for name in self.filters for key, value in off.items()]
        found = {
            f"GIT_CONFIG_{kind}_{at}": text
            for at, pair in enumerate(pairs)
            for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {**found, "GIT_CONFIG_COUNT": str(len(pairs))}


def _why(errors: bytes) -> str:
    said = readable(errors).strip().split("\n")[0].removeprefix("fatal: ")[:200]
    return "git does not trust this repository: it belongs to somebody else" if "dubious ownership" in said else (
        f"git failed: {said}" if said else "git failed"
    )  # fmt: skip


def readable(data: bytes) -> str:
    r"""What git printed, as text: bytes that are no UTF-8 as ``\xff``."""
    return data.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, eq=False, repr=False)
class Seen:
    """What was found out. ``document`` is ``lineage.git``; ``patch`` the changes that are not committed, if kept."""

    document: dict[str, Any]
    patch: bytes | None = None
    warning: str = ""


def look(repository: Repository, *, keep_patch: bool) -> Seen:
    """Commit, branch, remote and uncommitted changes of a repository."""
    try:
        return _asked(repository, keep_patch=keep_patch)
    except Silent as error:
        known = git_files.head_of(repository.top)
        return Seen({**known, "unknown": str(error)}, warning=str(error))


def _asked(repository: Repository, *, keep_patch: bool) -> Seen:
    remotes = _settings(repository)
    status = repository.ask(
        "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty",
        "--no-renames", most=_STATUS_KEPT,
    )  # fmt: skip
    entries = status.output.split(b"\0")[: -1 if status.cut else None]
    heads = dict(_headers(entries))
    document: dict[str, Any] = {}
    if is_commit(commit := heads.get("oid")):
        document["commit"] = commit
    if (branch := heads.get("head", "(detached)")) != "(detached)":
        document["branch"] = branch
    if remote := _remote(remotes, document.get("branch", "")):
        document["remote"] = remote
    document["dirty"] = any(entry[:2] in (b"1 ", b"2 ", b"u ") for entry in entries)
    if not status.cut and (untracked := sum(entry.startswith(b"? ") for entry in entries)):
        document["untracked"] = untracked
    if not (document["dirty"] and "commit" in document):
        return Seen(document)
    return _with_patch(repository, document, keep_patch=keep_patch)


def _with_patch(repository: Repository, document: dict[str, Any], *, keep_patch: bool) -> Seen:
    hasher = hashlib.sha256()
    try:
        done = repository.ask(*_DIFF, most=PATCH_LIMIT, heard=hasher.update)
    except Silent as error:
        return Seen({**document, "unknown": f"the changes: {error}"}, warning=f"uncommitted changes: {error}")
    if not done.output:  # only of a submodule's work tree, or of a mode that git does not look at
        return Seen(document)
    document["patch"] = f"sha256:{hasher.hexdigest()}"
    if done.cut or not keep_patch or masking.betrays(done.output):
        secret = keep_patch and not done.cut
        words = "the changes that are not committed hold a secret, and are not kept" if secret else ""
        return Seen({**document, "patch_kept": False}, warning=words)
    return Seen(document, done.output)


def _headers(entries: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if entry.startswith(b"# branch."):
            name, _, value = readable(entry[9:]).partition(" ")
            yield name, value


def _settings(repository: Repository) -> dict[str, str]:
    """The settings about remotes. Filters that the repository itself defines are programs: they are remembered as off."""
    done = repository.ask("config", "--list", "-z", "--show-scope", most=_STATUS_KEPT)
    parts = done.output.split(b"\0")
    found, filters = {}, set()
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        name, _, value = readable(entry).partition("\n")
        if name.startswith(("remote.", "branch.")):
            found[name] = value
        if (runs := _RUNS.match(name)) and scope not in (b"system", b"global"):
            filters.add(runs[1])
    repository.filters = sorted(filters)
    return found


def _remote(settings: Mapping[str, str], branch: str) -> str:
    """The address that the branch follows, else ``origin``, else the only one there is; without what logs in."""
    addresses = {
        name[7:-4]: value for name, value in settings.items() if name.startswith("remote.") and name.endswith(".url")
    }
    chosen = settings.get(f"branch.{branch}.remote", "origin")
    if chosen not in addresses and len(addresses) == 1:
        chosen = next(iter(addresses))
    return masking.address(addresses.get(chosen, ""))


def has_commit(repository: Repository, commit: str) -> bool:
    """Whether a commit is in the repository. Raises :class:`Silent` when git can't say."""
    try:
        repository.ask("cat-file", "-e", f"{commit}^{{commit}}")
    except Silent as error:
        if str(error).startswith("git failed"):
            return False
        raise
    return True


def between(repository: Repository, before: str, after: str) -> tuple[list[tuple[str, str, str]], bool]:
    """The commits that came (``>``) and those that went (``<``) from one to another: mark, short id, subject; the
    newest first, at most :data:`LOG_LIMIT`, and whether there are more. Raises :class:`Silent`.
    """
    done = repository.ask(
        "log", "--left-right", f"--max-count={LOG_LIMIT + 1}", "--no-decorate", "--no-show-signature", "--no-color",
        "--no-notes", "-z", "--format=%m%x09%h%x09%s", f"{before}...{after}", "--",
    )  # fmt: skip
    lines = [readable(line).split("\t", 2) for line in done.output.split(b"\0") if line]
    found = [(line[0], line[1], line[2]) for line in lines if len(line) == 3]
    return found[:LOG_LIMIT], done.cut or len(found) > LOG_LIMIT
