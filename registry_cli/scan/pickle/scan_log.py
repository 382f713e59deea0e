"""What a walk notes down: what is done with each global, and what no pickler writes."""

from __future__ import annotations

from typing import NamedTuple

from ...core.lazy_dataclass import dataclass, field
from ...inspect.binary.limits import Stopped
from .stack_values import Blob, Global

_GLOBALS = 20_000
_USES = 100_000
_ANOMALIES = 200

#: How severity a anomaly is: it hides something, or what it does can't be known.
HIDES, UNCLEAR = "hides", "unclear"
#: What is done with a global. Every one is imported; one is referred to when it is a value in the pickle.
IMPORT, REFER, NEW, CALL, STATE, ITEMS = "import", "refer", "new", "call", "state", "items"


class Anomaly(NamedTuple):
    """Something in a pickle that an ordinary pickler doesn't write; ``severity`` is ``hides`` or ``unclear``."""

    severity: str
    what: str
    offset: int


class PickledGlobalUse(NamedTuple):
    """What is done with the global ``module.name``, where for the first time. ``kinds`` are those of the arguments."""

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
    """Each use of a global once, in order of appearance, and the anomalies. ``inner`` are pickles that the pickle loads."""

    found: dict[tuple[str, str], Global] = field(default_factory=dict)
    uses: dict[tuple[str, str, str, tuple[str, ...]], PickledGlobalUse] = field(default_factory=dict)
    anomalies: dict[tuple[str, str], Anomaly] = field(default_factory=dict)
    inner: dict[tuple[int, int] | bytes, bytes | Blob] = field(default_factory=dict)

    def import_global(self, module: str, name: str, offset: int) -> Global:
        """The global of that name, and that it is imported."""
        key = (module, name)
        known = self.found.get(key)
        if known is None:
            if len(self.found) >= _GLOBALS:
                raise Stopped(f"it refers to more than {_GLOBALS:,} globals", limit=True)
            known = self.found[key] = Global(module, name, offset)
            self.use(known, IMPORT, (), offset)
        return known

    def use(self, what: Global, how: str, kinds: tuple[str, ...], offset: int) -> None:
        key = (what.module, what.name, how, kinds)
        if key not in self.uses:
            if len(self.uses) >= _USES:
                raise Stopped(f"it uses globals in more than {_USES:,} ways", limit=True)
            self.uses[key] = PickledGlobalUse(what.module, what.name, how, kinds, offset)

    def add_anomaly(self, severity: str, what: str, offset: int) -> None:
        if len(self.anomalies) < _ANOMALIES:
            self.anomalies.setdefault((severity, what), Anomaly(severity, what, offset))

    def load(self, pickle: bytes | Blob) -> None:
        """Note a pickle that the pickle loads itself, once each."""
        key = pickle if isinstance(pickle, bytes) else (pickle.offset, pickle.length)
        self.inner.setdefault(key, pickle)
