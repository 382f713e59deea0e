"""What is found out of files before they become a version: what they are, whether they are safe, where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store.ingest import Staging


class Examination:
    """One look at staged files. ``lineage`` is what the version will say of them; what was given stands above all.

    ``here`` says that they were made here and now: what comes from elsewhere was not made by this program, of this
    folder, in this environment.
    """

    def __init__(self, given: dict[str, Any], *, here: bool = True) -> None:
        self._given = given
        self._here = here
        self.lineage: dict[str, Any] = given

    def examine(self, staging: Staging) -> None:
        """Look at the files, which are hashed and complete; not under the lock. May refuse them."""
