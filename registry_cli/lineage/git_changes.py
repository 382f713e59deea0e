"""The changes that are not committed: found and written as a patch without running anything of the repository.

``git status`` and ``git diff`` read the work tree through the repository's filters, which are programs. Here the files are
hashed as git hashes them and compared with its index. The patch is made in a repository of our own, in a private folder,
from the bytes before and after. Files that git would change on the way in (line ends, Git LFS) are understood; what goes
through any other filter is unknown.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import redaction
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern
from . import git, git_files
from .git_worktree import GONE, SUBMODULE, FileState, IndexEntry, WorkTree, hash_blob

if TYPE_CHECKING:
    from .git import GitRepository

#: The largest patch that is kept, in bytes.
PATCH_LIMIT = 1 << 20
_LINE_ENDS_LIMIT = 16 << 20
_ENTRY = lazy_pattern(
    rb"(?P<tag>\S) (?P<mode>[0-7]{6}) (?P<id>[0-9a-f]{40,64}) (?P<stage>[0-3])\t(?P<path>[^\0]+)\0"
    rb"  ctime: \d+:\d+\n  mtime: (?P<mtime>\d+):(?P<nano>\d+)\n  dev: \d+\tino: (?P<inode>\d+)\n  uid: \d+\tgid: \d+\n"
    rb"  size: (?P<size>\d+)\tflags: (?P<flags>[0-9a-f]+)\n"
)
_INTENT_TO_ADD = 1 << 29
_POINTER = lazy_pattern(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n")  # fmt: skip
_NO_FILTER = (b"unspecified", b"unset")


@dataclass(eq=False, repr=False)
class Changes:
    """``dirty`` is None when it is not known; ``unknown`` says why, or what of the changes is not known.

    ``paths`` has for each changed path its state in the commit, and in the work tree.
    """

    dirty: bool | None = None
    untracked: int = 0
    unknown: str = ""
    paths: dict[bytes, tuple[FileState, FileState]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class GitState:
    """What was found out. ``document`` is ``lineage.git``; ``patch`` the changes that are not committed, if kept."""

    document: dict[str, Any]
    patch: bytes | None = None
    warning: str = ""


def capture_state(repository: GitRepository, *, keep_patch: bool) -> GitState:
    """Commit, branch, remote and uncommitted changes of a repository."""
    document: dict[str, Any] = {}
    try:
        return _capture_changes(repository, document, keep_patch=keep_patch)
    except git.GitUnavailable as error:
        known = git_files.head_of(repository.top)
        return GitState({**known, **document, "unknown": str(error)}, warning=str(error))


def _capture_changes(repository: GitRepository, document: dict[str, Any], *, keep_patch: bool) -> GitState:
    if commit := repository.open():
        document["commit"] = commit
    branch = git_files.head_of(repository.top).get("branch", "")
    if branch in ("", ".invalid"):
        branch = _branch(repository)
    if branch:
        document["branch"] = branch
    settings = _settings(repository)
    if remote := _remote(settings, branch):
        document["remote"] = remote
    changes = find_changes(repository, commit, settings)
    if changes.dirty is not None:
        document["dirty"] = changes.dirty
    if changes.untracked:
        document["untracked"] = changes.untracked
    if changes.unknown and not changes.dirty:
        raise git.GitUnavailable(changes.unknown)
    if not (changes.dirty and commit):
        return GitState(document)
    return _with_patch(repository, changes, document, keep_patch=keep_patch)


def _with_patch(repository: GitRepository, changes: Changes, document: dict[str, Any], *, keep_patch: bool) -> GitState:
    hasher = hashlib.sha256()
    try:
        if changes.unknown:
            raise git.GitUnavailable(changes.unknown)
        patch, cut = make_patch(repository, changes.paths, hasher.update, PATCH_LIMIT)
    except git.GitUnavailable as error:
        return GitState({**document, "unknown": f"the changes: {error}"}, warning=f"uncommitted changes: {error}")
    if not patch:  # only of a mode that is not looked at, or what was staged is taken back
        return GitState(document)
    document["patch"] = f"sha256:{hasher.hexdigest()}"
    secret = keep_patch and not cut and redaction.contains_secret(patch)
    if cut or not keep_patch or secret:
        words = "the changes that are not committed hold a secret, and are not kept" if secret else ""
        return GitState({**document, "patch_kept": False}, warning=words)
    return GitState(document, patch)


def _branch(repository: GitRepository) -> str:
    """The branch where the file HEAD does not tell it: of references that are no files, of a name that is not UTF-8."""
    done = repository.ask("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1))
    return git.decode(done.output).strip().removeprefix("refs/heads/")


def _settings(repository: GitRepository) -> dict[str, str]:
    """The settings about remotes and files. Lists of attributes and exclusions that the repository keeps elsewhere are off."""
    parts = repository.ask("config", "--no-includes", "--list", "-z", "--show-scope").output.split(b"\0")
    found = {}
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        name, _, value = git.decode(entry).partition("\n")
        if name.startswith(("remote.", "branch.", "core.")):
            found[name] = value
        if name in ("core.attributesfile", "core.excludesfile") and scope in (b"local", b"worktree"):
            repository.settings += (f"{name}=/dev/null",)
    return found


def _remote(settings: Mapping[str, str], branch: str) -> str:
    """The address that the branch follows, else ``origin``, else the only one there is; without what logs in."""
    addresses = {
        name[7:-4]: value for name, value in settings.items() if name.startswith("remote.") and name.endswith(".url")
    }
    chosen = settings.get(f"branch.{branch}.remote", "origin")
    if chosen not in addresses and len(addresses) == 1:
        chosen = next(iter(addresses))
    return redaction.redact_url(addresses.get(chosen, ""))


def find_changes(repository: GitRepository, commit: str, settings: Mapping[str, str]) -> Changes:
    """Compare the commit, the index and the work tree.

    Raises:
        git.GitUnavailable: git does not say what is in its index.
    """
    index = _read_index(repository)
    work = WorkTree(repository, settings)
    staged = _find_staged(repository, commit, index)
    differs = {path: after for path, entry in index.items() if (after := work.state(path, entry)) is not None}
    changed, uncertain = _without_conversions(repository, work, index, differs)
    changes = Changes(untracked=_count_untracked(repository))
    for path in {*staged, *changed}:
        entry = index.get(path)
        before = staged.get(path) or _committed_state(entry)
        after = changed.get(path) or (FileState(entry.mode, entry.id) if entry else FileState(GONE))
        if path in uncertain or (before.mode, before.id) == (after.mode, after.id):
            continue
        changes.paths[path] = before, after
    changes.unknown = next(iter(uncertain.values()), "")
    changes.dirty = True if staged or changed else None if uncertain else False
    return changes


def _committed_state(entry: IndexEntry | None) -> FileState:
    return FileState(GONE) if entry is None or entry.intent else FileState(entry.mode, entry.id)


def _read_index(repository: GitRepository) -> dict[bytes, IndexEntry]:
    """The entries of the index by path; of a conflict, our side."""
    output = repository.ask("ls-files", "--cached", "--stage", "-t", "--debug", "-z").output
    found: dict[bytes, IndexEntry] = {}
    at = 0
    for match in _ENTRY.finditer(output):
        if match.start() != at:
            break
        at = match.end()
        stage = int(match["stage"])
        if stage in (1, 3) and match["path"] in found:
            continue
        found[match["path"]] = IndexEntry(
            match["mode"], match["id"], stage, (int(match["mtime"]), int(match["nano"])), int(match["inode"]),
            int(match["size"]), bool(int(match["flags"], 16) & _INTENT_TO_ADD), match["tag"] == b"S",
        )  # fmt: skip
    if at != len(output):
        raise git.GitUnavailable("git lists its index in a way that is not understood")
    return found


def _find_staged(repository: GitRepository, commit: str, index: Mapping[bytes, IndexEntry]) -> dict[bytes, FileState]:
    """What differs between the commit and the index: each path with its state in the commit."""
    if not commit:
        return {path: FileState(GONE) for path in index}
    words = ("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "-z", commit, "--")
    parts = repository.ask(*words).output.split(b"\0")
    found: dict[bytes, FileState] = {}
    for said, path in zip(parts[::2], parts[1::2], strict=False):
        mode, _, identity, _, kind = said.lstrip(b":").split(b" ")
        if kind != b"U":
            found[path] = FileState(mode, identity if mode != GONE else b"")
        elif path in index:
            found.setdefault(path, _committed_state(index[path]) if index[path].stage == 2 else FileState(GONE))
    return found


def _count_untracked(repository: GitRepository) -> int:
    words = ("ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z")
    return repository.ask(*words).output.count(b"\0")


def _without_conversions(
    repository: GitRepository, work: WorkTree, index: Mapping[bytes, IndexEntry], differs: Mapping[bytes, FileState]
) -> tuple[dict[bytes, FileState], dict[bytes, str]]:
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
            uncertain[path] = f"'{name}' goes through '{git.decode(kind)}', which is not run"
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
            changed[path] = FileState(after.mode, identity, content)
    return changed, uncertain


def _has_unix_lines(repository: GitRepository, identity: bytes) -> bool:
    found = read_blobs(repository, [identity], _LINE_ENDS_LIMIT)
    return bool(found) and b"\r\n" not in found[identity]


def _conversions(repository: GitRepository, paths: list[bytes]) -> dict[bytes, bytes]:
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


#: The most bytes of changed files that are read for a patch, before and after together.
CONTENT_LIMIT = 64 << 20


def read_blobs(repository: GitRepository, identities: list[bytes], most: int) -> dict[bytes, bytes]:
    """The contents of objects. Raises :class:`git.GitUnavailable` if one is not there, or all together are too large."""
    asked = list(dict.fromkeys(identities))
    if not asked:
        return {}
    data = b"\n".join(asked) + b"\n"
    sizes = repository.ask("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=data).output.split(b"\n")
    if any(not line.startswith(b"blob ") for line in sizes[:-1]):
        raise git.GitUnavailable("an object of the commit is not in the repository")
    if sum(int(line[5:]) for line in sizes[:-1]) > most:
        raise git.GitUnavailable(f"the changed files have more than {most:,} bytes")
    output = repository.ask("cat-file", "--batch=%(objectsize)", data=data).output
    found, at = {}, 0
    for identity in asked:
        end = output.index(b"\n", at)
        size = int(output[at:end])
        found[identity] = output[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def make_patch(
    repository: GitRepository,
    paths: Mapping[bytes, tuple[FileState, FileState]],
    heard: Callable[[bytes], object],
    most: int,
) -> tuple[bytes, bool]:
    """Write the changes as a patch that ``git apply`` takes.

    Args:
        repository: the repository that they are of; only contents of its commit are read from it.
        paths: each changed path with its state in the commit and in the work tree.
        heard: is given all bytes of the patch.
        most: how many bytes are returned.

    Returns:
        The beginning of the patch, and whether there is more of it.

    Raises:
        git.GitUnavailable: a content is not there or too large, or git does not answer in time.
    """
    work = WorkTree(repository, {})
    before = read_blobs(
        repository,
        [old.id for old, _ in paths.values() if old.mode not in (GONE, SUBMODULE)],
        CONTENT_LIMIT,
    )
    sides: tuple[list[bytes], list[bytes]] = [], []
    room = CONTENT_LIMIT
    for path, (old, new) in sorted(paths.items()):
        sides[0].extend(_format_import(path, old, before.get(old.id, b"")))
        content: bytes | None = b""
        if new.mode not in (GONE, SUBMODULE):
            content = new.content if new.content is not None else work.read(path, room)
            if content is None:
                raise git.GitUnavailable(f"the changed files have more than {CONTENT_LIMIT:,} bytes, or change")
            room -= len(content)
        sides[1].extend(_format_import(path, new, content or b""))
    sha256 = any(len(state.id) == 64 for pair in paths.values() for state in pair)
    with tempfile.TemporaryDirectory(prefix="registry-patch-") as folder:
        return _diff(repository, Path(folder), sides, sha256=sha256, heard=heard, most=most)


def _format_import(path: bytes, state: FileState, content: bytes) -> Iterator[bytes]:
    """A file of a commit as ``git fast-import`` reads it."""
    if state.mode == GONE:
        return
    quoted = b"".join(bytes([each]) if 32 < each < 127 and each not in b'"\\' else b"\\%03o" % each for each in path)
    if state.mode == SUBMODULE:
        yield b'M 160000 %s "%s"\n' % (state.id, quoted)
        return
    yield b'M %s inline "%s"\ndata %d\n' % (state.mode, quoted, len(content))
    yield content
    yield b"\n"


def _diff(
    repository: GitRepository,
    folder: Path,
    sides: tuple[list[bytes], list[bytes]],
    *,
    sha256: bool,
    heard: Callable[[bytes], object],
    most: int,
) -> tuple[bytes, bool]:
    """The difference of two commits in an empty repository of our own, without anybody's settings."""
    (folder / "objects").mkdir()
    (folder / "refs").mkdir()
    (folder / "HEAD").write_bytes(b"ref: refs/heads/none\n")
    kind = b"\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n" if sha256 else b""
    (folder / "config").write_bytes(b"[core]\n\tbare = true\n" + kind)
    own = {
        "GIT_DIR": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1",
        "HOME": str(folder), "XDG_CONFIG_HOME": str(folder),
    }  # fmt: skip
    stream = b"".join(
        b"commit refs/heads/%s\ncommitter x <x> 0 +0000\ndata 0\n\n%s\n" % (name, b"".join(side))
        for name, side in zip((b"before", b"after"), sides, strict=True)
    )
    git.run(repository, ["fast-import", "--quiet"], folder=folder, more=own, data=stream)
    words = (
        "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "refs/heads/before", "refs/heads/after", "--",
    )  # fmt: skip
    done = git.run(repository, words, folder=folder, more=own, most=most, heard=heard)
    return done.output, done.cut
