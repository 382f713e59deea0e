"""What comes from another tool, on its way to become versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.lazy_dataclass import dataclass, field


@dataclass(frozen=True, eq=False, repr=False)
class Incoming:
    """One version as another tool knows it.

    ``key`` names it there (``mlflow:churn/3``) and is the same each time it is read: repeating an import is told by it.
    ``files`` are a folder or single files, read but never changed; or ``named`` has each file by the path it gets in the
    artifact, and ``keeps`` whatever must live until they are copied. With neither, nothing can be brought in, and the
    first line of ``lost`` says why. ``stages`` and ``aliases`` are what pointed to it; ``archived`` says that it was out
    of use. ``shown`` is a shorter key, for a person. ``number`` is its number there, kept where that can be. ``lost`` says, in a few words each, what of it has no
    place here.
    """

    key: str
    model: str
    files: tuple[Path, ...]
    number: int | None = None
    author: str = ""
    created: str = ""
    message: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    archived: bool = False
    named: Mapping[str, Path] = field(default_factory=dict)
    keeps: object = None
    shown: str = ""
    lost: tuple[str, ...] = ()
