"""The files that lie beside ``version.yaml``, each of which its lineage names by a digest."""

from __future__ import annotations

from collections.abc import Mapping

from . import layout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: Each file, and where in the lineage its digest stands; one that is there without its file says so under ``NAME_kept``.
_PLACES = {layout.ENVIRONMENT: ("environment", "digest"), layout.PATCH: ("git", "patch")}


def named(lineage: Mapping[str, Any]) -> dict[str, str]:
    """The files that a version has beside its document, and their sha256."""
    found = {}
    for name, (part, key) in _PLACES.items():
        said = lineage.get(part)
        digest = said.get(key) if isinstance(said, Mapping) else None
        if isinstance(digest, str) and isinstance(said, Mapping) and said.get(f"{key}_kept") is not False:
            sha256 = digest.removeprefix("sha256:")
            if layout.is_digest(sha256):
                found[name] = sha256
    return found


def disclaimed(lineage: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A lineage whose files are not there: their digests stay, and it says so; and the names of these files."""
    absent = list(named(lineage))
    said = dict(lineage)
    for name in absent:
        part, key = _PLACES[name]
        said[part] = {**said[part], f"{key}_kept": False}
    return said, absent


def claimed(lineage: Mapping[str, Any], given: Mapping[str, bytes]) -> str:
    """The file that a lineage names although it is not ``given``; empty if there is none."""
    return next((name for name in named(lineage) if name not in given), "")
