"""Looking inside files that are in no registry. Only reads, and needs no registry."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..store import sources

if TYPE_CHECKING:
    from ..provenance.inspection import Inspected


def inspect(paths: Iterable[str | os.PathLike[str]]) -> Inspected:
    """What files, or a folder, are: see ``RegistryReader.inspect_files``."""
    from ..provenance import inspecting

    given = [os.fspath(path) for path in paths]
    if sources.STDIN in given:
        raise InvalidInput("standard input can't be inspected", "write it to a file first")
    found = sources.collect(given)
    return inspecting.inspect({source.path: source.origin for source in found if source.origin is not None})
