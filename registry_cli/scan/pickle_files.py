"""Pickles, by whatever name: found by walking what begins like one, and judged by what they do with globals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..inspect.binary.limits import Budget, Stopped, Stream
from .pickle.opcode_reader import OPCODES
from .verdicts import DANGEROUS, KNOWN, NOTE, UNKNOWN, AllowedGlobals, FileScan, GlobalUse

if TYPE_CHECKING:
    from .pickle.scan_log import PickledGlobalUse
    from .pickle.stream_analysis import StreamAnalysis

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cpkl", ".pk", ".p", ".sav", ".ckpt", ".pt", ".pth")
#: What breaks within so many bytes, and imports nothing, only begins like a pickle.
_CHANCE = 64


def scan_pickle(
    scan: FileScan, opened: Callable[[], Stream], head: bytes, name: str, where: str, allowed: AllowedGlobals,
    budget: Budget, *, lone: bool = False,
) -> bool:  # fmt: skip
    """Walk what may be a pickle, and note what it does with globals. False when it is none.

    What has the magic of protocol 2 to 5, or the name of a pickle, is one, readable or not. Anything else that begins
    with an opcode is one if it can be read as one, or if it calls something before the place where it can't: an unpickler
    would have made that call.
    """
    if not head or head[0] not in OPCODES:
        return False
    from .pickle.stream_analysis import analyse_stream  # most files are no pickles, and do without

    sure = lone or (head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))
    named = name.lower().endswith(_SUFFIXES)
    found = analyse_stream(opened, budget, lone=lone)
    if sure and not (lone or named) and _is_chance(found):
        return False
    acts = _does_something(found, allowed)
    if not (sure or acts or found.values or (named and _binary_or_long(found))):
        if found.limit:
            scan.add_stop(Stopped(found.why, limit=True), where)
            return True
        return False
    if not (sure or acts or found.complete or named):
        return False  # a text that happens to begin with a small pickle
    _add_findings(scan, found, where, allowed)
    return True


def _is_chance(found: StreamAnalysis) -> bool:
    """Whether numbers only happen to begin as a pickle does: every reader stops soon, and nothing was imported."""
    return bool(
        found.broken and not found.cut and found.offset < _CHANCE and not (found.uses or found.values or found.limit)
    )


def _binary_or_long(found: StreamAnalysis) -> bool:
    """Whether the walk came so far that the file was hardly made for anything else."""
    return bool(found.values or found.uses) or found.offset > 64


def _does_something(found: StreamAnalysis, allowed: AllowedGlobals) -> bool:
    """Whether something was called, or something dangerous is what comes out: no text does that by chance."""
    return any(
        (use.called and _has_name(use)) or (found.values and _has_name(use) and _level(use, allowed) == DANGEROUS)
        for use in found.uses
    )


def _has_name(use: PickledGlobalUse) -> bool:
    """Whether the global has a name as Python has them."""
    return use.path.replace(".", "").isidentifier()


def _level(use: PickledGlobalUse, allowed: AllowedGlobals) -> str:
    from .pickle.global_verdicts import judge

    return judge(use, allowed).level


def _add_findings(scan: FileScan, found: StreamAnalysis, where: str, allowed: AllowedGlobals) -> None:
    from .pickle.scan_log import HIDES

    scan.verdicts.add(KNOWN)
    _add_uses(scan, found.uses, where, allowed)
    for use in found.otherwise:
        if use.called and _has_name(use) and (level := _level(use, allowed)) != KNOWN:
            scan.add_finding(level, use.path, "in the bytes of an array, as pickle.load would read them", where)
    for anomaly in found.anomalies:
        scan.add_finding(DANGEROUS if anomaly.severity == HIDES else UNKNOWN, "", anomaly.what, where)
    if found.broken and found.uses and not found.limit:
        scan.add_finding(DANGEROUS, "", f"it calls or imports something, and then breaks off: {found.why}", where)
    elif not found.complete:
        scan.add_stop(Stopped(found.why, limit=found.limit, ambiguous=found.ambiguous), where)
    elif found.legacy_torch:
        scan.add_finding(NOTE, "", "the numbers of the tensors lie behind the pickles", where)


def _add_uses(scan: FileScan, uses: tuple[PickledGlobalUse, ...], where: str, allowed: AllowedGlobals) -> None:
    """Note each global once for each verdict on it: with the use that says most."""
    from .pickle import global_verdicts
    from .pickle.scan_log import CALL, IMPORT, ITEMS, NEW, REFER, STATE

    weight = (IMPORT, REFER, ITEMS, STATE, NEW, CALL)
    worst: dict[tuple[str, str], tuple[int, str]] = {}
    for use in uses:
        level, reason = global_verdicts.judge(use, allowed)
        scan.explain(GlobalUse(use.path, where, use.offset, global_verdicts.describe_use(use), level, reason))
        if level != KNOWN:
            this = (weight.index(use.how), reason)
            worst[level, use.path] = max(worst.get((level, use.path), (-1, "")), this)
    for (level, path), (_, why) in worst.items():
        if level == DANGEROUS or (DANGEROUS, path) not in worst:
            scan.add_finding(level, path, why, where)
    scan.globals += len({use[:2] for use in uses})
