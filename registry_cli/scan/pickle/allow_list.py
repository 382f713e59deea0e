"""The allow-list: the globals of honest pickles, and their uses, made by ``tests/scan/make_allow_list.py``.

A file of ``data/`` has the entries of one package: the names by module and permitted uses. The uses:

``refer``           it may be a value
``new``             an object may be made by ``cls.__new__(cls)``; ``new(number,text)`` with arguments of these kinds
``call(…)``         it may be called, with arguments of these kinds
``state(dict)``     its objects may be given a state of that kind
``items(list)``     elements may be put into its objects

Kinds are those of ``stack_values.kind_of``; ``|`` separates alternatives, ``@`` alone is any global, ``...`` after the
last one lets it repeat. To import a listed global is always permitted.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path

from .scan_log import IMPORT

_FOLDER = Path(__file__).with_name("data")
#: The files of Python's library, and of all packages without a file of their own.
PYTHON, OTHERS = "python", "others"
#: The file with the names of the modules of Python's library, of any version and system.
LIBRARY = "library"

Permitted = tuple[tuple[str, tuple[frozenset[str], ...], bool], ...]


@cache
def standard_library() -> frozenset[str]:
    """The top-level modules of Python's library, of every version from 2.7 on."""
    return frozenset(_read(LIBRARY)["modules"])


def is_listed(module: str, name: str) -> bool:
    """Whether a global is in the allow-list."""
    return name in _entries(_file(module)).get(module, {})


def permits(module: str, name: str, how: str, kinds: tuple[str, ...]) -> bool:
    """Whether the list permits this use of a global."""
    uses = _entries(_file(module)).get(module, {}).get(name)
    if uses is None:
        return False
    return how == IMPORT or any(
        how == each and _fits(patterns, repeats, kinds) for each, patterns, repeats in _parsed(uses)
    )


def _fits(patterns: tuple[frozenset[str], ...], repeats: bool, kinds: tuple[str, ...]) -> bool:
    if len(kinds) != len(patterns) and not (repeats and len(kinds) >= len(patterns) - 1):
        return False
    wanted = (patterns[min(at, len(patterns) - 1)] for at in range(len(kinds)))
    return all(kind in each or (kind[:1] == "@" and "@" in each) for kind, each in zip(kinds, wanted, strict=True))


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
    return top if top in _packages() else OTHERS


@cache
def _packages() -> frozenset[str]:
    """The packages that have a file of their own."""
    return frozenset(path.stem for path in _FOLDER.glob("*.json")) - {PYTHON, OTHERS, LIBRARY}


@cache
def _entries(name: str) -> dict[str, dict[str, str]]:
    """Module to name to what may be done."""
    return {
        module: {each: uses for uses, names in by_use.items() for each in names.split()}
        for module, by_use in _read(name)["modules"].items()
    }


def _read(name: str) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads((_FOLDER / f"{name}.json").read_bytes())
    return found
