"""The state of a git repository: commit, branch, remote, and the uncommitted changes, also as a patch.

``git status`` and ``git diff`` read the work tree through the filters of the repository, which are programs. Here the
files are hashed as git hashes them and compared with its index. The patch is made in a repository of our own, in a
private folder, from the contents before and after. Files that git converts by itself (line ends, Git LFS) are
understood; what goes through any other filter is recorded as unknown, as is what git does not answer, with the reason.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import redaction
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern
from .git import GitRepository, GitUnavailable, decode, read_head
from .git_worktree import GONE, SUBMODULE, FileState, IndexEntry, WorkTree, hash_object

#: The largest patch that is kept, in bytes.
PATCH_LIMIT = 1 << 20
#: The most bytes of changed files that are read for a patch, before and after together.
CONTENT_LIMIT = 64 << 20
#: Up to this many files the tree of the index is hashed here, which takes less time than to start git once more.
_FEW_FILES = 1_000
_LINE_ENDS_LIMIT = 16 << 20
_ENTRY = lazy_pattern(
    rb"(?P<tag>\S) (?P<mode>[0-7]{6}) (?P<id>[0-9a-f]{40,64}) (?P<stage>[0-3])\t(?P<path>[^\0]+)\0"
    rb"  ctime: \d+:\d+\n  mtime: (?P<mtime>\d+):(?P<nano>\d+)\n  dev: \d+\tino: (?P<inode>\d+)\n  uid: \d+\tgid: \d+\n"
    rb"  size: (?P<size>\d+)\tflags: (?P<flags>[0-9a-f]+)\n"
)
_INTENT_TO_ADD = 1 << 29
_NO_FILTER = (b"unspecified", b"unset")


@dataclass(frozen=True, eq=False, repr=False)
class GitState:
    """The state of a repository: ``document`` is ``lineage.git``, ``patch`` the uncommitted changes, if kept."""

    document: dict[str, Any]
    patch: bytes | None = None
    warning: str = ""


def capture_state(repository: GitRepository, *, keep_patch: bool) -> GitState:
    """Return commit, branch, remote and uncommitted changes of a repository."""
    document: dict[str, Any] = {}
    try:
        return _capture(repository, document, keep_patch=keep_patch)
    except GitUnavailable as error:
        known = read_head(repository.top)
        return GitState({**known, **document, "unknown": str(error)}, warning=str(error))


def _capture(repository: GitRepository, document: dict[str, Any], *, keep_patch: bool) -> GitState:
    if commit := repository.open():
        document["commit"] = commit
    branch = read_head(repository.top).get("branch", "")
    if branch in ("", ".invalid"):  # a reference that is not in a file, or a name that is not UTF-8
        done = repository.ask("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1))
        branch = decode(done.output).strip().removeprefix("refs/heads/")
    if branch:
        document["branch"] = branch
    settings = _read_settings(repository)
    if remote := _find_remote(settings, branch):
        document["remote"] = remote
    changes = find_changes(repository, settings)
    if changes.dirty is not None:
        document["dirty"] = changes.dirty
    if changes.untracked:
        document["untracked"] = changes.untracked
    if changes.unknown and not changes.dirty:
        raise GitUnavailable(changes.unknown)
    if not (changes.dirty and commit):
        return GitState(document)
    return _add_patch(repository, changes, document, keep_patch=keep_patch)


def _add_patch(repository: GitRepository, changes: Changes, document: dict[str, Any], *, keep_patch: bool) -> GitState:
    hasher = hashlib.sha256()
    try:
        if changes.unknown:
            raise GitUnavailable(changes.unknown)
        patch, cut = make_patch(repository, changes.paths, hasher.update, PATCH_LIMIT)
    except GitUnavailable as error:
        return GitState({**document, "unknown": f"the changes: {error}"}, warning=f"uncommitted changes: {error}")
    if not patch:  # only modes that are ignored, or staged changes that were reverted
        return GitState(document)
    document["patch"] = f"sha256:{hasher.hexdigest()}"
    secret = keep_patch and not cut and redaction.contains_secret(patch)
    if cut or not keep_patch or secret:
        warning = "the uncommitted changes contain a secret and are not recorded" if secret else ""
        return GitState({**document, "patch_kept": False}, warning=warning)
    return GitState(document, patch)


def _read_settings(repository: GitRepository) -> dict[str, str]:
    """The settings of remotes, branches and files. Attributes and exclusions in files elsewhere are switched off."""
    parts = repository.ask("config", "--no-includes", "--list", "-z", "--show-scope").output.split(b"\0")
    found = {}
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        name, _, value = decode(entry).partition("\n")
        if name.startswith(("remote.", "branch.", "core.")):
            found[name] = value
        if name in ("core.attributesfile", "core.excludesfile") and scope in (b"local", b"worktree"):
            repository.settings += (f"{name}=/dev/null",)
    return found


def _find_remote(settings: Mapping[str, str], branch: str) -> str:
    """The address of the branch's remote, else of ``origin``, else of the only one there is; without credentials."""
    addresses = {
        name[7:-4]: value for name, value in settings.items() if name.startswith("remote.") and name.endswith(".url")
    }
    chosen = settings.get(f"branch.{branch}.remote", "origin")
    if chosen not in addresses and len(addresses) == 1:
        chosen = next(iter(addresses))
    return redaction.redact_url(addresses.get(chosen, ""))


@dataclass(eq=False, repr=False)
class Changes:
    """Uncommitted changes. ``dirty`` is None if it is not known; ``unknown`` says why, or which changes are not known.

    ``untracked`` is a number of files and folders; ``paths`` has the states of changed files in commit and work tree.
    """

    dirty: bool | None = None
    untracked: int = 0
    unknown: str = ""
    paths: dict[bytes, tuple[FileState, FileState]] = field(default_factory=dict)


def find_changes(repository: GitRepository, settings: Mapping[str, str]) -> Changes:
    """Compare the commit, the index and the work tree. Raises :class:`GitUnavailable`."""
    index, untracked = _list_files(repository)
    work = WorkTree(repository, settings)
    staged = _find_staged(repository, index)
    differs = {path: after for path, entry in index.items() if (after := work.state(path, entry)) is not None}
    changed, uncertain = _without_conversions(repository, work, index, differs)
    changes = Changes(untracked=untracked)
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


def _list_files(repository: GitRepository) -> tuple[dict[bytes, IndexEntry], int]:
    """The entries of the index by path (of a conflict, our side), and the number of untracked files and folders."""
    output = repository.ask(
        "ls-files", "--cached", "--stage", "-t", "--debug", "--others", "--exclude-standard", "--directory",
        "--no-empty-directory", "-z",
    ).output  # fmt: skip
    found: dict[bytes, IndexEntry] = {}
    at = untracked = 0
    while output.startswith(b"? ", at):  # what is untracked comes first
        at, untracked = output.index(b"\0", at) + 1, untracked + 1
    for match in _ENTRY.finditer(output, at):
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
        raise GitUnavailable("unexpected output from git while listing the index")
    return found, untracked


def _find_staged(repository: GitRepository, index: Mapping[bytes, IndexEntry]) -> dict[bytes, FileState]:
    """The states in the commit of the paths that differ between commit and index."""
    commit = repository.open()
    if not commit:
        return {path: FileState(GONE) for path in index}
    if _is_tree(index, repository.tree):
        return {}
    words = ("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "-z", commit, "--")
    parts = repository.ask(*words).output.split(b"\0")
    found: dict[bytes, FileState] = {}
    for row, path in zip(parts[::2], parts[1::2], strict=False):
        mode, _, identity, _, kind = row.lstrip(b":").split(b" ")
        if kind != b"U":
            found[path] = FileState(mode, identity if mode != GONE else b"")
        elif path in index:
            found.setdefault(path, _committed_state(index[path]) if index[path].stage == 2 else FileState(GONE))
    return found


def _is_tree(index: Mapping[bytes, IndexEntry], tree: str) -> bool:
    """Whether git would write this tree from the index. False, too, where it takes less time to ask git."""
    if not tree or len(index) > _FEW_FILES or any(entry.stage or entry.intent for entry in index.values()):
        return False
    algorithm, identity = "sha256" if len(tree) == 64 else "sha1", b""
    folders: dict[bytes, list[tuple[bytes, bytes]]] = {b"": []}
    for path, entry in index.items():
        folder, _, name = path.rpartition(b"/")
        folders.setdefault(folder, []).append(
            (name, b"%s %s\0%s" % (entry.mode, name, bytes.fromhex(entry.id.decode())))
        )
        while folder:
            folder = folder.rpartition(b"/")[0]
            folders.setdefault(folder, [])
    for folder in sorted(folders, key=len, reverse=True):  # what is in a folder before the folder itself
        identity = hash_object(b"tree", b"".join(row for _, row in sorted(folders[folder])), algorithm)
        if folder:
            around, _, name = folder.rpartition(b"/")
            row = b"40000 %s\0%s" % (name, bytes.fromhex(identity.decode()))
            folders[around].append((name + b"/", row))  # as git sorts folders
    return identity.decode() == tree


def _without_conversions(
    repository: GitRepository, work: WorkTree, index: Mapping[bytes, IndexEntry], differs: Mapping[bytes, FileState]
) -> tuple[dict[bytes, FileState], dict[bytes, str]]:
    """The files that are changed although git converts them, and those of which that is not known, with the reason."""
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
            uncertain[path] = f"'{decode(path)}' uses the filter '{decode(kind)}', which is not run"
            del changed[path]
            continue
        elif (data := work.read(path, _LINE_ENDS_LIMIT)) and b"\r\n" in data and b"\0" not in data[:8_000]:
            content = data.replace(b"\r\n", b"\n")
        if content is None:
            continue
        identity = hash_object(b"blob", content, "sha256" if len(entry.id) == 64 else "sha1")
        if (after.mode, identity) == (entry.mode, entry.id):
            del changed[path]
        elif kind == b"lfs" or b"\r\n" not in read_blobs(repository, [entry.id], _LINE_ENDS_LIMIT)[entry.id]:
            changed[path] = FileState(after.mode, identity, content)
    return changed, uncertain


def _conversions(repository: GitRepository, paths: list[bytes]) -> dict[bytes, bytes]:
    """The filters of the paths that have one; ``ident`` and ``working-tree-encoding`` count as filters."""
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


def read_blobs(repository: GitRepository, identities: list[bytes], most: int) -> dict[bytes, bytes]:
    """The contents of blobs by id. Raises :class:`GitUnavailable` for a missing one, or more than ``most`` bytes."""
    asked = list(dict.fromkeys(identities))
    if not asked:
        return {}
    data = b"\n".join(asked) + b"\n"
    sizes = repository.ask("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=data).output.split(b"\n")
    if any(not line.startswith(b"blob ") for line in sizes[:-1]):
        raise GitUnavailable("an object of the commit is not in the repository")
    if sum(int(line[5:]) for line in sizes[:-1]) > most:
        raise GitUnavailable(f"the changed files have more than {most:,} bytes")
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
    """Write changes as a patch for ``git apply``; ``heard`` gets all of it.

    Returns its first ``most`` bytes, and whether there are more. Only blobs of the commit are read from the repository.
    """
    work = WorkTree(repository, {})
    blobs = [old.id for old, _ in paths.values() if old.mode not in (GONE, SUBMODULE)]
    before = read_blobs(repository, blobs, CONTENT_LIMIT)
    sides: tuple[list[bytes], list[bytes]] = [], []
    room = CONTENT_LIMIT
    for path, (old, new) in sorted(paths.items()):
        sides[0].extend(_format_import(path, old, before.get(old.id, b"")))
        content: bytes | None = b""
        if new.mode not in (GONE, SUBMODULE):
            content = new.content if new.content is not None else work.read(path, room)
            if content is None:
                raise GitUnavailable(f"the changed files have more than {CONTENT_LIMIT:,} bytes, or change")
            room -= len(content)
        sides[1].extend(_format_import(path, new, content or b""))
    sha256 = any(len(state.id) == 64 for pair in paths.values() for state in pair)
    with tempfile.TemporaryDirectory(prefix="registry-patch-") as folder:
        return _diff(repository, Path(folder), sides, sha256=sha256, heard=heard, most=most)


def _format_import(path: bytes, state: FileState, content: bytes) -> Iterator[bytes]:
    """A file of a commit in the format of ``git fast-import``."""
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
    """Commit both sides to an empty repository of our own, and compare them there, without anybody's settings."""
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
    repository.run(["fast-import", "--quiet"], folder, own, data=stream)
    words = (
        "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "refs/heads/before", "refs/heads/after", "--",
    )  # fmt: skip
    done = repository.run(words, folder, own, most=most, heard=heard)
    return done.output, done.cut
