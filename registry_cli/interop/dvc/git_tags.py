"""A git repository, asked with git's plumbing: its tags, and files as they were at a commit. Nothing in it is changed.

No hook, pager, filter or transport of the repository is run, and no variable of git leads to another one: see
``lineage.git``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ...core.lazy_dataclass import dataclass
from ...core.redaction import redact_url
from ...core.times import format_milliseconds
from ...errors import InvalidInput
from ...lineage import git

_SECONDS = 60.0
_MOST = 256 << 20
_KEPT = 256 << 10
_FORMAT = (
    "%(refname:short)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00%(taggername)%00%(contents:subject)"
)
_T = TypeVar("_T")
_COMMIT = re.compile(r"[0-9a-f]{40,64}\Z")


@dataclass(frozen=True, eq=False, repr=False)
class Tag:
    """A tag: the commit that it names, when, by whom and with which words it was made."""

    name: str
    commit: str
    created: str
    author: str
    message: str


class Repository:
    """The git repository that holds ``folder``; what leads out of it is refused, as for a lineage."""

    def __init__(self, repository: git.Repository) -> None:
        self._git = repository
        self._read: dict[tuple[str, str], bytes | None] = {}
        self.root = repository.top
        self._head = self._asking(repository.open)

    @classmethod
    def around(cls, folder: Path) -> Repository | None:
        """The repository whose work tree holds ``folder``; None when there is none.

        Raises:
            InvalidInput: git does not trust it, or it leads elsewhere.
        """
        found = git.Repository.around(str(folder), patience=_SECONDS)
        return cls(found) if found else None

    def tags(self) -> Iterator[Tag]:
        """All tags that name a commit, in the order of their names."""
        for line in self._text("for-each-ref", f"--format={_FORMAT}", "refs/tags").splitlines():
            parts = line.split("\0")
            if len(parts) != 6:
                continue
            name, direct, behind, when, author, message = parts
            commit = behind or direct
            if _COMMIT.match(commit):
                created = format_milliseconds(int(when) * 1000) if when.isdecimal() else ""
                yield Tag(name, commit, created, author, message)

    def head(self) -> str:
        """The commit that is checked out; empty in a repository without one."""
        return self._head

    def remote(self) -> str:
        """The address of ``origin`` without its login; empty if there is none."""
        done = self._asking(
            lambda: self._git.ask("config", "--no-includes", "--get", "remote.origin.url", accepted=(0, 1))
        )
        return redact_url(done.output.decode("utf-8", "replace").strip())

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file as it was at a commit; None if it wasn't there, or was none. :class:`InvalidInput` if it is too large."""
        if (commit, path) in self._read:
            return self._read[commit, path]
        kind, size = self._object(f"{commit}:{path}")
        if size > _MOST:
            raise InvalidInput(
                f"'{path}' has {size:,} bytes in git", f"{_MOST:,} are the most that are taken from there"
            )
        data = self._run("cat-file", "blob", f"{commit}:{path}", most=size) if kind == "blob" else None
        if data is None or size <= _KEPT:  # the same few documents are asked for again and again
            self._read[commit, path] = data
        return data

    def below(self, commit: str, path: str) -> list[str]:
        """The paths of the regular files below a folder as it was at a commit."""
        if self._object(f"{commit}:{path}")[0] != "tree":
            return []
        listed = self._run("ls-tree", "-r", "-z", "--full-tree", commit, "--", f":(literal){path}/").decode(
            "utf-8", "replace"
        )
        entries = (line.partition("\t") for line in listed.split("\0") if line)
        return [name for mode, _, name in entries if mode.startswith("100")]

    def _object(self, name: str) -> tuple[str, int]:
        """The kind and size of an object; an empty kind if there is none by that name."""
        if "\n" in name:
            return "", 0
        told = self._run("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=f"{name}\n".encode()).decode()
        kind, _, size = told.strip().rpartition(" ")
        return (kind, int(size)) if kind in ("blob", "tree") and size.isdecimal() else ("", 0)

    def _text(self, *arguments: str) -> str:
        return self._run(*arguments).decode("utf-8", "replace")

    def _run(self, *arguments: str, data: bytes = b"", most: int = _MOST) -> bytes:
        return self._asking(lambda: self._git.ask(*arguments, data=data, most=most)).output

    def _asking(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except git.Silent as error:
            hint = "install git" if "not installed" in str(error) else "import from a fresh 'git clone' of it"
            raise InvalidInput(f"cannot read the git repository '{self.root}': {error}", hint) from None
