"""Ask the git repository around a folder. Nothing of the repository is run, and all commands share a time limit.

A repository may come from a stranger, and its configuration names programs (monitors, hooks, filters, external diffs).
Git is therefore run only with plumbing commands that start none of them (for the work tree see ``git_state``), and not
at all in a repository that leads to files elsewhere (see :func:`check_layout`).
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import redaction, subprocesses
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern

#: Seconds for all commands together.
PATIENCE = 1.5
#: The most commits that are listed between two versions.
LOG_LIMIT = 50
#: The most bytes of an answer; a longer one is an error.
ANSWER_LIMIT = 64 << 20
_GRACE = 0.5
_COMMIT = lazy_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)
_WORKTREE = lazy_pattern(r"^[ \t]*worktree[ \t]*=[ \t]*([^\n#;]+)", re.MULTILINE | re.IGNORECASE)
_REF = lazy_pattern(r"ref: (refs/[^\x00-\x20\x7f~^:?*\[\\]+)\Z")
#: The most bytes of a file that are read; a configuration file must not be larger.
_MOST = 1 << 20
#: Files and folders of a repository that must not be symbolic links.
_OWN = (
    "HEAD", "config", "config.worktree", "index", "objects", "objects/info", "objects/pack", "refs", "packed-refs", "info",
    "info/exclude", "info/attributes", "commondir", "shallow", "reftable",
)  # fmt: skip
_OBJECTS_MOST = 200_000


def is_commit(text: object) -> bool:
    """Return whether a text is the full id of a commit."""
    return isinstance(text, str) and bool(_COMMIT.match(text))


class GitUnavailable(Exception):
    """Git gave no usable answer; the text has the reason."""


@dataclass(eq=False, repr=False)
class GitRepository:
    """A repository to ask; ``top`` is its work tree. All commands share one time limit, ``patience`` in seconds."""

    top: Path
    variables: Mapping[str, str] | None = None
    patience: float = PATIENCE
    deadline: float = 0.0
    settings: tuple[str, ...] = ()
    #: The tree of the commit that is checked out; empty if it is not known, and until the repository is opened.
    tree: str = field(default="", init=False)
    _head: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.deadline = self.deadline or time.monotonic() + self.patience

    @classmethod
    def around(
        cls, folder: str, variables: Mapping[str, str] | None = None, patience: float = PATIENCE
    ) -> GitRepository | None:
        """Return the repository whose work tree holds ``folder``, None if there is none. No program is started."""
        here = Path(folder)
        top = next((each for each in (here, *here.parents) if os.path.lexists(each / ".git")), None)
        return cls(top, variables, patience) if top else None

    def open(self) -> str:
        """Make sure that git finds this repository and no other, and that nothing in it leads elsewhere.

        Return the id of the commit that is checked out, empty if there is none yet. Raises :class:`GitUnavailable`.
        """
        if self._head is not None:
            return self._head
        try:
            check_layout(self.top)
        except (UnsafeRepository, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise GitUnavailable(f"git is not used: {reason}") from None
        # Several questions at once; the last two fail in a repository without commits.
        done = self._ask("rev-parse", "--show-toplevel", "HEAD^{commit}", "HEAD^{tree}", "--", accepted=(0, 128))
        top, _, rest = done.output.partition(b"\n")
        if done.code and b"bad revision" not in done.errors and b"unknown revision" not in done.errors:
            raise GitUnavailable(_failure_reason(done.errors))
        if os.path.realpath(top) != os.fsencode(os.path.realpath(self.top)):
            raise GitUnavailable("git is not used: its settings set a work tree elsewhere (core.worktree)")
        head, tree = [*decode(rest).split("\n"), ""][:2]
        if not is_commit(head) and "commit" in read_head(self.top):
            raise GitUnavailable("the commit that is checked out is not in the repository")
        self._head = head if is_commit(head) else ""
        self.tree = tree if is_commit(tree) else ""
        return self._head

    def ask(self, *words: str, **limits: Any) -> subprocesses.Finished:
        """Run a plumbing command of git in this repository, which is opened first; see :meth:`run`."""
        self.open()
        return self._ask(*words, **limits)

    def _ask(self, *words: str, **limits: Any) -> subprocesses.Finished:
        settings = [word for setting in self.settings for word in ("-c", setting)]
        above = {"GIT_CEILING_DIRECTORIES": os.path.realpath(self.top.parent)}
        return self.run([*settings, *words], self.top, above, **limits)

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        more: Mapping[str, str],
        *,
        data: bytes = b"",
        most: int = ANSWER_LIMIT,
        heard: Any = None,
        accepted: Sequence[int] = (0,),
    ) -> subprocesses.Finished:
        """Run git in the rest of the time. More than ``most`` bytes are an error, unless ``heard`` gets all of them."""
        left = self.deadline - time.monotonic()
        late = f"git did not answer within {self.patience:g} seconds"
        if left <= 0:
            raise GitUnavailable(late)
        try:
            done = subprocesses.run_git(
                words, folder=folder, variables=self.variables, more=more, seconds=left, data=data, most=most,
                on_output=heard, grace=_GRACE,
            )  # fmt: skip
        except FileNotFoundError:
            raise GitUnavailable("git is not installed") from None
        except OSError as error:
            raise GitUnavailable(f"git cannot be started: {error.strerror}") from None
        if done.code is None:
            raise GitUnavailable(late)
        if done.code not in accepted:
            raise GitUnavailable(_failure_reason(done.errors))
        if done.cut and heard is None:
            raise GitUnavailable(f"git answered more than {most:,} bytes")
        return done


def _failure_reason(errors: bytes) -> str:
    line = redaction.redact_text(decode(errors)).strip().split("\n")[0].removeprefix("fatal: ")[:200]
    if "dubious ownership" in line:
        return "git does not trust this repository: it belongs to another user"
    return f"git failed: {line}" if line else "git failed"


def decode(data: bytes) -> str:
    r"""Output of git as text; bytes that are not UTF-8 as ``\xff``."""
    return data.decode("utf-8", "backslashreplace")


def has_commit(repository: GitRepository, commit: str) -> bool:
    """Return whether a commit is in the repository. Raises :class:`GitUnavailable` if git does not answer."""
    try:
        repository.ask("cat-file", "-e", f"{commit}^{{commit}}")
    except GitUnavailable as error:
        if str(error).startswith("git failed"):
            return False
        raise
    return True


def list_commits_between(repository: GitRepository, before: str, after: str) -> tuple[list[tuple[str, str, str]], bool]:
    """List the commits of only one of two: mark (``>`` after, ``<`` before), short id and subject, newest first.

    Returns at most :data:`LOG_LIMIT`, and whether there are more. Raises :class:`GitUnavailable`.
    """
    done = repository.ask(
        "rev-list", "--left-right", f"--max-count={LOG_LIMIT + 1}", "--no-color", "--format=%m%x09%h%x09%s",
        f"{before}...{after}", "--",
    )  # fmt: skip
    lines = [decode(line).split("\t", 2) for line in done.output.split(b"\n") if line[:1] in (b"<", b">")]
    found = [(line[0], line[1], line[2]) for line in lines if len(line) == 3]
    return found[:LOG_LIMIT], len(found) > LOG_LIMIT


class UnsafeRepository(Exception):
    """The repository leads elsewhere; the text says where."""


def check_layout(top: Path) -> None:
    """Raise :class:`UnsafeRepository` for a repository whose files lead out of it.

    That is so if ``.git`` leads to one that does not name this work tree, or if its objects, configuration or index are
    elsewhere (symbolic links, ``alternates``, ``commondir``, ``include``).
    """
    folder, common = _find_folders(top)
    for each in {folder, common}:
        for name in _OWN:
            if os.path.islink(each / name):
                raise UnsafeRepository(f"{name} in its .git is a symbolic link")
    for name in ("alternates", "http-alternates"):
        if _read(common / "objects/info" / name).strip():
            raise UnsafeRepository("it borrows objects from another repository (objects/info/alternates)")
    for path in (common / "config", folder / "config.worktree"):
        _check_settings(path)
    _check_objects(common / "objects")


def _find_folders(top: Path) -> tuple[Path, Path]:
    """The folder of the repository, and the one with its objects, which is another one for a worktree."""
    place = top / ".git"
    mode = os.lstat(place).st_mode
    if stat.S_ISLNK(mode):
        raise UnsafeRepository("its .git is a symbolic link")
    if stat.S_ISDIR(mode):
        if os.path.lexists(place / "commondir"):
            raise UnsafeRepository("it borrows from another repository (commondir)")
        return place, place
    words = _read(place).strip()
    if not words.startswith("gitdir: ") or "\0" in words:
        raise UnsafeRepository("its .git is neither a folder nor a link to one")
    folder = Path(os.path.realpath(top / words.removeprefix("gitdir: ")))
    if folder.parent.name == "worktrees":  # git worktree: it names our .git in turn
        common = folder.parent.parent
        back = folder / _read(folder / "gitdir").strip()
        named = folder / _read(folder / "commondir").strip()
        if _is_same_path(back, place) and _is_same_path(named, common):
            return folder, common
    elif "modules" in folder.parts:  # git submodule: its configuration names our work tree
        found = _WORKTREE.findall(_read(folder / "config"))
        if len(found) == 1 and _is_same_path(folder / found[0].strip().strip('"'), top):
            return folder, folder
    raise UnsafeRepository("its .git leads to a repository elsewhere that does not know this folder")


def get_index_path(top: Path) -> Path:
    """Return the path of the index of a work tree. Raises :class:`UnsafeRepository` like :func:`check_layout`."""
    return _find_folders(top)[0] / "index"


def _is_same_path(one: Path, other: Path) -> bool:
    try:
        return os.path.realpath(one) == os.path.realpath(other)
    except ValueError:  # a null byte
        return False


def _check_settings(path: Path) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST:
        raise UnsafeRepository(f"its settings ({path.name}) are not a file of at most {_MOST:,} bytes")
    if "[include" in _read(path).lower():
        raise UnsafeRepository("its settings include other files (include.path)")


def _check_objects(folder: Path) -> None:
    """Refuse objects that are links, and more files than can be checked."""
    pending, count = [folder], 0
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_symlink():
                        raise UnsafeRepository("some of its objects are symbolic links")
                    if count > _OBJECTS_MOST:
                        message = f"it has more than {_OBJECTS_MOST:,} unpacked objects; run 'git gc' in it"
                        raise UnsafeRepository(message)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnsafeRepository(f"its objects cannot be listed: {error.strerror}") from None


def read_head(top: Path) -> dict[str, str]:
    """Return ``commit`` and ``branch`` as far as the files name them."""
    try:
        folder, common = _find_folders(top)
    except (UnsafeRepository, OSError):
        return {}
    head = _read(folder / "HEAD").strip()
    if _COMMIT.match(head):
        return {"commit": head}
    ref = _REF.match(head)
    if ref is None or ".." in ref[1] or ref[1].endswith("/.invalid"):
        return {}
    found = {"branch": ref[1].removeprefix("refs/heads/")}
    commit = _read(common / ref[1]).strip() or _read_packed(common, ref[1])
    return {"commit": commit, **found} if _COMMIT.match(commit) else found


def _read_packed(common: Path, ref: str) -> str:
    rows = (line.partition(" ") for line in _read(common / "packed-refs", 64 * _MOST).splitlines())
    return next((commit for commit, _, name in rows if name == ref), "")


def _read(path: Path, most: int = _MOST) -> str:
    """The beginning of a file; empty if it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(most).decode("utf-8", "backslashreplace")
    except OSError:
        return ""
