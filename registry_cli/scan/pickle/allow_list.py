"""The globals of honest pickles, and what they do with each: data, made by ``tests/scan/make_allow_list.py``.

A file of ``data/`` has the entries of one package: by module, by what may be done, the names. What may be done:

``refer``           it may be a value
``new``             an object may be made by ``cls.__new__(cls)``; ``new(number,text)`` with arguments of these kinds
``call(…)``         it may be called, with arguments of these kinds
``state(dict)``     its objects may be given a state of that kind
``items(list)``     elements may be put into its objects

Kinds are those of ``kinds``; ``|`` stands between several, ``@`` alone is any global, ``...`` after the last one lets it
repeat. To import what is in the list is always permitted.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from .scan_log import IMPORT

_FOLDER = Path(__file__).with_name("data")
#: Entries of Python's own library, and those of packages that have no file of their own.
PYTHON, OTHERS = "python", "others"
#: Modules of Python's library, of any version and system.
LIBRARY = "library"

Permitted = tuple[tuple[str, tuple[frozenset[str], ...], bool], ...]


@lru_cache(maxsize=1)
def standard_library() -> frozenset[str]:
    """The top-level modules of Python's own library, from 2.7 on, whatever interpreter runs this."""
    return frozenset(_read(LIBRARY).get("modules", ()))


def is_listed(module: str, name: str) -> bool:
    """Whether a global is in the allow-list."""
    return name in _entries(_file(module)).get(module, {})


def permits(module: str, name: str, how: str, kinds: tuple[str, ...]) -> bool:
    """Whether this may be done with a global, according to the list."""
    uses = _entries(_file(module)).get(module, {}).get(name)
    if uses is None:
        return False
    return how == IMPORT or any(
        how == each and _fits(patterns, repeats, kinds) for each, patterns, repeats in _parsed(uses)
    )


def _fits(patterns: tuple[frozenset[str], ...], repeats: bool, kinds: tuple[str, ...]) -> bool:
    if len(kinds) != len(patterns) and not (repeats and len(kinds) >= len(patterns) - 1):
        return False
    for at, kind in enumerate(kinds):
        wanted = patterns[min(at, len(patterns) - 1)]
        if kind not in wanted and not (kind.startswith("@") and "@" in wanted):
            return False
    return True


@lru_cache(maxsize=4096)
def _parsed(uses: str) -> Permitted:
    found = []
    for use in uses.split():
        how, _, rest = use.partition("(")
        kinds = rest.removesuffix(")")
        repeats = kinds.endswith("...")
        parts = kinds.removesuffix("...").split(",") if kinds else []
        found.append((how, tuple(frozenset(part.split("|")) for part in parts), repeats))
    return tuple(found)


def _file(module: str) -> str:
    top = module.partition(".")[0]
    if top in standard_library():
        return PYTHON
    return top if top.isidentifier() and _has_file(top) else OTHERS


@lru_cache(maxsize=1024)
def _has_file(top: str) -> bool:
    return top not in (PYTHON, OTHERS, LIBRARY) and (_FOLDER / f"{top}.json").is_file()


@lru_cache(maxsize=64)
def _entries(name: str) -> dict[str, dict[str, str]]:
    """Module to name to what may be done."""
    modules = _read(name).get("modules", {})
    return {
        module: {each: uses for uses, names in by_use.items() for each in names.split()}
        for module, by_use in modules.items()
    }


def _read(name: str) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads((_FOLDER / f"{name}.json").read_bytes())
    return found
