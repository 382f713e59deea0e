"""What is found out of files before they become a version: what they are, whether they are safe, where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..progress import SILENT, Progress
from ..store import sidecars

if TYPE_CHECKING:
    from ..provenance.capture import Origin
    from ..store.ingest import Staging
    from ..store.modes import Modes


class Examination:
    """One look at staged files. ``lineage`` is what the version will say of them; what was given stands above all."""

    def __init__(
        self, given: dict[str, Any], modes: Modes, origin: Origin | None = None, progress: Progress = SILENT
    ) -> None:
        self._given = given
        self._modes, self._origin, self._progress = modes, origin, progress
        self.lineage: dict[str, Any] = given
        #: What could not be found out, in a sentence each.
        self.warnings: list[str] = []

    def examine(self, staging: Staging) -> None:
        """Look at the files, which are hashed and complete; not under the lock. May refuse them."""
        self._trace(staging)

    def _trace(self, staging: Staging) -> None:
        """Find out where the files come from, and keep the list of packages and the changes beside them."""
        if self._origin is None:
            return
        found = self._origin.look(self._progress)
        self.lineage = _under(found.lineage, self.lineage)
        for name in sidecars.named(self.lineage):
            staging.keep(name, found.sidecars[name], self._modes)
        self.warnings += found.warnings


def _under(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with what was given laid over it, part by part."""
    merged = {**found, **given}
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(over := given.get(name), Mapping):
            merged[name] = {**value, **over}
    return merged
