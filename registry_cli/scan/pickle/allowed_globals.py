"""What counts as known because somebody says so."""

from __future__ import annotations

from collections.abc import Iterable


class Allowed:
    """``package.Class`` allows that one name, ``package.*`` all of a package that is not denied."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = tuple(names)
        self.exact = frozenset(name for name in given if not name.endswith(".*"))
        self.prefixes = tuple(name[:-1] for name in given if name.endswith(".*"))
