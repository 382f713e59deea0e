"""GTO's convention: versions and stages of artifacts as git tags, ``churn@v1.2.3`` and ``churn#prod#4``.

Source: the tags that GTO 1.9 writes. In a tag, ``=`` stands for the ``:`` between a folder and a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...core.lazy_dataclass import dataclass, field
from .git_tags import Tag

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

    versions: Mapping[str, Tag] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False

    def ordered(self) -> list[str]:
        """The versions, by the rules of semantic versioning."""
        return sorted(self.versions, key=_order)


def _order(version: str) -> tuple[object, ...]:
    match = _VERSION.match(version)
    assert match  # noqa: S101 - it was matched as part of its tag
    before = tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in (match[4] or "").split(".")
    )
    return (int(match[1]), int(match[2]), int(match[3]), not match[4], before)


def artifacts(tags: Iterable[Tag]) -> dict[str, GtoArtifact]:
    """The artifacts by name (``churn``, or ``folder:churn``). Tags that are none of GTO's are passed over."""
    found: dict[str, _Building] = {}
    matched = [(match, tag) for tag in tags if (match := _TAG.match(tag.name))]
    for match, tag in sorted(matched, key=lambda each: (int(each[0]["counter"] or 0), each[1].created)):
        found.setdefault(match["artifact"].replace("=", ":"), _Building()).add(match, tag)
    return {name: building.done() for name, building in found.items()}


class _Building:
    def __init__(self) -> None:
        self._versions: dict[str, Tag] = {}
        self._stages: dict[str, str] = {}
        self._commits: dict[str, str | None] = {}
        self._deprecated = False

    def add(self, match: re.Match[str], tag: Tag) -> None:
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
            tag.commit: version for version in sorted(self._versions, key=_order) for tag in (self._versions[version],)
        }
        stages = {stage: at[commit] for stage, commit in self._commits.items() if commit in at}
        return GtoArtifact(self._versions, stages, self._deprecated)
