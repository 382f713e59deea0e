"""The process that makes a model, as far as it tells. Whoever starts us fills it in; the library asks no process itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The parts of a lineage that are found out by themselves, each of which can be left out.
PARTS = ("git", "patch", "run", "environment")


class Caller(NamedTuple):
    """``folder`` is where it works, ``variables`` its environment (only those on a list are ever kept).

    A training script says by which ``command`` it was started, when (``started``, as events write it), in which
    ``script`` folder it lies, its version of ``python``, where it finds its ``modules``, and its ``prefix``. The command
    line of the registry says only what it was asked for itself: ``register``.
    """

    folder: str
    variables: Mapping[str, str]
    command: Sequence[str] = ()
    register: Sequence[str] = ()
    started: str = ""
    script: str = ""
    python: str = ""
    modules: Sequence[str] = ()
    prefix: str = ""
