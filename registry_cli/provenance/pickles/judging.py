"""What a reference to a global means: known, unknown, or dangerous. Names only; nothing is imported."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from . import denied, known
from .allowed import Allowed
from .values import Global

KNOWN, UNKNOWN, DANGEROUS = "known", "unknown", "dangerous"
#: Names that Python 2 wrote and Python 3 reads as others.
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg", "cPickle": "pickle", "commands": "subprocess"}
_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]*")
_DUNDER = re.compile(r"__\w+__")


class Judgement(NamedTuple):
    """``level`` is known, unknown or dangerous; ``why`` says why, in a few words, unless it is known."""

    level: str
    why: str = ""


def judge(use: Global, allowed: Allowed) -> Judgement:
    """What it means that a pickle refers to ``use``, or calls it."""
    module = _renamed(use.module)
    path = f"{module}.{use.name}"
    if path in allowed.exact:
        return Judgement(KNOWN)
    if _is_known(module, use.name, path, use.called):
        return Judgement(KNOWN)
    if why := _denied(module, use.name, path, use.called):
        return Judgement(DANGEROUS, why)
    if path.startswith(allowed.prefixes):
        return Judgement(KNOWN)
    return Judgement(UNKNOWN, "it is called" if use.called else "")


def _renamed(module: str) -> str:
    first, dot, rest = module.partition(".")
    return f"{_RENAMED.get(first, first)}{dot}{rest}"


def _within(path: str, packages: frozenset[str]) -> bool:
    """Whether it is one of the packages, or lies in one."""
    while path:
        if path in packages:
            return True
        path = path.rpartition(".")[0]
    return False


def _is_known(module: str, name: str, path: str, called: bool) -> bool:
    if path in known.EXACT or (path in known.LOADERS and not called):
        return True
    if path in denied.EXACT or _within(module, denied.MODULES) or name in denied.NAMES:
        return False
    if _within(module, known.CLASSES):
        if _CLASS.fullmatch(name):
            return name not in known.REEXPORTS
        if name.startswith(known.UNPICKLERS):
            return name.isidentifier()
    plain = name.isidentifier() and not _DUNDER.fullmatch(name) and not _CLASS.fullmatch(name)
    return plain and not called and _within(module, known.FUNCTIONS)


def _denied(module: str, name: str, path: str, called: bool) -> str:
    """Why this is dangerous; empty if it isn't, as far as is known."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in (*module.split("."), *parts)):
        return "its name is none that Python code has"
    if any(_DUNDER.fullmatch(part) for part in parts):
        return "it reaches for what Python keeps inside"
    if denied.NAMES & set(parts):
        return "it can run commands or code"
    if path in denied.EXACT or _within(module, denied.MODULES) or _within(path, denied.MODULES):
        return "it can run code, or read and write files"
    if len(parts) > 1 and called:
        return "it calls a method"
    return _of_library(module, path, parts, called)


def _of_library(module: str, path: str, parts: list[str], called: bool) -> str:
    """Python's own library, of which only what is named is not denied."""
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        inside = [part for part in parts[:-1] if part in sys.stdlib_module_names]
        return f"it reaches Python's module {inside[0]} through another" if inside else ""
    if path == "builtins.getattr" and called:
        return "it reaches for the attributes of an object"
    if path in known.EXACT or path in denied.UNCLEAR:
        return ""
    if module == "builtins" and parts[0].endswith(("Error", "Exception", "Warning")):
        return ""
    if module in denied.UNCLEAR_MODULES and path not in denied.NOT_UNCLEAR:
        return ""
    return "a part of Python's library that no model needs"
