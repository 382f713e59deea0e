"""A version of another tool on its way to become one here, and the metadata that can be kept; the rest is listed as lost."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core import values
from ..core.conversion import limit_value
from ..core.lazy_dataclass import dataclass, field
from ..core.text import shorten
from ..errors import InvalidInput

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ITEMS = 1_000
_DEPTH = 8


class ImportedMetadata:
    """Params, metrics, tags and annotations on their way in: each is checked when it is put in.

    What comes first stays: a name that is put in again with another value is lost.
    """

    def __init__(self) -> None:
        self.params: dict[str, values.Param] = {}
        self.metrics: dict[str, values.Metric] = {}
        self.tags: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        self.lost: list[str] = []

    def add_params(self, given: Mapping[str, Any], whose: str = "") -> None:
        """Params as another tool has them; a text is read as if it were typed, and what has no value is left out."""
        for name, value in given.items():
            read = values.typed(value) if isinstance(value, str) else value
            if read is not None:
                self._put(self.params, "param", name, read, whose)

    def add_metrics(self, given: Mapping[str, Any], whose: str = "") -> None:
        for name, value in given.items():
            self._put(self.metrics, "metric", name, value, whose)

    def add_tags(self, given: Mapping[str, Any], whose: str = "") -> None:
        for name, value in given.items():
            self._put(self.tags, "tag", name, value, whose)

    def annotate(self, name: str, text: object) -> None:
        """Free text; nothing happens when it is empty."""
        if text not in (None, ""):
            self._put(self.annotations, "annotation", name, text, "")

    def lose(self, what: str) -> None:
        """Something that has no place here."""
        if len(self.lost) < _ITEMS:
            self.lost.append(clean_line(what, 300))

    def _put(self, where: dict[str, Any], kind: str, name: object, value: object, whose: str) -> None:
        label = f"{kind} '{clean_line(str(name), 60)}'{whose}"
        try:
            key = values.key(str(name))
            if len(where) >= values.ENTRIES and key not in where:
                self.lose(f"{label}: more than {values.ENTRIES:,} of them")
                return
            taken = _CHECKS[kind](value, key)
        except InvalidInput as error:
            text = str(value)
            if kind in ("param", "tag") and 0 < len(text) <= values.TEXT_LENGTH and not _UNWRITABLE.search(text):
                self._keep_as_text(kind, str(name), text, label, error)
            else:
                self.lose(f"{label}: {clean_line(error.message, 160)}")
            return
        if where.setdefault(key, taken) != taken:
            self.lose(
                f"{label} ({clean_line(str(value), 60)}): the version itself says {clean_line(str(where[key]), 60)}"
            )

    def _keep_as_text(self, kind: str, name: str, text: str, label: str, error: InvalidInput) -> None:
        """A tag of many lines, or a text with control characters: an annotation can hold it."""
        try:
            key = values.key(f"{kind}.{name}")
        except InvalidInput:
            self.lose(f"{label}: {clean_line(error.message, 160)}")
            return
        self.annotations.setdefault(key, text)
        self.lose(f"{label} is not plain text: kept as the annotation '{key}'")


def _check_metric(value: object, name: str) -> values.Metric:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"it is {value}, which can't be compared with anything")
    return values.check_metric(value, name)


def _check_line(value: object, name: str) -> str:
    return values.check_line("" if value is None else value, name)


def _check_text(value: object, name: str) -> str:
    return values.check_text(value if isinstance(value, str) else str(value), name)


_CHECKS: dict[str, Any] = {
    "param": values.check_param,
    "metric": _check_metric,
    "tag": _check_line,
    "annotation": _check_text,
}


def clean_line(text: str, most: int = values.LINE_LENGTH) -> str:
    """``text`` on one line, cut at ``most`` characters, without control characters and what a document can't hold."""
    line = _CONTROL.sub("\ufffd", " ".join(_UNWRITABLE.sub("\ufffd", text).split()))
    return shorten(line, most)


def message(text: object) -> str:
    """A description as the message of a version: as it is, but for what a document can't hold."""
    return _UNWRITABLE.sub("\ufffd", text if isinstance(text, str) else "")[: values.TEXT_LENGTH].strip()


def to_plain_value(value: Any) -> Any:
    """``value`` as lineage can hold it: plain types, bounded in depth, length and number, without what is empty."""
    return _without_empty(
        limit_value(
            value,
            lambda each: clean_line(str(each)),
            key=lambda name: clean_line(name, 250),
            items=_ITEMS,
            depth=_DEPTH,
        )
    )


def _without_empty(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    inside = {name: _without_empty(item) for name, item in value.items()}
    return {name: item for name, item in inside.items() if item not in (None, "", {}, [])}


@dataclass(frozen=True, eq=False, repr=False)
class ImportedVersion:
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
