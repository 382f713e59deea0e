"""What git knows of the folder in which a model was made. Nothing of the repository is run, and nothing waits for long.

A repository may come from a stranger: its configuration names programs (monitors, hooks, filters, viewers of differences).
Git is therefore asked only by plumbing commands that run none of them, and never reads the work tree through a filter: its
files are hashed and compared here (see ``git_changes``). A repository that leads to files elsewhere is not asked at all
(see ``git_files``). What git cannot say, in time or at all, is recorded as unknown, with the reason.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import redaction, subprocesses
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern
from . import git_files

#: Seconds that all questions together may take.
PATIENCE = 1.5
#: So many commits between two versions are told.
LOG_LIMIT = 50
#: The most bytes of an answer; one that is longer is an error.
ANSWER_LIMIT = 64 << 20
_GRACE = 0.5
_COMMIT = lazy_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)


def is_commit(text: object) -> bool:
    """Whether a text is the whole id of a commit."""
    return isinstance(text, str) and bool(_COMMIT.match(text))


class GitUnavailable(Exception):
    """Git said nothing that can be used; the text says why."""


@dataclass(eq=False, repr=False)
class GitRepository:
    """A repository that is being asked; ``top`` is its work tree. Its questions share one limit of time."""

    top: Path
    variables: Mapping[str, str] | None = None
    patience: float = PATIENCE
    deadline: float = 0.0
    settings: tuple[str, ...] = ()
    _head: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.deadline = self.deadline or time.monotonic() + self.patience

    @classmethod
    def around(
        cls, folder: str, variables: Mapping[str, str] | None = None, patience: float = PATIENCE
    ) -> GitRepository | None:
        """The repository whose work tree holds ``folder``; None when there is none. No program is started."""
        top = git_files.top_of(folder)
        return cls(top, variables, patience) if top else None

    def open(self) -> str:
        """Make sure that git means this repository and no other, and that nothing in it leads elsewhere.

        Returns:
            The id of the commit that is checked out; empty when there is none yet.

        Raises:
            GitUnavailable: it is not to be asked, or git does not answer.
        """
        if self._head is not None:
            return self._head
        try:
            git_files.check_layout(self.top)
        except git_files.UnsafeRepository as error:
            raise GitUnavailable(f"git is not asked: {error}") from None
        except OSError as error:
            raise GitUnavailable(f"git is not asked: {error.strerror}") from None
        # Several questions at once; the last one fails in a repository without commits.
        done = self._run("rev-parse", "--show-toplevel", "HEAD^{commit}", "--", accepted=(0, 128))
        top, _, rest = done.output.partition(b"\n")
        if done.code and b"bad revision" not in done.errors and b"unknown revision" not in done.errors:
            raise GitUnavailable(_failure_reason(done.errors))
        if os.path.realpath(top) != os.fsencode(os.path.realpath(self.top)):
            raise GitUnavailable("git is not asked: its settings name a work tree elsewhere (core.worktree)")
        head = decode(rest).partition("\n")[0]
        if not is_commit(head) and "commit" in git_files.head_of(self.top):
            raise GitUnavailable("the commit that is checked out is not in the repository")
        self._head = head if is_commit(head) else ""
        return self._head

    def ask(
        self, *words: str, data: bytes = b"", most: int = ANSWER_LIMIT, accepted: Sequence[int] = (0,)
    ) -> subprocesses.Finished:
        """Run one plumbing command of git in this repository, which is opened first.

        Raises:
            GitUnavailable: it did not end well and in time, or answered more than ``most`` bytes.
        """
        self.open()
        return self._run(*words, data=data, most=most, accepted=accepted)

    def _run(
        self, *words: str, data: bytes = b"", most: int = ANSWER_LIMIT, accepted: Sequence[int] = (0,)
    ) -> subprocesses.Finished:
        settings = [word for setting in self.settings for word in ("-c", setting)]
        above = {"GIT_CEILING_DIRECTORIES": os.path.realpath(self.top.parent)}
        return run(
            self, [*settings, *words], folder=self.top, more=above, data=data, most=most, accepted=accepted
        )  # fmt: skip


def run(
    repository: GitRepository,
    words: Sequence[str],
    *,
    folder: str | os.PathLike[str],
    more: Mapping[str, str],
    data: bytes = b"",
    most: int = ANSWER_LIMIT,
    heard: Any = None,
    accepted: Sequence[int] = (0,),
) -> subprocesses.Finished:
    """Run git in what is left of a repository's time. What is longer than ``most`` is an error unless it is ``heard``."""
    left = repository.deadline - time.monotonic()
    late = f"git did not answer within {repository.patience:g} seconds"
    if left <= 0:
        raise GitUnavailable(late)
    try:
        done = subprocesses.run_git(
            words, folder=folder, variables=repository.variables, more=more, seconds=left, data=data, most=most,
            on_output=heard, grace=_GRACE,
        )  # fmt: skip
    except FileNotFoundError:
        raise GitUnavailable("git is not installed") from None
    except OSError as error:
        raise GitUnavailable(f"git can't be started: {error.strerror}") from None
    if done.code is None:
        raise GitUnavailable(late)
    if done.code not in accepted:
        raise GitUnavailable(_failure_reason(done.errors))
    if done.cut and heard is None:
        raise GitUnavailable(f"git answered more than {most:,} bytes")
    return done


def _failure_reason(errors: bytes) -> str:
    said = redaction.redact_text(decode(errors)).strip().split("\n")[0].removeprefix("fatal: ")[:200]
    if "dubious ownership" in said:
        return "git does not trust this repository: it belongs to somebody else"
    return f"git failed: {said}" if said else "git failed"


def decode(data: bytes) -> str:
    r"""What git printed, as text: bytes that are no UTF-8 as ``\xff``."""
    return data.decode("utf-8", "backslashreplace")


def has_commit(repository: GitRepository, commit: str) -> bool:
    """Whether a commit is in the repository. Raises :class:`GitUnavailable` when git can't say."""
    try:
        repository.ask("cat-file", "-e", f"{commit}^{{commit}}")
    except GitUnavailable as error:
        if str(error).startswith("git failed"):
            return False
        raise
    return True


def list_commits_between(repository: GitRepository, before: str, after: str) -> tuple[list[tuple[str, str, str]], bool]:
    """The commits that came (``>``) and those that went (``<``) from one to another: mark, short id, subject; the
    newest first, at most :data:`LOG_LIMIT`, and whether there are more. Raises :class:`GitUnavailable`.
    """
    done = repository.ask(
        "rev-list", "--left-right", f"--max-count={LOG_LIMIT + 1}", "--no-color", "--format=%m%x09%h%x09%s",
        f"{before}...{after}", "--",
    )  # fmt: skip
    lines = [decode(line).split("\t", 2) for line in done.output.split(b"\n") if line[:1] in (b"<", b">")]
    found = [(line[0], line[1], line[2]) for line in lines if len(line) == 3]
    return found[:LOG_LIMIT], len(found) > LOG_LIMIT
