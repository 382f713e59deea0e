"""The verdict on a use of a global: known, unknown, or dangerous. Names only; nothing is imported."""

from __future__ import annotations

import _compat_pickle as table
import re
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from ..verdicts import DANGEROUS, KNOWN, UNKNOWN, AllowedGlobals
from . import allow_list, denied_globals
from .scan_log import CALL, IMPORT, ITEMS, NEW, REFER, STATE, PickledGlobalUse
from .stack_values import HOOKED

_DUNDER = re.compile(r"__\w+__")
_CLASS = re.compile(r"_*[A-Z]\w*")
_GETATTR = "builtins.getattr"
#: The package of the classes of TorchScript, which Python can't import.
_SCRIPTED = "__torch__"
_HOW = {
    IMPORT: "it is imported", REFER: "it is referred to", NEW: "an object of it is made", CALL: "it is called",
    STATE: "its object is given a state", ITEMS: "elements are put into its object",
}  # fmt: skip


class GlobalVerdict(NamedTuple):
    """``level`` is one of the verdicts, ``why`` a short reason."""

    level: str
    why: str = ""


def judge(use: PickledGlobalUse, allowed: AllowedGlobals) -> GlobalVerdict:  # noqa: PLR0911 - a line for each rule
    """The verdict on a use of a global by a pickle. A name of Python 2 also counts as that of Python 3."""
    module, name = rename_global(use.module, use.name)
    path = f"{module}.{name}"
    if path in allowed.exact or use.path in allowed.exact:
        return GlobalVerdict(KNOWN, "allowed by name")
    kinds = tuple(rename_kind(kind) for kind in use.kinds)
    if HOOKED in kinds:
        return GlobalVerdict(DANGEROUS, "it is given a dict that replaces what Python calls by itself")
    if allow_list.permits(module, name, use.how, kinds):
        return GlobalVerdict(KNOWN, "in the allow-list")
    if module.partition(".")[0] == _SCRIPTED and use.how in (IMPORT, NEW, STATE):
        return GlobalVerdict(KNOWN, "a class that TorchScript defines in the file itself")
    if path == _GETATTR and use.how == CALL and kinds[-1:] and kinds[-1].startswith((".", "().")):
        return _judge_attribute(use, kinds[0], kinds[-1])
    listed = allow_list.is_listed(module, name)
    if why := _find_denial(module, name, use.how, listed):
        return GlobalVerdict(DANGEROUS, why)
    if path.startswith(allowed.prefixes):
        return GlobalVerdict(KNOWN, "allowed with its package")
    return GlobalVerdict(UNKNOWN, f"{_described(use)}, unlike in honest files" if listed else _described(use))


def _judge_attribute(use: PickledGlobalUse, holder: str, attribute: str) -> GlobalVerdict:
    """``getattr(object, "name")`` is how picklers write a method of an object: it is unknown what it is.

    It must be an object of the pickle itself: the result of a function may be anything.
    """
    sure, _, name = attribute.rpartition(".")
    if _DUNDER.fullmatch(name):
        return GlobalVerdict(DANGEROUS, "it reaches for what Python keeps inside")
    if name in denied_globals.NAMES:
        return GlobalVerdict(DANGEROUS, "it can run commands or code")
    module, _, maker = holder.removeprefix("=").rpartition(".")
    if sure and (
        {f"{module}.{maker}", f"{module}.*"} & denied_globals.CALLERS
        or not (_CLASS.fullmatch(maker) or allow_list.is_listed(module, maker))
    ):
        return GlobalVerdict(DANGEROUS, "it reaches into what a function gave")
    return GlobalVerdict(UNKNOWN, _described(use))


def judge_name(module: str, name: str, allowed: AllowedGlobals, *, called: bool = True) -> GlobalVerdict:
    """The verdict on a global that a file other than a pickle imports, and calls."""
    return judge(use_of(module, name, IMPORT if called else REFER), allowed)


def use_of(module: str, name: str, how: str = IMPORT, kinds: tuple[str, ...] = ()) -> PickledGlobalUse:
    """A use of a global outside of a pickle."""
    return PickledGlobalUse(module, name, how, kinds, 0)


def _described(use: PickledGlobalUse) -> str:
    """``it is called with text, number``."""
    words = _HOW[use.how]
    if use.how in (NEW, CALL) and use.kinds:
        return f"{words} with {', '.join(use.kinds[:8])}"
    return f"{words} ({', '.join(use.kinds)})" if use.kinds else words


def describe_use(use: PickledGlobalUse) -> str:
    """What is done with the global, in a few words."""
    return _described(use).removeprefix("it is ").removeprefix("its ")


@lru_cache(maxsize=4096)
def rename_global(module: str, name: str) -> tuple[str, str]:
    """The name that Python 3 looks up where a pickle of Python 2 has this one."""
    first, dot, rest = name.partition(".")
    if (module, first) in table.NAME_MAPPING:
        module, first = table.NAME_MAPPING[module, first]
        return module, f"{first}{dot}{rest}"
    return table.IMPORT_MAPPING.get(module, module), name


def rename_kind(kind: str) -> str:
    if kind[:1] not in "@=" or len(kind) < 2:
        return kind
    module, _, name = kind[1:].rpartition(".")
    module, name = rename_global(module, name)
    return f"{kind[0]}{module}.{name}"


def _within(path: str, packages: frozenset[str]) -> bool:
    """Whether a path is one of the packages, or in one."""
    return not packages.isdisjoint(accumulate(path.split("."), "{}.{}".format))


def _find_denial(  # noqa: PLR0911 - a line for each rule
    module: str, name: str, how: str, listed: bool
) -> str:
    """Why this is dangerous; empty if it isn't, as far as is known."""
    parts = name.split(".")
    path = f"{module}.{name}"
    if not all(part.isidentifier() for part in (*module.split("."), *parts)):
        return "its name is none that Python code has"
    if not listed and any(_DUNDER.fullmatch(part) for part in parts):
        return "it reaches for what Python keeps inside"
    if how == CALL and (denied_globals.CALLERS & {path, f"{module}.*"} or parts[-1] in denied_globals.CALLER_NAMES):
        return "it calls what it is given"
    if listed and how not in (CALL, REFER, NEW):
        return ""
    if denied_globals.NAMES & set(parts):
        return "it can run commands or code"
    if path in denied_globals.EXACT or _within(module, denied_globals.MODULES) or _within(path, denied_globals.MODULES):
        return "it can run code, or read and write files"
    if parts[-1] in denied_globals.LOADER_NAMES and how == CALL:
        return "it can load code, or objects from files"
    if len(parts) > 1 and how == CALL and not _CLASS.fullmatch(parts[-1]):
        return "it calls a method"
    return "" if listed else _of_library(module, path, parts)


def _of_library(module: str, path: str, parts: list[str]) -> str:
    """Why a part of Python's library is denied: all is that is not named."""
    library = allow_list.standard_library()
    if module.partition(".")[0] not in library:
        inside = [part for part in parts[:-1] if part in library]
        return f"it reaches Python's module {inside[0]} through another" if inside else ""
    if path in denied_globals.UNCLEAR or (
        module in denied_globals.UNCLEAR_MODULES and path not in denied_globals.NOT_UNCLEAR
    ):
        return ""
    if module == "builtins" and parts[0].endswith(("Error", "Exception", "Warning")):
        return ""
    return "a part of Python's library that no model needs"
