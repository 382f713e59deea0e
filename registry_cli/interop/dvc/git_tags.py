"""Tags of a git repository, with GTO's convention for them, and files as they were at a commit. Nothing is changed.

No hook, pager, filter or transport of the repository is run, and no variable of git leads to another one: see
``lineage.git``. GTO 1.9 writes versions and stages of artifacts as tags, ``churn@v1.2.3`` and ``churn#prod#4``; ``=``
stands for the ``:`` between a folder and a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from ...core.lazy_dataclass import dataclass, field
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
class GitTag:
    """A tag: the commit that it names, when, by whom and with which words it was made."""

    name: str
    commit: str
    created: str
    author: str
    message: str


class TaggedRepository:
    """The git repository that holds ``folder``; what leads out of it is refused, as for a lineage."""

    def __init__(self, repository: git.GitRepository) -> None:
        self._git = repository
        self._read: dict[tuple[str, str], bytes | None] = {}
        self.root = repository.top
        self._head = self._asking(repository.open)

    @classmethod
    def around(cls, folder: Path) -> TaggedRepository | None:
        """The repository whose work tree holds ``folder``; None when there is none.

        Raises:
            InvalidInput: git does not trust it, or it leads elsewhere.
        """
        found = git.GitRepository.around(str(folder), patience=_SECONDS)
        return cls(found) if found else None

    def tags(self) -> Iterator[GitTag]:
        """All tags that name a commit, in the order of their names."""
        for line in self._text("for-each-ref", f"--format={_FORMAT}", "refs/tags").splitlines():
            parts = line.split("\0")
            if len(parts) != 6:
                continue
            name, direct, behind, when, author, message = parts
            commit = behind or direct
            if _COMMIT.match(commit):
                created = format_milliseconds(int(when) * 1000) if when.isdecimal() else ""
                yield GitTag(name, commit, created, author, message)

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
        except git.GitUnavailable as error:
            hint = "install git" if "not installed" in str(error) else "import from a fresh 'git clone' of it"
            raise InvalidInput(f"cannot read the git repository '{self.root}': {error}", hint) from None


_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_SEMVER = r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
_TAG = re.compile(
    rf"(?P<artifact>(?:[a-zA-Z0-9_./-]+=)?{_NAME})"
    rf"(?:#(?P<stage>{_NAME})(?P<left>!?)|@(?P<version>v{_SEMVER})(?P<gone>!?)|@(?P<word>deprecated|created))"
    r"(?:#(?P<counter>[0-9]{1,9}))?\Z"
)
_VERSION = re.compile(rf"v{_SEMVER}\Z")


@dataclass(frozen=True, eq=False, repr=False)
class GtoArtifact:
    """What the tags say of an artifact: its versions, and the version that each stage was given last."""

    versions: Mapping[str, GitTag] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False

    def ordered(self) -> list[str]:
        """The versions, by the rules of semantic versioning."""
        return sorted(self.versions, key=_version_key)


def _version_key(version: str) -> tuple[object, ...]:
    match = _VERSION.match(version)
    assert match  # noqa: S101 - it was matched as part of its tag
    before = tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in (match[4] or "").split(".")
    )
    return (int(match[1]), int(match[2]), int(match[3]), not match[4], before)


def parse_artifacts(tags: Iterable[GitTag]) -> dict[str, GtoArtifact]:
    """The artifacts by name (``churn``, or ``folder:churn``). Tags that are none of GTO's are passed over."""
    found: dict[str, _ArtifactBuilder] = {}
    matched = [(match, tag) for tag in tags if (match := _TAG.match(tag.name))]
    for match, tag in sorted(matched, key=lambda each: (int(each[0]["counter"] or 0), each[1].created)):
        found.setdefault(match["artifact"].replace("=", ":"), _ArtifactBuilder()).add(match, tag)
    return {name: building.done() for name, building in found.items()}


class _ArtifactBuilder:
    def __init__(self) -> None:
        self._versions: dict[str, GitTag] = {}
        self._stages: dict[str, str] = {}
        self._commits: dict[str, str | None] = {}
        self._deprecated = False

    def add(self, match: re.Match[str], tag: GitTag) -> None:
        if match["version"]:
            if match["gone"]:
                self._versions.pop(match["version"], None)
            else:
                self._versions[match["version"]] = tag
        elif match["stage"]:
            self._commits[match["stage"]] = None if match["left"] else tag.commit
        else:
            self._deprecated = match["word"] == "deprecated"

    def done(self) -> GtoArtifact:
        """A stage is given to a commit: it is the newest version that was registered there."""
        at = {
            tag.commit: version
            for version in sorted(self._versions, key=_version_key)
            for tag in (self._versions[version],)
        }
        stages = {stage: at[commit] for stage, commit in self._commits.items() if commit in at}
        return GtoArtifact(self._versions, stages, self._deprecated)
