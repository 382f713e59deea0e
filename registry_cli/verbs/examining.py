"""What is found out of files before they become a version: what they are, whether they are safe, where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store.ingest import Staging


class Examination:
    """One look at staged files. ``lineage`` is what the version will say of them; what was given stands above all.

    ``inspect`` says whether to look what is inside; ``here`` that they were made here and now: what comes from elsewhere was
    not made by this program, of this folder, in this environment.
    """

    def __init__(self, given: dict[str, Any], *, inspect: bool = True, here: bool = True) -> None:
        self._given = given
        self._inspect, self._here = inspect, here
        self.lineage: dict[str, Any] = given

    def examine(self, staging: Staging) -> None:
        """Look at the files, which are hashed and complete; not under the lock. May refuse them."""
        found: dict[str, Any] = {}
        if self._inspect:
            found |= _contents(staging)
        self.lineage = {**found, **self._given}


def _contents(staging: Staging) -> dict[str, Any]:
    """Format, framework and contents."""
    from ..provenance.inspecting import inspect

    return inspect({entry.path: staging.files / entry.path for entry in staging.entries}).lineage()
