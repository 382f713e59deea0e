"""A version of another tool on its way to become one here, and the metadata that can be kept; the rest is listed as lost."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core import values
from ..core.conversion import limit_value
from ..core.lazy_dataclass import dataclass, field
from ..core.text import escape_for_message, shorten
from ..errors import InvalidInput
from ..store.selection import DEFAULT_FILES, DEFAULT_FOLDERS
from .name_mapping import to_model_name

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ITEMS = 1_000
_DEPTH = 8


class ImportedMetadata:
    """Params, metrics, tags and annotations of an imported version, checked when they are added.

    The first value of a name is kept. What can't be kept is listed in ``lost``.
    """

    def __init__(self) -> None:
        self.params: dict[str, values.Param] = {}
        self.metrics: dict[str, values.Metric] = {}
        self.tags: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        self.lost: list[str] = []

    def add_params(self, params: Mapping[str, Any], origin: str = "") -> None:
        """Add params of another tool; a text is parsed like one that was typed, None is left out."""
        for name, value in params.items():
            parsed = values.typed(value) if isinstance(value, str) else value
            if parsed is not None:
                self._add("param", name, parsed, origin)

    def add_metrics(self, metrics: Mapping[str, Any]) -> None:
        for name, value in metrics.items():
            self._add("metric", name, value)

    def add_tags(self, tags: Mapping[str, Any], origin: str = "") -> None:
        for name, value in tags.items():
            self._add("tag", name, value, origin)

    def annotate(self, name: str, text: object) -> None:
        if text not in (None, ""):
            self._add("annotation", name, text)

    def lose(self, what: str) -> None:
        """Report something that the registry can't hold."""
        if len(self.lost) < _ITEMS:
            self.lost.append(clean_line(what, 300))

    def fields(self) -> dict[str, Any]:
        """All of it, as arguments of :class:`ImportedVersion`."""
        return {**vars(self), "lost": tuple(self.lost)}

    def _add(self, kind: str, name: object, value: object, origin: str = "") -> None:
        target: dict[str, Any] = getattr(self, f"{kind}s")
        label = f"{kind} '{clean_line(str(name), 60)}'{origin}"
        try:
            key = values.key(str(name))
            if len(target) >= values.ENTRIES and key not in target:
                self.lose(f"{label}: more than {values.ENTRIES:,} of them")
                return
            checked = _CHECKS[kind](value, key)
        except InvalidInput as error:
            if kept_as := self._keep_as_text(kind, name, str(value)):
                self.lose(f"{label} is not plain text: kept as the annotation '{kept_as}'")
            else:
                self.lose(f"{label}: {clean_line(error.message, 160)}")
            return
        if target.setdefault(key, checked) != checked:
            self.lose(
                f"{label} ({clean_line(str(value), 60)}): the version itself has {clean_line(str(target[key]), 60)}"
            )

    def _keep_as_text(self, kind: str, name: object, text: str) -> str:
        """Keep a tag or param of many lines as an annotation, whose name is returned; empty if that can't be."""
        if kind in ("param", "tag") and 0 < len(text) <= values.TEXT_LENGTH and not _UNWRITABLE.search(text):
            with contextlib.suppress(InvalidInput):
                key = values.key(f"{kind}.{name}")
                self.annotations.setdefault(key, text)
                return key
        return ""


def _check_metric(value: object, name: str) -> values.Metric:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"it is {value}, which cannot be compared")
    return values.check_metric(value, name)


_CHECKS: dict[str, Callable[[Any, str], object]] = {
    "param": values.check_param,
    "metric": _check_metric,
    "tag": lambda value, name: values.check_line("" if value is None else value, name),
    "annotation": lambda value, name: values.check_text(str(value), name),
}


def fingerprint(named: Mapping[str, Path]) -> str:
    """A short hash of the names, sizes and times of files, for the key of a version that has no id.

    Files that registration leaves out by default do not count: a new index of git makes no new version of a model.
    """
    lines = []
    for name, path in sorted(named.items()):
        if (DEFAULT_FOLDERS | DEFAULT_FILES).isdisjoint(name.split("/")):
            status = path.stat()
            lines.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def clean_line(text: str, most: int = values.LINE_LENGTH) -> str:
    """``text`` on one line of at most ``most`` characters, without characters that a document can't hold."""
    line = _CONTROL.sub("\ufffd", " ".join(_UNWRITABLE.sub("\ufffd", text).split()))
    return shorten(line, most)


def to_message(text: object) -> str:
    """A description as the message of a version, without characters that a document can't hold."""
    return _UNWRITABLE.sub("\ufffd", text if isinstance(text, str) else "")[: values.TEXT_LENGTH].strip()


def to_plain_value(value: Any) -> Any:
    """``value`` as lineage can hold it: plain types, bounded in depth, length and number, without empty values."""

    def limit_key(name: str) -> str:
        return clean_line(name, 250)

    return _without_empty(
        limit_value(value, lambda each: clean_line(str(each)), key=limit_key, items=_ITEMS, depth=_DEPTH)
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
    """One version as another tool has it.

    ``key`` identifies it there (``mlflow:churn/3``) and is the same each time it is read, so that a repeated import is
    recognized; ``shown`` is a shorter one to display. ``files`` are a folder or single files, never changed; or
    ``named`` has each file by its path in the artifact, and ``keeps`` an object that must live until they are copied.
    With neither, it can't be imported, and the first entry of ``lost`` says why; otherwise ``lost`` lists what the
    registry can't hold of it. ``number`` is its number there, kept if it is free.
    """

    key: str
    model: str
    files: tuple[Path, ...] = ()
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

    @classmethod
    def conflicting(cls, key: str, text: str) -> ImportedVersion:
        """A model that can't be imported because another one gets its name."""
        name = to_model_name(text)
        why = f"the name '{name}' is already taken here: import it alone with `only` '{escape_for_message(text)}' and another `name`"
        return cls(key, name, lost=(why,))
