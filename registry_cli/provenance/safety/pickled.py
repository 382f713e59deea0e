"""Pickles, by whatever name: found by walking what begins like one, and judged by what they refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..pickles.allowed import Allowed
from ..pickles.reader import OPCODES, Budget, Stopped, Stream
from .verdicts import DANGEROUS, KNOWN, NOTE, UNKNOWN, FileScan

if TYPE_CHECKING:
    from ..pickles.values import Global
    from ..pickles.walker import Walk

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cpkl", ".pk", ".p", ".sav", ".ckpt", ".pt", ".pth")


def look(
    scan: FileScan, opened: Callable[[], Stream], head: bytes, name: str, where: str, allowed: Allowed,
    budget: Budget, *, lone: bool = False,
) -> bool:  # fmt: skip
    """Walk what may be a pickle, and note what it refers to. False when it is none.

    What has the magic of protocol 2 to 5, or the name of a pickle, is one, readable or not. Anything else that begins
    with an opcode is one if it can be read as one, or if it calls something before the place where it can't: an unpickler
    would have made that call.
    """
    if not head or head[0] not in OPCODES:
        return False
    from ..pickles.walker import walk  # most files are no pickles, and do without

    sure = lone or (head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))
    named = name.lower().endswith(_SUFFIXES)
    found = walk(opened, budget, lone=lone)
    acts = _acts(found, allowed)
    if not (sure or acts or found.values or (named and _binary_or_long(found))):
        if found.limit:
            scan.stopped(Stopped(found.why, limit=True), where)
            return True
        return False
    if not (sure or acts or found.complete or named):
        return False  # a text that happens to begin with a small pickle
    _note(scan, found, where, allowed)
    return True


def _binary_or_long(found: Walk) -> bool:
    """Whether the walk came so far that the file was hardly made for anything else."""
    return bool(found.values or found.uses) or found.offset > 64


def _acts(found: Walk, allowed: Allowed) -> bool:
    """Whether something was called, or something dangerous is what comes out: no text does that by chance."""
    return any(
        (use.called and use.path.replace(".", "").isidentifier()) or (found.values and _is_denied(use, allowed))
        for use in found.uses
    )


def _is_denied(use: Global, allowed: Allowed) -> bool:
    """Whether a global with a name as Python has them is a dangerous one."""
    from ..pickles.judging import DANGEROUS as DENIED
    from ..pickles.judging import judge

    return use.path.replace(".", "").isidentifier() and judge(use, allowed).level == DENIED


def _note(scan: FileScan, found: Walk, where: str, allowed: Allowed) -> None:
    from ..pickles.judging import DANGEROUS as DENIED
    from ..pickles.judging import KNOWN as HARMLESS
    from ..pickles.judging import judge
    from ..pickles.log import HIDES

    scan.verdicts.add(KNOWN)
    scan.globals += len(found.uses)
    for use in found.uses:
        judgement = judge(use, allowed)
        if judgement.level != HARMLESS:
            level = DANGEROUS if judgement.level == DENIED else UNKNOWN
            scan.found(level, use.path, judgement.why, where)
    for use in found.otherwise:
        if _is_denied(use, allowed):
            scan.found(DANGEROUS, use.path, "in the bytes of an array, as pickle.load would read them", where)
    for trick in found.tricks:
        scan.found(DANGEROUS if trick.grave == HIDES else UNKNOWN, "", trick.what, where)
    if not found.complete:
        scan.stopped(Stopped(found.why, limit=found.limit), where)
    elif found.legacy_torch:
        scan.found(NOTE, "", "the numbers of the tensors lie behind the pickles", where)
