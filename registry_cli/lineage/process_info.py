"""The process that makes a model, as the caller describes it; the library does not inspect processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The parts of a lineage that are captured automatically, each of which can be left out.
PARTS = ("git", "patch", "run", "environment")


class Caller(NamedTuple):
    """``folder`` is its working directory, ``variables`` its environment, of which a fixed list is recorded. The
    command line adds only its own arguments (``register``), a training script its ``command``, the time when it ``started`` in
    the format of events, the folder of the ``script``, its version of ``python``, and the folders of its ``modules``.
    """

    folder: str
    variables: Mapping[str, str]
    command: Sequence[str] = ()
    register: Sequence[str] = ()
    started: str = ""
    script: str = ""
    python: str = ""
    modules: Sequence[str] = ()
