"""Names of globals that files other than pickles hold: the types of skops, and what configurations name."""

from __future__ import annotations

import json
from typing import Any

from .pickle.allowed_globals import Allowed
from .pickle.global_verdicts import DANGEROUS as DENIED
from .pickle.global_verdicts import KNOWN as HARMLESS
from .pickle.global_verdicts import judge, use_of
from .pickle.scan_log import IMPORT, REFER
from .text_formats import mappings
from .verdicts import DANGEROUS, KNOWN, UNKNOWN, UNSCANNABLE, FileScan


def skops_schema(scan: FileScan, data: bytes, where: str, allowed: Allowed) -> None:
    """The types that a skops file names. ``skops.io.load`` asks before it takes those that it doesn't trust."""
    document = _loaded(scan, data, where)
    for each in mappings(document):
        module, name = each.get("__module__"), each.get("__class__")
        content = each.get("content")
        if isinstance(content, dict) and isinstance(content.get("module_path"), str):
            _judged(scan, content["module_path"], str(content.get("function")), where, allowed, called=False)
            scan.globals += 1
            continue
        if isinstance(module, str) and isinstance(name, str) and module and name not in ("function", "ufunc"):
            _judged(scan, module, name, where, allowed)
            scan.globals += 1
        func = content.get("func") if isinstance(content, dict) else None
        if isinstance(func, str) and func.startswith("__"):
            scan.found(DANGEROUS, func, "it reaches for what Python keeps inside", where)


def judged(module: str, name: str, allowed: Allowed, *, called: bool = True) -> tuple[str, str]:
    """What it means that something imports, and calls, a global: a verdict and why."""
    judgement = judge(use_of(module, name, IMPORT if called else REFER), allowed)
    level = {HARMLESS: KNOWN, DENIED: DANGEROUS}.get(judgement.level, UNKNOWN)
    return level, judgement.why


def _judged(scan: FileScan, module: str, name: str, where: str, allowed: Allowed, *, called: bool = True) -> None:
    level, why = judged(module, name, allowed, called=called)
    if level != KNOWN:
        scan.found(level, f"{module}.{name}", why, where)


def _loaded(scan: FileScan, data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        scan.found(UNSCANNABLE, "", "its JSON can't be read", where)
        return None
