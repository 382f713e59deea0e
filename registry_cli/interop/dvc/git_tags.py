"""Tags of a git repository, with GTO's convention for them, and files at a commit. Nothing is changed.

No hook, pager, filter or transport of the repository is run, and no variable of git leads to another repository: see
``lineage.git``. GTO 1.9 writes versions and stages of artifacts as tags, ``churn@v1.2.3`` and ``churn#prod#4``, with
``=`` in place of the ``:`` between a folder and a name.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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
_COMMIT = re.compile(r"[0-9a-f]{40,64}\Z")


@dataclass(frozen=True, eq=False, repr=False)
class GitTag:
    """A tag that names a commit."""

    name: str
    commit: str
    created: str
    author: str
    message: str


class TaggedRepository:
    """A git repository; what leads out of it is refused, as for a lineage. ``head`` is the commit that is checked out."""

    def __init__(self, repository: git.GitRepository) -> None:
        self._git = repository
        self._blobs: dict[tuple[str, str], bytes | None] = {}
        self.root = repository.top
        with self._translate_errors():
            self.head = repository.open()

    @classmethod
    def around(cls, folder: Path) -> TaggedRepository | None:
        """The repository of a folder, or None. Raises :class:`InvalidInput` if it is not trusted, or leads elsewhere."""
        repository = git.GitRepository.around(str(folder), patience=_SECONDS)
        return cls(repository) if repository else None

    def tags(self) -> Iterator[GitTag]:
        for line in self._text("for-each-ref", f"--format={_FORMAT}", "refs/tags").splitlines():
            parts = line.split("\0")
            if len(parts) != 6:
                continue
            name, direct, behind, when, author, message = parts
            commit = behind or direct
            if _COMMIT.match(commit):
                created = format_milliseconds(int(when) * 1000) if when.isdecimal() else ""
                yield GitTag(name, commit, created, author, message)

    def remote(self) -> str:
        """The URL of ``origin`` without its login; empty if there is none."""
        url = self._text("config", "--no-includes", "--get", "remote.origin.url", accepted=(0, 1))
        return redact_url(url.strip())

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file at a commit, or None. Raises :class:`InvalidInput` if it is too large."""
        if (commit, path) in self._blobs:
            return self._blobs[commit, path]
        kind, size = self._object(f"{commit}:{path}")
        if size > _MOST:
            raise InvalidInput(f"'{path}' has {size:,} bytes in git", f"the limit is {_MOST:,}")
        data = self._run("cat-file", "blob", f"{commit}:{path}", most=size) if kind == "blob" else None
        if data is None or size <= _KEPT:  # the same few documents are read again and again
            self._blobs[commit, path] = data
        return data

    def below(self, commit: str, path: str) -> list[str]:
        """The paths of the regular files below a folder at a commit."""
        if self._object(f"{commit}:{path}")[0] != "tree":
            return []
        listed = self._text("ls-tree", "-r", "-z", "--full-tree", commit, "--", f":(literal){path}/")
        entries = (line.partition("\t") for line in listed.split("\0") if line)
        return [name for mode, _, name in entries if mode.startswith("100")]

    def _object(self, name: str) -> tuple[str, int]:
        """The kind and size of a blob or tree; an empty kind if there is none."""
        if "\n" in name:
            return "", 0
        output = self._text("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=f"{name}\n".encode())
        kind, _, size = output.strip().rpartition(" ")
        return (kind, int(size)) if kind in ("blob", "tree") and size.isdecimal() else ("", 0)

    def _text(self, *arguments: str, **options: Any) -> str:
        return self._run(*arguments, **options).decode("utf-8", "replace")

    def _run(self, *arguments: str, data: bytes = b"", most: int = _MOST, accepted: tuple[int, ...] = (0,)) -> bytes:
        with self._translate_errors():
            return self._git.ask(*arguments, data=data, most=most, accepted=accepted).output

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
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


class GtoArtifact:
    """An artifact by its tags: its versions, and the commit that each stage was given last."""

    def __init__(self) -> None:
        self.versions: dict[str, GitTag] = {}
        self.deprecated = False
        self._commits: dict[str, str] = {}

    def ordered(self) -> list[str]:
        """The versions in the order of semantic versioning."""
        return sorted(self.versions, key=_version_key)

    @property
    def stages(self) -> dict[str, str]:
        """The version of each stage: the newest of those at its commit."""
        at = {self.versions[version].commit: version for version in self.ordered()}
        return {stage: at[commit] for stage, commit in self._commits.items() if commit in at}

    def add(self, match: re.Match[str], tag: GitTag) -> None:
        """Apply a tag; later tags are added later."""
        if match["version"]:
            if match["gone"]:
                self.versions.pop(match["version"], None)
            else:
                self.versions[match["version"]] = tag
        elif match["stage"]:
            self._commits[match["stage"]] = "" if match["left"] else tag.commit
        else:
            self.deprecated = match["word"] == "deprecated"


def _version_key(version: str) -> tuple[object, ...]:
    match = _VERSION.match(version)
    assert match  # noqa: S101 - it was matched as part of its tag
    before = tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in (match[4] or "").split(".")
    )
    return (int(match[1]), int(match[2]), int(match[3]), not match[4], before)


def parse_artifacts(tags: Iterable[GitTag]) -> dict[str, GtoArtifact]:
    """The artifacts by name (``churn``, or ``folder:churn``). Tags that are not GTO's are skipped."""
    artifacts: dict[str, GtoArtifact] = {}
    matched = [(match, tag) for tag in tags if (match := _TAG.match(tag.name))]
    for match, tag in sorted(matched, key=lambda each: (int(each[0]["counter"] or 0), each[1].created)):
        artifacts.setdefault(match["artifact"].replace("=", ":"), GtoArtifact()).add(match, tag)
    return artifacts
