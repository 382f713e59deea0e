"""A git repository, asked with git's plumbing: its tags, and files as they were at a commit. Nothing in it is changed.

No hook, pager, filter or transport of the repository is run: the commands used here run none, and lazy fetching of a
partial clone is switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..children import run
from ..errors import InvalidInput, RegistryError
from .luggage import stamp

_SECONDS = 60.0
_MOST = 256 << 20
_KEPT = 256 << 10
_QUIET = ("--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
_FORMAT = (
    "%(refname:short)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00%(taggername)%00%(contents:subject)"
)
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
    """The git repository that holds ``folder``. Raises :class:`InvalidInput` where git knows none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[tuple[str, str], bytes | None] = {}
        self.root = Path(self._text("rev-parse", "--show-toplevel").rstrip("\n"))

    def tags(self) -> Iterator[Tag]:
        """All tags that name a commit, in the order of their names."""
        for line in self._text("for-each-ref", f"--format={_FORMAT}", "refs/tags").splitlines():
            parts = line.split("\0")
            if len(parts) != 6:
                continue
            name, direct, behind, when, author, message = parts
            commit = behind or direct
            if _COMMIT.match(commit):
                created = stamp(int(when) * 1000) if when.isdecimal() else ""
                yield Tag(name, commit, created, author, message)

    def head(self) -> str:
        """The commit that is checked out; empty in a repository without one."""
        try:
            return self._text("rev-parse", "--verify", "--quiet", "HEAD").strip()
        except RegistryError:
            return ""

    def remote(self) -> str:
        """The address of ``origin``; empty if there is none."""
        try:
            return self._text("config", "--get", "remote.origin.url").strip()
        except RegistryError:
            return ""

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
        command = ("git", *_QUIET, "-C", str(self._folder), *arguments)
        try:
            ended = run(command, seconds=_SECONDS, data=data, most=most)
        except OSError:
            raise InvalidInput("git is not installed, and the versions are in git tags", "install git") from None
        if ended.code != 0 or ended.cut:
            said = ended.errors.decode("utf-8", "replace").strip().splitlines()
            why = (
                said[-1].removeprefix("fatal: ")
                if said
                else "it did not answer in time"
                if ended.code is None
                else "no answer"
            )
            raise InvalidInput(f"git can't read '{self._folder}': {why[:300]}")
        return ended.output
