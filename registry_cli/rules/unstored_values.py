"""What was given with files that are registered already, and that their version does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core.records import VersionRecord

#: What can be stored of a version after it was registered; all else is sealed.
LATER = ("metrics", "tags", "annotations")
#: The ids of the models that ``parents`` names; a part of these, and reported as such.
_IDENTITIES = "parent_models"


class Unstored(NamedTuple):
    """What a version does not have: ``later`` can be stored now, by kind; ``sealed`` names what can't be changed."""

    later: dict[str, dict[str, Any]]
    sealed: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of it: ``metrics.auc``, ``tags.team``, ``params.depth``, ``message``, ``lineage.parents``."""
        return (*(f"{kind}.{name}" for kind, given in self.later.items() for name in given), *self.sealed)


def compare_unstored(given: VersionRecord, version: VersionRecord, lineage: Mapping[str, Any]) -> Unstored:
    """What of a registration ``version``, which holds the same files, does not have as it is now.

    ``given`` is the record of the registration; ``lineage`` was given for it, and does not come from the capture.
    """
    later = {kind: dict(_iter_differing(getattr(given, kind), getattr(version, kind))) for kind in LATER}
    sealed = [f"params.{name}" for name, _ in _iter_differing(given.params, version.params)]
    if given.message and given.message != version.message:
        sealed.append("message")
    compared = {name: value for name, value in lineage.items() if name != _IDENTITIES}
    sealed += _iter_lineage_differences(compared, version.lineage, "lineage")
    if "lineage.parents" not in sealed and _has_other_parents(lineage, version.lineage):
        sealed.append("lineage.parents")
    return Unstored({kind: found for kind, found in later.items() if found}, tuple(sealed))


def _has_other_parents(given: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether parents of the same names are other models; those that were stored before models had ids are equal."""
    ids, stored = given.get(_IDENTITIES), there.get(_IDENTITIES)
    if not isinstance(ids, Mapping) or not isinstance(stored, Mapping):
        return False
    return any(stored.get(ref, identity) != identity for ref, identity in ids.items())


def _iter_differing(given: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in given.items() if name not in there or not _is_same(value, there[name]))


def _is_same(value: Any, stored: Any) -> bool:
    """Whether two values are equal; unlike in Python, ``true`` is not 1."""
    return bool(value == stored) and isinstance(value, bool) == isinstance(stored, bool)


def _iter_lineage_differences(given: Mapping[str, Any], there: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in given.items():
        stored = there.get(name)
        if isinstance(value, Mapping) and isinstance(stored, Mapping):
            yield from _iter_lineage_differences(value, stored, f"{path}.{name}")
        elif not _is_same(value, stored) and not (isinstance(stored, str) and stored.startswith(f"{value} ")):
            yield f"{path}.{name}"  # of 'sklearn', what is stored may be 'sklearn 1.5.2'
