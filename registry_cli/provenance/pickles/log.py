"""What a walk notes down: the globals, and what no pickler writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .reader import Stopped
from .values import Blob, Global

_GLOBALS = 20_000
_TRICKS = 200

#: How grave a trick is: it hides something, or what it does can't be known.
HIDES, UNCLEAR = "hides", "unclear"


class Trick(NamedTuple):
    """Something in a pickle that an ordinary pickler doesn't write; ``grave`` is ``hides`` or ``unclear``."""

    grave: str
    what: str
    offset: int


@dataclass(eq=False, repr=False)
class Log:
    """Each global once, in order of appearance, and the tricks. ``inner`` are pickles that the pickle itself loads."""

    found: dict[tuple[str, str], Global] = field(default_factory=dict)
    tricks: list[Trick] = field(default_factory=list)
    inner: list[bytes | Blob] = field(default_factory=list)

    def use(self, module: str, name: str, offset: int) -> Global:
        key = (module, name)
        known = self.found.get(key)
        if known is None:
            if len(self.found) >= _GLOBALS:
                raise Stopped(f"it refers to more than {_GLOBALS:,} globals", limit=True)
            known = self.found[key] = Global(module, name, offset)
        return known

    def trick(self, grave: str, what: str, offset: int) -> None:
        if len(self.tricks) < _TRICKS and not any((each.grave, each.what) == (grave, what) for each in self.tricks):
            self.tricks.append(Trick(grave, what, offset))
