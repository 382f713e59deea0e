"""The changes that are not committed: found and written as a patch without running anything of the repository.

``git status`` and ``git diff`` read the work tree through the repository's filters, which are programs. Here the files are
hashed as git hashes them and compared with its index. The patch is made in a repository of our own, in a private folder,
from the bytes before and after. Files that git would change on the way in (line ends, Git LFS) are understood; what goes
through any other filter is unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import dataclass, field
from . import git
from .git_patch import read_blobs
from .git_worktree import GONE, Entry, State, WorkTree, hash_blob

if TYPE_CHECKING:
    from .git import Repository

_LINE_ENDS_LIMIT = 16 << 20
_ENTRY = re.compile(
    rb"(?P<tag>\S) (?P<mode>[0-7]{6}) (?P<id>[0-9a-f]{40,64}) (?P<stage>[0-3])\t(?P<path>[^\0]+)\0"
    rb"  ctime: \d+:\d+\n  mtime: (?P<mtime>\d+):(?P<nano>\d+)\n  dev: \d+\tino: (?P<inode>\d+)\n  uid: \d+\tgid: \d+\n"
    rb"  size: (?P<size>\d+)\tflags: (?P<flags>[0-9a-f]+)\n"
)
_INTENT_TO_ADD = 1 << 29
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n")  # fmt: skip
_NO_FILTER = (b"unspecified", b"unset")


@dataclass(eq=False, repr=False)
class Changes:
    """``dirty`` is None when it is not known; ``unknown`` says why, or what of the changes is not known.

    ``paths`` has for each changed path its state in the commit, and in the work tree.
    """

    dirty: bool | None = None
    untracked: int = 0
    unknown: str = ""
    paths: dict[bytes, tuple[State, State]] = field(default_factory=dict)


def find_changes(repository: Repository, commit: str, settings: Mapping[str, str]) -> Changes:
    """Compare the commit, the index and the work tree.

    Raises:
        git.Silent: git does not say what is in its index.
    """
    index = _read_index(repository)
    work = WorkTree(repository, settings)
    staged = _staged(repository, commit, index)
    differs = {path: after for path, entry in index.items() if (after := work.state(path, entry)) is not None}
    changed, uncertain = _without_conversions(repository, work, index, differs)
    changes = Changes(untracked=_count_untracked(repository))
    for path in {*staged, *changed}:
        entry = index.get(path)
        before = staged.get(path) or _committed(entry)
        after = changed.get(path) or (State(entry.mode, entry.id) if entry else State(GONE))
        if path in uncertain or (before.mode, before.id) == (after.mode, after.id):
            continue
        changes.paths[path] = before, after
    changes.unknown = next(iter(uncertain.values()), "")
    changes.dirty = True if staged or changed else None if uncertain else False
    return changes


def _committed(entry: Entry | None) -> State:
    return State(GONE) if entry is None or entry.intent else State(entry.mode, entry.id)


def _read_index(repository: Repository) -> dict[bytes, Entry]:
    """The entries of the index by path; of a conflict, our side."""
    output = repository.ask("ls-files", "--cached", "--stage", "-t", "--debug", "-z").output
    found: dict[bytes, Entry] = {}
    at = 0
    for match in _ENTRY.finditer(output):
        if match.start() != at:
            break
        at = match.end()
        stage = int(match["stage"])
        if stage in (1, 3) and match["path"] in found:
            continue
        found[match["path"]] = Entry(
            match["mode"], match["id"], stage, (int(match["mtime"]), int(match["nano"])), int(match["inode"]),
            int(match["size"]), bool(int(match["flags"], 16) & _INTENT_TO_ADD), match["tag"] == b"S",
        )  # fmt: skip
    if at != len(output):
        raise git.Silent("git lists its index in a way that is not understood")
    return found


def _staged(repository: Repository, commit: str, index: Mapping[bytes, Entry]) -> dict[bytes, State]:
    """What differs between the commit and the index: each path with its state in the commit."""
    if not commit:
        return {path: State(GONE) for path in index}
    words = ("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "-z", commit, "--")
    parts = repository.ask(*words).output.split(b"\0")
    found: dict[bytes, State] = {}
    for said, path in zip(parts[::2], parts[1::2], strict=False):
        mode, _, identity, _, kind = said.lstrip(b":").split(b" ")
        if kind != b"U":
            found[path] = State(mode, identity if mode != GONE else b"")
        elif path in index:
            found.setdefault(path, _committed(index[path]) if index[path].stage == 2 else State(GONE))
    return found


def _count_untracked(repository: Repository) -> int:
    words = ("ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z")
    return repository.ask(*words).output.count(b"\0")


def _without_conversions(
    repository: Repository, work: WorkTree, index: Mapping[bytes, Entry], differs: Mapping[bytes, State]
) -> tuple[dict[bytes, State], dict[bytes, str]]:
    """What is changed indeed, and of what that cannot be said (with the reason): git may store a file other than it lies there."""
    changed, uncertain = dict(differs), dict[bytes, str]()
    files = [
        path for path, after in differs.items() if after.mode.startswith(b"100") and index[path].mode.startswith(b"100")
    ]
    converted = _conversions(repository, files)
    for path in files:
        entry, after = index[path], differs[path]
        kind = converted.get(path, b"")
        content = None
        if kind == b"lfs":
            digest, size = work.digest(path)
            content = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (digest.encode(), size)
        elif kind:
            name = os.fsencode(path).decode("utf-8", "backslashreplace")
            uncertain[path] = f"'{name}' goes through '{git.readable(kind)}', which is not run"
            del changed[path]
            continue
        elif (data := work.read(path, _LINE_ENDS_LIMIT)) and b"\r\n" in data and b"\0" not in data[:8_000]:
            content = data.replace(b"\r\n", b"\n")
        if content is None:
            continue
        algorithm = "sha256" if len(entry.id) == 64 else "sha1"
        identity = hash_blob(content, algorithm)
        if (after.mode, identity) == (entry.mode, entry.id):
            del changed[path]
        elif kind == b"lfs" or _has_unix_lines(repository, entry.id):
            changed[path] = State(after.mode, identity, content)
    return changed, uncertain


def _has_unix_lines(repository: Repository, identity: bytes) -> bool:
    found = read_blobs(repository, [identity], _LINE_ENDS_LIMIT)
    return bool(found) and b"\r\n" not in found[identity]


def _conversions(repository: Repository, paths: list[bytes]) -> dict[bytes, bytes]:
    """The paths that go through a filter, by its name; also those with ``ident`` or an encoding."""
    if not paths:
        return {}
    data = b"\0".join(paths) + b"\0"
    parts = repository.ask(
        "check-attr", "--stdin", "-z", "filter", "ident", "working-tree-encoding", data=data
    ).output.split(b"\0")  # fmt: skip
    found: dict[bytes, bytes] = {}
    for path, name, value in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        if value not in _NO_FILTER:
            found.setdefault(path, value if name == b"filter" else name)
    return found
