"""The result of an inspection: what is known of an artifact without loading it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.conversion import limit_value
from ..core.lazy_dataclass import Record, dataclass, field
from ..core.text import shorten

#: What is kept: characters of a text, names of features, inputs, items of other lists, and levels of nesting. All of it
#: is also in every index, for a million versions.
TEXT, FEATURES, TENSORS, ITEMS, DEPTH = 300, 200, 100, 100, 6
UNKNOWN = "unknown"
#: Why no numbers are counted in a folder that is only the configuration of a model.
NO_WEIGHTS = "there are no weights in it"

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """An input or output: name, element type (``float32``), and shape, None if unknown; a dimension of any length is
    None, or its name.
    """

    name: str
    type: str = ""
    shape: Shape | None = None

    def document(self) -> dict[str, Any]:
        """The stored form: ``name``, ``type`` and ``shape``, each if it is known."""
        fields = {"name": self.name, "type": self.type, "shape": None if self.shape is None else list(self.shape)}
        return {key: value for key, value in fields.items() if value not in (None, "")}


@dataclass(frozen=True, eq=False)
class Inspection(Record):
    """What the reader of one format found. ``format`` is its short name; ``framework`` the name of its package
    (``sklearn``, ``torch``), empty if it is not known.

    ``parameters`` is how many numbers a model consists of, ``dtypes`` how many of each type. ``features`` are names,
    ``feature_count`` the number of features, with or without names. ``details`` are further plain values. ``certain`` is
    False if the format was only recognised by its name or its beginning; then ``problem`` says why it could not be read.
    ``path`` is the file or folder in the artifact, empty for the artifact as a whole; ``companions`` are the paths of
    other files that belong to the same model and are described with it: weights, shards.
    """

    format: str
    framework: str = ""
    framework_version: str = ""
    class_name: str = ""
    parameters: int | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    features: tuple[str, ...] = ()
    feature_count: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    certain: bool = True
    problem: str = ""
    path: str = ""
    companions: tuple[str, ...] = ()

    @property
    def made_by(self) -> str:
        """Framework and version: ``sklearn 1.5.2``."""
        return f"{self.framework} {self.framework_version}".strip() if self.framework else ""

    @property
    def width(self) -> int | None:
        """How many features the model takes; None if that is not known."""
        return self.feature_count if self.feature_count is not None else len(self.features) or None

    def lineage(self) -> dict[str, Any]:
        """The stored form: ``format``, ``framework`` (``sklearn 1.5.2``) and ``contents``, all of bounded size."""
        contents: dict[str, Any] = {
            "class": to_single_line(self.class_name),
            "parameters": to_plain_value(self.parameters),
            "dtypes": to_plain_value(self.dtypes),
            "inputs": [to_plain_value(each.document()) for each in self.inputs[:TENSORS]],
            "outputs": [to_plain_value(each.document()) for each in self.outputs[:TENSORS]],
            "feature_count": to_plain_value(self.width),
            "features": [to_single_line(name) for name in self.features[:FEATURES]],
            "features_digest": _digest(self.features) if len(self.features) > FEATURES else "",
            **to_plain_value(self.details),
            "problem": to_single_line(self.problem),
        }
        kept = {key: value for key, value in contents.items() if value not in (None, "", [], {})}
        lineage = {"format": self.format, "framework": to_single_line(self.made_by), "contents": kept}
        return {key: value for key, value in lineage.items() if value}


def parameter_counts(dtypes: Mapping[str, int], uncounted: object = "") -> dict[str, Any]:
    """``parameters`` and ``dtypes`` of an inspection; nothing if ``uncounted`` says why the numbers are not known."""
    return {} if uncounted else {"parameters": sum(dtypes.values()), "dtypes": dict(dtypes)}


def _digest(names: Sequence[str]) -> str:
    """Distinguishes long lists of names, of which only the beginnings are kept."""
    import hashlib

    return "sha256:" + hashlib.sha256("\0".join(names).encode("utf-8", "replace")).hexdigest()


def to_plain_value(value: object) -> Any:
    """A value from a file as one that can be stored and shown, each text on one line."""

    def text(each: object) -> str | None:
        return to_single_line(each) if isinstance(each, str) else None

    return limit_value(value, text, key=to_single_line, items=ITEMS, depth=DEPTH)


def to_single_line(value: str) -> str:
    """One line of at most ``TEXT`` characters, without control characters and surrogates."""
    line = _UNSEEN.sub(" ", value[: 4 * TEXT]).strip()
    return shorten(line, TEXT)


@dataclass(frozen=True, eq=False)
class Inspected(Record):
    """What an artifact as a whole is: the ``primary`` of all readings ``found``, None if nothing was recognised; how many
    ``files`` it has, and how many of them are ``unseen`` because of the limit on opened files.
    """

    primary: Inspection | None
    found: tuple[Inspection, ...]
    files: int
    unseen: int = 0

    def lineage(self) -> dict[str, Any]:
        """The stored form: that of the primary, with its path, and the other formats beside it."""
        if self.primary is None:
            return {}
        lineage = self.primary.lineage()
        beside: dict[str, Any] = {}
        if self.files > 1 and self.primary.path:
            beside["file"] = to_single_line(self.primary.path)
        if others := sorted({each.format for each in self.found if each.path != self.primary.path} - {UNKNOWN}):
            beside["also"] = others
        return {**lineage, "contents": {**lineage.get("contents", {}), **beside}} if beside else lineage
