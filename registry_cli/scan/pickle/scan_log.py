"""The log of one pickle scan: what is done with each global, and what no ordinary pickler writes."""

from __future__ import annotations

from typing import NamedTuple

from ...core.lazy_dataclass import dataclass, field
from ...inspect.binary.limits import Stopped
from .stack_values import Blob, Global

_GLOBALS = 20_000
_USES = 100_000
_ANOMALIES = 200

#: The severity of an anomaly: it hides something, or its effect can't be known.
HIDES, UNCLEAR = "hides", "unclear"
#: What is done with a global. Every one is imported; one is referred to when it is a value in the pickle.
IMPORT, REFER, NEW, CALL, STATE, ITEMS = "import", "refer", "new", "call", "state", "items"


class Anomaly(NamedTuple):
    """Something in a pickle that an ordinary pickler doesn't write; ``severity`` is ``hides`` or ``unclear``."""

    severity: str
    what: str


class PickledGlobalUse(NamedTuple):
    """One kind of use of the global ``module.name``: ``offset`` is the first one, ``kinds`` are those of the arguments."""

    module: str
    name: str
    how: str
    kinds: tuple[str, ...]
    offset: int

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def called(self) -> bool:
        return self.how in (NEW, CALL)


@dataclass(eq=False, repr=False)
class ScanLog:
    """Each use of a global once, in order of appearance, the anomalies, and the ``inner`` pickles that the pickle loads."""

    found: dict[tuple[str, str], Global] = field(default_factory=dict)
    uses: dict[tuple[str, str, str, tuple[str, ...]], PickledGlobalUse] = field(default_factory=dict)
    anomalies: dict[Anomaly, None] = field(default_factory=dict)
    inner: dict[tuple[int, int] | bytes, bytes | Blob] = field(default_factory=dict)

    def import_global(self, module: str, name: str, offset: int) -> Global:
        """Log the import of a global, and return it."""
        key = (module, name)
        known = self.found.get(key)
        if known is None:
            if len(self.found) >= _GLOBALS:
                raise Stopped(f"it refers to more than {_GLOBALS:,} globals", limit=True)
            known = self.found[key] = Global(module, name)
            self.add_use(known, IMPORT, (), offset)
        return known

    def add_use(self, what: Global, how: str, kinds: tuple[str, ...], offset: int) -> None:
        key = (what.module, what.name, how, kinds)
        if key not in self.uses:
            if len(self.uses) >= _USES:
                raise Stopped(f"it uses globals in more than {_USES:,} ways", limit=True)
            self.uses[key] = PickledGlobalUse(*key, offset)

    def add_anomaly(self, what: str, severity: str = HIDES) -> None:
        if len(self.anomalies) < _ANOMALIES:
            self.anomalies[Anomaly(severity, what)] = None

    def add_inner(self, pickle: bytes | Blob) -> None:
        self.inner.setdefault(pickle if isinstance(pickle, bytes) else (pickle.offset, pickle.length), pickle)
