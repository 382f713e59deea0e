"""The changes that are not committed as a patch, made in a repository of our own from the bytes before and after."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import git
from .git_worktree import GONE, SUBMODULE, State, WorkTree

if TYPE_CHECKING:
    from .git import Repository

#: The most bytes of changed files that are read for a patch, before and after together.
CONTENT_LIMIT = 64 << 20


def read_blobs(repository: Repository, identities: list[bytes], most: int) -> dict[bytes, bytes]:
    """The contents of objects. Raises :class:`git.Silent` if one is not there, or all together are too large."""
    asked = list(dict.fromkeys(identities))
    if not asked:
        return {}
    data = b"\n".join(asked) + b"\n"
    sizes = repository.ask("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=data).output.split(b"\n")
    if any(not line.startswith(b"blob ") for line in sizes[:-1]):
        raise git.Silent("an object of the commit is not in the repository")
    if sum(int(line[5:]) for line in sizes[:-1]) > most:
        raise git.Silent(f"the changed files have more than {most:,} bytes")
    output = repository.ask("cat-file", "--batch=%(objectsize)", data=data).output
    found, at = {}, 0
    for identity in asked:
        end = output.index(b"\n", at)
        size = int(output[at:end])
        found[identity] = output[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def make_patch(
    repository: Repository, paths: Mapping[bytes, tuple[State, State]], heard: Callable[[bytes], object], most: int
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
        git.Silent: a content is not there or too large, or git does not answer in time.
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
        sides[0].extend(_written(path, old, before.get(old.id, b"")))
        content: bytes | None = b""
        if new.mode not in (GONE, SUBMODULE):
            content = new.content if new.content is not None else work.read(path, room)
            if content is None:
                raise git.Silent(f"the changed files have more than {CONTENT_LIMIT:,} bytes, or change")
            room -= len(content)
        sides[1].extend(_written(path, new, content or b""))
    sha256 = any(len(state.id) == 64 for pair in paths.values() for state in pair)
    with tempfile.TemporaryDirectory(prefix="registry-patch-") as folder:
        return _diff(repository, Path(folder), sides, sha256=sha256, heard=heard, most=most)


def _written(path: bytes, state: State, content: bytes) -> Iterator[bytes]:
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
    repository: Repository,
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
